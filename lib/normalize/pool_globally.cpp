// The mean over all of space, however it is spelled, as GlobalAveragePool, which has an integer kernel where
// ReduceMean has none. keepdims = 0 leaves a Reshape behind it. The other way round for the maximum: MaxPool
// has an integer kernel, GlobalMaxPool has none, so that one becomes a MaxPool of the picture's size.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  bool squeeze = false;
  Dims max_pool;  // not empty: a GlobalMaxPool over this size
};

bool all_equal_to(const Dims& list, int64_t value) {
  return std::all_of(list.begin(), list.end(), [&](int64_t v) { return v == value; });
}

bool is_spatial_mean(const Graph& graph, const Node& node) {
  const auto axes = list_operand(graph, node, "axes", 1);
  const int64_t rank = rank_of(graph, node.inputs[0]);
  if (!axes || rank < 3 || static_cast<int64_t>(axes->size()) != rank - 2) return false;
  std::vector<bool> seen(rank, false);
  for (const int64_t axis : *axes) {
    const int64_t index = axis < 0 ? axis + rank : axis;
    if (index < 0 || index >= rank) return false;
    seen[index] = true;
  }
  return !seen[0] && !seen[1] && std::all_of(seen.begin() + 2, seen.end(), [](bool s) { return s; });
}

// A mean that is taken off what it is the mean of, or a mean of squares: half of a LayerNorm over tokens of
// rank 3, which looks like a mean over space and is recognised by its ReduceMeans.
bool normalizes(const Graph& graph, const Node& mean) {
  const ValueId x = mean.inputs[0];
  const auto& readers = value_at(graph, mean.outputs[0]).consumers;
  const bool subtracted = std::any_of(readers.begin(), readers.end(), [&](NodeId id) {
    const Node& reader = node_at(graph, id);
    return ir::standard_op(reader, "Sub") && reader.inputs[0] == x;
  });
  const NodeId maker = value_at(graph, x).producer;
  if (subtracted || maker == kNone) return subtracted;
  const Node& square = node_at(graph, maker);
  return (ir::standard_op(square, "Pow") && ir::scalar_constant(graph, square.inputs[1]) == 2.0) ||
         (ir::standard_op(square, "Mul") && square.inputs[0] == square.inputs[1]);
}

std::optional<Dims> picture(const Graph& graph, ValueId value) {
  const ir::Value& x = value_at(graph, value);
  if (!x.has_shape || x.dims.size() < 3) return std::nullopt;
  Dims size(x.dims.begin() + 2, x.dims.end());
  return std::any_of(size.begin(), size.end(), [](int64_t d) { return d < 1; }) ? std::nullopt
                                                                                : std::optional(size);
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "ReduceMean")) {
    if (!is_float(graph, node.inputs[0]) || !is_spatial_mean(graph, node) || normalizes(graph, node))
      return std::nullopt;
    return Match{id, ir::int_attribute(node, "keepdims", 1) == 0, {}};
  }
  if (ir::standard_op(node, "AveragePool")) {
    const auto size = picture(graph, node.inputs[0]);
    const bool covers = size && ir::ints_attribute(node, "kernel_shape") == *size;
    const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
    if (!covers || (mode != "NOTSET" && mode != "VALID")) return std::nullopt;
    const bool plain = all_equal_to(ir::ints_attribute(node, "pads"), 0) &&
                       all_equal_to(ir::ints_attribute(node, "dilations"), 1);
    return plain ? std::optional(Match{id, false, {}}) : std::nullopt;
  }
  if (!ir::standard_op(node, "GlobalMaxPool")) return std::nullopt;
  const auto size = picture(graph, node.inputs[0]);
  return size ? std::optional(Match{id, false, *size}) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  const ValueId x = node_at(graph, m.node).inputs[0];
  if (!m.max_pool.empty()) {
    become(graph, m.node, "MaxPool", {x}, {{"kernel_shape", m.max_pool}});
    return true;
  }
  if (!m.squeeze) {
    become(graph, m.node, "GlobalAveragePool", {x}, {});
    return true;
  }
  const std::string name = node_at(graph, m.node).name;
  const ValueId pooled = insert_node(graph, "GlobalAveragePool", {x}, {}, name + "/pool", m.node);
  copy_shape(graph, x, pooled);
  ir::Value& shape = value_at(graph, pooled);
  for (size_t i = 2; i < shape.dims.size(); ++i) shape.dims[i] = 1;
  for (size_t i = 2; i < shape.dim_params.size(); ++i) shape.dim_params[i].clear();
  const ValueId target = ir::add_constant(graph, name + "/shape", int_tensor({0, -1}));
  become(graph, m.node, "Reshape", {pooled, target}, {});
  return true;
}

}  // namespace

int pool_globally(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
