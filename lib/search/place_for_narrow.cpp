// See place_for_narrow.h.
#include "search/place_for_narrow.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "config/open_widths.h"
#include "correct/second_order.h"
#include "search/complete_plan.h"
#include "search/refine_placement.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

// Activations that cost as much as a goal allows leave nothing to narrow weights.
constexpr double kRoomForWeightsDb = 3;

bool has_narrow(const plan::Candidates& weights) {
  return std::ranges::any_of(weights, [](const auto& weight) {
    return weight.second.front().params.stored_bits() < correct::kFullWidth;
  });
}

bool may_move(const Scene& scene, const SearchStart& start) {
  const config::CoreConfig& config = scene.config;
  return config::rounds_activations(config) && scene.target.float_islands && !is_full(config, scene.target) &&
         scene.target.activations.bits <= correct::kFullWidth && !config::bounds_activations(config) &&
         !config.budget.bops && (scene.widths_open || has_narrow(start.weights));
}

std::vector<config::NodeSettings> widened(std::vector<config::NodeSettings> rules) {
  for (config::NodeSettings& rule : rules) {
    if (rule.weights_n_bits.value_or(0) >= correct::kFullWidth) continue;
    rule.weights_n_bits = correct::kFullWidth;
    rule.weights_quantization_method.reset();  // codebooks are of few bits
  }
  return rules;
}

// Biases alone are corrected: that is quick.
config::CoreConfig quick(config::CoreConfig config) {
  if (config.correction.method != config::CorrectionMethod::kNone)
    config.correction.method = config::CorrectionMethod::kBiasCorrection;
  if (config.goals.min_sqnr_db) *config.goals.min_sqnr_db += kRoomForWeightsDb;
  return config;
}

}  // namespace

void place_for_narrow(const Scene& scene, const Subject& subject, SearchStart& start,
                      std::vector<report::Correction>& corrections) {
  if (!may_move(scene, start)) return;
  const config::CoreConfig config = quick(scene.config);
  const PlanScene planning = plan_scene(scene, subject);
  const plan::Candidates weights =
      threshold::weight_candidates(subject.graph, start.plan, scene.target, config.quantization,
                                   widened(subject.places.rules.nodes), scene.threads);
  const AttemptScene trial{subject.graph, scene.runners, scene.source, config, scene.threads};
  const PlacementScene placement = placement_scene(scene, subject, start, config.goals);
  Attempt first = attempt(trial, start.answers, start.plan, weights);
  const double before_db = first.fidelity.worst_db();
  const Placed found =
      refine_placement(placement, start.placed, std::move(first), [&](const std::vector<bool>& integer) {
        return attempt(trial, start.answers, complete_plan(planning, integer, {}), weights, true);
      });
  const std::vector<bool> integer = integer_nodes(found.best.model.plan);
  if (integer == start.placed) return;
  corrections.push_back({kPlacedForNarrow, true, before_db, found.best.fidelity.worst_db(), {}});
  start.placed = integer;
  start.plan = outlined(planning, integer);
  start.activations = ranges_of(planning, start.plan);
  decide(planning, start.activations, start.plan);
}

}  // namespace qc
