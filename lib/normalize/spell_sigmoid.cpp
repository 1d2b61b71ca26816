// 1 / (1 + exp(-x)) is Sigmoid(x), and y / (1 + exp(-x)) is y * Sigmoid(x) (SiLU where y is x): one node
// instead of three, with an integer kernel, and no overflow of exp.
#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  ValueId x, numerator;  // numerator kNone: 1
  std::vector<NodeId> nodes;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool reciprocal = ir::standard_op(node, "Reciprocal");
  if (!reciprocal && !ir::standard_op(node, "Div")) return std::nullopt;
  Match m{id, kNone, kNone, {}};
  m.x = one_plus_exp_minus(graph, node.inputs[reciprocal ? 0 : 1], m.nodes);
  if (m.x == kNone) return std::nullopt;
  if (!reciprocal && ir::scalar_constant(graph, node.inputs[0]) != 1.0) m.numerator = node.inputs[0];
  return m;
}

bool transform(Graph& graph, const Match& m) {
  for (const NodeId id : m.nodes) absorb_origin(graph, m.node, id);
  if (m.numerator == kNone) {
    become(graph, m.node, "Sigmoid", {m.x}, {});
    return true;
  }
  const std::string name = node_at(graph, m.node).name + "/sigmoid";
  const ValueId s = insert_node(graph, "Sigmoid", {m.x}, {}, name, m.node);
  copy_shape(graph, m.x, s);
  become(graph, m.node, "Mul", {m.numerator, s}, {});
  return true;
}

}  // namespace

int spell_sigmoid(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
