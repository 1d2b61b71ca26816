// What bodies of If, Loop and Scan keep as it is. Nothing in them is quantized, and a file that is hardly
// smaller for it should say so.
#pragma once

#include <string>

#include "ir/graph.h"

namespace qc {

/// A sentence on the floats that stand in bodies, or are read by them alone, why that is so and what would
/// change it; empty where they are less than a hundredth of `file_size` bytes, the model's on disk.
std::string weights_in_bodies(const ir::Graph& graph, int64_t file_size);

}  // namespace qc
