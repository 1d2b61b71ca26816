// See labels.h.
#include "compare/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace qc {
namespace {

constexpr const char* kRemedy =
    "write a header line 'file,class_index' and one line an image, such as '000.jpg,6'";
constexpr size_t kMostProblems = 10;

std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') {
      const bool doubled = quoted && i + 1 < line.size() && line[i + 1] == '"';
      if (doubled) fields.back() += line[i++];
      quoted = doubled || !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  for (std::string& field : fields) {
    const size_t first = field.find_first_not_of(" \t");
    field = first == std::string::npos ? "" : field.substr(first, field.find_last_not_of(" \t") - first + 1);
  }
  return fields;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // the mark that some spreadsheets write first
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::optional<int64_t> class_index(const std::string& field) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  const bool whole = error == std::errc() && end == field.data() + field.size();
  return whole && value >= 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

Labels parse_labels(std::string_view csv, const std::filesystem::path& path) {
  const std::vector<std::string_view> lines = lines_of(csv);
  const std::vector<std::string> header = lines.empty() ? std::vector<std::string>{} : fields_of(lines[0]);
  const auto column = [&](const char* name) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end()) {
      throw Error(Exit::kInput, {"bad-labels", path.string() + ": line 1",
                                 format("there is no column '{}'", name), kRemedy});
    }
    return static_cast<size_t>(found - header.begin());
  };
  const size_t file = column("file"), index = column("class_index");
  Labels labels;
  Diagnostics diagnostics;
  const auto wrong = [&](size_t line, const std::string& cause) {
    if (diagnostics.errors.size() < kMostProblems) {
      diagnostics.error({"bad-labels", format("{}: line {}", path.string(), line + 1), cause, kRemedy});
    }
  };
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = fields_of(lines[i]);
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() <= std::max(file, index)) {
      wrong(i, format("it has {} fields, the header has {}", fields.size(), header.size()));
      continue;
    }
    const std::optional<int64_t> label = class_index(fields[index]);
    if (!label) {
      wrong(i, format("'{}' is not a class index", fields[index]));
      continue;
    }
    const std::string name = std::filesystem::path(fields[file]).filename().string();
    const auto [at, fresh] = labels.emplace(name, *label);
    if (!fresh && at->second != *label)
      wrong(i, format("'{}' has a second label, {} after {}", name, *label, at->second));
  }
  diagnostics.throw_if_errors(Exit::kInput);
  return labels;
}

std::vector<std::optional<int64_t>> labels_of(const std::vector<std::string>& images,
                                              const std::filesystem::path& path, int64_t offset, bool whole,
                                              std::vector<std::string>& notes) {
  std::vector<std::optional<int64_t>> labels(images.size());
  Labels table = parse_labels(read_file(path), path);
  const size_t given = table.size();
  std::set<std::string> used;
  size_t missing = 0;
  std::string first;
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string name = std::filesystem::path(images[i]).filename().string();
    const auto found = table.find(name);
    if (found != table.end()) {
      labels[i] = found->second + offset;
      used.insert(name);
    } else if (missing++ == 0) {
      first = name;
    }
  }
  if (missing == images.size())
    throw Error(Exit::kInput, {"bad-labels", path.string(),
                               format("none of the {} images has a label, not even '{}'", missing, first),
                               "the column `file` must hold the names of the image files"});
  if (missing > 0)
    notes.push_back(format("{} of {} images have no label, the first is '{}': top-1 and top-5 leave them out",
                           missing, images.size(), first));
  for (const std::string& name : used) table.erase(name);
  if (!table.empty() && whole)
    notes.push_back(format("{} of {} labels name no image of the folder, the first is '{}'", table.size(),
                           given, table.begin()->first));
  return labels;
}

void check_classes(const std::vector<std::optional<int64_t>>& labels, const std::vector<std::string>& images,
                   int64_t classes, const std::filesystem::path& path) {
  int64_t labelled = 0, beyond = 0;
  size_t first = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i]) continue;
    ++labelled;
    if (*labels[i] >= 0 && *labels[i] < classes) continue;
    if (beyond++ == 0) first = i;
  }
  if (beyond > 0)
    throw Error(
        Exit::kInput,
        {"bad-labels", path.string(),
         format("{} of {} labels lead to no class of the {} that the models have, numbered from 0; the "
                "first is {} of '{}'",
                beyond, labelled, classes, *labels[first], images[first]),
         "check class_index; compare and survey shift all of them with --label-offset"});
}

int64_t rank_of(std::span<const float> scores, int64_t label) {
  const float own = scores[label];
  if (std::isnan(own)) return static_cast<int64_t>(scores.size());
  int64_t rank = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    rank += scores[i] > own || (scores[i] == own && static_cast<int64_t>(i) < label);
  }
  return rank;
}

PairedDifference paired_difference(int64_t only_a_right, int64_t only_b_right, int64_t images) {
  if (images == 0) return {};
  constexpr double kNormal95 = 1.959963984540054;  // 97.5th percentile of the normal distribution
  const double a = static_cast<double>(only_a_right) + 0.5, b = static_cast<double>(only_b_right) + 0.5;
  const double n = static_cast<double>(images) + 2;
  const double centre = (b - a) / n;
  const double half = kNormal95 * std::sqrt(a + b - (b - a) * (b - a) / n) / n;
  return {static_cast<double>(only_b_right - only_a_right) / static_cast<double>(images),
          std::max(-1.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace qc
