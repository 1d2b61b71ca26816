// What reports show of the numbers themselves: the values of each layer under its grid, the ranges of its
// weights, and the pictures that were calibrated on. Apart from assemble_report.cpp, which tells what was
// decided.
#pragma once

#include "calibrate/calibrate.h"
#include "config/core_config.h"
#include "images/image_source.h"
#include "plan/quantized_model.h"
#include "plan/tensor_stats.h"
#include "report/report.h"
#include "target/target.h"

namespace qc {

/// Into the rows that describe_plan() made.
void describe_values(report::Report& report, const plan::QuantizedModel& model,
                     const plan::StatsTable& stats);

/// A warning that names the values which calibration saw below zero and which a grid with neither sign nor
/// zero point cuts off there, where it is the target that asks for such a grid. `plan`: before nodes went to
/// float for it.
void warn_of_cut_off(report::Report& report, const ir::Graph& graph, const plan::QuantPlan& plan,
                     const plan::StatsTable& stats, const target::TargetSpec& target);

/// A warning where the target has no float kernels between its integers and the config has it compute floats
/// all the same: by the mode, or in nodes, which it names. After describe_plan().
void warn_of_floats(report::Report& report, const config::CoreConfig& config,
                    const target::TargetSpec& target);

/// How many images, which are copies of each other (also a note), and three of them as the model gets them:
/// by name, and as pictures where they will be `drawn` (packing them is what takes time here).
void describe_calibration(report::Report& report, const images::ImageSource& source,
                          const calibrate::Split& split, const config::RepresentativeDataset& dataset,
                          bool drawn);

}  // namespace qc
