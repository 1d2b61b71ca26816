// Convolutions in groups of few channels. ONNX Runtime runs them on integers one group after the other, each
// as a product of matrices that is too narrow for its kernels; several groups as one, with weights of zero
// between the channels of different ones, compute the same in a fraction of the time. LiteRT's kernels need
// nothing of the kind.
#pragma once

#include <map>

#include "ir/graph.h"

namespace qc::ir {

/// How many groups such convolutions are better written in; those that stay as they are, depthwise ones among
/// them, have no entry. The weights that are added stay within a share of all constants, the first nodes
/// first, but where a layer is much of the work.
std::map<NodeId, int64_t> merged_groups(const Graph& graph);

}  // namespace qc::ir
