// See kl.h.
#include "threshold/kl.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/rounding.h"

namespace qc::threshold {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr size_t kWeightBins = 2048;

/// MCT's smoothing: empty bins get half of the least non-empty probability / bins each, taken evenly from the
/// others.
struct Smoothing {
  double empty = 0, reduction = 0;

  Smoothing(double least, size_t bins, size_t filled) {
    empty = least / (2.0 * static_cast<double>(bins));
    reduction = empty * static_cast<double>(bins - filled) / static_cast<double>(filled);
  }
  double operator()(double probability) const { return probability > 0 ? probability - reduction : empty; }
};

struct Distribution {
  double total = 0, least = kInfinite;
  size_t filled = 0;

  void add(double mass) {
    if (mass <= 0) return;
    total += mass;
    least = std::min(least, mass);
    ++filled;
  }
};

/// A bin where data or quantized data have mass; all others are alike.
struct Bin {
  size_t index = 0;
  double data = 0, quantized = 0;
};

/// Bins first..last-1 of the histogram: what MCT compares.
struct Slice {
  size_t first = 0, last = 0;
};

Slice slice_of(const KlHistogram& h, double range_min, double range_max) {
  const auto n = static_cast<int64_t>(h.counts.size());
  const auto at_or_above = [&](double edge) {  // first place >= edge, of the n + 1 edges
    auto i = static_cast<int64_t>(
        std::clamp(std::ceil((edge - h.first) / h.width), 0.0, static_cast<double>(n + 1)));
    while (i > 0 && h.place(static_cast<size_t>(i - 1)) >= edge) --i;
    while (i <= n && h.place(static_cast<size_t>(i)) < edge) ++i;
    return i;
  };
  const int64_t low = at_or_above(range_min), high = at_or_above(range_max);
  if (low > n || high == 0) return {};
  return {static_cast<size_t>(std::max<int64_t>(low - 1, 0)), static_cast<size_t>(high - 1)};
}

/// The non-empty bins of the slice; a level's mass is spread evenly over those that it holds.
std::vector<Bin> quantized_bins(const KlHistogram& h, const Slice& slice, const Grid& grid) {
  std::vector<Bin> bins;
  const auto low = static_cast<double>(grid.low), high = static_cast<double>(grid.high);
  const double per_step = 1 / grid.scale;
  const auto first = std::lower_bound(h.filled.begin(), h.filled.end(), slice.first);
  const auto last = std::lower_bound(first, h.filled.end(), slice.last);
  bins.reserve(static_cast<size_t>(last - first) + 2);
  double level = low - 1, mass = 0;
  size_t level_begin = 0;
  const auto finish_level = [&] {
    const double share = mass / (static_cast<double>(bins.size() - level_begin) + 1e-6);
    for (size_t i = level_begin; i < bins.size(); ++i) bins[i].quantized = share;
    level_begin = bins.size();
    mass = 0;
  };
  for (auto bin = first; bin != last; ++bin) {
    const double own = quant::round_half_even(std::clamp(h.place(*bin) * per_step, low, high));
    if (own != level) finish_level();
    level = own;
    mass += h.counts[*bin];
    bins.push_back({*bin, h.counts[*bin], 0});
  }
  finish_level();
  return bins;
}

/// What lies outside the slice counts for its outermost bins.
void add_clipped(std::vector<Bin>& bins, const KlHistogram& h, const Slice& slice) {
  const double below = h.before[slice.first], above = h.before.back() - h.before[slice.last];
  if (below > 0 && bins.front().index != slice.first) bins.insert(bins.begin(), Bin{slice.first, 0, 0});
  if (above > 0 && bins.back().index != slice.last - 1) bins.push_back({slice.last - 1, 0, 0});
  bins.front().data += below;
  bins.back().data += above;
}

/// log(1 - x); a series where that is exact.
double log_1m(double x) {
  return x < 1e-4 ? -x * (1 + x * (0.5 + x * (1.0 / 3 + x * 0.25))) : std::log1p(-x);
}

/// The best grid seen. Only what a file can hold is judged.
struct Best {
  const KlHistogram& histogram;
  const Family& family;
  std::optional<Grid> grid;
  double error = kInfinite;

  double consider(double scale, int64_t low) {
    const Grid next{static_cast<double>(storable_scale(family, scale)), low, low + family.span};
    const double next_error = kl_error(histogram, family, next);
    if (next_error < error) {
      error = next_error;
      grid = next;
    }
    return next_error;
  }
};

// kWalk..., kRange... and the two factors are those of MCT's searches on histograms (its constants.py:
// SYMMETRIC_HISTOGRAM_..., UNIFORM_HISTOGRAM_..., BOTTOM_FACTOR, UPPER_FACTOR).
constexpr int kWalkPoints = 30, kWalkSteps = 20, kNarrowEvery = 4;
constexpr int kRowPoints = 1024, kCloser = 8, kCloserPoints = 32;  // an even row, and a look around its best
constexpr int kRangePoints = 12, kRangeSteps = 30;
constexpr double kLowFactor = 0.7, kHighFactor = 1.2;

double between(double low, double high, int i, int points) {
  return low + (high - low) * i / (points - 1);
}

void walk_thresholds(Best& best, double start) {
  const double steps = best.family.threshold_steps;
  double threshold = start, low = kLowFactor, high = kHighFactor;
  best.consider(start / steps, best.family.low_min);
  for (int step = 0; step < kWalkSteps; ++step) {
    double next = threshold * low, next_error = kInfinite;
    for (int i = 0; i < kWalkPoints; ++i) {
      const double candidate = between(threshold * low, threshold * high, i, kWalkPoints);
      const double error = best.consider(candidate / steps, best.family.low_min);
      if (error < next_error) {
        next = candidate;
        next_error = error;
      }
    }
    threshold = next;
    if (step % kNarrowEvery == 0) {
      low = std::min(low * 1.02, 0.97);
      high = std::max(high * 0.98, 1.03);
    }
  }
}

/// An even row of thresholds, and finer ones beside the best of them.
void scan_thresholds(Best& best, double start) {
  const double steps = best.family.threshold_steps, apart = kHighFactor * start / kRowPoints;
  std::vector<std::pair<double, int>> row;
  for (int i = 1; i <= kRowPoints; ++i)
    row.emplace_back(best.consider(apart * i / steps, best.family.low_min), i);
  std::partial_sort(row.begin(), row.begin() + kCloser, row.end());
  for (int r = 0; r < kCloser; ++r)
    for (int i = 1 - kCloserPoints; i < kCloserPoints; ++i)
      best.consider(apart * (row[r].second + static_cast<double>(i) / kCloserPoints) / steps,
                    best.family.low_min);
}

void walk_ranges(Best& best, double min, double max) {
  const auto span = static_cast<double>(best.family.span);
  const auto consider = [&](double a, double b) {
    const double scale = (b - a) / span;
    if (!(scale > 0)) return kInfinite;
    const auto low = static_cast<int64_t>(std::nearbyint(a / scale));
    return best.consider(scale, std::clamp(low, best.family.low_min, best.family.low_max));
  };
  min = std::min(min, 0.0);
  max = std::max(max, 0.0);
  consider(min, max);
  const int points_of_min = min < 0 ? kRangePoints : 1, points_of_max = max > 0 ? kRangePoints : 1;
  for (int step = 0; step < kRangeSteps; ++step) {
    double next_min = min, next_max = max, next_error = kInfinite;
    for (int i = 0; i < points_of_min; ++i)
      for (int j = 0; j < points_of_max; ++j) {
        const double a = min * between(kLowFactor, kHighFactor, i, kRangePoints);
        const double b = max * between(kLowFactor, kHighFactor, j, kRangePoints);
        const double error = consider(a, b);
        if (error < next_error) {
          next_min = a;
          next_max = b;
          next_error = error;
        }
      }
    min = next_min;
    max = next_max;
  }
}

}  // namespace

KlHistogram::KlHistogram(double first_place, double bin_width, std::vector<double> bin_counts)
    : first(first_place), width(bin_width), counts(std::move(bin_counts)), before(counts.size() + 1) {
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) filled.push_back(i);
    log_counts.push_back(counts[i] > 0 ? std::log(counts[i]) : 0.0);
    before[i + 1] = before[i] + counts[i];
  }
}

KlHistogram kl_histogram(std::span<const float> values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  auto min = static_cast<double>(*low), max = static_cast<double>(*high);
  if (min == max) {  // numpy.histogram: half a unit to either side
    min -= 0.5;
    max += 0.5;
  }
  const double width = (max - min) / static_cast<double>(kWeightBins);
  std::vector<double> counts(kWeightBins, 0.0);
  for (const float value : values) {
    const auto bin = static_cast<int64_t>((static_cast<double>(value) - min) / width);
    counts[std::clamp<int64_t>(bin, 0, kWeightBins - 1)] += 1;
  }
  return {min, width, std::move(counts)};
}

KlHistogram kl_histogram(const Samples& samples) {
  // The outermost samples may have been moved inwards; the one in the middle has not, unless it is one of
  // them.
  const size_t middle = samples.size() / 2;
  return {samples.x[middle] - static_cast<double>(middle) * samples.pitch, samples.pitch, samples.weight};
}

double kl_error(const KlHistogram& h, const Grid& grid, double range_min, double range_max) {
  const Slice slice = slice_of(h, range_min, range_max);
  const size_t count = slice.last - slice.first;
  if (slice.last < slice.first || count < static_cast<size_t>(grid.high - grid.low + 1)) return kInfinite;
  std::vector<Bin> bins = quantized_bins(h, slice, grid);
  if (bins.empty()) return kInfinite;
  add_clipped(bins, h, slice);
  Distribution data, quantized;
  for (const Bin& bin : bins) {
    data.add(bin.data);
    quantized.add(bin.quantized);
  }
  const Smoothing smooth_data(data.least / data.total, count, data.filled);
  const Smoothing smooth_quantized(quantized.least / quantized.total, count, quantized.filled);
  // Logarithms are what this costs: those of the counts are known, and a level's bins share theirs.
  const double log_total = std::log(data.total), reduced = smooth_data.reduction * data.total;
  double divergence = 0, share = -1, log_quantized = 0;
  for (const Bin& bin : bins) {
    if (bin.quantized != share) log_quantized = std::log(smooth_quantized(bin.quantized / quantized.total));
    share = bin.quantized;
    const double p = smooth_data(bin.data / data.total);
    const bool clipped = bin.data != h.counts[bin.index];
    const double log_data =
        clipped ? std::log(p) : h.log_counts[bin.index] - log_total + log_1m(reduced / bin.data);
    divergence += p * (log_data - log_quantized);
  }
  const auto empty = static_cast<double>(count - bins.size());
  return divergence + empty * smooth_data.empty * std::log(smooth_data.empty / smooth_quantized.empty);
}

double kl_error(const KlHistogram& histogram, const Family& family, const Grid& grid) {
  if (family.threshold_steps == 0)
    return kl_error(histogram, grid, static_cast<double>(grid.low) * grid.scale,
                    static_cast<double>(grid.high) * grid.scale);
  const double threshold = family.threshold_steps * grid.scale;
  return kl_error(histogram, grid, grid.low < 0 ? -threshold : 0.0, threshold);
}

std::optional<Grid> least_divergence(const KlHistogram& histogram, const Family& family, double min,
                                     double max) {
  Best best{histogram, family, {}, kInfinite};
  if (family.threshold_steps == 0) walk_ranges(best, min, max);
  if (family.threshold_steps > 0) {
    const double start = std::max(std::max(-min, max), family.scale_floor * family.threshold_steps);
    walk_thresholds(best, start);
    scan_thresholds(best, start);
  }
  return best.grid;
}

}  // namespace qc::threshold
