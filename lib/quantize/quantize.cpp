// See quantize.h.
#include "quantize/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "ir/ops.h"

namespace qc::quantize {
namespace {

using plan::Compute;
using quant::QuantParams;

// Room for the accumulator beside the bias: the sum stays below 2^31 while K * 255 * 127 < 2^30, that is K <
// 33,000.
constexpr double kLargestBias = 1073741824.0;
constexpr int32_t kPairLimit = 128;  // 255 * 128 = 32640 fits the int16 of VPMADDUBSW

QuantParams input_params(const plan::QuantPlan& plan, const ir::Node& node) {
  return plan.values[static_cast<size_t>(node.inputs[0])].params;
}

const ir::Tensor* bias_of(const ir::Graph& graph, const ir::Node& node) {
  return node.op_type == "MatMul" ? nullptr : ir::constant_input(graph, node, 2);
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
    const double needed = std::fabs(static_cast<double>(b[c])) / (input_scale * kLargestBias);
    if (scale >= needed) continue;
    scale = static_cast<float>(needed * 1.0001);
    ++raised;
  }
  return raised;
}

// The largest |w0| + |w1| of same-signed neighbours along the sum, for each output channel. Kernels walk Conv
// weights with the input channels innermost, Gemm weights along K.
std::vector<int32_t> largest_pairs(const std::vector<int32_t>& w, std::span<const int64_t> dims,
                                   int channel_axis) {
  const quant::ChannelLayout layout = quant::channel_layout(dims, channel_axis);
  std::vector<int32_t> largest(static_cast<size_t>(layout.channels), 0);
  const auto note = [&](int64_t c, int32_t a, int32_t b) {
    if ((a < 0) == (b < 0))
      largest[static_cast<size_t>(c)] = std::max(largest[static_cast<size_t>(c)], std::abs(a) + std::abs(b));
  };
  if (channel_axis == 0 && dims.size() > 2) {
    int64_t positions = 1;
    for (size_t d = 2; d < dims.size(); ++d) positions *= dims[d];
    for (int64_t c = 0; c < dims[0]; ++c)
      for (int64_t i = 0; i + 1 < dims[1]; ++i)
        for (int64_t p = 0; p < positions; ++p)
          note(c, w[static_cast<size_t>((c * dims[1] + i) * positions + p)],
               w[static_cast<size_t>((c * dims[1] + i + 1) * positions + p)]);
    return largest;
  }
  for (int64_t c = 0; c < layout.channels; ++c) {
    const auto at = [&](int64_t k) {
      return w[static_cast<size_t>((k / layout.inner * layout.channels + c) * layout.inner +
                                   k % layout.inner)];
    };
    for (int64_t k = 0; k + 1 < layout.outer * layout.inner; ++k) note(c, at(k), at(k + 1));
  }
  return largest;
}

// Applies the saturation guard if asked and counts what could saturate.
void guard_pairs(const ir::Tensor& weight, int channel_axis, const Options& options,
                 plan::IntegerTensor& tensor, Guards& guards) {
  std::vector<int32_t> pairs = largest_pairs(tensor.integers, weight.dims, channel_axis);
  if (options.saturation_guard) {
    bool changed = false;
    for (size_t c = 0; c < pairs.size(); ++c) {
      if (pairs[c] <= kPairLimit) continue;
      float& scale = tensor.params.scales[tensor.params.per_channel() ? c : 0];
      // Rounding may add half a step to each of the two.
      scale = static_cast<float>(scale * static_cast<double>(pairs[c] + 1) / (kPairLimit - 1));
      changed = true;
      ++guards.pairs_bounded;
      if (!tensor.params.per_channel()) break;
    }
    if (changed) {
      tensor.integers = quant::quantize(weight.as<float>(), weight.dims, tensor.params);
      pairs = largest_pairs(tensor.integers, weight.dims, channel_axis);
    }
  }
  const int64_t risky = std::count_if(pairs.begin(), pairs.end(), [](int32_t p) { return p > kPairLimit; });
  guards.risky_nodes += risky > 0;
  guards.risky_channels += risky;
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
    const double q = std::nearbyint(static_cast<double>(b[c]) / scale);
    tensor.integers.push_back(static_cast<int32_t>(std::clamp(q, -2147483648.0, 2147483647.0)));
  }
  return tensor;
}

// Some reader wants the constant's integers: an integer node, or a float node whose weight it is.
bool stored_as_integers(const ir::Graph& graph, const plan::QuantPlan& plan, ir::ValueId value) {
  const std::vector<ir::NodeId>& readers = graph.values[static_cast<size_t>(value)].consumers;
  return std::any_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    const Compute compute = plan.nodes[static_cast<size_t>(id)].compute;
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    return compute == Compute::kInteger || (compute == Compute::kFloatIntegerWeights && traits &&
                                            node.inputs[static_cast<size_t>(traits->weight_slot)] == value);
  });
}

const plan::Candidate& candidate_for(const plan::Candidates& candidates, const ir::Graph& graph,
                                     ir::ValueId value) {
  const auto found = candidates.find(value);
  if (found == candidates.end() || found->second.empty())
    throw Error(
        Exit::kBug,
        {"no-candidate", "constant '" + graph.values[static_cast<size_t>(value)].name + "'",
         "it is to be stored as integers and has no parameters", "please report this with the model"});
  return found->second.front();
}

}  // namespace

plan::QuantizedModel quantize(const ir::Graph& graph, const plan::QuantPlan& plan,
                              const plan::Candidates& weights, const Options& options, Guards& guards) {
  plan::QuantizedModel model;
  model.graph = graph;
  model.plan = plan;
  for (const auto& [value, candidates] : weights) {
    if (!stored_as_integers(graph, plan, value)) continue;
    const ir::Tensor& constant = *graph.values[static_cast<size_t>(value)].constant;
    model.weights[value] = {candidate_for(weights, graph, value).params,
                            quant::quantize(constant.as<float>(), constant.dims, candidates.front().params)};
  }
  // A weight with several readers must suit all of their biases before any bias is rounded.
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (!traits || plan.nodes[static_cast<size_t>(id)].compute != Compute::kInteger) continue;
    const ir::ValueId value = node.inputs[static_cast<size_t>(traits->weight_slot)];
    const ir::Tensor& constant = *graph.values[static_cast<size_t>(value)].constant;
    candidate_for(weights, graph, value);
    plan::IntegerTensor& weight = model.weights[value];
    if (const ir::Tensor* bias = bias_of(graph, node))
      if (const int64_t raised =
              make_biases_fit(*bias, input_params(plan, node).scales.at(0), weight.params)) {
        guards.biases_raised += raised;
        weight.integers = quant::quantize(constant.as<float>(), constant.dims, weight.params);
      }
    guard_pairs(constant, ir::output_channel_axis(graph, node), options, weight, guards);
  }
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (!traits || plan.nodes[static_cast<size_t>(id)].compute != Compute::kInteger) continue;
    if (const ir::Tensor* bias = bias_of(graph, node))
      model.biases[id] =
          quantize_bias(*bias, input_params(plan, node).scales.at(0),
                        model.weights[node.inputs[static_cast<size_t>(traits->weight_slot)]].params);
  }
  return model;
}

void add_to_biases(plan::QuantizedModel& model, const std::map<ir::NodeId, std::vector<float>>& deltas) {
  for (const auto& [id, delta] : deltas) {
    const auto place = ir::bias_place(model.graph, id);
    if (!place) continue;
    const ir::Node& holder = model.graph.nodes[static_cast<size_t>(place->node)];
    std::vector<float> bias(delta.begin(), delta.end());
    if (place->slot != ir::kNone) {
      const std::span<const float> old =
          ir::constant_input(model.graph, holder, static_cast<size_t>(place->slot))->as<float>();
      for (size_t c = 0; c < bias.size(); ++c) bias[c] += old[c];
    }
    const ir::ValueId value =
        ir::add_constant(model.graph, holder.name + "_b",
                         ir::make_tensor(std::span<const float>(bias), {static_cast<int64_t>(bias.size())}));
    ir::set_input(model.graph, place->node, static_cast<size_t>(place->slot == ir::kNone ? 2 : place->slot),
                  value);
    model.plan.values.resize(model.graph.values.size());
    const ir::Node& node = model.graph.nodes[static_cast<size_t>(id)];
    if (node.op_type == "MatMul" || model.plan.nodes[static_cast<size_t>(id)].compute != Compute::kInteger)
      continue;
    const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
    model.biases[id] = quantize_bias(
        *model.graph.values[static_cast<size_t>(value)].constant, input_params(model.plan, node).scales.at(0),
        model.weights[node.inputs[static_cast<size_t>(traits->weight_slot)]].params);
  }
  ir::remove_dead(model.graph);
}

}  // namespace qc::quantize
