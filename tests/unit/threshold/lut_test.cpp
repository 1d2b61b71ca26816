// Codebooks: the dynamic programme against brute force, and what a whole search gives.
#include "threshold/lut.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

namespace qc {
namespace {

double cost_of(const std::vector<double>& x, const std::vector<double>& weight,
               const std::vector<int32_t>& centres) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double least = 1e300;
    for (const int32_t c : centres) least = std::min(least, (x[i] - c) * (x[i] - c));
    sum += weight[i] * least;
  }
  return sum;
}

// Every set of `count` integers low..high with 0 in it.
double least_cost(const std::vector<double>& x, const std::vector<double>& weight, int32_t low, int32_t high,
                  int count) {
  double least = 1e300;
  const int n = high - low + 1;
  for (unsigned mask = 0; mask < 1u << n; ++mask) {
    if (__builtin_popcount(mask) != count || !(mask >> -low & 1)) continue;
    std::vector<int32_t> centres;
    for (int i = 0; i < n; ++i)
      if (mask >> i & 1) centres.push_back(low + i);
    least = std::min(least, cost_of(x, weight, centres));
  }
  return least;
}

TEST_CASE("the centres are the best that integers can be", "[threshold][lut]") {
  std::mt19937 random(11);
  std::normal_distribution<double> normal(0, 3);
  std::uniform_real_distribution<double> some(0.1, 2);
  for (int round = 0; round < 60; ++round) {
    const int count = 2 + round % 5;
    std::vector<double> x, weight;
    for (int i = 0; i < 1 + round; ++i) {
      x.push_back(round % 3 == 0 ? std::round(2 * normal(random)) / 2 : normal(random) + round % 4);
      weight.push_back(round % 2 ? some(random) : 1.0);
    }
    CAPTURE(round, count);
    const std::vector<int32_t> centres = threshold::best_centres(x, weight, -6, 5, count);
    CHECK(static_cast<int>(centres.size()) <= count);
    CHECK(std::is_sorted(centres.begin(), centres.end()));
    CHECK(std::find(centres.begin(), centres.end(), 0) != centres.end());
    CHECK(cost_of(x, weight, centres) == Approx(least_cost(x, weight, -6, 5, count)).margin(1e-9));
  }
}

TEST_CASE("a codebook is closer than an even grid, and one for each channel closer still",
          "[threshold][lut]") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> values(16 * 40);
  for (size_t i = 0; i < values.size(); ++i) values[i] = normal(random) * (1.0f + static_cast<float>(i / 40));
  const std::vector<int64_t> dims{16, 40};
  for (const int bits : {2, 3, 4, 5}) {
    CAPTURE(bits);
    threshold::Options even;
    even.quantizer = threshold::Quantizer::kSymmetric;
    even.bits = bits;
    threshold::LutOptions book{.bits = bits, .narrow_range = true};
    const threshold::Chosen one = threshold::search_lut(values, dims, 0, book);
    book.per_channel_book = true;
    const threshold::Chosen each = threshold::search_lut(values, dims, 0, book);
    CHECK(one.params.codebook.size() == size_t{1} << bits);
    CHECK(each.params.codebook.size() == size_t{16} << bits);
    CHECK(each.params.codebook_per_channel());
    CHECK(one.error < threshold::search(values, dims, 0, even, 1).error);
    CHECK(each.error < one.error);
    CHECK(threshold::search_lut(values, dims, 0, book).params == each.params);
    for (const int32_t value : one.params.codebook) CHECK(std::abs(value) <= 127);
    const std::vector<int32_t> integers = quant::quantize(values, dims, each.params);
    const std::vector<int32_t> indices = quant::codebook_indices(integers, dims, each.params);
    for (size_t i = 0; i < integers.size(); ++i)
      REQUIRE(each.params.codebook[(i / 40 << bits) + static_cast<size_t>(indices[i])] == integers[i]);
  }
}

TEST_CASE("power-of-two codebooks have power-of-two ranges, also by hand; zeros stay zeros",
          "[threshold][lut]") {
  const std::vector<float> values{0.3f, -0.7f, 0.0f, 0.1f};
  threshold::LutOptions options{.bits = 2, .power_of_two = true};
  const auto power = threshold::search_lut(values, std::vector<int64_t>{4}, -1, options);
  CHECK(power.params.scales == std::vector<float>{1.0f / 128});
  options.threshold = 3;
  CHECK(threshold::search_lut(values, std::vector<int64_t>{4}, -1, options).params.scales ==
        std::vector<float>{4.0f / 128});
  const std::vector<float> zeros(4, 0.0f);
  const auto nothing = threshold::search_lut(zeros, std::vector<int64_t>{4}, -1, {});
  CHECK(nothing.error == 0);
  CHECK(quant::quantize(zeros, std::vector<int64_t>{4}, nothing.params) == std::vector<int32_t>(4, 0));
}

}  // namespace
}  // namespace qc
