// What has no elements, whatever comes in: exporters leave lists that begin with nothing, a ConstantOfShape
// with a 0 among its sizes, a calculation or two, and a Concat with the rest. The Concat does without them.
// ONNX Runtime's QLinearAdd and QLinearMul write beyond the end of an empty tensor where threads share their
// work (seen in 1.30 and 1.32), so they must not stand among integers either.
#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

using EmptyAxes = std::map<ValueId, int64_t>;  // the axis that holds nothing, counted from the end

constexpr std::array<std::string_view, 14> kElementwise{"Add",      "Cast",    "Clip", "Div", "Exp",
                                                        "Identity", "Mul",     "Neg",  "Pow", "Relu",
                                                        "Sub",      "Sigmoid", "Sqrt", "Tanh"};

// Of a list of sizes: the place of a 0, counted from the end. Parts of unknown length leave the rest unknown.
std::optional<int64_t> place_of_zero(const Graph& graph, ValueId sizes) {
  const ir::Value& value = ir::value_at(graph, sizes);
  if (value.constant) {
    if (value.constant->dtype != ir::DType::kInt64 || value.constant->dims.size() != 1) return std::nullopt;
    const auto numbers = value.constant->as<int64_t>();
    const auto zero = std::ranges::find(numbers, 0);
    if (zero == numbers.end()) return std::nullopt;
    return zero - numbers.end();
  }
  if (value.producer == kNone) return std::nullopt;
  const Node& joins = ir::node_at(graph, value.producer);
  if (!ir::standard_op(joins, "Concat")) return std::nullopt;
  int64_t behind = 0;
  for (auto part = joins.inputs.rbegin(); part != joins.inputs.rend(); ++part) {
    if (const auto place = place_of_zero(graph, *part)) return *place - behind;
    const ir::Value& list = ir::value_at(graph, *part);
    const Dims& dims = list.constant ? list.constant->dims : list.dims;
    if ((!list.constant && !list.has_shape) || dims.size() != 1 || dims[0] < 0) return std::nullopt;
    behind += dims[0];
  }
  return std::nullopt;
}

// Its inputs without those that hold nothing along its axis; as they are where none or all do.
bool joins_less(Graph& graph, NodeId id, EmptyAxes& empty) {
  const Node& node = ir::node_at(graph, id);
  const int64_t rank = rank_of(graph, node.outputs[0]);
  int64_t axis = ir::int_attribute(node, "axis", 0);
  if (axis >= 0 && rank < 0) return false;
  if (axis >= 0) axis -= rank;
  std::vector<ValueId> rest;
  std::ranges::copy_if(node.inputs, std::back_inserter(rest), [&](ValueId in) {
    const auto found = empty.find(in);
    return found == empty.end() || found->second != axis;
  });
  if (rest.empty()) empty[node.outputs[0]] = axis;
  if (rest.empty() || rest.size() == node.inputs.size()) return false;
  ir::become(graph, id, "Concat", rest, node.attributes);
  return true;
}

}  // namespace

int drop_empty(Graph& graph) {
  int count = 0;
  EmptyAxes empty;
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& node = ir::node_at(graph, id);
    if (ir::standard_op(node, "ConstantOfShape")) {
      if (const auto place = place_of_zero(graph, node.inputs[0])) empty[node.outputs[0]] = *place;
    } else if (ir::standard_op(node, "Concat")) {
      count += joins_less(graph, id, empty);
    } else if (std::ranges::any_of(kElementwise,
                                   [&](std::string_view op) { return ir::standard_op(node, op); })) {
      for (const ValueId in : node.inputs)
        if (const auto found = empty.find(in); found != empty.end()) empty[node.outputs[0]] = found->second;
    }
  }
  return count;
}

}  // namespace qc::normalize
