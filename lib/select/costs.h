// What a placement costs in time, from the target's table of measured times: decisions come from data, never
// from a clock during a conversion, so the same input gives the same bytes.
#pragma once

#include "ir/graph.h"
#include "select/capability.h"
#include "select/placement.h"
#include "target/target.h"

namespace qc::select {

/// Nanoseconds on one thread. `sized`: the graph with the shapes of a real run (see run::infer_shapes).
PlacementCosts time_costs(const ir::Graph& sized, const std::vector<Capability>& capabilities,
                          const target::TargetSpec& target);

}  // namespace qc::select
