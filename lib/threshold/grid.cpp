// See grid.h.
#include "threshold/grid.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace qc::threshold {

Family family_of(const Options& options, bool is_signed, double min, double max) {
  Family family;
  const int64_t levels = int64_t{1} << options.bits;
  family.span = levels - 1;
  family.scale_floor = static_cast<double>(quant::kLeastScale);
  if (options.quantizer == Quantizer::kUniform) {
    family.low_min = min >= 0 ? 0 : -family.span;
    family.low_max = max <= 0 && min < 0 ? -family.span : 0;
    return family;
  }
  const bool narrow = options.narrow_range && is_signed;
  if (narrow) --family.span;
  family.low_min = family.low_max = is_signed ? -(family.span + (narrow ? 0 : 1)) / 2 : 0;
  const int64_t half = family.span / 2;
  family.threshold_steps =
      narrow ? static_cast<double>(half) : std::ldexp(1.0, options.bits - (is_signed ? 1 : 0));
  family.scale_floor = std::max(family.scale_floor, options.min_threshold / family.threshold_steps);
  return family;
}

double covering_scale(const Family& family, double min, double max) {
  min = std::min(min, 0.0);
  max = std::max(max, 0.0);
  if (family.threshold_steps == 0) return (max - min) / static_cast<double>(family.span);
  const double positive = max / static_cast<double>(family.low_min + family.span);
  return family.low_min == 0 ? positive : std::max(positive, min / static_cast<double>(family.low_min));
}

float storable_scale(const Family& family, double scale) {
  const auto largest = static_cast<double>(FLT_MAX);
  return static_cast<float>(std::clamp(scale, family.scale_floor, largest));
}

void append(quant::QuantParams& params, float scale, int64_t low) {
  params.scales.push_back(scale);
  params.zero_points.push_back(static_cast<int32_t>(params.qmin() - low));
}

}  // namespace qc::threshold
