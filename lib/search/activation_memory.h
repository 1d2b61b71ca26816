// What activations take, and the one decision that it makes before anything is measured: whether a budget for
// them needs integers wherever the target has them.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "budget/schedule.h"
#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/quant_plan.h"
#include "search/places.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc {

/// A value that exists nowhere: within what the target computes as one (Capability::joined).
bool is_inside(const ir::Graph& graph, const std::vector<select::Capability>& capabilities, ir::ValueId v);

/// Bytes and lifetimes of the values of a graph; nothing where a size is unknown. `sized`: the same graph
/// with the shapes of a real run; `bits_of`: bits that an element takes. Values that are
/// inside take nothing.
std::optional<budget::MemoryGraph> memory_of(const ir::Graph& graph, const ir::Graph& sized,
                                             const std::vector<select::Capability>& capabilities,
                                             const std::function<int(ir::ValueId)>& bits_of);

/// Whether to place nodes as "placement": "full" does though the config leaves it open: a budget for
/// activations or for all memory is a share, which is one of the model in 8 bits, or bytes that the fastest
/// placement, whose outline is `plan`, does not keep to beside weights of 8 bits, and integers take fewer.
bool budget_needs_integers(const ir::Graph& graph, const ir::Graph& sized, const Places& places,
                           const plan::QuantPlan& plan, const config::CoreConfig& config,
                           const target::TargetSpec& target);

}  // namespace qc
