// See candidates.h.
#include "threshold/candidates.h"

#include <algorithm>
#include <cmath>
#include <optional>

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
    const auto [low, high] = known->second;
    candidate.params = target.activations.symmetric
                           ? quant::symmetric_params(std::max(-low, high), options.bits, true, false)
                           : quant::asymmetric_params(low, high, options.bits, options.signed_integers);
    candidate.note = "known range of " + maker->op_type;
    return candidate;
  }
  if (target.activations.bits > 8) {  // steps so fine that nothing is gained by cutting a range off
    const double threshold = std::max(-static_cast<double>(joined.min), static_cast<double>(joined.max));
    candidate.params = quant::symmetric_params(threshold > 0 ? threshold : 1, target.activations.bits, true,
                                               target.activations.narrow_range);
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

// What the rules ask for a value: its producer's, or that of the node which the producer disappears into.
std::optional<int> asked_bits(const ir::Graph& graph, const plan::QuantPlan& plan, ir::ValueId v,
                              std::span<const config::NodeSettings> rules) {
  const ir::NodeId maker = graph.values[static_cast<size_t>(v)].producer;
  if (maker == ir::kNone || rules.empty()) return std::nullopt;
  if (const auto bits = rules[static_cast<size_t>(maker)].activation_n_bits) return bits;
  const ir::Node& node = graph.nodes[static_cast<size_t>(maker)];
  const bool follows = (node.op_type == "Relu" || node.op_type == "Clip") &&
                       !plan.values[static_cast<size_t>(node.inputs[0])].quantized;
  return follows ? asked_bits(graph, plan, node.inputs[0], rules) : std::nullopt;
}

int activation_bits(const ir::Graph& graph, const plan::QuantPlan& plan,
                    const std::vector<ir::ValueId>& members, const target::TargetSpec& target,
                    std::span<const config::NodeSettings> rules) {
  std::optional<int> least;
  for (const ir::ValueId v : members)
    if (const auto bits = asked_bits(graph, plan, v, rules)) least = std::min(*bits, least.value_or(*bits));
  return std::min(least.value_or(target.activations.bits), target.activations.bits);
}

int64_t bytes_of(const ir::Tensor& tensor, const quant::QuantParams& params) {
  return (tensor.size() * params.bits + 7) / 8 + static_cast<int64_t>(params.scales.size()) * 5;
}

// The formats that know narrow ranges store 4 or 8 bits; the other widths lie inside those, and with few
// levels each one counts: 2 bits have four, not three.
bool narrow_at(const target::Scheme& scheme, int bits) {
  return scheme.narrow_range && (bits == 4 || bits == 8);
}

// The width that the rules ask for; the target's where they are silent.
int weight_bits(const ir::Graph& graph, ir::ValueId weight, const target::TargetSpec& target,
                std::span<const config::NodeSettings> rules) {
  if (rules.empty()) return target.weights.bits;
  int bits = 0;
  for (const ir::NodeId reader : graph.values[static_cast<size_t>(weight)].consumers)
    bits = std::max(bits, rules[static_cast<size_t>(reader)].weights_n_bits.value_or(target.weights.bits));
  return bits;
}

}  // namespace

plan::Candidates activation_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                       const plan::StatsTable& stats, const target::TargetSpec& target,
                                       const config::QuantizationConfig& config,
                                       std::span<const config::NodeSettings> rules) {
  Options options = options_for(target.activations, config.activation_error_method, config);
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized) groups[plan.values[v].scale_group].push_back(static_cast<ir::ValueId>(v));
  plan::Candidates candidates;
  for (const auto& [group, members] : groups) {
    options.bits = activation_bits(graph, plan, members, target, rules);
    candidates[group] = {search_group(graph, members, stats, target, options)};
  }
  return candidates;
}

plan::Candidate weight_candidate(const ir::Tensor& weight, int axis, int bits,
                                 const target::TargetSpec& target, const config::QuantizationConfig& config,
                                 int threads) {
  Options options = options_for(target.weights, config.weights_error_method, config);
  options.bits = bits;
  options.narrow_range = narrow_at(target.weights, bits);
  const Chosen chosen = search(weight.as<float>(), weight.dims, axis, options, threads);
  return {chosen.params, chosen.error, bytes_of(weight, chosen.params), {}};
}

plan::Candidates weight_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const target::TargetSpec& target, const config::QuantizationConfig& config,
                                   std::span<const config::NodeSettings> rules, int threads) {
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
      candidates[value] = {
          weight_candidate(weight, axis, weight_bits(graph, value, target, rules), target, config, threads)};
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
      const double largest = std::max(-static_cast<double>(*low), static_cast<double>(*high));
      const quant::QuantParams params =
          target.activations.symmetric
              ? quant::symmetric_params(largest > 0 ? largest : 1, target.activations.bits, true, true)
              : quant::asymmetric_params(*low, *high, target.activations.bits, target.activations.is_signed);
      candidates[node.inputs[slot]] = {{params, 0, bytes_of(*operand, params), "constant operand"}};
    }
  }
  return candidates;
}

}  // namespace qc::threshold
