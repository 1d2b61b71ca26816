// What a model takes when it runs: bytes of activations, in the best order of its nodes that is found, and
// operations.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "budget/schedule.h"
#include "ir/graph.h"

namespace qc::budget {

/// Nodes and the values between them, with what runtimes do for nothing taken out: a Relu or Clip is part of
/// the node before it, a Reshape hands its input on. `bytes_of`: of a value that is no constant; nothing:
/// unknown. `inside`: a value that exists nowhere, because its maker and its readers are one op. Returns
/// nothing when a size is unknown.
std::optional<MemoryGraph> memory_graph(const ir::Graph& graph,
                                        const std::function<std::optional<int64_t>(ir::ValueId)>& bytes_of,
                                        const std::function<bool(ir::ValueId)>& inside = {});

/// Products of a node with weights for one run; 0 for other nodes and where shapes are unknown.
double products_of(const ir::Graph& graph, const ir::Node& node);

}  // namespace qc::budget
