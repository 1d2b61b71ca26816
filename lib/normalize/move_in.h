// What a node stands for, moved into the graph in its place: the taken branch of an If, the body of a
// function. Bodies are closed to every other rewrite and to the plan, so that all weights in them would stay
// floats.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "normalize/edit.h"
#include "normalize/normalize.h"

namespace qc::normalize {

/// Names for the body's values, by its ids: their own, but for those in `taken`, which get a number behind.
/// What the body reads from outside (its inputs) keeps its name. Nothing where a body inside this one reads
/// a value by a name that is taken. `taken` grows by the names.
std::optional<std::vector<std::string>> names_for(const Graph& body, std::set<std::string>& taken,
                                                  const Bodies& bodies);

/// Puts the body's nodes, under these names, in the place of the node, whose outputs are handed on by
/// Identity nodes: whoever reads them by name, and may see them from outside, keeps what remove_no_ops cannot
/// join. The body has an output for every output of the node, and its inputs are values of the graph.
void move_in(Graph& graph, NodeId id, const Graph& body, const std::vector<std::string>& names);

/// Whether the graph has all values that the body reads.
bool knows_inputs(const Graph& graph, const Node& node, const Graph& body);

}  // namespace qc::normalize
