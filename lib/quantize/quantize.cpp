// See quantize.h.
#include "quantize/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ir/ops.h"
#include "quantize/pairs.h"

namespace qc::quantize {
namespace {

using plan::Compute;
using quant::QuantParams;

// The guard that nobody asked for leaves a channel alone where bounding its pairs would multiply the
// channel's squared error by more than this (12 dB). Without a limit it cost up to 30 dB between layers that
// share one scale, and for weights in no order.
constexpr double kMostGrowth = 16;

QuantParams input_params(const plan::QuantPlan& plan, const ir::Node& node) {
  return plan.values[node.inputs[0]].params;
}

const ir::Tensor* bias_of(const ir::Graph& graph, const ir::Node& node) {
  return node.op_type == "MatMul" ? nullptr : ir::constant_input(graph, node, 2);
}

// Of a MatMul, where it happens to be one.
const ir::Tensor* bias_behind(const ir::Graph& graph, const plan::QuantPlan& plan, ir::NodeId id) {
  const ir::NodeId add = ir::bias_add(graph, id);
  if (add == ir::kNone || !plan.nodes[add].bias) return nullptr;
  return ir::constant_input(graph, ir::node_at(graph, add), ir::bias_place(graph, id)->slot);
}

double weight_scale(const QuantParams& weight, size_t channel) {
  return weight.scales[weight.per_channel() ? channel : 0];
}

// Raises the weight scale of every channel whose bias would not fit. Returns how many.
int64_t make_biases_fit(const ir::Tensor& bias, double input_scale, QuantParams& weight) {
  int64_t raised = 0;
  const std::span<const float> b = bias.as<float>();
  for (size_t c = 0; c < b.size(); ++c) {
    float& scale = weight.scales[weight.per_channel() ? c : 0];
    const double needed = std::fabs(static_cast<double>(b[c])) / (input_scale * quant::largest_bias(weight));
    if (scale >= needed) continue;
    scale = static_cast<float>(needed * 1.0001);
    ++raised;
  }
  return raised;
}

// The largest unsigned 8-bit integer of each input channel, with room for images that were not seen.
std::vector<int32_t> largest_inputs(std::span<const float> maxima, const QuantParams& params) {
  constexpr double kRoom = 1.25;
  const int64_t lowest = params.qmin();
  std::vector<int32_t> largest;
  for (const float max : maxima) {
    const double steps = std::nearbyint(kRoom * std::max(max, 0.0f) / params.scales.at(0));
    largest.push_back(static_cast<int32_t>(
        std::clamp(steps + params.zero_points.at(0) - static_cast<double>(lowest), 0.0, 255.0)));
  }
  return largest;
}

// Applies the saturation guard as asked and counts what could saturate.
void guard_pairs(const ir::Graph& graph, const plan::QuantPlan& plan, const ir::Node& node,
                 const ir::Tensor& weight, const Options& options, bool keep_scales,
                 plan::IntegerTensor& tensor, Guards& guards) {
  if (input_params(plan, node).bits > 8) return;  // no such kernel
  PairWalk walk{weight.dims, ir::output_channel_axis(graph, node), ir::int_attribute(node, "group", 1)};
  PairWalk seen = walk;
  if (const auto found = options.seen.find(node.inputs[0]); found != options.seen.end())
    seen.largest_inputs = largest_inputs(found->second, input_params(plan, node));
  if (options.guard != SaturationGuard::kOff)
    guards.pairs_bounded += options.guard == SaturationGuard::kSeen
                                ? bound_pairs(weight, seen, keep_scales, kMostGrowth, options.threads, tensor)
                                : bound_pairs(weight, walk, keep_scales, HUGE_VAL, options.threads, tensor);
  const auto count = [&](const PairWalk& inputs, int64_t& nodes, int64_t& channels) {
    const std::vector<int64_t> pairs = largest_pairs(tensor, inputs, options.threads);
    const int64_t exceed =
        std::count_if(pairs.begin(), pairs.end(), [](int64_t p) { return p > kPairLimit; });
    nodes += exceed > 0;
    channels += exceed;
  };
  count(walk, guards.risky_nodes, guards.risky_channels);
  count(seen, guards.likely_nodes, guards.likely_channels);
}

plan::IntegerTensor quantize_bias(const ir::Tensor& bias, double input_scale, const QuantParams& weight) {
  plan::IntegerTensor tensor;
  tensor.params.bits = 32;
  tensor.params.is_signed = true;
  tensor.params.axis = 0;
  const std::span<const float> b = bias.as<float>();
  for (size_t c = 0; c < b.size(); ++c) {
    const float scale = static_cast<float>(input_scale) * static_cast<float>(weight_scale(weight, c));
    tensor.params.scales.push_back(scale);
    tensor.params.zero_points.push_back(0);
  }
  tensor.integers = quant::round_bias(b, tensor.params.scales);
  return tensor;
}

// Some reader wants the constant's integers: an integer node, or a float node whose weight it is.
bool stored_as_integers(const ir::Graph& graph, const plan::QuantPlan& plan, ir::ValueId value) {
  const std::vector<ir::NodeId>& readers = ir::value_at(graph, value).consumers;
  return std::any_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
    const ir::Node& node = ir::node_at(graph, id);
    const Compute compute = plan.nodes[id].compute;
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    return compute == Compute::kInteger ||
           (compute == Compute::kFloatIntegerWeights && traits && node.inputs[traits->weight_slot] == value);
  });
}

const plan::Candidate& candidate_for(const plan::Candidates& candidates, const ir::Graph& graph,
                                     ir::ValueId value) {
  const auto found = candidates.find(value);
  if (found == candidates.end() || found->second.empty())
    throw Error(Exit::kBug, {"no-candidate", "constant '" + ir::value_at(graph, value).name + "'",
                             "it is to be stored as integers and has no parameters",
                             "please report this with the model"});
  return found->second.front();
}

// A constant that an op adds in integers, with other numbers: their own range on a grid of the same kind.
plan::IntegerTensor on_own_range(const plan::IntegerTensor& before, const ir::Tensor& tensor) {
  const std::span<const float> values = tensor.as<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const QuantParams& was = before.params;
  QuantParams params = was;
  if (quant::is_power_of_two(was.scales[0])) {
    while (quant::range_min(params) > *low || quant::range_max(params) < *high) params.scales[0] *= 2;
  } else if (was.is_signed && was.zero_points[0] == 0) {
    params = quant::symmetric_params(std::max(std::fabs(*low), std::fabs(*high)), was.bits, true, true);
  } else {
    params = quant::asymmetric_params(*low, *high, was.bits, was.is_signed);
  }
  params.narrow_range = was.narrow_range;
  params.axis = was.axis;
  return {params, quant::quantize(values, tensor.dims, params)};
}

// A layer with weights that computes on integers.
struct IntegerLayer {
  ir::NodeId id;
  ir::ValueId weight;
};

// In topological order.
std::vector<IntegerLayer> integer_layers(const ir::Graph& graph, const plan::QuantPlan& plan) {
  std::vector<IntegerLayer> layers;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (traits && plan.nodes[id].compute == Compute::kInteger)
      layers.push_back({id, node.inputs[traits->weight_slot]});
  }
  return layers;
}

}  // namespace

plan::QuantizedModel quantize(const ir::Graph& graph, const plan::QuantPlan& plan,
                              const plan::Candidates& weights, const Options& options, Guards& guards) {
  plan::QuantizedModel model;
  model.graph = graph;
  model.plan = plan;
  for (const auto& [value, candidates] : weights) {
    if (!stored_as_integers(graph, plan, value)) continue;
    const ir::Tensor& constant = *ir::value_at(graph, value).constant;
    const QuantParams& params = candidate_for(weights, graph, value).params;
    model.weights[value] = {params, quant::quantize(constant.as<float>(), constant.dims, params)};
  }
  // A weight with several readers must suit all of their biases before any bias is rounded.
  const std::vector<IntegerLayer> layers = integer_layers(graph, plan);
  for (const IntegerLayer& layer : layers) {
    const ir::Node& node = ir::node_at(graph, layer.id);
    const ir::Tensor& constant = *ir::value_at(graph, layer.weight).constant;
    candidate_for(weights, graph, layer.weight);  // or throws: a layer on integers has integers
    plan::IntegerTensor& weight = model.weights[layer.weight];
    const ir::Tensor* own = bias_of(graph, node);
    if (const ir::Tensor* bias = own ? own : bias_behind(graph, plan, layer.id))
      if (const int64_t raised =
              make_biases_fit(*bias, input_params(plan, node).scales.at(0), weight.params)) {
        guards.biases_raised += raised;
        weight.integers = quant::quantize(constant.as<float>(), constant.dims, weight.params);
      }
    guard_pairs(graph, plan, node, constant, options, false, weight, guards);
  }
  for (const IntegerLayer& layer : layers) {
    const ir::Node& node = ir::node_at(graph, layer.id);
    if (const ir::Tensor* bias = bias_of(graph, node))
      model.biases[layer.id] =
          quantize_bias(*bias, input_params(plan, node).scales.at(0), model.weights[layer.weight].params);
  }
  return model;
}

void guard_again(plan::QuantizedModel& model, const Options& options, Guards& guards) {
  guards.pairs_bounded = guards.risky_nodes = guards.risky_channels = 0;
  guards.likely_nodes = guards.likely_channels = 0;
  for (const IntegerLayer& layer : integer_layers(model.graph, model.plan)) {
    plan::IntegerTensor& tensor = model.weights.at(layer.weight);
    const std::vector<int64_t>& dims = ir::value_at(model.graph, layer.weight).constant->dims;
    const std::vector<float> rounded = quant::dequantize(tensor.integers, dims, tensor.params);
    guard_pairs(model.graph, model.plan, ir::node_at(model.graph, layer.id),
                ir::make_tensor(std::span<const float>(rounded), dims), options, true, tensor, guards);
  }
}

void add_to_biases(plan::QuantizedModel& model, const std::map<ir::NodeId, std::vector<float>>& deltas) {
  for (const auto& [id, delta] : deltas) {
    const auto place = ir::bias_place(model.graph, id);
    if (!place) continue;
    const ir::Node& holder = ir::node_at(model.graph, place->node);
    std::vector<float> bias(delta.begin(), delta.end());
    if (place->slot != ir::kNone) {
      const std::span<const float> old = ir::constant_input(model.graph, holder, place->slot)->as<float>();
      for (size_t c = 0; c < bias.size(); ++c) bias[c] += old[c];
    }
    const ir::ValueId value =
        ir::add_constant(model.graph, holder.name + "_b",
                         ir::make_tensor(std::span<const float>(bias), {static_cast<int64_t>(bias.size())}));
    const size_t slot = static_cast<size_t>(place->slot == ir::kNone ? 2 : place->slot);
    const ir::ValueId replaced = place->slot == ir::kNone ? ir::kNone : holder.inputs[slot];
    ir::set_input(model.graph, place->node, slot, value);
    model.plan.values.resize(model.graph.values.size());
    if (const auto stored = model.weights.find(replaced); stored != model.weights.end()) {
      if (stored->second.params.scales.size() == 1)
        model.weights[value] = on_own_range(stored->second, *ir::value_at(model.graph, value).constant);
      model.plan.values[value] = model.plan.values[replaced];
      if (ir::value_at(model.graph, replaced).consumers.empty()) model.weights.erase(replaced);
    }
    const ir::Node& node = ir::node_at(model.graph, id);
    if (node.op_type == "MatMul" || model.plan.nodes[id].compute != Compute::kInteger) continue;
    const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
    model.biases[id] =
        quantize_bias(*ir::value_at(model.graph, value).constant, input_params(model.plan, node).scales.at(0),
                      model.weights[node.inputs[traits->weight_slot]].params);
  }
  ir::remove_dead(model.graph);
}

void rescale_results(plan::QuantizedModel& model, ir::NodeId id, const std::vector<float>& gain,
                     const std::vector<float>& shift) {
  const ir::Node& node = ir::node_at(model.graph, id);
  const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
  const auto place = ir::bias_place(model.graph, id);
  const ir::ValueId weight = node.inputs[traits->weight_slot];
  const auto found = model.weights.find(weight);
  if (!place || found == model.weights.end()) return;
  quant::QuantParams& params = found->second.params;
  const bool own = ir::value_at(model.graph, weight).consumers.size() == 1;
  const bool scales = own && params.scales.size() == gain.size();
  std::vector<float> delta = shift;
  if (scales) {
    const ir::Node& holder = ir::node_at(model.graph, place->node);
    const ir::Tensor* bias =
        place->slot == ir::kNone ? nullptr : ir::constant_input(model.graph, holder, place->slot);
    for (size_t c = 0; c < gain.size(); ++c) {
      params.scales[c] *= gain[c];
      if (bias) delta[c] += (gain[c] - 1) * bias->as<float>()[c];
    }
  }
  add_to_biases(model, {{id, delta}});
}

}  // namespace qc::quantize
