// The threshold search applied to a whole plan: what calibration saw and what the weights hold become
// candidates.
#pragma once

#include <span>

#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quant_plan.h"
#include "plan/tensor_stats.h"
#include "target/target.h"

namespace qc::threshold {

/// The note of a candidate that is as wide as what was seen.
inline constexpr const char* kWholeRange = "range by NOCLIPPING";

/// For every scale group of rounded values (key: its representative): one candidate, from the joined
/// statistics of the group's sources, or from the known range of the op that makes it ("Sigmoid": 0..1). A
/// Relu or Clip that disappears into its producer gets a range inside its bounds, so that it is redundant.
/// `rules`: what the config says about single nodes (by NodeId; empty: nothing); values that share one scale
/// get the smallest of their widths, and what disappears into its producer the producer's unless it has its
/// own. `more`: behind the candidate that the method chose stand others for the same width, always in the
/// same order (what other methods choose, and parts of the range), to be told apart by what the outputs lose.
plan::Candidates activation_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                       const plan::StatsTable& stats, const target::TargetSpec& target,
                                       const config::QuantizationConfig& config,
                                       std::span<const config::NodeSettings> rules = {}, bool more = false);

/// For every constant that the plan stores as integers: weights per channel (or per tensor, as the target
/// says), and constant operands of integer nodes per tensor. `rules`: what the config says about single nodes
/// (by NodeId; empty: nothing); a weight with several readers gets the largest of their widths. The result
/// does not depend on `threads`.
plan::Candidates weight_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const target::TargetSpec& target, const config::QuantizationConfig& config,
                                   std::span<const config::NodeSettings> rules, int threads);

/// One weight as the target and the config have it, but for what `settings` say (its width for one: searches
/// over widths ask for several); `axis`: of its output channels, used where there is a range for each.
plan::Candidate weight_candidate(const ir::Tensor& weight, int axis, const target::TargetSpec& target,
                                 const config::QuantizationConfig& config,
                                 const config::NodeSettings& settings, int threads);

}  // namespace qc::threshold
