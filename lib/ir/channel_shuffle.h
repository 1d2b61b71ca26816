// ShuffleNet's exchange of channels between groups, as exporters spell it: a Reshape that takes the groups
// apart, a Transpose, a Reshape. Both writers have a form of their own for it.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/graph.h"

namespace qc::ir {

struct ChannelShuffle {
  NodeId last = kNone;    // the Reshape that makes the result
  ValueId input = kNone;  // [N, C, ...], as the result is
  int64_t groups = 0;     // result channel k g + i is input channel i C/g + k
};

/// The one that ends in this node, where nothing else reads what is in between.
std::optional<ChannelShuffle> channel_shuffle_at(const Graph& graph, NodeId last);

}  // namespace qc::ir
