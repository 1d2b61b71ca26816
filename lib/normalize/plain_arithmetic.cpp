// x - c becomes x + (-c), x / c becomes x * (1/c), a Sum of two an Add: ONNX Runtime has integer kernels for
// Add and Mul, none for the others, and later rules have three spellings less to know. The division in front
// of an Erf stays: ONNX Runtime recognises GELU by it.
#include <algorithm>
#include <cmath>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  std::vector<float> changed;  // the constant of the new op
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool sub = ir::standard_op(node, "Sub"), div = ir::standard_op(node, "Div");
  if ((!sub && !div) || value_at(graph, node.inputs[0]).constant) return std::nullopt;
  const ir::Tensor* c = float_constant(graph, node, 1);
  if (!c) return std::nullopt;
  const auto& readers = value_at(graph, node.outputs[0]).consumers;
  const auto is_erf = [&](NodeId reader) { return ir::standard_op(node_at(graph, reader), "Erf"); };
  if (div && std::any_of(readers.begin(), readers.end(), is_erf)) return std::nullopt;
  Match found{id, {}};
  for (const float v : c->as<float>()) {
    found.changed.push_back(sub ? -v : 1.0f / v);
    if (!std::isfinite(found.changed.back())) return std::nullopt;
  }
  return found;
}

std::optional<NodeId> match_sum(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  return ir::standard_op(node, "Sum") && node.inputs.size() == 2 ? std::optional(id) : std::nullopt;
}

bool transform_sum(Graph& graph, const NodeId& id) {
  node_at(graph, id).op_type = "Add";
  return true;
}

bool transform(Graph& graph, const Match& m) {
  Node& node = node_at(graph, m.node);
  const Dims dims = ir::constant_input(graph, node, 1)->dims;
  node.op_type = ir::standard_op(node, "Sub") ? "Add" : "Mul";
  set_constant(graph, m.node, 1, float_tensor(m.changed, dims), "c");
  return true;
}

}  // namespace

int plain_arithmetic(Graph& graph) {
  return rewrite_all<NodeId>(graph, match_sum, transform_sum) + rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
