// One grid for what a Concat joins, where the ranges are nearly one already.
#pragma once

#include "ir/graph.h"
#include "plan/quant_plan.h"
#include "target/target.h"

namespace qc::select {

/// Whether the producer of `value` still limits it to what it should when its range `before` becomes `after`:
/// a Relu or Clip disappears into its own producer only while the range it leaves stays inside its bounds.
bool keeps_bounds(const ir::Graph& graph, const target::TargetSpec& target, const ir::Value& value,
                  const quant::QuantParams& before, const quant::QuantParams& after);

/// Gives an input of an integer Concat and the result one scale and zero point, with all that share them, if
/// no step grows by more than kNearGrids in that: rescaling an input rounds it once more, which costs as much
/// as the first time, and between the units of a ShuffleNet half of the channels are rescaled each time.
/// Known ranges and inputs of the model stay; so does what a Relu or Clip needs.
void share_near_grids(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target);

inline constexpr double kNearGrids = 1.15;

}  // namespace qc::select
