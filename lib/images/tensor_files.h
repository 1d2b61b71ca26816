// Tensors from files: numpy's .npy and .npz, ONNX's TensorProto (.pb).
// Formats: numpy.lib.format (versions 1 to 3), PKWARE's APPNOTE for the zip container (entries stored or
// deflated), onnx.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/tensor.h"

namespace qc::images {

using NamedTensors = std::vector<std::pair<std::string, ir::Tensor>>;

struct NpyHeader {
  ir::DType dtype = ir::DType::kUndefined;
  std::vector<int64_t> dims;
  size_t data_at = 0;
  bool first_axis_fastest = false;  // Fortran's order
};

/// All throw Error(kInput) with `place` and what is wrong. `bytes` of npy_header() may end anywhere behind
/// the header.
NpyHeader npy_header(std::string_view bytes, const std::string& place);
ir::Tensor read_npy(std::string_view bytes, const std::string& place);
/// Keys without ".npy", in the order of the file.
std::vector<std::string> npz_keys(std::string_view bytes, const std::string& place);
NamedTensors read_npz(std::string_view bytes, const std::string& place);
/// The tensor and the name that it carries (may be "").
std::pair<std::string, ir::Tensor> read_pb(std::string_view bytes, const std::string& place);

}  // namespace qc::images
