// Full placement, but for a share of the activations that may stay in float: which of them bring the outputs
// closest for so many elements.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ir/graph.h"
#include "select/capability.h"
#include "select/refine.h"

namespace qc::select {

/// Elements of the values that nothing rounds where the nodes marked are on integers, and that are rounded
/// where those of `start` are. `elements`: by ValueId.
int64_t floating_elements(const ir::Graph& graph, const std::vector<int64_t>& elements,
                          const std::vector<bool>& start, const std::vector<bool>& integer);

/// What else a share keeps to.
struct ShareLimits {
  std::vector<bool> open = {};  // groups of the noise that may be in float; empty: all
  /// Predicted for the worst output: where this is reached, no more is given to floats.
  double enough_db = std::numeric_limits<double>::infinity();
};

/// By NodeId: true = integer. Of `start`, as many nodes in float as leave at most `most` elements of its
/// rounded values unrounded, for the least noise at the worst output. Begins with exact minimum cuts of
/// elements + lambda * noise (each node in float counts half of what it reads and writes) and with the values
/// that cost most, and fills each up with those that gain most for their elements; not exact as a whole. Of
/// several that are enough, the one with the fewest elements in float.
std::vector<bool> spend_float_share(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                                    const MeasuredNoise& noise, const std::vector<int64_t>& elements,
                                    const std::vector<bool>& start, int64_t most,
                                    const ShareLimits& limits = {});

}  // namespace qc::select
