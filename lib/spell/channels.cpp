// See channels.h.
#include "spell/channels.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/edit.h"
#include "ir/names.h"
#include "ir/ops.h"
#include "plan/resize_plan.h"

namespace qc {
namespace {

constexpr int64_t kLeastOutputs = 16, kInputsTogether = 4, kDepthwiseTogether = 16;
// What it may cost in bytes: a share of all constants (of their bytes; ir/merged_groups.cpp has a share of
// elements of its own), or anything where a layer is so much of all products.
constexpr double kMostBytes = 0.03, kMuchOfTime = 0.25;
// Nodes that treat every channel by itself: zeros in front of them stay numbers that nobody looks at.
constexpr std::string_view kByChannel =
    " Add AveragePool Clip GlobalAveragePool HardSigmoid HardSwish LeakyRelu MaxPool Mul Relu Sigmoid Sub "
    "Tanh ";

// A convolution of integers on images, dense or by channel, whose weights and scales are its own.
struct Layer {
  ir::NodeId node = ir::kNone;
  ir::ValueId input = ir::kNone, weight = ir::kNone;
  ir::ValueId result = ir::kNone;               // rounded: behind a Relu or Clip in the same kernel
  int64_t outputs = 0, inputs = 0, window = 0;  // inputs: of a group
  bool depthwise = false;
};

bool is_own_constant(const ir::Graph& graph, ir::ValueId v) {
  const ir::Value& value = ir::value_at(graph, v);
  return value.constant && value.consumers.size() == 1 && !ir::is_output(graph, v) && !ir::captured(graph, v);
}

std::optional<Layer> layer_at(const plan::QuantizedModel& model, ir::NodeId id) {
  const ir::Graph& graph = model.graph;
  const ir::Node& node = ir::node_at(graph, id);
  if (!ir::standard_op(node, "Conv") || model.plan.nodes[id].compute != plan::Compute::kInteger)
    return std::nullopt;
  const auto weight = model.weights.find(node.inputs[1]);
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != ir::kNone;
  if (weight == model.weights.end() || !is_own_constant(graph, node.inputs[1]) ||
      (biased && (!is_own_constant(graph, node.inputs[2]) || !model.biases.contains(id))))
    return std::nullopt;
  const ir::Dims& dims = ir::value_at(graph, node.inputs[1]).constant->dims;
  const ir::ValueId result = plan::rounded_result(model.plan, graph, node.outputs[0]);
  const int64_t groups = ir::int_attribute(node, "group", 1);
  if (result == ir::kNone || dims.size() != 4 || (groups != 1 && (groups != dims[0] || dims[1] != 1)))
    return std::nullopt;
  const auto narrow = [&](ir::ValueId v) { return model.plan.values[v].params.bits != 8; };
  if (narrow(node.inputs[0]) || narrow(result) || !quant::takes_zeros(weight->second.params))
    return std::nullopt;
  return Layer{id, node.inputs[0], node.inputs[1], result, dims[0], dims[1], dims[2] * dims[3], groups > 1};
}

// Rows or columns of a matrix [outer, count, inner] grow from `count` to `wanted`; new elements are zero.
template <typename T>
std::vector<T> grown(std::span<const T> from, int64_t outer, int64_t count, int64_t inner, int64_t wanted) {
  std::vector<T> to(outer * wanted * inner);
  for (int64_t o = 0; o < outer; ++o)
    std::copy_n(from.begin() + o * count * inner, count * inner, to.begin() + o * wanted * inner);
  return to;
}

// `axis` 0: outputs, 1: inputs.
void grow_weight(plan::QuantizedModel& model, const Layer& layer, size_t axis, int64_t wanted) {
  ir::Value& value = ir::value_at(model.graph, layer.weight);
  ir::Dims dims = value.constant->dims;
  const int64_t outer = axis == 0 ? 1 : dims[0], count = dims[axis],
                inner = (axis == 0 ? dims[1] : 1) * layer.window;
  dims[axis] = wanted;
  value.dims = dims;
  plan::IntegerTensor& stored = model.weights.at(layer.weight);
  value.constant = ir::float_tensor(grown(value.constant->as<float>(), outer, count, inner, wanted), dims);
  stored.integers = grown(std::span<const int32_t>(stored.integers), outer, count, inner, wanted);
}

void grow_scales(quant::QuantParams& params, int64_t wanted) {
  if (!params.per_channel()) return;
  params.scales.resize(wanted, params.scales.back());
  params.zero_points.resize(wanted, 0);
}

// The layer's results get channels of zeros behind their own, up to `wanted`.
void grow_outputs(plan::QuantizedModel& model, const Layer& layer, int64_t wanted) {
  grow_weight(model, layer, 0, wanted);
  grow_scales(model.weights.at(layer.weight).params, wanted);
  const ir::Node& node = ir::node_at(model.graph, layer.node);
  if (const auto bias = model.biases.find(layer.node); bias != model.biases.end()) {
    bias->second.integers.resize(wanted, 0);
    grow_scales(bias->second.params, wanted);
    ir::Value& value = ir::value_at(model.graph, node.inputs[2]);
    value.constant =
        ir::float_tensor(grown(value.constant->as<float>(), 1, layer.outputs, 1, wanted), ir::Dims{wanted});
    value.dims = {wanted};
  }
  if (layer.depthwise) ir::set_attribute(ir::node_at(model.graph, layer.node), "group", wanted);
  for (const ir::ValueId v : {node.outputs[0], layer.result})
    if (ir::value_at(model.graph, v).dims.size() == 4) ir::value_at(model.graph, v).dims[1] = wanted;
}

ir::ValueId add_rounded(plan::QuantizedModel& model, ir::ValueId like, int64_t channels,
                        const std::string& name) {
  const ir::ValueId made = ir::add_value(model.graph, name, ir::DType::kFloat);
  ir::copy_shape(model.graph, like, made);
  if (ir::value_at(model.graph, made).dims.size() == 4) ir::value_at(model.graph, made).dims[1] = channels;
  plan::resize_plan(model);
  plan::ValueDecision decision = model.plan.values[like];
  model.plan.values[made] = std::move(decision);
  return made;
}

// A node that moves integers: its result has the scale of its input.
void add_move(plan::QuantizedModel& model, ir::Node node) {
  const ir::NodeId id = ir::add_node(model.graph, std::move(node));
  plan::resize_plan(model);
  plan::NodeDecision& decision = model.plan.nodes[id];
  decision.compute = plan::Compute::kInteger;
  decision.reason = plan::Reason::kTarget;
}

// The first `count` channels of a widened result keep its name.
void cut_off(plan::QuantizedModel& model, const Layer& layer, int64_t count) {
  const ir::NodeId last = ir::value_at(model.graph, layer.result).producer;
  const std::string& name = ir::node_at(model.graph, layer.node).name;
  const ir::ValueId wide = add_rounded(model, layer.result, kLeastOutputs, name + "/widened");
  ir::set_output(model.graph, last, 0, wide);
  if (ir::value_at(model.graph, layer.result).dims.size() == 4)
    ir::value_at(model.graph, layer.result).dims[1] = count;
  const auto numbers = [&](const char* what, int64_t number) {
    return ir::add_constant(model.graph, name + what, ir::int_tensor({number}));
  };
  ir::Node slice;
  slice.name = name + "/channels";
  slice.op_type = "Slice";
  slice.inputs = {wide, numbers("/first", 0), numbers("/end", count), numbers("/axis", 1)};
  slice.outputs = {layer.result};
  add_move(model, std::move(slice));
}

// What a layer reads gets copies of its first channel behind its own, which the weights ignore.
void repeat_channel(plan::QuantizedModel& model, const Layer& layer, int64_t wanted) {
  const std::string& name = ir::node_at(model.graph, layer.node).name;
  const ir::ValueId wide = add_rounded(model, layer.input, wanted, name + "/input");
  ir::Dims places(wanted, 0);
  std::iota(places.begin(), places.begin() + layer.inputs, int64_t{0});
  ir::Node gather;
  gather.name = name + "/inputs";
  gather.op_type = "Gather";
  ir::set_attribute(gather, "axis", int64_t{1});
  gather.inputs = {layer.input, ir::add_constant(model.graph, name + "/places", ir::int_tensor(places))};
  gather.outputs = {wide};
  add_move(model, std::move(gather));
  ir::set_input(model.graph, layer.node, 0, wide);
}

// The layer that makes what this one alone reads.
std::optional<Layer> maker_of(const plan::QuantizedModel& model, const Layer& layer) {
  const ir::Graph& graph = model.graph;
  if (ir::sole_consumer(graph, layer.input) != layer.node) return std::nullopt;
  ir::NodeId producer = ir::value_at(graph, layer.input).producer;
  if (producer == ir::kNone) return std::nullopt;
  const ir::Node& node = ir::node_at(graph, producer);
  if (ir::is_one_of(node, {"Relu", "Clip"})) producer = ir::value_at(graph, node.inputs[0]).producer;
  if (producer == ir::kNone) return std::nullopt;
  const std::optional<Layer> maker = layer_at(model, producer);
  return maker && !maker->depthwise && maker->result == layer.input ? maker : std::nullopt;
}

bool rounded_from_float(const plan::QuantizedModel& model, ir::ValueId v) {
  const ir::NodeId producer = ir::value_at(model.graph, v).producer;
  return producer == ir::kNone || model.plan.nodes[producer].compute != plan::Compute::kInteger;
}

int64_t fours(int64_t channels) {
  return (channels + kInputsTogether - 1) / kInputsTogether * kInputsTogether;
}

double products_of(const plan::QuantizedModel& model, ir::NodeId node) {
  return static_cast<double>(ir::macs(model.graph, ir::node_at(model.graph, node)));
}

struct Whole {
  double bytes = 0, products = 0;  // that may be added; of all layers
};

Whole whole_of(const plan::QuantizedModel& model) {
  Whole whole;
  for (size_t v = 0; v < model.graph.values.size(); ++v) {
    const std::optional<ir::Tensor>& constant = model.graph.values[v].constant;
    const bool narrow = model.weights.contains(static_cast<ir::ValueId>(v));
    if (constant) whole.bytes += static_cast<double>(constant->size()) * (narrow ? 1 : sizeof(float));
  }
  whole.bytes *= kMostBytes;
  for (const ir::NodeId id : ir::topological_order(model.graph)) whole.products += products_of(model, id);
  return whole;
}

double bytes_of(int64_t outputs, int64_t inputs, int64_t window) {
  return static_cast<double>(outputs * inputs * window);
}

// Takes the bytes from what may be added, where there are as many or `products` are much of all.
bool may_add(Whole& whole, double bytes, double products) {
  const bool much = products > 0 && products >= kMuchOfTime * whole.products;
  if (bytes > whole.bytes && !much) return false;
  whole.bytes -= bytes;
  return true;
}

// --- depthwise convolutions, whose kernel takes channels by sixteens

// All that has the channels of a depthwise convolution: values, and the layers that make or read them.
struct Region {
  std::set<ir::ValueId> values;
  std::vector<Layer> makers, readers, depthwise;
};

bool is_by_channel(const ir::Node& node) {
  return ir::standard_domain(node.domain) &&
         kByChannel.find(" " + node.op_type + " ") != std::string_view::npos;
}

// Adds the node that makes or reads values of the region, and puts what else belongs to it on the list; false
// where it is none that could have more channels.
bool add_node(const plan::QuantizedModel& model, ir::NodeId id, bool reads, Region& region,
              std::vector<ir::ValueId>& open) {
  const ir::Node& node = ir::node_at(model.graph, id);
  if (is_by_channel(node)) {
    for (const ir::ValueId v : node.inputs) {
      const std::optional<ir::Tensor>* constant =
          v == ir::kNone ? nullptr : &ir::value_at(model.graph, v).constant;
      if (constant && *constant && (*constant)->size() != 1) return false;
      if (constant && !*constant) open.push_back(v);
    }
    open.push_back(node.outputs[0]);
    return std::ssize(node.outputs) == 1;
  }
  const std::optional<Layer> layer = layer_at(model, id);
  if (!layer) return false;
  const auto known = [&](const std::vector<Layer>& list) {
    return std::ranges::any_of(list, [&](const Layer& other) { return other.node == id; });
  };
  if (layer->depthwise) {
    if (known(region.depthwise)) return true;
    region.depthwise.push_back(*layer);
    open.insert(open.end(), {layer->input, node.outputs[0]});
    return true;
  }
  std::vector<Layer>& list = reads ? region.readers : region.makers;
  if (!known(list)) list.push_back(*layer);
  return true;
}

std::optional<Region> region_of(const plan::QuantizedModel& model, const Layer& depthwise) {
  Region region;
  std::vector<ir::ValueId> open{depthwise.input};
  while (!open.empty()) {
    const ir::ValueId v = open.back();
    open.pop_back();
    if (!region.values.insert(v).second) continue;
    const ir::Value& value = ir::value_at(model.graph, v);
    if (value.producer == ir::kNone || ir::is_output(model.graph, v) || ir::captured(model.graph, v) ||
        value.dims.size() != 4 || value.dims[1] != depthwise.outputs ||
        !add_node(model, value.producer, false, region, open))
      return std::nullopt;
    for (const ir::NodeId reader : value.consumers)
      if (!add_node(model, reader, true, region, open)) return std::nullopt;
  }
  return region;
}

void widen_depthwise(plan::QuantizedModel& model, const Layer& depthwise, Whole& whole) {
  const int64_t channels = depthwise.outputs,
                wanted = (channels + kDepthwiseTogether - 1) / kDepthwiseTogether * kDepthwiseTogether;
  const std::optional<Region> region = wanted == channels ? std::nullopt : region_of(model, depthwise);
  if (!region) return;
  double bytes = 0, products = 0;
  for (const Layer& layer : region->makers) bytes += bytes_of(wanted - channels, layer.inputs, layer.window);
  for (const Layer& layer : region->readers)
    bytes += bytes_of(layer.outputs, wanted - channels, layer.window);
  for (const Layer& layer : region->depthwise) {
    bytes += bytes_of(wanted - channels, 1, layer.window);
    products += products_of(model, layer.node);
  }
  if (!may_add(whole, bytes, products)) return;
  for (const ir::ValueId v : region->values) ir::value_at(model.graph, v).dims[1] = wanted;
  for (const Layer& layer : region->makers) grow_outputs(model, layer, wanted);
  for (const Layer& layer : region->depthwise) grow_outputs(model, layer, wanted);
  for (const Layer& layer : region->readers) grow_weight(model, layer, 1, wanted);
}

// --- other convolutions

void widen_dense(plan::QuantizedModel& model, const Layer& layer, Whole& whole) {
  const int64_t wanted = fours(layer.inputs), outputs = std::max(layer.outputs, kLeastOutputs);
  const double bytes =
      bytes_of(outputs, wanted, layer.window) - bytes_of(layer.outputs, layer.inputs, layer.window);
  if (!may_add(whole, bytes, products_of(model, layer.node))) return;
  if (layer.outputs < outputs) {
    grow_outputs(model, layer, outputs);
    cut_off(model, layer, layer.outputs);
  }
  if (wanted == layer.inputs) return;
  const std::optional<Layer> maker = maker_of(model, layer);
  if (!maker && !rounded_from_float(model, layer.input)) return;
  if (maker)
    grow_outputs(model, *maker, wanted);
  else
    repeat_channel(model, layer, wanted);
  grow_weight(model, layer, 1, wanted);
}

}  // namespace

void spell_channels(plan::QuantizedModel& model) {
  Whole whole = whole_of(model);
  std::vector<ir::NodeId> order = ir::topological_order(model.graph);
  for (const ir::NodeId id : order)
    if (const std::optional<Layer> layer = layer_at(model, id); layer && layer->depthwise)
      widen_depthwise(model, *layer, whole);
  std::reverse(order.begin(), order.end());  // readers say what they want before it is cut off
  for (const ir::NodeId id : order)
    if (const std::optional<Layer> layer = layer_at(model, id);
        layer && !layer->depthwise && layer->window > 1)
      widen_dense(model, *layer, whole);
}

}  // namespace qc
