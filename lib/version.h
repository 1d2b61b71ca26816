// Who wrote a file: for --version, the metadata of written models and the report.
#pragma once

#include <string>

namespace qc {

/// "0.1.0", from the root CMakeLists.txt.
std::string qconvert_version();

}  // namespace qc
