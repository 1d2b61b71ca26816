// See settle_widths.h.
#include "search/settle_widths.h"

#include <algorithm>
#include <utility>

#include "config/open_widths.h"
#include "ir/edit.h"
#include "prepare.h"
#include "search/share_floats.h"
#include "search/widen_results.h"
#include "select/result_widths.h"
#include "target_of.h"

namespace qc {
namespace {

double share_of(const config::CoreConfig& config) {
  const bool goal = config.goals.min_sqnr_db.has_value();
  return config.mixed_precision.max_wide_share.value_or(goal ? 1 : config::MixedPrecision::kWideShare);
}

// Results that are float where they are wider, as many as the rules list.
void give_floats(const Scene& scene, const Subject& subject, const SearchStart& start,
                 const RangeChoice& ranges, bool searched,
                 const std::function<Attempt(const plan::QuantPlan& plan)>& attempt_at, SearchResult& found,
                 report::Report& report) {
  const config::PlacementGoals& goals = scene.config.goals;
  if (searched && goals.min_sqnr_db) return;  // the search was for that, with floats wherever they help
  Attempt& best = found.placed.best;
  ListedFloats listed;
  listed.lists.resize(subject.graph.values.size());
  for (const ir::ValueId v : simulate::rounded_values(best.model.plan)) {
    const ir::ValueId group = best.model.plan.values[v].scale_group;
    if (select::float_is_wider(subject.graph, scene.target, subject.places.rules.nodes, v))
      listed.lists[group] = select::widths_listed(subject.graph, scene.target, subject.places.rules.nodes, v);
  }
  if (std::ranges::all_of(listed.lists, [](const std::vector<int>& list) { return list.empty(); })) return;
  listed.elements = elements_of(scene, subject, best.model.plan);
  listed.bits = scene.target.activations.bits;
  listed.share = share_of(scene.config);
  listed.goal_db = goals.min_sqnr_db;
  listed.most_time = goals.max_latency_ratio;
  const PlacementScene placement = placement_scene(scene, subject, start);
  if (!is_full(scene.config, scene.target) && !listed.most_time)
    if (const auto now = time_ratio(placement, integer_nodes(best.model.plan)))
      listed.most_time = std::max(config::PlacementGoals::kLatencyRatio, *now);
  const PlanScene planning = plan_scene(scene, subject);
  float_listed(
      placement, listed, best,
      [&](const std::vector<bool>& integer) { return attempt_at(complete_plan(planning, integer, ranges)); },
      found.corrections, report);
}

}  // namespace

void settle_widths(const Scene& scene, const Subject& subject, const SearchStart& start,
                   const RangeChoice& ranges, bool searched,
                   const std::function<Attempt(const plan::QuantPlan& plan)>& attempt_at,
                   const WriteAll& write, SearchResult& found, report::Report& report) {
  const bool lists = config::lists_widths(scene.config);
  if (lists && scene.target.float_islands)
    give_floats(scene, subject, start, ranges, searched, attempt_at, found, report);
  Attempt& best = found.placed.best;
  const std::vector<bool> placed = integer_nodes(best.model.plan);
  const bool moved = placed != start.placed;
  if (moved && !lists) return;
  const BudgetScene widths =
      budget_scene(scene, subject, start, {placed, moved ? best.model.plan : start.plan, ranges}, write);
  const double own_db = best.fidelity.worst_db();
  if (lists && !scene.config.goals.min_sqnr_db)
    widen_listed(widths, attempt_at, share_of(scene.config), best, found.corrections, report);
  widen_results(widths, attempt_at, own_db, best, report);
}

}  // namespace qc
