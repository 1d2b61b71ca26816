// MCT's distances and what is made of them, against numbers worked out by hand.
#include "simulate/distances.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace qc::simulate;

namespace {

using Numbers = std::vector<float>;

double between(Distance kind, const Numbers& x, const Numbers& y) {
  const std::vector<int64_t> dims{1, static_cast<int64_t>(x.size())};
  return distance(kind, x, y, dims, -1);
}

}  // namespace

TEST_CASE("each distance is what its formula says") {
  const Numbers x{1, 2, -2, 1}, y{1, 1, -2, 3};
  CHECK(between(Distance::kMse, x, y) == Approx(5.0 / 4));
  CHECK(between(Distance::kMae, x, y) == Approx(3.0 / 4));
  CHECK(between(Distance::kNormalisedMse, x, y) == Approx(5.0 / 10));
  CHECK(between(Distance::kCosine, x, y) == Approx((1 - 10 / std::sqrt(10.0 * 15)) / 2));
  CHECK(between(Distance::kCosine, x, {-1, -2, 2, -1}) == Approx(1));
  CHECK(between(Distance::kCosine, x, {3, 6, -6, 3}) == Approx(0).margin(1e-8));
}

TEST_CASE("KL sums along its axis and takes the mean of the rest") {
  // Two distributions of two: half and half against a quarter and three quarters, and one that is the same.
  const Numbers x{0.5f, 0.5f, 1, 0}, y{0.25f, 0.75f, 1, 0};
  const std::vector<int64_t> rows{2, 2}, columns{1, 2, 2};
  const double one = 0.5 * std::log(2) + 0.5 * std::log(2.0 / 3);
  CHECK(distance(Distance::kKl, x, y, rows, -1) == Approx(one / 2));
  CHECK(distance(Distance::kKl, x, y, rows, 1) == Approx(one / 2));
  CHECK(distance(Distance::kKl, x, y, columns, 0) == Approx(one / 4));
  CHECK(distance(Distance::kKl, x, x, rows, -1) == 0);
  // Nothing where something was expected: as far as the least number that stands for it.
  CHECK(distance(Distance::kKl, Numbers{1, 0}, Numbers{0, 1}, std::vector<int64_t>{2}, 0) ==
        Approx(std::log(1e8)));
}

TEST_CASE("zeros are equal, what is not finite is as far as it gets, and nothing is at no distance") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Distance kind : {Distance::kNormalisedMse, Distance::kMse, Distance::kMae, Distance::kCosine}) {
    CHECK(between(kind, {0, 0}, {0, 0}) == 0);
    CHECK(between(kind, {1, 2}, {nan, 2}) == 1e6);
    CHECK(between(kind, {}, {}) == 0);
  }
}

TEST_CASE("distances at several places become one by the method's weights") {
  const std::vector<double> d{0.1, 0.3, 0.05}, scores{1, 3, 0};
  CHECK(combined(d, DistanceWeighting::kAverage, 0.1, {}) == Approx(0.15));
  CHECK(combined(d, DistanceWeighting::kLastLayer, 0.1, {}) == Approx(0.05));
  CHECK(combined(d, DistanceWeighting::kScores, 0.1, scores) == Approx((0.1 + 0.9) / 4));
  const double a = 1 - std::exp(-1.0), b = 1 - std::exp(-3.0), c = 1 - std::exp(-0.5);
  CHECK(combined(d, DistanceWeighting::kExponential, 0.1, {}) ==
        Approx((a * 0.1 + b * 0.3 + c * 0.05) / (a + b + c)));
  // A wide sigma makes weights proportional to the distances.
  CHECK(combined(d, DistanceWeighting::kExponential, 1e6, {}) ==
        Approx((0.01 + 0.09 + 0.0025) / 0.45).epsilon(1e-5));
  CHECK(combined(std::vector<double>{0, 0}, DistanceWeighting::kExponential, 0.1, {}) == 0);
  CHECK(combined({}, DistanceWeighting::kLastLayer, 0.1, {}) == 0);
}

TEST_CASE("figures are divided within layers, raised to the widest one's and divided by the largest") {
  using Figures = std::vector<std::vector<double>>;
  const auto scaled = [](Figures figures, const MetricScale& scale) {
    scale_metrics(figures, scale);
    return figures;
  };
  const Figures raw{{8, 4, 2}, {0.5, 0.5, 1}, {0, 0, 0}};
  const auto same = [](const Figures& a, const Figures& b) {
    for (size_t l = 0; l < a.size(); ++l)
      for (size_t w = 0; w < a[l].size(); ++w) CHECK(a[l][w] == Approx(b[l][w]).margin(1e-15));
  };
  same(scaled(raw, {MetricNormalization::kNone, {}, 1e10}), raw);
  same(scaled(raw, {MetricNormalization::kNone, 0.25, 1e10}), {{8, 4, 2}, {1.25, 1.25, 1}, {0.25, 0.25, 0}});
  same(scaled(raw, {MetricNormalization::kMaxBit, {}, 1e10}), {{4, 2, 1}, {0.5, 0.5, 1}, {0, 0, 0}});
  same(scaled(raw, {MetricNormalization::kMinBit, {}, 1e10}), {{1, 0.5, 0.25}, {1, 1, 2}, {0, 0, 0}});
  same(scaled(raw, {MetricNormalization::kNone, {}, 8}),
       {{1, 0.5, 0.25}, {0.0625, 0.0625, 0.125}, {0, 0, 0}});
  // In this order: the threshold is of figures that were divided already.
  same(scaled(raw, {MetricNormalization::kMaxBit, 1.0, 8}), {{4, 2, 1}, {2, 2, 1}, {1, 1, 0}});
}
