// The frontier against brute force; two budgets at once against brute force and against the bound they state.
#include "budget/frontier.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using namespace qc;
using budget::Item;
using budget::Sum;

namespace {

std::vector<Item> random_items(unsigned seed, size_t count, size_t choices) {
  std::mt19937 random(seed);
  std::vector<Item> items(count);
  for (Item& item : items)
    for (size_t c = 0; c < choices; ++c)
      item.choices.push_back({static_cast<int64_t>(random() % 40), static_cast<double>(random() % 1000),
                              static_cast<double>(random() % 50)});
  return items;
}

// Every sum there is.
std::vector<Sum> all_sums(const std::vector<Item>& items) {
  std::vector<Sum> sums;
  std::vector<size_t> picks(items.size(), 0);
  for (;;) {
    sums.push_back(budget::sum_of(items, picks));
    size_t at = 0;
    while (at < items.size() && ++picks[at] == items[at].choices.size()) picks[at++] = 0;
    if (at == items.size()) return sums;
  }
}

}  // namespace

TEST_CASE("the frontier is what brute force finds") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const std::vector<Item> items = random_items(seed, 1 + seed % 6, 1 + seed % 4);
    std::map<int64_t, double> least;  // by bytes
    for (const Sum& sum : all_sums(items)) {
      const auto [at, fresh] = least.try_emplace(sum.bytes, sum.cost);
      at->second = std::min(at->second, sum.cost);
    }
    std::vector<std::pair<int64_t, double>> expected;
    for (const auto& [bytes, cost] : least)
      if (expected.empty() || cost < expected.back().second) expected.emplace_back(bytes, cost);
    const budget::Frontier frontier(items);
    REQUIRE(frontier.size() == expected.size());
    CHECK(frontier.loss() == 0);
    for (size_t i = 0; i < expected.size(); ++i) {
      const Sum point = frontier.at(i);
      CHECK(point.bytes == expected[i].first);
      CHECK(point.cost == expected[i].second);
      CHECK(frontier.within(expected[i].first)->cost == expected[i].second);
    }
    CHECK_FALSE(frontier.within(expected.front().first - 1));
    CHECK(frontier.within(1'000'000)->cost == expected.back().second);
  }
}

TEST_CASE("a frontier that counts bytes in steps never claims too few, and misses no more than it says") {
  const std::vector<Item> items = random_items(7, 30, 6);
  const budget::Frontier exact(items), coarse(items, 40);
  REQUIRE(coarse.loss() > 0);
  CHECK(coarse.size() <= 41);
  for (int64_t bytes = exact.at(0).bytes; bytes < 700; bytes += 13) {
    const Sum best = *exact.within(bytes);
    const auto found = coarse.within(bytes);
    if (found) {
      CHECK(found->bytes <= bytes);
      CHECK(found->cost >= best.cost);
    }
    const auto generous = coarse.within(bytes + coarse.loss());
    REQUIRE(generous);
    CHECK(generous->cost <= best.cost);
  }
}

TEST_CASE("two budgets: within both, never better than brute force, never below the stated bound") {
  int proven = 0, answered = 0;
  for (unsigned seed = 100; seed < 160; ++seed) {
    CAPTURE(seed);
    const std::vector<Item> items = random_items(seed, 5, 4);
    const budget::Limits limits{80 + static_cast<int64_t>(seed % 7) * 10, 90.0 + seed % 50};
    std::optional<Sum> best;
    for (const Sum& sum : all_sums(items))
      if (sum.bytes <= *limits.bytes && sum.extra <= *limits.extra && (!best || sum.cost < best->cost))
        best = sum;
    const auto found = budget::solve(items, limits);
    REQUIRE(found.has_value() == best.has_value());
    if (!best) continue;
    ++answered;
    CHECK(found->sum.bytes <= *limits.bytes);
    CHECK(found->sum.extra <= *limits.extra);
    CHECK(found->sum.cost >= best->cost);
    CHECK(found->bound <= best->cost + 1e-9);
    proven += found->bound >= found->sum.cost - 1e-9;
  }
  CHECK(answered > 30);
  CHECK(proven > 0);
}

TEST_CASE("one budget is solved exactly, with the proof") {
  const std::vector<Item> items = random_items(3, 6, 4);
  const auto free = budget::solve(items, {});
  REQUIRE(free);
  CHECK(free->bound == free->sum.cost);
  const auto bound = budget::solve(items, {60, {}});
  REQUIRE(bound);
  CHECK(bound->bound == bound->sum.cost);
  CHECK(bound->sum.cost == budget::Frontier(items).within(60)->cost);
  CHECK_FALSE(budget::solve(items, {-1, {}}));
  CHECK_FALSE(budget::least_extra_within(items, -1));
}
