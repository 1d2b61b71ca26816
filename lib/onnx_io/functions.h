// Model-local functions: the body that a node which calls one stands for. A graph keeps them as bytes
// (ir::Graph::functions), so this is all that the rest of the house ever needs to know of them.
#pragma once

#include <optional>

#include "ir/graph.h"

namespace qc::onnx_io {

/// What the node computes, where it calls a function of its graph: the attributes of the call stand where the
/// function refers to them. What it reads of the call's inputs, by their names, are the inputs; all other
/// names and those of its nodes have that of the call before them ("call/name"). The opsets that it imports
/// are the function's. Nothing for other nodes, for a function that imports another version of an opset than
/// the graph, and for names that two functions share (ONNX tells them apart by overloads). An attribute that
/// has no value is left out. Throws Error(kInput) where the body is no sound graph.
std::optional<ir::Graph> body_of_call(const ir::Graph& graph, const ir::Node& node);

/// Removes the functions that no node calls, be it in a body or by way of another function.
void drop_uncalled_functions(ir::Graph& graph);

}  // namespace qc::onnx_io
