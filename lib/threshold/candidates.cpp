// See candidates.h.
#include "threshold/candidates.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "quant/operand_params.h"
#include "threshold/blocks.h"
#include "threshold/choose.h"
#include "threshold/lut.h"
#include "threshold/threshold.h"

namespace qc::threshold {
namespace {

using config::NodeSettings;
using plan::Compute;

constexpr int kLutBits = 4;  // of a codebook where nothing else is said

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

Quantizer quantizer_of(config::QuantizationMethod method) {
  switch (method) {
    case config::QuantizationMethod::kPowerOfTwo:
    case config::QuantizationMethod::kLutPowerOfTwo:
      return Quantizer::kPowerOfTwo;
    case config::QuantizationMethod::kUniform:
      return Quantizer::kUniform;
    default:
      return Quantizer::kSymmetric;
  }
}

Quantizer quantizer_of(target::Grid grid) {
  return grid == target::Grid::kPowerOfTwo ? Quantizer::kPowerOfTwo
         : grid == target::Grid::kCentred  ? Quantizer::kSymmetric
                                           : Quantizer::kUniform;
}

Options options_for(const target::Scheme& scheme, config::ErrorMethod method,
                    const config::QuantizationConfig& config, const NodeSettings& settings) {
  Options options;
  options.method = method_of(method);
  options.quantizer = quantizer_of(scheme.grid());
  options.bits = scheme.bits;
  options.narrow_range = scheme.narrow_range;
  options.signed_integers = scheme.is_signed;
  options.z_threshold = settings.z_threshold.value_or(config.z_threshold);
  options.min_threshold = settings.min_threshold.value_or(config.min_threshold);
  options.p = settings.l_p_value.value_or(static_cast<int>(config.l_p_value));
  return options;
}

Options activation_options(const target::TargetSpec& target, const config::QuantizationConfig& config,
                           const NodeSettings& settings) {
  Options options = options_for(target.activations,
                                settings.activation_error_method.value_or(config.activation_error_method),
                                config, settings);
  options.bits = settings.activation_n_bits.value_or(options.bits);
  if (settings.activation_quantization_method)
    options.quantizer = quantizer_of(*settings.activation_quantization_method);
  return options;
}

// Bounds of a value that a Relu or Clip makes; infinite where there is none.
std::pair<double, double> bounds_of_maker(const ir::Graph& graph, ir::ValueId v) {
  const double infinity = std::numeric_limits<double>::infinity();
  const ir::Node* node = ir::producer_of(graph, v);
  if (!node || (node->op_type != "Relu" && node->op_type != "Clip")) return {-infinity, infinity};
  if (node->op_type == "Relu") return {0.0, infinity};
  double low = ir::float_attribute(*node, "min", -static_cast<float>(infinity));
  double high = ir::float_attribute(*node, "max", static_cast<float>(infinity));
  if (node->inputs.size() > 1 && node->inputs[1] != ir::kNone)
    low = ir::scalar_constant(graph, node->inputs[1]).value_or(-infinity);
  if (node->inputs.size() > 2 && node->inputs[2] != ir::kNone)
    high = ir::scalar_constant(graph, node->inputs[2]).value_or(infinity);
  return {low, high};
}

// ONNX Runtime drops a Relu or Clip only if the integers' whole range lies inside its bounds, compared in
// float32. The best range may reach a little past a bound (half a step of the topmost level), so it is drawn
// in. Bounds without zero hold no grid: the op stays.
void keep_inside(quant::QuantParams& params, double low, double high) {
  if (params.scales.size() != 1 || low > 0 || high < 0) return;
  const double above = static_cast<double>(params.qmax()) - params.zero_points[0];
  const double below = static_cast<double>(params.qmin()) - params.zero_points[0];
  double scale = params.scales[0];
  if (above > 0) scale = std::min(scale, high / above);
  if (below < 0) scale = std::min(scale, low / below);
  params.scales[0] = static_cast<float>(scale);
  while (quant::range_min(params) < low || quant::range_max(params) > high)
    params.scales[0] = std::nextafter(params.scales[0], 0.0f);
}

// What the target says of the ops that make a group's values. Where they differ, the strictest grid: it fits
// all of them. Without zero points the type decides about the sign.
void adapt(Options& options, const ir::Graph& graph, const std::vector<ir::ValueId>& sources,
           const target::TargetSpec& target, const NodeSettings& settings) {
  std::optional<target::Grid> grid;
  const bool wider = options.bits > target.activations.bits;
  const auto offers = [&](ir::ValueId v) {
    const ir::Node* maker = ir::producer_of(graph, v);
    return maker &&
           target::rule_for(target, ir::rule_name(graph, *maker)).result_widths.contains(options.bits);
  };
  if (wider && !std::all_of(sources.begin(), sources.end(), offers)) options.bits = target.activations.bits;
  for (const ir::ValueId v : sources) {
    const ir::Node* maker = ir::producer_of(graph, v);
    if (!maker) continue;
    const target::OpRule& rule = target::rule_for(target, ir::rule_name(graph, *maker));
    const auto of_width = rule.result_widths.find(options.bits);
    const target::Grid own = of_width != rule.result_widths.end()
                                 ? of_width->second
                                 : rule.result.value_or(target.activations.grid());
    grid = grid ? std::min(*grid, own) : own;
    if (rule.signedness != target::Signedness::kAuto)
      options.signedness =
          rule.signedness == target::Signedness::kSigned ? Signedness::kSigned : Signedness::kUnsigned;
  }
  if (grid && !settings.activation_quantization_method) options.quantizer = quantizer_of(*grid);
  if (target.activations.symmetric)
    options.signedness = target.activations.is_signed ? Signedness::kSigned : Signedness::kUnsigned;
}

// The grid of a range that a rule gives.
quant::QuantParams range_by_hand(std::pair<double, double> range, const Options& options) {
  if (options.quantizer == Quantizer::kUniform)
    return quant::asymmetric_params(range.first, range.second, options.bits, options.signed_integers);
  double threshold = std::max(-range.first, range.second);
  if (options.quantizer == Quantizer::kPowerOfTwo) threshold = power_of_two_above(threshold);
  const bool is_signed =
      options.signedness == Signedness::kAuto ? range.first < 0 : options.signedness == Signedness::kSigned;
  return quant::symmetric_params(threshold, options.bits, is_signed,
                                 options.narrow_range && options.quantizer == Quantizer::kSymmetric);
}

// The same grid in the type that the target's kernels take: integers and zero point shifted alike.
quant::QuantParams in_type(quant::QuantParams params, bool is_signed) {
  if (params.is_signed == is_signed) return params;
  const int32_t half = 1 << (params.bits - 1);
  for (int32_t& zero_point : params.zero_points) zero_point += is_signed ? -half : half;
  params.is_signed = is_signed;
  params.narrow_range = false;
  return params;
}

// Constants other than 0 that Pads fill in on the way from one member to the next.
std::vector<double> filled_in(const ir::Graph& graph, const std::vector<ir::ValueId>& members) {
  std::vector<double> constants;
  for (const ir::ValueId v : members) {
    const ir::Node* maker = ir::producer_of(graph, v);
    if (!maker || !ir::standard_op(*maker, "Pad")) continue;
    double value = ir::float_attribute(*maker, "value", 0);
    if (maker->inputs.size() > 2 && maker->inputs[2] != ir::kNone)
      value = ir::scalar_constant(graph, maker->inputs[2]).value_or(0);
    if (value != 0) constants.push_back(value);
  }
  return constants;
}

// With the constants inside; but what would more than double the range (lowest floats in front of a maximum)
// is as good at its end.
quant::QuantParams widened(const quant::QuantParams& params, const std::vector<double>& constants,
                           const Options& options) {
  const double low = quant::range_min(params), high = quant::range_max(params), length = high - low;
  std::pair<double, double> range{low, high};
  for (const double c : constants)
    if (c >= low - length && c <= high + length)
      range = {std::min(range.first, c), std::max(range.second, c)};
  return range == std::pair{low, high} ? params : range_by_hand(range, options);
}

// A searched range as the values' makers and the target's integers allow it.
quant::QuantParams as_allowed(quant::QuantParams params, const ir::Graph& graph,
                              const std::vector<ir::ValueId>& sources, const target::TargetSpec& target,
                              const Options& options, const std::vector<double>& filled) {
  if (!filled.empty()) params = widened(params, filled, options);
  params = in_type(std::move(params), target.activations.is_signed);
  if (options.quantizer == Quantizer::kPowerOfTwo) return params;  // drawn in, it would be none
  if (target.activations.symmetric || options.signedness == Signedness::kSigned)
    return params;  // its integers reach below zero whatever the scale
  for (const ir::ValueId v : sources) {
    const auto [low, high] = bounds_of_maker(graph, v);
    const bool crossed = std::any_of(filled.begin(), filled.end(),
                                     [&, low = low, high = high](double c) { return c < low || c > high; });
    if (!crossed && (std::isfinite(low) || std::isfinite(high))) keep_inside(params, low, high);
  }
  return params;
}

// Other ranges than the one that the method chose: those of other methods, and parts of it. Of a range with
// two sides the longer one gives way, so that the short negative side of SiLU and its kind stays whole.
std::vector<plan::Candidate> other_ranges(const plan::TensorStats& stats, const plan::Candidate& chosen,
                                          const Options& options) {
  constexpr std::pair<Method, const char*> kMethods[] = {
      {Method::kMse, "range by MSE"}, {Method::kMae, "range by MAE"}, {Method::kNoClipping, kWholeRange}};
  constexpr double kParts[] = {0.8, 0.6};
  std::vector<plan::Candidate> others;
  for (const auto& [method, name] : kMethods) {
    Options own = options;
    own.method = method;
    const Chosen found = search(stats, own);
    others.push_back({found.params, found.error, 0, name});
  }
  const double low = static_cast<double>(quant::range_min(chosen.params)),
               high = static_cast<double>(quant::range_max(chosen.params));
  for (const double part : kParts) {
    const bool centred = options.quantizer != Quantizer::kUniform, upper = high >= -low;
    const std::pair<double, double> range{centred || !upper ? low * part : low,
                                          centred || upper ? high * part : high};
    others.push_back({range_by_hand(range, options), 0, 0, format("{} of the range", part)});
  }
  return others;
}

// Probabilities of a Softmax over many places are so small that most would be 0 on a grid up to 1. Other
// pictures may have larger ones than those that were seen.
double highest(const ir::Node& maker, double known, const plan::TensorStats& seen) {
  constexpr double kRoom = 2;
  const bool small =
      maker.op_type == "Softmax" && seen.max > 0 && kRoom * static_cast<double>(seen.max) < known;
  return small ? kRoom * static_cast<double>(seen.max) : known;
}

// The method's candidate, and where `more` are asked for and anything is searched, other_ranges().
std::vector<plan::Candidate> search_group(const ir::Graph& graph, const std::vector<ir::ValueId>& members,
                                          const plan::StatsTable& stats, const target::TargetSpec& target,
                                          Options options, const NodeSettings& settings, bool centred,
                                          bool more) {
  plan::Candidate candidate;
  plan::TensorStats joined;
  std::vector<ir::ValueId> sources;
  const auto moved = [&](ir::ValueId v) {
    const ir::Node* node = ir::producer_of(graph, v);
    return node && !node->inputs.empty() &&
           std::find(members.begin(), members.end(), node->inputs[0]) != members.end();
  };
  for (const ir::ValueId v : members) {
    const auto found = stats.find(v);
    // What a move makes holds only elements that its input, in the same group, holds as well.
    if (found == stats.end() || moved(v)) continue;
    plan::merge(joined, found->second);
    sources.push_back(v);
  }
  adapt(options, graph, sources, target, settings);
  if (centred) {
    if (options.quantizer == Quantizer::kUniform) options.quantizer = Quantizer::kSymmetric;
    options.signedness = Signedness::kSigned;
  }
  const ir::Node* maker = sources.size() == 1 ? ir::producer_of(graph, sources[0]) : nullptr;
  const bool by_hand = settings.activation_range || settings.activation_quantization_method;
  if (const auto known =
          maker && !by_hand ? target.known_ranges.find(maker->op_type) : target.known_ranges.end();
      known != target.known_ranges.end()) {
    const auto [low, known_high] = known->second;
    const double high = target.known_ranges_bind ? known_high : highest(*maker, known_high, joined);
    candidate.params = target.activations.symmetric || centred
                           ? quant::symmetric_params(std::max(-low, high), options.bits, true, false)
                           : quant::asymmetric_params(low, high, options.bits, options.signed_integers);
    candidate.params = in_type(std::move(candidate.params), target.activations.is_signed);
    candidate.note = "known range of " + maker->op_type;
    return {candidate};
  }
  if (settings.activation_range) {
    std::pair<double, double> range = *settings.activation_range;
    for (const ir::ValueId v : sources) {
      const auto [low, high] = bounds_of_maker(graph, v);
      range = {std::max(range.first, std::min(low, 0.0)), std::min(range.second, std::max(high, 0.0))};
    }
    candidate.params = range_by_hand(range, options);
    candidate.note = "range set by a rule";
  } else if (options.bits > 8) {  // steps so fine that nothing is gained by cutting a range off
    double threshold = std::max(-static_cast<double>(joined.min), static_cast<double>(joined.max));
    if (options.quantizer == Quantizer::kPowerOfTwo) threshold = power_of_two_above(threshold);
    candidate.params = quant::symmetric_params(threshold > 0 ? threshold : 1, options.bits, true,
                                               target.activations.narrow_range);
    return {candidate};
  } else {
    const Chosen chosen = search(joined, options);
    candidate.params = chosen.params;
    candidate.error = chosen.error;
  }
  std::vector<plan::Candidate> candidates{candidate};
  if (more && !settings.activation_range) {
    const std::vector<plan::Candidate> others = other_ranges(joined, candidate, options);
    candidates.insert(candidates.end(), others.begin(), others.end());
  }
  const std::vector<double> filled = filled_in(graph, members);
  for (plan::Candidate& one : candidates)
    one.params = as_allowed(std::move(one.params), graph, sources, target, options, filled);
  return candidates;
}

// What the rules ask for a value: its producer's, over that of the node which the producer disappears into.
NodeSettings asked_for(const ir::Graph& graph, const plan::QuantPlan& plan, ir::ValueId v,
                       std::span<const NodeSettings> rules) {
  const ir::NodeId maker = ir::value_at(graph, v).producer;
  if (maker == ir::kNone || rules.empty()) return {};
  const ir::Node& node = ir::node_at(graph, maker);
  const bool follows =
      (node.op_type == "Relu" || node.op_type == "Clip") && !plan.values[node.inputs[0]].quantized;
  NodeSettings settings = follows ? asked_for(graph, plan, node.inputs[0], rules) : NodeSettings();
  config::overlay(settings, rules[maker]);
  return settings;
}

NodeSettings asked_for_group(const ir::Graph& graph, const plan::QuantPlan& plan,
                             const std::vector<ir::ValueId>& members, std::span<const NodeSettings> rules) {
  NodeSettings joined;
  for (const ir::ValueId v : members) {
    const NodeSettings one = asked_for(graph, plan, v, rules);
    const std::optional<int> before = joined.activation_n_bits;
    config::overlay(joined, one);
    if (before && joined.activation_n_bits)
      joined.activation_n_bits = std::min(*before, *joined.activation_n_bits);
  }
  return joined;
}

int64_t bytes_of(const ir::Tensor& tensor, const quant::QuantParams& params) {
  return (tensor.size() * params.stored_bits() + 7) / 8 + static_cast<int64_t>(params.scales.size()) * 5 +
         static_cast<int64_t>(params.codebook.size());
}

// The formats that know narrow ranges store 8 bits, and some 4; the other widths lie inside those, and with
// few levels each one counts: 2 bits have four, not three.
bool narrow_at(const target::Scheme& scheme, int bits) {
  return scheme.narrow_range && (bits == 8 || (bits == 4 && scheme.narrow_at_4));
}

// What the rules ask for a weight: those of its first reader, with the largest width of all readers.
NodeSettings asked_for_weight(const ir::Graph& graph, ir::ValueId weight, const target::TargetSpec& target,
                              std::span<const NodeSettings> rules) {
  if (rules.empty()) return {};
  const std::vector<ir::NodeId>& readers = ir::value_at(graph, weight).consumers;
  NodeSettings settings = rules[readers.front()];
  int bits = 0;
  for (const ir::NodeId reader : readers) {
    const NodeSettings& rule = rules[reader];
    const bool lut = rule.weights_quantization_method && config::is_lut(*rule.weights_quantization_method);
    bits = std::max(bits, rule.weights_n_bits.value_or(lut ? kLutBits : target.weights.bits));
  }
  settings.weights_n_bits = bits;
  return settings;
}

// One threshold for every channel, as a rule gives it.
plan::Candidate threshold_by_hand(const ir::Tensor& weight, int axis, double threshold,
                                  const Options& options) {
  if (options.quantizer == Quantizer::kPowerOfTwo) threshold = power_of_two_above(threshold);
  plan::Candidate candidate;
  candidate.params =
      options.quantizer == Quantizer::kUniform
          ? quant::asymmetric_params(-threshold, threshold, options.bits, options.signed_integers)
          : quant::symmetric_params(threshold, options.bits, true, options.narrow_range);
  candidate.params.axis = axis;
  const auto channels = static_cast<size_t>(axis < 0 ? 1 : quant::channel_layout(weight.dims, axis).channels);
  candidate.params.scales.resize(channels, candidate.params.scales[0]);
  candidate.params.zero_points.resize(channels, candidate.params.zero_points[0]);
  candidate.note = "range set by a rule";
  const std::span<const float> values = weight.as<float>();
  const std::vector<float> rounded = quant::dequantize(quant::quantize(values, weight.dims, candidate.params),
                                                       weight.dims, candidate.params);
  for (size_t i = 0; i < values.size(); ++i)
    candidate.error += std::pow(static_cast<double>(values[i]) - static_cast<double>(rounded[i]), 2) /
                       static_cast<double>(values.size());
  return candidate;
}

// A scale for each block of a channel. Channels whose elements lie scattered in more than one dimension
// (ConvTranspose) have none.
std::optional<plan::Candidate> block_candidate(const ir::Tensor& weight, int axis, int64_t size,
                                               const Options& options, int threads) {
  if (axis < 0) return std::nullopt;
  const quant::ChannelLayout layout = quant::channel_layout(weight.dims, axis);
  if (layout.outer > 1 && layout.inner > 1) return std::nullopt;
  const int64_t length = layout.outer * layout.inner;
  const std::span<const float> values = weight.as<float>();
  std::vector<float> rows(values.size());
  for (int64_t c = 0; c < layout.channels; ++c)
    for (int64_t k = 0; k < length; ++k)
      rows[c * length + k] = values[layout.outer > 1 ? k * layout.channels + c : c * length + k];
  const BlockOptions blocks{options.bits, size, options.quantizer != Quantizer::kUniform, searched(options)};
  const Blocks found = in_blocks(rows, layout.channels, length, blocks, threads);
  plan::Candidate candidate;
  candidate.params.bits = options.bits;
  candidate.params.is_signed = blocks.symmetric;
  candidate.params.axis = axis;
  candidate.params.scales = found.scales;
  candidate.params.zero_points = found.zero_points;
  candidate.params.block_size = size;
  candidate.error = found.error / static_cast<double>(std::max<size_t>(1, values.size()));
  candidate.note = format("blocks of {}", size);
  return candidate;
}

// Does an integer kernel read one of them where the target wants a zero point of half way?
bool read_centred(const ir::Graph& graph, const plan::QuantPlan& plan,
                  const std::vector<ir::ValueId>& members, const target::TargetSpec& target) {
  const auto by = [&](ir::ValueId v, ir::NodeId reader) {
    const ir::Node& node = ir::node_at(graph, reader);
    if (plan.nodes[reader].compute != plan::Compute::kInteger) return false;
    const std::vector<int>& slots = target::rule_for(target, ir::rule_name(graph, node)).centred_inputs;
    return std::any_of(slots.begin(), slots.end(), [&](int slot) {
      return static_cast<size_t>(slot) < node.inputs.size() && node.inputs[slot] == v;
    });
  };
  return std::any_of(members.begin(), members.end(), [&](ir::ValueId v) {
    const std::vector<ir::NodeId>& readers = ir::value_at(graph, v).consumers;
    return std::any_of(readers.begin(), readers.end(), [&](ir::NodeId reader) { return by(v, reader); });
  });
}

}  // namespace

plan::Candidates activation_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                       const plan::StatsTable& stats, const target::TargetSpec& target,
                                       const config::QuantizationConfig& config,
                                       std::span<const config::NodeSettings> rules, bool more) {
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized) groups[plan.values[v].scale_group].push_back(static_cast<ir::ValueId>(v));
  plan::Candidates candidates;
  for (const auto& [group, members] : groups) {
    const NodeSettings settings = asked_for_group(graph, plan, members, rules);
    candidates[group] =
        search_group(graph, members, stats, target, activation_options(target, config, settings), settings,
                     read_centred(graph, plan, members, target), more);
  }
  return candidates;
}

plan::Candidate weight_candidate(const ir::Tensor& weight, int axis, const target::TargetSpec& target,
                                 const config::QuantizationConfig& config, const NodeSettings& settings,
                                 int threads) {
  Options options = options_for(
      target.weights, settings.weights_error_method.value_or(config.weights_error_method), config, settings);
  if (settings.weights_quantization_method)
    options.quantizer = quantizer_of(*settings.weights_quantization_method);
  const bool in_blocks = settings.weights_block_size.value_or(0) > 0;
  const auto width = target.weight_widths.find(settings.weights_n_bits.value_or(target.weights.bits));
  const bool lut = settings.weights_quantization_method
                       ? config::is_lut(*settings.weights_quantization_method)
                       : width != target.weight_widths.end() && width->second && !in_blocks;
  options.bits = settings.weights_n_bits.value_or(lut ? kLutBits : target.weights.bits);
  if (!settings.weights_per_channel_threshold.value_or(target.weights.per_channel)) axis = -1;
  if (lut) {
    const LutOptions book{options.bits,
                          options.quantizer == Quantizer::kPowerOfTwo,
                          target.weights.narrow_range,
                          settings.lut_per_channel.value_or(false),
                          options.min_threshold,
                          settings.weights_threshold,
                          target.activations.bits <= 8};
    const Chosen chosen = search_lut(weight.as<float>(), weight.dims, axis, book);
    return {chosen.params, chosen.error, bytes_of(weight, chosen.params), "codebook"};
  }
  options.narrow_range =
      options.quantizer == Quantizer::kSymmetric && narrow_at(target.weights, options.bits);
  if (settings.weights_threshold) {
    const plan::Candidate by_hand = threshold_by_hand(weight, axis, *settings.weights_threshold, options);
    return {by_hand.params, by_hand.error, bytes_of(weight, by_hand.params), by_hand.note};
  }
  if (const int block = settings.weights_block_size.value_or(0); block > 0)
    if (auto found = block_candidate(weight, axis, block, options, threads)) {
      found->bytes = bytes_of(weight, found->params);
      return *found;
    }
  const Chosen chosen = search(weight.as<float>(), weight.dims, axis, options, threads);
  return {chosen.params, chosen.error, bytes_of(weight, chosen.params), {}};
}

plan::Candidates weight_candidates(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const target::TargetSpec& target, const config::QuantizationConfig& config,
                                   std::span<const config::NodeSettings> rules, int threads) {
  plan::Candidates candidates;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const Compute compute = plan.nodes[id].compute;
    if (compute == Compute::kFloat) continue;
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (traits) {
      const ir::ValueId value = node.inputs[traits->weight_slot];
      if (candidates.count(value)) continue;
      const ir::Tensor& weight = *ir::value_at(graph, value).constant;
      const int axis = target::rule_for(target, ir::rule_name(graph, node), node.domain).per_channel
                           ? ir::output_channel_axis(graph, node)
                           : -1;
      candidates[value] = {weight_candidate(weight, axis, target, config,
                                            asked_for_weight(graph, value, target, rules), threads)};
      continue;
    }
    if (compute != Compute::kInteger || plan.nodes[id].bias) continue;
    const target::OpRule& rule = target::rule_for(target, ir::rule_name(graph, node), node.domain);
    if (rule.kind == target::OpKind::kActivation) continue;
    for (const size_t slot : target::data_slots(rule, node.inputs.size())) {
      const ir::Tensor* operand = ir::constant_input(graph, node, slot);
      if (!operand || operand->dtype != ir::DType::kFloat || operand->size() == 0) continue;
      const quant::QuantParams params =
          quant::operand_params(operand->as<float>(), target.activations.bits, target.activations.is_signed,
                                target.activations.symmetric);
      candidates[node.inputs[slot]] = {{params, 0, bytes_of(*operand, params), "constant operand"}};
    }
  }
  return candidates;
}

}  // namespace qc::threshold
