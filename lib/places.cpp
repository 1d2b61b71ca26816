// See places.h.
#include "places.h"

#include "attempt.h"
#include "modes.h"
#include "normalize/idioms.h"
#include "prepare.h"
#include "select/costs.h"
#include "select/decide.h"
#include "write_tflite.h"

namespace qc {

Places places_of(const ir::Graph& graph, const config::CoreConfig& config, const target::TargetSpec& target,
                 const std::vector<ir::Tensor>& sample, const run::Doors& doors,
                 const std::map<ir::NodeId, config::NodeSettings>& settings) {
  Places places;
  places.rules = select::resolve_rules(graph, config);
  for (const auto& [node, own] : settings)
    config::overlay(places.rules.nodes.at(static_cast<size_t>(node)), own);
  places.rules.nodes = with_weight_only(graph, config, std::move(places.rules.nodes));
  places.idioms = normalize::recognise(graph);
  places.capabilities =
      select::capabilities(graph, target, config.keep_float, places.idioms, places.rules.nodes);
  select::check_placed(graph, target, places.capabilities, places.rules);
  places.time = select::time_costs(with_shapes_of(graph, sample, doors), places.capabilities, target);
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
