// Gates that take a comparison of the written files with the float model: accuracy with labels, speed. And
// what becomes of files when a gate fails.
#pragma once

#include "config/core_config.h"
#include "pipeline.h"
#include "plan/quantized_model.h"
#include "prepare.h"
#include "report/report.h"

namespace qc {

/// Before any work: gates whose figures this run would not have. Reads the labels. Throws Error(kUsage) with
/// all of them, Error(kInput) for labels that cannot be read.
void check_gates(const config::CoreConfig& config);

/// Before any work, once the folder is known to be there: the labels against the names of the images in it. A
/// note says how many have none. Throws Error(kInput) where none has one.
void check_labels(const config::CoreConfig& config, const ir::Graph& graph, std::vector<std::string>& notes);

/// Adds max_top1_drop and min_speedup, where asked for, to report.gates: those of the files in
/// memory that the config asks for are put into the temporary folder and compared as `qconvert compare` does.
/// Top-1 is that of the worst file on all labelled images of the folder. Returns whether these gates hold.
bool measured_gates_hold(const ConvertOptions& options, const config::CoreConfig& config,
                         const plan::Written& onnx, const plan::Written& tflite, report::Report& report);

}  // namespace qc
