// Reshape to rows, Softmax along the rows, Reshape back: where the rows are the last dimension anyway, that
// is a Softmax along the last dimension. Before opset 13 Softmax worked on rows, so files and converters
// spell it this way when they do not know the shape; a Softmax that ends the graph is also what tells later
// stages where the logits are.
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId before, softmax, after;
};

/// The last dimension, if it is known.
int64_t last_dim(const Graph& graph, ValueId value) {
  const ir::Value& v = value_at(graph, value);
  return v.has_shape && !v.dims.empty() ? v.dims.back() : -1;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& softmax = node_at(graph, id);
  if (ir::opset(graph) < 13 || !ir::standard_op(softmax, "Softmax")) return std::nullopt;
  const int64_t axis = ir::int_attribute(softmax, "axis", -1);
  if (axis != -1 && axis != rank_of(graph, softmax.inputs[0]) - 1) return std::nullopt;
  const NodeId after = sole_consumer(graph, softmax.outputs[0]);
  if (after == kNone || !ir::standard_op(node_at(graph, after), "Reshape")) return std::nullopt;
  for (const char* op : {"Reshape", "Flatten"}) {
    const NodeId before = producer_if(graph, softmax.inputs[0], op);
    if (before == kNone) continue;
    const ValueId x = node_at(graph, before).inputs[0];
    const bool rows = last_dim(graph, x) > 0 && last_dim(graph, x) == last_dim(graph, softmax.inputs[0]);
    if (rows && same_dims(graph, x, node_at(graph, after).outputs[0], 1)) return Match{before, id, after};
  }
  return std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  ir::set_input(graph, m.softmax, 0, node_at(graph, m.before).inputs[0]);
  ir::set_attribute(node_at(graph, m.softmax), "axis", int64_t{-1});
  absorb_origin(graph, m.softmax, m.before);
  take_over(graph, m.softmax, m.after);
  return true;
}

}  // namespace

int softmax_in_place(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
