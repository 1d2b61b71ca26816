// What a placement is worth, for the report: its predicted time, what else could be had, what each group of
// nodes left in float would change on integers, and whether the goals are met.
#pragma once

#include <functional>
#include <vector>

#include "config/core_config.h"
#include "report/report.h"
#include "search/refine_placement.h"

namespace qc {

/// The plan, without parameters, of nodes that run as `integer` says.
using Outline = std::function<plan::QuantPlan(const std::vector<bool>& integer)>;

/// Predicted time, frontier and float regions. `at_run_time`: by NodeId, layers that the file rounds at run
/// time. `best` is what `placed` found, from there on changed by
/// nothing that moves nodes. What a float region costs at the outputs on integers is measured here where the
/// search had no reason to; without an `outline` (nothing is ever rounded) not at all.
void describe_placement(report::Report& report, const PlacementScene& scene, const Placed& placed,
                        const Attempt& best, const std::vector<bool>& at_run_time, const Outline& outline);

struct Intent {
  const config::CoreConfig& config;
  /// The placement is "full" although the target lets nodes be floats: where a goal is missed the advice is
  /// to have some of them in float.
  bool no_search;
  /// The target lets nodes be floats.
  bool may_float;
  /// The widths of the weights were picked from a frontier.
  bool picked;
};

/// The goal of accuracy in /placement against the written file's worst output: a gate where the user set one,
/// else a warning; either names the nodes behind a miss. Where activations were to be integers and none
/// are, a .tflite says so. A goal that no placement reaches, alone or with
/// max_latency_ratio, is explained with the best that can be had of each. Comes after finish_report();
/// nothing happens where no accuracy was described.
void judge_goals(report::Report& report, const PlacementScene& scene, const Placed& placed,
                 const Attempt& best, const Intent& intent);

}  // namespace qc
