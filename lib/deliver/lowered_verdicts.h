// What really runs in a .tflite: proof/verdict.h of the operators that were lowered. In a corridor
// because it reads papers of two rooms.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "proof/verdict.h"
#include "tflite/dialect.h"

namespace qc {

/// By NodeId of `graph`, which `lowered` was made from. A node runs on integers where none of its operators
/// reads or makes floats, conversions and moves aside. One without an operator of its own belongs to the one
/// that makes its result, else to its reader's.
std::vector<proof::Verdict> verdicts_of(const ir::Graph& graph, const tflite::Model& lowered);

}  // namespace qc
