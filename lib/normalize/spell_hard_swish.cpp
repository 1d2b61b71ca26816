// HardSwish as x * HardSigmoid(x; 1/6, 1/2), and HardSigmoid as one node, whatever the file spells them as
// (x * Clip(x + 3, 0, 6) / 6 and its relatives, the op HardSwish).
// Why these two nodes: measured on 1x64x56x56, one thread, ONNX Runtime 1.31: the op HardSwish 0.14 ms (it is
// expanded to exactly these two), HardSigmoid + Mul 0.14 ms, Add + Clip + Mul + Div 0.28 ms. Nothing is lost
// for integers: a writer can spell the gate as Add(x, 3) quantized with scale 6/255 and read back with scale
// 1/255, which runs as QLinearAdd and QLinearMul (0.10 ms, against 0.22 ms with a float HardSigmoid between).
#include <algorithm>
#include <cmath>

#include "normalize/edit.h"
#include "normalize/idioms.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;  // the last one
  ValueId x;
  float alpha, beta;
  bool times_x;  // HardSwish; else HardSigmoid alone
  std::vector<NodeId> nodes;
};

std::optional<Match> match_swish(const Graph& graph, NodeId id) {
  const auto idiom = hard_swish_at(graph, id);
  if (!idiom) return std::nullopt;
  const auto is_gate = [&](NodeId n) { return ir::standard_op(node_at(graph, n), "HardSigmoid"); };
  const bool canonical =
      idiom->nodes.size() == 2 && std::any_of(idiom->nodes.begin(), idiom->nodes.end(), is_gate);
  if (canonical) return std::nullopt;
  return Match{id, idiom->inputs[0], 1.0f / 6, 0.5f, true, idiom->nodes};
}

/// Clip(a*x + b, 0, 1), or Clip(a*x + b, 0, M) times 1/M. A Clip of x itself stays one: it costs an integer
/// kernel nothing.
std::optional<Match> match_gate(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  ValueId clipped = node.outputs[0];
  std::vector<NodeId> nodes;
  double coefficient = 1;
  if (ir::standard_op(node, "Mul") || ir::standard_op(node, "Div")) {
    const Product product = product_of(graph, clipped);
    if (product.factors.size() != 1 || sole_consumer(graph, product.factors[0]) == kNone) return std::nullopt;
    clipped = product.factors[0];
    nodes = product.nodes;
    coefficient = product.coefficient;
  } else if (!ir::standard_op(node, "Clip")) {
    return std::nullopt;
  }
  const auto gate = gate_of(graph, clipped);
  if (!gate || gate->affine_nodes == 0 || !close_to(coefficient * gate->scale, 1) || !(gate->alpha > 0))
    return std::nullopt;
  nodes.insert(nodes.end(), gate->nodes.begin(), gate->nodes.end());
  return Match{id, gate->x, static_cast<float>(gate->alpha), static_cast<float>(gate->beta), false, nodes};
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  if (auto swish = match_swish(graph, id)) return swish;
  return match_gate(graph, id);
}

bool transform(Graph& graph, const Match& m) {
  for (const NodeId id : m.nodes)
    if (id != m.node) absorb_origin(graph, m.node, id);
  const std::vector<ir::Attribute> attributes = {{"alpha", m.alpha}, {"beta", m.beta}};
  if (!m.times_x) {
    become(graph, m.node, "HardSigmoid", {m.x}, attributes);
    return true;
  }
  const std::string name = node_at(graph, m.node).name + "/gate";
  const ValueId gate = insert_node(graph, "HardSigmoid", {m.x}, attributes, name, m.node);
  copy_shape(graph, m.x, gate);
  become(graph, m.node, "Mul", {m.x, gate}, {});
  return true;
}

}  // namespace

int spell_hard_swish(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
