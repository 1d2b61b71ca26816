// See quant_plan.h.
#include "plan/quant_plan.h"

#include "base/text.h"

namespace qc::plan {
namespace {

const char* name_of(Compute compute) {
  switch (compute) {
    case Compute::kInteger:
      return "integer";
    case Compute::kFloatIntegerWeights:
      return "float, integer weights";
    case Compute::kFloat:
      return "float";
  }
  return "?";
}

std::string show(const quant::QuantParams& p) {
  std::string text = format("{}{}", p.is_signed ? "int" : "uint", p.bits);
  if (p.scales.empty()) return text;  // an outline: which values are rounded, not yet how
  if (p.per_channel()) return text + format(" per channel (axis {}, {} scales)", p.axis, p.scales.size());
  return text + format(" scale {:.9g} zero_point {}", p.scales.at(0), p.zero_points.at(0));
}

}  // namespace

const char* reason_text(Reason reason) {
  switch (reason) {
    case Reason::kTarget:
      return "integer kernel";
    case Reason::kNoIntegerKernel:
      return "the target has no integer kernel for it";
    case Reason::kOneFloatKernel:
      return "part of a function that runs as one float kernel";
    case Reason::kUserKeepFloat:
      return "kept in float by the config";
    case Reason::kMode:
      return "the mode leaves it in float";
    case Reason::kOfMode:
      return "added by the mode, to round, scale or cast beside other nodes";
    case Reason::kIsland:
      return "between float neighbours, converting would cost more time than integers gain";
    case Reason::kAccuracy:
      return "integers would cost too much accuracy";
    case Reason::kNotFloat:
      return "not a float32 activation";
    case Reason::kNotAtRunTime:
      return "rounding at run time would not pay, or has no kernel";
  }
  return "?";
}

ir::ValueId rounded_result(const QuantPlan& plan, const ir::Graph& graph, ir::ValueId v) {
  if (plan.values[v].quantized) return v;
  const std::vector<ir::NodeId>& readers = ir::value_at(graph, v).consumers;
  if (readers.size() != 1) return ir::kNone;
  const ir::Node& reader = ir::node_at(graph, readers[0]);
  if (plan.nodes[readers[0]].bias) return rounded_result(plan, graph, reader.outputs[0]);
  if (!ir::standard_op(reader, "Relu") && !ir::standard_op(reader, "Clip")) return ir::kNone;
  const ir::ValueId limited = reader.outputs[0];
  return plan.values[limited].quantized ? limited : ir::kNone;
}

std::string dump(const QuantPlan& plan, const ir::Graph& graph) {
  std::string text;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const NodeDecision& decision = plan.nodes[id];
    text += format("node  {} ({}): {}{} [{}]{}\n", node.name, node.op_type, name_of(decision.compute),
                   decision.float_output ? ", float output"
                   : decision.bias       ? ", a bias"
                                         : "",
                   reason_text(decision.reason), decision.detail.empty() ? "" : " " + decision.detail);
  }
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized)
      text += format("value {}: {}\n", graph.values[v].name, show(plan.values[v].params));
  return text;
}

}  // namespace qc::plan
