// Graph surgery shared by everything that rewrites float graphs. Two rules hold everywhere and live here, so
// that no rewrite can forget them: a value's name always stands for the same numbers as in the file (a fused
// node takes over the name of the *last* node it swallowed), and a value that the outside can see (graph
// output, body of an If or Loop) never disappears.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace qc::ir {

using Dims = std::vector<int64_t>;

// --- looking
/// Read by name inside an opaque body.
bool captured(const Graph& graph, ValueId value);
/// The node that makes the value; nullptr for kNone and for what no node makes.
inline const Node* producer_of(const Graph& graph, ValueId value) {
  const NodeId id = value == kNone ? kNone : value_at(graph, value).producer;
  return id == kNone ? nullptr : &node_at(graph, id);
}
/// The node that reads the value in its only use; kNone when there are more or fewer, or the outside sees it.
NodeId sole_consumer(const Graph& graph, ValueId value);
/// The producer of the value if it is this standard op, else kNone.
NodeId producer_if(const Graph& graph, ValueId value, std::string_view op_type);
/// Known rank, or -1.
int64_t rank_of(const Graph& graph, ValueId value);
/// The shape when every dimension is known.
std::optional<Dims> static_dims(const Graph& graph, ValueId value);
/// The same shape, for certain: equal sizes, where unknown equal symbols, and at most `unknown` dimensions
/// that are neither (1 is right where the element count is known to be kept).
bool same_dims(const Graph& graph, ValueId a, ValueId b, int unknown = 0);
bool is_float(const Graph& graph, ValueId value);
/// A float32 constant with its numbers in memory, or nullptr.
const Tensor* float_constant(const Graph& graph, const Node& node, size_t slot);
/// A constant 1-D int64 (or int32) input as numbers.
std::optional<Dims> int_constant(const Graph& graph, const Node& node, size_t slot);
/// The list an op takes as attribute `name` in old opsets and as constant input `slot` in new ones (axes,
/// pads, ...); nullopt: computed at run time or absent.
std::optional<Dims> list_operand(const Graph& graph, const Node& node, std::string_view name, size_t slot);
/// A Pad's amounts for all `rank` dimensions, begins then ends, whichever axes it lists (opset 18); nullopt:
/// not constant, or they do not fit.
std::optional<Dims> full_pads(const Graph& graph, const Node& pad, size_t rank);

// --- changing
/// The list of the file's nodes behind `keeper` grows by those behind `swallowed`.
void absorb_origin(Graph& graph, NodeId keeper, NodeId swallowed);

/// Can `node` (one output in use) be taken out so that its readers read `source` instead?
bool can_bypass(const Graph& graph, NodeId node, ValueId source);
/// Does it. A graph output keeps its name: the producer of `source` then produces it.
void bypass(Graph& graph, NodeId node, ValueId source);

/// `keeper` produces what `last` produced; `last` is erased and its origin absorbed.
void take_over(Graph& graph, NodeId keeper, NodeId last);

/// A constant in an input slot. The old constant's name stays if nobody else reads it; others keep the old
/// one, as do all where nothing changes.
void set_constant(Graph& graph, NodeId node, size_t slot, Tensor tensor, std::string_view name_if_new);

/// The value becomes a constant of the same name; its producer keeps its other outputs.
void make_constant(Graph& graph, ValueId value, Tensor tensor);

/// New nodes for `node`'s neighbourhood: inputs, one output named `name` of `like`'s type, no shape yet.
ValueId insert_node(Graph& graph, std::string_view op_type, std::vector<ValueId> inputs,
                    std::vector<Attribute> attributes, std::string_view name, NodeId origin);

/// Keeps type, name, output; everything else is replaced: the node becomes another op.
void become(Graph& graph, NodeId node, std::string_view op_type, std::vector<ValueId> inputs,
            std::vector<Attribute> attributes);

/// `to` has the shape of `from`.
void copy_shape(Graph& graph, ValueId from, ValueId to);

/// A float32 tensor of these dimensions, and an int64 tensor of one.
Tensor float_tensor(const std::vector<float>& values, Dims dims);
Tensor int_tensor(const Dims& values);

// --- the frame of a rewrite
/// Walks the nodes in topological order; where `match` finds something, `transform` changes the graph (false:
/// it could not after all, and changed nothing). Nodes added on the way wait for the next round. Returns the
/// number of changes.
template <typename Match>
int rewrite_all(Graph& graph, std::optional<Match> (*match)(const Graph&, NodeId),
                bool (*transform)(Graph&, const Match&)) {
  int count = 0;
  for (const NodeId id : topological_order(graph)) {
    if (node_at(graph, id).erased) continue;
    if (const std::optional<Match> found = match(graph, id)) count += transform(graph, *found);
  }
  return count;
}

/// A float32 constant that something reads.
bool is_read_float(const Value& value);

}  // namespace qc::ir
