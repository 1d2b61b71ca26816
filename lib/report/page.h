// Private to this room: one self-contained HTML page around a JSON document. The page's script draws whatever
// the document holds; nothing of a document becomes markup.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "base/embedded.h"

namespace qc::report {

std::span<const EmbeddedFile> embedded_files();  // lib/report/page/*

/// `kind`: "conversion", "inspection", "tflite", "difference" or "comparison": which of the script's views
/// draws `document`. `drawings`: what is only drawn (histograms, pictures).
std::string page(std::string_view kind, const std::string& title, const nlohmann::json& document,
                 const nlohmann::json& drawings);

/// For src="data:...;base64,".
std::string base64(std::string_view bytes);

}  // namespace qc::report
