// A node that calls a model-local function becomes the function's nodes: some exporters write every layer as
// one, and runtimes take them apart at load. Before that a function is an op that nobody knows.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ir/names.h"
#include "normalize/edit.h"
#include "normalize/move_in.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

/// Functions that call functions; ONNX forbids those that call themselves, but files may hold anything.
constexpr int kDeepest = 32;
/// One that calls itself twice has 2^32 calls within that depth.
constexpr int kMostCalls = 10'000;

/// The opsets that only functions knew; those that the graph knows agree.
void import_opsets(Graph& graph, const Graph& body) {
  for (const auto& wanted : body.opset_imports) {
    const bool known = std::any_of(graph.opset_imports.begin(), graph.opset_imports.end(),
                                   [&](const auto& has) { return has.first == wanted.first; });
    if (!known) graph.opset_imports.push_back(wanted);
  }
}

bool take_in(Graph& graph, NodeId id, const Bodies& bodies, std::set<std::string>& taken) {
  const Node& node = node_at(graph, id);
  try {
    std::optional<Graph> body = bodies.called(graph, node);
    if (!body || body->outputs.size() < node.outputs.size() || !knows_inputs(graph, node, *body))
      return false;
    const auto names = names_for(*body, taken, bodies);
    if (!names) return false;
    const std::vector<std::string> origin = ir::origin_of(node);
    for (Node& inner : body->nodes) inner.origin = origin;
    import_opsets(graph, *body);
    move_in(graph, id, *body, *names);
    return true;
  } catch (const Error& error) {
    log::debug(format("the function that '{}' calls stays closed: {}", node.name, error.what()));
    return false;
  }
}

}  // namespace

int inline_functions(Graph& graph, const Bodies& bodies) {
  if (!bodies.called || graph.functions.empty()) return 0;
  std::set<std::string> taken = bodies.names(graph, kNone);
  for (const ir::Value& value : graph.values) taken.insert(value.name);
  int count = 0;
  std::vector<int> depth(graph.nodes.size(), 0);
  for (size_t id = 0; id < graph.nodes.size(); ++id) {  // also those that a function has brought in
    if (graph.nodes[id].erased || depth[id] > kDeepest || count == kMostCalls) continue;
    if (!take_in(graph, static_cast<NodeId>(id), bodies, taken)) continue;
    depth.resize(graph.nodes.size(), depth[id] + 1);
    ++count;
  }
  if (count > 0) bodies.drop_uncalled(graph);
  return count;
}

}  // namespace qc::normalize
