// The search for a placement that reaches its goals: the fastest one is measured, and where it is not good
// enough, others that give up speed for accuracy are tried, from the noise that each rounded value is
// measured to cause at the outputs.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ir/graph.h"
#include "search/attempt.h"
#include "search/placement_scene.h"
#include "select/capability.h"
#include "select/refine.h"

namespace qc {

struct Placed {
  Attempt best;
  std::vector<select::Refined> frontier;       // predicted; empty: nothing was probed
  std::optional<select::MeasuredNoise> noise;  // of rounding, by scale group; nothing: nothing was probed
  std::vector<bool> probed;                    // nodes that were on integers then, by NodeId
  /// The same of the first look, when most nodes were on integers; where there were more looks.
  std::optional<select::MeasuredNoise> first_noise = {};
  std::vector<bool> first_probed = {};
  bool missed = false;  // the first look was below what is aimed at: integers went for accuracy's sake
};

/// `placed` is where the nodes of `first` run; `retry` makes an attempt of a placement. Returns the best
/// attempt on held-out images:
/// - where the worst output misses the goal (4 dB above the default of 20, because held-out images are few),
///   the fastest placement that reaches it, aimed higher as long as measurement falls short of prediction,
///   and never slower than float, or than max_latency_ratio, by the cost table;
/// - where rounding activations costs far more than rounding weights, and undoing most of that takes little
///   time;
/// - where integers are predicted to save less than the cost table errs by, none at all.
/// A default goal that is reached with room to spare gets a search only where that takes no longer than going
/// over the calibration images twice. Narrow weights (fewer than 8 bits) keep the first placement
/// (place_for_narrow.h): each try would solve them anew.
Placed refine_placement(const PlacementScene& scene, const std::vector<bool>& placed, Attempt first,
                        const std::function<Attempt(const std::vector<bool>& integer)>& retry);

/// Looks once more, from a best attempt whose weights have been rounded anew since `placed` was found: what
/// they cost no longer hides what activations cost. Measures the noise again and tries the placement that it
/// asks for, with fewer nodes on integers, where that promises a decibel. `retry` makes an attempt with
/// weights rounded anew as well. Kept where the worst output comes closer.
void refine_again(const PlacementScene& scene, Placed& placed,
                  const std::function<Attempt(const std::vector<bool>& integer)>& retry);

/// The last resort of a search that has missed its goal: activations in float, or as many of them as the goal
/// asks for where weights rounded anew for floats reach it: of all that were on integers at the first look,
/// for weights that hide what activations cost leave few of them. A goal of the user that nothing reaches
/// gets floats where they come a decibel closer to it. Not where max_latency_ratio asks for less than float's
/// time, nor for narrow weights that miss the goal by themselves. `retry` as for refine_again().
void give_to_floats(const PlacementScene& scene, Placed& placed,
                    const std::function<Attempt(const std::vector<bool>& integer)>& retry);

/// The way back of a search that left its goal behind: predictions promised less than there was, or weights
/// rounded anew made up for more. Faster placements of the first look's noise are tried, in few looks that
/// correct each other's predictions, and the fastest one seen is kept that reaches the goal (4 dB above the
/// default, as the search itself aims) and `least_db` at the worst output. Only what saves more time than the
/// cost table errs by, and only where it was accuracy that took integers away. `retry` as for refine_again().
void take_back(const PlacementScene& scene, Placed& placed, double least_db,
               const std::function<Attempt(const std::vector<bool>& integer)>& retry);

/// Measures the noise of the best attempt's roundings, for the report: no search needed it.
void find_noise(const PlacementScene& scene, Placed& placed);

/// Nodes that a rule has on integers, with what follows them; everything else in float.
std::vector<bool> only_pinned(const ir::Graph& graph, const std::vector<select::Capability>& capabilities);

/// Time of the whole model with these nodes on integers, by the cost table; that of float is 1. Nothing where
/// there are no prices.
std::optional<double> time_ratio(const PlacementScene& scene, const std::vector<bool>& integer);

/// Where the nodes of a plan run. By NodeId: true = integer.
std::vector<bool> integer_nodes(const plan::QuantPlan& plan);

}  // namespace qc
