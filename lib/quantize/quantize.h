// From the plan to integers: weights by their candidates, int32 biases with scale s_x * s_w, and the guards
// that keep integers from overflowing or saturating where float would not.
#pragma once

#include <map>
#include <vector>

#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quantized_model.h"

namespace qc::quantize {

/// Pairs of products that could overflow 16 bits (pairs.h) are left alone, bounded for the inputs that
/// calibration saw, or for any input.
enum class SaturationGuard { kOff, kSeen, kAlways };

/// The largest value of each channel, of activations that weights are multiplied with.
using ChannelMaxima = std::map<ir::ValueId, std::vector<float>>;

struct Options {
  SaturationGuard guard = SaturationGuard::kOff;
  ChannelMaxima seen = {};  // for kSeen
  int threads = 1;
};

/// What the guards did, for the report.
struct Guards {
  int64_t biases_raised = 0;  // channels whose weight scale grew so that the int32 bias fits
  int64_t pairs_bounded = 0;  // channels rewritten by the saturation guard
  int64_t risky_nodes = 0, risky_channels = 0;    // could saturate as written, with some input
  int64_t likely_nodes = 0, likely_channels = 0;  // with inputs as calibration saw them
};

/// Quantizes every constant that has a candidate and every constant bias of an integer Conv or Gemm. Throws
/// Error(kBug) when the plan asks for what has no candidate.
plan::QuantizedModel quantize(const ir::Graph& graph, const plan::QuantPlan& plan,
                              const plan::Candidates& weights, const Options& options, Guards& guards);

/// The saturation guard for weights that were rounded anew since: scales stay, so that biases do; what
/// `guards` says of pairs is counted again.
void guard_again(plan::QuantizedModel& model, const Options& options, Guards& guards);

/// Adds `deltas` (by node, one a output channel) to the biases, as float constants of the graph and as
/// integers. A Conv or Gemm without a bias gets one. The weights' integers stay as they are.
void add_to_biases(plan::QuantizedModel& model, const std::map<ir::NodeId, std::vector<float>>& deltas);

/// The node's result becomes gain * result + shift, channel by channel: in the scales of its weights, where
/// it has one for each channel (else gains are left out), and in its bias. The weights' integers stay as they
/// are.
void rescale_results(plan::QuantizedModel& model, ir::NodeId node, const std::vector<float>& gain,
                     const std::vector<float>& shift);

}  // namespace qc::quantize
