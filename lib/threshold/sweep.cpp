// See sweep.h.
//
// For u = 1 / scale the level of a value x goes from k-1 to k at u = (k - 1/2) / |x|: equally spaced events.
// Between events the assignment z of all values is fixed, and the best scale for it is (x.z)/(z.z) with the
// error x.x - (x.z)^2/(z.z). So the events of all values are dropped into narrow cells of u, and running sums
// over the cells give the exact optimum for the assignment at every cell's edge. The best of them are
// polished by refitting. An event in a neighbouring cell, by rounding, does no harm: at the event both levels
// err alike.
#include "threshold/sweep.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace qc::threshold {
namespace {

constexpr int kCells = 512, kCellsOfFew = 2048;
constexpr size_t kFew = 128;  // values: all scales are swept, for single values decide
constexpr size_t kValleys = 3;
constexpr int kMaxRefits = 10;
constexpr double kFineStep = 0.96, kCoarseStep = 0.8, kFineUntil = 0.5;

/// Scales, the larger first.
struct Bracket {
  double largest, smallest;
};

/// Sums of x.z and z.z: at the left edge of the bracket, then changes by cell.
struct Change {
  double xz = 0, zz = 0;
};

double squares_left(double xx, const Change& sums) {
  return sums.zz > 0 ? xx - sums.xz * sums.xz / sums.zz : xx;
}

Grid grid_at(double scale, const Family& family) {
  return {scale, family.low_min, family.low_min + family.span};
}

/// Where the best scale can be, from a coarse walk downwards. The error at a neighbouring scale differs by
/// the luck of rounding, about 0.9 / sqrt(n) of itself (the spread of the square of a uniform error), so
/// everything within six times that of the best stays in.
Bracket find_bracket(std::span<const float> values, const Family& family, double covering, double absolute) {
  const auto n = static_cast<double>(values.size());
  const double beyond = values.size() <= kFew ? INFINITY : family.span < 16 ? 4.0 : 1.25;
  const double start =
      std::min(2.001 * absolute, beyond * covering);  // above the first, all values are at level 0
  std::vector<std::pair<double, double>> seen;        // scale, error
  double least = 0;
  for (double scale = std::max(start, family.scale_floor); scale >= family.scale_floor;
       scale *= scale > kFineUntil * covering ? kFineStep : kCoarseStep) {
    const double error = scan_squared_error(values, grid_at(scale, family));
    seen.emplace_back(scale, error);
    least = seen.size() == 1 ? error : std::min(least, error);
    // What is not clipped errs by half a step at most; the rest is clipping, and smaller scales clip more.
    if (!(error - n * scale * scale / 4 <= least)) break;
  }
  const double enough = values.size() <= kFew ? INFINITY : least * (1.1 + 6 * 0.9 / std::sqrt(n));
  const auto good = [&](const auto& entry) { return entry.second <= enough; };
  const auto first = std::find_if(seen.begin(), seen.end(), good);
  const auto last = std::find_if(seen.rbegin(), seen.rend(), good);
  Bracket bracket{start, seen.back().first};
  if (first != seen.end()) {
    bracket.largest = first == seen.begin() ? first->first / kFineStep : std::prev(first)->first;
    bracket.smallest = last == seen.rbegin() ? last->first * kFineStep : std::prev(last)->first;
  }
  bracket.smallest = std::max(bracket.smallest, family.scale_floor);
  bracket.largest = std::max(bracket.largest, bracket.smallest * 1.0001);
  return bracket;
}

/// Drops every value's events into cells; returns the sums at the left edge.
Change drop_events(std::span<const float> values, const Family& family, const Bracket& bracket,
                   std::span<Change> cells) {
  const double begin = 1.0 / bracket.largest, end = 1.0 / bracket.smallest;
  const double cells_per_u = static_cast<double>(cells.size() - 1) / (end - begin);
  const auto negative = static_cast<double>(-family.low_min),
             positive = static_cast<double>(family.low_min + family.span);
  Change start;
  for (const float value : values) {
    const double x = std::abs(static_cast<double>(value));
    const double top = value < 0 ? negative : positive;
    const double last = std::min(top, std::floor(x * end + 0.5));
    if (last < 1) continue;
    const double first = std::min(top, std::floor(x * begin + 0.5));
    start.xz += x * first;
    start.zz += first * first;
    const double step = cells_per_u / x;
    double cell = (first + 0.5) * step - begin * cells_per_u;
    double gain = 2 * first + 1;
    for (int left = static_cast<int>(last - first); left > 0; --left) {
      Change& change = cells[static_cast<size_t>(static_cast<int64_t>(cell))];
      change.xz += x;
      change.zz += gain;
      cell += step;
      gain += 2;
    }
  }
  return start;
}

/// Refits until the scale stands still.
double polish(std::span<const float> values, const Family& family, double scale) {
  for (int i = 0; i < kMaxRefits; ++i) {
    const Refit fit = refit(values, grid_at(scale, family));
    if (!(fit.zz > 0)) break;
    const double next = std::max(fit.xz / fit.zz, family.scale_floor);
    const bool still = std::abs(next - scale) <= 1e-7 * scale;
    scale = next;
    if (still) break;
  }
  return scale;
}

}  // namespace

std::vector<double> deepest_scales(std::span<const float> values, const Extent& extent,
                                   const Family& family) {
  const auto low = static_cast<double>(extent.min), high = static_cast<double>(extent.max);
  const double covering = covering_scale(family, low, high);
  const Bracket bracket = find_bracket(values, family, covering, std::max(-low, high));

  std::array<Change, kCellsOfFew + 1> storage{};
  const std::span<Change> cells(storage.data(), (values.size() <= kFew ? kCellsOfFew : kCells) + 1);
  Change sums = drop_events(values, family, bracket, cells);
  std::array<double, kCellsOfFew + 2> left{}, scales{};
  for (size_t i = 0; i <= cells.size(); ++i) {
    left[i] = squares_left(extent.squares, sums);
    scales[i] = sums.zz > 0 ? sums.xz / sums.zz : bracket.largest;
    if (i == cells.size()) break;
    sums.xz += cells[i].xz;
    sums.zz += cells[i].zz;
  }

  // Valleys: cells not above their neighbours.
  std::vector<size_t> valleys;
  for (size_t i = 0; i <= cells.size(); ++i)
    if ((i == 0 || left[i] < left[i - 1]) && (i == cells.size() || left[i] <= left[i + 1]))
      valleys.push_back(i);
  const size_t kept = std::min(kValleys, valleys.size());
  std::partial_sort(valleys.begin(), valleys.begin() + static_cast<std::ptrdiff_t>(kept), valleys.end(),
                    [&](size_t a, size_t b) { return left[a] != left[b] ? left[a] < left[b] : a < b; });
  std::vector<double> best;
  for (size_t i = 0; i < kept; ++i)
    best.push_back(polish(values, family, std::max(scales[valleys[i]], family.scale_floor)));
  return best;
}

}  // namespace qc::threshold
