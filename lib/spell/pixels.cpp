// See pixels.h.
#include "spell/pixels.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "ir/edit.h"
#include "ir/ops.h"
#include "ir/pixel_shuffle.h"
#include "plan/resize_plan.h"

namespace qc {
namespace {

bool on_integers(const plan::QuantizedModel& model, ir::NodeId id) {
  return model.plan.nodes[id].compute == plan::Compute::kInteger;
}

bool between_integers(const plan::QuantizedModel& model, ir::NodeId id, ir::NodeId maker) {
  const ir::Node& node = ir::node_at(model.graph, id);
  const plan::ValueDecision &from = model.plan.values[node.inputs[0]],
                            &to = model.plan.values[node.outputs[0]];
  const std::vector<ir::NodeId>& readers = ir::value_at(model.graph, node.outputs[0]).consumers;
  return on_integers(model, maker) && on_integers(model, id) && from.quantized && to.quantized &&
         from.params == to.params && from.params.bits == 8 &&
         std::ranges::any_of(readers, [&](ir::NodeId reader) { return on_integers(model, reader); });
}

// --- the order of a convolution's outputs

// Runs of `inner` elements, the first of which is that of place order[0].
template <typename T>
std::vector<T> in_order(std::span<const T> from, const std::vector<int64_t>& order) {
  const auto inner = std::ssize(from) / std::ssize(order);
  std::vector<T> to;
  to.reserve(from.size());
  for (const int64_t place : order)
    to.insert(to.end(), from.begin() + place * inner, from.begin() + (place + 1) * inner);
  return to;
}

void put_in_order(plan::IntegerTensor& tensor, const std::vector<int64_t>& order) {
  tensor.integers = in_order(std::span<const int32_t>(tensor.integers), order);
  if (!tensor.params.per_channel()) return;
  tensor.params.scales = in_order(std::span<const float>(tensor.params.scales), order);
  tensor.params.zero_points = in_order(std::span<const int32_t>(tensor.params.zero_points), order);
}

void put_in_order(ir::Value& value, const std::vector<int64_t>& order) {
  value.constant = ir::float_tensor(in_order(value.constant->as<float>(), order), value.constant->dims);
}

// False, and nothing is changed, where weights are not the convolution's own or in another form.
bool order_outputs(plan::QuantizedModel& model, ir::NodeId id, const std::vector<int64_t>& order) {
  ir::Graph& graph = model.graph;
  const ir::Node& node = ir::node_at(graph, id);
  const auto weight = model.weights.find(node.inputs[1]);
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != ir::kNone;
  const auto bias = model.biases.find(id);
  if (weight == model.weights.end() || !quant::takes_zeros(weight->second.params) ||
      ir::int_attribute(node, "group", 1) != 1 || ir::sole_consumer(graph, node.inputs[1]) != id ||
      (biased && (ir::sole_consumer(graph, node.inputs[2]) != id || bias == model.biases.end())))
    return false;
  put_in_order(weight->second, order);
  put_in_order(ir::value_at(graph, node.inputs[1]), order);
  if (bias != model.biases.end()) put_in_order(bias->second, order);
  if (biased) put_in_order(ir::value_at(graph, node.inputs[2]), order);
  return true;
}

// Of outputs that lie channel by channel, in the order of pixels.
std::vector<int64_t> order_of(const ir::PixelShuffle& shuffle) {
  const int64_t pixels = shuffle.block * shuffle.block;
  std::vector<int64_t> order;
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int64_t channel = 0; channel < shuffle.channels; ++channel)
      order.push_back(channel * pixels + pixel);
  return order;
}

// --- the moves

// A node that moves integers `like` those of a value; its result's dimensions are `dims`.
ir::ValueId add_move(plan::QuantizedModel& model, ir::Node node, ir::ValueId like, ir::Dims dims) {
  const ir::ValueId made = ir::add_value(model.graph, node.name, ir::DType::kFloat);
  ir::Value& value = ir::value_at(model.graph, made);
  value.has_shape = true;
  value.dims = std::move(dims);
  value.dim_params.assign(value.dims.size(), "");
  value.dim_params[0] =
      ir::value_at(model.graph, like).dim_params.empty() ? "" : ir::value_at(model.graph, like).dim_params[0];
  node.outputs = {made};
  const ir::NodeId id = ir::add_node(model.graph, std::move(node));
  plan::resize_plan(model);
  plan::ValueDecision decision = model.plan.values[like];
  model.plan.values[made] = std::move(decision);
  model.plan.nodes[id].compute = plan::Compute::kInteger;
  model.plan.nodes[id].reason = plan::Reason::kTarget;
  return made;
}

ir::Node turn(const std::string& name, ir::ValueId input, const ir::Dims& order) {
  ir::Node node;
  node.name = name;
  node.op_type = "Transpose";
  node.inputs = {input};
  ir::set_attribute(node, "perm", order);
  return node;
}

// Of the dimensions, the first is the input's.
ir::ValueId add_reshape(plan::QuantizedModel& model, const std::string& name, ir::ValueId input,
                        ir::Dims dims) {
  ir::Node node;
  node.name = name;
  node.op_type = "Reshape";
  ir::Dims wanted = dims;
  wanted[0] = 0;
  node.inputs = {input, ir::add_constant(model.graph, name + "/shape", ir::int_tensor(wanted))};
  return add_move(model, std::move(node), input, std::move(dims));
}

void spell(plan::QuantizedModel& model, ir::NodeId id, const ir::PixelShuffle& shuffle) {
  const std::string name = ir::node_at(model.graph, id).name;  // a copy: nodes move as others are added
  const ir::ValueId input = ir::node_at(model.graph, id).inputs[0];
  const int64_t batch = ir::value_at(model.graph, input).dims[0], channels = shuffle.channels,
                height = shuffle.height, width = shuffle.width, block = shuffle.block;
  ir::ValueId v = add_move(model, turn(name + "/last", input, {0, 2, 3, 1}), input,
                           {batch, height, width, channels * block * block});
  v = add_reshape(model, name + "/pixels", v, {batch, height, width, block, block, channels});
  v = add_move(model, turn(name + "/rows", v, {0, 1, 3, 2, 4, 5}), v,
               {batch, height, block, width, block, channels});
  v = add_reshape(model, name + "/image", v, {batch, height * block, width * block, channels});
  ir::become(model.graph, id, "Transpose", {v}, {{"perm", ir::Dims{0, 3, 1, 2}}});
}

}  // namespace

void spell_pixels(plan::QuantizedModel& model) {
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const std::optional<ir::PixelShuffle> found = ir::pixel_shuffle_at(model.graph, id);
    if (!found || !between_integers(model, id, found->maker)) continue;
    if (found->by_channel && !order_outputs(model, found->maker, order_of(*found))) continue;
    spell(model, id, *found);
  }
}

}  // namespace qc
