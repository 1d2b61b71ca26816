// Stock ONNX Runtime for the tests of this room: a model from bytes, random inputs, outputs as tensors. Kept
// apart from lib/run so that the door is judged from outside.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace qc::ort_try {

enum class Optimize { kNone, kExtended };

/// Inputs for the model's own input shapes: floats in [low, high), integers small, dims that are not fixed
/// become 1 in front and 64 elsewhere. The same for the same seed.
std::vector<ir::Tensor> random_inputs(std::string_view model, unsigned seed = 1, float low = -1,
                                      float high = 1);

/// Outputs in the model's order. `optimized_file`: where ONNX Runtime dumps the optimized graph ("":
/// nowhere).
std::vector<ir::Tensor> run(std::string_view model, const std::vector<ir::Tensor>& inputs,
                            Optimize optimize = Optimize::kNone, const std::string& optimized_file = "");

/// max |a - b| / max(|a|), over float tensors; 0 for equal tensors of other types, 1e30 for anything that
/// differs in type or shape.
double max_relative_error(const ir::Tensor& a, const ir::Tensor& b);

/// Files of $QCONVERT_TEST_DATA/models/*.onnx, sorted; empty when the variable is not set.
std::vector<std::string> real_models();

}  // namespace qc::ort_try
