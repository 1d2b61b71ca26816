// What a placement costs in time, from the target's table of measured times: decisions come from data, never
// from a clock during a conversion, so the same input gives the same bytes.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "select/capability.h"
#include "select/placement.h"
#include "target/target.h"

namespace qc::select {

/// How much of each kind of work a node of a graph with static shapes does; scripts/fit_costs.py fits its
/// times in the same terms.
target::WorkTable work_of(const ir::Graph& sized, const ir::Node& node);

/// Nanoseconds on one thread. `sized`: the graph with the shapes of a real run (see run::infer_shapes).
PlacementCosts time_costs(const ir::Graph& sized, const std::vector<Capability>& capabilities,
                          const target::TargetSpec& target);

/// A sentence for the report: nodes whose op has no entry in the cost table and that are judged by its
/// fallback, the entry "*"; "" where there are none.
std::string describe_unpriced(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                              const target::TargetSpec& target);

}  // namespace qc::select
