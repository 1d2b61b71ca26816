// See result_widths.h.
#include "select/result_widths.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "config/open_widths.h"
#include "ir/edit.h"
#include "ir/ops.h"

namespace qc::select {
namespace {

const target::OpRule& rule_of(const ir::Graph& graph, const target::TargetSpec& target, ir::NodeId id) {
  const ir::Node& node = ir::node_at(graph, id);
  return target::rule_for(target, ir::rule_name(graph, node), node.domain);
}

const std::vector<int>& list_of(std::span<const config::NodeSettings> rules, ir::NodeId id) {
  static const std::vector<int> none;
  const auto n = static_cast<size_t>(id);
  return id != ir::kNone && n < rules.size() ? rules[n].activation_widths : none;
}

// Of a list, the widths that a value may really have here. `floats`: may float stand for what is wider than
// integers are?
std::set<int> possible(const ir::Graph& graph, const target::TargetSpec& target, const std::vector<int>& list,
                       ir::ValueId v, bool floats) {
  const ir::NodeId speaker = speaker_of(graph, target, v);
  std::set<int> found;
  for (const int bits : list) {
    const bool own = bits == target.activations.bits,
               integers =
                   speaker != ir::kNone && rule_of(graph, target, speaker).result_widths.contains(bits);
    if (own || integers || (floats && bits > target.activations.bits)) found.insert(bits);
  }
  return found;
}

}  // namespace

ir::NodeId speaker_of(const ir::Graph& graph, const target::TargetSpec& target, ir::ValueId v) {
  const ir::NodeId maker = ir::value_at(graph, v).producer;
  if (maker == ir::kNone || rule_of(graph, target, maker).kind != target::OpKind::kActivation) return maker;
  return speaker_of(graph, target, ir::node_at(graph, maker).inputs[0]);
}

std::vector<int> widths_listed(const ir::Graph& graph, const target::TargetSpec& target,
                               std::span<const config::NodeSettings> rules, ir::ValueId v) {
  const ir::NodeId maker = ir::value_at(graph, v).producer;
  const auto n = static_cast<size_t>(maker);
  if (maker == ir::kNone || n >= rules.size()) return {};
  const bool own = !rules[n].activation_widths.empty() || rules[n].activation_n_bits;
  return list_of(rules, own ? maker : speaker_of(graph, target, v));
}

bool float_is_wider(const ir::Graph& graph, const target::TargetSpec& target,
                    std::span<const config::NodeSettings> rules, ir::ValueId v) {
  const std::vector<int> list = widths_listed(graph, target, rules, v);
  if (list.empty() || !target.float_islands || list.back() <= target.activations.bits) return false;
  return !possible(graph, target, list, v, false).contains(list.back());
}

void begin_lists(const target::TargetSpec& target, std::vector<config::NodeSettings>& rules) {
  for (config::NodeSettings& rule : rules) {
    const std::vector<int>& list = rule.activation_widths;
    if (list.empty() || std::find(list.begin(), list.end(), target.activations.bits) != list.end()) continue;
    const auto wider = std::upper_bound(list.begin(), list.end(), target.activations.bits);
    rule.activation_n_bits = wider == list.end() ? list.back() : *wider;
  }
}

void check_lists(const ir::Graph& graph, const target::TargetSpec& target, const config::CoreConfig& config,
                 const ResolvedRules& rules) {
  const bool bounded = config::bounds_activations(config), floats = target.float_islands && !bounded;
  const int own = target.activations.bits;
  Diagnostics diagnostics;
  for (const auto& [rule, at] : config::rules_with_widths(config)) {
    const auto match = std::ranges::find(rules.matches, rule->place, &RuleMatch::place);
    if (match == rules.matches.end()) continue;
    const std::vector<int>& list = rule->settings.activation_widths;
    bool heard = false;
    for (const ir::NodeId id : match->nodes)
      for (const ir::ValueId v : ir::node_at(graph, id).outputs)
        heard = heard || (v != ir::kNone && possible(graph, target, list, v, floats).size() > 1);
    if (heard) continue;
    const bool wider = list.back() > own;
    const char *why = ": fewer would take as many bytes", *remedy = "write {}";
    if (wider && !target.float_islands) {
      why = ", and no floats beside them";
      remedy = "write {}, or name a target with floats beside integers, such as int8";
    } else if (wider && bounded) {
      why = ", and floats are no choice beside a budget for activations";
      remedy = "write {}, or remove the budget";
    } else if (wider) {
      why = ": fewer would take as many bytes, and float alone is wider";
      remedy = "write [{}, 16]";
    }
    diagnostics.error({"target-cannot", at,
                       format("{} has integers of {} bits alone for the results of the {} nodes it fits{}",
                              target.name, own, match->nodes.size(), why),
                       format(fmt::runtime(remedy), own)});
  }
  diagnostics.throw_if_errors(Exit::kUsage);
}

}  // namespace qc::select
