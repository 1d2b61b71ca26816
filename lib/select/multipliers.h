// What a kernel multiplies its sums by stays within what kernels can.
#pragma once

#include "ir/graph.h"
#include "plan/quant_plan.h"
#include "target/target.h"

namespace qc::select {

/// A layer's sums count in input scale times weight scale, and reach the result's grid by a multiplier: that
/// over the result's scale. LiteRT's kernels know multipliers below 256, and on a larger one (a layer that
/// never fires, its result's range next to nothing) XNNPACK writes past its buffers. Raises results' scales,
/// with all that share them, until no multiplier exceeds kMultiplierAim; a step is a small part of one unit
/// of the sums even then, so that nothing is lost. Results whose range is given (known ranges, the bounds of
/// a Clip) stay. `least_threshold`: of a weight's channel, whatever is in it.
void bound_multipliers(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
                       double least_threshold);

inline constexpr double kMultiplierAim = 64;  // guards may raise a weight's scale later

}  // namespace qc::select
