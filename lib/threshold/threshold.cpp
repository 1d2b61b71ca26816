// See threshold.h. Here: the search over a histogram. Weights are in weights.cpp; the parts that both share
// are in choose.h.
#include "threshold/threshold.h"

#include <algorithm>
#include <cmath>

#include "threshold/choose.h"
#include "threshold/kl.h"
#include "threshold/landscape.h"
#include "threshold/samples.h"

namespace qc::threshold {
namespace {

constexpr int kHalvings = 20;  // power-of-two candidates on histograms: as many as MCT tries

/// All candidates among which the error decides.
std::vector<Grid> candidates_of(const Samples& samples, const Family& family, const Options& options,
                                double threshold) {
  if (options.quantizer == Quantizer::kPowerOfTwo)
    return power_of_two_grids(family, options, threshold, kHalvings);
  std::vector<Grid> grids = {covering_grid(family, samples.min, samples.max)};
  for (const ScoredGrid& found : deepest(samples, family, error_power(options))) grids.push_back(found.grid);
  return grids;
}

ScoredGrid search_samples(const Samples& samples, const Family& family, const Options& options) {
  const double threshold = std::max(-samples.min, samples.max);
  const int p = error_power(options);
  const Landscape landscape(samples, family, p);
  const auto error = [&](const Grid& grid) { return landscape.direct_error(grid); };
  if (!searched(options)) {
    const Grid grid = unclipped_grid(family, options, samples.min, samples.max, threshold);
    return {grid, error(grid)};
  }
  if (options.method == Method::kKl)
    return choose_divergence(kl_histogram(samples), family, options, samples.min, samples.max, threshold,
                             kHalvings);
  const double resolution = samples.total() * power(kFloatResolution * threshold, p);
  return choose(candidates_of(samples, family, options, threshold), family, resolution, error);
}

}  // namespace

Chosen search(const plan::TensorStats& stats, const Options& options) {
  const Samples samples = histogram_samples(stats, options.z_threshold);
  const bool histogram = samples.size() > 0, seen = histogram || stats.count > 0;
  const double min = histogram ? samples.min : seen ? static_cast<double>(stats.min) : 0.0;
  const double max = histogram ? samples.max : seen ? static_cast<double>(stats.max) : 0.0;
  const bool is_signed =
      options.signedness == Signedness::kAuto ? min < 0 : options.signedness == Signedness::kSigned;
  const Family family = family_of(options, is_signed, min, max);
  const bool uniform = options.quantizer == Quantizer::kUniform;

  Chosen chosen;
  chosen.params.bits = options.bits;
  chosen.params.is_signed = uniform ? options.signed_integers : is_signed;
  chosen.params.narrow_range = !uniform && options.narrow_range && is_signed;
  // Nothing but zeros, or nothing that this family can hold: as quant::asymmetric_params().
  if (!(covering_scale(family, min, max) > 0)) {
    append(chosen.params, std::ldexp(1.0f, -options.bits), family.low_max);
    return chosen;
  }
  if (!histogram) {
    const Grid grid = unclipped_grid(family, options, min, max, std::max(-min, max));
    append(chosen.params, storable_scale(family, grid.scale), grid.low);
    return chosen;
  }
  const ScoredGrid found = search_samples(samples, family, options);
  append(chosen.params, storable_scale(family, found.grid.scale), found.grid.low);
  chosen.error =
      options.method == Method::kKl && searched(options) ? found.error : found.error / samples.total();
  return chosen;
}

}  // namespace qc::threshold
