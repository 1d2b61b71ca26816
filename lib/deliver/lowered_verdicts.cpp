// See lowered_verdicts.h.
#include "deliver/lowered_verdicts.h"

#include <algorithm>
#include <map>

namespace qc {
namespace {

using tflite::Op;
using tflite::Operator;

// Operators of one node by how much of its work they are: a Softmax is no DEQUANTIZE.
enum class Weight { kConversion, kMove, kWork };

Weight weight_of(Op op) {
  constexpr Op kConversions[] = {Op::kQuantize, Op::kDequantize, Op::kCast};
  constexpr Op kMoves[] = {Op::kReshape, Op::kTranspose};
  if (std::ranges::find(kConversions, op) != std::end(kConversions)) return Weight::kConversion;
  return std::ranges::find(kMoves, op) != std::end(kMoves) ? Weight::kMove : Weight::kWork;
}

// What does a node's work in the file.
struct Kernel {
  std::string node;  // that the operator came from
  Op op;
  Weight weight;
  bool integer;
};

// Nothing of it is a float, or the runtime rounds what meets integer weights.
bool computes_in_integers(const tflite::Model& model, const Operator& op) {
  const auto is_float = [&](tflite::TensorId id) {
    if (id == tflite::kAbsent) return false;
    const tflite::Type type = model.tensors[id].type;
    return type == tflite::Type::kFloat32 || type == tflite::Type::kFloat16;
  };
  const bool rounds_at_run_time = std::ranges::any_of(op.inputs, [&](tflite::TensorId id) {
    return id != tflite::kAbsent && model.tensors[id].data && !model.tensors[id].quantization.scales.empty();
  });
  if (rounds_at_run_time && weight_of(op.op) == Weight::kWork) return true;
  return std::ranges::none_of(op.inputs, is_float) && std::ranges::none_of(op.outputs, is_float);
}

class Kernels {
 public:
  explicit Kernels(const tflite::Model& model) : model_(model) {
    for (const Operator& op : model.operators) {
      for (const tflite::TensorId made : op.outputs) makers_.emplace(model.tensors[made].name, &op);
      const Kernel kernel{op.node, op.op, weight_of(op.op), computes_in_integers(model, op)};
      const auto [place, first] = by_node_.try_emplace(op.node, kernel);
      if (first || kernel.weight < place->second.weight) continue;
      const bool others = kernel.weight > place->second.weight || place->second.integer;
      place->second = kernel;
      place->second.integer = kernel.integer && others;
    }
  }

  // Of its own operators, or of the one that makes one of its values.
  const Kernel* of(const ir::Graph& graph, const ir::Node& node) const {
    if (const auto own = by_node_.find(node.name); own != by_node_.end()) return &own->second;
    for (const ir::ValueId v : node.outputs)
      if (const Operator* op = v == ir::kNone ? nullptr : maker_of(ir::value_at(graph, v).name))
        return &by_node_.at(op->node);
    return nullptr;
  }

 private:
  // Past conversions, which only hand on what another operator made.
  const Operator* maker_of(const std::string& value) const {
    const auto found = makers_.find(value);
    const Operator* op = found == makers_.end() ? nullptr : found->second;
    while (op && weight_of(op->op) == Weight::kConversion) {
      const auto before = makers_.find(model_.tensors[op->inputs[0]].name);
      if (before == makers_.end()) break;
      op = before->second;
    }
    return op;
  }

  const tflite::Model& model_;
  std::map<std::string, Kernel> by_node_;
  std::map<std::string, const Operator*> makers_;  // by the name of a tensor
};

const Kernel* kernel_behind(const ir::Graph& graph, const ir::Node& node,
                            const std::vector<const Kernel*>& kernels) {
  for (const ir::ValueId v : node.outputs) {
    if (v == ir::kNone) continue;
    for (const ir::NodeId reader : ir::value_at(graph, v).consumers)
      if (const Kernel* kernel = kernels[reader]) return kernel;
  }
  return nullptr;
}

}  // namespace

std::vector<proof::Verdict> verdicts_of(const ir::Graph& graph, const tflite::Model& lowered) {
  const Kernels found(lowered);
  std::vector<const Kernel*> kernels(graph.nodes.size());
  std::vector<proof::Verdict> all(graph.nodes.size());
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {  // readers first: see kernel_behind()
    const ir::Node& node = ir::node_at(graph, *id);
    const Kernel*& kernel = kernels[*id];
    kernel = found.of(graph, node);
    if (!kernel) kernel = kernel_behind(graph, node, kernels);
    proof::Verdict& verdict = all[*id];
    if (!kernel) {
      verdict = {true, true, "no operator of its own"};
      continue;
    }
    verdict.gone = kernel->node != node.name;
    verdict.integer = kernel->integer;
    const bool named = verdict.gone && ir::find_node(graph, kernel->node) != ir::kNone;
    const std::string op = tflite::info_of(kernel->op).name;
    verdict.kernel = !verdict.gone ? op : "fused into " + (named ? kernel->node : op);
  }
  return all;
}

}  // namespace qc
