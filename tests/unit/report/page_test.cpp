// HTML and markdown made from reports with names that would like to be markup. What the page looks like is
// for tests/browser to say.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

#include "report/report.h"

using namespace qc;
using namespace qc::report;

namespace {

constexpr const char* kHostile = "</script><img src=x onerror=alert(1)>|`**{{data}}\n\xff";

Report hostile_report() {
  Report report;
  report.model = std::string(kHostile) + ".onnx";
  report.target = kHostile;
  report.config_json = "{}";
  report.notes = {kHostile};
  report.warnings = {{"code", kHostile, kHostile, kHostile}};
  NodeRow row;
  row.node = row.op_type = row.reason = row.detail = row.verdict = kHostile;
  row.sqnr_db = 12.5;
  report.nodes = {row};
  return report;
}

size_t count(const std::string& text, const std::string& what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

// What stands between the tag with this id and the next "<".
std::string element(const std::string& html, const std::string& id) {
  const size_t open = html.find('>', html.find("id=\"" + id + "\"")) + 1;
  return html.substr(open, html.find('<', open) - open);
}

}  // namespace

TEST_CASE("names cannot become markup of the page", "[report][page]") {
  Report plain;
  plain.config_json = "{}";
  const std::string html = to_html(hostile_report());
  CHECK(count(html, "<img") == count(to_html(plain), "<img"));
  CHECK(count(html, "</script") == 3);
  CHECK(html.find("{{data}}") !=
        std::string::npos);  // the name itself: what was filled in is not filled again
}

TEST_CASE("the page holds the JSON report and the drawings, nothing cut", "[report][page]") {
  Report report = hostile_report();
  OutputValues values;
  values.first = -1;
  values.width = 0.5;
  values.bars = {1, 0, 7, 3};
  WeightValues weights;
  weights.channel_min = {-0.123456f, 0};
  weights.channel_max = {3.0f, 1e-20f};
  report.nodes[0].values = values;
  report.nodes[0].weights = weights;
  report.calibration.shown = {{"a.png", "\x89PNG"}, {"b.png", "ab"}, {"c.png", "abc"}};
  const std::string html = to_html(report);
  CHECK(nlohmann::json::parse(element(html, "data")) == nlohmann::json::parse(to_json(report)));
  const nlohmann::json drawings = nlohmann::json::parse(element(html, "drawings"));
  CHECK(drawings["outputs"]["0"] ==
        nlohmann::json::parse(R"({"bars": [1, 0, 7, 3], "first": -1.0, "width": 0.5})"));
  CHECK(drawings["weights"]["0"] == nlohmann::json::parse(R"({"min": [-0.1235, 0.0], "max": [3.0, 1e-20]})"));
  CHECK(
      drawings["pictures"] ==
      nlohmann::json::parse(
          R"(["data:image/png;base64,iVBORw==", "data:image/png;base64,YWI=", "data:image/png;base64,YWJj"])"));
}

TEST_CASE("names cannot become markup of the markdown report", "[report][page]") {
  const std::string text = to_markdown(hostile_report());
  CHECK(text.find("<img") == text.find("\\<img") + 1);
  CHECK(count(text, "<img") == count(text, "\\<img"));
  CHECK(count(text, "| 12.5 dB |\n") == 1);  // a line break in a name does not end the row
}
