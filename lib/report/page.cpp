// See page.h.
#include "report/page.h"

#include <cstdint>

#include "report/svg.h"

namespace qc::report {
namespace {

using nlohmann::json;

// JSON that can stand inside <script>: "<" occurs only in strings, and there it may be written as an escape.
std::string inline_json(const json& document) {
  std::string text;
  for (const char c : document.dump(-1, ' ', false, json::error_handler_t::replace))
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  return text;
}

}  // namespace

std::string page(std::string_view kind, const std::string& title, const json& document,
                 const json& drawings) {
  const auto filling = [&](std::string_view place) -> std::string {
    if (place == "title") return escaped(title);
    if (place == "kind") return std::string(kind);
    if (place == "data") return inline_json(document);
    if (place == "drawings") return inline_json(drawings);
    return std::string(embedded_text(embedded_files(), place));  // "page.css", "page.js", ...
  };
  const std::string_view frame = embedded_text(embedded_files(), "page.html");
  std::string html;
  size_t at = 0;
  while (at < frame.size()) {
    const size_t open = frame.find("{{", at), close = frame.find("}}", open);
    if (close == std::string_view::npos) break;
    html += frame.substr(at, open - at);
    html += filling(frame.substr(open + 2, close - open - 2));
    at = close + 2;
  }
  html += frame.substr(at);
  return html;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
  }
  return text;
}

}  // namespace qc::report
