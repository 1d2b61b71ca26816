// The last step of a conversion: files in memory are judged by the gates and written, all or none.
#pragma once

#include "config/core_config.h"
#include "deliver/file_scene.h"
#include "ir/graph.h"
#include "pipeline.h"

namespace qc {

/// Explains the nodes that --explain names, evaluates the gates into the report, then writes the models, the
/// reports and the depfile. A dry run ends with the explanation. A gate that failed leaves no file, or all
/// under names that no build takes for the real ones (gates.keep_rejected). Comes after finish_report().
/// `graph`: whose inputs and external files the depfile names. Throws Error(kOutput), and what explain() and
/// the gates throw.
void deliver(ConvertResult& result, const ModelFiles& files, const ConvertOptions& options,
             const config::CoreConfig& config, const OutputPaths& outputs, const ir::Graph& graph);

}  // namespace qc
