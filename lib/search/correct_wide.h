// Weights of 8 bits lose little to rounding, and most models do well with corrected biases alone. Where they
// do not, or where it takes next to no time, their weights are rounded anew by second-order statistics: one
// more step on the model that all other searches agreed on.
#pragma once

#include <string>
#include <vector>

#include "search/attempt.h"
#include "search/search_model.h"
#include "subject.h"

namespace qc {

/// How many calibration images second-order correction of `best` is given where the config says nothing of a
/// method: all where the worst output misses its goal; else a few, where these are worked through in about
/// twice the time of calibration or in a second, by the amount of work and the target's costs, never by a
/// clock. 0: none.
int64_t images_for_wide_weights(const Scene& scene, const Subject& subject, const SearchStart& start,
                                const Attempt& best);

/// Rounds the weights of `best` anew, with so many images; kept where the worst output comes closer.
void correct_wide_weights(const Scene& scene, const Subject& subject, const SearchStart& start,
                          int64_t images, Attempt& best);

}  // namespace qc
