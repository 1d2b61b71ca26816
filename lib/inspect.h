// `qconvert inspect`: what is in a model, what of it the target could run on integers, and what it would
// weigh. Needs no images; reads float files and files that are quantized already, whoever wrote them.
#pragma once

#include <filesystem>
#include <string>

#include "report/inspection.h"

namespace qc {

/// `target`: a name or a JSON file, as --target. Throws Error: file not readable, nodes without the inputs
/// that they need, unknown target. Any other model that ONNX Runtime refuses is shown all the same, without
/// shapes and with its words as a note.
report::Inspection inspect(const std::filesystem::path& model, const std::string& target);

}  // namespace qc
