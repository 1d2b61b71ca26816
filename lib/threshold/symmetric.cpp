// See symmetric.h. A coarse walk over scales finds the bracket, a sweep (sweep.h) its valleys.
#include "threshold/symmetric.h"

#include <algorithm>
#include <cmath>

#include "threshold/sweep.h"

namespace qc::threshold {
namespace {

constexpr int64_t kFew = 128;  // values that are not 0: all scales are swept, for single values decide
// Of a sweep. Within a cell a valley may be deeper than its edges tell: deepest_scales() estimates how much
// deeper, and sharpens all that may be the deepest.
constexpr int kCells = 512, kCellsOfFew = 2048;
constexpr size_t kValleys = 4;
// From one scale of the walk to the next. The walk only brackets the best scale, which the sweep then finds,
// so that steps may be as wide as the basin around it: wider with few levels, and wider again below
// kFineUntil of the covering scale, where each step saves a pass over the values.
constexpr double kFineStep = 0.96, kFineStepOfFewLevels = 0.9, kCoarseStep = 0.8, kFineUntil = 0.5;
constexpr int64_t kFewLevels = 16;

Grid grid_at(double scale, const Family& family) {
  return {scale, family.low_min, family.low_min + family.span};
}

/// Where the best scale can be. The error at a neighbouring scale differs by the luck of rounding, about 0.9
/// / sqrt(n) of itself (the spread of the square of a uniform error), so everything within 4.5 times that of
/// the best stays in.
Bracket find_bracket(std::span<const float> values, const Extent& extent, const Family& family, int p) {
  const auto min = static_cast<double>(extent.min), max = static_cast<double>(extent.max);
  const auto n = static_cast<double>(extent.filled);
  const double covering = covering_scale(family, min, max), absolute = std::max(-min, max);
  const double beyond = extent.filled <= kFew ? INFINITY : family.span < kFewLevels ? 2.0 : 1.25;
  const double start =
      std::min(2.001 * absolute, beyond * covering);  // above the first, all values are at level 0
  const double step = family.span < kFewLevels ? kFineStepOfFewLevels : kFineStep;
  std::vector<std::pair<double, double>> seen;  // scale, error
  double least = 0;
  for (double scale = start;; scale *= scale > kFineUntil * covering ? step : kCoarseStep) {
    scale = std::max(scale, family.scale_floor);
    const double error = scan_error(values, grid_at(scale, family), p);
    seen.emplace_back(scale, error);
    least = seen.size() == 1 ? error : std::min(least, error);
    // What is not clipped errs by half a step at most; the rest is clipping, and smaller scales clip more.
    if (!(error - n * power(scale / 2, p) <= least) || scale == family.scale_floor) break;
  }
  const double enough = extent.filled <= kFew ? INFINITY : least * (1.03 + 4.5 * 0.9 / std::sqrt(n));
  const auto good = [&](const auto& entry) { return entry.second <= enough; };
  const auto first = std::find_if(seen.begin(), seen.end(), good);
  const auto last = std::find_if(seen.rbegin(), seen.rend(), good);
  Bracket bracket{seen.back().first, start};
  if (first != seen.end()) {
    bracket.largest = first == seen.begin() ? first->first / step : std::prev(first)->first;
    bracket.smallest = last == seen.rbegin() ? last->first * step : std::prev(last)->first;
  }
  bracket.smallest = std::max(bracket.smallest, family.scale_floor);
  bracket.largest = std::max(bracket.largest, bracket.smallest * 1.0001);
  return bracket;
}

}  // namespace

std::vector<double> deepest_scales(std::span<const float> values, const Extent& extent, const Family& family,
                                   int p) {
  const Series series{values, {}};
  const int64_t low = family.low_min, high = low + family.span;
  const Bracket bracket = find_bracket(values, extent, family, p);
  std::vector<double> scales;
  if (bracket.smallest <= family.scale_floor) scales.push_back(family.scale_floor);  // a valley may lie below
  const int cells = extent.filled <= kFew ? kCellsOfFew : kCells;
  const std::vector<Valley> valleys = sweep(series, low, high, bracket, cells, p, kValleys);
  // Within a cell the outermost level moves by `drift` steps, an average value by a quarter of that; next to
  // the error of rounding, 1/12, that is how much lower a valley can be than the edges of its cell tell.
  const double drift = valleys[0].radius / 1.5 * static_cast<double>(std::max(-low, high));
  const double rivals = valleys[0].error * (1 + 1.5 * drift * drift);
  for (const Valley& valley : valleys)
    if (extent.filled <= kFew || p != 2 || valley.error <= rivals)
      scales.push_back(sharpen(series, low, high, valley, p).scale);
  return scales;
}

}  // namespace qc::threshold
