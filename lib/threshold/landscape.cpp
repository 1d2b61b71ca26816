// See landscape.h.
#include "threshold/landscape.h"

#include <algorithm>
#include <cmath>

#include "quant/rounding.h"
#include "threshold/passes.h"
#include "threshold/sweep.h"

namespace qc::threshold {
namespace {

// The walk over scales. Between neighbours the largest level moves by kStep * levels, less than the valleys
// of the error are wide in that place for the widths that are searched; the rest is left to refinement.
constexpr double kStep = 0.006;
constexpr double kCellWidth = 3e-4;  // of the sweeps, relative
constexpr size_t kSharpened = 6;     // valleys looked at closely
constexpr int kMaxTurns = 4;         // changes of window while doing so
constexpr size_t kFew = 128;         // samples: all scales are swept, for single values decide
// Errors that are not swept (p > kSweptPower): so many scales of the walk are looked around, in circles of so
// many points, each a quarter as wide as the one before. The last points are less than 1e-6 of the scale
// apart.
constexpr size_t kShrunk = 32;
constexpr int kShrinks = 6, kShrinkPoints = 8;
constexpr size_t kWalked = 64;            // so few samples are looked at one by one
constexpr double kDeepest = 1.0 / 65536;  // smallest scale looked at, in covering scales

int64_t level_of(double x, double scale) {
  return static_cast<int64_t>(std::floor(x / scale + 0.5));
}

/// The number of samples that carry the weight (Kish), without the heaviest, which often is 0 after a Relu
/// and errs little anywhere.
double carrying_samples(const Samples& samples) {
  double sum = 0, squares = 0, heaviest = 0;
  for (const double w : samples.weight) {
    sum += w;
    squares += w * w;
    heaviest = std::max(heaviest, w);
  }
  sum -= heaviest;
  squares -= heaviest * heaviest;
  return squares > 0 ? std::max(1.0, sum * sum / squares) : 1.0;
}

/// First scale of the downward walk. With few levels or few samples a scale beyond the covering one can win,
/// because then single values decide; never beyond the scale that sends everything to 0.
double first_scale(const Samples& samples, const Family& family, double covering) {
  const double absolute = std::max(-samples.min, samples.max);
  const double beyond = family.span < 16 || carrying_samples(samples) <= kFew ? 4.0 : 1.25;
  return std::min(2.001 * absolute, beyond * covering);
}

}  // namespace

Landscape::Landscape(const Samples& samples, const Family& family, int p)
    : samples_(samples), family_(family), p_(p) {}

void Landscape::locate_cells(double scale, int64_t first, int64_t last) {
  first_ = first;
  last_ = last;
  const auto cells = static_cast<size_t>(last - first + 1);
  begins_.resize(cells + 1);
  middles_.resize(cells + 1);
  const size_t n = samples_.size();
  if (samples_.pitch > 0 &&
      n > kWalked) {  // a sample beside a boundary may get the other level: both err alike there
    const size_t middle = n / 2;
    const double per_pitch = 1.0 / samples_.pitch,
                 origin = samples_.x[middle] * per_pitch - static_cast<double>(middle);
    const auto limit = static_cast<double>(n);
    const auto index = [&](double place) {
      return static_cast<size_t>(
          static_cast<int64_t>(std::clamp(place * per_pitch - origin + 1.0, 0.0, limit)));
    };
    for (size_t c = 0; c <= cells; ++c) {
      const double k = static_cast<double>(first + static_cast<int64_t>(c));
      begins_[c] = index((k - 0.5) * scale);
      if (p_ == 1) middles_[c] = index(k * scale);
    }
  } else if (n > 8 * cells) {
    const auto index = [&](double place) {
      return static_cast<size_t>(std::lower_bound(samples_.x.begin(), samples_.x.end(), place) -
                                 samples_.x.begin());
    };
    for (size_t c = 0; c <= cells; ++c) {
      const double k = static_cast<double>(first + static_cast<int64_t>(c));
      begins_[c] = index((k - 0.5) * scale);
      if (p_ == 1) middles_[c] = index(k * scale);
    }
  } else {
    size_t i = 0;
    for (size_t c = 0; c <= cells; ++c) {
      const double k = static_cast<double>(first + static_cast<int64_t>(c));
      while (i < n && samples_.x[i] < (k - 0.5) * scale) ++i;
      begins_[c] = i;
      while (p_ == 1 && i < n && samples_.x[i] < k * scale) ++i;
      middles_[c] = i;
    }
  }
  before_.resize(cells + 1);
  before_[0] = 0;
  for (size_t c = 0; c < cells; ++c) {
    const double level = static_cast<double>(first + static_cast<int64_t>(c)) * scale;
    before_[c + 1] = before_[c] + piece_error(begins_[c], middles_[c], begins_[c + 1], level);
  }
}

double Landscape::piece_error(size_t begin, size_t middle, size_t end, double level) const {
  const Moments &a = samples_.before[begin], &c = samples_.before[end];
  if (p_ == 2) {
    const double count = c.count - a.count, sum = c.sum - a.sum, squares = c.squares - a.squares;
    return std::max(0.0, squares - level * (2 * sum - level * count));
  }
  const Moments& b = samples_.before[middle];
  return level * (b.count - a.count) - (b.sum - a.sum) + (c.sum - b.sum) - level * (c.count - b.count);
}

size_t Landscape::begin_of(int64_t k) const {
  if (k < first_) return 0;
  return k > last_ + 1 ? samples_.size() : begins_[k - first_];
}

size_t Landscape::middle_of(int64_t k) const {
  if (k < first_) return 0;
  return k > last_ + 1 ? samples_.size() : middles_[k - first_];
}

double Landscape::window_error(double scale, int64_t low) const {
  const int64_t high = low + family_.span;
  const auto running = [&](int64_t k) { return before_[std::clamp(k, first_, last_ + 1) - first_]; };
  const double below = piece_error(0, middle_of(low), begin_of(low + 1), static_cast<double>(low) * scale);
  const double above =
      piece_error(begin_of(high), middle_of(high), samples_.size(), static_cast<double>(high) * scale);
  return below + (running(high) - running(low + 1)) + above;
}

ScoredGrid Landscape::best_window(double scale) {
  if (p_ > 2) return descend(scale);
  const int64_t bottom = level_of(samples_.min, scale), top = level_of(samples_.max, scale);
  const int64_t first = std::max(bottom, family_.low_min),
                last = std::min(top, family_.low_max + family_.span);
  locate_cells(scale, first, std::max(first, last));
  // Windows that leave a side free while the other clips are never better than their neighbours; where
  // nothing is clipped all are equal, and the middle one leaves room on both sides for what calibration has
  // not seen.
  int64_t begin = std::min(bottom, top - family_.span), end = std::max(bottom, top - family_.span);
  if (top - bottom <= family_.span) begin = end = begin + (end - begin) / 2;
  begin = std::clamp(begin, family_.low_min, family_.low_max);
  end = std::clamp(end, family_.low_min, family_.low_max);
  ScoredGrid best;
  for (int64_t low = begin; low <= end; ++low) {
    const double error = window_error(scale, low);
    if (low == begin || error < best.error) best = {{scale, low, low + family_.span}, error};
  }
  return best;
}

double Landscape::direct_error(const Grid& grid) const {
  const auto low = static_cast<double>(grid.low), high = static_cast<double>(grid.high);
  double total = 0;
  for (size_t i = 0; i < samples_.size(); ++i) {
    const double z = quant::round_half_even(std::clamp(samples_.x[i] / grid.scale, low, high));
    total += samples_.weight[i] * power(std::abs(samples_.x[i] - z * grid.scale), p_);
  }
  return total;
}

int64_t Landscape::nearest_low(double scale) const {
  const double range = samples_.max - samples_.min;
  const double share = tilt_ < 0 ? tilt_ : std::min(0.0, samples_.min) / std::max(range, scale);
  return std::clamp(static_cast<int64_t>(std::nearbyint(share * static_cast<double>(family_.span))),
                    family_.low_min, family_.low_max);
}

/// Downhill over windows of one scale: the clipping errors of both ends are convex in `low`.
ScoredGrid Landscape::descend(double scale) {
  const auto at = [&](int64_t low) {
    const Grid grid{scale, low, low + family_.span};
    return ScoredGrid{grid, direct_error(grid)};
  };
  ScoredGrid best = at(nearest_low(scale));
  for (const int64_t step : {int64_t{8}, int64_t{-8}, int64_t{1}, int64_t{-1}})
    while (best.grid.low + step >= family_.low_min && best.grid.low + step <= family_.low_max) {
      const ScoredGrid next = at(best.grid.low + step);
      if (!(next.error < best.error)) break;
      best = next;
    }
  tilt_ = static_cast<double>(best.grid.low) / static_cast<double>(family_.span);
  return best;
}

namespace {

/// One scale of the coarse walk and its best window.
using Walk = std::vector<ScoredGrid>;

/// Downwards from the largest scale that can win, until clipping alone errs more than the best scale so far.
Walk walk_scales(Landscape& landscape, const Samples& samples, const Family& family, int p, double step) {
  const double covering = covering_scale(family, samples.min, samples.max);
  Walk walk;
  double least = 0;
  for (double scale = first_scale(samples, family, covering); scale > kDeepest * covering;
       scale *= 1.0 - step) {
    walk.push_back(landscape.best_window(std::max(scale, family.scale_floor)));
    least = walk.size() == 1 ? walk[0].error : std::min(least, walk.back().error);
    // What is not clipped errs by half a step at most; the rest is clipping, and smaller scales clip more.
    const double rounding = samples.total() * power(scale / 2, p);
    if (walk.back().error - rounding > least || scale <= family.scale_floor) break;
  }
  return walk;
}

/// How much a neighbouring scale may be better by the luck of rounding (symmetric.cpp).
double luck_of(const Samples& samples) {
  return samples.size() <= kFew ? INFINITY : 1.03 + 4.5 * 0.9 / std::sqrt(carrying_samples(samples));
}

struct WindowValley {
  int64_t low;
  Valley valley;
};

/// Sweeps every stretch of the walk that has one best window and is good enough somewhere.
std::vector<WindowValley> sweep_walk(const Series& series, const Walk& walk, const Family& family, int p,
                                     double enough) {
  std::vector<WindowValley> valleys;
  for (size_t begin = 0; begin < walk.size();) {
    const int64_t low = walk[begin].grid.low;
    size_t end = begin;
    double least = INFINITY;
    for (; end < walk.size() && walk[end].grid.low == low; ++end) least = std::min(least, walk[end].error);
    if (least <= enough) {
      Bracket bracket{walk[end - 1].grid.scale * (1 - kStep), walk[begin].grid.scale * (1 + kStep)};
      bracket.smallest = std::max(bracket.smallest, family.scale_floor);
      bracket.largest = std::max(bracket.largest, bracket.smallest * (1 + kStep));
      const auto cells = static_cast<int>(std::log(bracket.largest / bracket.smallest) / kCellWidth) + 1;
      for (const Valley& valley : sweep(series, low, low + family.span, bracket, cells, p, kSharpened))
        valleys.push_back({low, valley});
    }
    begin = end;
  }
  const size_t kept = std::min(kSharpened, valleys.size());
  std::partial_sort(
      valleys.begin(), valleys.begin() + static_cast<std::ptrdiff_t>(kept), valleys.end(),
      [](const WindowValley& a, const WindowValley& b) { return a.valley.error < b.valley.error; });
  valleys.resize(kept);
  return valleys;
}

std::vector<ScoredGrid> deepest_by_sweep(const Samples& samples, const Family& family, int p) {
  Landscape landscape(samples, family, p);
  const Walk walk = walk_scales(landscape, samples, family, p, kStep);
  const std::vector<float> x(samples.x.begin(), samples.x.end());
  const Series series{x, samples.weight};
  double least = INFINITY;
  for (const ScoredGrid& found : walk) least = std::min(least, found.error);
  std::vector<ScoredGrid> found = {walk.back()};
  for (WindowValley& next : sweep_walk(series, walk, family, p, least * luck_of(samples))) {
    for (int turn = 0; turn < kMaxTurns; ++turn) {
      next.valley = sharpen(series, next.low, next.low + family.span, next.valley, p);
      next.valley.scale = std::max(next.valley.scale, family.scale_floor);
      const ScoredGrid here = landscape.best_window(next.valley.scale);
      found.push_back({{next.valley.scale, next.low, next.low + family.span}, next.valley.error});
      if (here.grid.low == next.low || !(here.error < next.valley.error)) break;
      next = {here.grid.low, {next.valley.scale, here.error, kStep / 8}};
    }
  }
  return found;
}

/// Other p: look around a scale in ever smaller circles.
ScoredGrid shrink(Landscape& landscape, const Family& family, ScoredGrid best, double radius) {
  for (int round = 0; round < kShrinks; ++round, radius *= 2.0 / kShrinkPoints) {
    const double center = best.grid.scale;
    for (int i = -kShrinkPoints / 2; i <= kShrinkPoints / 2; ++i) {
      const double scale = center * (1.0 + radius * 2.0 * i / kShrinkPoints);
      if (i == 0 || scale < family.scale_floor) continue;
      const ScoredGrid next = landscape.best_window(scale);
      if (next.error < best.error) best = next;
    }
  }
  return best;
}

std::vector<ScoredGrid> deepest_by_walk(const Samples& samples, const Family& family, int p) {
  const double step = samples.size() <= kFew ? kStep / 8 : kStep / 2;
  Landscape landscape(samples, family, p);
  Walk walk = walk_scales(landscape, samples, family, p, step);
  const size_t refined = std::min(kShrunk, walk.size());
  std::partial_sort(walk.begin(), walk.begin() + static_cast<std::ptrdiff_t>(refined), walk.end(),
                    [](const ScoredGrid& a, const ScoredGrid& b) { return a.error < b.error; });
  walk.resize(refined);
  for (ScoredGrid& found : walk) found = shrink(landscape, family, found, step);
  return walk;
}

}  // namespace

std::vector<ScoredGrid> deepest(const Samples& samples, const Family& family, int p) {
  return p <= kSweptPower ? deepest_by_sweep(samples, family, p) : deepest_by_walk(samples, family, p);
}

}  // namespace qc::threshold
