// See verdict.h.
#include "proof/verdict.h"

#include <algorithm>
#include <map>

namespace qc::proof {
namespace {

bool integer_type(ir::DType type) { return type == ir::DType::kInt8 || type == ir::DType::kUint8; }

// Integer kernels carry it in their name; ops that only move data are the same op on another type.
bool integer_kernel(const ir::Graph& graph, const ir::Node& node) {
  if (node.op_type.starts_with("QLinear") || node.op_type.starts_with("QGemm") || node.op_type.starts_with("QAttention") ||
      node.op_type == "MatMulIntegerToFloat" || node.op_type == "MatMulInteger" || node.op_type == "ConvInteger")
    return true;
  if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") return false;
  return !node.outputs.empty() && node.outputs[0] != ir::kNone && integer_type(graph.values[static_cast<size_t>(node.outputs[0])].dtype);
}

}  // namespace

std::vector<Verdict> verdicts(const plan::QuantizedModel& model, const ir::Graph& optimized) {
  std::map<std::string, ir::NodeId> by_name;
  for (const ir::NodeId id : ir::topological_order(optimized)) by_name.emplace(optimized.nodes[static_cast<size_t>(id)].name, id);
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
    verdict.integer = integer_kernel(optimized, kernel);
  }
  return all;
}

}  // namespace qc::proof
