// See distributions.h.
#include "distributions.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace distributions {
namespace {

using Values = std::vector<float>;

template <typename Draw>
Values fill(size_t count, uint32_t seed, const Draw& draw) {
  std::mt19937 random(seed);
  Values values(count);
  for (float& value : values) value = static_cast<float>(draw(random));
  return values;
}

double normal(std::mt19937& random) {
  return std::normal_distribution<double>()(random);
}
double laplace_of(std::mt19937& random) {
  const double size = std::exponential_distribution<double>()(random);
  return std::bernoulli_distribution()(random) ? size : -size;
}

Values gaussian(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return 0.05 * normal(r); });
}
Values laplace(size_t n, uint32_t seed) {
  return fill(n, seed, laplace_of);
}
Values relu_gaussian(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return std::max(0.0, 2 * normal(r) + 0.5); });
}
Values silu(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) {
    const double x = 3 * normal(r);
    return x / (1 + std::exp(-x));
  });
}
Values uniform(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return std::uniform_real_distribution<double>(-1, 3)(r); });
}
Values outliers(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return normal(r) * (std::bernoulli_distribution(0.003)(r) ? 60 : 1); });
}
Values negative(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return -0.2 - std::abs(laplace_of(r)); });
}
Values few_values(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return std::uniform_int_distribution<int>(-2, 3)(r) * 0.137; });
}
Values constant(size_t n, uint32_t) {
  return Values(n, 0.3f);
}
Values tiny(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return 1e-5 * normal(r); });
}

Values sparse(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return std::bernoulli_distribution(0.05)(r) ? normal(r) : 0.0; });
}
Values relu6(size_t n, uint32_t seed) {
  return fill(n, seed, [](auto& r) { return std::clamp(3 * normal(r) + 2, 0.0, 6.0); });
}

}  // namespace

const std::vector<Distribution>& all() {
  static const std::vector<Distribution> table = {
      {"gaussian", gaussian}, {"laplace", laplace},       {"relu of gaussian", relu_gaussian},
      {"silu", silu},         {"uniform", uniform},       {"outliers", outliers},
      {"negative", negative}, {"few values", few_values}, {"constant", constant},
      {"tiny", tiny},         {"sparse", sparse},         {"relu6", relu6}};
  return table;
}

qc::plan::TensorStats stats_of(const std::vector<float>& values, int bins) {
  qc::plan::TensorStats stats;
  stats.count = values.size();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  stats.min = *low;
  stats.max = *high;
  qc::plan::Histogram& histogram = stats.histogram;
  const auto bin_of = [&](float value) {
    return static_cast<int64_t>(std::floor(std::ldexp(static_cast<double>(value), -histogram.exponent)));
  };
  histogram.exponent = -40;
  while (bin_of(stats.max) - bin_of(stats.min) >= bins) ++histogram.exponent;
  histogram.first_bin = bin_of(stats.min);
  histogram.counts.assign(static_cast<size_t>(bins), 0);
  for (const float value : values) ++histogram.counts[bin_of(value) - histogram.first_bin];
  return stats;
}

}  // namespace distributions
