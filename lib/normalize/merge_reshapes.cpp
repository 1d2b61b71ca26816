// A Reshape does not care how its input was shaped before: Reshape, Flatten, Squeeze and Unsqueeze in front
// of it go, unless its target copies dimensions of that very shape (0).
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId outer, inner;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Reshape") || sole_consumer(graph, node.inputs[0]) == kNone) return std::nullopt;
  const auto target = int_constant(graph, node, 1);
  if (!target || std::find(target->begin(), target->end(), 0) != target->end()) return std::nullopt;
  for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}) {
    const NodeId inner = producer_if(graph, node.inputs[0], op);
    if (inner != kNone) return Match{id, inner};
  }
  return std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  ir::set_input(graph, m.outer, 0, node_at(graph, m.inner).inputs[0]);
  absorb_origin(graph, m.outer, m.inner);
  return true;
}

}  // namespace

int merge_reshapes(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
