// The variance as mean(x^2) - mean(x)^2, perhaps cut off below 0 (Keras 3, flax): mean((x - mean(x))^2)
// instead, which loses no digits where the mean is large, and which everything that looks for a LayerNorm
// knows.
#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  ValueId x, mean;
  NodeId of_squares;          // the mean of x^2
  NodeId last;                // the difference, or what cuts it off
  std::vector<NodeId> nodes;  // all others
};

/// value = base^2: base, else kNone.
ValueId root_of_square(const Graph& graph, ValueId value, std::vector<NodeId>& nodes) {
  const NodeId id = value_at(graph, value).producer;
  if (id == kNone) return kNone;
  const Node& node = node_at(graph, id);
  const bool by_mul = ir::standard_op(node, "Mul") && node.inputs[0] == node.inputs[1];
  const bool by_pow = ir::standard_op(node, "Pow") && ir::scalar_constant(graph, node.inputs[1]) == 2.0;
  nodes.push_back(id);
  return by_mul || by_pow ? node.inputs[0] : kNone;
}

bool cuts_off_below_zero(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "Max") && node.inputs.size() == 2)
    return ir::scalar_constant(graph, node.inputs[0]) == 0.0 ||
           ir::scalar_constant(graph, node.inputs[1]) == 0.0;
  return ir::standard_op(node, "Relu");
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Sub")) return std::nullopt;
  Match m{kNone, kNone, producer_if(graph, node.inputs[0], "ReduceMean"), id, {}};
  if (m.of_squares == kNone) return std::nullopt;
  m.nodes.push_back(m.of_squares);
  m.x = root_of_square(graph, node_at(graph, m.of_squares).inputs[0], m.nodes);
  m.mean = root_of_square(graph, node.inputs[1], m.nodes);
  const NodeId of_x = m.x == kNone || m.mean == kNone ? kNone : producer_if(graph, m.mean, "ReduceMean");
  if (of_x == kNone || node_at(graph, of_x).inputs[0] != m.x) return std::nullopt;
  for (const NodeId mean : {of_x, m.of_squares})
    if (ir::int_attribute(node_at(graph, mean), "keepdims", 1) != 1) return std::nullopt;
  const auto axes = list_operand(graph, node_at(graph, of_x), "axes", 1);
  if (!axes || axes != list_operand(graph, node_at(graph, m.of_squares), "axes", 1)) return std::nullopt;
  const NodeId reader = sole_consumer(graph, node.outputs[0]);
  if (reader != kNone && cuts_off_below_zero(graph, reader)) {
    m.nodes.push_back(id);
    m.last = reader;
  }
  return m;
}

bool transform(Graph& graph, const Match& m) {
  const std::string name = node_at(graph, m.last).name;
  for (const NodeId id : m.nodes) absorb_origin(graph, m.last, id);
  ValueId centred = kNone;
  for (const NodeId id : value_at(graph, m.x).consumers)
    if (id != kNone && ir::standard_op(node_at(graph, id), "Sub") && node_at(graph, id).inputs[0] == m.x &&
        node_at(graph, id).inputs[1] == m.mean)
      centred = node_at(graph, id).outputs[0];
  if (centred == kNone) centred = insert_node(graph, "Sub", {m.x, m.mean}, {}, name + "/centred", m.last);
  copy_shape(graph, m.x, centred);
  const ValueId two = ir::add_constant(graph, name + "/two", ir::scalar(2.0f));
  const ValueId square = insert_node(graph, "Pow", {centred, two}, {}, name + "/square", m.last);
  copy_shape(graph, m.x, square);
  std::vector<ValueId> inputs = node_at(graph, m.of_squares).inputs;
  inputs[0] = square;
  become(graph, m.last, "ReduceMean", std::move(inputs), node_at(graph, m.of_squares).attributes);
  return true;
}

}  // namespace

int spell_variance(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
