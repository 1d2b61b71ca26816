// The streaming histogram: exact counts in fixed memory, mergeable, and the same whatever the order of the
// data. See plan::Histogram for the grid: where a value falls outside, bins double in width and merge in
// pairs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/tensor_stats.h"

namespace qc::calibrate {

/// Smallest, largest, and whether every element is finite.
struct Range {
  float min = 0, max = 0;
  bool finite = true;
};
Range range_of(std::span<const float> values);

class StreamingHistogram {
 public:
  /// Counts the values and returns their range. Where one is NaN or infinite, `finite` is false, and range
  /// and counts are incomplete.
  Range add(std::span<const float> values);
  void merge(const StreamingHistogram& other);
  bool empty() const { return counts_.empty(); }
  float min() const { return min_; }
  float max() const { return max_; }
  uint64_t count() const;
  /// Trimmed to the bins between min and max: equal data gives equal results.
  plan::Histogram result() const;

 private:
  class Tables;  // counts that are not yet in counts_

  void make_room(float min, float max);         // widens the grid until [min, max] fits
  void add_few(std::span<const float> values);  // that fit the grid
  /// Makes room for a piece and writes the numbers of its bins, `count` of them. Zeros, of which rectifiers
  /// leave many and which would wait for each other, may be counted at once instead.
  Range number_bins(std::span<const float> piece, uint16_t* bins, int& count, Tables& tables);

  int exponent_ = 0;
  int64_t first_ = 0;             // absolute index of counts_[0]
  std::vector<uint64_t> counts_;  // empty or plan::Histogram::kBins
  float min_ = 0, max_ = 0;
};

}  // namespace qc::calibrate
