// What /mode changes on a model's way: which nodes may become integers, and what stores the weights of those
// that do not.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "plan/quantized_model.h"
#include "target/target.h"

namespace qc {

/// Images are opened: to make a plan from, or, in a mode without one, where a folder is named to judge by.
bool wants_images(const config::CoreConfig& config);

/// The model of a conversion without images.
plan::QuantizedModel unmeasured_model(const ir::Graph& graph, const plan::QuantPlan& plan,
                                      const target::TargetSpec& target, const config::CoreConfig& config,
                                      std::span<const config::NodeSettings> rules, int threads);

/// By NodeId: everything in float, and the mode as the reason.
std::vector<plan::NodeDecision> reasons_of(config::Mode mode, size_t nodes);

/// Weights stay as the float type of the mode, where it has one: no node keeps integer ones.
void keep_weights_float(config::Mode mode, plan::QuantPlan& plan);

/// Marks the float constants that the mode's type of 16 bits holds well: all within its range, and rounding
/// them adds less noise than 60 dB below them (float16; bfloat16 has float32's range and adds what it adds).
/// Small ones, those that bodies of control flow read and those that are outputs stay as they are.
void narrow_constants(config::Mode mode, plan::QuantizedModel& model);

/// A sentence on what was narrowed and what was not, and why; nothing in other modes.
std::vector<std::string> mode_notes(config::Mode mode, const plan::QuantizedModel& model);

}  // namespace qc
