// Graph surgery shared by all rewrites. Two rules hold everywhere and live here, so that no rewrite can
// forget them: a value's name always stands for the same numbers as in the file (a fused node takes over the
// name of the *last* node it swallowed), and a value that the outside can see (graph output, body of an If or
// Loop) never disappears.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace qc::normalize {

using Dims = std::vector<int64_t>;

inline const ir::Value& value_at(const ir::Graph& graph, ir::ValueId id) {
  return graph.values[static_cast<size_t>(id)];
}
inline ir::Value& value_at(ir::Graph& graph, ir::ValueId id) {
  return graph.values[static_cast<size_t>(id)];
}
inline const ir::Node& node_at(const ir::Graph& graph, ir::NodeId id) {
  return graph.nodes[static_cast<size_t>(id)];
}
inline ir::Node& node_at(ir::Graph& graph, ir::NodeId id) {
  return graph.nodes[static_cast<size_t>(id)];
}

// --- looking
// ---------------------------------------------------------------------------------------------------
/// Read by name inside an opaque body.
bool captured(const ir::Graph& graph, ir::ValueId value);
/// The node that reads the value in its only use; kNone when there are more or fewer, or the outside sees it.
ir::NodeId sole_consumer(const ir::Graph& graph, ir::ValueId value);
/// The producer of the value if it is this standard op, else kNone.
ir::NodeId producer_if(const ir::Graph& graph, ir::ValueId value, std::string_view op_type);
/// Known rank, or -1.
int64_t rank_of(const ir::Graph& graph, ir::ValueId value);
/// The shape when every dimension is known.
std::optional<Dims> static_dims(const ir::Graph& graph, ir::ValueId value);
/// The same shape, for certain: equal sizes, where unknown equal symbols, and at most `unknown` dimensions
/// that are neither (1 is right where the element count is known to be kept).
bool same_dims(const ir::Graph& graph, ir::ValueId a, ir::ValueId b, int unknown = 0);
bool is_float(const ir::Graph& graph, ir::ValueId value);
/// A float32 constant with its numbers in memory, or nullptr.
const ir::Tensor* float_constant(const ir::Graph& graph, const ir::Node& node, size_t slot);
/// A constant 1-D int64 (or int32) input as numbers.
std::optional<Dims> int_constant(const ir::Graph& graph, const ir::Node& node, size_t slot);
/// The list an op takes as attribute `name` in old opsets and as constant input `slot` in new ones (axes,
/// pads, ...); nullopt: computed at run time or absent.
std::optional<Dims> list_operand(const ir::Graph& graph, const ir::Node& node, std::string_view name,
                                 size_t slot);

// --- changing
// ----------------------------------------------------------------------------------------------------
/// The list of the file's nodes behind `keeper` grows by those behind `swallowed`.
void absorb_origin(ir::Graph& graph, ir::NodeId keeper, ir::NodeId swallowed);

/// Can `node` (one output in use) be taken out so that its readers read `source` instead?
bool can_bypass(const ir::Graph& graph, ir::NodeId node, ir::ValueId source);
/// Does it. A graph output keeps its name: the producer of `source` then produces it.
void bypass(ir::Graph& graph, ir::NodeId node, ir::ValueId source);

/// `keeper` produces what `last` produced; `last` is erased and its origin absorbed.
void take_over(ir::Graph& graph, ir::NodeId keeper, ir::NodeId last);

/// A constant in an input slot. The old constant's name stays if nobody else reads it; others keep the old
/// one.
void set_constant(ir::Graph& graph, ir::NodeId node, size_t slot, ir::Tensor tensor,
                  std::string_view name_if_new);

/// The value becomes a constant of the same name; its producer keeps its other outputs.
void make_constant(ir::Graph& graph, ir::ValueId value, ir::Tensor tensor);

/// New nodes for `node`'s neighbourhood: inputs, one output named `name` of `like`'s type, no shape yet.
ir::ValueId insert_node(ir::Graph& graph, std::string_view op_type, std::vector<ir::ValueId> inputs,
                        std::vector<ir::Attribute> attributes, std::string_view name, ir::NodeId origin);

/// Keeps type, name, output; everything else is replaced: the node becomes another op.
void become(ir::Graph& graph, ir::NodeId node, std::string_view op_type, std::vector<ir::ValueId> inputs,
            std::vector<ir::Attribute> attributes);

/// `to` has the shape of `from`.
void copy_shape(ir::Graph& graph, ir::ValueId from, ir::ValueId to);

ir::Tensor float_tensor(const std::vector<float>& values, Dims dims);
ir::Tensor int_tensor(const Dims& values);

// --- the frame of a rewrite
// ------------------------------------------------------------------------------------
/// Walks the nodes in topological order; where `match` finds something, `transform` changes the graph (false:
/// it could not after all, and changed nothing). Nodes added on the way wait for the next round. Returns the
/// number of changes.
template <typename Match>
int rewrite_all(ir::Graph& graph, std::optional<Match> (*match)(const ir::Graph&, ir::NodeId),
                bool (*transform)(ir::Graph&, const Match&)) {
  int count = 0;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    if (node_at(graph, id).erased) continue;
    if (const std::optional<Match> found = match(graph, id)) count += transform(graph, *found);
  }
  return count;
}

}  // namespace qc::normalize
