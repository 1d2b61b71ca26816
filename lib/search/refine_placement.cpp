// See refine_placement.h.
#include "search/refine_placement.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "search/forecast.h"
#include "search/halving.h"
#include "search/measured_noise.h"
#include "search/places.h"

namespace qc {
namespace {

constexpr int kRounds = 3;
// Above the aim accuracy gets time only where rounding activations adds more noise than rounding weights did
// (kNarrowGapDb: as much again; a gap that is little wider is not worth a search). Where integers earn little
// (float takes less than kLittle of their time), most of what they earn may go, but not all of it where the
// error is below a hundredth (kPlentyDb).
constexpr double kNarrowGapDb = 3, kGapToSearchDb = 3.5, kRestDb = 0.5, kLittle = 1.5, kGiveBack = 0.8,
                 kPlentyDb = 40;

// Weights alone, with the biases of another placement, are at least this far above the aim, or get their own.
constexpr double kSureDb = 6;
// Fewer images held out than kFewHeldOut say less about others: the aim is up to kFewDb higher.
constexpr double kFewHeldOut = 8, kFewDb = 3;

// A goal that is reached with kRoomDb to spare gets a search only where that takes no more inferences than
// kCalibrations passes over the calibration images.
constexpr double kRoomDb = 3;
constexpr size_t kCalibrations = 2;

// Another pass over the weights is worth this much at the worst output.
constexpr double kWorthAgainDb = 1;
// Between integers that are too far from float and floats that are near enough there are so many looks, where
// integers save as much (kWorthALook: the time of the fastest placement against float's).
constexpr int kLooks = 4;
constexpr double kWorthALook = 0.9;
// The way back to integers looks this often, at what saves as much of float's time (the cost table errs by
// that much).
constexpr int kLooksBack = 3;
constexpr double kWorthBack = 1 - kWorthTime;
// What takes this much longer by the cost table takes as long.
constexpr double kAsLong = 1.02;

// What the search aims at. The default is judged on other images than those held out, a goal that was set on
// these.
struct Aim {
  double db = 0;         // worst output: where it is worse, time is given for accuracy
  double tolerance = 0;  // measured, below the aim: another round is not worth its time
};

Aim aim_of(const config::PlacementGoals& goals, size_t held_out) {
  if (goals.min_sqnr_db) return {*goals.min_sqnr_db + 1, 1};
  const double unsure = kFewDb * (1 - std::min(1.0, static_cast<double>(held_out) / kFewHeldOut));
  return {config::PlacementGoals::kSqnrDb + 4 + unsure, 3};
}

// Images that the accuracy is measured on and nothing was learnt from.
size_t held_out_apart(const calibrate::Split& split) {
  return split.held_out == split.calibration ? 0 : split.held_out.size();
}

// Of the cheapest search: weights alone, a probe of every scale group, one attempt.
size_t inferences_of_search(const Attempt& first, const FloatAnswers& answers) {
  const plan::QuantPlan& plan = first.model.plan;
  std::set<ir::ValueId> groups;
  for (const ir::ValueId v : simulate::rounded_values(plan)) groups.insert(plan.values[v].scale_group);
  return 3 * answers.held_out.images.size() + 2 * answers.means.images.size() + groups.size();
}

bool is_too_long_for_luxury(const PlacementScene& scene, const Attempt& first) {
  return !scene.goals.min_sqnr_db && first.fidelity.worst_db() >= config::PlacementGoals::kSqnrDb + kRoomDb &&
         inferences_of_search(first, scene.answers) > kCalibrations * scene.split.calibration.size();
}

bool improves(const simulate::Fidelity& tried, const simulate::Fidelity& best) {
  return tried.worst_db() > best.worst_db();
}

// What is not slower than float, or than the user's limit, on any processor; the fastest is always among
// them.
std::vector<select::Refined> not_too_slow(const PlacementScene& scene,
                                          const std::vector<select::Refined>& frontier) {
  const auto slowest = [&](const select::Refined& one) {
    return select::slowest_ratio(scene.graph, one.integer, scene.time_on);
  };
  const double limit = std::max(scene.goals.max_latency_ratio.value_or(config::PlacementGoals::kLatencyRatio),
                                slowest(frontier.front()));
  std::vector<select::Refined> fit;
  std::copy_if(frontier.begin(), frontier.end(), std::back_inserter(fit),
               [&](const select::Refined& one) { return !scene.priced || slowest(one) <= limit; });
  return fit;
}

// Does the placement save too little time to be sure of?
bool saves_little(const PlacementScene& scene, const std::vector<bool>& integer) {
  return scene.priced && slowest_ratio(scene.graph, integer, scene.time_on) > kWorthTime;
}

select::Goal goal_of(const PlacementScene& scene, const Aim& aim, bool poor,
                     const simulate::Fidelity& weights_only, double start_time, double float_time) {
  select::Goal goal;
  // What the weights' integers cost cannot be bought back, but most of the rest can.
  goal.sqnr_db =
      poor ? std::min(aim.db, weights_only.worst_db() - kRestDb) : weights_only.worst_db() - kNarrowGapDb;
  if (poor) goal.time_slack = 0;  // accuracy that stays out of reach gets no time
  goal.time_limit = poor                                ? std::max(start_time, float_time)
                    : float_time < kLittle * start_time ? start_time + kGiveBack * (float_time - start_time)
                                                        : start_time;
  if (scene.goals.max_latency_ratio) {
    const double rest = scene.time.elsewhere, whole = float_time + rest;
    const double allowed = std::max(start_time, *scene.goals.max_latency_ratio * whole - rest);
    goal.time_limit = poor ? allowed : std::min(goal.time_limit, allowed);
  }
  return goal;
}

// To what was asked for and cannot be had in time: the fastest would be further from it than need be.
select::Refined closest(const std::vector<select::Refined>& frontier, const select::Goal& goal) {
  select::Refined found = frontier.front();
  for (const select::Refined& one : frontier)
    if (one.time <= goal.time_limit && one.predicted_db > found.predicted_db) found = one;
  return found;
}

struct Search {
  const PlacementScene& scene;
  const std::function<Attempt(const std::vector<bool>& integer)>& retry;
  Aim aim;
  std::vector<bool> start, nowhere;  // the fastest placement, and the one with no integers but pinned ones
  Placed found = {};
  simulate::Fidelity weights_only = {};
};

// The worst output of an attempt at a placement, which is kept if it is closer to float, or if it reaches
// what is wanted.
double try_in(Search& search, const std::vector<bool>& integer, const char* name,
              std::optional<double> wanted_db = {}) {
  Attempt& best = search.found.best;
  Attempt tried = search.retry(integer);
  const double db = tried.fidelity.worst_db();
  const bool kept = wanted_db ? db >= *wanted_db : improves(tried.fidelity, best.fidelity);
  const report::Correction line{name, kept, best.fidelity.worst_db(), db};
  if (kept) best = std::move(tried);
  best.corrections.push_back(line);
  return db;
}

void try_nowhere(Search& search) {
  try_in(search, search.nowhere, "no integers but weights");
}

// The best placement is one that saves too little, and weights alone are closer to float.
bool is_better_nowhere(const Search& search) {
  return saves_little(search.scene, integer_nodes(search.found.best.model.plan)) &&
         improves(search.weights_only, search.found.best.fidelity);
}

// The best placement does what was aimed at, if with little to spare, and saves time.
bool reached_and_fast(const Search& search) {
  const double goal = search.scene.goals.min_sqnr_db.value_or(config::PlacementGoals::kSqnrDb);
  return search.found.best.fidelity.worst_db() >= goal &&
         !saves_little(search.scene, integer_nodes(search.found.best.model.plan));
}

// The placements to choose from by the noise of the best attempt so far, and what to choose by.
std::pair<std::vector<select::Refined>, select::Goal> measured_choice(Search& search, bool poor) {
  const PlacementScene& scene = search.scene;
  if (search.found.noise && !search.found.first_noise) {
    search.found.first_noise = search.found.noise;
    search.found.first_probed = search.found.probed;
  }
  search.found.probed = integer_nodes(search.found.best.model.plan);
  search.found.noise = measured_noise(search.found.best, search.weights_only, scene);
  const select::Goal goal = goal_of(scene, search.aim, poor, search.weights_only,
                                    select::cost_of(scene.graph, search.start, scene.time),
                                    select::cost_of(scene.graph, search.nowhere, scene.time));
  search.found.frontier =
      select::frontier(scene.graph, scene.capabilities, scene.time, *search.found.noise, goal);
  return {not_too_slow(scene, search.found.frontier), goal};
}

// A best placement that saves next to nothing, though it is nearer to float than was wanted. Noise that was
// measured where everything was far from float says little of what few roundings would cost: it names those
// that cost most, but promises less than there is. So placements between are looked at, and of those that
// reach what is wanted the fastest one seen is kept.
void try_between(Search& search, double wanted_db) {
  const PlacementScene& scene = search.scene;
  const auto time = [&](const std::vector<bool>& integer) {
    return select::time_ratio(scene.graph, integer, scene.time);
  };
  const double now = time(integer_nodes(search.found.best.model.plan)), fastest = time(search.start);
  if (now <= kWorthTime || fastest > kWorthALook || search.found.best.fidelity.worst_db() < wanted_db) return;
  std::vector<select::Refined> between = not_too_slow(scene, search.found.frontier);
  std::erase_if(between, [&](const select::Refined& one) {
    return one.integer == search.start || time(one.integer) > kWorthTime;
  });
  fastest_that(between.size(), kLooks, [&](size_t n) {
    return try_in(search, between[n].integer, "placement between integers and floats", wanted_db) >=
           wanted_db;
  });
}

// Attempts at the fastest placement that is predicted to reach the goal, and at finer ones where it does not.
void try_by_noise(Search& search, bool poor) {
  const PlacementScene& scene = search.scene;
  const double weights_db = search.weights_only.worst_db();
  auto [fit, goal] = measured_choice(search, poor);
  if (search.found.best.fidelity.worst_db() >= kPlentyDb && !saves_little(scene, search.start))
    std::erase_if(fit, [&](const select::Refined& one) { return saves_little(scene, one.integer); });
  std::vector<bool> last = search.start;
  for (int round = 0; round < kRounds; ++round) {
    select::Refined refined = select::choose(fit, goal);
    // What just does and is fast comes before what does with ease and is no faster than float.
    if (poor && round == 0 && (!refined.reaches_goal || saves_little(scene, refined.integer))) {
      goal.sqnr_db = std::min(goal.sqnr_db, search.aim.db - search.aim.tolerance);
      refined = select::choose(fit, goal);
    }
    if (poor && !refined.reaches_goal && scene.goals.min_sqnr_db) refined = closest(fit, goal);
    if (refined.integer == last || (!refined.reaches_goal && round > 0)) break;
    if (saves_little(scene, refined.integer)) {
      if (poor && reached_and_fast(search)) return;
      if (weights_db > refined.predicted_db) return try_nowhere(search);
    }
    last = refined.integer;
    const double db = try_in(search, refined.integer, "placement by measured noise");
    if (!poor || !refined.reaches_goal || db >= search.aim.db - search.aim.tolerance) break;
    goal.sqnr_db = std::min(goal.sqnr_db + std::max(1.0, (search.aim.db - db) / 2), weights_db - kRestDb);
  }
  if (is_better_nowhere(search)) try_nowhere(search);
}

// The same, and what lies between where that comes to floats alone.
void search_by_noise(Search& search, bool poor) {
  try_by_noise(search, poor);
  if (poor) try_between(search, search.aim.db - search.aim.tolerance);
}

// Nodes that stand elsewhere are floats for good.
std::vector<select::Capability> only_among(std::vector<select::Capability> capabilities,
                                           const std::vector<bool>& integer) {
  for (size_t n = 0; n < capabilities.size(); ++n)
    if (!integer[n] && capabilities[n].ability == select::Ability::kInteger)
      capabilities[n].ability = select::Ability::kFloatOnly;
  return capabilities;
}

// `capabilities` outlives it.
PlacementScene with_capabilities(const PlacementScene& scene,
                                 const std::vector<select::Capability>& capabilities) {
  return {scene.graph,   capabilities,  scene.time,   scene.time_on, scene.priced, scene.goals,
          scene.answers, scene.runners, scene.source, scene.split,   scene.threads};
}

// Weights that were rounded anew for floats reach the goal: as many integers as it lets stand. Where nobody
// set one, with some room, if floats have it.
void give_back(Search& search, double wanted_db) {
  const PlacementScene& scene = search.scene;
  const simulate::Fidelity& floats = search.found.best.fidelity;
  // What such weights cost; activations cost what they did.
  search.found.noise->base = simulate::noise_ratios(floats.outputs);
  const select::Goal goal{std::min(search.aim.db - search.aim.tolerance, floats.worst_db() - kRestDb)};
  const double enough_db = scene.goals.min_sqnr_db ? wanted_db : std::max(wanted_db, goal.sqnr_db);
  // What shared a scale when all was rounded stands in one place; where that promised too much, whoever
  // rounds any of it pays for all.
  std::vector<bool> last = search.nowhere;
  for (const bool whole : {false, true}) {
    search.found.noise->whole = whole;
    search.found.frontier =
        select::frontier(scene.graph, scene.capabilities, scene.time, *search.found.noise, goal);
    const select::Refined between = select::choose(not_too_slow(scene, search.found.frontier), goal);
    if (!between.reaches_goal || between.integer == last || between.integer == search.nowhere ||
        saves_little(scene, between.integer))
      break;
    last = between.integer;
    if (try_in(search, last, "placement by measured noise, weights rounded anew", enough_db) >= enough_db)
      break;
  }
  try_between(search, enough_db);
}

// Placements faster than the best one, and slower than one that was measured to do no more, of which the
// fastest is predicted to do: that of the frontier, with as many regions of the next one as there is room
// for. Nothing where that does not save enough time to be worth an attempt.
std::optional<select::Refined> next_back(const Search& search, const Forecast& forecast, double wanted_db,
                                         double too_fast) {
  const PlacementScene& scene = search.scene;
  const std::vector<bool> now = integer_nodes(search.found.best.model.plan);
  const select::MeasuredNoise noise = forecast.noise();
  std::vector<select::Refined> faster =
      not_too_slow(scene, select::frontier(scene.graph, scene.capabilities, scene.time, noise, {wanted_db}));
  const double now_time = select::cost_of(scene.graph, now, scene.time);
  std::erase_if(faster, [&](const select::Refined& one) { return one.time >= now_time; });
  const auto reaching =
      std::ranges::find_if(faster, [&](const select::Refined& one) { return one.predicted_db >= wanted_db; });
  std::vector<bool> integer = reaching != faster.end() ? reaching->integer : now;
  if (reaching != faster.begin())
    integer = select::filled_up(scene.graph, scene.time, noise, integer, (reaching - 1)->integer, wanted_db);
  const auto saved = [&](const select::PlacementCosts& time) {
    return select::time_ratio(scene.graph, now, time) - select::time_ratio(scene.graph, integer, time);
  };
  const auto slower = [&](const select::ProcessorCosts& one) { return saved(one.time) < 0; };
  const select::Refined next{integer, select::predicted_db(scene.graph, noise, integer),
                             select::cost_of(scene.graph, integer, scene.time), true};
  if (saved(scene.time) < kWorthBack || next.time <= too_fast || std::ranges::any_of(scene.time_on, slower))
    return std::nullopt;
  return next;
}

// Narrow weights are not searched for, and solving them for another placement takes long. One pass with the
// weights as they are tells whether float activations would do; then the noise is worth measuring.
void look_at_narrow(const PlacementScene& scene, double wanted, Placed& placed) {
  Attempt& best = placed.best;
  if (scene.answers.judged.empty() || simulate::rounded_values(best.model.plan).empty()) return;
  const simulate::Fidelity weights_only = of_weights(best, scene, std::nullopt);
  if (weights_only.worst_db() < wanted) return;
  placed.probed = integer_nodes(best.model.plan);
  placed.noise = measured_noise(best, weights_only, scene);
}

}  // namespace

std::optional<double> time_ratio(const PlacementScene& scene, const std::vector<bool>& integer) {
  if (!scene.priced) return std::nullopt;
  return select::time_ratio(scene.graph, integer, scene.time);
}

std::vector<bool> integer_nodes(const plan::QuantPlan& plan) {
  std::vector<bool> integer;
  for (const plan::NodeDecision& node : plan.nodes)
    integer.push_back(node.compute == plan::Compute::kInteger);
  return integer;
}

std::vector<bool> only_pinned(const ir::Graph& graph, const std::vector<select::Capability>& capabilities) {
  std::vector<bool> integer(capabilities.size());
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const size_t n = static_cast<size_t>(id);
    integer[n] = capabilities[n].pinned;
    if (capabilities[n].ability != select::Ability::kFollows) continue;
    const ir::ValueId in = graph.nodes[n].inputs[0];
    integer[n] = integer[ir::value_at(graph, in).producer];
  }
  return integer;
}

Placed refine_placement(const PlacementScene& scene, const std::vector<bool>& placed, Attempt first,
                        const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  // What narrow weights cost cannot be bought back with float activations, and every try would solve them
  // all over.
  if (scene.answers.judged.empty() || simulate::rounded_values(first.model.plan).empty() ||
      has_narrow_weights(first.model))
    return {std::move(first), {}, {}, {}};
  const Aim aim = aim_of(scene.goals, held_out_apart(scene.split));
  Search search{scene, retry, aim, select::place(scene.graph, scene.capabilities, scene.time),
                only_pinned(scene.graph, scene.capabilities)};
  search.found.best = std::move(first);
  // Full placement did not do: begin where integers pay.
  if (placed != search.start) try_in(search, search.start, "placement where integers pay");
  Attempt& best = search.found.best;
  if (is_too_long_for_luxury(scene, best)) return std::move(search.found);
  const bool poor = best.fidelity.worst_db() < aim.db;
  search.found.missed = poor;
  const bool marginal = saves_little(scene, integer_nodes(best.model.plan));
  if (!poor && !marginal &&
      of_weights_uncorrected(best, scene).worst_db() - best.uncorrected_db <= kGapToSearchDb)
    return std::move(search.found);

  // Biases that make up for large errors do not suit weights alone.
  search.weights_only =
      of_weights(best, scene, poor ? std::nullopt : std::optional<double>(aim.db + kSureDb));
  // What saves too little is no better start for what saves less. Goals of the user want to know all there
  // is.
  if (marginal && !scene.goals.min_sqnr_db && !scene.goals.max_latency_ratio) {
    if (is_better_nowhere(search)) try_nowhere(search);
  } else {
    search_by_noise(search, poor);
  }
  return std::move(search.found);
}

void find_noise(const PlacementScene& scene, Placed& placed) {
  Attempt& best = placed.best;
  if (scene.answers.judged.empty() || simulate::rounded_values(best.model.plan).empty()) return;
  placed.probed = integer_nodes(best.model.plan);
  placed.noise = measured_noise(best, of_weights(best, scene, std::nullopt), scene);
}

void refine_again(const PlacementScene& whole, Placed& placed,
                  const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  // Other layers on integers would be rounded for what these were not: only fewer of them are predictable.
  const std::vector<select::Capability> fewer =
      only_among(whole.capabilities, integer_nodes(placed.best.model.plan));
  const PlacementScene scene = with_capabilities(whole, fewer);
  Search search{scene, retry, aim_of(scene.goals, held_out_apart(scene.split)),
                select::place(scene.graph, scene.capabilities, scene.time),
                only_pinned(scene.graph, scene.capabilities)};
  search.found = std::move(placed);
  Attempt& best = search.found.best;
  search.weights_only = of_weights(best, scene, std::nullopt);
  auto [fit, goal] = measured_choice(search, true);
  std::erase_if(fit, [&](const select::Refined& one) { return saves_little(scene, one.integer); });
  const double free = kAsLong * select::cost_of(scene.graph, search.found.probed, scene.time);
  std::optional<select::Refined> refined;
  for (const double db : {goal.sqnr_db, search.aim.db - search.aim.tolerance}) {
    if (fit.empty() || (refined && refined->reaches_goal)) break;
    goal.sqnr_db = std::min(goal.sqnr_db, db);
    refined = select::choose(fit, goal);
  }
  if (refined && !refined->reaches_goal)  // then what comes closest to it for nothing
    for (const select::Refined& one : fit)
      if (one.time <= free && one.predicted_db > refined->predicted_db) refined = one;
  if (refined && refined->integer != search.found.probed &&
      refined->predicted_db >= best.fidelity.worst_db() + kWorthAgainDb)
    try_in(search, refined->integer, "placement by measured noise, weights rounded anew");
  placed = std::move(search.found);
}

void give_to_floats(const PlacementScene& whole, Placed& placed,
                    const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  const double wanted = whole.goals.min_sqnr_db.value_or(config::PlacementGoals::kSqnrDb);
  const std::vector<bool> nowhere = only_pinned(whole.graph, whole.capabilities);
  if (whole.goals.max_latency_ratio.value_or(1) < 1 || integer_nodes(placed.best.model.plan) == nowhere)
    return;
  if (has_narrow_weights(placed.best.model)) look_at_narrow(whole, wanted, placed);
  if (!placed.noise) return;
  const Aim aim = aim_of(whole.goals, held_out_apart(whole.split));
  // A goal of the user that is out of reach even so gets what comes closest to it.
  const double worth = placed.best.fidelity.worst_db() + kWorthAgainDb;
  const double kept = whole.goals.min_sqnr_db ? std::min(wanted, worth) : wanted;
  Search floats{whole, retry, aim, nowhere, nowhere};
  floats.found = std::move(placed);
  const bool reached = try_in(floats, nowhere, "no integers but weights, rounded anew", kept) >= wanted;
  placed = std::move(floats.found);
  if (!reached) return;

  if (placed.first_noise) {
    placed.noise = std::exchange(placed.first_noise, std::nullopt);
    placed.probed = std::move(placed.first_probed);
  }
  const std::vector<select::Capability> fewer = only_among(whole.capabilities, placed.probed);
  const PlacementScene scene = with_capabilities(whole, fewer);
  Search search{scene, retry, aim, select::place(scene.graph, scene.capabilities, scene.time), nowhere};
  search.found = std::move(placed);
  give_back(search, wanted);
  placed = std::move(search.found);
}

void take_back(const PlacementScene& whole, Placed& placed, double least_db,
               const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  const Aim aim = aim_of(whole.goals, held_out_apart(whole.split));
  const double wanted = std::max(aim.db, least_db), enough = std::max(aim.db - kRestDb, least_db);
  if (!placed.missed || !placed.noise || placed.best.fidelity.worst_db() < wanted ||
      has_narrow_weights(placed.best.model))
    return;
  const std::vector<bool>& probed = placed.first_noise ? placed.first_probed : placed.probed;
  const std::vector<select::Capability> known = only_among(whole.capabilities, probed);
  const PlacementScene scene = with_capabilities(whole, known);
  const auto ratios = [](const Attempt& one) { return simulate::noise_ratios(one.fidelity.outputs); };
  Forecast forecast(scene.graph, placed.first_noise ? *placed.first_noise : *placed.noise,
                    integer_nodes(placed.best.model.plan), ratios(placed.best),
                    simulate::noise_ratios(of_weights_uncorrected(placed.best, scene).outputs));
  Search search{scene, retry, aim, probed, only_pinned(scene.graph, scene.capabilities)};
  search.found = std::move(placed);
  double too_fast = -1;
  for (int look = 0; look < kLooksBack; ++look) {
    const std::optional<select::Refined> next = next_back(search, forecast, wanted, too_fast);
    if (!next) break;
    Attempt& best = search.found.best;
    Attempt tried = retry(next->integer);
    const double db = tried.fidelity.worst_db();
    const report::Correction line{"more integers, as the goal has room", db >= enough,
                                  best.fidelity.worst_db(), db};
    forecast.learn(next->integer, ratios(tried));
    if (line.kept) {
      forecast.begin_at(next->integer, ratios(tried));
      best = std::move(tried);
      search.found.frontier =
          select::frontier(scene.graph, scene.capabilities, scene.time, forecast.noise(), {wanted});
    } else {
      too_fast = next->time;
    }
    best.corrections.push_back(line);
  }
  placed = std::move(search.found);
}

}  // namespace qc
