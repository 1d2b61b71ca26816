// What other placements would come to, told from single roundings and from what was measured.
#include "search/forecast.h"

#include <catch2/catch.hpp>
#include <vector>

#include "support/tiny_models.h"

using namespace qc;

namespace {

// Two convolutions side by side, the result of each rounded by itself, with two outputs.
struct Sides {
  ir::Graph graph = tiny::graph();
  ir::ValueId x = tiny::input(graph, "x", {1, 3, 4, 4});
  ir::ValueId a = tiny::conv(graph, x, 2), b = tiny::conv(graph, x, 2);
  select::MeasuredNoise noise{{a, b}, {{0.001, 0}, {0, 0.004}}, {7, 7}};
  const std::vector<bool> nowhere{false, false}, left{true, false}, right{false, true}, both{true, true};

  Sides() {
    tiny::output(graph, a, "a");
    tiny::output(graph, b, "b");
  }
  double db(const Forecast& forecast, const std::vector<bool>& integer) const {
    return select::predicted_db(graph, forecast.noise(), integer);
  }
};

}  // namespace

TEST_CASE("a forecast begins at what was measured, and adds few roundings as they were probed") {
  Sides sides;
  const std::vector<double> weights{0.001, 0.001};
  const Forecast plain(sides.graph, sides.noise, sides.nowhere, weights, weights);
  CHECK(sides.db(plain, sides.nowhere) == Approx(30));
  CHECK(sides.db(plain, sides.left) == Approx(26.99).margin(0.01));
  CHECK(sides.db(plain, sides.both) == Approx(23.01).margin(0.01));
  // The sum of all was a tenth of its parts, since little was left to spoil: not so of few.
  sides.noise.scales = {1, 0.1};
  const Forecast parts(sides.graph, sides.noise, sides.nowhere, weights, weights);
  CHECK(sides.db(parts, sides.left) == Approx(26.99).margin(0.01));
  CHECK(sides.db(parts, sides.right) == Approx(13.87).margin(0.01));
}

TEST_CASE("a forecast is scaled by what roundings came to where some are, and by each attempt since") {
  const Sides sides;
  const std::vector<double> weights{0.001, 0.001};
  // The left side costs half of what it was probed to.
  Forecast forecast(sides.graph, sides.noise, sides.left, {0.0015, 0.001}, weights);
  CHECK(sides.db(forecast, sides.left) == Approx(28.24).margin(0.01));
  CHECK(sides.db(forecast, sides.both) == Approx(25.23).margin(0.01));
  // Both were tried, and the right one cost twice that; predictions agree with it now.
  forecast.learn(sides.both, {0.0015, 0.005});
  CHECK(sides.db(forecast, sides.both) == Approx(23.01).margin(0.01));
  CHECK(sides.db(forecast, sides.left) == Approx(28.24).margin(0.01));
  forecast.begin_at(sides.both, {0.0015, 0.006});
  CHECK(sides.db(forecast, sides.both) == Approx(22.22).margin(0.01));
  // Weights alone that are further from float than with roundings say nothing of these.
  const Forecast odd(sides.graph, sides.noise, sides.left, {0.0015, 0.001}, {0.01, 0.01});
  CHECK(sides.db(odd, sides.both) == Approx(23.01).margin(0.01));
}
