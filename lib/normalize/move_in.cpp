// See move_in.h.
#include "normalize/move_in.h"

#include <algorithm>

#include "base/text.h"

namespace qc::normalize {
namespace {

/// The value of this name, looked for among those that the node reads first: graphs are large.
ValueId outer_value(const Graph& graph, const Node& node, const std::string& name) {
  for (const auto* read : {&node.inputs, &node.captures})
    for (const ValueId v : *read)
      if (v != kNone && value_at(graph, v).name == name) return v;
  return ir::find_value(graph, name);
}

/// By the body's ids: where its values are in the graph, new ones without producer and readers.
std::vector<ValueId> add_values(Graph& graph, const Node& node, const Graph& body,
                                const std::vector<std::string>& names) {
  std::vector<ValueId> ids;
  for (size_t v = 0; v < body.values.size(); ++v) {
    if (ir::is_input(body, static_cast<ValueId>(v))) {
      ids.push_back(outer_value(graph, node, names[v]));
      continue;
    }
    ir::Value value = body.values[v];
    value.name = names[v];
    value.producer = kNone;
    value.consumers.clear();
    value.dim_params.clear();  // symbols of another scope
    ids.push_back(static_cast<ValueId>(graph.values.size()));
    graph.values.push_back(std::move(value));
  }
  return ids;
}

}  // namespace

std::optional<std::vector<std::string>> names_for(const Graph& body, std::set<std::string>& taken,
                                                  const Bodies& bodies) {
  taken.merge(bodies.names(body, kNone));
  std::vector<std::string> names(body.values.size());
  for (size_t v = 0; v < body.values.size(); ++v) {
    const auto value = static_cast<ValueId>(v);
    const std::string& own = body.values[v].name;
    names[v] = own;
    if (ir::is_input(body, value)) continue;
    for (int k = 1; !taken.insert(names[v]).second; ++k) names[v] = format("{}_{}", own, k);
    if (names[v] != own && ir::captured(body, value)) return std::nullopt;
  }
  return names;
}

bool knows_inputs(const Graph& graph, const Node& node, const Graph& body) {
  return std::all_of(body.inputs.begin(), body.inputs.end(),
                     [&](ValueId v) { return outer_value(graph, node, value_at(body, v).name) != kNone; });
}

void move_in(Graph& graph, NodeId id, const Graph& body, const std::vector<std::string>& names) {
  const Node node = node_at(graph, id);
  const std::vector<ValueId> ids = add_values(graph, node, body, names);
  const auto moved = [&](std::vector<ValueId> list) {
    for (ValueId& v : list)
      if (v != kNone) v = ids[v];
    return list;
  };
  ir::erase_node(graph, id);
  for (const Node& inner : body.nodes) {
    Node copy = inner;
    copy.inputs = moved(inner.inputs);
    copy.outputs = moved(inner.outputs);
    copy.captures = moved(inner.captures);
    ir::add_node(graph, std::move(copy));
  }
  for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
    if (node.outputs[slot] == kNone) continue;
    Node hand_on;
    hand_on.name = node.outputs.size() == 1 ? node.name : format("{}_{}", node.name, slot);
    hand_on.op_type = "Identity";
    hand_on.origin = {node.name};
    hand_on.inputs = moved({body.outputs[slot]});
    hand_on.outputs = {node.outputs[slot]};
    ir::add_node(graph, std::move(hand_on));
  }
}

}  // namespace qc::normalize
