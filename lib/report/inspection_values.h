// Figures of an inspection as words and as JSON, alike for both formats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/text.h"
#include "report/json_values.h"

namespace qc::report::inspection {

/// "1.23 MB"; "?" where nobody knows.
inline std::string bytes_text(int64_t bytes) {
  return human_bytes(static_cast<double>(bytes));
}
inline std::string bytes_text(const std::optional<int64_t>& bytes) {
  return bytes ? bytes_text(*bytes) : "?";
}

/// "302 M", as papers give it.
inline std::string count_text(double count) {
  if (count < 1e3) return format("{:.0f}", count);
  if (count < 1e6) return format("{:.1f} k", count / 1e3);
  if (count < 1e9) return format("{:.2f} M", count / 1e6);
  return count < 1e12 ? format("{:.2f} G", count / 1e9) : format("{:.2f} T", count / 1e12);
}
template <typename Number>
std::string count_text(const std::optional<Number>& count) {
  return count ? count_text(static_cast<double>(*count)) : "?";
}

template <typename Number>
nlohmann::json optional_value(const std::optional<Number>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

}  // namespace qc::report::inspection
