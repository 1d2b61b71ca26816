// An If whose condition is fixed becomes the branch that it takes: exporters write one where they could not
// tell a size, or for a switch that the file has set.
//
// Names stay where that is possible: what the branch defines is known by its own name from here on, and
// nested bodies read it by that. A name that is taken (two branches may use the same one) becomes another,
// unless a nested body asks for it: then the If stays.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "normalize/edit.h"
#include "normalize/move_in.h"
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
    if (!knows_inputs(graph, node, branch) || branch.outputs.size() != node.outputs.size())
      return std::nullopt;
    return branch;
  } catch (const Error& error) {
    log::debug(format("the branch of '{}' stays closed: {}", node.name, error.what()));
    return std::nullopt;
  }
}

bool take_branch(Graph& graph, NodeId id, const Bodies& bodies) {
  const Node& node = node_at(graph, id);
  const auto condition = fixed_condition(graph, node);
  if (!condition || !gives_tensors(graph, node)) return false;
  const std::optional<Graph> branch = taken_branch(graph, node, *condition, bodies);
  if (!branch) return false;
  std::set<std::string> taken = bodies.names(graph, id);
  for (const ir::Value& value : graph.values) taken.insert(value.name);
  const auto names = names_for(*branch, taken, bodies);
  if (!names) return false;
  move_in(graph, id, *branch, *names);
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
