// What every search of this room looks for: a grid of evenly spaced real values that contains 0. The
// quantizers of MCT differ only in which grids they allow, so a search is written once, for a family of
// grids.
#pragma once

#include <cstdint>

#include "threshold/threshold.h"

namespace qc::threshold {

/// The values z * scale for the integers z in low..high, low <= 0 <= high.
struct Grid {
  double scale = 0;
  int64_t low = 0, high = 0;
};

/// All grids of a quantizer: `low` may be anything in low_min..low_max, high = low + span, the scale is free.
struct Family {
  int64_t span = 0;
  int64_t low_min = 0, low_max = 0;
  double scale_floor = 0;      // smallest scale that may be returned
  double threshold_steps = 0;  // threshold / scale, as in MCT's quantizers; 0 for kUniform
};

/// The family for data in [min, max]. kUniform: data without negative values keeps low = 0, so that the zero
/// point is qmin and a Relu in front changes nothing; the same for data without positive values.
Family family_of(const Options& options, bool is_signed, double min, double max);

/// The smallest scale that clips nothing of [min, max] (0 for data that is all 0).
double covering_scale(const Family& family, double min, double max);

/// Nearest scale that a file can hold: float32, normal, not below the floor.
float storable_scale(const Family& family, double scale);

/// Appends the parameters of one grid (one tensor or one channel).
void append(quant::QuantParams& params, float scale, int64_t low);

}  // namespace qc::threshold
