// Activations of 16 bits in the modes float16 and bfloat16: which nodes compute on them, so that nothing
// overflows, and the graph with the Casts between them and the rest. Weights alone are modes.h's business.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "images/image_source.h"
#include "plan/quantized_model.h"
#include "run/runner.h"

namespace qc {

/// How far each float value may go from 0.
struct Reach {
  std::vector<float> largest;  // by ValueId: the largest magnitude seen; infinite where none was looked at
  float margin = 1;            // what comes later may be so many times as large
};

/// On images (indices of `source`). Throws Error(kInput) when an activation is NaN or infinite.
Reach reach_on_images(const ir::Graph& graph, run::RunnerFactory& runners, const images::ImageSource& source,
                      std::span<const int64_t> images, int threads);
/// On inputs of noise between -1 and 1, with a margin that inputs of bytes lie within.
Reach reach_on_noise(const ir::Graph& graph, run::RunnerFactory& runners,
                     const std::vector<ir::Tensor>& inputs);

/// What a node has to do with activations of 16 bits.
struct HalfChoice {
  bool half = false;
  std::string why;  // it stays in float32; "" for nodes without float values
};

/// By NodeId. `types`: the type that a node's mode has, kUndefined for others. With kFloat16 a node computes
/// in it where ONNX defines the op for it and neither its constants nor, by `reach` or by what its op can
/// yield, its values leave the type's range; ops stay that square, divide or add up many numbers on the way.
/// Nodes without weights between nodes in float32 stay as well: the Casts would be all they bring. kBfloat16
/// has float32's range.
std::vector<HalfChoice> half_choices(const plan::QuantizedModel& model, std::span<const ir::DType> types,
                                     const Reach& reach);

/// Puts the chosen nodes on 16 bits: their values and constants get the type, with Casts where other nodes
/// read or make them. Inputs and outputs of the model keep float32 if `keep_io_types`, or where they are
/// integers in the plan. In bfloat16, for which stock ONNX Runtime has no arithmetic, nodes that move numbers
/// are of the type, and others compute in float32 between Casts, as hardware with that type adds up.
void spell_half(std::span<const HalfChoice> choices, std::span<const ir::DType> types, bool keep_io_types,
                plan::QuantizedModel& model);

}  // namespace qc
