// Private to this room: how figures become JSON. Six significant digits, so that a last bit that differs
// between machines does not change the file; what is not a number is null.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "report/report.h"

namespace qc::report {

/// Six significant digits; null for what is not finite, which JSON cannot say.
nlohmann::json number(double value);
/// A list of {"part", "sqnr_db" in dB, "cosine"}.
nlohmann::json parts_value(const std::vector<PartAccuracy>& parts);
/// Two-space indent, sorted keys, a newline at the end; bytes that are not UTF-8 are replaced, never thrown
/// over.
std::string print(const nlohmann::json& document);

}  // namespace qc::report
