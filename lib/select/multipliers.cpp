// See multipliers.h. Weights have no scales yet: none will be larger than what covers the largest of them.
#include "select/multipliers.h"

#include <algorithm>
#include <cmath>

#include "ir/ops.h"
#include "select/near_grids.h"

namespace qc::select {
namespace {

double largest(const ir::Tensor& weight) {
  double most = 0;
  for (const float w : weight.as<float>()) most = std::max(most, std::fabs(static_cast<double>(w)));
  return most;
}

void raise(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target, ir::ValueId v,
           float scale) {
  std::vector<size_t> members;
  const ir::ValueId group = plan.values[v].scale_group;
  for (size_t other = 0; other < plan.values.size(); ++other) {
    const plan::ValueDecision& decision = plan.values[other];
    if (!decision.quantized ||
        (other != static_cast<size_t>(v) && (group == ir::kNone || decision.scale_group != group)))
      continue;
    quant::QuantParams after = decision.params;
    after.scales = {scale};
    const ir::Value& value = graph.values[other];
    if (value.producer != ir::kNone &&
        (target.known_ranges.contains(ir::node_at(graph, value.producer).op_type) ||
         !keeps_bounds(graph, target, value, decision.params, after)))
      return;
    members.push_back(other);
  }
  for (const size_t member : members) plan.values[member].params.scales = {scale};
}

}  // namespace

void bound_multipliers(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
                       double least_threshold) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node& node = graph.nodes[n];
    const ir::WeightTraits* traits = node.erased ? nullptr : ir::weight_traits(graph, node);
    if (!traits || plan.nodes[n].compute != plan::Compute::kInteger) continue;
    const ir::ValueId in = node.inputs[traits->data_slot],
                      out = plan::rounded_result(plan, graph, node.outputs[0]);
    if (out == ir::kNone || in == ir::kNone || !plan.values[in].quantized) continue;
    const quant::QuantParams &x = plan.values[in].params, &y = plan.values[out].params;
    const ir::Tensor* weight = ir::constant_input(graph, node, static_cast<size_t>(traits->weight_slot));
    if (x.scales.size() != 1 || y.scales.size() != 1 || !weight) continue;
    const double unit = static_cast<double>(x.scales[0]) * std::max(largest(*weight), least_threshold) / 127;
    if (unit > kMultiplierAim * static_cast<double>(y.scales[0]))
      raise(plan, graph, target, out, static_cast<float>(unit / kMultiplierAim));
  }
}

}  // namespace qc::select
