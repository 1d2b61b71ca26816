// Data to be searched, as sorted weighted values with prefix sums: the error of all values that fall to one
// level is then O(1), and one candidate costs O(levels) whatever the number of elements.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "plan/tensor_stats.h"

namespace qc::threshold {

/// Sums over all samples before an index: of weights, of weight * x, of weight * x * x.
struct Moments {
  double count = 0, sum = 0, squares = 0;
};

struct Samples {
  std::vector<double> x;        // ascending
  std::vector<double> weight;   // >= 0
  std::vector<Moments> before;  // one more than x
  double min = 0, max = 0;      // of the data, which may reach beyond the outermost x
  double pitch = 0;             // distance of neighbours where it is constant, else 0

  size_t size() const { return x.size(); }
  double total() const { return before.empty() ? 0.0 : before.back().count; }
};

/// Bin centres (moved into [min, max] of what was seen) and counts, without the outliers that the z-score cut
/// removes (MCT's z_threshold; a spread of 0 removes nothing). No samples where nothing was seen.
Samples histogram_samples(const plan::TensorStats& stats, double z_threshold);

/// The values themselves. Beyond 2^17 of them, neighbours that share 11 bits of mantissa become one sample
/// with their mean (their moments stay exact), which bounds memory for weights of any size.
Samples value_samples(std::span<const float> values);

}  // namespace qc::threshold
