// See ties.h. From the outputs backwards: a value is first an input whose scale may move, then, once its
// readers have what they need, the output that others move to.
#include "select/ties.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace qc::select {
namespace {

constexpr double kParts = 1023;  // odd; 1/2046 is twice what XNNPACK's multipliers err over 255 steps
constexpr double kLeast = 64;    // so that no scale moves by more than 1/128

struct Scales {
  plan::QuantPlan& plan;
  std::vector<ir::ValueId> group;  // by ValueId: one name for all that must stay equal
  std::set<ir::ValueId> fixed;     // groups

  const plan::ValueDecision& decision(ir::ValueId v) const { return plan.values[static_cast<size_t>(v)]; }
  float scale(ir::ValueId v) const { return decision(v).params.scales[0]; }
  ir::ValueId group_of(ir::ValueId v) const { return group[static_cast<size_t>(v)]; }
  void join(ir::ValueId a, ir::ValueId b) {
    const ir::ValueId from = group_of(a), to = group_of(b);
    std::replace(group.begin(), group.end(), from, to);
  }
  void set(ir::ValueId v, float scale) {
    for (size_t other = 0; other < group.size(); ++other)
      if (group[other] == group_of(v) && plan.values[other].quantized)
        plan.values[other].params.scales = {scale};
  }
};

bool rounded_to_8_bits(const Scales& scales, const ir::Graph& graph, ir::ValueId v) {
  if (v == ir::kNone || graph.values[static_cast<size_t>(v)].constant) return false;
  const plan::ValueDecision& d = scales.decision(v);
  return d.quantized && d.params.bits == 8 && d.params.scales.size() == 1;
}

// The value in which a node's result is rounded: behind a Relu or Clip that it swallows.
ir::ValueId result_of(const Scales& scales, const ir::Graph& graph, ir::ValueId v) {
  const std::vector<ir::NodeId>& readers = graph.values[static_cast<size_t>(v)].consumers;
  if (scales.decision(v).quantized || readers.size() != 1) return v;
  const ir::Node& reader = graph.nodes[static_cast<size_t>(readers[0])];
  const bool limits = ir::standard_op(reader, "Relu") || ir::standard_op(reader, "Clip");
  return limits ? reader.outputs[0] : v;
}

Scales gather(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
              const std::vector<ir::NodeId>& order) {
  Scales scales{plan, std::vector<ir::ValueId>(plan.values.size()), {}};
  std::iota(scales.group.begin(), scales.group.end(), 0);
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized && plan.values[v].scale_group != ir::kNone)
      scales.group[v] = plan.values[v].scale_group;
  for (const ir::NodeId id : order) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    if (ir::standard_op(node, "Concat"))  // what is rounded on its grid already stays there
      for (const ir::ValueId v : node.inputs)
        if (scales.decision(v).quantized && scales.decision(node.outputs[0]).quantized &&
            scales.decision(v).params.scales == scales.decision(node.outputs[0]).params.scales)
          scales.join(v, node.outputs[0]);
  }
  for (const ir::NodeId id : order) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    if (target.known_ranges.contains(node.op_type))
      for (const ir::ValueId v : node.outputs) scales.fixed.insert(scales.group_of(v));
  }
  return scales;
}

}  // namespace

void avoid_ties(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target) {
  const bool free = target.activations.grid() == target::Grid::kUniform &&
                    std::none_of(target.ops.begin(), target.ops.end(),
                                 [](const auto& rule) { return rule.second.result.has_value(); });
  if (!free) return;  // a scale that has to be a power of two cannot move
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  Scales scales = gather(plan, graph, target, order);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(*id)];
    if (!ir::standard_op(node, "Add") || node.inputs.size() != 2 ||
        plan.nodes[static_cast<size_t>(*id)].compute != plan::Compute::kInteger)
      continue;
    const ir::ValueId out = result_of(scales, graph, node.outputs[0]);
    if (!rounded_to_8_bits(scales, graph, out)) continue;
    scales.fixed.insert(scales.group_of(out));
    for (const ir::ValueId v : node.inputs) {
      if (!rounded_to_8_bits(scales, graph, v) || !scales.fixed.insert(scales.group_of(v)).second) continue;
      const double parts = std::round(static_cast<double>(scales.scale(v)) / scales.scale(out) * kParts);
      if (parts >= kLeast) scales.set(v, static_cast<float>(parts / kParts * scales.scale(out)));
    }
  }
}

}  // namespace qc::select
