// From a placement to a plan with all its parameters, the same way wherever one is tried: the first, those of
// other placements and ranges, and those of rebalanced graphs.
#pragma once

#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quant_plan.h"
#include "plan/tensor_stats.h"
#include "search/places.h"
#include "search/tune_ranges.h"
#include "target/target.h"

namespace qc {

/// What plans are made from. Borrowed.
struct PlanScene {
  const ir::Graph& graph;
  const Places& places;
  const config::CoreConfig& config;
  const target::TargetSpec& target;
  const plan::StatsTable& stats;  // of every value that is rounded where integers are fastest
};

/// A plan without parameters for nodes that run as `integer` says; in float are those where integers do not
/// pay, and those of the fastest placement that cost too much.
plan::QuantPlan outlined(const PlanScene& scene, const std::vector<bool>& integer);

/// The ranges that its values may have, the best by their own statistics first. `more`: those that
/// tune_ranges() tries as well.
plan::Candidates ranges_of(const PlanScene& scene, const plan::QuantPlan& plan, bool more = false);

/// Gives every value its first candidate, and grids that the target and both files agree on.
void decide(const PlanScene& scene, const plan::Candidates& activations, plan::QuantPlan& plan);

/// All three: where nodes run, to a plan that can be quantized. `chosen` stand before other ranges.
plan::QuantPlan complete_plan(const PlanScene& scene, const std::vector<bool>& integer,
                              const RangeChoice& chosen = {});

}  // namespace qc
