// A Pad that lists axes (opset 18) lists all of them afterwards. ONNX Runtime turns the pads of a Pad between
// integer convolutions to their layout without a look at its axes, and then reads past them (seen
// in 1.30, 1.32).
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {

int pad_axes(Graph& graph) {
  int count = 0;
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& node = node_at(graph, id);
    if (!ir::standard_op(node, "Pad") || node.inputs.size() < 4 || node.inputs[3] == kNone) continue;
    const int64_t rank = rank_of(graph, node.inputs[0]);
    const auto pads = rank < 0 ? std::nullopt : ir::full_pads(graph, node, static_cast<size_t>(rank));
    if (!pads) continue;
    const std::string name = node.name;
    const ValueId all = ir::add_constant(
        graph, name + "/pads",
        ir::make_tensor(std::span<const int64_t>(*pads), {static_cast<int64_t>(pads->size())}));
    ir::set_input(graph, id, 1, all);
    ir::set_input(graph, id, 3, kNone);
    node_at(graph, id).inputs.resize(3);
    ++count;
  }
  return count;
}

}  // namespace qc::normalize
