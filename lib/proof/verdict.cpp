// See verdict.h.
#include "proof/verdict.h"

#include <algorithm>
#include <map>

namespace qc::proof {
namespace {

bool integer_type(ir::DType type) {
  return type == ir::DType::kInt8 || type == ir::DType::kUint8;
}

bool named_integer(const ir::Node& node) {
  return node.op_type.starts_with("QLinear") || node.op_type.starts_with("QGemm") ||
         node.op_type.starts_with("QAttention") || node.op_type == "MatMulIntegerToFloat" ||
         node.op_type == "MatMulInteger" || node.op_type == "ConvInteger";
}

// By value: does it hold 8-bit integers? The dump states no types for values inside the graph, so they are
// followed from the ops that make integers through those that only move them.
std::vector<bool> integer_values(const ir::Graph& graph) {
  std::vector<bool> integer(graph.values.size());
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    integer[v] = integer_type(value.constant ? value.constant->dtype : value.dtype);
  }
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    if (node.outputs.empty() || node.outputs[0] == ir::kNone) continue;
    const size_t out = static_cast<size_t>(node.outputs[0]);
    if (graph.values[out].dtype != ir::DType::kUndefined) continue;
    const ir::ValueId in = node.inputs.empty() ? ir::kNone : node.inputs[0];
    if (node.op_type == "QuantizeLinear" || named_integer(node)) {
      integer[out] = true;
    } else if (node.op_type == "Cast") {
      integer[out] = integer_type(static_cast<ir::DType>(ir::int_attribute(node, "to", 0)));
    } else if (node.op_type != "DequantizeLinear" && in != ir::kNone) {
      integer[out] = integer[static_cast<size_t>(in)];
    }
  }
  return integer;
}

// Integer kernels carry it in their name; ops that only move data are the same op on another type.
bool integer_kernel(const ir::Node& node, const std::vector<bool>& integer) {
  if (named_integer(node)) return true;
  if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") return false;
  return !node.outputs.empty() && node.outputs[0] != ir::kNone &&
         integer[static_cast<size_t>(node.outputs[0])];
}

}  // namespace

std::vector<Verdict> verdicts(const plan::QuantizedModel& model, const ir::Graph& optimized) {
  std::map<std::string, ir::NodeId> by_name;
  for (const ir::NodeId id : ir::topological_order(optimized))
    by_name.emplace(optimized.nodes[static_cast<size_t>(id)].name, id);
  const std::vector<bool> integer = integer_values(optimized);
  std::vector<Verdict> all(model.graph.nodes.size());
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = model.graph.nodes[static_cast<size_t>(id)];
    Verdict& verdict = all[static_cast<size_t>(id)];
    const auto found = by_name.find(node.name);
    if (found == by_name.end()) {
      verdict.gone = true;
      verdict.kernel = "fused";
      verdict.integer = model.plan.nodes[static_cast<size_t>(id)].compute == plan::Compute::kInteger;
      continue;
    }
    const ir::Node& kernel = optimized.nodes[static_cast<size_t>(found->second)];
    verdict.kernel = kernel.op_type;
    verdict.integer = integer_kernel(kernel, integer);
  }
  return all;
}

}  // namespace qc::proof
