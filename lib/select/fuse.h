// What a target computes as one: chains of nodes between which nothing is rounded, by the fusing patterns of
// its file (MCT's fusing_patterns, as its fusing_info.py applies them).
#pragma once

#include <vector>

#include "ir/graph.h"
#include "plan/idioms.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc::select {

/// Sets Capability::joined. From each node that is not taken yet, in the order of the graph, the longest
/// pattern that fits (MCT gives up where a longer one begins to fit and does not; here the shorter one then
/// counts). A chain passes through values with one reader; a function spelled as several nodes ("Swish") is
/// one step. A node with weights only begins a chain: its input has to be rounded.
void fuse(const ir::Graph& graph, const target::TargetSpec& target, const std::vector<plan::Idiom>& idioms,
          std::vector<Capability>& capabilities);

/// Every reader of `v` takes it as it is, unrounded.
void join(const ir::Graph& graph, ir::ValueId v, std::vector<Capability>& capabilities);

}  // namespace qc::select
