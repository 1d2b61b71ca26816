// See unfolded.h.
#include "ir/unfolded.h"

#include <algorithm>
#include <vector>

#include "ir/edit.h"

namespace qc::ir {
namespace {

// By value.
struct Made {
  bool from_constants = false,
       from_narrow = false;  // from constants alone; one of them of fewer than 32 bits
};

bool has_grid(const Node& node) {
  return node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear" ||
         node.op_type.starts_with("QLinear");
}

// Of what the node makes, by that of what it reads.
Made made_by(const Node& node, const std::vector<Made>& made) {
  Made all{node.captures.empty() && !has_grid(node)};
  for (const ValueId in : node.inputs) {
    if (in == kNone) continue;
    all.from_constants = all.from_constants && made[in].from_constants;
    all.from_narrow = all.from_narrow || made[in].from_narrow;
  }
  return all;
}

std::vector<Made> made_of(const Graph& graph) {
  std::vector<Made> made(graph.values.size());
  for (size_t v = 0; v < made.size(); ++v)
    if (const auto& constant = graph.values[v].constant) {
      const int bits = bits_of(constant->dtype);
      made[v] = {true, bits > 0 && bits < 32 && constant->dtype != DType::kBool};
    }
  for (const NodeId id : topological_order(graph)) {
    const Made all = made_by(node_at(graph, id), made);
    for (const ValueId out : node_at(graph, id).outputs)
      if (out != kNone) made[out] = all;
  }
  return made;
}

}  // namespace

int64_t unfolded_weights(const Graph& graph) {
  const std::vector<Made> made = made_of(graph);
  int64_t count = 0;
  for (size_t v = 0; v < made.size(); ++v) {
    const Value& value = graph.values[v];
    if (value.constant || !made[v].from_constants || !made[v].from_narrow) continue;
    count += std::any_of(value.consumers.begin(), value.consumers.end(), [&](NodeId id) {
      const Node& reader = node_at(graph, id);
      return !has_grid(reader) && !made_by(reader, made).from_constants;
    });
  }
  return count;
}

}  // namespace qc::ir
