// Private to this room: the JSON report as a document. Markdown and HTML are made from it, so a figure that
// they show is the JSON's by construction.
#pragma once

#include <nlohmann/json.hpp>

#include "report/report.h"

namespace qc::report {

/// The JSON report; page/report.schema.json says what its keys are.
nlohmann::json to_document(const Report& report);

}  // namespace qc::report
