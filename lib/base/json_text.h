// One string as JSON has it, where a line of JSON is all that is wanted: log lines, lists of names,
// overrides.
#pragma once

#include <string>
#include <string_view>

namespace qc {

/// With its quotes; control characters as \uXXXX.
std::string json_quoted(std::string_view text);

}  // namespace qc
