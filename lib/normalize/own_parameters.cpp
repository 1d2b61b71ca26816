// A number that one node calculates with and another takes as a parameter (exporters share the 0 of all ReLU6
// and of a masked fill) becomes one for each use: what is calculated with may be rounded and be read behind a
// DequantizeLinear, and bounds that are no constants keep a Clip from joining the convolution before it.
#include <algorithm>
#include <array>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Parameter {
  const char* op;
  size_t slot;
};
constexpr std::array kParameters{Parameter{"Clip", 1}, Parameter{"Clip", 2}, Parameter{"Pad", 2}};

bool is_parameter(const Node& node, size_t slot) {
  return std::any_of(kParameters.begin(), kParameters.end(),
                     [&](const Parameter& p) { return p.slot == slot && ir::standard_op(node, p.op); });
}

}  // namespace

int own_parameters(Graph& graph) {
  int count = 0;
  const size_t values = graph.values.size();  // copies have one use
  for (size_t v = 0; v < values; ++v) {
    const auto value = static_cast<ValueId>(v);
    if (!ir::is_read_float(value_at(graph, value))) continue;
    std::vector<std::pair<NodeId, size_t>> parameters;
    bool calculated_with = false;
    const std::vector<NodeId> readers = value_at(graph, value).consumers;
    for (const NodeId reader : readers)
      for (size_t slot = 0; slot < node_at(graph, reader).inputs.size(); ++slot) {
        if (node_at(graph, reader).inputs[slot] != value) continue;
        if (is_parameter(node_at(graph, reader), slot))
          parameters.emplace_back(reader, slot);
        else
          calculated_with = true;
      }
    if (!calculated_with || parameters.empty()) continue;
    const ValueId own =
        ir::add_constant(graph, value_at(graph, value).name + "/parameter", *value_at(graph, value).constant);
    for (const auto& [reader, slot] : parameters) ir::set_input(graph, reader, slot, own);
    ++count;
  }
  return count;
}

}  // namespace qc::normalize
