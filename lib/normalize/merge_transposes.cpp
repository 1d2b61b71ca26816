// Transpose of a Transpose is one Transpose, or none where they cancel (models that came from NHWC
// frameworks).
#include <algorithm>
#include <numeric>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId outer, inner;
  Dims perm;  // of both together
  bool cancels;
};

/// The permutation; without the attribute it reverses, and the rank must be known. nullopt also for nonsense.
std::optional<Dims> perm_of(const Graph& graph, const Node& node) {
  const Dims perm = ir::ints_attribute(node, "perm");
  if (!perm.empty()) {
    Dims counted(perm.size());
    std::iota(counted.begin(), counted.end(), 0);
    return std::is_permutation(perm.begin(), perm.end(), counted.begin()) ? std::optional(perm)
                                                                          : std::nullopt;
  }
  const int64_t rank = rank_of(graph, node.inputs[0]);
  if (rank < 0) return std::nullopt;
  Dims reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  return reversed;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Transpose")) return std::nullopt;
  const NodeId inner = producer_if(graph, node.inputs[0], "Transpose");
  if (inner == kNone) return std::nullopt;
  const auto second = perm_of(graph, node), first = perm_of(graph, node_at(graph, inner));
  if (!first || !second || first->size() != second->size()) return std::nullopt;
  Match m{id, inner, {}, true};
  for (const int64_t p : *second) m.perm.push_back(first->at(static_cast<size_t>(p)));
  for (size_t i = 0; i < m.perm.size(); ++i) m.cancels = m.cancels && m.perm[i] == static_cast<int64_t>(i);
  if (m.cancels)
    return can_bypass(graph, id, node_at(graph, inner).inputs[0]) ? std::optional(m) : std::nullopt;
  return sole_consumer(graph, node.inputs[0]) != kNone ? std::optional(m) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  const ValueId x = node_at(graph, m.inner).inputs[0];
  if (m.cancels) {
    bypass(graph, m.outer, x);
    return true;
  }
  absorb_origin(graph, m.outer, m.inner);
  become(graph, m.outer, "Transpose", {x}, {{"perm", m.perm}});
  return true;
}

}  // namespace

int merge_transposes(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
