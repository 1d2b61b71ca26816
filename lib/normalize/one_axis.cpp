// A weight that one layer reads along its rows and another along its columns (tied matrices, an encoder's
// convolution that the decoder turns around) becomes one for each: scales for each channel run along one
// axis.
#include <map>

#include "ir/ops.h"
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

// The axis of the output channels where the node reads the value as its weight, else nothing.
std::optional<int> axis_along(const Graph& graph, const Node& node, ValueId value) {
  const ir::WeightTraits* traits = ir::weight_traits(graph, node);
  if (!traits || node.inputs[traits->weight_slot] != value) return std::nullopt;
  return ir::output_channel_axis(graph, node);
}

}  // namespace

int one_axis(Graph& graph) {
  int count = 0;
  const size_t values = graph.values.size();  // copies have one axis
  for (size_t v = 0; v < values; ++v) {
    const auto value = static_cast<ValueId>(v);
    if (!value_at(graph, value).constant) continue;
    std::map<int, ValueId> by_axis;
    const std::vector<NodeId> readers = value_at(graph, value).consumers;
    for (const NodeId reader : readers) {
      const auto axis = axis_along(graph, node_at(graph, reader), value);
      if (!axis) continue;
      if (by_axis.empty()) by_axis[*axis] = value;
      if (!by_axis.contains(*axis)) {
        by_axis[*axis] = ir::add_constant(graph, value_at(graph, value).name + "/turned",
                                          *value_at(graph, value).constant);
        ++count;
      }
      const auto slot = static_cast<size_t>(ir::weight_traits(graph, node_at(graph, reader))->weight_slot);
      ir::set_input(graph, reader, slot, by_axis.at(*axis));
    }
  }
  return count;
}

}  // namespace qc::normalize
