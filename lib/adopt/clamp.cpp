// See clamp.h.
#include "adopt/clamp.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "ir/edit.h"

namespace qc::adopt {
namespace {

using ir::Node;
using ir::ValueId;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Interval kAnything{-kInfinity, kInfinity};

// Ops whose results lie in an interval whatever they read.
struct Image {
  std::string_view op_type;
  Interval interval;
};
constexpr Image kImages[] = {
    {"Relu", {0, kInfinity}},     {"Sigmoid", {0, 1}},         {"HardSigmoid", {0, 1}},
    {"Softmax", {0, 1}},          {"Tanh", {-1, 1}},           {"Erf", {-1, 1}},
    {"Abs", {0, kInfinity}},      {"Exp", {0, kInfinity}},     {"Sqrt", {0, kInfinity}},
    {"Softplus", {0, kInfinity}}, {"ReduceL2", {0, kInfinity}}};

// Ops whose results lie between the numbers of their first input, or are zero.
constexpr std::string_view kPasses[] = {"Reshape",
                                        "Transpose",
                                        "Squeeze",
                                        "Unsqueeze",
                                        "Flatten",
                                        "Slice",
                                        "Gather",
                                        "Identity",
                                        "Expand",
                                        "Tile",
                                        "Split",
                                        "DepthToSpace",
                                        "SpaceToDepth",
                                        "Dropout",
                                        "GatherElements",
                                        "MaxPool",
                                        "GlobalMaxPool",
                                        "AveragePool",
                                        "GlobalAveragePool",
                                        "ReduceMean",
                                        "ReduceMax",
                                        "ReduceMin",
                                        "Resize",
                                        "Upsample"};

// The same of other inputs.
struct Join {
  std::string_view op_type;
  unsigned slots;  // bits
};
constexpr Join kJoins[] = {{"Pad", 0b101}, {"Where", 0b110}, {"Concat", ~0u}};

// As the tables say, but for these.
bool goes_beyond(const Node& node) {
  return ir::string_attribute(node, "mode", "") == "cubic" ||
         (node.op_type == "Pad" && ir::float_attribute(node, "value", 0) != 0);
}

template <typename Rows>
const auto* row_of(const Rows& rows, const Node& node) {
  const auto found = std::find_if(std::begin(rows), std::end(rows),
                                  [&](const auto& row) { return ir::standard_op(node, row.op_type); });
  return found == std::end(rows) ? nullptr : &*found;
}

// Bits of the inputs between whose numbers the results lie; 0: of no such op.
unsigned slots_of(const Node& node) {
  const Join* join = row_of(kJoins, node);
  return join ? join->slots : ir::is_one_of(node, kPasses) ? 0b1 : 0;
}

double bound(const ir::Graph& graph, const Node& node, std::string_view name, size_t slot, double fallback) {
  if (ir::opset(graph) < 11) return ir::float_attribute(node, name, static_cast<float>(fallback));
  if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) return fallback;
  return ir::scalar_constant(graph, node.inputs[slot]).value_or(fallback);
}

// What a Relu or Clip leaves of anything.
Interval bounds_of(const ir::Graph& graph, const Node& node) {
  if (ir::standard_op(node, "Relu")) return {0, kInfinity};
  if (!ir::standard_op(node, "Clip")) return kAnything;
  return {bound(graph, node, "min", 1, -kInfinity), bound(graph, node, "max", 2, kInfinity)};
}

Interval of_constant(const ir::Tensor& tensor) {
  if (tensor.dtype != ir::DType::kFloat || !tensor.bytes || tensor.size() == 0) return kAnything;
  const auto [low, high] = std::minmax_element(tensor.as<float>().begin(), tensor.as<float>().end());
  return {*low, *high};
}

// Activations with bounds that everybody uses: hardly a calibration ends at both by chance.
constexpr Interval kActivations[] = {{0, 6}, {0, 1}, {-1, 1}};

}  // namespace

Interval Reach::of(ValueId value) {
  if (value == ir::kNone) return {0, 0};
  if (const auto known = known_.find(value); known != known_.end()) return known->second;
  const ir::Value& v = ir::value_at(graph_, value);
  Interval interval = kAnything;
  if (v.constant)
    interval = of_constant(*v.constant);
  else if (v.producer != ir::kNone)
    interval = of_node(ir::node_at(graph_, v.producer));
  known_[value] = interval;
  return interval;
}

Interval Reach::of_node(const Node& node) {
  if (const Image* image = row_of(kImages, node)) return image->interval;
  if (ir::standard_op(node, "Clip")) {
    const Interval x = of(node.inputs[0]), own = bounds_of(graph_, node);
    return {std::max(x.low, own.low), std::min(x.high, own.high)};
  }
  if (node.inputs.size() == 2)
    if (const auto two = of_two(node)) return *two;
  const unsigned slots = slots_of(node);
  if (slots == 0 || goes_beyond(node)) return kAnything;
  Interval interval{0, 0};
  for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
    if (slot < 32 && (slots >> slot & 1) == 0) continue;
    const Interval x = of(node.inputs[slot]);
    interval = {std::min(interval.low, x.low), std::max(interval.high, x.high)};
  }
  return interval;
}

std::optional<Interval> Reach::of_two(const Node& node) {
  const bool sum = ir::standard_op(node, "Add"), product = ir::standard_op(node, "Mul"),
             most = ir::standard_op(node, "Max"), least = ir::standard_op(node, "Min");
  if (!sum && !product && !most && !least) return std::nullopt;
  const Interval a = of(node.inputs[0]), b = of(node.inputs[1]);
  if (sum) return Interval{a.low + b.low, a.high + b.high};
  if (most) return Interval{std::max(a.low, b.low), std::max(a.high, b.high)};
  if (least) return Interval{std::min(a.low, b.low), std::min(a.high, b.high)};
  if (a.low < 0 || b.low < 0) return kAnything;
  const double high = std::max(a.high, b.high) < kInfinity ? a.high * b.high : kInfinity;
  return Interval{0, high};
}

bool Reach::is_computed(ValueId value) const {
  constexpr std::string_view kScaling[] = {"Mul", "Div", "Add", "Sub", "Cast"};
  const auto constant = [&](ValueId v) { return ir::value_at(graph_, v).constant.has_value(); };
  while (ir::value_at(graph_, value).producer != ir::kNone) {
    const Node& maker = ir::node_at(graph_, ir::value_at(graph_, value).producer);
    const bool scales = ir::is_one_of(maker, kScaling), two = maker.inputs.size() == 2;
    const unsigned slots = scales ? 0b1 : slots_of(maker);
    if (slots == 0 || (scales && two && constant(maker.inputs[0]) == constant(maker.inputs[1]))) return true;
    const bool second = scales ? two && constant(maker.inputs[0]) : (slots & 1) == 0;
    value = maker.inputs[second ? 1 : 0];
  }
  return false;
}

bool Reach::is_moved(ValueId value) const {
  const ir::NodeId maker = ir::value_at(graph_, value).producer;
  return maker != ir::kNone && slots_of(ir::node_at(graph_, maker)) != 0;
}

std::optional<Interval> clamp_of(const quant::QuantParams& params, bool bounded) {
  if (bounded && !params.per_channel()) {
    const double slack = 0.5001 * static_cast<double>(params.scales[0]);
    for (const Interval& ends : kActivations)
      if (std::fabs(static_cast<double>(quant::range_min(params)) - ends.low) <= slack &&
          std::fabs(static_cast<double>(quant::range_max(params)) - ends.high) <= slack)
        return ends;
  }
  const bool lowest = std::all_of(params.zero_points.begin(), params.zero_points.end(),
                                  [&](int32_t zero) { return zero == params.qmin(); });
  if (lowest) return Interval{0, kInfinity};
  return std::nullopt;
}

ValueId insert_clamp(ir::Graph& graph, ValueId value, const Interval& ends) {
  const std::string name = ir::value_at(graph, value).name + "_clamped";
  std::vector<ValueId> inputs{value};
  std::vector<ir::Attribute> attributes;
  const bool relu = ends.low == 0 && ends.high == kInfinity;
  const auto add = [&](const char* end, double number) {
    if (relu) return;
    if (std::isinf(number))
      inputs.push_back(ir::kNone);
    else if (ir::opset(graph) < 11)
      attributes.push_back({end, static_cast<float>(number)});
    else
      inputs.push_back(ir::add_constant(graph, name + "/" + end, ir::scalar(static_cast<float>(number))));
  };
  add("min", ends.low);
  add("max", ends.high);
  while (inputs.back() == ir::kNone) inputs.pop_back();
  const ValueId clamped = ir::insert_node(graph, relu ? "Relu" : "Clip", std::move(inputs),
                                          std::move(attributes), name, ir::value_at(graph, value).producer);
  ir::copy_shape(graph, value, clamped);
  return clamped;
}

bool remove_if_repeated(ir::Graph& graph, ValueId clamped) {
  const ir::NodeId clamp = ir::value_at(graph, clamped).producer;
  const Interval ends = bounds_of(graph, ir::node_at(graph, clamp));
  const std::vector<ir::NodeId>& readers = ir::value_at(graph, clamped).consumers;
  const ValueId x = ir::node_at(graph, clamp).inputs[0];
  const bool repeated = std::all_of(readers.begin(), readers.end(), [&](ir::NodeId reader) {
    const Interval again = bounds_of(graph, ir::node_at(graph, reader));
    return again.low >= ends.low && again.high <= ends.high;
  });
  if (!repeated || ir::is_output(graph, clamped) || !ir::can_bypass(graph, clamp, x)) return false;
  ir::bypass(graph, clamp, x);
  return true;
}

}  // namespace qc::adopt
