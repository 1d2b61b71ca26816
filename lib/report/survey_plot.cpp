// A survey as a picture: size to the right, accuracy upwards, the ways that no other beats joined by a line.
// SVG written by hand: nothing to load, and the same bytes for the same figures.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "report/survey.h"
#include "report/svg.h"
#include "report/table.h"

namespace qc::report {
namespace {

constexpr double kWidth = 860, kHeight = 480, kLeft = 70, kRight = 250, kTop = 40, kBottom = 56;
constexpr double kBestDb = 80;      // where float itself, without an error, is drawn
constexpr double kLineHeight = 15;  // of names beside the marks
constexpr const char* kPareto = "#1a7f37";
constexpr const char* kBeaten = "#8c959f";

struct Mark {
  const SurveyRow* row;
  double size, accuracy;  // bytes; percent or dB
  double x = 0, y = 0, text_y = 0;
};

struct Axis {
  double low = 0, high = 1, from = 0, to = 1;
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

std::vector<Mark> marks_of(const Survey& survey, bool labelled) {
  std::vector<Mark> marks;
  for (const SurveyRow& row : survey.rows) {
    if (!row.failure.empty() || !row.same_as.empty() || (labelled && !row.top1)) continue;
    const double db = std::min(std::isfinite(row.sqnr_db) ? row.sqnr_db : kBestDb, kBestDb);
    marks.push_back({&row, static_cast<double>(row.size), labelled ? 100 * *row.top1 : db});
  }
  return marks;
}

Axis axis_of(const std::vector<Mark>& marks, double Mark::*value, double from, double to) {
  const auto less = [value](const Mark& a, const Mark& b) { return a.*value < b.*value; };
  const auto [low, high] = std::minmax_element(marks.begin(), marks.end(), less);
  const double room =
      std::max(0.08 * ((*high).*value - (*low).*value), 1e-6 * std::fabs((*high).*value) + 0.5);
  return {std::max(0.0, (*low).*value - room), (*high).*value + room, from, to};
}

std::string grid(const Axis& x, const Axis& y, bool labelled) {
  constexpr int kLines = 5;
  std::string svg;
  for (int i = 0; i <= kLines; ++i) {
    const double across = x.low + (x.high - x.low) * i / kLines, up = y.low + (y.high - y.low) * i / kLines;
    svg += format("<path class=\"grid\" d=\"M{:.1f} {:.1f}V{:.1f}M{:.1f} {:.1f}H{:.1f}\"/>\n", x.at(across),
                  y.from, y.to, x.from, y.at(up), x.to);
    svg += svg_text(x.at(across), y.from + 18, "middle", human_bytes(across));
    svg += svg_text(x.from - 8, y.at(up) + 4, "end", figure(up, 1));
  }
  svg += svg_text((x.from + x.to) / 2, kHeight - 12, "middle", "file");
  return svg + svg_text(x.from, kTop - 16, "start",
                        labelled ? "top-1, %"
                                 : format("worst output against float, dB ({:.0f}: the same)", kBestDb));
}

}  // namespace

std::string to_svg(const Survey& survey) {
  const bool labelled = std::any_of(survey.rows.begin(), survey.rows.end(),
                                    [](const SurveyRow& r) { return r.top1.has_value(); });
  std::vector<Mark> marks = marks_of(survey, labelled);
  std::string svg = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" "
      "font-size=\"12\" fill=\"#24292f\">\n<style>.grid{{stroke:#d0d7de;fill:none}}</style>\n"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n",
      kWidth, kHeight);
  svg += svg_text(kWidth - 12, kTop - 16, "end", survey.model);
  if (marks.empty()) return svg + "</svg>\n";
  const Axis x = axis_of(marks, &Mark::size, kLeft, kWidth - kRight);
  const Axis y = axis_of(marks, &Mark::accuracy, kHeight - kBottom, kTop);
  svg += grid(x, y, labelled);
  for (Mark& mark : marks) {
    mark.x = x.at(mark.size);
    mark.y = y.at(mark.accuracy);
  }
  // Names stand in a column of their own, in the order of the marks, so that none covers another.
  std::stable_sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.y < b.y; });
  double next = kTop;
  for (Mark& mark : marks) {
    mark.text_y = std::max(next, mark.y);
    next = mark.text_y + kLineHeight;
  }
  const double beyond = std::max(0.0, next - (kHeight - kBottom + kLineHeight));
  std::vector<const Mark*> front;
  for (Mark& mark : marks) {
    mark.text_y -= beyond;
    if (mark.row->pareto) front.push_back(&mark);
  }
  std::stable_sort(front.begin(), front.end(), [](const Mark* a, const Mark* b) { return a->x < b->x; });
  std::string path;
  for (const Mark* mark : front)
    path += format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", mark->x, mark->y);
  if (front.size() > 1)
    svg += format("<path d=\"{}\" stroke=\"{}\" fill=\"none\" stroke-dasharray=\"4 3\"/>\n", path, kPareto);
  for (const Mark& mark : marks) {
    const char* colour = mark.row->pareto ? kPareto : kBeaten;
    const double text_x = kWidth - kRight + 24;
    svg += format("<path class=\"grid\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", mark.x, mark.y, text_x - 4,
                  mark.text_y);
    svg += format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\"/>\n", mark.x, mark.y, colour);
    const std::string speed =
        mark.row->speedup ? format(", {} x as fast", human_ratio(*mark.row->speedup)) : "";
    svg += svg_text(text_x, mark.text_y + 4, "start", mark.row->name + speed);
  }
  return svg + "</svg>\n";
}

}  // namespace qc::report
