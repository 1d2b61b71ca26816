// A classifier that reads one token of a transformer computes all of them in its last block: attention rows,
// projection, MLP. What a Slice or Gather leaves along an axis is taken where that axis is still made node by
// node: behind the queries and keys, whose products need all tokens. The numbers that are left are the same
// sums; only those that nobody reads are gone. Done where matrices are multiplied on the way and at least
// half of the axis is left out, since each place where the axis enters costs a Slice of its own.
#include <algorithm>
#include <map>
#include <utility>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

// An input that is read along `axis` as the result is made along its own; others are read whole.
struct Need {
  size_t slot;
  int64_t axis;
};
using Needs = std::vector<Need>;
using NeedsOf = std::optional<Needs> (*)(const Graph&, const Node&, int64_t axis);

int64_t size_along(const Graph& graph, ValueId value, int64_t axis) {
  return value_at(graph, value).dims[axis];
}

// Adds the input where it has the result's `axis` and is not stretched along it; false: that is not known.
bool need_broadcast(const Graph& graph, const Node& node, size_t slot, int64_t axis, Needs& needs) {
  const ValueId input = node.inputs[slot], result = node.outputs[0];
  if (input == kNone) return true;
  if (rank_of(graph, input) < 0) return false;
  const int64_t own = axis - (rank_of(graph, result) - rank_of(graph, input));
  if (own < 0 || size_along(graph, input, own) == 1) return true;
  if (size_along(graph, input, own) != size_along(graph, result, axis)) return false;
  needs.push_back({slot, own});
  return true;
}

std::optional<Needs> by_element(const Graph& graph, const Node& node, int64_t axis) {
  Needs needs;
  for (size_t slot = 0; slot < node.inputs.size(); ++slot)
    if (!need_broadcast(graph, node, slot, axis, needs)) return std::nullopt;
  return needs;
}

// All that `axis` (default: the last; before opset 13 of Softmax the second) and those behind it hold is read
// together.
std::optional<Needs> by_row(const Graph& graph, const Node& node, int64_t axis) {
  const bool old = ir::opset(graph) < 13 && !ir::standard_op(node, "LayerNormalization");
  const int64_t listed = ir::int_attribute(node, "axis", old ? 1 : -1);
  const int64_t first = listed < 0 ? listed + rank_of(graph, node.outputs[0]) : listed;
  return axis < first ? std::optional(Needs{{0, axis}}) : std::nullopt;
}

std::optional<Needs> by_product(const Graph& graph, const Node& node, int64_t axis) {
  const int64_t ranks[] = {rank_of(graph, node.inputs[0]), rank_of(graph, node.inputs[1])};
  const int64_t behind = rank_of(graph, node.outputs[0]) - axis;
  if (ranks[0] < 2 || ranks[1] < 2 || behind == 1) return std::nullopt;
  if (behind == 2) return Needs{{0, ranks[0] - 2}};
  return by_element(graph, node, axis);
}

std::optional<Needs> by_gemm(const Graph& graph, const Node& node, int64_t axis) {
  if (axis != 0 || ir::int_attribute(node, "transA", 0) != 0) return std::nullopt;
  Needs needs{{0, 0}};
  const bool fits = node.inputs.size() < 3 || need_broadcast(graph, node, 2, axis, needs);
  return fits ? std::optional(needs) : std::nullopt;
}

std::optional<Needs> by_perm(const Graph& graph, const Node& node, int64_t axis) {
  const std::vector<int64_t> perm = ir::ints_attribute(node, "perm");
  const int64_t own = perm.empty() ? rank_of(graph, node.outputs[0]) - 1 - axis : perm[axis];
  return Needs{{0, own}};
}

// Dimensions before an axis, as their product and the names of those that are not fixed.
std::pair<int64_t, std::vector<std::string>> before(const ir::Value& value, int64_t axis) {
  std::pair<int64_t, std::vector<std::string>> all{1, {}};
  for (int64_t d = 0; d < axis; ++d)
    if (value.dims[d] >= 0)
      all.first *= value.dims[d];
    else
      all.second.push_back(value.dim_params.empty() ? "" : value.dim_params[d]);
  return all;
}

// An axis of the same size with as much before it is the same axis.
std::optional<Needs> by_layout(const Graph& graph, const Node& node, int64_t axis) {
  const ir::Value &input = value_at(graph, node.inputs[0]), &result = value_at(graph, node.outputs[0]);
  if (!input.has_shape) return std::nullopt;
  const auto lead = before(result, axis);
  if (std::ranges::count(lead.second, "") > 0) return std::nullopt;
  for (int64_t own = 0; own < static_cast<int64_t>(input.dims.size()); ++own) {
    if (input.dims[own] != result.dims[axis] || before(input, own) != lead) continue;
    if (!ir::standard_op(node, "Reshape")) return Needs{{0, own}};
    const auto wanted = int_constant(graph, node, 1);
    const bool named = wanted && wanted->size() == result.dims.size();
    const bool copied = named && wanted->at(axis) == 0;
    return named && (!copied || own == axis) ? std::optional(Needs{{0, own}}) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<Needs> by_part(const Graph& graph, const Node& node, int64_t axis) {
  const int64_t listed = ir::int_attribute(node, "axis", 0);
  if ((listed < 0 ? listed + rank_of(graph, node.outputs[0]) : listed) == axis) return std::nullopt;
  return by_element(graph, node, axis);
}

constexpr struct {
  const char* op_type;
  NeedsOf needs;
} kPasses[] = {
    {"Abs", by_element},
    {"Add", by_element},
    {"Cast", by_element},
    {"Clip", by_element},
    {"Div", by_element},
    {"Elu", by_element},
    {"Erf", by_element},
    {"Exp", by_element},
    {"Gelu", by_element},
    {"HardSigmoid", by_element},
    {"HardSwish", by_element},
    {"LeakyRelu", by_element},
    {"Log", by_element},
    {"Max", by_element},
    {"Min", by_element},
    {"Mish", by_element},
    {"Mul", by_element},
    {"Neg", by_element},
    {"Pow", by_element},
    {"PRelu", by_element},
    {"Reciprocal", by_element},
    {"Relu", by_element},
    {"Sigmoid", by_element},
    {"Softplus", by_element},
    {"Sqrt", by_element},
    {"Sub", by_element},
    {"Tanh", by_element},
    {"Where", by_element},
    {"LayerNormalization", by_row},
    {"LogSoftmax", by_row},
    {"Softmax", by_row},
    {"MatMul", by_product},
    {"Gemm", by_gemm},
    {"Transpose", by_perm},
    {"Reshape", by_layout},
    {"Squeeze", by_layout},
    {"Unsqueeze", by_layout},
    {"Concat", by_part},
};

bool multiplies(const Node& node) {
  return ir::is_one_of(node, {"MatMul", "Gemm"});
}

bool only_reads_otherwise(const Node& node) {
  return ir::is_one_of(node, {"Reshape", "Squeeze", "Unsqueeze"});
}

// --- what is left of an axis

struct Range {
  int64_t axis = 0, first = 0, end = 0;
};

std::optional<Range> range_of_gather(const Graph& graph, const Node& node) {
  const ir::Tensor* constant = ir::constant_input(graph, node, 1);
  if (!constant || constant->dims.size() > 1) return std::nullopt;
  const auto one = ir::scalar_constant(graph, node.inputs[1]);
  const int64_t rank = rank_of(graph, node.inputs[0]), listed = ir::int_attribute(node, "axis", 0);
  const int64_t axis = listed + (listed < 0 ? rank : 0);
  if (!one || axis < 0 || axis >= rank) return std::nullopt;
  const auto at = static_cast<int64_t>(*one);
  const int64_t first = at + (at < 0 ? size_along(graph, node.inputs[0], axis) : 0);
  return Range{axis, first, first + 1};
}

std::optional<Range> range_of_slice(const Graph& graph, const Node& node) {
  const auto starts = list_operand(graph, node, "starts", 1), ends = list_operand(graph, node, "ends", 2),
             axes = list_operand(graph, node, "axes", 3), steps = list_operand(graph, node, "steps", 4);
  const bool stepping = node.inputs.size() > 4 && node.inputs[4] != kNone;
  if (!starts || !ends || !axes || axes->size() != 1 || starts->size() != 1 || ends->size() != 1)
    return std::nullopt;
  if (stepping && (!steps || steps->size() != 1 || steps->front() != 1)) return std::nullopt;
  const int64_t rank = rank_of(graph, node.inputs[0]);
  const int64_t axis = axes->front() + (axes->front() < 0 ? rank : 0);
  if (axis < 0 || axis >= rank) return std::nullopt;
  const int64_t size = size_along(graph, node.inputs[0], axis);
  const auto placed = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  return Range{axis, placed(starts->front()), placed(ends->front())};
}

// Of a node that reads a value of known size along the axis.
std::optional<Range> range_of(const Graph& graph, const Node& node) {
  const bool gather = ir::standard_op(node, "Gather");
  if (!gather && !ir::standard_op(node, "Slice")) return std::nullopt;
  if (rank_of(graph, node.inputs[0]) < 1) return std::nullopt;
  const auto range = gather ? range_of_gather(graph, node) : range_of_slice(graph, node);
  const bool known = range && size_along(graph, node.inputs[0], range->axis) > 0;
  return known && range->first >= 0 && range->first < range->end ? range : std::nullopt;
}

// --- what is made for it alone

// A reader of a value that needs no more of it than what is left along its axis.
struct Request {
  NodeId reader;
  size_t slot;
  int64_t axis;
};

struct Match {
  Range left;
  std::vector<NodeId> roots;                   // the Slices and Gathers that read one value
  std::map<ValueId, int64_t> narrow;           // results that are made narrow, and along which axis
  std::vector<NodeId> nodes;                   // that make them, producers first
  std::map<ValueId, std::vector<Request>> by;  // of narrow results and of what is sliced in front of them
};

bool all_along_one_axis(const Graph& graph, ValueId value, const std::vector<Request>& requests) {
  return requests.size() == value_at(graph, value).consumers.size() && !ir::is_output(graph, value) &&
         !captured(graph, value) &&
         std::ranges::all_of(requests, [&](const Request& r) { return r.axis == requests.front().axis; });
}

std::optional<Needs> needs_of(const Graph& graph, const Node& node, int64_t axis) {
  if (node.outputs.size() != 1 || rank_of(graph, node.outputs[0]) <= axis) return std::nullopt;
  const auto* pass =
      std::ranges::find_if(kPasses, [&](const auto& row) { return ir::standard_op(node, row.op_type); });
  if (pass == std::end(kPasses)) return std::nullopt;
  auto needs = pass->needs(graph, node, axis);
  const bool known = needs && std::ranges::all_of(*needs, [&](const Need& need) {
                       const ValueId input = node.inputs[need.slot];
                       return rank_of(graph, input) > need.axis &&
                              size_along(graph, input, need.axis) == size_along(graph, node.outputs[0], axis);
                     });
  return known ? needs : std::nullopt;
}

// A node that costs nothing takes no narrow input where that would have to be sliced for it.
void leave_layouts_out(const Graph& graph, Match& found) {
  std::erase_if(found.nodes, [&](NodeId id) {
    const Node& node = node_at(graph, id);
    const bool out = only_reads_otherwise(node) && !found.narrow.contains(node.inputs[0]);
    if (out) {
      found.narrow.erase(node.outputs[0]);
      std::erase_if(found.by[node.inputs[0]], [&](const Request& r) { return r.reader == id; });
    }
    return out;
  });
}

// `order`: topological. Readers come before producers, so that all requests for a value are known.
std::optional<Match> match(const Graph& graph, const std::vector<NodeId>& order, ValueId value) {
  Match found;
  bool first = true;
  for (const NodeId reader : value_at(graph, value).consumers) {
    const Node& node = node_at(graph, reader);
    const auto range = !node.inputs.empty() && node.inputs[0] == value ? range_of(graph, node) : std::nullopt;
    if (!range || (!first && range->axis != found.left.axis)) return std::nullopt;
    found.left = first ? *range
                       : Range{range->axis, std::min(range->first, found.left.first),
                               std::max(range->end, found.left.end)};
    first = false;
    found.roots.push_back(reader);
    found.by[value].push_back({reader, 0, range->axis});
  }
  if (first) return std::nullopt;
  if (2 * (found.left.end - found.left.first) > size_along(graph, value, found.left.axis))
    return std::nullopt;
  for (auto last = order.rbegin(); last != order.rend(); ++last) {
    const NodeId id = *last;
    const Node& node = node_at(graph, id);
    if (node.erased || node.outputs.empty()) continue;
    const auto asked = found.by.find(node.outputs[0]);
    if (asked == found.by.end() || !all_along_one_axis(graph, asked->first, asked->second)) continue;
    const int64_t axis = asked->second.front().axis;
    const auto needs = needs_of(graph, node, axis);
    if (!needs) continue;
    found.narrow[node.outputs[0]] = axis;
    found.nodes.push_back(id);
    for (const Need& need : *needs) found.by[node.inputs[need.slot]].push_back({id, need.slot, need.axis});
  }
  std::ranges::reverse(found.nodes);
  leave_layouts_out(graph, found);
  const bool pays =
      std::ranges::any_of(found.nodes, [&](NodeId id) { return multiplies(node_at(graph, id)); });
  return pays ? std::optional(found) : std::nullopt;
}

// --- making it so

// What is left of a value that is made whole.
ValueId sliced(Graph& graph, ValueId value, int64_t axis, const Match& m) {
  const std::string name = value_at(graph, value).name + "_left";
  const Dims first{m.left.first}, end{m.left.end}, axes{axis};
  std::vector<ValueId> inputs{value};
  std::vector<ir::Attribute> attributes;
  if (ir::opset(graph) < 10) {
    attributes = {{"axes", axes}, {"ends", end}, {"starts", first}};
  } else {
    inputs.push_back(ir::add_constant(graph, name + "_first", int_tensor(first)));
    inputs.push_back(ir::add_constant(graph, name + "_end", int_tensor(end)));
    inputs.push_back(ir::add_constant(graph, name + "_axis", int_tensor(axes)));
  }
  const ValueId made = insert_node(graph, "Slice", inputs, attributes, name, m.roots.front());
  copy_shape(graph, value, made);
  value_at(graph, made).dims[axis] = m.left.end - m.left.first;
  return made;
}

// The node makes its result narrow, under another name: the old one stands for all of it.
ValueId made_narrow(Graph& graph, NodeId id, int64_t axis, int64_t size) {
  const ValueId whole = node_at(graph, id).outputs[0];
  if (ir::standard_op(node_at(graph, id), "Reshape")) {
    Dims wanted = *int_constant(graph, node_at(graph, id), 1);
    if (wanted[axis] > 0) {
      wanted[axis] = size;
      set_constant(graph, id, 1, int_tensor(wanted), value_at(graph, whole).name + "_shape");
    }
  }
  const ValueId left =
      ir::add_value(graph, value_at(graph, whole).name + "_left", value_at(graph, whole).dtype);
  copy_shape(graph, whole, left);
  value_at(graph, left).dims[axis] = size;
  ir::set_output(graph, id, 0, left);
  return left;
}

// A root reads what is left already: its range begins where that does.
void move_range(Graph& graph, NodeId root, const Match& m) {
  const Node& node = node_at(graph, root);
  const Range range = *range_of(graph, node);
  const int64_t first = range.first - m.left.first, end = range.end - m.left.first;
  const bool drops_axis = ir::standard_op(node, "Gather") && ir::constant_input(graph, node, 1)->dims.empty();
  if (drops_axis && m.left.end - m.left.first == 1) {
    const ValueId data = node.inputs[0];
    if (ir::opset(graph) < 13) return become(graph, root, "Squeeze", {data}, {{"axes", Dims{range.axis}}});
    const ValueId axes = ir::add_constant(graph, node.name + "_axes", int_tensor({range.axis}));
    become(graph, root, "Squeeze", {data, axes}, {});
  } else if (ir::standard_op(node, "Gather")) {
    ir::Tensor at = *ir::constant_input(graph, node, 1);
    const Dims dims = at.dims;
    at = int_tensor({first});
    at.dims = dims;
    set_constant(graph, root, 1, std::move(at), node.name + "_index");
  } else if (ir::find_attribute(node, "starts")) {
    ir::set_attribute(node_at(graph, root), "starts", Dims{first});
    ir::set_attribute(node_at(graph, root), "ends", Dims{end});
  } else {
    set_constant(graph, root, 1, int_tensor({first}), node.name + "_first");
    set_constant(graph, root, 2, int_tensor({end}), node.name + "_end");
  }
}

void transform(Graph& graph, const Match& m) {
  for (const NodeId root : m.roots) move_range(graph, root, m);
  std::map<ValueId, ValueId> left;
  for (const NodeId id : m.nodes) {
    const ValueId whole = node_at(graph, id).outputs[0];
    left[whole] = made_narrow(graph, id, m.narrow.at(whole), m.left.end - m.left.first);
  }
  std::map<std::pair<ValueId, int64_t>, ValueId> in_front;
  for (const auto& [value, requests] : m.by)
    for (const Request& request : requests) {
      if (const auto narrow = left.find(value); narrow != left.end()) {
        set_input(graph, request.reader, request.slot, narrow->second);
        continue;
      }
      const auto [slice, first] = in_front.try_emplace({value, request.axis}, kNone);
      if (first) slice->second = sliced(graph, value, request.axis, m);
      set_input(graph, request.reader, request.slot, slice->second);
    }
}

}  // namespace

int slice_early(Graph& graph) {
  int count = 0;
  const std::vector<NodeId> order = topological_order(graph);
  for (const NodeId id : order) {
    if (node_at(graph, id).erased || node_at(graph, id).outputs.empty()) continue;
    const ValueId value = node_at(graph, id).outputs[0];
    if (value == kNone) continue;
    const auto found = match(graph, order, value);
    if (!found) continue;
    transform(graph, *found);
    ++count;
  }
  return count;
}

}  // namespace qc::normalize
