// `qconvert config --for MODEL`: a first config for a model, with what is known from the model filled in and
// comments on what only its owner knows.
#pragma once

#include <filesystem>
#include <string>

namespace qc {

/// JSON with // comments, as the core-config allows. Throws Error as a conversion would for a model that
/// cannot be read or is quantized already.
std::string config_for(const std::filesystem::path& model);

}  // namespace qc
