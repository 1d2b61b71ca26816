// See frontier.h.
#include "budget/frontier.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace qc::budget {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
constexpr int kPrices = 60;  // halvings of the price of the second resource

// The items with other costs.
template <typename Cost>
std::vector<Item> priced(const std::vector<Item>& items, const Cost& cost) {
  std::vector<Item> others = items;
  for (Item& item : others)
    for (Choice& choice : item.choices) choice.cost = cost(choice);
  return others;
}

}  // namespace

Sum sum_of(const std::vector<Item>& items, std::vector<size_t> picks) {
  Sum sum{0, 0, 0, std::move(picks)};
  for (size_t i = 0; i < items.size(); ++i) {
    const Choice& choice = items[i].choices[sum.picks[i]];
    sum.bytes += choice.bytes;
    sum.cost += choice.cost;
    sum.extra += choice.extra;
  }
  return sum;
}

Frontier::Frontier(const std::vector<Item>& items, size_t most) : items_(items), steps_{{Step{0, 0, 0, 0}}} {
  int64_t granule = 1;
  for (const Item& item : items_) {
    std::vector<Step> all;
    all.reserve(steps_.back().size() * item.choices.size());
    for (uint32_t from = 0; from < steps_.back().size(); ++from)
      for (uint32_t pick = 0; pick < item.choices.size(); ++pick) {
        const Choice& choice = item.choices[pick];
        const int64_t bytes = steps_.back()[from].bytes + choice.bytes;
        all.push_back(
            {(bytes + granule - 1) / granule * granule, steps_.back()[from].cost + choice.cost, from, pick});
      }
    std::sort(all.begin(), all.end(), [](const Step& a, const Step& b) {
      return std::tie(a.bytes, a.cost, a.parent, a.pick) < std::tie(b.bytes, b.cost, b.parent, b.pick);
    });
    if (granule > 1) loss_ += granule - 1;
    const auto keep = [](const std::vector<Step>& from) {
      std::vector<Step> kept;
      for (const Step& step : from)
        if (kept.empty() || step.cost < kept.back().cost) kept.push_back(step);
      return kept;
    };
    std::vector<Step> kept = keep(all);
    if (kept.size() > most) {
      granule = std::max(2 * granule, (kept.back().bytes - kept.front().bytes) / static_cast<int64_t>(most));
      loss_ += granule - 1;
      for (Step& step : kept) step.bytes = (step.bytes + granule - 1) / granule * granule;
      // The last of a step of bytes is the cheapest of it.
      std::vector<Step> coarse;
      for (const Step& step : kept) {
        if (!coarse.empty() && coarse.back().bytes == step.bytes) coarse.pop_back();
        coarse.push_back(step);
      }
      kept = std::move(coarse);
    }
    steps_.push_back(std::move(kept));
  }
}

Sum Frontier::at(size_t i) const {
  std::vector<size_t> picks(items_.size());
  auto at = static_cast<uint32_t>(i);
  for (size_t item = items_.size(); item-- > 0;) {
    const Step& step = steps_[item + 1][at];
    picks[item] = step.pick;
    at = step.parent;
  }
  return sum_of(items_, std::move(picks));
}

std::optional<Sum> Frontier::within(int64_t bytes) const {
  const std::vector<Step>& last = steps_.back();
  const auto beyond = std::upper_bound(last.begin(), last.end(), bytes,
                                       [](int64_t limit, const Step& step) { return limit < step.bytes; });
  if (beyond == last.begin()) return std::nullopt;
  return at(static_cast<size_t>(beyond - last.begin()) - 1);
}

std::optional<double> least_extra_within(const std::vector<Item>& items, std::optional<int64_t> bytes) {
  const auto sum =
      Frontier(priced(items, [](const Choice& c) { return c.extra; })).within(bytes.value_or(kNoLimit));
  if (!sum) return std::nullopt;
  return sum->cost;
}

std::optional<Solution> solve(const std::vector<Item>& items, const Limits& limits) {
  const int64_t bytes = limits.bytes.value_or(kNoLimit);
  const auto at_price = [&](double price) {
    const auto sum =
        Frontier(priced(items, [&](const Choice& c) { return c.cost + price * c.extra; })).within(bytes);
    return sum ? std::optional(sum_of(items, sum->picks)) : std::nullopt;
  };
  const std::optional<Sum> free = at_price(0);
  if (!free) return std::nullopt;
  if (!limits.extra || free->extra <= *limits.extra) return Solution{*free, free->cost};
  std::optional<Sum> best;
  double bound = free->cost;
  const auto look = [&](double price) {
    const Sum sum = *at_price(price);
    bound = std::max(bound, sum.cost + price * (sum.extra - *limits.extra));
    if (sum.extra <= *limits.extra && (!best || sum.cost < best->cost)) best = sum;
    return sum.extra <= *limits.extra;
  };
  // A price that is high enough, then between it and what is too low.
  double low = 0, high = (free->cost + 1e-300) / std::max(free->extra, 1e-300);
  bool enough = false;
  for (int step = 0; step < kPrices && !(enough = look(high)); ++step) high *= 4;
  for (int step = 0; enough && step < kPrices && high > low * (1 + 1e-9); ++step) {
    const double middle = low > 0 ? std::sqrt(low * high) : high / 16;
    (look(middle) ? high : low) = middle;
    if (low == 0 && high < 1e-290) break;
  }
  if (!best) {
    const auto least = Frontier(priced(items, [](const Choice& c) { return c.extra; })).within(bytes);
    const Sum sum = sum_of(items, least->picks);
    if (sum.extra > *limits.extra) return std::nullopt;
    best = sum;
  }
  return Solution{*best, std::min(bound, best->cost)};
}

}  // namespace qc::budget
