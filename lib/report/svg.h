// What pictures and pages are made of.
#pragma once

#include <string>
#include <string_view>

namespace qc::report {

/// The text with &, <, > and " as HTML and SVG write them.
std::string escaped(std::string_view text);

/// A line of text at a place in px; `anchor`: "start", "middle" or "end".
std::string svg_text(double x, double y, const char* anchor, std::string_view text);

}  // namespace qc::report
