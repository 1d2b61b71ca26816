// See rules.h.
#include "select/rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "ir/ops.h"

namespace qc::select {
namespace {

using config::Filter;

// What filters are asked about: the graph, and what is looked up in it more than once.
struct OrderedGraph {
  const ir::Graph& graph;
  std::vector<ir::NodeId> order;
  ir::NodeId first = ir::kNone, last = ir::kNone;                                    // with weights
  mutable std::map<std::pair<std::string, std::string>, std::vector<bool>> regions;  // found so far

  explicit OrderedGraph(const ir::Graph& g) : graph(g), order(ir::topological_order(g)) {
    for (const ir::NodeId id : order) {
      if (!ir::weight_traits(graph, node(id))) continue;
      if (first == ir::kNone) first = id;
      last = id;
    }
  }
  const ir::Node& node(ir::NodeId id) const { return ir::node_at(graph, id); }
};

// --- regions
enum class End { kFrom, kTo };

// The nodes that a glob names as an end of a region: those of that name, else those that read (from) or make
// (to) a value of that name.
std::vector<bool> end_of_region(const OrderedGraph& ordered, const std::string& glob, End end);

// What can be reached from `ends` along the graph's edges, or against them.
std::vector<bool> reached(const OrderedGraph& ordered, std::vector<bool> ends, End start) {
  const auto spread = [&](ir::NodeId id) {
    if (!ends[id]) return;
    const ir::Node& node = ordered.node(id);
    if (start == End::kFrom) {
      for (const ir::ValueId v : node.outputs)
        if (v != ir::kNone)
          for (const ir::NodeId reader : ir::value_at(ordered.graph, v).consumers) ends[reader] = true;
      return;
    }
    for (const std::vector<ir::ValueId>* read : {&node.inputs, &node.captures})
      for (const ir::ValueId v : *read)
        if (v != ir::kNone && ir::value_at(ordered.graph, v).producer != ir::kNone)
          ends[ir::value_at(ordered.graph, v).producer] = true;
  };
  if (start == End::kFrom)
    for (const ir::NodeId id : ordered.order) spread(id);
  else
    for (auto id = ordered.order.rbegin(); id != ordered.order.rend(); ++id) spread(*id);
  return ends;
}

std::vector<bool> both(std::vector<bool> a, const std::vector<bool>& b) {
  for (size_t n = 0; n < a.size(); ++n) a[n] = a[n] && b[n];
  return a;
}

const std::vector<bool>& region_of(const OrderedGraph& ordered, const config::Region& region) {
  std::vector<bool>& nodes = ordered.regions[{region.from, region.to}];
  if (nodes.empty())
    nodes = both(reached(ordered, end_of_region(ordered, region.from, End::kFrom), End::kFrom),
                 reached(ordered, end_of_region(ordered, region.to, End::kTo), End::kTo));
  return nodes;
}

template <typename Test>
bool any_name(const ir::Node& node, const Test& test) {
  return test(node.name) || std::any_of(node.origin.begin(), node.origin.end(), test);
}

std::vector<bool> end_of_region(const OrderedGraph& ordered, const std::string& glob, End end) {
  std::vector<bool> ends(ordered.graph.nodes.size());
  for (const ir::NodeId id : ordered.order)
    ends[id] = any_name(ordered.node(id), [&](const std::string& name) { return glob_match(glob, name); });
  if (std::find(ends.begin(), ends.end(), true) != ends.end()) return ends;
  for (const ir::Value& value : ordered.graph.values) {
    if (value.constant || !glob_match(glob, value.name)) continue;
    if (end == End::kTo && value.producer != ir::kNone) ends[value.producer] = true;
    if (end == End::kFrom)
      for (const ir::NodeId reader : value.consumers) ends[reader] = true;
  }
  return ends;
}

bool fits(const OrderedGraph& ordered, const Filter& filter, ir::NodeId id) {
  const ir::Node& node = ordered.node(id);
  const auto holds = [&](const Filter& part) { return fits(ordered, part, id); };
  const auto one_of = [](const std::vector<std::string>& texts, const auto& test) {
    return texts.empty() || std::any_of(texts.begin(), texts.end(), test);
  };
  const auto said = [](const std::optional<bool>& wanted, bool is) { return !wanted || *wanted == is; };
  return one_of(filter.names,
                [&](const std::string& glob) {
                  return any_name(node, [&](const std::string& name) { return glob_match(glob, name); });
                }) &&
         one_of(filter.contains,
                [&](const std::string& text) {
                  return any_name(
                      node, [&](const std::string& name) { return name.find(text) != std::string::npos; });
                }) &&
         one_of(filter.op_types, [&](const std::string& type) { return node.op_type == type; }) &&
         said(filter.first, id == ordered.first) && said(filter.last, id == ordered.last) &&
         said(filter.depthwise, ir::is_depthwise(ordered.graph, node)) &&
         (!filter.region || region_of(ordered, *filter.region)[id]) &&
         std::all_of(filter.all_of.begin(), filter.all_of.end(), holds) &&
         (filter.any_of.empty() || std::any_of(filter.any_of.begin(), filter.any_of.end(), holds)) &&
         std::none_of(filter.none_of.begin(), filter.none_of.end(), holds);
}

// Why a region has no nodes.
void explain_region(const OrderedGraph& ordered, const config::Region& region,
                    std::vector<std::string>& reasons) {
  const auto any = [](const std::vector<bool>& nodes) {
    return std::find(nodes.begin(), nodes.end(), true) != nodes.end();
  };
  if (any(region_of(ordered, region))) return;
  bool known = true;
  for (const auto& [name, end] : {std::pair(region.from, End::kFrom), std::pair(region.to, End::kTo)}) {
    if (any(end_of_region(ordered, name, end))) continue;
    known = false;
    std::vector<std::string> names;
    for (const ir::NodeId id : ordered.order) names.push_back(ordered.node(id).name);
    for (const ir::Value& value : ordered.graph.values)
      if (!value.constant) names.push_back(value.name);
    const std::string near = nearest(name, names);
    reasons.push_back(format("no node or value has the name '{}'{}", name,
                             near.empty() ? "" : format("; nearest: '{}'", near)));
  }
  if (!known) return;
  const bool turned = any(region_of(ordered, {region.to, region.from}));
  reasons.push_back(format("no path leads from '{}' to '{}'{}", region.from, region.to,
                           turned ? format(", but one from '{}' to '{}'", region.to, region.from) : ""));
}

// Every text of the filter that by itself fits no node, with the nearest that would.
void explain(const OrderedGraph& ordered, const Filter& filter, std::vector<std::string>& reasons) {
  const auto look = [&](const std::vector<std::string>& texts, const char* what, const auto& part_of,
                        const auto& fill) {
    for (const std::string& text : texts) {
      Filter alone;
      fill(alone) = {text};
      if (std::any_of(ordered.order.begin(), ordered.order.end(),
                      [&](ir::NodeId id) { return fits(ordered, alone, id); }))
        continue;
      std::vector<std::string> known;
      for (const ir::NodeId id : ordered.order) known.push_back(part_of(ordered.node(id)));
      const std::string near = nearest(text, known);
      reasons.push_back(
          format("no node has {} '{}'{}", what, text, near.empty() ? "" : format("; nearest: '{}'", near)));
    }
  };
  const auto name = [](const ir::Node& n) { return n.name; };
  const auto type = [](const ir::Node& n) { return n.op_type; };
  look(
      filter.names, "the name", name, [](Filter & f) -> auto& { return f.names; });
  look(
      filter.contains, "in its name", name, [](Filter & f) -> auto& { return f.contains; });
  look(
      filter.op_types, "the op type", type, [](Filter & f) -> auto& { return f.op_types; });
  if (filter.region) explain_region(ordered, *filter.region, reasons);
  for (const std::vector<Filter>* parts : {&filter.all_of, &filter.any_of, &filter.none_of})
    for (const Filter& part : *parts) explain(ordered, part, reasons);
}

struct Settings {
  bool weights = false, results = false;
};

// Does the rule say something about weights (and biases, which only stand beside these), about results?
Settings settings_of(const config::NodeSettings& s) {
  Settings set;
  set.weights = s.weights_n_bits || s.weights_block_size || s.weights_quantization_method ||
                s.weights_error_method || s.enable_weights_quantization || s.weights_per_channel_threshold ||
                s.lut_per_channel || s.weights_bias_correction || s.weights_second_moment_correction ||
                s.activation_bias_correction || s.weights_threshold;
  set.results = s.mode || s.activation_n_bits || !s.activation_widths.empty() ||
                s.activation_quantization_method || s.activation_error_method ||
                s.enable_activation_quantization || s.activation_range || s.z_threshold || s.min_threshold ||
                s.l_p_value || s.shift_negative_activation_correction || s.shift_negative_ratio;
  return set;
}

void apply_rule(const OrderedGraph& ordered, const config::Rule& rule, ResolvedRules& resolved,
                Diagnostics& diagnostics) {
  RuleMatch match{rule.place, rule.json, rule.settings, {}};
  for (const ir::NodeId id : ordered.order)
    if (fits(ordered, rule.filter, id)) match.nodes.push_back(id);
  const bool weighted = std::any_of(match.nodes.begin(), match.nodes.end(), [&](ir::NodeId id) {
    return ir::weight_traits(ordered.graph, ordered.node(id)) != nullptr;
  });
  const Settings set = settings_of(rule.settings);
  if (match.nodes.empty()) {
    std::vector<std::string> reasons;
    explain(ordered, rule.filter, reasons);
    diagnostics.error({"matches-nothing", rule.place + "/filter",
                       reasons.empty() ? "it fits no node" : "it fits no node: " + join(reasons, "; "),
                       "list the nodes with: qconvert inspect MODEL"});
  } else if (set.weights && !set.results && !weighted) {
    diagnostics.error(
        {"matches-nothing", rule.place,
         format("it is about weights, and none of the {} nodes it fits has weights", match.nodes.size()),
         "name a Conv, ConvTranspose, Gemm or MatMul with constant weights"});
  }
  for (const ir::NodeId id : match.nodes) config::overlay(resolved.nodes[id], rule.settings);
  resolved.matches.push_back(std::move(match));
}

// An op declared by the config that no node is.
void check_custom_ops(const OrderedGraph& ordered, const config::CoreConfig& config,
                      Diagnostics& diagnostics) {
  for (size_t i = 0; i < config.custom_ops.size(); ++i) {
    const config::CustomOp& op = config.custom_ops[i];
    std::vector<std::string> known;
    const bool there = std::any_of(ordered.order.begin(), ordered.order.end(), [&](ir::NodeId id) {
      const ir::Node& node = ordered.node(id);
      if (!node.domain.empty()) known.push_back(node.domain + ":" + node.op_type);
      return node.domain == op.domain && node.op_type == op.op_type;
    });
    if (there) continue;
    const std::string near = nearest(op.domain + ":" + op.op_type, known);
    diagnostics.error(
        {"matches-nothing", format("/custom_ops/{}", i),
         format("no node is a {} of domain '{}'{}", op.op_type, op.domain,
                near.empty() ? "" : "; nearest: " + near),
         "write domain and op_type as `qconvert inspect MODEL` shows them, or remove the entry"});
  }
}

}  // namespace

namespace {

// Integers that one rule asks for, of a node to which another gives a mode without any.
void check_contradictions(const ir::Graph& graph, const config::CoreConfig& config,
                          const ResolvedRules& resolved, Diagnostics& diagnostics) {
  for (size_t n = 0; n < resolved.nodes.size(); ++n) {
    const config::NodeSettings& rule = resolved.nodes[n];
    if (config.mode != config::Mode::kStatic || !rule.integer.value_or(false) || !rule.mode ||
        *rule.mode == config::Mode::kStatic)
      continue;
    diagnostics.error({"contradiction", rule.placed_by,
                       format("it has '{}' on integers, and another rule gives that node a mode whose "
                              "activations are floats",
                              graph.nodes[n].name),
                       "leave the node out of one of them"});
  }
}

}  // namespace

ResolvedRules resolve_rules(const ir::Graph& graph, const config::CoreConfig& config) {
  const OrderedGraph ordered(graph);
  ResolvedRules resolved;
  resolved.nodes.resize(graph.nodes.size());
  Diagnostics diagnostics;
  check_custom_ops(ordered, config, diagnostics);
  for (const config::PlacementRule& rule : config.placement_rules) {
    config::NodeSettings placed;
    placed.integer = rule.integer;
    placed.placed_by = rule.place;
    apply_rule(ordered, {rule.place, rule.filter, placed, rule.json}, resolved, diagnostics);
  }
  for (const std::vector<config::Rule>* rules : {&config.bit_width_config, &config.network_editor})
    for (const config::Rule& rule : *rules) apply_rule(ordered, rule, resolved, diagnostics);
  check_contradictions(graph, config, resolved, diagnostics);
  diagnostics.throw_if_errors(Exit::kUsage);
  return resolved;
}

namespace {

// By place of the last rule that fits a node: the first width it asks for in vain.
void check_width(const ir::Graph& graph, const target::TargetSpec& target, const RuleMatch& match,
                 const ResolvedRules& rules, Diagnostics& diagnostics) {
  for (const ir::NodeId id : match.nodes) {
    const std::optional<int>& bits = rules.nodes[id].weights_n_bits;
    const bool asks = bits && match.asked.weights_n_bits;
    if (!asks || target.weight_widths.contains(*bits) || !ir::weight_traits(graph, ir::node_at(graph, id)))
      continue;
    std::vector<std::string> known;
    for (const auto& [width, codebook] : target.weight_widths) known.push_back(std::to_string(width));
    diagnostics.error({"target-cannot", match.place,
                       format("{} has no weights of {} bits, which it asks for {}", target.name, *bits,
                              ir::node_at(graph, id).name),
                       "write one of " + join(known, ", ")});
    return;
  }
}

// The same for results, of ops for which the target names widths.
void check_result_width(const ir::Graph& graph, const target::TargetSpec& target, const RuleMatch& match,
                        const ResolvedRules& rules, Diagnostics& diagnostics) {
  if (!match.asked.activation_n_bits) return;
  for (const ir::NodeId id : match.nodes) {
    const std::optional<int>& bits = rules.nodes[id].activation_n_bits;
    const ir::Node& node = ir::node_at(graph, id);
    const std::map<int, target::Grid>& widths =
        target::rule_for(target, ir::rule_name(graph, node), node.domain).result_widths;
    if (!bits || widths.empty() || widths.contains(*bits)) continue;
    std::vector<std::string> known;
    for (const auto& [width, grid] : widths) known.push_back(std::to_string(width));
    diagnostics.error({"target-cannot", match.place,
                       format("{} has no results of {} bits for a {}, which it asks for {}", target.name,
                              *bits, node.op_type, node.name),
                       "write one of " + join(known, ", ")});
    return;
  }
}

}  // namespace

void check_placed(const ir::Graph& graph, const target::TargetSpec& target,
                  const std::vector<Capability>& capabilities, const ResolvedRules& rules) {
  Diagnostics diagnostics;
  for (const RuleMatch& match : rules.matches) {
    if (!target.weight_widths.empty()) check_width(graph, target, match, rules, diagnostics);
    check_result_width(graph, target, match, rules, diagnostics);
    std::string reasons;
    const bool heard = std::any_of(match.nodes.begin(), match.nodes.end(), [&](ir::NodeId id) {
      const config::NodeSettings& settings = rules.nodes[id];
      const Capability& able = capabilities[id];
      const bool asks = settings.placed_by == match.place && settings.integer.value_or(false);
      if (asks && able.ability == Ability::kFloatOnly && reasons.empty())
        reasons = format("{} ({}): {}{}", ir::node_at(graph, id).name, ir::node_at(graph, id).op_type,
                         plan::reason_text(able.reason), able.detail.empty() ? "" : ": " + able.detail);
      return !asks || able.ability != Ability::kFloatOnly;
    });
    if (heard || match.nodes.empty()) continue;
    diagnostics.error(
        {"target-cannot", match.place,
         format("none of the nodes it fits ({}) can run on integers; {}", match.nodes.size(), reasons),
         "name other nodes, or another target; `qconvert inspect MODEL` shows what can"});
  }
  diagnostics.throw_if_errors(Exit::kUsage);
}

}  // namespace qc::select
