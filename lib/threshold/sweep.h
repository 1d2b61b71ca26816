// The error of one window of levels at (nearly) every scale of a bracket, at the price of a few dozen passes
// over the data and without sorting them: the engine behind "never worse than MCT", which samples the same
// function at a few hundred places.
#pragma once

#include <span>
#include <vector>

#include "threshold/grid.h"

namespace qc::threshold {

/// Largest p of |x - x'|^p that is swept: beyond, the sums of a sweep cancel too much.
constexpr int kSweptPower = 4;

/// Values and how much each counts.
struct Series {
  std::span<const float> x;
  std::span<const double> weight;  // empty: 1 each
};

struct Bracket {
  double smallest = 0, largest = 0;  // scales
};

/// A local minimum of the error over scales.
struct Valley {
  double scale = 0;
  double error = 0;   // summed |x - x'|^p
  double radius = 0;  // relative: how far the bottom may be from `scale`
};

/// Local minima over the bracket, which is looked at in `cells` cells, the deepest first, at most `count`.
/// low..high: the integers of the window, low <= 0 <= high; p: 1 to kSweptPower.
std::vector<Valley> sweep(const Series& series, int64_t low, int64_t high, const Bracket& bracket, int cells,
                          int p, size_t count);

/// The bottom of a valley, from ever narrower sweeps.
Valley sharpen(const Series& series, int64_t low, int64_t high, const Valley& valley, int p);

}  // namespace qc::threshold
