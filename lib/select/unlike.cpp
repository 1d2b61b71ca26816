// See unlike.h.
#include "select/unlike.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"

namespace qc::select {
namespace {

constexpr double kUnlike = 16;  // four bits of eight

double range_of(const plan::StatsTable& stats, ir::ValueId v) {
  const auto found = stats.find(v);
  if (found == stats.end() || found->second.count == 0) return 0;
  return std::max(std::fabs(found->second.min), std::fabs(found->second.max));
}

bool only_moves(const target::TargetSpec& target, const ir::Node& node) {
  return ir::standard_op(node, "Concat") ||
         target::rule_for(target, node.op_type, node.domain).kind == target::OpKind::kMove;
}

// The Concat and the movers behind it, as far as integers go; empty when one of them is computed with.
std::vector<ir::NodeId> moved_behind(const ir::Graph& graph, const target::TargetSpec& target,
                                     const std::vector<bool>& integer, ir::NodeId from) {
  std::set<ir::NodeId> seen{from};
  std::vector<ir::NodeId> open{from};
  while (!open.empty()) {
    const ir::NodeId id = open.back();
    open.pop_back();
    for (const ir::ValueId v : ir::node_at(graph, id).outputs) {
      if (v == ir::kNone) continue;
      for (const ir::NodeId reader : ir::value_at(graph, v).consumers) {
        if (!integer[reader]) continue;
        if (!only_moves(target, ir::node_at(graph, reader))) return {};
        if (seen.insert(reader).second) open.push_back(reader);
      }
    }
  }
  return {seen.begin(), seen.end()};
}

}  // namespace

std::vector<UnlikeConcat> unlike_concats(const ir::Graph& graph, const target::TargetSpec& target,
                                         const plan::StatsTable& stats, const std::vector<bool>& integer) {
  std::vector<UnlikeConcat> found;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (!integer[id] || !ir::standard_op(node, "Concat")) continue;
    UnlikeConcat concat{id, ir::kNone, ir::kNone, 0, {}};
    double low = 0, high = 0;
    for (const ir::ValueId v : node.inputs) {
      const double range = range_of(stats, v);
      if (range <= 0) continue;
      if (concat.widest == ir::kNone || range > high) concat.widest = v, high = range;
      if (concat.narrowest == ir::kNone || range < low) concat.narrowest = v, low = range;
    }
    if (low <= 0 || high <= kUnlike * low) continue;
    concat.ratio = high / low;
    concat.may_float = moved_behind(graph, target, integer, id);
    found.push_back(std::move(concat));
  }
  return found;
}

std::string describe(const UnlikeConcat& concat, const ir::Graph& graph, bool in_float) {
  const auto name = [&](ir::ValueId v) { return ir::value_at(graph, v).name; };
  const char* what =
      in_float ? "it stays in float, so that each keeps a scale of its own"
      : concat.may_float.empty()
          ? "integer nodes compute with both, so they share one scale; split them in the model, "
            "or name the node in keep_float"
          : "they share one scale; name the node in keep_float to give each its own";
  return format("Concat '{}' joins '{}' with '{}', whose range is {:.3g} times as wide: {}",
                ir::node_at(graph, concat.node).name, name(concat.narrowest), name(concat.widest),
                concat.ratio, what);
}

std::vector<bool> without_unlike_concats(const ir::Graph& graph, const target::TargetSpec& target,
                                         const plan::StatsTable& stats, std::vector<bool> integer) {
  for (const UnlikeConcat& concat : unlike_concats(graph, target, stats, integer))
    for (const ir::NodeId id : concat.may_float) integer[id] = false;
  return integer;
}

std::vector<std::string> unlike_notes(const ir::Graph& graph, const target::TargetSpec& target,
                                      const plan::StatsTable& stats, const std::vector<bool>& first,
                                      const std::vector<bool>& now, bool left) {
  std::vector<std::string> notes;
  for (const UnlikeConcat& concat : unlike_concats(graph, target, stats, now))
    notes.push_back(describe(concat, graph, false));
  if (!left) return notes;
  for (const UnlikeConcat& concat : unlike_concats(graph, target, stats, first)) {
    const std::vector<ir::ValueId>& inputs = ir::node_at(graph, concat.node).inputs;
    const bool joins_integers = std::any_of(inputs.begin(), inputs.end(), [&](ir::ValueId v) {
      const ir::NodeId maker = v == ir::kNone ? ir::kNone : ir::value_at(graph, v).producer;
      return maker != ir::kNone && now[maker];
    });
    if (!now[concat.node] && !concat.may_float.empty() && joins_integers)
      notes.push_back(describe(concat, graph, true));
  }
  return notes;
}

}  // namespace qc::select
