// A TFLite file run by a model of its runtime's arithmetic: 8 bit integers exactly by the kernels' formulas,
// 16 bit ones to a step or two, float32 in the obvious way. For judging a file where no runtime is at hand;
// not fast, and no runtime's replacement.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/tensor.h"
#include "tflite/arithmetic.h"
#include "tflite/read.h"

namespace qc::tflite {

/// What of the file could not be run, all at once: throws Error(kUnsupported) naming every operator without a
/// kernel here, and files that no interpreter takes as they are (sparse tensors, no fixed sizes).
void check_executable(const file::Model& model, const std::string& place);

/// One inference of the first graph. `inputs` as the file's types and shapes, in its order; returns its
/// outputs. Thread-safe; the same result whatever else runs. Throws Error: inputs of another size, an
/// operator whose types this does not know (kUnsupported), shapes that do not fit (kInput).
std::vector<ir::Tensor> execute(const file::Model& model, std::span<const ir::Tensor> inputs,
                                kernels::Rounding rounding, const std::string& place);

/// The values of further tensors of the first graph, after the outputs: for walking through a model layer by
/// layer.
std::vector<ir::Tensor> execute(const file::Model& model, std::span<const ir::Tensor> inputs,
                                kernels::Rounding rounding, const std::string& place,
                                std::span<const file::TensorId> also);

/// Types of inputs and outputs that stand for floats: 8 and 16 bit integers.
bool is_quantized_port(ir::DType dtype);
/// Floats as the integers of a quantized input, and back. Tensors of other types pass unchanged.
ir::Tensor quantized(const ir::Tensor& real, const file::Tensor& as);
ir::Tensor dequantized(const ir::Tensor& integers, const file::Tensor& as);

}  // namespace qc::tflite
