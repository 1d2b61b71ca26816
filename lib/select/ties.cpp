// See ties.h. From the outputs backwards: a value is first an input whose scale may move, then, once its
// readers have what they need, the output that others move to.
#include "select/ties.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <span>

#include "quant/operand_params.h"
#include "select/near_grids.h"

namespace qc::select {
namespace {

constexpr double kParts = 1023;          // odd; 1/2046 is twice what XNNPACK's multipliers err over 255 steps
constexpr double kLeast = 64;            // so that no scale moves by more than kMostMove ...
constexpr double kMostMove = 1.0 / 128;  // ... as none does that a power of two is near enough to

// Products and LeakyRelus: how far two runtimes' results may lie apart, relative to the result. Floats
// multiplied in different orders; XNNPACK's sum with a multiplier of 20 bits (tflite/lower_activations.cpp).
constexpr double kFloatError = 0x1p-22, kSumError = 0x1p-20;
constexpr int kTries = 48;          // a third of all scales will do for a product
constexpr double kNudge = 0x1p-14;  // a try away from the last
constexpr int kMostSteps = 256;     // results further out are limited

// The range lies inside what the value's Clip lets through by itself.
bool within_clip(const ir::Graph& graph, const ir::Value& value, const quant::QuantParams& params) {
  const ir::Node& node = ir::node_at(graph, value.producer);
  const ir::Tensor *low = ir::constant_input(graph, node, 1), *high = ir::constant_input(graph, node, 2);
  return ir::standard_op(node, "Clip") && low && high && low->size() == 1 && high->size() == 1 &&
         low->dtype == ir::DType::kFloat && quant::range_min(params) >= low->as<float>()[0] &&
         quant::range_max(params) <= high->as<float>()[0];
}

struct Scales {
  plan::QuantPlan& plan;
  std::vector<ir::ValueId> group;  // by ValueId: one name for all that must stay equal
  std::set<ir::ValueId> fixed;     // groups

  const plan::ValueDecision& decision(ir::ValueId v) const { return plan.values[v]; }
  float scale(ir::ValueId v) const { return decision(v).params.scales[0]; }
  ir::ValueId group_of(ir::ValueId v) const { return group[v]; }
  void join(ir::ValueId a, ir::ValueId b) {
    const ir::ValueId from = group_of(a), to = group_of(b);
    std::replace(group.begin(), group.end(), from, to);
  }
  /// Whether a Relu or Clip in the group still limits what it should.
  bool may_be(ir::ValueId v, float scale, const ir::Graph& graph, const target::TargetSpec& target) const {
    for (size_t other = 0; other < group.size(); ++other) {
      if (group[other] != group_of(v) || !plan.values[other].quantized ||
          graph.values[other].producer == ir::kNone)
        continue;
      const quant::QuantParams& before = plan.values[other].params;
      quant::QuantParams after = before;
      after.scales = {scale};
      const ir::Value& value = graph.values[other];
      if (!keeps_bounds(graph, target, value, before, after) && !within_clip(graph, value, after))
        return false;
    }
    return true;
  }
  void set(ir::ValueId v, float scale) {
    for (size_t other = 0; other < group.size(); ++other)
      if (group[other] == group_of(v) && plan.values[other].quantized)
        plan.values[other].params.scales = {scale};
  }
};

bool rounded_to_8_bits(const Scales& scales, const ir::Graph& graph, ir::ValueId v) {
  if (v == ir::kNone || ir::value_at(graph, v).constant) return false;
  const plan::ValueDecision& d = scales.decision(v);
  return d.quantized && d.params.bits == 8 && d.params.scales.size() == 1;
}

Scales gather(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
              const std::vector<ir::NodeId>& order) {
  Scales scales{plan, std::vector<ir::ValueId>(plan.values.size()), {}};
  std::iota(scales.group.begin(), scales.group.end(), 0);
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized && plan.values[v].scale_group != ir::kNone)
      scales.group[v] = plan.values[v].scale_group;
  for (const ir::NodeId id : order) {
    const ir::Node& node = ir::node_at(graph, id);
    if (ir::standard_op(node, "Concat"))  // what is rounded on its grid already stays there
      for (const ir::ValueId v : node.inputs)
        if (scales.decision(v).quantized && scales.decision(node.outputs[0]).quantized &&
            scales.decision(v).params.scales == scales.decision(node.outputs[0]).params.scales)
          scales.join(v, node.outputs[0]);
  }
  for (const ir::NodeId id : order) {
    const ir::Node& node = ir::node_at(graph, id);
    if (target.known_ranges.contains(node.op_type))
      for (const ir::ValueId v : node.outputs) scales.fixed.insert(scales.group_of(v));
  }
  return scales;
}

// Every absolute product of two differences of 8-bit integers, ascending.
const std::vector<int>& products() {
  static const std::vector<int> all = [] {
    std::set<int> found;
    for (int a = 1; a < kMostSteps; ++a)
      for (int b = a; b < kMostSteps; ++b) found.insert(a * b);
    return std::vector<int>(found.begin(), found.end());
  }();
  return all;
}

// Whether an integer times `ratio` lies within `error` of itself, relative, of half a step.
bool meets_tie(std::span<const int> integers, double ratio, double error) {
  for (const int integer : integers) {
    const double result = integer * ratio;
    if (result > kMostSteps) return false;
    if (std::fabs(result - std::floor(result) - 0.5) <= error * result) return true;
  }
  return false;
}

// What the node rounds, with the scales as they stand.
bool has_tie(const Scales& scales, const ir::Graph& graph, const ir::Node& node, ir::ValueId out,
             const target::TargetSpec& target) {
  const auto step = [&](ir::ValueId v) {
    const std::optional<ir::Tensor>& constant = ir::value_at(graph, v).constant;
    if (!constant) return static_cast<double>(scales.scale(v));
    return static_cast<double>(quant::operand_params(constant->as<float>(), target.activations.bits,
                                                     target.activations.is_signed,
                                                     target.activations.symmetric)
                                   .scales[0]);
  };
  const double to = scales.scale(out);
  if (node.op_type == "Mul")
    return meets_tie(products(), step(node.inputs[0]) * step(node.inputs[1]) / to, kFloatError);
  const std::span<const int> integers(products().data(), kMostSteps - 1);  // the first are 1, 2, 3, ...
  const double alpha = std::fabs(ir::float_attribute(node, "alpha", 0.01f)),
               ratio = step(node.inputs[0]) / to;
  return meets_tie(integers, ratio, kSumError) ||
         (alpha > 0 && meets_tie(integers, alpha * ratio, kSumError / std::min(alpha, 1.0)));
}

// The first scale from here on, up or down, with which the node meets no tie; else as it was.
void nudge(Scales& scales, ir::ValueId v, const ir::Graph& graph, const target::TargetSpec& target,
           const std::function<bool()>& met) {
  const float start = scales.scale(v);
  for (int k = 0; k < kTries; ++k) {
    const int steps = k % 2 ? (k + 1) / 2 : -k / 2;
    const auto scale = static_cast<float>(static_cast<double>(start) * (1 + steps * kNudge));
    if (!scales.may_be(v, scale, graph, target)) continue;
    const float now = scales.scale(v);
    scales.set(v, scale);
    if (!met()) return;
    scales.set(v, now);
  }
}

void avoid_ties_of_products(Scales& scales, const ir::Graph& graph, const target::TargetSpec& target,
                            const std::vector<ir::NodeId>& order) {
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const ir::Node& node = ir::node_at(graph, *id);
    if (scales.plan.nodes[*id].compute != plan::Compute::kInteger ||
        !ir::is_one_of(node, {"Mul", "LeakyRelu"}))
      continue;
    const ir::ValueId out = plan::rounded_result(scales.plan, graph, node.outputs[0]);
    const auto takes_part = [&](ir::ValueId v) {
      const std::optional<ir::Tensor>& constant = ir::value_at(graph, v).constant;
      return constant ? constant->dtype == ir::DType::kFloat && constant->size() > 0
                      : rounded_to_8_bits(scales, graph, v);
    };
    if (!rounded_to_8_bits(scales, graph, out) ||
        !std::all_of(node.inputs.begin(), node.inputs.end(), takes_part))
      continue;
    const auto met = [&] { return has_tie(scales, graph, node, out, target); };
    std::vector<ir::ValueId> movable = node.inputs;
    movable.push_back(out);
    for (const ir::ValueId v : movable)
      if (rounded_to_8_bits(scales, graph, v) && !scales.fixed.contains(scales.group_of(v)) && met())
        nudge(scales, v, graph, target, met);
    for (const ir::ValueId v : movable)
      if (rounded_to_8_bits(scales, graph, v)) scales.fixed.insert(scales.group_of(v));
  }
}

bool has_free_scales(const target::TargetSpec& target) {
  return target.activations.grid() == target::Grid::kUniform &&
         std::none_of(target.ops.begin(), target.ops.end(),
                      [](const auto& rule) { return rule.second.result.has_value(); });
}

// Gives `v` the scale next to its own with which no sum on the grid of `out` is half a step.
void move_to_parts(Scales& scales, ir::ValueId v, ir::ValueId out, const ir::Graph& graph,
                   const target::TargetSpec& target) {
  const double exact = static_cast<double>(scales.scale(v)) / scales.scale(out) * kParts;
  for (const double parts : {std::round(exact), std::floor(exact)}) {
    const auto scale = static_cast<float>(parts / kParts * scales.scale(out));
    if (parts < kLeast && std::fabs(parts - exact) > kMostMove * exact) continue;
    if (!scales.may_be(v, scale, graph, target)) continue;
    return scales.set(v, scale);
  }
}

}  // namespace

void avoid_ties(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target, bool near) {
  const bool free = has_free_scales(target);
  if (!free && !near) return;  // a scale that has to be a power of two cannot move
  if (free) share_near_grids(plan, graph, target);
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  Scales scales = gather(plan, graph, target, order);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const ir::Node& node = ir::node_at(graph, *id);
    if (!ir::standard_op(node, "Add") || node.inputs.size() != 2 ||
        plan.nodes[*id].compute != plan::Compute::kInteger)
      continue;
    const ir::ValueId out = plan::rounded_result(scales.plan, graph, node.outputs[0]);
    if (!rounded_to_8_bits(scales, graph, out)) continue;
    scales.fixed.insert(scales.group_of(out));
    for (const ir::ValueId v : node.inputs)
      if (rounded_to_8_bits(scales, graph, v) && scales.fixed.insert(scales.group_of(v)).second)
        move_to_parts(scales, v, out, graph, target);
  }
  if (free) avoid_ties_of_products(scales, graph, target, order);
}

}  // namespace qc::select
