// Weights that a graph stores in fewer bits and unfolds by itself: integers or floats of 16 bits behind Cast,
// Mul, Gather and the like, which a runtime computes once, at load.
#pragma once

#include <cstdint>

#include "ir/graph.h"

namespace qc::ir {

/// Values that nodes without any scale compute from constants alone, one of them of fewer than 32 bits, for
/// the network's own nodes.
int64_t unfolded_weights(const Graph& graph);

}  // namespace qc::ir
