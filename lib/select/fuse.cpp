// See fuse.h.
#include "select/fuse.h"

#include <algorithm>
#include <optional>

#include "ir/ops.h"

namespace qc::select {
namespace {

// A node, or a function spelled as several; what a pattern's step may be.
struct Step {
  std::vector<ir::NodeId> nodes;
  std::string_view op_type;
  ir::ValueId output = ir::kNone;
};

class Chains {
 public:
  Chains(const ir::Graph& graph, const std::vector<plan::Idiom>& idioms)
      : graph_(graph), idiom_of_(graph.nodes.size()), taken_(graph.nodes.size()) {
    for (const plan::Idiom& idiom : idioms)
      if (idiom.nodes.size() > 1 && idiom.inputs.size() == 1 && *plan::op_of(idiom.kind))
        for (const ir::NodeId id : idiom.nodes) idiom_of_[id] = &idiom;
  }

  bool free(const Step& step) const {
    return std::none_of(step.nodes.begin(), step.nodes.end(), [&](ir::NodeId id) { return taken_[id]; });
  }
  void take(const Step& step) {
    for (const ir::NodeId id : step.nodes) taken_[id] = true;
  }
  bool inside_function(ir::NodeId id) const { return idiom_of_[id] != nullptr; }

  Step at(ir::NodeId id) const {
    if (const plan::Idiom* idiom = idiom_of_[id])
      return {idiom->nodes, plan::op_of(idiom->kind), idiom->output};
    const ir::Node& node = ir::node_at(graph_, id);
    return {{id}, node.op_type, node.outputs.empty() ? ir::kNone : node.outputs[0]};
  }

  // What alone reads the value.
  std::optional<Step> after(ir::ValueId v) const {
    if (v == ir::kNone || ir::is_output(graph_, v)) return std::nullopt;
    const std::vector<ir::NodeId>& readers = ir::value_at(graph_, v).consumers;
    if (readers.empty()) return std::nullopt;
    const Step step = at(readers[0]);
    const bool alone = std::all_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
      return std::find(step.nodes.begin(), step.nodes.end(), id) != step.nodes.end();
    });
    return alone ? std::optional(step) : std::nullopt;
  }

 private:
  const ir::Graph& graph_;
  std::vector<const plan::Idiom*> idiom_of_;  // by NodeId
  std::vector<bool> taken_;
};

bool fits(const std::vector<std::string>& ops, const Step& step) {
  return std::find(ops.begin(), ops.end(), step.op_type) != ops.end();
}

std::vector<Step> match(const ir::Graph& graph, const target::Fusing& pattern, const Chains& chains,
                        ir::NodeId first) {
  std::vector<Step> chain{chains.at(first)};
  if (!fits(pattern.steps[0], chain[0]) || !chains.free(chain[0])) return {};
  for (size_t s = 1; s < pattern.steps.size(); ++s) {
    const std::optional<Step> next = chains.after(chain.back().output);
    const bool weighted = next && ir::weight_traits(graph, ir::node_at(graph, next->nodes[0])) != nullptr;
    if (!next || weighted || !chains.free(*next) || !fits(pattern.steps[s], *next)) return {};
    chain.push_back(*next);
  }
  return chain;
}

}  // namespace

void join(const ir::Graph& graph, ir::ValueId v, std::vector<Capability>& capabilities) {
  for (const ir::NodeId id : ir::value_at(graph, v).consumers) capabilities[id].joined.push_back(v);
}

void fuse(const ir::Graph& graph, const target::TargetSpec& target, const std::vector<plan::Idiom>& idioms,
          std::vector<Capability>& capabilities) {
  if (target.fusing.empty()) return;
  Chains chains(graph, idioms);
  std::vector<const target::Fusing*> patterns;
  for (const target::Fusing& pattern : target.fusing) patterns.push_back(&pattern);
  std::stable_sort(patterns.begin(), patterns.end(),
                   [](const auto* a, const auto* b) { return a->steps.size() > b->steps.size(); });
  for (const ir::NodeId id : ir::topological_order(graph)) {
    if (chains.inside_function(id))  // one op for the target, however it is spelled
      for (const ir::ValueId out : ir::node_at(graph, id).outputs)
        if (out != ir::kNone && out != chains.at(id).output) join(graph, out, capabilities);
    for (const target::Fusing* pattern : patterns) {
      const std::vector<Step> chain = match(graph, *pattern, chains, id);
      if (chain.empty()) continue;
      for (const Step& step : chain) chains.take(step);
      for (size_t s = 0; s + 1 < chain.size(); ++s) join(graph, chain[s].output, capabilities);
      break;
    }
  }
}

}  // namespace qc::select
