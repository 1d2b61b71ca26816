// What a file said about rounding, as the plan's candidates: the step between adopt::strip() and a plan.
#pragma once

#include <vector>

#include "adopt/adopt.h"
#include "ir/graph.h"
#include "plan/candidates.h"
#include "plan/quant_plan.h"
#include "plan/quantized_model.h"
#include "plan/tensor_stats.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc {

/// Grids of rounded values, by scale group, as far as the file knows them: its own, that of another member of
/// the group, for a Relu or Clip behind a rounded value the part of that grid's range that it leaves, or the
/// range that the op has by itself (Sigmoid). Only
/// what the target's kernels take; uint8 and int8 are the same grid, moved.
plan::Candidates found_activations(const ir::Graph& graph, const plan::QuantPlan& plan,
                                   const adopt::FileGrids& found, const target::TargetSpec& target);

/// Values that the plan rounds and nothing is known of.
std::vector<ir::ValueId> unknown_values(const plan::QuantPlan& plan, const plan::Candidates& known);

/// Keeps the nodes that make or read these values in float. An integer kernel that may hand on floats
/// (MatMul) stays until its readers are in float and the value is rounded all the same: call again with what
/// is unknown then.
void keep_float_around(const ir::Graph& graph, const std::vector<ir::ValueId>& values,
                       const target::TargetSpec& target, std::vector<select::Capability>& capabilities);

/// Replaces the grids of weights by the file's, where the constant lies on it exactly; grids with a
/// zero point only if `zero_points` (a .tflite has none for weights). Those of constants beside activations
/// come in the target's type. Returns how many.
int64_t use_found_weights(const ir::Graph& graph, const adopt::FileGrids& found,
                          const target::TargetSpec& target, bool zero_points, plan::Candidates& weights);

/// Tables that nodes in float look up (Gather) are stored as the integers that the file has of them. Returns
/// how many.
int64_t store_found_tables(const adopt::FileGrids& found, plan::QuantizedModel& model);

}  // namespace qc
