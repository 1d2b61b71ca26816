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

namespace qc {

/// Into the rows that describe_plan() made.
void describe_values(report::Report& report, const plan::QuantizedModel& model,
                     const plan::StatsTable& stats);

/// How many images, which are copies of each other (also a note), and three of them as the model gets them.
void describe_calibration(report::Report& report, const images::ImageSource& source,
                          const calibrate::Split& split, const config::RepresentativeDataset& dataset);

}  // namespace qc
