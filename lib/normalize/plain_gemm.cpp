// Gemm with alpha = beta = 1, transA = 0 and a bias of one number a column: the form that a fully connected
// layer has in every integer kernel. transB stays as it is. What else is added (numbers of its own for every
// row, or what the model computes) becomes an Add behind it.
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  float alpha, beta;
  bool transposed;
  std::optional<Channels> bias;  // set: the bias to write; empty list: none
  bool apart = false;            // what is added is no bias
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Gemm")) return std::nullopt;
  const ir::Tensor* weight = float_constant(graph, node, 1);
  if (!weight || weight->dims.size() != 2) return std::nullopt;
  Match m{id, ir::float_attribute(node, "alpha", 1), ir::float_attribute(node, "beta", 1),
          ir::int_attribute(node, "transA", 0) != 0, std::nullopt};
  const int64_t columns = weight->dims[ir::int_attribute(node, "transB", 0) != 0 ? 0 : 1];
  if (node.inputs.size() > 2 && node.inputs[2] != kNone) {
    const auto bias = channel_constant(graph, node.inputs[2], columns, 2, -1);
    m.apart = !bias && m.beta != 0;
    const bool plain = bias && m.beta == 1 && ir::constant_input(graph, node, 2)->dims == Dims{columns};
    if (m.beta == 0)
      m.bias = Channels{};
    else if (bias && !plain)
      m.bias = *bias;
  }
  const bool change = m.alpha != 1 || m.beta != 1 || m.transposed || m.bias || m.apart;
  return change ? std::optional(m) : std::nullopt;
}

bool add_behind(Graph& graph, const Match& m) {
  const Node gemm = node_at(graph, m.node);
  ValueId added = gemm.inputs[2];
  if (m.beta != 1) {
    const ValueId beta = ir::add_constant(graph, gemm.name + "/beta", float_tensor({m.beta}, {}));
    added = insert_node(graph, "Mul", {added, beta}, {}, gemm.name + "/added", m.node);
  }
  const ValueId product = insert_node(graph, "Gemm", {gemm.inputs[0], gemm.inputs[1]}, gemm.attributes,
                                      gemm.name + "/product", m.node);
  ir::become(graph, m.node, "Add", {product, added}, {});
  return true;
}

bool transform(Graph& graph, const Match& m) {
  if (m.apart) return add_behind(graph, m);
  if (m.alpha != 1) {
    const ir::Tensor& weight = *ir::constant_input(graph, node_at(graph, m.node), 1);
    std::vector<float> scaled;
    for (const float w : weight.as<float>()) scaled.push_back(w * m.alpha);
    set_constant(graph, m.node, 1, float_tensor(scaled, weight.dims), "weight");
  }
  if (m.bias && m.bias->empty()) {
    ir::set_input(graph, m.node, 2, kNone);
    node_at(graph, m.node).inputs.pop_back();
  } else if (m.bias) {
    std::vector<float> scaled;
    for (const double b : *m.bias) scaled.push_back(static_cast<float>(b * m.beta));
    const auto columns = static_cast<int64_t>(scaled.size());
    set_constant(graph, m.node, 2, float_tensor(scaled, {columns}), "bias");
  }
  if (m.transposed) {
    const std::string name = node_at(graph, m.node).name + "/transposed";
    const ValueId a = node_at(graph, m.node).inputs[0];
    ir::set_input(graph, m.node, 0,
                  insert_node(graph, "Transpose", {a}, {{"perm", Dims{1, 0}}}, name, m.node));
  }
  Node& node = node_at(graph, m.node);
  for (const char* name : {"alpha", "beta", "transA"}) ir::remove_attribute(node, name);
  return true;
}

}  // namespace

int plain_gemm(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
