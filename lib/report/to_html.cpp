// The report as a page: the JSON document, and beside it what only a drawing needs.
#include <cmath>

#include "report/document.h"
#include "report/json_values.h"
#include "report/page.h"
#include "report/report.h"
#include "report/table.h"

namespace qc::report {

using nlohmann::json;

namespace {

json output_drawing(const OutputValues& values) {
  return {{"first", number(values.first)}, {"width", number(values.width)}, {"bars", values.bars}};
}

// A pixel is a few thousandths of a picture's width: four digits draw the same line.
json coarse(const std::vector<float>& numbers) {
  json values = json::array();
  for (const float x : numbers) {
    const double exact = static_cast<double>(x);
    const double step = exact == 0 ? 1 : std::pow(10, std::floor(std::log10(std::fabs(exact))) - 3);
    values.push_back(number(std::nearbyint(exact / step) * step));
  }
  return values;
}

json drawings_of(const Report& report) {
  json outputs = json::object(), weights = json::object(), pictures = json::array();
  for (size_t i = 0; i < report.nodes.size(); ++i) {
    const NodeRow& row = report.nodes[i];
    const std::string at = std::to_string(i);
    if (row.values && !row.values->bars.empty()) outputs[at] = output_drawing(*row.values);
    if (row.weights)
      weights[at] = {{"min", coarse(row.weights->channel_min)}, {"max", coarse(row.weights->channel_max)}};
  }
  for (const CalibrationSet::Shown& shown : report.calibration.shown)
    pictures.push_back("data:image/png;base64," + base64(shown.png));
  return {{"outputs", outputs}, {"weights", weights}, {"pictures", pictures}};
}

}  // namespace

std::string to_html(const Report& report) {
  const std::string title = file_name(report.model) + " \u2192 " + file_name(report.target);
  return page("conversion", title, to_document(report), drawings_of(report));
}

}  // namespace qc::report
