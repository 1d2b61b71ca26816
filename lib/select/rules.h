// Which nodes the config's rules mean, and what is different for each of them: those of /placement,
// bit_width_config, then network_editor, resolved on a graph. Later rules win, setting by setting.
#pragma once

#include <string>
#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "select/capability.h"

namespace qc::select {

struct RuleMatch {
  std::string place;              // "/bit_width_config/0"
  std::string json;               // the rule as it was written
  config::NodeSettings asked;     // what it sets, whatever later rules say
  std::vector<ir::NodeId> nodes;  // in topological order
};

struct ResolvedRules {
  std::vector<config::NodeSettings> nodes;  // by NodeId
  std::vector<RuleMatch> matches;           // one a rule, in the rules' order
};

/// A name fits a node that has it and a node made from one that had it. Throws Error(kUsage) naming every
/// rule whose filter fits no node (nearest names offered), and every rule for weights that fits no node with
/// weights.
ResolvedRules resolve_rules(const ir::Graph& graph, const config::CoreConfig& config);

/// Throws Error(kUsage) for every rule of /placement that asks for integers where none of its nodes can have
/// them, and for every rule that asks for a width of weights, or of results that have several, which the
/// target does not have.
void check_placed(const ir::Graph& graph, const target::TargetSpec& target,
                  const std::vector<Capability>& capabilities, const ResolvedRules& rules);

}  // namespace qc::select
