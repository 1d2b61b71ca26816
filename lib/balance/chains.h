// Two neighbouring layers and what lies between them, where a positive factor of a channel passes unchanged:
// f(s x) = s f(x). There scales of channels are free: what the first layer's channel is multiplied by, the
// layers behind it take back.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"
#include "ir/linear.h"

namespace qc::balance {

struct Chain {
  ir::Linear before;                // makes the channels
  std::vector<ir::Linear> behind;   // all that read them
  std::vector<ir::NodeId> between;  // in order
  ir::ValueId result = ir::kNone;   // what the layers behind read
  ir::NodeId relu = ir::kNone;      // of `between`: cuts off what is negative
  ir::NodeId clip = ir::kNone;      // of `between`: a Clip from 0 to `bound`
  double bound = 0;
  ir::NodeId least = ir::kNone;  // of `between`: a Min with positive constants, `bounds` by channel
  ir::Channels bounds;
};

/// In topological order of the first layer.
std::vector<Chain> chains(const ir::Graph& graph);

/// Multiplies each channel of the chain's result; a Min's bounds with it. A Clip keeps its bound, so that all
/// of its channels must have one factor. False, and nothing changed, where a number would not be finite.
bool scale_channels(ir::Graph& graph, const Chain& chain, const ir::Channels& scale);

/// Relu and Min between the layers become one Clip from 0 to `bound`.
void become_clip(ir::Graph& graph, const Chain& chain, double bound);
/// The Clip becomes a Relu and a Min with a bound for each channel, all of them `chain.bound`.
void split_clip(ir::Graph& graph, Chain& chain);

/// Largest over smallest positive number.
double spread_of(const ir::Channels& ranges);

}  // namespace qc::balance
