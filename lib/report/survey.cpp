// See survey.h.
#include "report/survey.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/text.h"
#include "report/json_values.h"
#include "report/table.h"

namespace qc::report {
namespace {

using nlohmann::json;

constexpr double kSameTime = 1.05, kSameTop1 = 0.002, kSameDb = 0.5;

double accuracy(const SurveyRow& row) {
  return row.top1 ? *row.top1 : row.sqnr_db;
}

bool counts(const SurveyRow& row) {
  return row.failure.empty() && row.same_as.empty();
}

double time_of(const SurveyRow& row) {
  return row.latency_ms.value_or(INFINITY);
}

// At least as good in everything, clearly better in one. Top-1 on a few hundred images is alike for rows that
// differ a lot; whether they give float's classes tells them apart.
bool beats(const SurveyRow& a, const SurveyRow& b) {
  if (a.agreement.value_or(1) < b.agreement.value_or(1) - kSameTop1) return false;
  const double slack = a.top1 && b.top1 ? kSameTop1 : kSameDb;
  const bool no_worse =
      a.size <= b.size && time_of(a) <= time_of(b) * kSameTime && accuracy(a) >= accuracy(b) - slack;
  const bool better =
      a.size < b.size || time_of(a) * kSameTime < time_of(b) || accuracy(a) > accuracy(b) + slack;
  return no_worse && better;
}

std::string percent(const std::optional<double>& share) {
  return share ? human_share(*share) : "-";
}

const std::vector<std::string>& headings() {
  static const std::vector<std::string> names{"",      "way",    "size", "of float",  "time",
                                              "speed", "memory", "SQNR", "agreement", "top-1"};
  return names;
}

Row cells(const Survey& survey, const SurveyRow& row) {
  if (!row.failure.empty()) return {"", row.name, "-", "", "-", "", "-", "-", "-", "-"};
  const bool is_float = &row == survey.rows.data();
  const double of_float =
      static_cast<double>(row.size) / static_cast<double>(std::max<int64_t>(1, survey.rows[0].size));
  return {row.pareto ? "*" : "",
          row.name + (row.same_as.empty() ? "" : " (same file as " + row.same_as + ")"),
          human_bytes(static_cast<double>(row.size)),
          is_float ? "" : human_ratio(of_float, 3),
          row.latency_ms ? human_ratio(*row.latency_ms) + " ms" : "-",
          row.speedup && !is_float ? human_ratio(*row.speedup) + " x" : "",
          row.peak_memory ? human_bytes(static_cast<double>(*row.peak_memory)) : "-",
          is_float ? "" : decibel(row.sqnr_db),
          is_float ? "" : percent(row.agreement),
          percent(row.top1)};
}

std::string heading_line(const Survey& survey) {
  constexpr const char* kBest[] = {"smallest", "fastest", "most accurate"};
  return format("{}: {} ways on {}, {} first; * nothing else is as good in size, speed and accuracy at once",
                survey.model, survey.rows.size() - 1, counted(survey.images, survey.unit),
                kBest[static_cast<size_t>(survey.best)]);
}

std::string slower(const SurveyRow& row) {
  return row.speedup && *row.speedup < 1 / kSameTime
             ? format("slower than float: {} x its speed", human_ratio(*row.speedup))
             : "";
}

}  // namespace

void mark_pareto(Survey& survey) {
  for (SurveyRow& row : survey.rows)
    row.pareto =
        counts(row) && std::none_of(survey.rows.begin(), survey.rows.end(), [&](const SurveyRow& other) {
          return &other != &row && counts(other) && beats(other, row);
        });
}

void sort_rows(Survey& survey) {
  if (survey.rows.empty()) return;
  std::stable_sort(survey.rows.begin() + 1, survey.rows.end(), [&](const SurveyRow& a, const SurveyRow& b) {
    if (a.failure.empty() != b.failure.empty()) return a.failure.empty();
    if (survey.best == Best::kSize) return a.size < b.size;
    if (survey.best == Best::kSpeed) return time_of(a) < time_of(b);
    // Top-1 is alike for many.
    const auto rank = [](const SurveyRow& row) {
      return std::tuple(accuracy(row), row.agreement.value_or(0), row.sqnr_db);
    };
    return rank(a) > rank(b);
  });
}

std::string to_text(const Survey& survey) {
  std::vector<Row> rows{headings()};
  for (const SurveyRow& row : survey.rows) rows.push_back(cells(survey, row));
  std::string text = heading_line(survey) + "\n\n" + columns(rows, "llrrrrrrrr", 0);
  std::vector<Row> configs;
  for (const SurveyRow& row : survey.rows) {
    if (&row == survey.rows.data()) continue;
    std::vector<std::string> sets;
    for (const std::string& set : row.sets) sets.push_back("--set '" + set + "'");
    configs.push_back({row.name, sets.empty() ? "(the config as it is)" : join(sets, " ")});
    if (!row.failure.empty()) configs.push_back({"", "not made: " + row.failure});
    if (const std::string why = slower(row); !why.empty()) configs.push_back({"", why});
    for (const std::string& note : row.notes) configs.push_back({"", note});
  }
  return text + "\nhow to get each, beside your config\n" + columns(configs, "ll");
}

std::string to_markdown(const Survey& survey) {
  std::string text = heading_line(survey) + "\n\n";
  text += "| " + join(headings(), " | ") + " |\n|";
  for (size_t i = 0; i < headings().size(); ++i) text += "---|";
  text += "\n";
  for (const SurveyRow& row : survey.rows) {
    Row one = cells(survey, row);
    if (one[0] == "*") one[0] = "\\*";
    text += "| " + join(one, " | ") + " |\n";
  }
  return text;
}

std::string to_json(const Survey& survey) {
  json rows = json::array();
  const auto optional = [](const auto& value) { return value ? json(*value) : json(); };
  for (const SurveyRow& row : survey.rows) {
    json one{{"name", row.name}, {"sets", row.sets}, {"notes", row.notes}, {"pareto", row.pareto}};
    if (!row.config_json.empty()) one["config"] = json::parse(row.config_json);
    if (!row.same_as.empty()) one["same_as"] = row.same_as;
    if (!row.failure.empty()) {
      one["failure"] = row.failure;
    } else {
      one["size"] = row.size;
      one["peak_memory"] = optional(row.peak_memory);
      one["latency_ms"] = row.latency_ms ? number(*row.latency_ms) : json();
      one["speedup"] = row.speedup ? number(*row.speedup) : json();
      one["sqnr_db"] = &row == survey.rows.data() ? json() : number(row.sqnr_db);
      one["agreement"] = row.agreement ? number(*row.agreement) : json();
      one["top1"] = row.top1 ? number(*row.top1) : json();
    }
    rows.push_back(std::move(one));
  }
  return print({{"model", survey.model},
                {"images", survey.images},
                {"unit", survey.unit},
                {"seconds", number(survey.seconds)},
                {"rows", std::move(rows)}});
}

}  // namespace qc::report
