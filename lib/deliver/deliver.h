// The end of a conversion: files in memory are judged by the gates and written, all or none.
#pragma once

#include "config/core_config.h"
#include "ir/graph.h"
#include "pipeline.h"
#include "plan/quantized_model.h"
#include "prepare.h"

namespace qc {

/// What the config's formats ask for; the others stay empty.
struct ModelFiles {
  plan::Written onnx, tflite;
};

/// Evaluates the gates into the report, then writes the models, the reports and the depfile. A gate that
/// failed leaves no file, or all under names that no build takes for the real ones (gates.keep_rejected).
/// `graph`: whose inputs and external files the depfile names. Throws Error(kOutput).
void deliver(ConvertResult& result, const ModelFiles& files, const ConvertOptions& options,
             const config::CoreConfig& config, const OutputPaths& outputs, const ir::Graph& graph);

}  // namespace qc
