// Where the files go, and that none of them replaces another or anything that is read: names come from the
// model, the config and the command line, and any two of them may meet.
#pragma once

#include <filesystem>

#include "config/core_config.h"
#include "ir/graph.h"
#include "pipeline.h"

namespace qc {

struct OutputPaths {
  std::filesystem::path onnx, tflite, report;
  std::filesystem::path markdown, html;  // empty: not asked for
  /// Of the ONNX file's external data, should it have some.
  std::filesystem::path onnx_data() const;
};

/// Where the files will go. Makes the folder if it is missing; throws Error(kOutput) now rather than after
/// the work when it cannot be written to, and Error(kUsage) where a file would replace one that is read, or
/// another one that is written.
OutputPaths plan_outputs(const ConvertOptions& options, const config::CoreConfig& config);

/// The same for what is only known once the model has been read: its external data, and the images. Throws
/// Error(kUsage).
void check_inputs_stay(const ConvertOptions& options, const config::CoreConfig& config,
                       const ir::Graph& graph, const OutputPaths& paths);

}  // namespace qc
