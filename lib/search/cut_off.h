// Rare images: what the range of a value cuts off may stand on a few of the images to calibrate on, and by
// chance on none of those held out. Judged by the latter alone such a range is better than it is.
#pragma once

#include <cstdint>
#include <vector>

#include "calibrate/calibrate.h"
#include "images/image_source.h"
#include "plan/quant_plan.h"
#include "plan/tensor_stats.h"
#include "search/attempt.h"

namespace qc {

/// Calibration images with values that lie a good part of their range beyond its end: at most so many, the
/// furthest first.
std::vector<int64_t> images_cut_off(const plan::QuantPlan& plan, const plan::StatsTable& stats,
                                    const calibrate::ExtremesTable& extremes, int64_t most);

/// The worst output in dB over all calibration images, as far as some of them tell: those cut off stand for
/// themselves, those held out for all others.
double calibration_db(const FloatAnswers& answers, const images::ImageSource& source, int threads,
                      const Attempt& attempt);

}  // namespace qc
