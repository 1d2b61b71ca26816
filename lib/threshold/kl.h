// KL divergence between a histogram and its quantized self (as in MCT's error_functions.py; the idea is that
// of Migacz 2017, "8-bit Inference with TensorRT").
// The error jumps with every bin that changes its level, so there is nothing to refine: the search walks as
// MCT does and looks at an even row of thresholds besides.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "threshold/grid.h"
#include "threshold/samples.h"

namespace qc::threshold {

/// Counts at evenly spaced places first, first + width, ...
struct KlHistogram {
  KlHistogram(double first_place, double bin_width, std::vector<double> bin_counts);

  double first, width;
  std::vector<double> counts, before;  // before: running sums, one more than counts
  std::vector<size_t> filled;          // bins with counts
  std::vector<double> log_counts;      // 0 for empty bins

  double place(size_t bin) const { return first + static_cast<double>(bin) * width; }
};

/// 2048 bins between the smallest and the largest value, at their left edges, as MCT (numpy) bins weights.
KlHistogram kl_histogram(std::span<const float> values);
KlHistogram kl_histogram(const Samples& samples);

/// The divergence for values clipped to [range_min, range_max] and rounded to the grid; infinite where the
/// range holds fewer bins than the grid has levels: then every bin is a level of its own, and MCT's formula
/// falls to 0 for ranges that clip almost everything.
double kl_error(const KlHistogram& histogram, const Grid& grid, double range_min, double range_max);
/// The same with the range that MCT gives to this family's grids: threshold on both sides, or the grid's own
/// ends.
double kl_error(const KlHistogram& histogram, const Family& family, const Grid& grid);

/// The grid of least divergence for data in [min, max]; nothing where no candidate has a finite one.
std::optional<Grid> least_divergence(const KlHistogram& histogram, const Family& family, double min,
                                     double max);

}  // namespace qc::threshold
