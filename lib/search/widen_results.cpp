// See widen_results.h.
#include "search/widen_results.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "budget/frontier.h"
#include "config/open_widths.h"
#include "ir/edit.h"
#include "search/spend_results.h"

namespace qc {
namespace {

constexpr int kRounds = 3;
constexpr double kAimDb = 0.5;  // above the goal: noises add up only roughly

// The items with the target's own width and those above it alone.
ResultChoice no_narrower(ResultChoice choice) {
  for (ResultItem& item : choice.items) {
    item.bits.erase(item.bits.begin(), item.bits.begin() + static_cast<std::ptrdiff_t>(item.base));
    item.base = 0;
  }
  std::erase_if(choice.items, [](const ResultItem& item) { return item.bits.size() < 2; });
  return choice;
}

std::vector<budget::Item> items_of(const BudgetScene& scene, const ResultChoice& choice,
                                   const std::vector<std::vector<double>>& noise) {
  std::vector<budget::Item> items;
  for (size_t i = 0; i < choice.items.size(); ++i) {
    budget::Item item;
    const int64_t elements = elements_of(scene, choice.items[i].group);
    for (size_t w = 0; w < choice.items[i].bits.size(); ++w)
      item.choices.push_back({(elements * choice.items[i].bits[w] + 7) / 8, noise[i][w], 0});
    items.push_back(std::move(item));
  }
  return items;
}

// Of a frontier, which falls in cost: the first that costs no more, else the last.
size_t first_within(const budget::Frontier& frontier, double cost) {
  size_t low = 0, high = frontier.size() - 1;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (frontier.at(middle).cost <= cost)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

double ratio_at(double db) {
  return std::pow(10, -db / 10);
}

// "'a' (16), 'b' (16) and 3 more"
std::string named(const ResultChoice& choice, const std::vector<size_t>& picks) {
  std::vector<std::string> names;
  for (size_t i = 0; i < picks.size(); ++i)
    if (picks[i] > 0)
      names.push_back(format("'{}' ({})", choice.items[i].name, choice.items[i].bits[picks[i]]));
  constexpr size_t kNamed = 5;
  const size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
  names.resize(std::min(names.size(), kNamed));
  return format("{}{}", join(names, ", "), more > 0 ? format(" and {} more", more) : "");
}

std::string told(const ResultChoice& choice, const std::vector<size_t>& picks, const Attempt& wide,
                 double before) {
  return format("results of more bits than the target's own, for the goal: {}: {:.1f} dB -> {:.1f} dB",
                named(choice, picks), before, wide.fidelity.worst_db());
}

// Bytes of the items at their own width, and with a share of all activations beside: one more byte for each
// element that is twice as wide.
int64_t bytes_within(const BudgetScene& scene, const std::vector<budget::Item>& items, double share) {
  int64_t bytes = 0;
  for (const budget::Item& item : items) bytes += item.choices.front().bytes;
  return bytes + static_cast<int64_t>(std::floor(share * static_cast<double>(elements_of(scene))));
}

}  // namespace

void widen_results(const BudgetScene& scene, const std::function<Attempt(const plan::QuantPlan& plan)>& retry,
                   double own_db, Attempt& best, report::Report& report) {
  if (!misses_goal(best, scene.config) || has_narrow_weights(best.model)) return;
  const ResultChoice choice = no_narrower(result_choice(scene));
  if (choice.items.empty()) return;
  const std::vector<std::vector<double>> noise = result_noise(scene, choice, best.model);
  const std::vector<budget::Item> items = items_of(scene, choice, noise);
  const budget::Frontier frontier(items);
  const std::optional<double>& share = scene.config.mixed_precision.max_wide_share;
  const bool limited = share && config::lists_widths(scene.config);
  const int64_t limit = limited ? bytes_within(scene, items, *share) : 0;

  // How much of the noise has to go, by what the outputs were measured to have; probes only say whose it is.
  const double goal = scene.config.goals.min_sqnr_db.value_or(config::PlacementGoals::kSqnrDb),
               before = best.fidelity.worst_db();
  double own = 0;
  for (const std::vector<double>& widths : noise) own += widths.front();
  double aim = goal + kAimDb;
  std::optional<Attempt> found;
  std::vector<size_t> picks;
  size_t last = 0;
  for (int round = 0; round < kRounds; ++round) {
    size_t at = first_within(frontier, own * std::min(1.0, ratio_at(aim) / ratio_at(own_db)));
    while (limited && at > 0 && frontier.at(at).bytes > limit) --at;
    if (at == last) break;
    last = at;
    Attempt tried = retry(plan_with(scene, choice, frontier.at(at).picks));
    const double db = tried.fidelity.worst_db();
    if (!found || db > found->fidelity.worst_db()) {
      found = std::move(tried);
      picks = frontier.at(at).picks;
    }
    if (db >= goal) break;
    aim += std::max(1.0, goal - db);
  }
  if (!found || found->fidelity.worst_db() <= before) return;
  report.notes.push_back(told(choice, picks, *found, before));
  explain_widths(scene, choice, noise, picks, found->model.plan);
  best = std::move(*found);
}

void widen_listed(const BudgetScene& scene, const std::function<Attempt(const plan::QuantPlan& plan)>& retry,
                  double share, Attempt& best, std::vector<report::Correction>& corrections,
                  report::Report& report) {
  if (has_narrow_weights(best.model)) return;
  ResultChoice choice = no_narrower(result_choice(scene));
  std::erase_if(choice.items, [](const ResultItem& item) { return !item.listed; });
  if (choice.items.empty()) return;
  const std::vector<std::vector<double>> noise = result_noise(scene, choice, best.model);
  const std::vector<budget::Item> items = items_of(scene, choice, noise);
  std::vector<size_t> picks(items.size(), 0);
  if (const auto sum = budget::Frontier(items).within(bytes_within(scene, items, share))) picks = sum->picks;
  if (std::ranges::count(picks, size_t{0}) < static_cast<std::ptrdiff_t>(picks.size())) {
    int64_t wide = 0;
    for (size_t i = 0; i < picks.size(); ++i)
      if (picks[i] > 0) wide += elements_of(scene, choice.items[i].group);
    Attempt tried = retry(plan_with(scene, choice, picks));
    const double before = best.fidelity.worst_db(), after = tried.fidelity.worst_db();
    const double part = static_cast<double>(wide) / static_cast<double>(elements_of(scene));
    corrections.push_back({format("{} of the activations wider, by activation_n_bits", human_share(part)),
                           after > before,
                           before,
                           after,
                           {}});
    if (after > before)
      report.notes.push_back("results of more bits, by activation_n_bits: " + named(choice, picks));
    if (after > before)
      best = std::move(tried);
    else
      std::ranges::fill(picks, size_t{0});
  }
  explain_widths(scene, choice, noise, picks, best.model.plan);
}

}  // namespace qc
