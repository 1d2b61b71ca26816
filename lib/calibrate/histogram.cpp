// See histogram.h. The inner loops are plain so that the compiler vectorises them; target_clones picks the
// widest unit of the machine at load. Powers of two scale exactly and floor is exact, so every CPU counts
// alike.
#include "calibrate/histogram.h"

#include <algorithm>
#include <cmath>

namespace qc::calibrate {
namespace {

constexpr int kBins = plan::Histogram::kBins;
constexpr int kTables = 4;
constexpr int64_t kDirect = 4096;  // below, clearing and summing the extra tables costs more than it saves

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define QC_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define QC_CLONES
#endif

QC_CLONES void range_loop(const float* x, int64_t n, float* lo, float* hi, float* not_finite) {
  constexpr int kLanes = 32;
  float low[kLanes], high[kLanes], bad[kLanes];
  for (int j = 0; j < kLanes; ++j) low[j] = high[j] = x[0], bad[j] = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) {
      const float v = x[i + j];
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
      bad[j] += v * 0.0f;  // stays 0 unless v is infinite or not a number
    }
  for (; i < n; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
    bad[0] += x[i] * 0.0f;
  }
  for (int j = 0; j < kLanes; ++j) {
    *lo = std::min(*lo, low[j]);
    *hi = std::max(*hi, high[j]);
    *not_finite += bad[j];
  }
}

// Bin numbers of a block, relative to `first`. Floor spelled as truncation and a step down: the compiler
// vectorises conversions, but not calls of floor.
QC_CLONES void bin_loop(const float* __restrict x, int n, float inverse_width, int32_t first,
                        int32_t* __restrict bins) {
  for (int i = 0; i < n; ++i) {
    const float v = x[i] * inverse_width;
    const int32_t whole = static_cast<int32_t>(v);
    bins[i] = whole - (static_cast<float>(whole) > v ? 1 : 0) - first;
  }
}

// Smallest exponent for which [min, max] spans at most kBins bins and bin numbers fit a float's 24 bits
// exactly.
int exponent_for(float min, float max) {
  const float largest = std::max(std::fabs(min), std::fabs(max));
  if (largest == 0.0f) return -120;
  int exponent = std::max(std::ilogb(largest) - 22, -120);
  const double span = static_cast<double>(max) - min;
  if (span > 0) exponent = std::max(exponent, std::ilogb(span / kBins) - 1);
  while (std::floor(std::ldexp(static_cast<double>(max), -exponent)) -
             std::floor(std::ldexp(static_cast<double>(min), -exponent)) >=
         kBins)
    ++exponent;
  return exponent;
}

int64_t bin_of(float value, int exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(static_cast<double>(value), -exponent)));
}

}  // namespace

Range range_of(std::span<const float> values) {
  if (values.empty()) return {};
  Range range{values[0], values[0], true};
  float not_finite = 0;
  range_loop(values.data(), static_cast<int64_t>(values.size()), &range.min, &range.max, &not_finite);
  range.finite = not_finite == 0.0f;
  return range;
}

void StreamingHistogram::make_room(float min, float max) {
  const bool fresh = counts_.empty();
  const float low = fresh ? min : std::min(min, min_), high = fresh ? max : std::max(max, max_);
  const int exponent = fresh ? exponent_for(low, high) : std::max(exponent_, exponent_for(low, high));
  const int64_t first = bin_of(low, exponent);
  const bool fits =
      !fresh && exponent == exponent_ && first >= first_ && bin_of(high, exponent) < first_ + kBins;
  min_ = low;
  max_ = high;
  if (fits) return;
  std::vector<uint64_t> counts(kBins, 0);
  for (int64_t i = 0; i < static_cast<int64_t>(counts_.size()); ++i)
    if (counts_[static_cast<size_t>(i)] != 0)
      counts[static_cast<size_t>(((first_ + i) >> (exponent - exponent_)) - first)] +=
          counts_[static_cast<size_t>(i)];
  counts_ = std::move(counts);
  exponent_ = exponent;
  first_ = first;
}

void StreamingHistogram::add(std::span<const float> values, const Range& range) {
  if (values.empty()) return;
  make_room(range.min, range.max);
  const int64_t n = static_cast<int64_t>(values.size());
  const float inverse_width = std::ldexp(1.0f, -exponent_);
  const int32_t first = static_cast<int32_t>(first_);
  constexpr int kBlock = 512;
  std::array<int32_t, kBlock> bins;
  const bool direct = n < kDirect;
  if (!direct) scratch_.assign(kTables * kBins, 0);
  for (int64_t start = 0; start < n; start += kBlock) {
    const int size = static_cast<int>(std::min<int64_t>(kBlock, n - start));
    bin_loop(values.data() + start, size, inverse_width, first, bins.data());
    if (direct) {
      for (int i = 0; i < size; ++i) ++counts_[static_cast<size_t>(bins[static_cast<size_t>(i)])];
      continue;
    }
    uint32_t* const t = scratch_.data();
    int i = 0;
    for (; i + kTables <= size; i += kTables) {
      ++t[bins[static_cast<size_t>(i)]];
      ++t[kBins + bins[static_cast<size_t>(i) + 1]];
      ++t[2 * kBins + bins[static_cast<size_t>(i) + 2]];
      ++t[3 * kBins + bins[static_cast<size_t>(i) + 3]];
    }
    for (; i < size; ++i) ++t[bins[static_cast<size_t>(i)]];
  }
  if (!direct)
    for (int b = 0; b < kBins; ++b) {
      const size_t s = static_cast<size_t>(b);
      counts_[s] +=
          uint64_t{scratch_[s]} + scratch_[kBins + s] + scratch_[2 * kBins + s] + scratch_[3 * kBins + s];
    }
}

void StreamingHistogram::merge(const StreamingHistogram& other) {
  if (other.empty()) return;
  make_room(other.min_, other.max_);
  // make_room's exponent is at least the other's: its grid is the one of a wider range.
  for (int64_t i = 0; i < kBins; ++i)
    if (other.counts_[static_cast<size_t>(i)] != 0)
      counts_[static_cast<size_t>(((other.first_ + i) >> (exponent_ - other.exponent_)) - first_)] +=
          other.counts_[static_cast<size_t>(i)];
}

uint64_t StreamingHistogram::count() const {
  uint64_t total = 0;
  for (const uint64_t c : counts_) total += c;
  return total;
}

plan::Histogram StreamingHistogram::result() const {
  plan::Histogram histogram;
  if (counts_.empty()) return histogram;
  histogram.exponent = exponent_;
  histogram.first_bin = bin_of(min_, exponent_);
  const auto begin = counts_.begin() + (histogram.first_bin - first_);
  histogram.counts.assign(begin, begin + (bin_of(max_, exponent_) - histogram.first_bin + 1));
  return histogram;
}

}  // namespace qc::calibrate
