// Shifts and scales that centre or fill the range of one value: logits in front of a Softmax, the model's
// input. Shift-negative correction has a file of its own.
#include <algorithm>
#include <cmath>

#include "balance/balance.h"
#include "base/text.h"
#include "ir/edit.h"
#include "ir/linear.h"
#include "quant/quant_params.h"

namespace qc::balance {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// Adds one number to every element of the value; false where nothing takes it.
bool shift_value(Graph& graph, ValueId value, double shift) {
  const NodeId maker = value_at(graph, value).producer;
  if (maker == kNone || sole_consumer(graph, value) == kNone) return false;
  if (const auto linear = linear_at(graph, maker); linear && linear->takes_bias) {
    const auto channels = static_cast<size_t>(linear->out_channels);
    return fold_behind(graph, *linear, ir::Channels(channels, 1.0), ir::Channels(channels, shift));
  }
  if (!ir::standard_op(node_at(graph, maker), "Add")) return false;
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const ir::Tensor* constant = float_constant(graph, node_at(graph, maker), slot);
    if (!constant) continue;
    const auto numbers = constant->as<float>();
    std::vector<float> shifted;
    for (const float v : numbers) shifted.push_back(static_cast<float>(v + shift));
    const ir::Dims dims = constant->dims;
    set_constant(graph, maker, slot, ir::float_tensor(shifted, dims), "shifted");
    return true;
  }
  return false;
}

/// What the Softmax reads, before nodes that only lay it out anew.
ValueId logits_of(const Graph& graph, NodeId softmax) {
  ValueId value = node_at(graph, softmax).inputs[0];
  constexpr std::string_view kLayout[] = {"Reshape",   "Flatten",   "Squeeze",
                                          "Unsqueeze", "Transpose", "Identity"};
  for (NodeId maker = value_at(graph, value).producer; maker != kNone && sole_consumer(graph, value) != kNone;
       maker = value_at(graph, value).producer) {
    const Node& node = node_at(graph, maker);
    if (std::none_of(std::begin(kLayout), std::end(kLayout),
                     [&](std::string_view op) { return ir::standard_op(node, op); }))
      break;
    value = node.inputs[0];
  }
  return value;
}

}  // namespace

Done shift_softmax(Graph& graph, const Seen& seen) {
  Done done;
  for (const NodeId id : ir::topological_order(graph)) {
    if (!ir::standard_op(node_at(graph, id), "Softmax")) continue;
    const ValueId logits = logits_of(graph, id);
    const auto found = seen.stats.find(logits);
    if (found == seen.stats.end() || found->second.count == 0) continue;
    const double low = found->second.min, high = found->second.max, shift = -(low + high) / 2;
    const NodeId maker = value_at(graph, logits).producer;
    if (shift == 0 || !shift_value(graph, logits, shift)) continue;
    done.sites.push_back(
        {node_at(graph, maker).name,
         format("logits [{:.4g}, {:.4g}] -> [{:.4g}, {:.4g}]", low, high, low + shift, high + shift),
         {}});
  }
  if (done.sites.empty())
    done.note = "softmax_shift: no layer's rounded result is the input of a Softmax and of nothing else";
  return done;
}

Done scale_input(Graph& graph, const Seen& seen) {
  Done done;
  for (const ValueId input : graph.inputs) {
    const auto found = seen.stats.find(input);
    if (found == seen.stats.end() || found->second.min < 0 || !(found->second.max > 0)) continue;
    const auto& consumers = value_at(graph, input).consumers;
    if (consumers.size() != 1 || captured(graph, input)) continue;
    const NodeId reader = consumers[0];
    const auto linear = linear_at(graph, reader);
    const plan::ValueDecision& decision = seen.plan.values[input];
    if (!linear || node_at(graph, reader).inputs[0] != input || !decision.quantized ||
        decision.params.scales.empty())
      continue;
    const double largest = found->second.max, reach = quant::range_max(decision.params);
    if (!(reach > largest * 1.001)) continue;
    const auto channels = static_cast<size_t>(linear->in_channels);
    if (!fold_before(graph, *linear, ir::Channels(channels, largest / reach), ir::Channels(channels, 0.0)))
      continue;
    const std::string name = value_at(graph, input).name;
    const ValueId factor =
        ir::add_constant(graph, name + "/scale", ir::scalar(static_cast<float>(reach / largest)));
    const ValueId scaled = insert_node(graph, "Mul", {input, factor}, {}, name + "/scaled", reader);
    copy_shape(graph, input, scaled);
    ir::set_input(graph, reader, 0, scaled);
    config::NodeSettings in_float;
    in_float.integer = false;
    in_float.placed_by = "input_scaling";
    done.settings[value_at(graph, scaled).producer] = in_float;
    done.sites.push_back(
        {node_at(graph, reader).name, format("largest input {:.4g} -> {:.4g}", largest, reach), {}});
  }
  if (done.sites.empty())
    done.note =
        "input_scaling: every input reaches the end of its range already (only powers of two leave a gap), "
        "has "
        "a sign, or is read by more than one layer";
  return done;
}

}  // namespace qc::balance
