// Nodes that hand their input on unchanged: Identity, Dropout at inference, and ops whose parameters make
// them do nothing. Each rule is one row: an op type and a test that may assume that type. The mask of a
// Dropout that drops nothing is made without it.
#include <algorithm>
#include <numeric>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

bool all_equal_to(const Dims& list, int64_t value) {
  return std::all_of(list.begin(), list.end(), [&](int64_t v) { return v == value; });
}

bool keeps_shape(const Graph& graph, const Node& node) {
  return same_dims(graph, node.inputs[0], node.outputs[0]);
}

/// Every element of the constant in `slot` is `neutral`, and it does not broadcast the other operand.
bool neutral_operand(const Graph& graph, const Node& node, size_t slot, double neutral) {
  if (node.inputs.size() != 2) return false;
  const ir::Tensor* c = float_constant(graph, node, slot);
  if (!c || c->size() == 0) return false;
  const auto numbers = c->as<float>();
  if (!std::all_of(numbers.begin(), numbers.end(), [&](float v) { return v == neutral; })) return false;
  const ValueId other = node.inputs[1 - slot];
  if (c->size() == 1 && (c->dims.empty() || static_cast<int64_t>(c->dims.size()) <= rank_of(graph, other)))
    return true;
  return same_dims(graph, other, node.outputs[0]);
}

bool idle_dropout(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 3 || node.inputs[2] == kNone) return true;
  const ir::Tensor* training = ir::constant_input(graph, node, 2);
  return training && training->bytes && training->size() == 1 && training->bytes->at(0) == 0;
}

bool idle_transpose(const Graph&, const Node& node) {
  Dims identity(ir::ints_attribute(node, "perm").size());
  std::iota(identity.begin(), identity.end(), 0);
  return !identity.empty() && ir::ints_attribute(node, "perm") == identity;
}

bool idle_pad(const Graph& graph, const Node& node) {
  const auto pads = list_operand(graph, node, "pads", 1);
  return pads && all_equal_to(*pads, 0);
}

bool idle_slice(const Graph& graph, const Node& node) {
  const bool all_steps = node.inputs.size() < 5 || node.inputs[4] == kNone;
  const auto steps = int_constant(graph, node, 4);
  return keeps_shape(graph, node) && (all_steps || (steps && all_equal_to(*steps, 1)));
}

bool idle_resize(const Graph& graph, const Node& node) {
  if (ir::string_attribute(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize")
    return false;
  return static_dims(graph, node.inputs[0]).has_value() && keeps_shape(graph, node);
}

bool idle_pool(const Graph&, const Node& node) {
  for (const char* list : {"kernel_shape", "strides", "dilations"})
    if (!all_equal_to(ir::ints_attribute(node, list), 1)) return false;
  return all_equal_to(ir::ints_attribute(node, "pads"), 0);
}

bool idle_cast(const Graph& graph, const Node& node) {
  const ir::DType from = value_at(graph, node.inputs[0]).dtype;
  return from != ir::DType::kUndefined && ir::int_attribute(node, "to", 0) == static_cast<int64_t>(from);
}

// Readers that stretch an operand themselves, to what their other operand is anyway.
bool idle_expand(const Graph& graph, const Node& node) {
  constexpr const char* kStretch[] = {"Add",        "Sub",   "Mul",   "Div",     "Pow",  "Min",
                                      "Max",        "PRelu", "Equal", "Greater", "Less", "GreaterOrEqual",
                                      "LessOrEqual"};
  if (keeps_shape(graph, node)) return true;
  const ValueId expanded = node.outputs[0];
  const ir::Value& value = value_at(graph, expanded);
  const auto stretches = [&](NodeId id) {
    const Node& reader = node_at(graph, id);
    const bool known = std::any_of(std::begin(kStretch), std::end(kStretch),
                                   [&](const char* op) { return ir::standard_op(reader, op); });
    if (!known || reader.inputs.size() != 2 || reader.inputs[0] == reader.inputs[1]) return false;
    if (ir::standard_op(reader, "PRelu") && reader.inputs[1] != expanded)
      return false;  // stretches its slope alone
    const ValueId other = reader.inputs[reader.inputs[0] == expanded ? 1 : 0];
    return same_dims(graph, other, reader.outputs[0]) && same_dims(graph, other, expanded);
  };
  return !value.consumers.empty() && !ir::is_output(graph, expanded) && !ir::captured(graph, expanded) &&
         std::all_of(value.consumers.begin(), value.consumers.end(), stretches);
}

struct Rule {
  const char* op_type;
  bool (*idle)(const Graph&, const Node&);
};
bool always(const Graph&, const Node&) {
  return true;
}
// Reshape and Flatten keep the element count, so one unknown dimension is the same on both sides if all
// others are.
bool keeps_all_but_one(const Graph& graph, const Node& node) {
  return same_dims(graph, node.inputs[0], node.outputs[0], 1);
}
bool single_input(const Graph&, const Node& node) {
  return node.inputs.size() == 1;
}
bool single_output(const Graph&, const Node& node) {
  return node.outputs.size() == 1;
}

constexpr Rule kRules[] = {
    {"Identity", always},           {"Dropout", idle_dropout},      {"Cast", idle_cast},
    {"Reshape", keeps_all_but_one}, {"Flatten", keeps_all_but_one}, {"Expand", idle_expand},
    {"Tile", keeps_shape},          {"Transpose", idle_transpose},  {"Pad", idle_pad},
    {"Slice", idle_slice},          {"Resize", idle_resize},        {"Upsample", idle_resize},
    {"MaxPool", idle_pool},         {"AveragePool", idle_pool},     {"Split", single_output},
    {"Concat", single_input},       {"Sum", single_input},          {"Max", single_input},
    {"Min", single_input},          {"Mean", single_input},
};

/// The input that a Mul, Div, Add or Sub with a neutral constant hands on; kNone: none.
ValueId idle_arithmetic(const Graph& graph, const Node& node) {
  const bool mul = ir::standard_op(node, "Mul"), div = ir::standard_op(node, "Div");
  const bool add = ir::standard_op(node, "Add"), sub = ir::standard_op(node, "Sub");
  if (!mul && !div && !add && !sub) return kNone;
  const double neutral = mul || div ? 1 : 0;
  if (neutral_operand(graph, node, 1, neutral)) return node.inputs[0];
  return (mul || add) && neutral_operand(graph, node, 0, neutral) ? node.inputs[1] : kNone;
}

struct Match {
  NodeId node;
  ValueId source;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  ValueId source = idle_arithmetic(graph, node);
  for (const Rule& rule : kRules)
    if (ir::standard_op(node, rule.op_type) && rule.idle(graph, node)) source = node.inputs[0];
  if (source == kNone || !can_bypass(graph, id, source)) return std::nullopt;
  return Match{id, source};
}

bool transform(Graph& graph, const Match& m) {
  bypass(graph, m.node, m.source);
  return true;
}

// A Dropout that drops nothing, whose mask somebody reads. Before opset 12 the runtime's masks say that all
// was dropped, and they are no booleans everywhere.
std::optional<NodeId> match_mask(const Graph& graph, NodeId id) {
  constexpr int64_t kTrueMasks = 12;
  const Node& node = node_at(graph, id);
  const bool masks = ir::standard_op(node, "Dropout") && ir::opset(graph) >= kTrueMasks &&
                     node.outputs.size() > 1 && node.outputs[1] != kNone;
  if (!masks || !idle_dropout(graph, node)) return std::nullopt;
  const ValueId mask = node.outputs[1];
  const bool read = !value_at(graph, mask).consumers.empty() || ir::is_output(graph, mask);
  return read ? std::optional(id) : std::nullopt;
}

// All true, in the shape of the input.
bool make_mask(Graph& graph, const NodeId& id) {
  const ValueId x = node_at(graph, id).inputs[0], mask = node_at(graph, id).outputs[1];
  const std::string name = value_at(graph, mask).name;
  const ValueId shape = insert_node(graph, "Shape", {x}, {}, name + "_shape", id);
  value_at(graph, shape).dtype = ir::DType::kInt64;
  const ValueId made = insert_node(graph, "ConstantOfShape", {shape},
                                   {{"value", ir::make_tensor(ir::DType::kBool, "\1", {1})}}, name, id);
  node_at(graph, id).outputs.resize(1);
  value_at(graph, mask).producer = kNone;
  ir::set_output(graph, value_at(graph, made).producer, 0, mask);
  return true;
}

}  // namespace

int remove_no_ops(Graph& graph) {
  const int masks = rewrite_all<NodeId>(graph, match_mask, make_mask);
  return masks + rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
