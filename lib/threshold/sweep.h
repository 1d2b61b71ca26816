// The squared-error search for weights on a symmetric grid, where most of the time of a run would go: exact
// over all scales of a bracket at the price of a few dozen passes over the values, without sorting them.
#pragma once

#include <span>
#include <vector>

#include "threshold/grid.h"
#include "threshold/passes.h"

namespace qc::threshold {

/// Scales at the bottom of the deepest valleys of the squared error (one window only: family.low_min ==
/// low_max). `extent` is extent_of(values), not all 0.
std::vector<double> deepest_scales(std::span<const float> values, const Extent& extent, const Family& family);

}  // namespace qc::threshold
