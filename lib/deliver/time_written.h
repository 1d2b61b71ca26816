// How fast the written file is beside the model it was made from: a look, for people who read the report, not
// a benchmark (that is `qconvert compare`).
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "ir/tensor.h"

namespace qc {

/// One inference of the written ONNX file over one of the model, on one thread of stock ONNX Runtime, taking
/// turns: a handful of rounds, and more where those make it slower than float. Nothing where the runtime does
/// not run one of them by itself (custom domains).
std::optional<double> time_of_written(const std::filesystem::path& model,
                                      const std::filesystem::path& written,
                                      const std::vector<ir::Tensor>& inputs);

}  // namespace qc
