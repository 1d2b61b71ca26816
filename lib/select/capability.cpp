// See capability.h.
#include "select/capability.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "select/fuse.h"

namespace qc::select {
namespace {

using plan::Reason;
using target::OpKind;

Capability no(Reason reason, std::string detail = {}) {
  return {Ability::kFloatOnly, reason, std::move(detail)};
}

// The rule's conditions on attributes ("mode": "nearest"); the first that does not hold, or "".
std::string unmet_condition(const ir::Node& node, const target::OpRule& rule) {
  for (const auto& [name, wanted] : rule.when) {
    const ir::Attribute* attribute = ir::find_attribute(node, name);
    std::string found;
    if (attribute && std::holds_alternative<std::string>(attribute->value))
      found = std::get<std::string>(attribute->value);
    if (attribute && std::holds_alternative<int64_t>(attribute->value))
      found = std::to_string(std::get<int64_t>(attribute->value));
    if (!attribute) continue;  // the rules are written for each op's default
    if (found != wanted) return format("{}={} has no integer kernel, {}={} has", name, found, name, wanted);
  }
  return {};
}

Capability weighted(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::weight_traits(graph, node)) return no(Reason::kNoIntegerKernel, "its weight is not a constant");
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != ir::kNone;
  const ir::Tensor* bias = ir::constant_input(graph, node, 2);
  if (has_bias && !bias) return no(Reason::kNoIntegerKernel, "its bias is not a constant");
  if (node.op_type == "Gemm") {
    const bool plain = ir::float_attribute(node, "alpha", 1) == 1.0f &&
                       ir::float_attribute(node, "beta", 1) == 1.0f &&
                       ir::int_attribute(node, "transA", 0) == 0;
    if (!plain) return no(Reason::kNoIntegerKernel, "alpha, beta or transA are not the plain ones");
  }
  if (node.op_type == "ConvTranspose" && ir::int_attribute(node, "group", 1) != 1)
    return no(Reason::kNoIntegerKernel, "it works in groups");
  if (bias && bias->dims.size() != 1) return no(Reason::kNoIntegerKernel, "its bias is not a vector");
  if (node.op_type == "MatMul" && ir::constant_input(graph, node, 1)->dims.size() != 2)
    return no(Reason::kNoIntegerKernel, "its weight is not a matrix");
  return {Ability::kInteger, Reason::kTarget, {}};
}

// The node before it clamps by itself (TFLite's fused activations): needed where the integers reach below
// zero whatever the range.
bool clamps_itself(const ir::Graph& graph, const ir::Node& producer, const ir::Node& node) {
  constexpr std::string_view kClamping[] = {"Conv", "Gemm", "Add", "Sub", "Mul", "MaxPool", "AveragePool"};
  const bool able =
      std::find(std::begin(kClamping), std::end(kClamping), producer.op_type) != std::end(kClamping);
  if (!able && !(producer.op_type == "MatMul" && ir::weight_traits(graph, producer))) return false;
  if (node.op_type == "Relu") return true;
  const auto bound = [&](size_t slot) {
    return slot < node.inputs.size() && node.inputs[slot] != ir::kNone
               ? ir::scalar_constant(graph, node.inputs[slot])
               : std::nullopt;
  };
  const auto low = bound(1), high = bound(2);
  return low && ((*low == 0 && (!high || *high == 6)) || (*low == -1 && high && *high == 1));
}

// A Clip from 0.0001 on, say.
bool leaves_zero_out(const ir::Graph& graph, const ir::Node& node) {
  const auto bound = [&](size_t slot) {
    return slot < node.inputs.size() && node.inputs[slot] != ir::kNone
               ? ir::scalar_constant(graph, node.inputs[slot]).value_or(0)
               : 0;
  };
  return node.op_type == "Clip" && (bound(1) > 0 || bound(2) < 0);
}

Capability activation(const ir::Graph& graph, const ir::Node& node, const std::vector<Capability>& so_far,
                      bool symmetric) {
  const ir::ValueId in = node.inputs[0];
  const ir::Value& value = ir::value_at(graph, in);
  if (value.producer == ir::kNone || value.consumers.size() != 1 || ir::is_output(graph, in))
    return no(Reason::kNoIntegerKernel, "it does not directly follow the one node it could disappear into");
  const Capability& producer = so_far[value.producer];
  if (producer.ability != Ability::kInteger)
    return no(Reason::kNoIntegerKernel, "the node before it is in float");
  for (const size_t slot : {size_t{1}, size_t{2}})
    if (slot < node.inputs.size() && node.inputs[slot] != ir::kNone &&
        !ir::scalar_constant(graph, node.inputs[slot]))
      return no(Reason::kNoIntegerKernel, "its bounds are not constants");
  if (leaves_zero_out(graph, node))
    return no(Reason::kNoIntegerKernel, "its bounds leave out zero, which every range of integers holds");
  if (symmetric && !clamps_itself(graph, ir::node_at(graph, value.producer), node))
    return no(Reason::kNoIntegerKernel, "the node before it cannot cut off what is below zero");
  return {Ability::kFollows, Reason::kTarget, {}};
}

// Does a rule of /placement ask for it?
bool on_integers(std::span<const config::NodeSettings> rules, ir::NodeId id) {
  return !rules.empty() && rules[id].integer.value_or(false);
}

bool missing(const std::vector<ir::ValueId>& slots, int slot) {
  return static_cast<size_t>(slot) >= slots.size() || slots[slot] == ir::kNone;
}

Capability capability(const ir::Graph& graph, const ir::Node& node, const target::TargetSpec& target,
                      const std::vector<Capability>& so_far, bool asked) {
  const target::OpRule& rule = target::rule_for(target, ir::rule_name(graph, node), node.domain);
  const bool standard = node.domain.empty() || node.domain == "ai.onnx";
  if (rule.kind == OpKind::kFloat)
    return no(Reason::kNoIntegerKernel, standard ? rule.sentence : "op of domain '" + node.domain + "'");
  for (const auto& [in, out] : rule.same_scale)
    if (missing(node.inputs, in) || missing(node.outputs, out))
      return no(Reason::kNoIntegerKernel,
                format("custom_ops ties input {} to output {}, which this node lacks", in, out));
  if (node.outputs.empty() || node.outputs[0] == ir::kNone || !node.captures.empty())
    return no(Reason::kNotFloat);
  for (const ir::ValueId out : node.outputs)
    if (out != ir::kNone && ir::value_at(graph, out).dtype != ir::DType::kFloat) return no(Reason::kNotFloat);
  bool any_activation = false;
  for (const size_t slot : target::data_slots(rule, node.inputs.size())) {
    if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) continue;
    const ir::Value& in = ir::value_at(graph, node.inputs[slot]);
    if (in.dtype != ir::DType::kFloat) return no(Reason::kNotFloat);
    any_activation |= !in.constant.has_value();
  }
  if (!any_activation) return no(Reason::kNotFloat, "it computes on constants only");
  if (const std::string unmet = unmet_condition(node, rule); !unmet.empty())
    return no(Reason::kNoIntegerKernel, unmet);
  if (const std::string unlike = averages_unlike_float(node); !unlike.empty())
    return no(Reason::kNoIntegerKernel, unlike);
  if (rule.prefer_float && !asked) return no(Reason::kAccuracy, rule.sentence);
  switch (rule.kind) {
    case OpKind::kWeighted:
      if (node.op_type == "MatMul" && !ir::weight_traits(graph, node))
        return {Ability::kInteger, Reason::kTarget, {}};
      return weighted(graph, node);
    case OpKind::kActivation:
      return activation(graph, node, so_far, target.activations.symmetric);
    default:
      return {Ability::kInteger, Reason::kTarget, {}};
  }
}

// ONNX Runtime has one float kernel for each of these and joins their nodes at load, unless something stands
// between them: integers inside would cost the kernel and gain nothing.
void keep_whole(const ir::Graph& graph, const std::vector<plan::Idiom>& idioms,
                std::span<const config::NodeSettings> rules, std::vector<Capability>& all) {
  for (const plan::Idiom& idiom : idioms) {
    // What stands inside a HardSwish is rounded in no file: TFLite has one kernel for the whole.
    if (idiom.kind == plan::IdiomKind::kHardSwish && idiom.nodes.size() > 1)
      for (const ir::NodeId id : idiom.nodes)
        if (ir::node_at(graph, id).op_type == "HardSigmoid")
          all[id] = no(Reason::kOneFloatKernel, "inside a HardSwish");
    const bool joined = idiom.kind == plan::IdiomKind::kGelu || idiom.kind == plan::IdiomKind::kGeluTanh ||
                        idiom.kind == plan::IdiomKind::kLayerNorm;
    const bool asked = std::any_of(idiom.nodes.begin(), idiom.nodes.end(),
                                   [&](ir::NodeId id) { return on_integers(rules, id); });
    if (!joined || idiom.nodes.size() == 1 || asked) continue;
    for (const ir::NodeId id : idiom.nodes)
      all[id] = no(Reason::kOneFloatKernel,
                   format("{}, whose nodes the runtime joins at load", plan::name_of(idiom.kind)));
  }
}

void apply_keep_float(const ir::Graph& graph, const config::KeepFloat& keep, std::vector<Capability>& all) {
  Diagnostics diagnostics;
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  const auto keep_node = [&](ir::NodeId id, const std::string& why) {
    all[id] = no(Reason::kUserKeepFloat, why);
  };
  const auto check = [&](bool matched, const std::string& key, const std::string& what, auto text_of) {
    if (matched) return;
    std::vector<std::string> names;
    for (const ir::NodeId id : order) names.push_back(text_of(ir::node_at(graph, id)));
    const std::string near = nearest(what, names);
    diagnostics.error({"matches-nothing", "/keep_float/" + key,
                       "'" + what + "' matches no node" + (near.empty() ? "" : "; nearest: '" + near + "'"),
                       "list the nodes with: qconvert inspect MODEL"});
  };
  for (const std::string& glob : keep.names) {
    bool matched = false;
    for (const ir::NodeId id : order) {
      const ir::Node& node = ir::node_at(graph, id);
      const bool hit = glob_match(glob, node.name) ||
                       std::any_of(node.origin.begin(), node.origin.end(),
                                   [&](const std::string& o) { return glob_match(glob, o); });
      if (hit) keep_node(id, "keep_float names '" + glob + "'"), matched = true;
    }
    check(matched, "names", glob, [](const ir::Node& n) { return n.name; });
  }
  for (const std::string& type : keep.op_types) {
    bool matched = false;
    for (const ir::NodeId id : order)
      if (ir::node_at(graph, id).op_type == type)
        keep_node(id, "keep_float lists op type " + type), matched = true;
    check(matched, "op_types", type, [](const ir::Node& n) { return n.op_type; });
  }
  std::vector<ir::NodeId> weighted_nodes;
  for (const ir::NodeId id : order)
    if (ir::weight_traits(graph, ir::node_at(graph, id))) weighted_nodes.push_back(id);
  if (keep.first && !weighted_nodes.empty()) keep_node(weighted_nodes.front(), "keep_float.first");
  if (keep.last && !weighted_nodes.empty()) keep_node(weighted_nodes.back(), "keep_float.last");
  diagnostics.throw_if_errors(Exit::kUsage);
}

// What followed a node that is float now has nothing to disappear into.
void release_followers(const ir::Graph& graph, std::vector<Capability>& all) {
  for (const ir::NodeId id : ir::topological_order(graph)) {
    Capability& c = all[id];
    if (c.ability != Ability::kFollows) continue;
    const ir::NodeId producer = ir::value_at(graph, ir::node_at(graph, id).inputs[0]).producer;
    if (all[producer].ability == Ability::kFloatOnly)
      c = no(Reason::kNoIntegerKernel, "the node before it is in float");
  }
}

constexpr int kKernelBits = 8;  // of weights in integer kernels

void keep_node_float(Capability& c, const std::string& why) {
  if (c.ability == Ability::kFloatOnly) return;
  c.ability = Ability::kFloatOnly;
  c.reason = Reason::kUserKeepFloat;
  c.detail = why;
}

// A value that must not be rounded to what integer kernels take has neither an integer producer nor an
// integer reader. What follows the node in its kernel (Relu) would have been rounded in its place.
void keep_results_float(const ir::Graph& graph, ir::NodeId id, const std::string& why,
                        std::vector<Capability>& all) {
  const ir::Node& node = ir::node_at(graph, id);
  keep_node_float(all[id], why);
  for (const ir::ValueId out : node.outputs) {
    if (out == ir::kNone) continue;
    for (const ir::NodeId reader : ir::value_at(graph, out).consumers) {
      const bool follows = all[reader].ability == Ability::kFollows;
      keep_node_float(all[reader], why);
      if (follows) keep_results_float(graph, reader, why, all);
    }
  }
}

// Why the rules take a node with weights to float, or "".
std::string weights_in_float(const target::TargetSpec& target, const config::NodeSettings& rule) {
  if (!rule.enable_weights_quantization.value_or(true)) return "a rule keeps its weights in float";
  if (rule.weights_block_size.value_or(0) > 0)
    return "its weights have a scale for each block, and integer kernels take one a channel";
  if (rule.weights_n_bits.value_or(0) > kKernelBits)
    return format("{} bits for its weights, and integer kernels take {}", *rule.weights_n_bits, kKernelBits);
  if (rule.weights_quantization_method == config::QuantizationMethod::kUniform &&
      rule.weights_per_channel_threshold.value_or(target.weights.per_channel))
    return "UNIFORM weights have a zero point for each channel, and integer kernels take one for all "
           "(\"weights_per_channel_threshold\": false has it)";
  return {};
}

// Why the rules leave a node's results in float, or "".
std::string results_in_float(const ir::Graph& graph, const target::TargetSpec& target, const ir::Node& node,
                             const config::NodeSettings& rule) {
  if (!rule.enable_activation_quantization.value_or(true))
    return format("a rule leaves the result of {} in float", node.name);
  const int bits = rule.activation_n_bits.value_or(0);
  if (bits > target.activations.bits &&
      !target::rule_for(target, ir::rule_name(graph, node), node.domain).result_widths.contains(bits))
    return format("{} bits for the result of {}: integer kernels take {}, float is finer than both",
                  *rule.activation_n_bits, node.name, target.activations.bits);
  return {};
}

void apply_placement(std::span<const config::NodeSettings> rules, std::vector<Capability>& all) {
  for (size_t n = 0; n < rules.size(); ++n) {
    if (!rules[n].integer) continue;
    if (*rules[n].integer)
      all[n].pinned = all[n].ability == Ability::kInteger;
    else
      keep_node_float(all[n], "by " + rules[n].placed_by);
  }
}

void apply_rules(const ir::Graph& graph, const target::TargetSpec& target,
                 std::span<const config::NodeSettings> rules, std::vector<Capability>& all) {
  for (size_t n = 0; n < rules.size(); ++n) {
    if (graph.nodes[n].erased || !ir::weight_traits(graph, graph.nodes[n])) continue;
    all[n].float_weights = !rules[n].enable_weights_quantization.value_or(true);
    all[n].correct_bias = rules[n].weights_bias_correction.value_or(true);
    if (const std::string why = weights_in_float(target, rules[n]); !why.empty())
      keep_node_float(all[n], why);
  }
  for (size_t n = 0; n < rules.size(); ++n)
    if (const std::string why = results_in_float(graph, target, graph.nodes[n], rules[n]); !why.empty())
      keep_results_float(graph, static_cast<ir::NodeId>(n), why, all);
}

// What only hands floats on to floats has nothing to round: integers would cost what they cannot give back,
// as the small probabilities of a Softmax do.
void leave_moves_between_floats(const ir::Graph& graph, const target::TargetSpec& target,
                                std::vector<Capability>& all) {
  const auto in_float = [&](ir::NodeId id) { return all[id].ability == Ability::kFloatOnly; };
  std::vector<bool> idle(graph.nodes.size());  // moves that no integers reach, from before or from behind
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  for (const ir::NodeId id : order) {
    const ir::Node& node = ir::node_at(graph, id);
    const Capability& own = all[id];
    const target::OpRule& rule = target::rule_for(target, ir::rule_name(graph, node), node.domain);
    if (rule.kind != target::OpKind::kMove || own.ability != Ability::kInteger || own.pinned) continue;
    const ir::NodeId maker = ir::value_at(graph, node.inputs[0]).producer;
    idle[id] = maker != ir::kNone && (in_float(maker) || idle[maker]);
  }
  for (auto id = order.rbegin(); id != order.rend(); ++id)
    for (const ir::ValueId out : ir::node_at(graph, *id).outputs)
      if (out != ir::kNone && idle[*id])
        for (const ir::NodeId reader : ir::value_at(graph, out).consumers)
          if (!in_float(reader) && !idle[reader]) idle[*id] = false;
  for (const ir::NodeId id : order)  // a chain is idle from its first node on
    if (idle[id]) {
      const ir::NodeId maker = ir::value_at(graph, ir::node_at(graph, id).inputs[0]).producer;
      if (in_float(maker)) all[id] = no(Reason::kIsland, {});
    }
}

// What hides scores from a Softmax: constants from here down (BERT's -10000, the smallest float, minus
// infinity). One scale for them and for scores makes all scores one integer.
bool hides(const ir::Value& value) {
  constexpr float kHidden = -5000;
  if (!ir::is_read_float(value)) return false;
  const std::span<const float> all = value.constant->as<float>();
  return std::any_of(all.begin(), all.end(), [](float x) { return x <= kHidden; });
}

// A mask, and what it is added to, up to the Softmax that reads it.
void leave_masks(const ir::Graph& graph, std::span<const config::NodeSettings> rules,
                 std::vector<Capability>& all) {
  constexpr std::string_view kPassing[] = {"Where",   "Add",     "Sub",   "Mul",       "Expand", "Unsqueeze",
                                           "Squeeze", "Reshape", "Slice", "Transpose", "Gather", "Concat"};
  const auto passes = [&](const ir::Node& node) {
    return std::any_of(std::begin(kPassing), std::end(kPassing),
                       [&](std::string_view op) { return ir::standard_op(node, op); });
  };
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  std::vector<bool> masked(graph.values.size()), hidden(graph.nodes.size());
  for (const ir::NodeId id : order) {
    const ir::Node& node = ir::node_at(graph, id);
    if (!passes(node)) continue;
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId v) {
      return v != ir::kNone && (masked[v] || hides(ir::value_at(graph, v)));
    });
    if (reads) masked[node.outputs[0]] = true;
  }
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const ir::Node& node = ir::node_at(graph, *id);
    const bool softmax = ir::standard_op(node, "Softmax") && masked[node.inputs[0]];
    const ir::ValueId out = node.outputs.empty() ? ir::kNone : node.outputs[0];
    const bool before =
        out != ir::kNone && masked[out] &&
        std::any_of(ir::value_at(graph, out).consumers.begin(), ir::value_at(graph, out).consumers.end(),
                    [&](ir::NodeId reader) { return hidden[reader]; });
    if (!softmax && !before) continue;
    hidden[*id] = true;
    if (!on_integers(rules, *id))
      all[*id] =
          no(Reason::kAccuracy, "a mask in front of a Softmax: beside it all scores would be one integer");
  }
}

}  // namespace

// ONNX Runtime's QLinearAveragePool knows no dilations, and counts cells beyond the padding, which ceil_mode
// adds, as if they were padding (seen in 1.30 and 1.32).
std::string averages_unlike_float(const ir::Node& node) {
  if (!ir::standard_op(node, "AveragePool")) return {};
  const std::vector<int64_t> dilations = ir::ints_attribute(node, "dilations");
  if (std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; }))
    return "with dilations it has no integer kernel";
  const bool beyond =
      ir::int_attribute(node, "ceil_mode", 0) != 0 && ir::int_attribute(node, "count_include_pad", 0) != 0;
  return beyond ? "with ceil_mode and count_include_pad the integer kernel divides by another count" : "";
}

std::vector<Capability> capabilities(const ir::Graph& graph, const target::TargetSpec& target,
                                     const config::KeepFloat& keep_float,
                                     const std::vector<plan::Idiom>& idioms,
                                     std::span<const config::NodeSettings> rules) {
  std::vector<Capability> all(graph.nodes.size());
  for (const ir::NodeId id : ir::topological_order(graph))
    all[id] = capability(graph, ir::node_at(graph, id), target, all, on_integers(rules, id));
  keep_whole(graph, idioms, rules, all);
  if (target.float_islands) leave_masks(graph, rules, all);
  apply_keep_float(graph, keep_float, all);
  apply_rules(graph, target, rules, all);
  apply_placement(rules, all);
  release_followers(graph, all);
  leave_moves_between_floats(graph, target, all);
  fuse(graph, target, idioms, all);
  for (size_t n = 0; n < rules.size(); ++n)
    if (rules[n].part_of_reader.value_or(false) && !graph.nodes[n].erased)
      for (const ir::ValueId out : graph.nodes[n].outputs)
        if (out != ir::kNone) join(graph, out, all);
  return all;
}

void leave_empty(const ir::Graph& sized, const target::TargetSpec& target, std::vector<Capability>& all) {
  if (!target.float_islands) return;
  const auto is_empty = [&](ir::ValueId v) {
    return v != ir::kNone && ir::value_at(sized, v).has_shape &&
           std::ranges::count(ir::value_at(sized, v).dims, 0) > 0;
  };
  for (const ir::NodeId id : ir::topological_order(sized)) {
    const ir::Node& node = ir::node_at(sized, id);
    Capability& c = all[id];
    if (c.ability != Ability::kFloatOnly && std::ranges::all_of(node.outputs, is_empty))
      c = no(Reason::kNoIntegerKernel, "there are no elements in what it computes");
  }
  release_followers(sized, all);
}

}  // namespace qc::select
