// How wide results are, once it is known where nodes run: rules that list widths ("activation_n_bits":
// [8, 16]) are spent first, as a share of the activations or as far as a goal asks, then a goal that is still
// missed gets more bits on targets that have them.
#pragma once

#include <functional>
#include <vector>

#include "search/search_model.h"

namespace qc {

/// `found.placed.best`: an attempt of a plan whose ranges are `ranges`, every result at the target's own
/// width or where its list begins. `attempt_at` makes an attempt of a plan; `searched`: a search for
/// placements has had its say about a goal of accuracy. Lists without a goal are spent up to
/// /mixed_precision_config/max_wide_share.
void settle_widths(const Scene& scene, const Subject& subject, const SearchStart& start,
                   const RangeChoice& ranges, bool searched,
                   const std::function<Attempt(const plan::QuantPlan& plan)>& attempt_at,
                   const WriteAll& write, SearchResult& found, report::Report& report);

}  // namespace qc
