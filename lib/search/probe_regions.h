// What groups of nodes left in float would cost at the outputs on integers, measured: nobody chose grids for
// their values, or even looked at them, where their time alone speaks against integers.
#pragma once

#include <vector>

#include "search/attempt.h"
#include "simulate/probe.h"

namespace qc {

/// By group and judged output: noise over signal when the values of a group are rounded, and nothing else, to
/// 8 bits between the least and the greatest that a few held-out images have there. An estimate, in one to
/// four inferences for a group. `best` is left as it is.
simulate::NoiseRatios noise_of_unplanned(const Attempt& best,
                                         const std::vector<std::vector<ir::ValueId>>& groups,
                                         const FloatAnswers& answers, run::RunnerFactory& runners,
                                         const images::ImageSource& source, int threads);

}  // namespace qc
