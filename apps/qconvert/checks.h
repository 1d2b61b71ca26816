// What is wrong with what a command line asks for: each check adds all that it finds, and the command stops
// once.
#pragma once

#include <string>

#include "base/error.h"
#include "pipeline.h"

namespace qc::app {

/// What a dry run cannot do.
void check_dry_run(const ConvertOptions& options, Diagnostics& problems);

/// Stages of --dump that there are not.
void check_stages(const ConvertOptions& options, Diagnostics& problems);

/// The config with what the command line says over it, and the target that it names.
void check_config(const ConvertOptions& options, Diagnostics& problems);

/// `remedy`: where no model was given.
void need_model(const std::string& model, const std::string& remedy, Diagnostics& problems);

}  // namespace qc::app
