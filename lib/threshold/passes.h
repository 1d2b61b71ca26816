// Passes over float values: the inner loops of the weight searches. Lanes and their order are fixed in the
// source, so the sums are the same bits on every CPU and for every thread count.
#pragma once

#include <cstdint>
#include <span>

#include "threshold/grid.h"

namespace qc::threshold {

/// Smallest and largest value, and how many are not 0.
struct Extent {
  float min = 0, max = 0;
  int64_t filled = 0;
};
Extent extent_of(std::span<const float> values);

/// Sum of |x - x'|^p in float with short partial sums: about six digits, for scanning.
double scan_error(std::span<const float> values, const Grid& grid, int p);

/// Sum of |x - x'|^p with the levels that quant::quantize chooses and x' = z * scale, all in double. p = 1,
/// 2, ...
double exact_error(std::span<const float> values, const Grid& grid, int p);

/// d^p for a small whole p.
inline double power(double d, int p) {
  double result = d;
  for (int i = 1; i < p; ++i) result *= d;
  return result;
}

}  // namespace qc::threshold
