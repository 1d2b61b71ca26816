// See spend_budget.h.
#include "search/spend_budget.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/decibels.h"
#include "base/progress.h"
#include "base/text.h"
#include "run/heap.h"
#include "search/spend_results.h"
#include "target_of.h"

namespace qc {
namespace {

// Candidates are also made for steeper costs, which are closer to one width for all: what narrow layers cost
// together is more than the sum of what each costs alone.
constexpr double kOtherByBit[] = {5, 8};
// The attempt that a choice was picked by is flattered by that: with all images it may seem worse by so much,
// dB. Of six choices on 16 held-out images the best seemed 0.2 to 1.8 dB better than with all images on four
// networks, and was 0.7 to 1.9 dB worse on hundreds of others, each time.
constexpr double kFlattered = 2;
constexpr double kNotPredicted = std::numeric_limits<double>::quiet_NaN();

// Widths outside of first..last cost more than anything inside could.
std::vector<budget::Item> within_band(std::vector<budget::Item> items, size_t first, size_t last) {
  double all = 0;
  for (const budget::Item& item : items)
    for (const budget::Choice& choice : item.choices) all += choice.cost;
  for (budget::Item& item : items)
    for (size_t w = 0; w < item.choices.size(); ++w)
      if (w < first || w > last) item.choices[w].cost += all;
  return items;
}

// --- budgets as figures

[[noreturn]] void infeasible(const char* key, double limit, double least, const std::string& cause,
                             const std::string& remedy) {
  throw Error(Exit::kBudget, {"infeasible-budget", std::string("/target_resource_utilization/") + key,
                              format("the budget is {:.0f}, and the least that can be reached is {:.0f}: {}",
                                     limit, least, cause),
                              remedy});
}

std::optional<double> figure_of(const std::optional<config::Limit>& limit, double full) {
  if (!limit) return std::nullopt;
  return limit->share ? limit->amount * full : limit->amount;
}

// Shares are of the target's own widths.
Figures figures_of(const BudgetScene& scene, const WidthStudy& study) {
  const config::ResourceLimits& asked = scene.config.budget;
  if ((asked.activation_memory || asked.total_memory) && !study.peak)
    throw Error(Exit::kBudget,
                {"unknown-sizes", "/target_resource_utilization",
                 "the shapes of some activations depend on the input, so their bytes are unknown",
                 "fix the shapes with input_shapes, or bound weights_memory alone"});
  const auto full = static_cast<double>(study.full_bytes()),
             peak = study.peak ? static_cast<double>(study.peak->bytes) : 0;
  return {figure_of(asked.weights_memory, full), figure_of(asked.activation_memory, peak),
          figure_of(asked.total_memory, peak + full), figure_of(asked.bops, study.full_bops())};
}

// Throws where activations alone are too many.
budget::Limits limits_of(const BudgetScene& scene, const WidthStudy& study, const Figures& figures,
                         bool narrow_results) {
  budget::Limits limits;
  if (figures.weights) limits.bytes = static_cast<int64_t>(*figures.weights);
  const double peak = study.peak ? static_cast<double>(study.peak->bytes) : 0;
  if (figures.activations && peak > *figures.activations)
    infeasible(
        "activation_memory", *figures.activations, peak,
        format("at the fullest moment these are alive{}: {}",
               narrow_results ? ", as narrow as the target has them" : "", join(study.peak_names, ", ")),
        is_full(scene.config, scene.target)
            ? "give it that much; widths of weights do not change it"
            : "give it that much, or have integers wherever the target has them: \"placement\": \"full\"");
  if (figures.total) {
    const auto left = static_cast<int64_t>(std::floor(*figures.total - peak));
    limits.bytes = std::min(limits.bytes.value_or(left), left);
  }
  limits.extra = figures.bops;
  if (limits.bytes) *limits.bytes -= study.other_bytes;
  if (limits.extra) *limits.extra -= study.other_bops;
  return limits;
}

Attempt build(const BudgetScene& scene, const WidthStudy& study, const std::vector<size_t>& picks,
              const config::CoreConfig& config) {
  return attempt({scene.graph, scene.runners, scene.source, config, scene.threads}, scene.answers, scene.plan,
                 picked(study, picks));
}

// Enough to tell choices of widths apart: a third of the time, and the same order but for tenths of a dB.
config::CoreConfig with_few_images(config::CoreConfig config) {
  constexpr int64_t kFew = 32;
  config.correction.images = std::min(config.correction.images, kFew);
  config.correction.mirror = false;
  return config;
}

struct Smallest {
  Attempt made;
  int64_t bytes = 0;  // as written
  std::vector<size_t> picks;
};

// The smaller of two: each item as small as it can be by itself, or one width for all, which needs one table.
Smallest smallest_of(const BudgetScene& scene, const WidthStudy& study) {
  std::vector<size_t> each;
  for (const WidthItem& item : study.items)
    each.push_back(
        static_cast<size_t>(std::min_element(item.bytes.begin(), item.bytes.end()) - item.bytes.begin()));
  std::optional<Smallest> smallest;
  for (const std::vector<size_t>& picks : {each, std::vector<size_t>(each.size(), 0)}) {
    if (smallest && picks == each) continue;
    Attempt made = build(scene, study, picks, with_few_images(scene.config));
    const int64_t bytes = written_bytes(scene, made.model);
    if (!smallest || bytes < smallest->bytes) smallest = {std::move(made), bytes, picks};
  }
  return std::move(*smallest);
}

// Throws where even `least` bytes of constants, counted in a file with all corrections in it, are too many:
// for each key that has to give way. Returns where they are not.
void refuse_bytes(const BudgetScene& scene, const WidthStudy& study, const Figures& figures, int64_t least) {
  const int64_t peak = study.peak ? study.peak->bytes : 0;
  const struct {
    const char* key;
    const std::optional<double>& figure;
    int64_t least;
    std::string beside;
  } rows[] = {{"weights_memory", figures.weights, least, ""},
              {"total_memory", figures.total, least + peak,
               format(", and activations take {} at the fullest moment", peak)}};
  const std::string how = study.items.empty()
                              ? why_closed(scene, study)
                              : format("with {} bits in all {} layers that may be narrow",
                                       widths(scene.config, scene.target).front(), study.items.size());
  Diagnostics problems;
  for (const auto& row : rows) {
    if (!row.figure || static_cast<int64_t>(*row.figure) >= row.least) continue;
    problems.error(
        {"infeasible-budget", std::string("/target_resource_utilization/") + row.key,
         format("the budget is {}, and the least that can be reached is {}: {}; {} bytes are fixed (scales, "
                "biases, constants, what the config keeps wide){}",
                static_cast<int64_t>(*row.figure), row.least, how, study.other_bytes, row.beside),
         "raise the budget to that, or let more layers be narrow (bit_width_config, keep_float)"});
  }
  problems.throw_if_errors(Exit::kBudget);
}

void check_feasible(const BudgetScene& scene, const WidthStudy& study, const Figures& figures,
                    const budget::Limits& limits) {
  const std::vector<budget::Item> items = problem_of(scene, study);
  int64_t least = 0;
  for (const WidthItem& item : study.items) least += *std::min_element(item.bytes.begin(), item.bytes.end());
  const bool tight = limits.bytes && *limits.bytes < least;
  if (tight)  // by a sum of parts; the word that people get is that of a file
    refuse_bytes(scene, study, figures, smallest_of(scene, study).bytes);
  if (!limits.extra) return;
  const double fewest = *budget::least_extra_within(items, tight ? std::optional<int64_t>() : limits.bytes);
  if (fewest > *limits.extra)
    infeasible("bops", *limits.extra + study.other_bops, fewest + study.other_bops,
               format("{:.0f} of them are in layers whose widths are fixed", study.other_bops),
               "raise the budget to that");
}

// --- candidates, built and measured

bool fits(const WidthStudy& study, const budget::Limits& limits, int64_t bytes) {
  return !limits.bytes || bytes <= *limits.bytes + study.other_bytes;
}

struct Tried {
  std::string name;
  std::vector<size_t> picks;
  double predicted_db = kNotPredicted;
};

double predicted_db(const WidthStudy& study, double cost) {
  const double noise = study.wide_noise + study.result_noise + cost;
  return study.wide_noise > 0 && noise > 0 ? -decibels(noise) : kNotPredicted;
}

// What a mixture takes is not quite the sum of its parts: a file has one table for each width that occurs,
// and equal scales once. So the solver's limit is moved until the written bytes are within the true one, and
// use it.
std::optional<budget::Solution> solve_as_written(const BudgetScene& scene, const WidthStudy& study,
                                                 const std::vector<budget::Item>& items,
                                                 const budget::Limits& limits) {
  if (!limits.bytes) return budget::solve(items, limits);
  constexpr int kRounds = 12;
  std::optional<budget::Solution> best;
  std::set<std::vector<size_t>> seen;
  budget::Limits moved = limits;
  int64_t push = 1;
  for (int round = 0; round < kRounds; ++round) {
    const auto found = budget::solve(items, moved);
    if (!found) break;
    const int64_t left = *limits.bytes + study.other_bytes -
                         written_bytes(scene, as_large(scene, picked(study, found->sum.picks)));
    if (left >= 0 && (!best || found->sum.cost < best->sum.cost)) best = found;
    const bool again = !seen.insert(found->sum.picks).second;
    if (again && left >= 0) break;
    // The same once more, and too large: a step that small finds nothing else.
    push = again ? 2 * push : 1;
    *moved.bytes += left < 0 ? push * left : left;
  }
  return best;
}

// Three widths around the one that fills the budget if all layers have it.
std::pair<size_t, size_t> band_of(const WidthStudy& study, int64_t limit) {
  const auto bytes_at = [&](size_t w) {
    int64_t bytes = 0;
    for (const WidthItem& item : study.items) bytes += item.bytes[w];
    return bytes;
  };
  size_t nearest = 0;
  for (size_t w = 1; w < study.candidates.size(); ++w)
    if (std::abs(bytes_at(w) - limit) < std::abs(bytes_at(nearest) - limit)) nearest = w;
  return {nearest == 0 ? 0 : nearest - 1, std::min(nearest + 1, study.candidates.size() - 1)};
}

// The best choices by the sensitivities, and the widest uniform one that fits.
std::vector<Tried> candidates_for(const BudgetScene& scene, const WidthStudy& study,
                                  const budget::Limits& limits, std::vector<std::string>& notes) {
  std::vector<Tried> tried;
  const std::vector<budget::Item> items = problem_of(scene, study);
  const auto add = [&](std::string name, std::vector<size_t> picks) {
    if (std::any_of(tried.begin(), tried.end(), [&](const Tried& t) { return t.picks == picks; })) return;
    const double cost = budget::sum_of(items, picks).cost;
    tried.push_back({std::move(name), std::move(picks), predicted_db(study, cost)});
  };
  if (const auto best = solve_as_written(scene, study, items, limits)) {
    const double gap = best->sum.cost > 0 ? 1 - best->bound / best->sum.cost : 0;
    notes.push_back(gap <= 1e-12 ? "widths: proven best by the measured sensitivities"
                                 : format("widths: within {:.3g} % of the best by the measured sensitivities",
                                          100 * gap));
    add("by sensitivity", best->sum.picks);
  }
  const bool more = scene.config.mixed_precision.refine;
  const std::vector<int> all = widths(scene.config, scene.target);
  const auto add_solved = [&](std::string name, const std::vector<budget::Item>& problem) {
    if (const auto other = solve_as_written(scene, study, problem, limits))
      add(std::move(name), other->sum.picks);
  };
  // Choices around the best sum make up for what sums of our measures leave out. MCT's measure is there to
  // compare with: its own choice stands for it.
  const bool around = more && scene.config.mixed_precision.sensitivity != config::Sensitivity::kLayer;
  if (around) {
    for (const double by_bit : kOtherByBit)
      add_solved(format("by sensitivity, {:g} times per bit", by_bit),
                 problem_of(scene, study, by_bit / kByBit));
    if (std::none_of(study.items.begin(), study.items.end(),
                     [](const WidthItem& item) { return item.probed.empty(); }))
      add_solved("by probes alone", problem_of(scene, study, 1, &WidthItem::probed));
  }
  if (around && limits.bytes) {
    const auto [first, last] = band_of(study, *limits.bytes);
    add_solved(format("by sensitivity, {} to {} bits", all[first], all[last]),
               within_band(items, first, last));
  }
  for (size_t w = all.size(); w-- > 0 && (more || tried.empty());) {
    const std::vector<size_t> picks(study.items.size(), w);
    const int64_t bytes = limits.bytes ? written_bytes(scene, as_large(scene, study.candidates[w])) : 0;
    if (!fits(study, limits, bytes) || (limits.extra && budget::sum_of(items, picks).extra > *limits.extra))
      continue;
    add(format("{} bits everywhere", all[w]), picks);
    break;
  }
  return tried;
}

// Choices that were built with few images.
struct Contest {
  size_t first_point = 0;  // of the report's frontier; the others follow, as in `tried`
  std::vector<Tried> tried = {};
  std::optional<Attempt> best = {};  // of those that fit
  size_t chosen = 0;                 // which of `tried` that is
};

// Builds those that were not tried yet. Returns how many bytes the first of them, the best by sensitivity, is
// over the limit.
int64_t build_all(const BudgetScene& scene, const WidthStudy& study, const budget::Limits& limits,
                  std::vector<Tried> candidates, report::Report& report, Contest& contest) {
  const config::CoreConfig few = with_few_images(scene.config);
  int64_t over = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    Tried& candidate = candidates[i];
    if (std::ranges::any_of(contest.tried, [&](const Tried& t) { return t.picks == candidate.picks; }))
      continue;
    Attempt made = build(scene, study, candidate.picks, few);
    const int64_t bytes = written_bytes(scene, made.model);
    const double db = made.fidelity.worst_db();
    report.frontier.push_back({candidate.name, std::nan(""), bytes, candidate.predicted_db, db, false});
    contest.tried.push_back(std::move(candidate));
    const bool small = fits(study, limits, bytes);
    if (!small && i == 0) over = bytes - *limits.bytes - study.other_bytes;
    if (!small || (contest.best && db <= contest.best->fidelity.worst_db())) continue;
    contest.best = std::move(made);
    contest.chosen = contest.tried.size() - 1;
  }
  return over;
}

// What a choice of widths takes, beside what is allowed.
std::vector<report::ResourceRow> resources_of(const BudgetScene& scene, const WidthStudy& study,
                                              const Figures& figures, const std::vector<size_t>& picks,
                                              int64_t constants) {
  const std::vector<int> bits = widths(scene.config, scene.target);
  double bops = study.other_bops;
  for (size_t i = 0; i < study.items.size(); ++i) bops += study.items[i].products * bits[picks[i]];
  std::vector<report::ResourceRow> rows{{"weights_memory", static_cast<double>(constants), figures.weights}};
  if (study.peak) {
    const auto peak = static_cast<double>(study.peak->bytes);
    rows.push_back({"activation_memory", peak, figures.activations});
    rows.push_back({"total_memory", peak + static_cast<double>(constants), figures.total});
  }
  rows.push_back({"bops", bops, figures.bops});
  return rows;
}

}  // namespace

Attempt within_budget(BudgetScene& scene, const plan::Candidates& weights, report::Report& report) {
  std::optional<run::HeapKept> pages_kept(std::in_place);
  const config::ResourceLimits& asked = scene.config.budget;
  const bool for_results = asked.activation_memory || asked.total_memory || asked.bops,
             for_weights = asked.weights_memory || asked.total_memory || asked.bops;
  const ResultChoice results = for_results ? result_choice(scene) : ResultChoice{};
  if (results.items.empty() || asked.weights_memory) check_widths(scene);
  WidthStudy study = sizes_of(scene, weights);
  const Figures figures = figures_of(scene, study);
  const auto count = [&] {
    count_operations(scene, weights, study);
    count_activations(scene, study);
    return limits_of(scene, study, figures, !results.items.empty());
  };
  if (!results.items.empty()) {
    const plan::QuantPlan base =
        std::exchange(scene.plan, plan_with(scene, results, std::vector<size_t>(results.items.size(), 0)));
    check_feasible(scene, study, figures, count());
    scene.plan = base;
    count_operations(scene, weights, study);
    count_activations(scene, study);
  } else {
    check_feasible(scene, study, figures, count());
  }
  if (for_weights && widths(scene.config, scene.target).size() > 1)
    probe(scene, study);
  else
    assume_alike(scene, study);  // all of them keep their full width
  if (!results.items.empty()) settle_results(scene, results, weights, figures, study, report);
  const budget::Limits limits = count();

  // From here the best choice of widths that fits is known.
  Contest contest{report.frontier.size()};
  const int64_t over =
      build_all(scene, study, limits, candidates_for(scene, study, limits, report.notes), report, contest);
  if (over > 0 && limits.bytes) {  // corrections may make a file larger than it was counted to be
    budget::Limits less = limits;
    *less.bytes -= over;
    std::vector<std::string> said;  // once is enough
    build_all(scene, study, limits, candidates_for(scene, study, less, said), report, contest);
  }
  pages_kept.reset();  // what comes now takes the most memory
  std::optional<Attempt>& best = contest.best;
  std::vector<size_t> picks;
  // More images mostly bring more, and other scales, of which there may be too many.
  if (best) {
    const Tried& chosen = contest.tried[contest.chosen];
    picks = chosen.picks;
    Attempt made = build(scene, study, chosen.picks, scene.config);
    const int64_t bytes = written_bytes(scene, made.model);
    const bool better =
        fits(study, limits, bytes) && made.fidelity.worst_db() >= best->fidelity.worst_db() - kFlattered;
    report.frontier[contest.first_point + contest.chosen].chosen = !better;
    report.frontier.push_back({chosen.name + format(", all {}s", images::unit_of(scene.source)), std::nan(""),
                               bytes, chosen.predicted_db, made.fidelity.worst_db(), better});
    if (better) best = std::move(made);
  }
  if (!best) {  // what was tried is larger once its corrections are in
    Smallest smallest = smallest_of(scene, study);
    refuse_bytes(scene, study, figures, smallest.bytes);
    report.frontier.push_back({"as narrow as can be", std::nan(""), smallest.bytes, kNotPredicted,
                               smallest.made.fidelity.worst_db(), true});
    best = std::move(smallest.made);
    picks = std::move(smallest.picks);
  }
  report.resources = resources_of(scene, study, figures, picks, written_bytes(scene, best->model));
  return std::move(*best);
}

report::WidthFrontier measured_frontier(const BudgetScene& scene, const plan::Candidates& weights) {
  constexpr double kMixed[] = {2.5, 3, 3.5, 4, 4.5, 5, 6};  // bits, between the narrowest and the widest
  constexpr int kUniform[] = {3, 4, 5, 6, 8};
  const run::HeapKept kept;
  check_widths(scene);
  WidthStudy study = sizes_of(scene, weights);
  if (study.items.empty())
    throw Error(Exit::kBudget, {"no-open-widths", "frontier", why_closed(scene, study),
                                "leave the widths of some layers out of the config's rules, or convert "
                                "without a search"});
  probe(scene, study);
  const std::vector<int> all = widths(scene.config, scene.target);
  const std::vector<budget::Item> items = problem_of(scene, study);
  report::WidthFrontier frontier;
  frontier.model = scene.graph.name;
  frontier.widths = all;
  frontier.other_bytes = study.other_bytes;
  frontier.wide_noise = study.wide_noise;
  int64_t least = 0, most = 0;
  for (const WidthItem& item : study.items) {
    frontier.layers.push_back({item.name, item.bytes, item.costs});
    least += item.bytes.front();
    most += item.bytes.back();
  }
  std::vector<std::pair<std::string, std::vector<size_t>>> choices;
  for (const double bits : kMixed) {
    const double share = (bits - all.front()) / (all.back() - all.front());
    if (share < 0) continue;
    const auto limit = least + static_cast<int64_t>(share * static_cast<double>(most - least));
    if (const auto found = solve_as_written(scene, study, items, {limit, {}}))
      choices.emplace_back(format("{:g} bits by sensitivity", bits), found->sum.picks);
  }
  const size_t mixed = choices.size();
  for (const int bits : kUniform) {
    const auto at = std::find(all.begin(), all.end(), bits);
    if (at != all.end())
      choices.emplace_back(format("{} bits everywhere", bits),
                           std::vector<size_t>(study.items.size(), static_cast<size_t>(at - all.begin())));
  }
  Progress progress("measuring", static_cast<int64_t>(choices.size()), "choices of widths");
  for (size_t c = 0; c < choices.size(); ++c) {
    const Attempt made = build(scene, study, choices[c].second, scene.config);
    std::vector<int> bits;
    for (const size_t pick : choices[c].second) bits.push_back(all[pick]);
    frontier.points.push_back({choices[c].first, written_bytes(scene, made.model),
                               predicted_db(study, budget::sum_of(items, choices[c].second).cost),
                               made.fidelity.worst_db(), bits, c >= mixed, false});
    progress.advance();
  }
  report::mark_best(frontier);
  return frontier;
}

}  // namespace qc
