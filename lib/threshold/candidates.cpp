// See candidates.h.
#include "threshold/candidates.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ir/ops.h"
#include "threshold/threshold.h"

namespace qc::threshold {
namespace {

using plan::Compute;

Method method_of(config::ErrorMethod method) {
  switch (method) {
    case config::ErrorMethod::kNoClipping:
      return Method::kNoClipping;
    case config::ErrorMethod::kMae:
      return Method::kMae;
    case config::ErrorMethod::kKl:
      return Method::kKl;
    case config::ErrorMethod::kLp:
      return Method::kLp;
    default:
      return Method::kMse;  // HMSE is refused by the config
  }
}

Options options_for(const target::Scheme& scheme, config::ErrorMethod method,
                    const config::QuantizationConfig& config) {
  Options options;
  options.method = method_of(method);
  options.quantizer = scheme.power_of_two ? Quantizer::kPowerOfTwo
                      : scheme.symmetric  ? Quantizer::kSymmetric
                                          : Quantizer::kUniform;
  options.bits = scheme.bits;
  options.narrow_range = scheme.narrow_range;
  options.signed_integers = scheme.is_signed;
  options.z_threshold = config.z_threshold;
  options.min_threshold = config.min_threshold;
  options.p = static_cast<int>(config.l_p_value);
  return options;
}

const ir::Node* producer_of(const ir::Graph& graph, ir::ValueId v) {
  const ir::NodeId id = graph.values[static_cast<size_t>(v)].producer;
  return id == ir::kNone ? nullptr : &graph.nodes[static_cast<size_t>(id)];
}

// Bounds of a Relu or Clip; infinite where there is none.
std::pair<double, double> bounds_of(const ir::Graph& graph, const ir::Node& node) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (node.op_type == "Relu") return {0.0, infinity};
  double low = ir::float_attribute(node, "min", -static_cast<float>(infinity));
  double high = ir::float_attribute(node, "max", static_cast<float>(infinity));
  if (node.inputs.size() > 1 && node.inputs[1] != ir::kNone)
    low = ir::scalar_constant(graph, node.inputs[1]).value_or(-infinity);
  if (node.inputs.size() > 2 && node.inputs[2] != ir::kNone)
    high = ir::scalar_constant(graph, node.inputs[2]).value_or(infinity);
  return {low, high};
}

// ONNX Runtime drops a Relu or Clip only if the integers' whole range lies inside its bounds, compared in
// float32. The best range may reach a little past a bound (half a step of the topmost level), so it is drawn
// in.
void keep_inside(quant::QuantParams& params, double low, double high) {
  if (params.scales.size() != 1) return;
  const double above = static_cast<double>(params.qmax()) - params.zero_points[0];
  const double below = static_cast<double>(params.qmin()) - params.zero_points[0];
  double scale = params.scales[0];
  if (above > 0) scale = std::min(scale, high / above);
  if (below < 0) scale = std::min(scale, low / below);
  params.scales[0] = static_cast<float>(scale);
  while (quant::range_min(params) < low || quant::range_max(params) > high)
    params.scales[0] = std::nextafter(params.scales[0], 0.0f);
}

plan::Candidate search_group(const ir::Graph& graph, const std::vector<ir::ValueId>& members,
                             const plan::StatsTable& stats, const target::TargetSpec& target,
                             const Options& options) {
  plan::Candidate candidate;
  plan::TensorStats joined;
  std::vector<ir::ValueId> sources;
  const auto moved = [&](ir::ValueId v) {
    const ir::Node* node = producer_of(graph, v);
    return node && std::find(members.begin(), members.end(), node->inputs.at(0)) != members.end();
  };
  for (const ir::ValueId v : members) {
    const auto found = stats.find(v);
    // What a move makes holds only elements that its input, in the same group, holds as well.
    if (found == stats.end() || moved(v)) continue;
    plan::merge(joined, found->second);
    sources.push_back(v);
  }
  const ir::Node* maker = sources.size() == 1 ? producer_of(graph, sources[0]) : nullptr;
  if (const auto known = maker ? target.known_ranges.find(maker->op_type) : target.known_ranges.end();
      known != target.known_ranges.end()) {
    candidate.params = quant::asymmetric_params(known->second.first, known->second.second, options.bits,
                                                options.signed_integers);
    candidate.note = "known range of " + maker->op_type;
    return candidate;
  }
  const Chosen chosen = search(joined, options);
  candidate.params = chosen.params;
  candidate.error = chosen.error;
  for (const ir::ValueId v : sources) {
    const ir::Node* node = producer_of(graph, v);
    if (!node || (node->op_type != "Relu" && node->op_type != "Clip")) continue;
    const auto [low, high] = bounds_of(graph, *node);
    keep_inside(candidate.params, low, high);
  }
  return candidate;
}

int64_t bytes_of(const ir::Tensor& tensor, const quant::QuantParams& params) {
  return (tensor.size() * params.bits + 7) / 8 + static_cast<int64_t>(params.scales.size()) * 5;
}

}  // namespace

plan::Candidates activation_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                       const plan::StatsTable& stats, const target::TargetSpec& target,
                                       const config::QuantizationConfig& config) {
  const Options options = options_for(target.activations, config.activation_error_method, config);
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized) groups[plan.values[v].scale_group].push_back(static_cast<ir::ValueId>(v));
  plan::Candidates candidates;
  for (const auto& [group, members] : groups)
    candidates[group] = {search_group(graph, members, stats, target, options)};
  return candidates;
}

plan::Candidates weight_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const target::TargetSpec& target, const config::QuantizationConfig& config,
                                   int threads) {
  const Options options = options_for(target.weights, config.weights_error_method, config);
  plan::Candidates candidates;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    const Compute compute = plan.nodes[static_cast<size_t>(id)].compute;
    if (compute == Compute::kFloat) continue;
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (traits) {
      const ir::ValueId value = node.inputs[static_cast<size_t>(traits->weight_slot)];
      if (candidates.count(value)) continue;
      const ir::Tensor& weight = *graph.values[static_cast<size_t>(value)].constant;
      const bool per_channel =
          target.weights.per_channel && target::rule_for(target, node.op_type).per_channel;
      const int axis = per_channel ? ir::output_channel_axis(graph, node) : -1;
      const Chosen chosen = search(weight.as<float>(), weight.dims, axis, options, threads);
      candidates[value] = {{chosen.params, chosen.error, bytes_of(weight, chosen.params), {}}};
      continue;
    }
    if (compute != Compute::kInteger) continue;
    const target::OpRule& rule = target::rule_for(target, node.op_type);
    if (rule.kind == target::OpKind::kActivation) continue;
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const bool data = rule.data_inputs.empty() ||
                        std::find(rule.data_inputs.begin(), rule.data_inputs.end(), static_cast<int>(slot)) !=
                            rule.data_inputs.end();
      const ir::Tensor* operand = ir::constant_input(graph, node, slot);
      if (!data || !operand || operand->dtype != ir::DType::kFloat || operand->size() == 0) continue;
      const auto [low, high] = std::minmax_element(operand->as<float>().begin(), operand->as<float>().end());
      const quant::QuantParams params =
          quant::asymmetric_params(*low, *high, target.activations.bits, target.activations.is_signed);
      candidates[node.inputs[slot]] = {{params, 0, bytes_of(*operand, params), "constant operand"}};
    }
  }
  return candidates;
}

}  // namespace qc::threshold
