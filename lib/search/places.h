// Where the nodes of a graph run: the config's rules, what the target can do, what that costs, and the
// fastest placement. One paper, because it is made anew whenever the graph changes (balance_graph.h).
#pragma once

#include <map>
#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/idioms.h"
#include "plan/quant_plan.h"
#include "run/ort_runner.h"
#include "select/capability.h"
#include "select/costs.h"
#include "select/dynamic.h"
#include "select/placement.h"
#include "select/rules.h"
#include "target/target.h"

namespace qc {

/// Predicted time, float = 1, above which integers are not worth having: single models are measured a few
/// percent slower than predicted, and float with integer weights is at 1 for certain and closer to float.
constexpr double kWorthTime = 0.95;

struct Places {
  select::ResolvedRules rules;
  std::vector<plan::Idiom> idioms;
  std::vector<select::Capability> capabilities;    // by NodeId
  select::PlacementCosts time;                     // what decides
  std::vector<select::ProcessorCosts> time_on;     // by processor: those that the config asks for
  std::vector<select::DynamicChoice> at_run_time;  // by NodeId, in the mode dynamic
  std::vector<bool> fastest;                       // by NodeId: on integers
};

/// The times that steer a placement of a graph, by the processors that the config asks for. Throws
/// Error(kUsage) for one that the target does not know.
struct PlacementTimes {
  std::vector<select::ProcessorCosts> on;
  select::PlacementCosts time;  // what decides
};
PlacementTimes costs_by(const config::CoreConfig& config, const target::TargetSpec& target,
                        const ir::Graph& sized, const std::vector<select::Capability>& capabilities);

/// `settings`: of nodes that were made since the model was read and their neighbours, over the config's
/// rules. Throws Error(kUsage) for rules that match nothing or ask for the impossible.
Places places_of(const ir::Graph& graph, const config::CoreConfig& config, const target::TargetSpec& target,
                 const std::vector<ir::Tensor>& sample, const run::ModelCodec& codec,
                 const std::map<ir::NodeId, config::NodeSettings>& settings = {});

/// A plan without parameters for nodes that run as `integer` says.
plan::QuantPlan outline_of(const ir::Graph& graph, const Places& places, const config::CoreConfig& config,
                           const target::TargetSpec& target, const std::vector<bool>& integer,
                           const std::vector<plan::NodeDecision>& reasons);

/// That of the fastest placement.
plan::QuantPlan outline_of_fastest(const ir::Graph& graph, const Places& places,
                                   const config::CoreConfig& config, const target::TargetSpec& target);

}  // namespace qc
