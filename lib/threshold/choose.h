// What the searches of histograms and of weights share: the candidates that need no search, and the last word
// about which candidate is best. Only scales that a file can hold are judged.
#pragma once

#include <vector>

#include "threshold/grid.h"
#include "threshold/kl.h"
#include "threshold/landscape.h"
#include "threshold/passes.h"

namespace qc::threshold {

/// Errors below (this * largest value)^p for every value are rounding of float32 and no reason to prefer
/// anything.
constexpr double kFloatResolution = 3e-8;

/// Whether anything is searched. Beyond 10 bits a step is finer than what 2048 bins can show and clipping
/// cannot pay for itself: such widths take the whole range.
bool searched(const Options& options);

/// The power of |x - x'| that the method sums; KL and NOCLIPPING report the squared error where they need
/// one.
int error_power(const Options& options);

/// The smallest power of two that is not below x.
double power_of_two_above(double x);

/// A grid that clips nothing (kUniform: an end may be clipped by half a step, because 0 must be on the grid).
Grid covering_grid(const Family& family, double min, double max);

/// What MCT's error method NOCLIPPING gives. `threshold` is the smallest that clips nothing, where MCT's
/// searches begin.
Grid unclipped_grid(const Family& family, const Options& options, double min, double max, double threshold);

/// Twice the power of two above the threshold, and its halves, down to min_threshold.
std::vector<Grid> power_of_two_grids(const Family& family, const Options& options, double threshold,
                                     int count);

/// The candidate with the least error(grid); of equals the first. `resolution`: errors up to this are all the
/// same.
template <typename Error>
ScoredGrid choose(const std::vector<Grid>& candidates, const Family& family, double resolution,
                  const Error& error) {
  ScoredGrid best;
  for (size_t i = 0; i < candidates.size(); ++i) {
    ScoredGrid next{candidates[i], 0};
    next.grid.scale = static_cast<double>(storable_scale(family, next.grid.scale));
    next.error = error(next.grid);
    if (i == 0 || (next.error < best.error && best.error > resolution)) best = next;
  }
  return best;
}

/// The same by divergence; where no candidate has a finite one, the grid that clips nothing with error 0.
ScoredGrid choose_divergence(const KlHistogram& histogram, const Family& family, const Options& options,
                             double min, double max, double threshold, int halvings);

}  // namespace qc::threshold
