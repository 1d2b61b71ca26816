// From a placement to a plan: who is integer, which values are rounded, which of them must share one scale,
// and in the end with which parameters.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quant_plan.h"
#include "plan/tensor_stats.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc::select {

/// A plan without parameters: `integer` says where each node runs (by NodeId). Nodes that could be integer
/// and are not get `why_float` as reason.
plan::QuantPlan outline(const ir::Graph& graph, const target::TargetSpec& target,
                        const std::vector<Capability>& capabilities, const std::vector<bool>& integer,
                        const std::vector<plan::NodeDecision>& why_float);

/// What calibration must collect so that every rounded value of the plan can get parameters, also when a
/// later plan takes some of its integer nodes back to float; by channel what integer weights are multiplied
/// with.
std::vector<plan::StatRequest> requests(const plan::QuantPlan& plan, const ir::Graph& graph);

/// Fills in the parameters from the candidates (first width). Values of one scale group get the same. Where
/// the target copies inputs of equal parameters (Concat), inputs that nothing else reads take the output's:
/// rounded once, then copied. Throws Error(kBug) if a rounded value has no candidate.
void decide(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
            const plan::Candidates& candidates);

}  // namespace qc::select
