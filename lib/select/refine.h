// A placement that also minds accuracy: the minimum cut of time + lambda * measured noise, for the lambda
// that reaches the goal and keeps most of the speed.
#pragma once

#include <limits>
#include <vector>

#include "ir/graph.h"
#include "plan/quant_plan.h"
#include "select/capability.h"
#include "select/placement.h"

namespace qc::select {

/// Measured noise of rounding, relative to the signal at each judged output.
struct MeasuredNoise {
  std::vector<ir::ValueId> values;          // one value for each group: where its cost stands in the cut
  std::vector<std::vector<double>> ratios;  // [group][output]
  std::vector<double> base;                 // [output]: what integer weights alone cost
  // [output]: what `ratios` were multiplied by so that their sum is what all of them were measured to cost
  // together; far below 1 where nothing was left to spoil. Empty: by nothing.
  std::vector<double> scales = {};
  // [group]: all values that share its scale where they were probed. Empty: nobody asks.
  std::vector<std::vector<ir::ValueId>> members = {};
  bool whole = false;  // a group costs what it does wherever any of its members is rounded
};

struct Goal {
  double sqnr_db = 24;  // worst output
  double time_slack =
      0.03;  // time over the fastest placement that accuracy may use where the goal cannot be had
  double time_limit = std::numeric_limits<double>::infinity();  // nanoseconds by the cost table
};

struct Refined {
  std::vector<bool> integer;  // by NodeId
  double predicted_db = 0;    // worst output
  double time = 0;            // by the cost table, nanoseconds
  bool reaches_goal = false;
};

/// Is a group's value, or of whole groups any member, rounded where the nodes marked are on integers?
bool is_rounded(const ir::Graph& graph, const MeasuredNoise& noise, size_t group,
                const std::vector<bool>& integer);

/// Noise over signal at each judged output.
std::vector<double> predicted_noise(const ir::Graph& graph, const MeasuredNoise& noise,
                                    const std::vector<bool>& integer);

/// The worst output's SQNR that the noise adds up to where the nodes marked are on integers.
double predicted_db(const ir::Graph& graph, const MeasuredNoise& noise, const std::vector<bool>& integer);

/// The placements that a sweep of lambda finds, finer beside `goal`, and no other one of them beats in both
/// time and noise, the fastest first. Each is the exact optimum for its lambda; what lies above their convex
/// hull is not found.
std::vector<Refined> frontier(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                              const PlacementCosts& time, const MeasuredNoise& noise, const Goal& goal = {});

/// Regions (nodes that hang together by values) that `more` has on integers beside those of `integer` join
/// these, those first that save most time for their noise, as long as the worst output is predicted to keep
/// `least_db`: what lies between two placements of a frontier.
std::vector<bool> filled_up(const ir::Graph& graph, const PlacementCosts& time, const MeasuredNoise& noise,
                            std::vector<bool> integer, const std::vector<bool>& more, double least_db);

/// Of a frontier, the fastest placement that reaches the goal within the time limit; if none does, the least
/// noisy within the time slack: accuracy that cannot be had is not paid for.
Refined choose(const std::vector<Refined>& frontier, const Goal& goal);

}  // namespace qc::select
