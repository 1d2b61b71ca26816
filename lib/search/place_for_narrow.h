// Where nodes run when their weights will be narrow. Solving those takes long, so placements are not tried
// with them: what roundings of activations cost is measured with weights of 8 bits, and narrow weights begin
// there.
#pragma once

#include <vector>

#include "report/report.h"
#include "search/search_model.h"
#include "subject.h"

namespace qc {

/// How the report calls it.
constexpr const char* kPlacedForNarrow = "placement by measured noise, with weights of 8 bits";

/// Moves `start` (placed, plan, activations) to the placement that the search finds for weights of 8 bits,
/// and appends to `corrections` what that brings those. Does nothing where no weight will have fewer, where
/// all is to be on integers, or where activations or bit operations have a budget, which floats would not
/// keep to.
void place_for_narrow(const Scene& scene, const Subject& subject, SearchStart& start,
                      std::vector<report::Correction>& corrections);

}  // namespace qc
