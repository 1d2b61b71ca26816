// A placement that also minds accuracy: the minimum cut of time + lambda * measured noise, for the lambda
// that keeps most of the speed and reaches the goal.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "plan/quant_plan.h"
#include "select/capability.h"
#include "select/placement.h"

namespace qc::select {

/// Measured noise of rounding, relative to the signal at each judged output.
struct MeasuredNoise {
  std::vector<ir::ValueId> values;  // one value for each scale group: where its cost stands in the cut
  std::vector<std::vector<double>> ratios;  // [group][output]
  std::vector<double> base;                 // [output]: what integer weights alone cost
};

struct Goal {
  double sqnr_db = 24;       // worst output: below it, time is given for accuracy
  double time_slack = 0.05;  // time over the fastest placement that accuracy may always use
};

struct Refined {
  std::vector<bool> integer;  // by NodeId
  double predicted_db = 0;    // worst output
  double time = 0;            // by the cost table, nanoseconds
  bool reaches_goal = false;
};

/// Sweeps lambda. Within the time slack the least noisy placement wins; if it misses the goal, the fastest
/// that reaches it; if none does, the first one again (accuracy that cannot be had is not paid for).
Refined refine(const ir::Graph& graph, const std::vector<Capability>& capabilities,
               const PlacementCosts& time, const MeasuredNoise& noise, const Goal& goal);

}  // namespace qc::select
