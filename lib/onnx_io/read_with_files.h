// Reading a model, and which files that takes.
#pragma once

#include <filesystem>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"

namespace qc::onnx_io {

/// As read(); `files` becomes the model, then its files of external data in the order of their names.
ir::Graph read_with_files(const std::filesystem::path& path, Diagnostics& diagnostics,
                          std::vector<std::filesystem::path>& files);

}  // namespace qc::onnx_io
