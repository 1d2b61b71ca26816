// See complete_plan.h.
#include "search/complete_plan.h"

#include "search/attempt.h"
#include "select/decide.h"
#include "select/multipliers.h"
#include "select/ties.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {

plan::QuantPlan outlined(const PlanScene& scene, const std::vector<bool>& integer) {
  return outline_of(scene.graph, scene.places, scene.config, scene.target, integer,
                    reasons_in_float(scene.places.fastest, integer));
}

plan::Candidates ranges_of(const PlanScene& scene, const plan::QuantPlan& plan, bool more) {
  return threshold::activation_candidates(scene.graph, plan, scene.stats, scene.target,
                                          scene.config.quantization, scene.places.rules.nodes, more);
}

void decide(const PlanScene& scene, const plan::Candidates& activations, plan::QuantPlan& plan) {
  select::decide(plan, scene.graph, scene.target, activations);
  select::bound_multipliers(plan, scene.graph, scene.target, scene.config.quantization.min_threshold);
  if (is_full(scene.config, scene.target))
    select::avoid_ties(plan, scene.graph, scene.target,  // both files compute the same integers
                       config::writes(scene.config, "tflite"));
}

plan::QuantPlan complete_plan(const PlanScene& scene, const std::vector<bool>& integer,
                              const RangeChoice& chosen) {
  plan::QuantPlan plan = outlined(scene, integer);
  plan::Candidates activations = ranges_of(scene, plan, !chosen.empty());
  put_first(chosen, activations);
  decide(scene, activations, plan);
  return plan;
}

}  // namespace qc
