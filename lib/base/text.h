// Formatting and small text helpers. fmt is the formatting library that spdlog brings along (g++ 12 has no
// std::format); everything else in the house says qc::format.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qc {

using fmt::format;

/// The candidate nearest to `name` by edit distance (case ignored), or "" when none is close enough to be
/// meant (distance > max(2, length / 3)); then the first one that begins with `name`, if that has four
/// letters.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// Shell-style match of the whole text: '*' any run of characters (also '/'), '?' one character.
bool glob_match(std::string_view pattern, std::string_view text);

/// "1.23 MB", "45.6 kB", "789 B" (powers of 1000, as file managers and `ls --si` print).
std::string human_bytes(double bytes);

/// "0.51", "0.043", "0.0021": so many decimals, and two significant digits where these say less; "-" for
/// what is not finite.
std::string human_ratio(double ratio, int decimals = 2);

/// "97.3 %" of a share of 1. Up to three decimals more where these would make all of what is not, or nothing
/// of what is something: "99.97 %", "0.02 %"; "-" for what is not finite.
std::string human_share(double share, int decimals = 1);

/// 64-bit FNV-1a of bytes, as 16 hex digits: names contents in caches and metadata, not for security.
std::string content_hash(std::string_view bytes);

/// A JSON string with its quotes.
std::string json_quoted(std::string_view text);

std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace qc
