// See widen_results.h.
#include "search/widen_results.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "budget/frontier.h"
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

int64_t elements_of(const BudgetScene& scene, ir::ValueId group) {
  int64_t elements = 0;
  for (const ir::ValueId v : simulate::rounded_values(scene.plan)) {
    if (scene.plan.values[static_cast<size_t>(v)].scale_group != group) continue;
    const std::optional<ir::Dims> dims = ir::static_dims(scene.sized, v);
    elements += dims ? ir::element_count(*dims) : 1;
  }
  return elements;
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

std::string told(const ResultChoice& choice, const std::vector<size_t>& picks, const Attempt& wide,
                 double before) {
  std::vector<std::string> names;
  for (size_t i = 0; i < picks.size(); ++i)
    if (picks[i] > 0)
      names.push_back(format("'{}' ({})", choice.items[i].name, choice.items[i].bits[picks[i]]));
  constexpr size_t kNamed = 5;
  const size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
  names.resize(std::min(names.size(), kNamed));
  return format("results of more bits than the target's own, for the goal: {}{}: {:.1f} dB -> {:.1f} dB",
                join(names, ", "), more > 0 ? format(" and {} more", more) : "", before,
                wide.fidelity.worst_db());
}

}  // namespace

void widen_results(const BudgetScene& scene, const std::function<Attempt(const plan::QuantPlan& plan)>& retry,
                   Attempt& best, report::Report& report) {
  if (!misses_goal(best, scene.config) || has_narrow_weights(best.model)) return;
  const ResultChoice choice = no_narrower(result_choice(scene));
  if (choice.items.empty()) return;
  const std::vector<std::vector<double>> noise = result_noise(scene, choice, best.model);
  const budget::Frontier frontier(items_of(scene, choice, noise));

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
    const size_t at = first_within(frontier, own * std::min(1.0, ratio_at(aim) / ratio_at(before)));
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
  best = std::move(*found);
}

}  // namespace qc
