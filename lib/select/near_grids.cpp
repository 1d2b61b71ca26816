// See near_grids.h. From the last Concat on, group by group; the growth of a step is that since the
// beginning.
#include "select/near_grids.h"

#include <algorithm>
#include <set>

#include "ir/ops.h"
#include "quant/quant_params.h"

namespace qc::select {
namespace {

struct Grids {
  plan::QuantPlan& plan;
  std::vector<ir::ValueId> group;  // by ValueId; kNone: not rounded
  std::vector<float> steps;        // by ValueId: as they were
  std::set<ir::ValueId> fixed;     // groups

  std::vector<ir::ValueId> members(ir::ValueId a, ir::ValueId b) const {
    std::vector<ir::ValueId> found;
    for (size_t v = 0; v < group.size(); ++v)
      if (group[v] != ir::kNone && (group[v] == a || group[v] == b))
        found.push_back(static_cast<ir::ValueId>(v));
    return found;
  }
};

Grids gather(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target) {
  Grids grids{plan,
              std::vector<ir::ValueId>(plan.values.size(), ir::kNone),
              std::vector<float>(plan.values.size()),
              {}};
  for (size_t v = 0; v < plan.values.size(); ++v) {
    const plan::ValueDecision& d = plan.values[v];
    if (!d.quantized || d.params.scales.size() != 1) continue;
    grids.group[v] = d.scale_group == ir::kNone ? static_cast<ir::ValueId>(v) : d.scale_group;
    grids.steps[v] = d.params.scales[0];
    const ir::NodeId maker = graph.values[v].producer;
    if (maker == ir::kNone || target.known_ranges.contains(ir::node_at(graph, maker).op_type))
      grids.fixed.insert(grids.group[v]);
  }
  return grids;
}

void share(Grids& grids, const ir::Graph& graph, const target::TargetSpec& target, ir::ValueId in,
           ir::ValueId out) {
  const ir::ValueId from = grids.group[in], to = grids.group[out];
  if (from == ir::kNone || to == ir::kNone || from == to || grids.fixed.contains(from) ||
      grids.fixed.contains(to))
    return;
  const quant::QuantParams &a = grids.plan.values[in].params, &b = grids.plan.values[out].params;
  if (a.bits != b.bits || a.is_signed != b.is_signed) return;
  const quant::QuantParams both =
      a == b
          ? a
          : quant::asymmetric_params(std::min(quant::range_min(a), quant::range_min(b)),
                                     std::max(quant::range_max(a), quant::range_max(b)), a.bits, a.is_signed);
  const std::vector<ir::ValueId> members = grids.members(from, to);
  const bool fits = std::all_of(members.begin(), members.end(), [&](ir::ValueId v) {
    const plan::ValueDecision& d = grids.plan.values[v];
    return both.scales[0] <= kNearGrids * grids.steps[v] &&
           keeps_bounds(graph, target, ir::value_at(graph, v), d.params, both);
  });
  if (!fits) return;
  for (const ir::ValueId v : members) {
    grids.plan.values[v].params = both;
    grids.group[v] = to;
  }
}

}  // namespace

bool keeps_bounds(const ir::Graph& graph, const target::TargetSpec& target, const ir::Value& value,
                  const quant::QuantParams& before, const quant::QuantParams& after) {
  const ir::Node& producer = ir::node_at(graph, value.producer);
  if (target::rule_for(target, ir::rule_name(graph, producer), producer.domain).kind !=
      target::OpKind::kActivation)
    return true;
  const bool below = quant::range_min(after) >= quant::range_min(before),
             above = quant::range_max(after) <= quant::range_max(before);
  return below && (above || ir::standard_op(producer, "Relu"));
}

void share_near_grids(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target) {
  if (target.activations.symmetric || target.activations.grid() != target::Grid::kUniform) return;
  Grids grids = gather(plan, graph, target);
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const ir::Node& node = ir::node_at(graph, *id);
    if (plan.nodes[*id].compute != plan::Compute::kInteger ||
        !target::rule_for(target, ir::rule_name(graph, node), node.domain).copies_equal)
      continue;
    for (const ir::ValueId v : node.inputs)
      if (v != ir::kNone && !ir::value_at(graph, v).constant) share(grids, graph, target, v, node.outputs[0]);
  }
}

}  // namespace qc::select
