// For whoever adds nodes, values or elements to a model that has its plan.
#pragma once

#include <algorithm>

#include "plan/quantized_model.h"

namespace qc::plan {

/// The plan has a decision for every node and value of the graph again: float, where none was taken.
inline void cover(QuantizedModel& model) {
  model.plan.nodes.resize(model.graph.nodes.size());
  model.plan.values.resize(model.graph.values.size());
}

/// Zeros may be added to a weight of these parameters: 8 bits, scales along its first dimension or one, and 0
/// stands for 0.
inline bool takes_zeros(const quant::QuantParams& params) {
  return params.bits == 8 && params.codebook.empty() && params.axis <= 0 &&
         std::ranges::all_of(params.zero_points, [](int32_t zero_point) { return zero_point == 0; });
}

}  // namespace qc::plan
