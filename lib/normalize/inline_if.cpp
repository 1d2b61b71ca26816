// An If whose condition is fixed becomes the branch that it takes: exporters write one where they could not
// tell a size, or for a switch that the file has set. Bodies are closed to every other rewrite and to the
// plan, so that all weights in them would stay floats.
//
// Names stay where that is possible: what the branch defines is known by its own name from here on, and
// nested bodies read it by that. A name that is taken (two branches may use the same one) becomes another,
// unless a nested body asks for it: then the If stays.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

std::optional<bool> fixed_condition(const Graph& graph, const Node& node) {
  const ir::Tensor* condition = ir::constant_input(graph, node, 0);
  if (!condition || condition->dtype != ir::DType::kBool || condition->size() != 1 || !condition->bytes)
    return std::nullopt;
  return condition->bytes->at(0) != 0;
}

/// Identity hands on tensors alone in older opsets.
bool gives_tensors(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) {
    return v == kNone || value_at(graph, v).dtype != ir::DType::kUndefined;
  });
}

/// The branch as a graph; nothing where it cannot be read or does not belong to this node.
std::optional<Graph> taken_branch(const Graph& graph, const Node& node, bool condition,
                                  const Bodies& bodies) {
  const ir::Attribute* attribute = ir::find_attribute(node, condition ? "then_branch" : "else_branch");
  const auto* body = attribute ? std::get_if<ir::OpaqueAttribute>(&attribute->value) : nullptr;
  if (!body) return std::nullopt;
  try {
    Graph branch = bodies.read(*body);
    const bool known = std::all_of(branch.inputs.begin(), branch.inputs.end(), [&](ValueId v) {
      return ir::find_value(graph, value_at(branch, v).name) != kNone;
    });
    if (!known || branch.outputs.size() != node.outputs.size()) return std::nullopt;
    return branch;
  } catch (const Error& error) {
    log::debug(format("the branch of '{}' stays closed: {}", node.name, error.what()));
    return std::nullopt;
  }
}

/// Names for what the branch defines, by its ids; nothing where a nested body would not find its own.
std::optional<std::vector<std::string>> names_for(const Graph& graph, const Graph& branch,
                                                  const Bodies& bodies, NodeId id) {
  std::set<std::string> taken = bodies.names(graph, id);
  taken.merge(bodies.names(branch, kNone));
  for (const ir::Value& value : graph.values) taken.insert(value.name);
  std::vector<std::string> names(branch.values.size());
  for (size_t v = 0; v < branch.values.size(); ++v) {
    const auto value = static_cast<ValueId>(v);
    const std::string& own = branch.values[v].name;
    names[v] = own;
    if (ir::is_input(branch, value)) continue;
    for (int k = 1; !taken.insert(names[v]).second; ++k) names[v] = format("{}_{}", own, k);
    if (names[v] != own && ir::captured(branch, value)) return std::nullopt;
  }
  return names;
}

/// The branch's nodes behind those of the graph. Returns where its outputs are.
std::vector<ValueId> move_in(Graph& graph, const Graph& branch, const std::vector<std::string>& names) {
  std::vector<ValueId> ids;
  for (size_t v = 0; v < branch.values.size(); ++v) {
    if (ir::is_input(branch, static_cast<ValueId>(v))) {
      ids.push_back(ir::find_value(graph, names[v]));
      continue;
    }
    ir::Value value = branch.values[v];
    value.name = names[v];
    value.producer = kNone;
    value.consumers.clear();
    value.dim_params.clear();  // symbols of another scope
    ids.push_back(static_cast<ValueId>(graph.values.size()));
    graph.values.push_back(std::move(value));
  }
  const auto moved = [&](std::vector<ValueId> list) {
    for (ValueId& v : list)
      if (v != kNone) v = ids[static_cast<size_t>(v)];
    return list;
  };
  for (const Node& inner : branch.nodes) {
    Node node = inner;
    node.inputs = moved(inner.inputs);
    node.outputs = moved(inner.outputs);
    node.captures = moved(inner.captures);
    ir::add_node(graph, std::move(node));
  }
  return moved(branch.outputs);
}

bool take_branch(Graph& graph, NodeId id, const Bodies& bodies) {
  const Node node = node_at(graph, id);
  const auto condition = fixed_condition(graph, node);
  if (!condition || !gives_tensors(graph, node)) return false;
  const std::optional<Graph> branch = taken_branch(graph, node, *condition, bodies);
  if (!branch) return false;
  const auto names = names_for(graph, *branch, bodies, id);
  if (!names) return false;
  ir::erase_node(graph, id);
  const std::vector<ValueId> results = move_in(graph, *branch, *names);
  // Whoever reads the If by name, and may see it from outside, keeps what remove_no_ops cannot join.
  for (size_t slot = 0; slot < results.size(); ++slot) {
    if (node.outputs[slot] == kNone) continue;
    Node hand_on;
    hand_on.name = results.size() == 1 ? node.name : format("{}_{}", node.name, slot);
    hand_on.op_type = "Identity";
    hand_on.origin = {node.name};
    hand_on.inputs = {results[slot]};
    hand_on.outputs = {node.outputs[slot]};
    ir::add_node(graph, std::move(hand_on));
  }
  return true;
}

}  // namespace

int inline_if(Graph& graph, const Bodies& bodies) {
  if (!bodies.read) return 0;
  int count = 0;
  for (size_t id = 0; id < graph.nodes.size(); ++id)  // also those that a branch has brought in
    if (!graph.nodes[id].erased && ir::standard_op(graph.nodes[id], "If"))
      count += take_branch(graph, static_cast<NodeId>(id), bodies);
  return count;
}

}  // namespace qc::normalize
