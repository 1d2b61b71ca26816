// See resources.h.
#include "budget/resources.h"

#include <algorithm>
#include <array>
#include <map>

#include "ir/ops.h"

namespace qc::budget {
namespace {

constexpr std::array kViews{"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"};
constexpr std::array kJoined{"Relu", "Clip"};

// The one reader that the node before it computes along with its own result.
bool is_joined(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::is_one_of(node, kJoined) || node.inputs[0] == ir::kNone) return false;
  const ir::Value& input = ir::value_at(graph, node.inputs[0]);
  return input.producer != ir::kNone && input.consumers.size() == 1 &&
         !ir::is_output(graph, node.inputs[0]) && !ir::is_output(graph, node.outputs[0]);
}

// By node: the last of those that are one op, itself where it is alone. The op stands there: everything that
// any of them reads has been made by then.
std::vector<ir::NodeId> last_of_op(const ir::Graph& graph, const std::function<bool(ir::ValueId)>& inside) {
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  std::vector<ir::NodeId> last(graph.nodes.size());
  for (const ir::NodeId id : order) last[id] = id;
  if (!inside) return last;
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const std::vector<ir::ValueId>& outputs = ir::node_at(graph, *id).outputs;
    if (outputs.size() != 1 || outputs[0] == ir::kNone || !inside(outputs[0])) continue;
    size_t latest = 0;  // of its readers' ops, by place in the order
    for (const ir::NodeId reader : ir::value_at(graph, outputs[0]).consumers) {
      const ir::NodeId end = last[reader];
      const auto place = static_cast<size_t>(std::find(order.begin(), order.end(), end) - order.begin());
      if (place < latest) continue;
      latest = place;
      last[*id] = end;
    }
  }
  return last;
}

}  // namespace

std::optional<MemoryGraph> memory_graph(const ir::Graph& graph,
                                        const std::function<std::optional<int64_t>(ir::ValueId)>& bytes_of,
                                        const std::function<bool(ir::ValueId)>& inside) {
  MemoryGraph memory;
  constexpr size_t kNothing = static_cast<size_t>(-1);
  std::vector<size_t> tensor_of(graph.values.size(), kNothing), op_of(graph.nodes.size(), kNothing);
  bool known = true;
  const auto tensor = [&](ir::ValueId v) {
    const std::optional<int64_t> bytes = bytes_of(v);
    known = known && bytes.has_value();
    memory.tensors.push_back(
        {ir::value_at(graph, v).name, bytes.value_or(0), false, ir::is_output(graph, v), v});
    tensor_of[v] = memory.tensors.size() - 1;
    return memory.tensors.size() - 1;
  };
  for (const ir::ValueId v : graph.inputs) memory.tensors[tensor(v)].input = true;
  const auto add_once = [](std::vector<size_t>& list, size_t item) {
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
  };
  const std::vector<ir::NodeId> last = last_of_op(graph, inside);
  std::map<ir::NodeId, std::vector<size_t>> earlier_reads;  // by the last node of an op
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (const ir::NodeId end = last[id]; end != id || earlier_reads.contains(id)) {
      std::vector<size_t>& reads = earlier_reads[end];
      for (const std::vector<ir::ValueId>* list : {&node.inputs, &node.captures})
        for (const ir::ValueId v : *list)
          if (v != ir::kNone && tensor_of[v] != kNothing) add_once(reads, tensor_of[v]);
      if (end != id) continue;
      MemoryGraph::Op op{node.name, reads, {}};
      for (const ir::ValueId v : node.outputs)
        if (v != ir::kNone) op.writes.push_back(tensor(v));
      op_of[id] = memory.ops.size();
      memory.ops.push_back(std::move(op));
      continue;
    }
    const size_t first =
        node.inputs.empty() || node.inputs[0] == ir::kNone ? kNothing : tensor_of[node.inputs[0]];
    if (ir::is_one_of(node, kViews) && first != kNothing && node.outputs.size() == 1) {
      tensor_of[node.outputs[0]] = first;
      memory.tensors[first].output = memory.tensors[first].output || ir::is_output(graph, node.outputs[0]);
      continue;
    }
    if (is_joined(graph, node) && first != kNothing) {
      // The result takes the place of what would have been between the two.
      const size_t op = op_of[ir::value_at(graph, node.inputs[0]).producer];
      if (op != kNothing) {
        const std::optional<int64_t> bytes = bytes_of(node.outputs[0]);
        known = known && bytes.has_value();
        memory.tensors[first].name = ir::value_at(graph, node.outputs[0]).name;
        memory.tensors[first].value = node.outputs[0];
        memory.tensors[first].bytes = bytes.value_or(0);
        tensor_of[node.outputs[0]] = first;
        op_of[id] = op;
        continue;
      }
    }
    MemoryGraph::Op op{node.name, {}, {}};
    for (const std::vector<ir::ValueId>* list : {&node.inputs, &node.captures})
      for (const ir::ValueId v : *list)
        if (v != ir::kNone && tensor_of[v] != kNothing) add_once(op.reads, tensor_of[v]);
    for (const ir::ValueId v : node.outputs)
      if (v != ir::kNone) op.writes.push_back(tensor(v));
    if (op.reads.empty() && op.writes.empty()) continue;
    op_of[id] = memory.ops.size();
    memory.ops.push_back(std::move(op));
  }
  if (!known) return std::nullopt;
  return memory;
}

double products_of(const ir::Graph& graph, const ir::Node& node) {
  return ir::weight_traits(graph, node) ? static_cast<double>(ir::macs(graph, node)) : 0;
}

}  // namespace qc::budget
