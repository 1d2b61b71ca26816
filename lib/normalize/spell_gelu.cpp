// GELU taken apart as one Gelu, where the opset has it (20). Older files keep their nodes: ONNX Runtime joins
// them itself at load, and recognise() reports them.
#include "normalize/edit.h"
#include "normalize/idioms.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  plan::Idiom idiom;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  if (ir::opset(graph) < 20 || ir::standard_op(node_at(graph, id), "Gelu")) return std::nullopt;
  const auto idiom = gelu_at(graph, id);
  return idiom ? std::optional(Match{id, *idiom}) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  for (const NodeId id : m.idiom.nodes)
    if (id != m.node) absorb_origin(graph, m.node, id);
  const bool tanh = m.idiom.kind == plan::IdiomKind::kGeluTanh;
  become(graph, m.node, "Gelu", {m.idiom.inputs[0]}, {{"approximate", std::string(tanh ? "tanh" : "none")}});
  return true;
}

}  // namespace

int spell_gelu(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
