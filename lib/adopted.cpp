// See adopted.h.
#include "adopted.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "ir/edit.h"
#include "ir/ops.h"
#include "spell/store_tables.h"

namespace qc {
namespace {

using quant::QuantParams;

// The same grid in the target's type; nothing where its kernels have no such grid.
std::optional<QuantParams> in_target(QuantParams params, const target::TargetSpec& target) {
  if (params.per_channel() || params.bits > target.activations.bits) return std::nullopt;
  if (params.is_signed != target.activations.is_signed) {
    const int32_t half = 1 << (params.bits - 1);
    for (int32_t& zero : params.zero_points) zero += params.is_signed ? half : -half;
    params.is_signed = target.activations.is_signed;
  }
  params.narrow_range = false;
  if (target.activations.symmetric && params.zero_points[0] != 0) return std::nullopt;
  return params;
}

double bound(const ir::Graph& graph, const ir::Node& node, size_t slot, double fallback) {
  if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) return fallback;
  return ir::scalar_constant(graph, node.inputs[slot]).value_or(fallback);
}

// A Relu or Clip behind a value of the file: the range that it leaves.
std::optional<QuantParams> behind_activation(const ir::Graph& graph, ir::ValueId v,
                                             const adopt::FileGrids& found,
                                             const target::TargetSpec& target) {
  const ir::NodeId maker = ir::value_at(graph, v).producer;
  if (maker == ir::kNone) return std::nullopt;
  const ir::Node& node = ir::node_at(graph, maker);
  const bool relu = ir::standard_op(node, "Relu");
  if (!relu && !ir::standard_op(node, "Clip")) return std::nullopt;
  const auto before = found.activations.find(ir::value_at(graph, node.inputs[0]).name);
  if (before == found.activations.end() || before->second.per_channel()) return std::nullopt;
  if (before->second.bits > target.activations.bits) return std::nullopt;  // what the file has is finer
  const double low = relu ? 0 : bound(graph, node, 1, -INFINITY),
               high = relu ? INFINITY : bound(graph, node, 2, INFINITY);
  return in_target(
      quant::asymmetric_params(std::max(low, static_cast<double>(quant::range_min(before->second))),
                               std::min(high, static_cast<double>(quant::range_max(before->second))),
                               target.activations.bits, target.activations.is_signed),
      target);
}

// By value: no negative number comes out of a Relu or Clip, nor of what only passes such numbers on in the
// same scale group.
std::vector<bool> never_negative(const ir::Graph& graph, const plan::QuantPlan& plan) {
  std::vector<bool> never(graph.values.size());
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const bool bounded = ir::standard_op(node, "Relu") ||
                         (ir::standard_op(node, "Clip") && bound(graph, node, 1, -INFINITY) >= 0);
    for (const ir::ValueId out : node.outputs) {
      if (out == ir::kNone) continue;
      const auto passes = [&](ir::ValueId in) {
        return in == ir::kNone || ir::value_at(graph, in).dtype != ir::DType::kFloat ||
               (never[in] && plan.values[in].scale_group == plan.values[out].scale_group);
      };
      // A Cast makes floats of anything.
      const bool from_floats = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId in) {
        return in != ir::kNone && ir::value_at(graph, in).dtype == ir::DType::kFloat;
      });
      never[out] = bounded || (from_floats && std::all_of(node.inputs.begin(), node.inputs.end(), passes));
    }
  }
  return never;
}

// Half of a grid around zero is no use behind a Relu, and keeps the runtime from leaving it to the layer
// before. The finest grid from zero on that has every number of the file's and ends no sooner.
QuantParams from_zero_on(QuantParams params) {
  const int64_t above = params.qmax() - params.zero_points[0];
  if (above <= 0 || quant::range_min(params) >= 0) return params;
  const int64_t finer = (params.qmax() - params.qmin()) / above;
  params.scales[0] /= static_cast<float>(finer);
  params.zero_points[0] = static_cast<int32_t>(params.qmin());
  return params;
}

// What an op like Sigmoid makes, whatever it reads.
std::optional<QuantParams> by_op(const ir::Graph& graph, ir::ValueId v, const target::TargetSpec& target) {
  const ir::NodeId maker = ir::value_at(graph, v).producer;
  const auto range = maker == ir::kNone ? target.known_ranges.end()
                                        : target.known_ranges.find(ir::node_at(graph, maker).op_type);
  if (range == target.known_ranges.end()) return std::nullopt;
  const auto [low, high] = range->second;
  return target.activations.symmetric
             ? quant::symmetric_params(std::max(-low, high), target.activations.bits, true, false)
             : quant::asymmetric_params(low, high, target.activations.bits, target.activations.is_signed);
}

// The members of a scale group have one grid, and where a file has several for them, the narrower cuts off
// what others read.
bool is_wider(const QuantParams& a, const QuantParams& b) {
  return quant::range_max(a) - quant::range_min(a) > quant::range_max(b) - quant::range_min(b);
}

bool on_grid(const ir::Tensor& weight, const QuantParams& params) {
  const std::span<const float> floats = weight.as<float>();
  const std::vector<float> again =
      quant::dequantize(quant::quantize(floats, weight.dims, params), weight.dims, params);
  return std::equal(again.begin(), again.end(), floats.begin());
}

size_t scales_along(const ir::Tensor& weight, int axis) {
  return axis < 0 ? 1 : static_cast<size_t>(weight.dims[axis]);
}

// The step of one channel whose numbers are whole multiples of it, as they are after a BatchNorm has scaled a
// row of integers; 0: there is none of up to 127 steps to the largest number.
float step_of(const std::vector<float>& row) {
  constexpr float kNear = 3e-4f;  // steps; two roundings to float32 leave 127 * 2^-23
  float largest = 0;
  for (const float x : row) largest = std::max(largest, std::fabs(x));
  if (largest == 0) return 1;
  for (int steps = 127; steps > 0; --steps) {
    const float step = largest / static_cast<float>(steps);
    if (std::all_of(row.begin(), row.end(), [&](float x) {
          const float in_steps = x / step;
          return std::fabs(in_steps - std::nearbyint(in_steps)) < kNear;
        }))
      return step;
  }
  return 0;
}

// A grid for each channel, read off the numbers themselves.
std::optional<QuantParams> grid_by_steps(const ir::Tensor& weight, int axis) {
  if (axis < 0) return std::nullopt;
  const quant::ChannelLayout layout = quant::channel_layout(weight.dims, axis);
  const std::span<const float> all = weight.as<float>();
  const auto inner = static_cast<size_t>(layout.inner), channels = static_cast<size_t>(layout.channels);
  if (inner * static_cast<size_t>(layout.outer) < 8)
    return std::nullopt;  // few numbers lie on some grid always
  QuantParams params{8, true, true, axis, {}, std::vector<int32_t>(channels, 0)};
  for (size_t c = 0; c < channels; ++c) {
    std::vector<float> row;
    for (size_t o = 0; o < static_cast<size_t>(layout.outer); ++o)
      for (size_t k = 0; k < inner; ++k) row.push_back(all[(o * channels + c) * inner + k]);
    params.scales.push_back(step_of(row));
    if (params.scales.back() == 0) return std::nullopt;
  }
  return params;
}

// By name first; a weight that was turned, renamed or scaled on the way is found by its numbers.
std::optional<QuantParams> grid_of(const ir::Value& value, int axis, const adopt::FileGrids& found,
                                   bool zero_points) {
  const ir::Tensor& weight = *value.constant;
  const auto fits = [&](QuantParams params) -> std::optional<QuantParams> {
    if (params.bits > 8 || (!zero_points && params.zero_points[0] != 0)) return std::nullopt;
    if (params.per_channel()) {
      if (axis < 0 || params.scales.size() != scales_along(weight, axis)) return std::nullopt;
      params.axis = axis;
    }
    const bool one_zero = std::all_of(params.zero_points.begin(), params.zero_points.end(),
                                      [&](int32_t z) { return z == params.zero_points[0]; });
    return one_zero && on_grid(weight, params) ? std::optional(params) : std::nullopt;
  };
  if (const auto named = found.weights.find(value.name); named != found.weights.end())
    if (auto params = fits(named->second)) return params;
  for (const auto& [name, params] : found.weights)
    if (auto fitting = fits(params)) return fitting;
  return grid_by_steps(weight, axis);
}

}  // namespace

plan::Candidates found_activations(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const adopt::FileGrids& found, const target::TargetSpec& target) {
  plan::Candidates known;
  const std::vector<bool> never = never_negative(graph, plan);
  std::map<ir::ValueId, bool> group_never;  // by scale group: of all its members
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized) {
      const auto at = group_never.emplace(plan.values[v].scale_group, true).first;
      at->second = at->second && never[v];
    }
  for (const bool own : {true, false})  // what the file says of a member goes before what follows from others
    for (size_t v = 0; v < plan.values.size(); ++v) {
      const plan::ValueDecision& decision = plan.values[v];
      const auto before = known.find(decision.scale_group);
      if (!decision.quantized || (before != known.end() && !own)) continue;
      const auto id = static_cast<ir::ValueId>(v);
      const auto said = found.activations.find(graph.values[v].name);
      std::optional<QuantParams> params;
      if (own && said != found.activations.end()) params = in_target(said->second, target);
      if (own && params && !target.activations.symmetric && group_never.at(decision.scale_group))
        params = from_zero_on(*params);
      if (!own) params = behind_activation(graph, id, found, target);
      if (!own && !params) params = by_op(graph, id, target);
      if (params && (before == known.end() || is_wider(*params, before->second[0].params)))
        known[decision.scale_group] = {
            {*params, 0, 0, own ? "as the file has it" : "follows from the grid before it or from the op"}};
    }
  return known;
}

std::vector<ir::ValueId> unknown_values(const plan::QuantPlan& plan, const plan::Candidates& known) {
  std::vector<ir::ValueId> unknown;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized && !known.contains(plan.values[v].scale_group))
      unknown.push_back(static_cast<ir::ValueId>(v));
  return unknown;
}

void keep_float_around(const ir::Graph& graph, const std::vector<ir::ValueId>& values,
                       const target::TargetSpec& target, std::vector<select::Capability>& capabilities) {
  const auto in_float = [&](ir::NodeId id) {
    return capabilities[id].ability == select::Ability::kFloatOnly;
  };
  const auto keep = [&](ir::NodeId id, ir::ValueId v) {
    if (in_float(id)) return;
    select::Capability& c = capabilities[id];
    c.ability = select::Ability::kFloatOnly;
    c.reason = plan::Reason::kUserKeepFloat;
    c.detail = "the file has no scale for '" + ir::value_at(graph, v).name +
               "', and no images are named to find one";
  };
  // Those whose readers leave for floats now may hand on floats.
  const auto waits = [&](ir::NodeId id, const std::vector<ir::NodeId>& readers) {
    const ir::Node& node = ir::node_at(graph, id);
    return target::rule_for(target, node.op_type, node.domain).float_output &&
           !std::all_of(readers.begin(), readers.end(), in_float);
  };
  std::vector<std::pair<ir::NodeId, ir::ValueId>> makers;
  for (const ir::ValueId v : values) {
    const ir::Value& value = ir::value_at(graph, v);
    if (value.producer != ir::kNone && !waits(value.producer, value.consumers))
      makers.emplace_back(value.producer, v);
  }
  for (const ir::ValueId v : values)
    for (const ir::NodeId reader : ir::value_at(graph, v).consumers) keep(reader, v);
  for (const auto& [maker, v] : makers) keep(maker, v);
  for (const ir::NodeId id : ir::topological_order(graph)) {  // followers go where their producer is
    select::Capability& c = capabilities[id];
    if (c.ability != select::Ability::kFollows) continue;
    const ir::ValueId in = ir::node_at(graph, id).inputs[0];
    if (capabilities[ir::value_at(graph, in).producer].ability == select::Ability::kFloatOnly) keep(id, in);
  }
}

int64_t use_found_weights(const ir::Graph& graph, const adopt::FileGrids& found,
                          const target::TargetSpec& target, bool zero_points, plan::Candidates& weights) {
  int64_t used = 0;
  for (auto& [v, candidates] : weights) {
    if (candidates.empty()) continue;
    int axis = candidates[0].params.axis;
    bool weight = false;
    for (const ir::NodeId reader : ir::value_at(graph, v).consumers)
      if (const ir::WeightTraits* traits = ir::weight_traits(graph, ir::node_at(graph, reader))) {
        axis = ir::output_channel_axis(graph, ir::node_at(graph, reader));
        weight = weight || ir::node_at(graph, reader).inputs[traits->weight_slot] == v;
      }
    auto params = grid_of(ir::value_at(graph, v), axis, found, zero_points || !weight);
    // An operand beside activations is of their type, or no integer kernel takes the two.
    if (params && !weight) params = in_target(*params, target);
    if (!params) continue;
    candidates = {{*params, 0, candidates[0].bytes, "as the file has it"}};
    ++used;
  }
  return used;
}

int64_t store_found_tables(const adopt::FileGrids& found, plan::QuantizedModel& model) {
  int64_t count = 0;
  for (size_t v = 0; v < model.graph.values.size(); ++v) {
    const ir::Value& value = model.graph.values[v];
    const auto id = static_cast<ir::ValueId>(v);
    const auto said = found.weights.find(value.name);
    if (said == found.weights.end() || said->second.bits > 8 || !ir::is_read_float(value) ||
        value.constant->size() < kWorthStoring || ir::is_output(model.graph, id) ||
        model.weights.contains(id) || !on_grid(*value.constant, said->second))
      continue;
    const bool looked_up =
        std::all_of(value.consumers.begin(), value.consumers.end(), [&](ir::NodeId reader) {
          const ir::Node& node = ir::node_at(model.graph, reader);
          return ir::standard_op(node, "Gather") && node.inputs[0] == id;
        });
    if (!looked_up) continue;
    model.weights[id] = {said->second,
                         quant::quantize(value.constant->as<float>(), value.constant->dims, said->second)};
    ++count;
  }
  return count;
}

}  // namespace qc
