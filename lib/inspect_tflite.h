// `qconvert inspect` of a .tflite file: operators, types, scales, and every byte with its owner.
#pragma once

#include <filesystem>

#include "report/tflite_inspection.h"

namespace qc {

/// Whether to read this as TFLite: by what its bytes say, else by its name. Never throws; a file that cannot
/// be read is said to be what its name says.
bool is_tflite(const std::filesystem::path& model);

/// Throws Error: file not readable or damaged.
report::TfliteInspection inspect_tflite(const std::filesystem::path& model);

}  // namespace qc
