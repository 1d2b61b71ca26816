// See passes.h. The innermost loops run over a fixed number of lanes, each with its own sum, which the
// compiler turns into vectors of whatever width the machine has. Rounding by a constant as in
// quant_params.cpp. Values that do not fill the lanes are padded with zeros, which have no error and no
// weight.
#include "threshold/passes.h"

#include <algorithm>
#include <cstring>

#include "base/vector_clones.h"
#include "quant/rounding.h"
#include "threshold/sweep.h"

namespace qc::threshold {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kFlush = 64 * kLanes;  // values summed in float before going to double

/// Bounds of a grid's levels and its scale, as the loops want them.
struct Steps {
  float scale, low, high;
};

inline float nearest_level(float v, const Steps& steps) {
  v = v > steps.low ? v : steps.low;
  v = v < steps.high ? v : steps.high;
  return quant::round_half_even(v);
}

double sum_of(const double* lanes) {
  double total = 0;
  for (int i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
}

/// Calls block(first of kLanes values) for all values, the last ones from a padded copy.
template <typename Block>
inline __attribute__((always_inline)) void for_each_block(const float* values, int64_t count,
                                                          const Block& block) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) block(values + i);
  if (i == count) return;
  float padded[kLanes] = {};
  std::memcpy(padded, values + i, static_cast<size_t>(count - i) * sizeof(float));
  block(padded);
}

QC_VECTOR_CLONES void range_of(const float* values, int64_t count, Extent* extent) {
  float low[kLanes], high[kLanes];
  int32_t filled[kLanes] = {};
  for (int l = 0; l < kLanes; ++l) low[l] = high[l] = values[0];
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int l = 0; l < kLanes; ++l) {
      const float x = values[i + l];
      low[l] = x < low[l] ? x : low[l];
      high[l] = x > high[l] ? x : high[l];
      filled[l] += x != 0 ? 1 : 0;
    }
  for (; i < count; ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
    filled[0] += values[i] != 0 ? 1 : 0;
  }
  extent->min = *std::min_element(low, low + kLanes);
  extent->max = *std::max_element(high, high + kLanes);
  for (int l = 0; l < kLanes; ++l) extent->filled += filled[l];
}

template <int p>
inline __attribute__((always_inline)) double scan(const float* values, int64_t count, const Steps& steps) {
  const float inverse = 1.0f / steps.scale;
  double total[kLanes] = {};
  for (int64_t start = 0; start < count; start += kFlush) {
    float part[kLanes] = {};
    for_each_block(values + start, std::min(kFlush, count - start), [&](const float* x) {
      for (int l = 0; l < kLanes; ++l) {
        float d = x[l] - nearest_level(x[l] * inverse, steps) * steps.scale;
        d = d < 0 ? -d : d;
        float e = d;
        for (int k = 1; k < p; ++k) e *= d;
        part[l] += e;
      }
    });
    for (int l = 0; l < kLanes; ++l) total[l] += static_cast<double>(part[l]);
  }
  return sum_of(total);
}

using Scan = double (*)(const float*, int64_t, Steps);
QC_VECTOR_CLONES double scan_1(const float* x, int64_t count, Steps steps) {
  return scan<1>(x, count, steps);
}
QC_VECTOR_CLONES double scan_2(const float* x, int64_t count, Steps steps) {
  return scan<2>(x, count, steps);
}
QC_VECTOR_CLONES double scan_3(const float* x, int64_t count, Steps steps) {
  return scan<3>(x, count, steps);
}
QC_VECTOR_CLONES double scan_4(const float* x, int64_t count, Steps steps) {
  return scan<4>(x, count, steps);
}
constexpr Scan kScan[kSweptPower] = {scan_1, scan_2, scan_3, scan_4};

QC_VECTOR_CLONES double exact(const float* values, int64_t count, const Steps& given, int p) {
  const Steps steps = given;
  const auto scale = static_cast<double>(steps.scale);
  double total[kLanes] = {};
  for_each_block(values, count, [&](const float* x) {
    double d[kLanes], e[kLanes];
    for (int l = 0; l < kLanes; ++l) {
      const auto z = static_cast<double>(nearest_level(x[l] / steps.scale, steps));
      d[l] = static_cast<double>(x[l]) - z * scale;
      d[l] = d[l] < 0 ? -d[l] : d[l];
      e[l] = d[l];
    }
    for (int k = 1; k < p; ++k)
      for (int l = 0; l < kLanes; ++l) e[l] *= d[l];
    for (int l = 0; l < kLanes; ++l) total[l] += e[l];
  });
  return sum_of(total);
}

Steps steps_of(const Grid& grid) {
  return {static_cast<float>(grid.scale), static_cast<float>(grid.low), static_cast<float>(grid.high)};
}

}  // namespace

Extent extent_of(std::span<const float> values) {
  Extent extent;
  if (values.empty()) return extent;
  range_of(values.data(), static_cast<int64_t>(values.size()), &extent);
  return extent;
}

double scan_error(std::span<const float> values, const Grid& grid, int p) {
  return kScan[p - 1](values.data(), static_cast<int64_t>(values.size()), steps_of(grid));
}

double exact_error(std::span<const float> values, const Grid& grid, int p) {
  return exact(values.data(), static_cast<int64_t>(values.size()), steps_of(grid), p);
}

}  // namespace qc::threshold
