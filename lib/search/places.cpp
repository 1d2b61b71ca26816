// See places.h.
#include "search/places.h"

#include "base/text.h"
#include "modes/modes.h"
#include "normalize/idioms.h"
#include "prepare.h"
#include "search/attempt.h"
#include "select/costs.h"
#include "select/decide.h"
#include "select/result_widths.h"
#include "target_of.h"

namespace qc {
namespace {

// With the costs of the processor that the config names, or of all.
target::TargetSpec priced_for(const config::CoreConfig& config, target::TargetSpec target) {
  const std::string& asked = config.goals.processor;
  if (asked == config::PlacementGoals::kAnyProcessor) return target;
  if (target.costs_on.contains(asked)) {
    auto own = std::move(target.costs_on.at(asked));
    target.costs_on = {{asked, std::move(own)}};
    return target;
  }
  std::vector<std::string> known{json_quoted(config::PlacementGoals::kAnyProcessor)};
  for (const auto& [processor, costs] : target.costs_on) known.push_back(json_quoted(processor));
  throw Error(Exit::kUsage,
              {"unknown-processor", "/placement/processor",
               format("the target {} has no costs of the processor \"{}\"", target.name, asked),
               (known.size() > 1 ? "write one of " : "leave it out, or write ") + join(known, ", ")});
}

}  // namespace

PlacementTimes costs_by(const config::CoreConfig& config, const target::TargetSpec& target,
                        const ir::Graph& sized, const std::vector<select::Capability>& capabilities) {
  PlacementTimes times;
  times.on = select::time_costs_on_each(sized, capabilities, priced_for(config, target));
  times.time = select::costs_for_all(sized, capabilities, times.on, kWorthTime);
  return times;
}

Places places_of(const ir::Graph& graph, const config::CoreConfig& config, const target::TargetSpec& target,
                 const std::vector<ir::Tensor>& sample, const run::ModelCodec& codec,
                 const std::map<ir::NodeId, config::NodeSettings>& settings) {
  Places places;
  places.rules = select::resolve_rules(graph, config);
  for (const auto& [node, own] : settings)
    config::overlay(places.rules.nodes.at(static_cast<size_t>(node)), own);
  places.rules.nodes = with_weight_only(graph, config, std::move(places.rules.nodes));
  select::begin_lists(target, places.rules.nodes);
  places.idioms = normalize::recognise(graph);
  places.capabilities =
      select::capabilities(graph, target, config.keep_float, places.idioms, places.rules.nodes);
  const ir::Graph sized = with_shapes_of(graph, sample, codec);
  select::leave_empty(sized, target, places.capabilities);
  select::check_placed(graph, target, places.capabilities, places.rules);
  if (config::rounds_activations(config)) select::check_lists(graph, target, config, places.rules);
  PlacementTimes times = costs_by(config, target, sized, places.capabilities);
  places.time_on = std::move(times.on);
  places.time = std::move(times.time);
  places.at_run_time = dynamic_choices(graph, config, places.rules.nodes, places.time);
  keep_out_of_plan(graph, config, places.rules.nodes, places.capabilities);
  places.fastest = !config::rounds_activations(config) ? std::vector<bool>(graph.nodes.size(), false)
                   : is_full(config, target)           ? wherever_possible(places.capabilities)
                                             : select::place(graph, places.capabilities, places.time);
  return places;
}

plan::QuantPlan outline_of(const ir::Graph& graph, const Places& places, const config::CoreConfig& config,
                           const target::TargetSpec& target, const std::vector<bool>& integer,
                           const std::vector<plan::NodeDecision>& reasons) {
  plan::QuantPlan outlined = select::outline(graph, target, places.capabilities, integer, reasons);
  apply_modes(graph, config, places.rules.nodes, places.at_run_time, outlined);
  return outlined;
}

plan::QuantPlan outline_of_fastest(const ir::Graph& graph, const Places& places,
                                   const config::CoreConfig& config, const target::TargetSpec& target) {
  const std::vector<bool>& fastest = places.fastest;
  return outline_of(graph, places, config, target, fastest,
                    config::rounds_activations(config) ? reasons_in_float(fastest, fastest)
                                                       : reasons_of(config.mode, fastest.size()));
}

}  // namespace qc
