// Golden files under tests/golden: QC_UPDATE_GOLDEN=1 in the environment rewrites them, and the diff is for
// review.
#pragma once

#include <string>
#include <string_view>

namespace qc::test {

/// Compares `text` with tests/golden/<name>; a failure shows both whole.
void check_golden(std::string_view name, const std::string& text);

}  // namespace qc::test
