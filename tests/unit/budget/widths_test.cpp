// Widths of results and weights against brute force: never better than it, never beyond a limit, and close.
#include "budget/widths.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <random>

using namespace qc;
using budget::JointPicks;
using budget::JointProblem;
using budget::Moment;
using budget::WidthGroup;

namespace {

std::vector<WidthGroup> random_groups(std::mt19937& random, size_t count) {
  std::vector<WidthGroup> groups(count);
  for (WidthGroup& group : groups) {
    const double cost = static_cast<double>(1 + random() % 1000);
    group.widths = {{4, cost}, {8, cost / 200}};
    if (random() % 2) group.widths.push_back({16, 0});
  }
  return groups;
}

std::vector<Moment> random_moments(std::mt19937& random, size_t groups) {
  std::vector<Moment> moments(groups + 1);
  for (size_t g = 0; g < groups; ++g) {
    const auto elements = static_cast<int64_t>(1 + random() % 500);
    for (size_t m = g, lives = 1 + random() % 3; m < std::min(moments.size(), g + 1 + lives); ++m)
      moments[m].tensors.emplace_back(g, elements);
  }
  for (Moment& moment : moments) moment.fixed = static_cast<int64_t>(random() % 50);
  return moments;
}

void each_pick(const std::vector<size_t>& sizes, const std::function<void(const std::vector<size_t>&)>& see) {
  std::vector<size_t> picks(sizes.size(), 0);
  for (;;) {
    see(picks);
    size_t at = 0;
    while (at < sizes.size() && ++picks[at] == sizes[at]) picks[at++] = 0;
    if (at == sizes.size()) return;
  }
}

std::vector<size_t> sizes_of(const std::vector<WidthGroup>& groups) {
  std::vector<size_t> sizes;
  for (const WidthGroup& group : groups) sizes.push_back(group.widths.size());
  return sizes;
}

double cost_of(const std::vector<WidthGroup>& groups, const std::vector<size_t>& picks) {
  double cost = 0;
  for (size_t g = 0; g < groups.size(); ++g) cost += groups[g].widths[picks[g]].cost;
  return cost;
}

}  // namespace

TEST_CASE("widths of results stay within the bytes of every moment and cost little more than the best") {
  int exact = 0, all = 0;
  for (unsigned seed = 0; seed < 80; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::vector<WidthGroup> groups = random_groups(random, 1 + seed % 9);
    const std::vector<Moment> moments = random_moments(random, groups.size());
    std::vector<size_t> widest;
    for (const size_t size : sizes_of(groups)) widest.push_back(size - 1);
    const int64_t least = budget::fullest(groups, moments, std::vector<size_t>(groups.size(), 0)),
                  most = budget::fullest(groups, moments, widest);
    CHECK_FALSE(budget::widths_within(groups, moments, least - 1));
    CHECK(budget::widths_within(groups, moments, most)->picks == widest);
    for (const double share : {0.0, 0.2, 0.5, 0.8}) {
      const auto limit = least + static_cast<int64_t>(share * static_cast<double>(most - least));
      double best = 1e300;
      each_pick(sizes_of(groups), [&](const std::vector<size_t>& picks) {
        if (budget::fullest(groups, moments, picks) <= limit) best = std::min(best, cost_of(groups, picks));
      });
      const auto found = budget::widths_within(groups, moments, limit);
      REQUIRE(found);
      CHECK(budget::fullest(groups, moments, found->picks) <= limit);
      CHECK(found->cost == Approx(cost_of(groups, found->picks)));
      CHECK(found->cost >= best * (1 - 1e-9));
      CHECK(found->bound <= best * (1 + 1e-9));
      CHECK(found->cost <= 2 * best + 1e-9);
      ++all;
      exact += found->cost <= best * (1 + 1e-9) ? 1 : 0;
    }
  }
  CHECK(exact * 10 >= all * 9);
}

TEST_CASE("results and weights share total bytes and bit operations as well as brute force, nearly") {
  double found_sum = 0, best_sum = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    JointProblem problem;
    problem.groups = random_groups(random, 4);
    problem.moments = random_moments(random, 4);
    problem.weight_bits = {4, 8};
    for (size_t layer = 0; layer < 4; ++layer) {
      const double cost = static_cast<double>(1 + random() % 1000);
      const auto elements = static_cast<int64_t>(1 + random() % 500);
      problem.weights.push_back({{{elements / 2, cost, 0}, {elements, cost / 200, 0}}});
      problem.products.push_back({static_cast<double>(1 + random() % 1000), layer, layer, 8, 8});
    }
    problem.products.push_back({300, {}, {}, 8, 8});
    const auto sizes = [&] {
      std::vector<size_t> all = sizes_of(problem.groups);
      all.insert(all.end(), problem.weights.size(), 2);
      return all;
    }();
    const auto split = [&](const std::vector<size_t>& picks) {
      JointPicks joint{{picks.begin(), picks.begin() + 4}, {picks.begin() + 4, picks.end()}, 0};
      joint.cost =
          cost_of(problem.groups, joint.groups) + budget::sum_of(problem.weights, joint.weights).cost;
      return joint;
    };
    const auto total_of = [&](const JointPicks& picks) {
      return budget::fullest(problem.groups, problem.moments, picks.groups) +
             budget::sum_of(problem.weights, picks.weights).bytes;
    };
    std::vector<size_t> narrow(8, 0), wide;
    for (const size_t size : sizes) wide.push_back(size - 1);
    if (seed % 3 != 0) problem.total_bytes = (total_of(split(narrow)) + total_of(split(wide))) / 2;
    if (seed % 3 != 1)
      problem.bops =
          (2 * budget::bops_of(problem, split(narrow)) + budget::bops_of(problem, split(wide))) / 3;
    const auto fits = [&](const JointPicks& picks) {
      return (!problem.total_bytes || total_of(picks) <= *problem.total_bytes) &&
             (!problem.bops || budget::bops_of(problem, picks) <= *problem.bops);
    };
    double best = 1e300;
    each_pick(sizes, [&](const std::vector<size_t>& picks) {
      if (const JointPicks joint = split(picks); fits(joint)) best = std::min(best, joint.cost);
    });
    const auto found = budget::solve(problem);
    REQUIRE(found);
    CHECK(fits(*found));
    CHECK(found->cost >= best * (1 - 1e-9));
    found_sum += found->cost;
    best_sum += best;
  }
  CHECK(found_sum <= 1.15 * best_sum);
}
