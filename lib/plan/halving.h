// Which constants are stored in 16 bits where the mode has it so.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace qc::plan {

/// By ValueId: float constants that are not worth 16 bits, which would cost more accuracy than bytes (biases,
/// depthwise kernels): the smallest, up to 3 % of all elements.
std::vector<bool> smallest_constants(const ir::Graph& graph);

}  // namespace qc::plan
