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
         node.op_type.starts_with("QAttention") || node.op_type.starts_with("DynamicQuantize") ||
         node.op_type == "MatMulIntegerToFloat" || node.op_type == "MatMulInteger" ||
         node.op_type == "ConvInteger";
}

// Integers go in, floats come out.
bool hands_out_floats(const ir::Node& node) {
  constexpr size_t kScaleOfResult = 7;  // of a QGemm, which leaves it out
  return node.op_type == "MatMulIntegerToFloat" || node.op_type.starts_with("QAttention") ||
         node.op_type.starts_with("DynamicQuantize") ||
         (node.op_type == "QGemm" &&
          (node.inputs.size() <= kScaleOfResult || node.inputs[kScaleOfResult] == ir::kNone));
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
    const ir::Node& node = ir::node_at(graph, id);
    if (node.outputs.empty() || node.outputs[0] == ir::kNone) continue;
    const size_t out = static_cast<size_t>(node.outputs[0]);
    if (graph.values[out].dtype != ir::DType::kUndefined) continue;
    const ir::ValueId in = node.inputs.empty() ? ir::kNone : node.inputs[0];
    if (node.op_type == "QuantizeLinear" || named_integer(node)) {
      integer[out] = !hands_out_floats(node);
    } else if (node.op_type == "Cast") {
      integer[out] = integer_type(static_cast<ir::DType>(ir::int_attribute(node, "to", 0)));
    } else if (node.op_type != "DequantizeLinear" && in != ir::kNone) {
      integer[out] = integer[in];
    }
  }
  return integer;
}

// Integer kernels carry it in their name; ops that only move data are the same op on another type.
bool integer_kernel(const ir::Node& node, const std::vector<bool>& integer) {
  if (named_integer(node)) return true;
  if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") return false;
  return !node.outputs.empty() && node.outputs[0] != ir::kNone && integer[node.outputs[0]];
}

std::map<std::string, ir::NodeId> nodes_by_name(const ir::Graph& graph) {
  std::map<std::string, ir::NodeId> by_name;
  for (const ir::NodeId id : ir::topological_order(graph)) by_name.emplace(ir::node_at(graph, id).name, id);
  return by_name;
}

// Finds the kernel that does a node's work.
class Kernels {
 public:
  Kernels(const ir::Graph& written, const ir::Graph& optimized)
      : written_(written),
        optimized_(optimized),
        written_by_name_(nodes_by_name(written)),
        by_name_(nodes_by_name(optimized)) {
    for (const ir::Value& value : optimized.values)
      if (value.producer != ir::kNone) by_value_.emplace(value.name, value.producer);
  }

  /// kNone: neither the node's name nor a value that it makes is left.
  ir::NodeId of(const std::string& name) const {
    if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
    const auto node = written_by_name_.find(name);
    if (node == written_by_name_.end()) return ir::kNone;
    for (const ir::ValueId out : ir::node_at(written_, node->second).outputs)
      if (const ir::NodeId kernel = out == ir::kNone ? ir::kNone : making(out); kernel != ir::kNone)
        return kernel;
    return ir::kNone;
  }

 private:
  // The kernel that makes this value of the written file, or the integers that it is rounded to.
  ir::NodeId making(ir::ValueId v) const {
    const ir::Value& value = ir::value_at(written_, v);
    if (const auto found = by_value_.find(value.name); found != by_value_.end()) return found->second;
    for (const ir::NodeId reader : value.consumers) {
      const ir::Node& node = ir::node_at(written_, reader);
      if (node.op_type != "QuantizeLinear") continue;
      const auto integers = by_value_.find(ir::value_at(written_, node.outputs[0]).name);
      if (integers == by_value_.end()) continue;
      // A QuantizeLinear that is still there only rounds what another kernel made.
      if (optimized_.nodes[integers->second].op_type != "QuantizeLinear") return integers->second;
    }
    return ir::kNone;
  }

  const ir::Graph& written_;
  const ir::Graph& optimized_;
  std::map<std::string, ir::NodeId> written_by_name_, by_name_, by_value_;
};

// The kernel of the first reader that has one.
ir::NodeId kernel_behind(const ir::Graph& graph, const ir::Node& node,
                         const std::vector<ir::NodeId>& kernels) {
  for (const ir::ValueId out : node.outputs) {
    if (out == ir::kNone) continue;
    for (const ir::NodeId reader : ir::value_at(graph, out).consumers)
      if (kernels[reader] != ir::kNone) return kernels[reader];
  }
  return ir::kNone;
}

}  // namespace

std::vector<Verdict> verdicts(const plan::QuantizedModel& model, const ir::Graph& written,
                              const ir::Graph& optimized) {
  const std::vector<bool> integer = integer_values(optimized);
  const Kernels found(written, optimized);
  std::vector<ir::NodeId> kernels(model.graph.nodes.size(), ir::kNone);
  std::vector<Verdict> all(model.graph.nodes.size());
  const std::vector<ir::NodeId> order = ir::topological_order(model.graph);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {  // readers first: see kernel_behind()
    const ir::Node& node = ir::node_at(model.graph, *id);
    Verdict& verdict = all[*id];
    ir::NodeId& kernel_id = kernels[*id];
    kernel_id = found.of(node.name);
    if (kernel_id == ir::kNone) kernel_id = kernel_behind(model.graph, node, kernels);
    if (kernel_id == ir::kNone) {
      verdict = {true, true, "folded at load"};
      continue;
    }
    const ir::Node& kernel = ir::node_at(optimized, kernel_id);
    verdict.gone = kernel.name != node.name;
    verdict.integer = integer_kernel(kernel, integer);
    const bool made_up = ir::find_node(model.graph, kernel.name) == ir::kNone;
    verdict.kernel =
        !verdict.gone ? kernel.op_type : "fused into " + (made_up ? kernel.op_type : kernel.name);
  }
  return all;
}

}  // namespace qc::proof
