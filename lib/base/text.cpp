// See text.h.
#include "base/text.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>

namespace qc {
namespace {

// Of a name, to stand for all of it: shorter ones begin too many.
constexpr size_t kShortestBeginning = 4;

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = std::tolower(static_cast<unsigned char>(a[i - 1])) ==
                        std::tolower(static_cast<unsigned char>(b[j - 1]));
      const size_t replaced = diagonal + (same ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  std::string best;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  if (!best.empty() || name.size() < kShortestBeginning) return best;
  const auto longer = std::find_if(candidates.begin(), candidates.end(),
                                   [&](const std::string& candidate) { return candidate.starts_with(name); });
  return longer == candidates.end() ? "" : *longer;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string human_bytes(double bytes) {
  if (bytes < 1000) return format("{:.0f} B", bytes);
  // From where rounding would make 1000 of it, the next unit.
  if (bytes < 999.95e3) return format("{:.1f} kB", bytes / 1e3);
  if (bytes < 999.995e6) return format("{:.2f} MB", bytes / 1e6);
  return format("{:.2f} GB", bytes / 1e9);
}

std::string human_ratio(double ratio, int decimals) {
  if (!std::isfinite(ratio)) return "-";
  constexpr int kMostDecimals = 9;
  const double size = std::fabs(ratio);
  while (size > 0 && size * std::pow(10, decimals) < 9.5 && decimals < kMostDecimals) ++decimals;
  return format("{:.{}f}", ratio, decimals);
}

std::string human_share(double share, int decimals) {
  if (!std::isfinite(share)) return "-";
  const auto text = [&](int digits) { return format("{:.{}f} %", 100 * share, digits); };
  for (int more = 0; more <= 3; ++more) {
    const bool all = share < 1 && text(decimals + more) == format("{:.{}f} %", 100.0, decimals + more);
    const bool none = share > 0 && text(decimals + more) == format("{:.{}f} %", 0.0, decimals + more);
    if (!all && !none) return text(decimals + more);
  }
  return text(decimals);
}

std::string content_hash(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return format("{:016x}", hash);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i) text += separator;
    text += parts[i];
  }
  return text;
}

namespace {

// Bytes of the character of UTF-8 that `text` begins with; 0: it begins with none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                        : first >> 4 == 0xe              ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  for (size_t i = 1; i < length; ++i)
    if (byte(i) >> 6 != 2) return 0;
  const bool too_long = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool beyond = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return too_long || beyond ? 0 : length;
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const size_t length = utf8_length(text);
    if (c == '"' || c == '\\') json += '\\';
    if (length == 0)
      json += "\\ufffd";
    else if (static_cast<unsigned char>(c) < 0x20)
      json += format("\\u{:04x}", static_cast<int>(c));
    else
      json += text.substr(0, length);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return json + "\"";
}

}  // namespace qc
