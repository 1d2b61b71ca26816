// Raising the standard opset by our own rules (raise_rules.h). Not by ONNX's converter: the one that
// distributions ship needs shapes for Softmax, breaks Resize with an empty input, and ends at its own opset.
#include <algorithm>

#include "base/text.h"
#include "ir/names.h"
#include "onnx_io/bodies.h"
#include "onnx_io/onnx_io.h"
#include "onnx_io/raise_rules.h"

namespace qc::onnx_io {
namespace {

struct Refusal {
  std::string place, cause;
};

bool changes(std::string_view op_type, int64_t from, int64_t to) {
  const auto steps = raise_steps();
  return std::any_of(steps.begin(), steps.end(), [&](const RaiseStep& step) {
    return step.op_type == op_type && step.version > from && step.version <= to;
  });
}

// Why a node cannot even be looked at, or "".
std::string blocked(const ir::Node& node, int64_t from, int64_t to) {
  if (!known_op(node.op_type)) return "it is not known how this op changed";
  for (const std::string& op : ops_in_bodies(node))
    if (!known_op(op) || changes(op, from, to)) return format("its body holds {}, which changed", op);
  return "";
}

std::optional<Refusal> raise(ir::Graph& graph, int64_t from, int64_t to) {
  if (to > kNewestRaised) return Refusal{"the model", format("the rules end at opset {}", kNewestRaised)};
  for (std::string& serialized : graph.functions) {
    const Function function = function_in(serialized);
    for (const std::string& op : function.ops)
      if (!known_op(op) || changes(op, from, to))
        return Refusal{format("function '{}'", function.name), format("it holds {}, which changed", op)};
    serialized = with_opset(serialized, to);
  }
  const auto original =
      static_cast<ir::NodeId>(graph.nodes.size());  // nodes added by rules are already right
  for (ir::NodeId id = 0; id < original; ++id) {
    const ir::Node& node = ir::node_at(graph, id);
    if (node.erased || !ir::standard_domain(node.domain)) continue;
    const std::string place = format("node '{}' ({})", node.name, node.op_type);
    std::string why = blocked(node, from, to);
    for (const RaiseStep& step : raise_steps()) {
      const bool due = step.version > from && step.version <= to;
      if (why.empty() && due && step.op_type == ir::node_at(graph, id).op_type) why = step.rule(graph, id);
    }
    if (!why.empty()) return Refusal{place, why};
  }
  ir::set_opset(graph, to);
  return std::nullopt;
}

}  // namespace

bool raise_opset(ir::Graph& graph, int64_t version, Diagnostics& diagnostics) {
  const int64_t from = ir::opset(graph);
  if (from >= version) return true;
  ir::Graph raised =
      graph;  // constants are shared; the graph itself stays as it is until all rules have agreed
  if (const auto refusal = raise(raised, from, version)) {
    diagnostics.warning(
        {"opset-kept", refusal->place,
         format("cannot raise the model from opset {} to {}: {}", from, version, refusal->cause),
         format("export the model for opset {} or newer", version)});
    return false;
  }
  graph = std::move(raised);
  return true;
}

}  // namespace qc::onnx_io
