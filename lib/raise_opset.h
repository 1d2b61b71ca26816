// When a graph's opset is raised before it is quantized, and that this changes nothing it computes.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "run/runner.h"

namespace qc {

/// Raises the opset to 20, and says so in a note, where that is what GELU computes fast by; not where an op
/// cannot be raised, the outputs on `sample` would change, or there is no sample.
void raise_for_gelu(ir::Graph& graph, run::RunnerFactory& runners, const std::vector<ir::Tensor>& sample,
                    std::vector<std::string>& notes);

/// Raises the opset to `version` if it is lower, and keeps that only if the outputs on `sample` stay the
/// same; without a sample it is not looked at.
void raise_opset_checked(ir::Graph& graph, int64_t version, run::RunnerFactory& runners,
                         const std::vector<ir::Tensor>& sample, Diagnostics& diagnostics);

}  // namespace qc
