// See costs.h.
#include "select/costs.h"

#include <algorithm>

#include "ir/ops.h"

namespace qc::select {
namespace {

// Without a table integers win wherever the target has a kernel.
const target::OpCost& cost_entry(const target::TargetSpec& target, const std::string& key) {
  static const target::OpCost kUntold{{0, 0, 0}, {1, 0, 0}}, kFree;
  if (target.costs.empty()) return key == "QuantizeLinear" || key == "DequantizeLinear" ? kFree : kUntold;
  const auto found = target.costs.find(key);
  if (found != target.costs.end()) return found->second;
  const auto fallback = target.costs.find("*");
  return fallback != target.costs.end() ? fallback->second : kFree;
}

// Depthwise and pointwise convolutions run on kernels of their own.
std::string cost_key(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "Conv")) return node.op_type;
  const ir::Tensor* weight = ir::constant_input(graph, node, 1);
  if (!weight || weight->dims.size() != 4) return node.op_type;
  if (weight->dims[1] == 1 && ir::int_attribute(node, "group", 1) > 1) return "Conv:depthwise";
  return weight->dims[2] == 1 && weight->dims[3] == 1 ? "Conv:pointwise" : node.op_type;
}

int64_t largest_tensor(const ir::Graph& graph, const ir::Node& node) {
  int64_t largest = 0;
  for (const ir::ValueId v : node.outputs) largest = std::max(largest, ir::elements(graph, v));
  for (const ir::ValueId v : node.inputs)
    if (v != ir::kNone && !graph.values[static_cast<size_t>(v)].constant)
      largest = std::max(largest, ir::elements(graph, v));
  return largest;
}

double time_of(const target::LinearCost& cost, int64_t macs, int64_t elements) {
  return cost.node + cost.mac * static_cast<double>(macs) + cost.element * static_cast<double>(elements);
}

}  // namespace

PlacementCosts time_costs(const ir::Graph& sized, const std::vector<Capability>& capabilities,
                          const target::TargetSpec& target) {
  PlacementCosts costs;
  costs.nodes.resize(sized.nodes.size());
  costs.values.resize(sized.values.size());
  for (const ir::NodeId id : ir::topological_order(sized)) {
    const size_t n = static_cast<size_t>(id);
    const ir::Node& node = sized.nodes[n];
    if (capabilities[n].ability != Ability::kInteger) continue;  // followers cost nothing on either side
    const target::OpCost& entry = cost_entry(target, cost_key(sized, node));
    const int64_t macs = ir::macs(sized, node), elements = largest_tensor(sized, node);
    costs.nodes[n] = {time_of(entry.integer, macs, elements), time_of(entry.floating, macs, elements)};
  }
  const target::LinearCost quantize = cost_entry(target, "QuantizeLinear").floating,
                           dequantize = cost_entry(target, "DequantizeLinear").floating;
  for (size_t v = 0; v < sized.values.size(); ++v) {
    const ir::Value& value = sized.values[v];
    if (value.constant || value.dtype != ir::DType::kFloat) continue;
    const int64_t elements = ir::elements(sized, static_cast<ir::ValueId>(v));
    costs.values[v] = {time_of(quantize, 0, elements), time_of(dequantize, 0, elements)};
    // An integer kernel that can hand out floats needs no conversion behind it.
    if (value.producer != ir::kNone &&
        target::rule_for(target, sized.nodes[static_cast<size_t>(value.producer)].op_type).float_output)
      costs.values[v].dequantize = 0;
  }
  return costs;
}

}  // namespace qc::select
