// The threshold search applied to a whole plan: what calibration saw and what the weights hold become
// candidates.
#pragma once

#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quant_plan.h"
#include "plan/tensor_stats.h"
#include "target/target.h"

namespace qc::threshold {

/// For every scale group of rounded values (key: its representative): one candidate, from the joined
/// statistics of the group's sources, or from the known range of the op that makes it ("Sigmoid": 0..1). A
/// Relu or Clip that disappears into its producer gets a range inside its bounds, so that it is redundant.
plan::Candidates activation_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                       const plan::StatsTable& stats, const target::TargetSpec& target,
                                       const config::QuantizationConfig& config);

/// For every constant that the plan stores as integers: weights per channel (or per tensor, as the target
/// says), and constant operands of integer nodes per tensor. The result does not depend on `threads`.
plan::Candidates weight_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const target::TargetSpec& target, const config::QuantizationConfig& config,
                                   int threads);

}  // namespace qc::threshold
