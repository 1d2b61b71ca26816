// For whoever adds nodes or values to a model that has its plan.
#pragma once

#include "plan/quantized_model.h"

namespace qc::plan {

/// The plan has a decision for every node and value of the graph again: float, where none was taken.
inline void resize_plan(QuantizedModel& model) {
  model.plan.nodes.resize(model.graph.nodes.size());
  model.plan.values.resize(model.graph.values.size());
}

}  // namespace qc::plan
