// From the plan to integers: weights by their candidates, int32 biases with scale s_x * s_w, and the guards
// that keep integers from overflowing or saturating where float would not.
#pragma once

#include <map>
#include <vector>

#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quantized_model.h"

namespace qc::quantize {

struct Options {
  bool saturation_guard = false;  // bound |w0| + |w1| <= 128 for neighbours along the sum (x86 without VNNI)
};

/// What the guards did, for the report.
struct Guards {
  int64_t biases_raised = 0;  // channels whose weight scale grew so that the int32 bias fits
  int64_t pairs_bounded = 0;  // channels whose weight scale grew for the saturation guard
  int64_t risky_nodes = 0, risky_channels = 0;  // channels that could saturate as written
};

/// Quantizes every constant that has a candidate and every constant bias of an integer Conv or Gemm. Throws
/// Error(kBug) when the plan asks for what has no candidate.
plan::QuantizedModel quantize(const ir::Graph& graph, const plan::QuantPlan& plan,
                              const plan::Candidates& weights, const Options& options, Guards& guards);

/// Adds `deltas` (by node, one a output channel) to the biases, as float constants of the graph and as
/// integers. A Conv or Gemm without a bias gets one. The weights' integers stay as they are.
void add_to_biases(plan::QuantizedModel& model, const std::map<ir::NodeId, std::vector<float>>& deltas);

}  // namespace qc::quantize
