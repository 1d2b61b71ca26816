// See blocks.h.
#include "threshold/blocks.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "quant/quant_params.h"

namespace qc::threshold {
namespace {

struct Fit {
  double scale = 1;
  int32_t zero_point = 0;
  double error = 0;
};

struct Range {
  int32_t low = 0, high = 0;  // of the integers
};

double round_with(std::span<const float> x, const Range& range, const Fit& fit, std::vector<double>& steps) {
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double q = std::clamp(std::nearbyint(static_cast<double>(x[i]) / fit.scale) + fit.zero_point,
                                static_cast<double>(range.low), static_cast<double>(range.high)) -
                     fit.zero_point;
    steps[i] = q;
    error += std::pow(static_cast<double>(x[i]) - q * fit.scale, 2);
  }
  return error;
}

// The scale for which these integers come closest.
double fitted_scale(std::span<const float> x, const std::vector<double>& steps, double fallback) {
  double product = 0, square = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    product += static_cast<double>(x[i]) * steps[i];
    square += steps[i] * steps[i];
  }
  return square > 0 && product > 0 ? product / square : fallback;
}

Fit as_stored(Fit fit) {
  fit.scale = std::max(static_cast<float>(fit.scale), quant::kLeastScale);
  return fit;
}

Fit start_of(std::span<const float> x, const Range& range, bool symmetric) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  Fit fit;
  if (symmetric) {
    const double largest =
        std::max(std::fabs(static_cast<double>(*low)), std::fabs(static_cast<double>(*high)));
    fit.scale = largest / range.high;
  } else {
    const double from = std::min(0.0, static_cast<double>(*low)),
                 to = std::max(0.0, static_cast<double>(*high));
    fit.scale = (to - from) / (range.high - range.low);
    if (fit.scale > 0)
      fit.zero_point =
          static_cast<int32_t>(std::clamp(std::nearbyint(range.low - from / fit.scale),
                                          static_cast<double>(range.low), static_cast<double>(range.high)));
  }
  if (!(fit.scale >= static_cast<double>(quant::kLeastScale))) fit.scale = 1;  // nothing but zeros
  return as_stored(fit);
}

// Tried on blocks of 16, 32 and 128 normal and Laplacian values: the search is within 0.15 dB of one eight
// times as fine from 0.25 to 1.2 at 3 and 4 bits, within 0.7 dB at 2; at 8 bits up to 1.6 dB remain, which
// those can spare.
Fit best_of(std::span<const float> x, const Range& range, const BlockOptions& options) {
  constexpr int kShrinks = 16, kRounds = 2;
  constexpr double kSmallest = 0.65, kLargest = 1.02;
  std::vector<double> steps(x.size());
  Fit best = start_of(x, range, options.symmetric);
  best.error = round_with(x, range, best, steps);
  if (!options.search || best.error == 0) return best;
  const Fit start = best;
  const int shifts = options.symmetric ? 0 : 1;
  for (int k = 0; k <= kShrinks; ++k)
    for (int shift = -shifts; shift <= shifts; ++shift) {
      Fit fit = start;
      fit.scale = start.scale * (kSmallest + (kLargest - kSmallest) * k / kShrinks);
      fit.zero_point = std::clamp(start.zero_point + shift, options.symmetric ? 0 : range.low, range.high);
      for (int round = 0; round <= kRounds; ++round) {
        fit = as_stored(fit);
        fit.error = round_with(x, range, fit, steps);
        if (fit.error < best.error) best = fit;
        fit.scale = fitted_scale(x, steps, fit.scale);
      }
    }
  return best;
}

}  // namespace

Blocks in_blocks(std::span<const float> matrix, int64_t rows, int64_t length, const BlockOptions& options,
                 int threads) {
  Blocks made;
  made.options = options;
  made.rows = rows;
  made.length = length;
  made.blocks = (length + options.size - 1) / options.size;
  made.integers.resize(rows * made.blocks * options.size);
  made.scales.resize(rows * made.blocks);
  made.zero_points.resize(made.scales.size());
  const int32_t half = int32_t{1} << (options.bits - 1);
  const Range range = options.symmetric ? Range{-half, half - 1} : Range{0, 2 * half - 1};
  std::vector<double> errors(rows, 0);
  parallel_for(rows, threads, [&](int64_t row, int) {
    for (int64_t b = 0; b < made.blocks; ++b) {
      const int64_t from = b * options.size, count = std::min(options.size, length - from);
      const std::span<const float> x = matrix.subspan(row * length + from, count);
      const Fit fit = best_of(x, range, options);
      const auto at = static_cast<size_t>(row * made.blocks + b);
      made.scales[at] = static_cast<float>(fit.scale);
      made.zero_points[at] = fit.zero_point;
      errors[row] += fit.error;
      std::vector<double> steps(x.size());
      round_with(x, range, fit, steps);
      for (int64_t i = 0; i < options.size; ++i)
        made.integers[at * static_cast<size_t>(options.size) + static_cast<size_t>(i)] =
            (i < count ? static_cast<int32_t>(steps[i]) : 0) + fit.zero_point;
    }
  });
  for (const double error : errors) made.error += error;
  for (const float x : matrix) made.signal += static_cast<double>(x) * static_cast<double>(x);
  return made;
}

}  // namespace qc::threshold
