// The part of a target file about .tflite: reading, printing. Inside this room only.
#pragma once

#include <string>
#include <vector>

#include "json/strict_json.h"
#include "target/target.h"

namespace qc::target {

/// "tflite": {"ops": {NAME: {"types": [...], "limits": {...}}}, "limits", "remedies", "fallback"}; a file
/// that has the key says all of it, whatever its base says; null takes the base's away.
void read_tflite(const json::Document& document, Diagnostics& diagnostics, json::Members& root,
                 TargetSpec& target);
json::Json tflite_json(const TfliteRules& rules);
/// For describe(): headings begin with a newline, other paragraphs are to be wrapped. Empty without rules.
std::vector<std::string> tflite_paragraphs(const TargetSpec& target);

}  // namespace qc::target
