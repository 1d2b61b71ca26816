// Softmax along an axis that is not the last, beside a Transpose: transposed otherwise, the axis is the last
// one. Runtimes compute along that one alone and transpose to and fro for any other (ONNX Runtime takes five
// times as long), so that a Transpose that is there anyway is better spent on it. A 1x1 convolution of the
// probabilities to one number (the mean of a distribution: how detectors read the sides of boxes) becomes a
// MatMul, because what it makes has the same order with the channels first and last.
#include <algorithm>
#include <numeric>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

/// Orders are lists of axes: the i-th axis of the result is the order[i]-th of what is transposed.
struct Match {
  NodeId softmax;
  NodeId before, after;  // Transpose; after also a Conv; or kNone
  Dims in, out;          // from what `before` reads to the Softmax, and from there to what `after` makes
};

Dims in_order(size_t rank) {
  Dims order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

bool is_in_order(const Dims& order) {
  return std::is_sorted(order.begin(), order.end());
}

Dims chosen(const Dims& from, const Dims& order) {
  Dims result;
  for (const int64_t axis : order) result.push_back(from[axis]);
  return result;
}

Dims inverse(const Dims& order) {
  Dims result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[order[i]] = static_cast<int64_t>(i);
  return result;
}

/// The order of a Transpose of this rank; nullopt: another op, or it says none that fits.
std::optional<Dims> order_of(const Graph& graph, NodeId id, size_t rank) {
  if (id == kNone || !ir::standard_op(node_at(graph, id), "Transpose")) return std::nullopt;
  const Dims order = ir::ints_attribute(node_at(graph, id), "perm"), all = in_order(rank);
  return std::is_permutation(order.begin(), order.end(), all.begin(), all.end()) ? std::optional(order)
                                                                                 : std::nullopt;
}

/// Sizes of the Conv's output as a Reshape is told them: at most one may be unknown beside the batch, which
/// is copied.
std::optional<Dims> reshaped(const Graph& graph, ValueId value) {
  const ir::Value& v = value_at(graph, value);
  if (!v.has_shape || v.dims.size() < 3 ||
      std::count_if(v.dims.begin() + 1, v.dims.end(), [](int64_t size) { return size < 0; }) > 1)
    return std::nullopt;
  Dims sizes = v.dims;
  sizes[0] = std::max<int64_t>(sizes[0], 0);
  return sizes;
}

/// A weighted sum over the channels: one filter of one element, nothing added.
bool sums_channels(const Graph& graph, NodeId id, size_t rank) {
  if (id == kNone || !ir::standard_op(node_at(graph, id), "Conv")) return false;
  const Node& conv = node_at(graph, id);
  const ir::Tensor* weight = float_constant(graph, conv, 1);
  if (!weight || weight->dims.size() != rank || weight->dims[1] != weight->size()) return false;
  const Dims strides = ir::ints_attribute(conv, "strides");
  const bool biased = conv.inputs.size() > 2 && conv.inputs[2] != kNone;
  return !biased && ir::int_attribute(conv, "group", 1) == 1 && unpadded(conv) &&
         std::all_of(strides.begin(), strides.end(), [](int64_t stride) { return stride == 1; }) &&
         reshaped(graph, conv.outputs[0]);
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& softmax = node_at(graph, id);
  if (ir::opset(graph) < 13 || !ir::standard_op(softmax, "Softmax")) return std::nullopt;
  const int64_t given = ir::int_attribute(softmax, "axis", -1);
  const int64_t known = rank_of(graph, softmax.inputs[0]), axis = given < 0 ? given + known : given;
  if (axis < 0 || axis >= known - 1 || captured(graph, softmax.outputs[0])) return std::nullopt;
  const auto rank = static_cast<size_t>(known);
  const NodeId maker = producer_if(graph, softmax.inputs[0], "Transpose");
  const bool alone = sole_consumer(graph, softmax.inputs[0]) == id;
  const NodeId reader = sole_consumer(graph, softmax.outputs[0]);
  const auto first = alone ? order_of(graph, maker, rank) : std::nullopt;
  const auto last = order_of(graph, reader, rank);
  const bool summed = axis == 1 && sums_channels(graph, reader, rank);

  Dims to_last = in_order(rank);
  to_last.erase(to_last.begin() + axis);
  to_last.push_back(axis);
  std::vector<Dims> orders{to_last};
  if (!summed && last) orders.push_back(*last);
  if (!summed && first) orders.push_back(inverse(*first));

  std::optional<Match> best;
  int fewest = first.has_value() + last.has_value();
  for (const Dims& order : orders) {
    if (order.back() != axis) continue;
    Match m{id, first ? maker : kNone, summed || last ? reader : kNone, order, in_order(rank)};
    if (first) m.in = chosen(*first, order);
    if (!summed) m.out = chosen(inverse(order), last ? *last : in_order(rank));
    const int transposes = !is_in_order(m.in) + !is_in_order(m.out);
    if (transposes > fewest || (best && transposes == fewest)) continue;
    fewest = transposes;
    best = m;
  }
  return best;
}

/// What `node` makes is a value of its own from now on; returns the one that it made, and that nobody makes
/// until somebody is told to.
ValueId detach(Graph& graph, NodeId node, std::string_view name) {
  const ValueId old = node_at(graph, node).outputs[0];
  set_output(graph, node, 0, ir::add_value(graph, name, value_at(graph, old).dtype));
  return old;
}

/// A node behind `node` that makes `result`.
void append(Graph& graph, NodeId node, std::string_view op_type, std::vector<ValueId> more,
            std::vector<ir::Attribute> attributes, ValueId result) {
  more.insert(more.begin(), node_at(graph, node).outputs[0]);
  const std::string name = value_at(graph, result).name;
  const ValueId made = insert_node(graph, op_type, std::move(more), std::move(attributes), name, node);
  set_output(graph, value_at(graph, made).producer, 0, result);
}

void sum_by_matmul(Graph& graph, NodeId id) {
  const ValueId old = node_at(graph, id).inputs[1];
  ir::Tensor weight = *value_at(graph, old).constant;
  weight.dims = {weight.size(), 1};
  const ValueId column = ir::add_constant(graph, value_at(graph, old).name, std::move(weight));
  const Dims sizes = *reshaped(graph, node_at(graph, id).outputs[0]);
  const std::string name = node_at(graph, id).name;
  become(graph, id, "MatMul", {node_at(graph, id).inputs[0], column}, {});
  const ValueId shape = ir::add_constant(graph, name + "/shape", ir::int_tensor(sizes));
  const ValueId result = detach(graph, id, name + "/last");
  append(graph, id, "Reshape", {shape}, {}, result);
}

bool transform(Graph& graph, const Match& m) {
  const std::string name = node_at(graph, m.softmax).name;
  ValueId x = node_at(graph, m.softmax).inputs[0];
  if (m.before != kNone) {
    absorb_origin(graph, m.softmax, m.before);
    x = node_at(graph, m.before).inputs[0];
  }
  if (!is_in_order(m.in))
    x = insert_node(graph, "Transpose", {x}, {{"perm", m.in}}, name + "/transposed", m.softmax);
  set_input(graph, m.softmax, 0, x);
  ir::set_attribute(node_at(graph, m.softmax), "axis", int64_t{-1});

  const bool summed = m.after != kNone && ir::standard_op(node_at(graph, m.after), "Conv");
  if (m.after != kNone && !summed) take_over(graph, m.softmax, m.after);
  if (!is_in_order(m.out)) {
    const ValueId result = detach(graph, m.softmax, name + "/last");
    append(graph, m.softmax, "Transpose", {}, {{"perm", m.out}}, result);
  }
  if (summed) {
    detach(graph, m.softmax, name + "/last");
    set_input(graph, m.after, 0, node_at(graph, m.softmax).outputs[0]);
    sum_by_matmul(graph, m.after);
  }
  return true;
}

}  // namespace

int softmax_last(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
