// The error of every grid of a family over sorted samples, and the search for its deepest valleys.
//
// For one scale the samples fall into cells, one a level. Prefix sums give a cell's error in O(1), a running
// sum over cells the error of every inner part, and so the errors of ALL windows low..high of that scale
// together cost O(levels): the search over (min, max) or (scale, zero point) becomes one over the scale
// alone.
#pragma once

#include <cstddef>
#include <vector>

#include "threshold/grid.h"
#include "threshold/samples.h"

namespace qc::threshold {

/// A grid, and what rounding the samples to it costs.
struct ScoredGrid {
  Grid grid;
  double error = 0;  // weight * |x - x'|^p, summed over the samples
};

/// The error of a family's grids over the same samples, scale by scale.
class Landscape {
 public:
  /// p: 1 or 2 (prefix sums), or more (every sample is visited). Keeps references.
  Landscape(const Samples& samples, const Family& family, int p);

  /// The best window of this scale.
  ScoredGrid best_window(double scale);
  /// The error of one grid, sample by sample.
  double direct_error(const Grid& grid) const;

 private:
  void locate_cells(double scale, int64_t first, int64_t last);
  double piece_error(size_t begin, size_t middle, size_t end, double level) const;
  size_t begin_of(int64_t k) const;
  size_t middle_of(int64_t k) const;
  double window_error(double scale, int64_t low) const;
  ScoredGrid descend(double scale);
  int64_t nearest_low(double scale) const;

  const Samples& samples_;
  const Family& family_;
  int p_;
  double tilt_ = 0;  // p > 2: low / number of steps of the last best window, where the next descent starts
  // Cells first_..last_: where cell k begins ((k - 1/2) * scale), where its level lies, and the sum of errors
  // before it.
  int64_t first_ = 0, last_ = 0;
  std::vector<size_t> begins_, middles_;
  std::vector<double> before_;
};

/// The best grids found, each the bottom of a valley, in no order. Never empty for samples that are not all
/// 0.
std::vector<ScoredGrid> deepest(const Samples& samples, const Family& family, int p);

}  // namespace qc::threshold
