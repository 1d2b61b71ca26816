// See samples.h.
#include "threshold/samples.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace qc::threshold {
namespace {

constexpr size_t kExactSamples = size_t{1} << 17;
constexpr int kDroppedBits = 12;  // of 32: sign, exponent and 11 bits of mantissa stay

void fill_prefix_sums(Samples& samples) {
  samples.before.resize(samples.size() + 1);
  for (size_t i = 0; i < samples.size(); ++i) {
    const double x = samples.x[i], w = samples.weight[i];
    const Moments& b = samples.before[i];
    samples.before[i + 1] = {b.count + w, b.sum + w * x, b.squares + w * x * x};
  }
}

/// Bits of a float as an unsigned number in the order of the values.
uint32_t ordered_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

Samples grouped_samples(std::span<const float> values) {
  std::vector<Moments> groups(size_t{1} << (32 - kDroppedBits));
  for (const float value : values) {
    Moments& group = groups[ordered_bits(value) >> kDroppedBits];
    const auto x = static_cast<double>(value);
    group.count += 1;
    group.sum += x;
    group.squares += x * x;
  }
  Samples samples;
  samples.before.push_back({});
  for (const Moments& group : groups) {
    if (group.count == 0) continue;
    samples.x.push_back(group.sum / group.count);
    samples.weight.push_back(group.count);
    const Moments& b = samples.before.back();
    samples.before.push_back({b.count + group.count, b.sum + group.sum, b.squares + group.squares});
  }
  return samples;
}

/// Counts with outliers set to 0, as in MCT's outlier_filter.py.
std::vector<double> kept_counts(const plan::Histogram& histogram, double z_threshold) {
  std::vector<double> counts(histogram.counts.begin(), histogram.counts.end());
  if (!std::isfinite(z_threshold)) return counts;
  double total = 0, sum = 0, spread = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    sum += counts[i] * histogram.center(i);
  }
  const double mean = sum / total;
  for (size_t i = 0; i < counts.size(); ++i) spread += counts[i] * std::pow(histogram.center(i) - mean, 2);
  const double sigma = std::sqrt(spread / total);
  if (!(sigma > 0)) return counts;
  std::vector<double> kept = counts;
  for (size_t i = 0; i < counts.size(); ++i)
    if (std::abs(histogram.center(i) - mean) / sigma > z_threshold) kept[i] = 0;
  // A threshold so small that nothing is left would leave nothing to quantize.
  return std::any_of(kept.begin(), kept.end(), [](double c) { return c > 0; }) ? kept : counts;
}

}  // namespace

Samples histogram_samples(const plan::TensorStats& stats, double z_threshold) {
  const plan::Histogram& histogram = stats.histogram;
  Samples samples;
  const bool seen =
      std::any_of(histogram.counts.begin(), histogram.counts.end(), [](uint64_t c) { return c > 0; });
  if (!seen) return samples;
  const std::vector<double> counts = kept_counts(histogram, z_threshold);
  size_t first = 0, last = counts.size() - 1;
  while (counts[first] == 0) ++first;
  while (counts[last] == 0) --last;
  const auto low = static_cast<double>(stats.min), high = static_cast<double>(stats.max);
  for (size_t i = first; i <= last; ++i) {
    samples.x.push_back(std::clamp(histogram.center(i), low, std::max(low, high)));
    samples.weight.push_back(counts[i]);
  }
  samples.min = std::max(low, histogram.left_edge(first));
  samples.max = std::min(high, histogram.left_edge(last) + histogram.width());
  samples.pitch = histogram.width();
  fill_prefix_sums(samples);
  return samples;
}

Samples value_samples(std::span<const float> values) {
  Samples samples;
  if (values.size() > kExactSamples) {
    samples = grouped_samples(values);
  } else {
    std::vector<float> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    samples.x.assign(sorted.begin(), sorted.end());
    samples.weight.assign(sorted.size(), 1.0);
    fill_prefix_sums(samples);
  }
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (low != values.end()) {
    samples.min = static_cast<double>(*low);
    samples.max = static_cast<double>(*high);
  }
  return samples;
}

}  // namespace qc::threshold
