// See choose.h.
#include "threshold/choose.h"

#include <algorithm>
#include <cmath>

namespace qc::threshold {
namespace {

constexpr int kSearchedBits = 10;

}  // namespace

bool searched(const Options& options) {
  return options.method != Method::kNoClipping && options.bits <= kSearchedBits;
}

int error_power(const Options& options) {
  if (options.method == Method::kMae) return 1;
  return options.method == Method::kLp ? std::max(1, options.p) : 2;
}

double power_of_two_above(double x) {
  return std::exp2(std::ceil(std::log2(x)));
}

Grid covering_grid(const Family& family, double min, double max) {
  const auto scale = static_cast<double>(storable_scale(family, covering_scale(family, min, max)));
  const auto low = static_cast<int64_t>(std::nearbyint(std::min(min, 0.0) / scale));
  const int64_t kept = std::clamp(low, family.low_min, family.low_max);
  return {scale, kept, kept + family.span};
}

Grid unclipped_grid(const Family& family, const Options& options, double min, double max, double threshold) {
  Grid grid = covering_grid(family, min, max);
  threshold = std::max(threshold, options.min_threshold);
  if (options.quantizer == Quantizer::kPowerOfTwo) threshold = power_of_two_above(threshold);
  if (options.quantizer != Quantizer::kUniform)
    grid.scale = static_cast<double>(storable_scale(family, threshold / family.threshold_steps));
  return grid;
}

std::vector<Grid> power_of_two_grids(const Family& family, const Options& options, double threshold,
                                     int count) {
  const double least = power_of_two_above(options.min_threshold);
  std::vector<Grid> grids;
  double candidate = 2 * power_of_two_above(std::max(threshold, options.min_threshold));
  for (int i = 0; i < count && candidate >= least; ++i, candidate /= 2)
    grids.push_back({candidate / family.threshold_steps, family.low_min, family.low_min + family.span});
  return grids;
}

ScoredGrid choose_divergence(const KlHistogram& histogram, const Family& family, const Options& options,
                             double min, double max, double threshold, int halvings) {
  const auto divergence = [&](const Grid& grid) { return kl_error(histogram, family, grid); };
  ScoredGrid best;
  if (options.quantizer == Quantizer::kPowerOfTwo) {
    best = choose(power_of_two_grids(family, options, threshold, halvings), family, -1, divergence);
  } else {
    const std::optional<Grid> grid = least_divergence(histogram, family, min, max);
    best = grid ? ScoredGrid{*grid, divergence(*grid)} : ScoredGrid{{}, INFINITY};
  }
  best.error = std::max(best.error, 0.0);  // below by rounding only
  if (std::isfinite(best.error)) return best;
  return {unclipped_grid(family, options, min, max, threshold), 0};
}

}  // namespace qc::threshold
