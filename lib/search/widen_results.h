// The third place for a value beside 8 bits and float: results of more bits, on targets that have them, where
// a goal needs it. Every reader takes what its input has (the target offers no other widths: MCT's
// load_fqc.py), so widths of neighbours do not depend on each other and the choice is exact in bytes: each
// width's noise is measured one value at a time, and of the sums that no other beats the smallest is taken
// that reaches the goal. What is not exact is that noises add up: what comes out is measured, and aimed at
// again where it falls short.
#pragma once

#include <functional>
#include <vector>

#include "report/report.h"
#include "search/attempt.h"
#include "search/width_study.h"

namespace qc {

/// Where the worst output of `best` misses the goal (the default where none is set): an attempt whose results
/// have as few bits more as reach it, or whichever came closest. `scene`: whose plan is that of `best`.
/// `own_db`: its worst output with every result at the scene's widths. `retry` makes an attempt of a plan.
/// Nothing happens where the target has one width alone. Where rules list widths,
/// /mixed_precision_config/max_wide_share is a limit.
void widen_results(const BudgetScene& scene, const std::function<Attempt(const plan::QuantPlan& plan)>& retry,
                   double own_db, Attempt& best, report::Report& report);

/// Where rules list widths for results: of those that have integers of more bits, as many as `share` (0..1)
/// of the activations' elements allows, for the least noise at the outputs; kept where the worst output comes
/// closer on held-out images. Adds what was tried to `corrections`, which they are to the report's notes, and
/// to the words on each node that is listed how wide it is and why.
void widen_listed(const BudgetScene& scene, const std::function<Attempt(const plan::QuantPlan& plan)>& retry,
                  double share, Attempt& best, std::vector<report::Correction>& corrections,
                  report::Report& report);

}  // namespace qc
