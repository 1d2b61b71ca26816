// See search_model.h.
#include "search/search_model.h"

#include <utility>

#include "config/open_widths.h"
#include "ir/edit.h"
#include "prepare.h"
#include "search/correct_wide.h"
#include "search/cut_off.h"
#include "search/settle_widths.h"
#include "search/share_floats.h"
#include "search/spend_budget.h"
#include "search/tune_ranges.h"
#include "select/unlike.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

constexpr int64_t kRareImages = 4;
// What is written is this much above a gate in simulation, or may miss it.
constexpr double kGateDb = 1;

// Do Concats of unlike ranges stay in float where nothing computes with the joined values?
bool floats_unlike(const config::CoreConfig& config, const target::TargetSpec& target) {
  return is_full(config, target) && target.float_islands && target.activations.bits <= 8;
}

// Those that clip nothing, or where these are no better, others for the groups that cost most. Adds what was
// tried to `corrections`.
TunedRanges better_ranges(const Scene& scene, const PlanScene& planning, const FloatAnswers& answers,
                          Attempt first, const std::function<Attempt(const RangeChoice& choice)>& retry,
                          std::vector<report::Correction>& corrections) {
  const bool full = is_full(scene.config, scene.target);
  const auto all_ranges = [&](const Attempt& attempt) {
    return ranges_of(planning, attempt.model.plan, true);
  };
  TunedRanges tuned{std::move(first), {}, {}};
  const auto told = [&](TunedRanges other) {
    if (other.correction) corrections.push_back(*other.correction);
    return other;
  };
  const auto whole_db = [&](const Attempt& attempt) {
    return calibration_db(answers, scene.source, scene.threads, attempt);
  };
  if (wants_whole_ranges(scene.config, full, tuned.best, whole_db)) {
    const plan::Candidates more = all_ranges(tuned.best);
    tuned = told(whole_ranges(more, std::move(tuned.best), retry, whole_db));
  }
  if (tuned.choice.empty() && wants_tuned_ranges(scene.config, full, tuned.best)) {
    const plan::Candidates more = all_ranges(tuned.best);
    tuned = told(tune_ranges(answers, scene.source, more, scene.threads, std::move(tuned.best), retry));
  }
  return tuned;
}

// Unless gates ask for what is not known of other placements: how often classes agree.
void back_to_integers(const PlacementScene& placement, const config::Gates& gates, Placed& placed,
                      const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  if (gates.min_agreement || gates.max_top1_drop) return;
  take_back(placement, placed, gates.min_sqnr_db.value_or(0) + kGateDb, retry);
}

}  // namespace

std::vector<std::string> unlike_notes(const Scene& scene, const Subject& subject,
                                      const plan::QuantPlan& found) {
  return select::unlike_notes(subject.graph, scene.target, subject.stats, subject.places.fastest,
                              integer_nodes(found), floats_unlike(scene.config, scene.target));
}

std::vector<int64_t> elements_of(const Scene& scene, const Subject& subject, const plan::QuantPlan& plan) {
  const ir::Graph sized = with_shapes_of(subject.graph, scene.sample, scene.codec);
  std::vector<int64_t> elements(plan.values.size());
  for (const ir::ValueId v : simulate::rounded_values(plan)) {
    const std::optional<ir::Dims> dims = ir::static_dims(sized, v);
    elements[v] = dims ? ir::element_count(*dims) : 1;
  }
  return elements;
}

PlanScene plan_scene(const Scene& scene, const Subject& subject) {
  return {subject.graph, subject.places, scene.config, scene.target, subject.stats};
}

SearchStart start_of(const Scene& scene, const Subject& subject) {
  const config::CoreConfig& config = scene.config;
  const target::TargetSpec& target = scene.target;
  const PlanScene planning = plan_scene(scene, subject);
  SearchStart start;
  start.placed = subject.places.fastest;
  if (floats_unlike(config, target))
    start.placed =
        select::without_unlike_concats(subject.graph, target, subject.stats, std::move(start.placed));
  start.plan = outlined(planning, start.placed);
  start.weights = threshold::weight_candidates(subject.graph, start.plan, target, config.quantization,
                                               subject.places.rules.nodes, scene.threads);
  start.activations = ranges_of(planning, start.plan);
  decide(planning, start.activations, start.plan);
  // Where the same images are held out, those with the largest values are among them.
  std::vector<int64_t> rare;
  if (scene.split.held_out != scene.split.calibration)
    rare =
        images_cut_off(start.plan, subject.stats, subject.extremes, enough_images(scene.source, kRareImages));
  start.answers = ask_float_model(attempt_scene(scene, subject.graph), start.plan, subject.stats, scene.split,
                                  parts_count(config, target), rare);
  start.answers.rules = subject.places.rules.nodes;
  start.answers.kept = scene.kept;
  start.answers.bound_pairs = guards_pairs(config, target);
  return start;
}

BudgetScene budget_scene(const Scene& scene, const Subject& subject, const SearchStart& start,
                         WriteAll write) {
  return budget_scene(scene, subject, start, {start.placed, start.plan, {}}, std::move(write));
}

BudgetScene budget_scene(const Scene& scene, const Subject& subject, const SearchStart& start,
                         const PlannedAs& planned, WriteAll write) {
  const auto ranges_by = [&, planned](const std::vector<config::NodeSettings>& rules) {
    plan::Candidates ranges =
        threshold::activation_candidates(subject.graph, planned.plan, subject.stats, scene.target,
                                         scene.config.quantization, rules, !planned.ranges.empty());
    RangeChoice narrow = planned.ranges;  // what was searched for was so at the target's own width
    std::erase_if(narrow, [&](const auto& one) {
      const auto found = ranges.find(one.first);
      return found == ranges.end() || found->second.front().params.bits > scene.target.activations.bits;
    });
    put_first(narrow, ranges);
    return ranges;
  };
  const auto plan_by = [&, placed = planned.placed](const plan::Candidates& chosen) {
    const PlanScene planning = plan_scene(scene, subject);
    plan::QuantPlan other = outlined(planning, placed);
    decide(planning, chosen, other);
    return other;
  };
  return {subject.graph,
          with_shapes_of(subject.graph, scene.sample, scene.codec),
          planned.plan,
          scene.target,
          subject.places.idioms,
          subject.places.capabilities,
          scene.config,
          subject.places.rules.nodes,
          start.answers,
          scene.runners,
          scene.source,
          scene.threads,
          std::move(write),
          ranges_by,
          plan_by};
}

PlacementScene placement_scene(const Scene& scene, const Subject& subject, const SearchStart& start) {
  return placement_scene(scene, subject, start, scene.config.goals);
}

PlacementScene placement_scene(const Scene& scene, const Subject& subject, const SearchStart& start,
                               const config::PlacementGoals& goals) {
  return {subject.graph,
          subject.places.capabilities,
          subject.places.time,
          subject.places.time_on,
          !scene.target.costs.empty(),
          goals,
          start.answers,
          scene.runners,
          scene.source,
          scene.split,
          scene.threads};
}

SearchResult search_model(const Scene& scene, const Subject& subject, const SearchStart& start,
                          const WriteAll& write, report::Report& report, Stopwatch& watch) {
  const config::CoreConfig& config = scene.config;
  const FloatAnswers& answers = start.answers;
  const PlanScene planning = plan_scene(scene, subject);
  const bool rounds = config::rounds_activations(config), bounded = config.budget.any();
  const auto attempt_at = [&](const plan::QuantPlan& plan, bool again = false) {
    return attempt(attempt_scene(scene, subject.graph), answers, plan, start.weights, again);
  };
  const auto of_plan = [&](const plan::QuantPlan& plan) { return attempt_at(plan); };
  const auto attempt_with = [&](const std::vector<bool>& integer, const RangeChoice& choice) {
    return attempt_at(complete_plan(planning, integer, choice));
  };

  // From here weights are integers and biases make up for what rounding shifted, where that helped.
  SearchResult found;
  if (bounded) {
    BudgetScene widths = budget_scene(scene, subject, start, write);
    if (rounds && config::lists_widths(config) && !config::bounds_activations(config)) {
      found.placed.best = attempt_at(start.plan);  // lists of results come first, with weights at full width
      settle_widths(scene, subject, start, {}, false, of_plan, write, found, report);
      widths.plan = found.placed.best.model.plan;
    }
    found.placed.best = within_budget(widths, start.weights, report);
  } else {
    found.placed.best = attempt_at(start.plan);
  }
  Attempt& best = found.placed.best;
  watch.lap("correct");
  const auto round_weights = [&](Attempt& tried) {
    correct_wide_weights(scene, subject, start, images_for_wide_weights(scene, subject, start, tried), tried);
  };
  if (!rounds && !bounded && config.mode == config::Mode::kWeightOnly) round_weights(best);
  if (!rounds || bounded) return found;

  // From here ranges that cost the outputs much are those that cost them least.
  TunedRanges tuned = better_ranges(
      scene, planning, answers, std::move(best),
      [&](const RangeChoice& choice) { return attempt_with(start.placed, choice); }, found.corrections);
  best = std::move(tuned.best);
  const RangeChoice ranges = std::move(tuned.choice);
  watch.lap("ranges");

  // From here nodes whose integers cost more accuracy than they are worth are in float again; with full
  // placement, as many as the user gives to float.
  const auto share = [&](const std::vector<bool>& integer) { return attempt_with(integer, ranges); };
  const auto retry = [&](const std::vector<bool>& integer) {
    return attempt_at(complete_plan(planning, integer, ranges), true);
  };
  const PlacementScene placement = placement_scene(scene, subject, start);
  const bool searches = scene.target.float_islands && !full_stands(config, best.fidelity.worst_db());
  if (searches) {
    found.placed = refine_placement(placement, start.placed, std::move(best), retry);
  } else if (scene.target.float_islands && config.goals.max_float_share) {
    const std::vector<int64_t> elements = elements_of(scene, subject, best.model.plan);
    found.placed = share_floats(placement, elements, *config.goals.max_float_share, start.placed,
                                std::move(best), share);
  }
  watch.lap("refine");

  // From here results are as wide as rules that list widths leave it to the search, and those that keep the
  // outputs from their goal have more bits, on targets that have them.
  settle_widths(scene, subject, start, ranges, searches, of_plan, write, found, report);
  watch.lap("widen");

  // From here weights of 8 bits make up for what rounding cost them, where a goal needs it or it is quick.
  const Attempt& placed = found.placed.best;
  const double before_db = placed.fidelity.worst_db();
  round_weights(found.placed.best);
  // And where they do so, and did not let a search reach its goal before, it goes on from there.
  const auto retry_rounded = [&](const std::vector<bool>& integer) {
    Attempt tried = retry(integer);
    round_weights(tried);
    return tried;
  };
  if (found.placed.noise && misses_goal(placed, config) && placed.fidelity.worst_db() > before_db)
    refine_again(placement, found.placed, retry_rounded);
  if (searches && misses_goal(placed, config)) give_to_floats(placement, found.placed, retry_rounded);
  // And integers that went come back where the goal has room for them by now.
  if (searches) back_to_integers(placement, config.gates, found.placed, retry_rounded);
  // A goal that is missed where nothing was searched for: the report says what its error comes from.
  if (!found.placed.noise && misses_goal(placed, config)) find_noise(placement, found.placed);
  watch.lap("round");
  return found;
}

}  // namespace qc
