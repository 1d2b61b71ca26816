// The search for weights on a symmetric grid by squared or absolute error: the default for every weight,
// where most of the time of the threshold search goes. Works on the values as they lie in memory.
#pragma once

#include <span>
#include <vector>

#include "threshold/grid.h"
#include "threshold/passes.h"

namespace qc::threshold {

/// Scales at the bottom of the deepest valleys of the error; p <= kSweptPower, the family has one window,
/// `extent` is that of the values and not all 0.
std::vector<double> deepest_scales(std::span<const float> values, const Extent& extent, const Family& family,
                                   int p);

}  // namespace qc::threshold
