// Which values a share of float goes to, against all that there are.
#include "select/float_share.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "support/tiny_models.h"

using namespace qc;

namespace {

// A chain of sigmoids: value i is what node i - 1 makes, value 0 the input.
struct Chain {
  ir::Graph graph = tiny::graph();
  std::vector<ir::ValueId> values;
  std::vector<select::Capability> capabilities;
  select::MeasuredNoise noise;
  std::vector<int64_t> elements;

  Chain(const std::vector<double>& ratios, const std::vector<int64_t>& sizes) {
    values.push_back(tiny::input(graph, "x", {1, 8}));
    while (values.size() < ratios.size()) values.push_back(tiny::sigmoid(graph, values.back()));
    tiny::output(graph, values.back());
    capabilities.resize(graph.nodes.size());
    for (select::Capability& one : capabilities) one.ability = select::Ability::kInteger;
    elements.resize(graph.values.size());
    noise.base = {1e-9};
    for (size_t i = 0; i < values.size(); ++i) {
      noise.values.push_back(values[i]);
      noise.ratios.push_back({ratios[i]});
      elements[static_cast<size_t>(values[i])] = sizes[i];
    }
  }

  std::vector<bool> everything() const { return std::vector<bool>(graph.nodes.size(), true); }
  std::vector<bool> spend(int64_t most) const {
    return select::spend_float_share(graph, capabilities, noise, elements, everything(), most);
  }
  int64_t floating(const std::vector<bool>& integer) const {
    return select::floating_elements(graph, elements, everything(), integer);
  }
  double db(const std::vector<bool>& integer) const { return select::predicted_db(graph, noise, integer); }
};

}  // namespace

TEST_CASE("a share of float goes to the value that costs the output most for its size") {
  const Chain chain({0.001, 0.02, 0.001, 0.05, 0.001}, {10, 10, 10, 100, 10});
  CHECK(chain.spend(0) == chain.everything());
  CHECK(chain.spend(20) == std::vector<bool>{false, false, true, true});    // value 1, and with it 0
  CHECK(chain.spend(100) == std::vector<bool>{false, false, false, true});  // value 3 takes its output along
  CHECK(chain.spend(110) == std::vector<bool>{true, true, false, false});
  CHECK(chain.floating(chain.spend(110)) == 110);
  CHECK(chain.spend(140) == std::vector<bool>(4, false));
}

TEST_CASE("what a rule has on integers stays there, and a Relu stays with its convolution") {
  Chain chain({0.001, 0.02, 0.001, 0.05, 0.001}, {10, 10, 10, 10, 10});
  chain.capabilities[2].pinned = true;  // reads value 2, makes value 3
  CHECK(chain.spend(1000) == std::vector<bool>{false, false, true, false});
  chain.capabilities[2].pinned = false;
  chain.capabilities[3].ability = select::Ability::kFollows;
  const std::vector<bool> chosen = chain.spend(30);
  CHECK(chosen[2] == chosen[3]);
}

TEST_CASE("a share of float for some groups goes to these alone, and to no more of them than are enough") {
  const Chain chain({0.001, 0.02, 0.001, 0.05, 0.001}, {10, 10, 10, 10, 10});
  const auto spend = [&](const select::ShareLimits& limits) {
    return select::spend_float_share(chain.graph, chain.capabilities, chain.noise, chain.elements,
                                     chain.everything(), 1000, limits);
  };
  CHECK(spend({.open = {false, true, false, false, false}}) == std::vector<bool>{false, false, true, true});
  CHECK(spend({.open = std::vector<bool>(5, false)}) == chain.everything());
  const double both_db = chain.db({false, false, false, false}),
               one_db = chain.db({true, true, false, false});
  CHECK(spend({.enough_db = one_db - 0.1}) == std::vector<bool>{true, true, false, false});
  CHECK(chain.db(spend({.enough_db = both_db - 0.1})) >= both_db - 0.1);
  CHECK(spend({.enough_db = 5}) == chain.everything());
}

TEST_CASE("a share of float is never exceeded and never costs accuracy, and is near the best there is") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-5, -1);
  std::uniform_int_distribution<int64_t> size(1, 100);
  double lost = 0;
  constexpr int kGraphs = 60;
  for (int round = 0; round < kGraphs; ++round) {
    std::vector<double> ratios;
    std::vector<int64_t> sizes;
    for (int i = 0; i < 9; ++i) {
      ratios.push_back(std::pow(10, exponent(random)));
      sizes.push_back(size(random));
    }
    const Chain chain(ratios, sizes);
    const int64_t most = 20 + size(random) * 2;
    const std::vector<bool> chosen = chain.spend(most);
    CHECK(chain.floating(chosen) <= most);
    CHECK(chain.db(chosen) >= chain.db(chain.everything()));
    double best = chain.db(chain.everything());
    for (int mask = 0; mask < 1 << 8; ++mask) {
      std::vector<bool> integer;
      for (int n = 0; n < 8; ++n) integer.push_back((mask >> n & 1) == 0);
      if (chain.floating(integer) <= most) best = std::max(best, chain.db(integer));
    }
    CHECK(chain.db(chosen) <= best + 1e-9);
    lost += best - chain.db(chosen);
  }
  CHECK(lost / kGraphs < 0.5);  // dB on average
}
