// See width_frontier.h.
#include "report/width_frontier.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "report/json_values.h"
#include "report/svg.h"
#include "report/table.h"

namespace qc::report {
namespace {

using nlohmann::json;

constexpr int kVersion = 2;
constexpr double kWidth = 720, kHeight = 380, kLeft = 60, kRight = 20, kTop = 24, kBottom = 56;  // px
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Sensitivities steer choices, so they keep all digits.
json exactly(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}
double figure_of(const json& value) {
  return value.is_number() ? value.get<double>() : kUnknown;
}

// "4 bits: 12 layers, 8 bits: 3 layers"
std::string bits_text(const std::vector<int>& bits) {
  std::map<int, int64_t> counts;
  for (const int b : bits) ++counts[b];
  std::vector<std::string> parts;
  for (const auto& [b, count] : counts) parts.push_back(format("{}x{}", count, b));
  return join(parts, " ");
}

struct Axis {
  double low, high, from, to;
  double at(double value) const { return from + (value - low) / std::max(high - low, 1e-12) * (to - from); }
};

// Lines at round values and what they are.
std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  const double steps = 5;
  for (int i = 0; i <= static_cast<int>(steps); ++i) {
    const double bytes = x.low + (x.high - x.low) * i / steps, db = y.low + (y.high - y.low) * i / steps;
    svg += format("<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/>\n", kLeft,
                  kWidth - kRight, y.at(db));
    svg += svg_text(kLeft - 6, y.at(db) + 4, "end", format("{:.1f}", db));
    svg += svg_text(x.at(bytes), kHeight - kBottom + 18, "middle", human_bytes(bytes));
  }
  svg += svg_text(kLeft, kTop - 8, "start", "SQNR of the worst output, dB");
  svg += svg_text(kWidth - kRight, kHeight - 22, "end", "all constants as written");
  return svg;
}

}  // namespace

void mark_best(WidthFrontier& frontier) {
  std::stable_sort(frontier.points.begin(), frontier.points.end(),
                   [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  double best = -std::numeric_limits<double>::infinity();
  for (WidthFrontier::Point& point : frontier.points) {
    point.best = std::isfinite(point.measured_db) && point.measured_db > best;
    if (point.best) best = point.measured_db;
  }
}

std::string to_json(const WidthFrontier& frontier) {
  json layers = json::array(), points = json::array();
  for (const WidthFrontier::Layer& layer : frontier.layers)
    layers.push_back({{"node", layer.node}, {"bytes", layer.bytes}, {"costs", layer.costs}});
  for (const WidthFrontier::Point& point : frontier.points)
    points.push_back({{"name", point.name},
                      {"bytes", point.bytes},
                      {"predicted_db", number(point.predicted_db)},
                      {"sqnr_db", number(point.measured_db)},
                      {"uniform", point.uniform},
                      {"best", point.best},
                      {"bits", point.bits}});
  return print({{"frontier_version", kVersion},
                {"model", frontier.model},
                {"key", frontier.key},
                {"widths", frontier.widths},
                {"other_bytes", frontier.other_bytes},
                {"full_width_noise", exactly(frontier.wide_noise)},
                {"layers", layers},
                {"points", points}});
}

WidthFrontier parse_width_frontier(std::string_view text, const std::string& file) {
  WidthFrontier frontier;
  try {
    const json document = json::parse(text);
    if (document.at("frontier_version").get<int>() != kVersion) throw std::runtime_error("another version");
    frontier.model = document.at("model").get<std::string>();
    frontier.key = document.at("key").get<std::string>();
    frontier.widths = document.at("widths").get<std::vector<int>>();
    frontier.other_bytes = document.at("other_bytes").get<int64_t>();
    frontier.wide_noise = document.at("full_width_noise").get<double>();
    for (const json& layer : document.at("layers")) {
      frontier.layers.push_back({layer.at("node").get<std::string>(),
                                 layer.at("bytes").get<std::vector<int64_t>>(),
                                 layer.at("costs").get<std::vector<double>>()});
      if (frontier.layers.back().bytes.size() != frontier.widths.size() ||
          frontier.layers.back().costs.size() != frontier.widths.size())
        throw std::runtime_error("widths missing");
    }
    for (const json& point : document.at("points")) {
      frontier.points.push_back({point.at("name").get<std::string>(), point.at("bytes").get<int64_t>(),
                                 figure_of(point.at("predicted_db")), figure_of(point.at("sqnr_db")),
                                 point.at("bits").get<std::vector<int>>(), point.at("uniform").get<bool>(),
                                 point.at("best").get<bool>()});
      if (frontier.points.back().bits.size() != frontier.layers.size())
        throw std::runtime_error("bits missing");
    }
  } catch (const std::exception&) {
    throw Error(Exit::kInput, {"no-frontier", file, "this is no file that qconvert frontier has written",
                               "delete it, and run qconvert frontier again"});
  }
  return frontier;
}

std::string to_text(const WidthFrontier& frontier) {
  std::vector<Row> rows{{"widths", "constants", "predicted", "measured", "", "layers x bits"}};
  for (const WidthFrontier::Point& point : frontier.points)
    rows.push_back({"  " + point.name, human_bytes(static_cast<double>(point.bytes)),
                    decibel(point.predicted_db), decibel(point.measured_db), point.best ? "best" : "",
                    bits_text(point.bits)});
  return columns(rows, "lrrrll", 0);
}

std::string to_svg(const WidthFrontier& frontier) {
  std::string svg = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kWidth, kHeight);
  std::vector<const WidthFrontier::Point*> drawn;
  for (const WidthFrontier::Point& point : frontier.points)
    if (std::isfinite(point.measured_db)) drawn.push_back(&point);
  if (drawn.empty()) return svg + "</svg>\n";
  double low = drawn[0]->measured_db, high = low;
  for (const WidthFrontier::Point* point : drawn) {
    for (const double db : {point->measured_db, point->predicted_db}) {
      if (!std::isfinite(db)) continue;
      low = std::min(low, db);
      high = std::max(high, db);
    }
  }
  const Axis x{static_cast<double>(drawn.front()->bytes), static_cast<double>(drawn.back()->bytes),
               kLeft + 12, kWidth - kRight - 12},
      y{low - 0.5, high + 0.5, kHeight - kBottom, kTop};
  svg += grid(x, y);
  std::string line;
  for (const WidthFrontier::Point* point : drawn)
    if (point->best)
      line += format("{:.1f},{:.1f} ", x.at(static_cast<double>(point->bytes)), y.at(point->measured_db));
  svg += format("<polyline points=\"{}\" fill=\"none\" stroke=\"#1b6ca8\" stroke-width=\"2\"/>\n", line);
  for (const WidthFrontier::Point* point : drawn) {
    const double at = x.at(static_cast<double>(point->bytes));
    if (std::isfinite(point->predicted_db))
      svg += format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"none\" stroke=\"#888\"/>\n", at,
                    y.at(point->predicted_db));
    svg +=
        format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\"><title>{}: {}, {}</title></circle>\n",
               at, y.at(point->measured_db), point->uniform ? "#d1495b" : "#1b6ca8", escaped(point->name),
               human_bytes(static_cast<double>(point->bytes)), decibel(point->measured_db));
  }
  svg += format(
      "<circle cx=\"{0}\" cy=\"{2}\" r=\"5\" fill=\"#1b6ca8\"/><circle cx=\"{1}\" cy=\"{2}\" r=\"5\" "
      "fill=\"#d1495b\"/><circle cx=\"{3}\" cy=\"{2}\" r=\"3\" fill=\"none\" stroke=\"#888\"/>\n",
      kLeft + 6, kLeft + 86, kHeight - 26, kLeft + 176);
  svg += svg_text(kLeft + 16, kHeight - 22, "start", "searched") +
         svg_text(kLeft + 96, kHeight - 22, "start", "uniform") +
         svg_text(kLeft + 184, kHeight - 22, "start", "predicted");
  return svg + "</svg>\n";
}

}  // namespace qc::report
