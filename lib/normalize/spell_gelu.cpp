// GELU taken apart as one Gelu, where the opset has it (20). Older files keep its parts, which ONNX Runtime
// joins at load in the orders of its GeluFusion alone; other ones (torch's exporter multiplies 1 + erf by a
// half first) are put into that order.
#include <numbers>

#include "normalize/edit.h"
#include "normalize/idioms.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  plan::Idiom idiom;
};

/// The operand that the constant comes second to, kNone where the node is something else.
ValueId before(const Graph& graph, ValueId value, const char* op, double constant) {
  const NodeId id = producer_if(graph, value, op);
  const auto found = id == kNone ? std::nullopt : scalar_op(graph, id);
  return found && !found->constant_first && close_to(found->c, constant) ? found->x : kNone;
}

/// (x * (erf(x / sqrt 2) + 1)) * 0.5, operand by operand
bool is_joined(const Graph& graph, const plan::Idiom& idiom) {
  const ValueId x = idiom.inputs[0];
  const NodeId product = producer_if(graph, before(graph, idiom.output, "Mul", 0.5), "Mul");
  if (product == kNone || node_at(graph, product).inputs[0] != x) return false;
  const NodeId erf = producer_if(graph, before(graph, node_at(graph, product).inputs[1], "Add", 1), "Erf");
  return erf != kNone && before(graph, node_at(graph, erf).inputs[0], "Div", std::numbers::sqrt2) == x;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  if (ir::standard_op(node_at(graph, id), "Gelu")) return std::nullopt;
  const auto idiom = gelu_at(graph, id);
  if (!idiom) return std::nullopt;
  const bool stays = ir::opset(graph) < kGeluOpset &&
                     (idiom->kind == plan::IdiomKind::kGeluTanh || is_joined(graph, *idiom));
  return stays ? std::nullopt : std::optional(Match{id, *idiom});
}

ValueId curve(Graph& graph, NodeId last, ValueId x) {
  const std::string name = node_at(graph, last).name;
  const auto add = [&](const char* op, std::vector<ValueId> inputs, std::optional<float> scalar,
                       const char* what) {
    if (scalar) inputs.push_back(ir::add_constant(graph, name + "/" + what + "/c", ir::scalar(*scalar)));
    const ValueId made = insert_node(graph, op, std::move(inputs), {}, name + "/" + what, last);
    copy_shape(graph, x, made);
    return made;
  };
  const ValueId u = add("Div", {x}, std::numbers::sqrt2_v<float>, "scaled"), erf = add("Erf", {u}, {}, "erf");
  return add("Mul", {x, add("Add", {erf}, 1.0f, "shifted")}, {}, "product");
}

bool transform(Graph& graph, const Match& m) {
  const ValueId x = m.idiom.inputs[0];
  for (const NodeId id : m.idiom.nodes)
    if (id != m.node) absorb_origin(graph, m.node, id);
  if (ir::opset(graph) >= kGeluOpset) {
    const bool tanh = m.idiom.kind == plan::IdiomKind::kGeluTanh;
    become(graph, m.node, "Gelu", {x}, {{"approximate", std::string(tanh ? "tanh" : "none")}});
    return true;
  }
  const ValueId product = curve(graph, m.node, x);
  const ValueId half = ir::add_constant(graph, node_at(graph, m.node).name + "/half", ir::scalar(0.5f));
  become(graph, m.node, "Mul", {product, half}, {});
  return true;
}

}  // namespace

int spell_gelu(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
