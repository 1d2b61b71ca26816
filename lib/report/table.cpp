// See table.h.
#include "report/table.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/decibels.h"
#include "base/text.h"

namespace qc::report {
namespace {

bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

// Byte offset of character `index`.
size_t offset_of(std::string_view text, size_t index) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (starts_character(text[i]) && index-- == 0) return i;
  }
  return text.size();
}

}  // namespace

std::string columns(const std::vector<Row>& rows, std::string_view alignment, int64_t indent) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line(indent, ' ');
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - width_of(row[c]), ' ');
      const bool right = c < alignment.size() && alignment[c] == 'r';
      line += (c ? "  " : "") + (right ? padding + row[c] : row[c] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string shorten(std::string_view text, size_t width) {
  constexpr std::string_view kGap = "...";
  const size_t length = width_of(text);
  if (length <= width || width <= kGap.size()) return std::string(text.substr(0, offset_of(text, width)));
  const size_t head = (width - kGap.size()) / 2;
  const size_t tail = width - kGap.size() - head;
  return format("{}{}{}", text.substr(0, offset_of(text, head)), kGap,
                text.substr(offset_of(text, length - tail)));
}

std::string figure(double value, int decimals) {
  return std::isfinite(value) ? format("{:.{}f}", value, decimals) : "-";
}

std::string decibel(double value) {
  if (std::isnan(value)) return "-";
  if (value <= -kExactDb) return "no signal";
  return value >= kExactDb ? "exact" : figure(value, 1) + " dB";
}

std::string file_name(const std::string& path) {
  const std::filesystem::path whole(path);
  return (whole.has_filename() ? whole.filename() : whole.parent_path().filename()).string();
}

std::vector<std::string> file_names(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> rest, names;
  for (const std::string& path : paths) {
    names.emplace_back(file_name(path));
    rest.push_back(std::filesystem::path(path).parent_path());
  }
  const auto alike = [&](size_t one) {
    for (size_t other = 0; other < names.size(); ++other)
      if (names[other] == names[one] && paths[other] != paths[one]) return true;
    return false;
  };
  for (bool more = true; more;) {
    std::vector<size_t> longer;
    for (size_t i = 0; i < names.size(); ++i)
      if (rest[i].has_filename() && alike(i)) longer.push_back(i);
    for (const size_t i : longer) {
      names[i] = rest[i].filename() / names[i];
      rest[i] = rest[i].parent_path();
    }
    more = !longer.empty();
  }
  std::vector<std::string> texts;
  for (const std::filesystem::path& name : names) texts.push_back(name.string());
  return texts;
}

std::string judged_place(bool before_softmax, const std::string& before_op) {
  if (!before_op.empty()) return format(" (before {})", before_op);
  return before_softmax ? " (logits)" : "";
}

std::string counted(int64_t count, std::string_view noun) {
  return format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string judged_images(int64_t count, bool held_out, const std::string& unit) {
  return held_out ? counted(count, "held-out " + unit)
                  : counted(count, unit) +
                        (count == 1 ? " that was calibrated on as well" : " that were calibrated on as well");
}

}  // namespace qc::report
