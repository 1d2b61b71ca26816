// What a conversion has read, as make and ninja want to know it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "pipeline.h"

namespace qc {

/// Of the calibration folder alone, as far as they are looked at; empty where no images are wanted.
std::vector<std::filesystem::path> image_files(const config::CoreConfig& config, const ir::Graph& graph);

/// One rule "target: files" in the words that make and ninja share, then an empty rule for each file, so that
/// one that is gone does not stop make. Spaces, '#', ':' and '$' are escaped, backslashes before them
/// doubled. Files with '=' come last (make would read the rule as a variable); those with '|', ';' or a new
/// line, which cannot be named, are left out.
std::string depfile_text(const std::filesystem::path& target,
                         const std::vector<std::filesystem::path>& files);

/// Says which paths of the command line and the config no depfile could name, where one is asked for.
void check_depfile_names(const ConvertOptions& options, const config::CoreConfig& config,
                         Diagnostics& problems);

/// The depfile and the stamp of `options`, where they are asked for. The rule's target is the stamp, which
/// gets the present time; without one it is the first file written, which keeps its own time when its content
/// stays the same. Throws Error(kOutput).
void write_depfile(const ConvertOptions& options, const config::CoreConfig& config, const ir::Graph& graph,
                   const std::vector<std::filesystem::path>& written);

}  // namespace qc
