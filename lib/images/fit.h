// Making data and the model's inputs meet: which input takes pictures and in what form, and whether a tensor
// from a file is one that an input takes.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "images/image_source.h"

namespace qc::images {

/// Everything about the input that pictures go to, with nothing left unset.
struct PictureInput {
  size_t index = 0;  // of the InputSpecs
  Preprocess preprocess;
  Layout layout = Layout::kNchw;
  int64_t height = -1, width = -1;  // -1: any
};

/// Throws Error(kInput) with all that does not fit (rank, type, channels, layout, size) at once; warns when
/// no preprocessing is given.
PictureInput fit_pictures(const SourceOptions& options, const std::vector<InputSpec>& inputs,
                          Diagnostics& diagnostics);

/// Throws Error(kInput) when a tensor of this type and shape is not one that the input takes.
void check_tensor(ir::DType dtype, const std::vector<int64_t>& dims, const InputSpec& input,
                  const std::string& place);

/// The tensor with the input's type (numbers widened where needed) and batch dimension. Throws as
/// check_tensor().
ir::Tensor fit_tensor(ir::Tensor tensor, const InputSpec& input, const std::string& place);

/// Of an input: "float32 [1, 3, ?, ?]".
std::string type_text(ir::DType dtype, const std::vector<int64_t>& dims);

}  // namespace qc::images
