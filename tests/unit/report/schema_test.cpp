// The JSON report is a contract: its schema describes real reports, and keys of earlier releases stay.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "pipeline.h"
#include "report/report.h"
#include "support/json_schema.h"

using namespace qc;
using nlohmann::json;

namespace {

json schema() {
  return json::parse(report::schema_json());
}

// A conversion of the sample with both formats, gates and something to warn about.
report::Report converted_sample(const std::filesystem::path& folder) {
  const std::filesystem::path sample = std::filesystem::path(QCONVERT_TESTS) / "data/sample";
  ConvertOptions options;
  options.model = sample / "model.onnx";
  options.config = sample / "config.json";
  options.output_folder = folder;
  options.overrides = {{"/representative_dataset/max_images", "10"},
                       {"/output/formats", R"(["onnx","tflite"])"},
                       {"/gates/min_sqnr_db", "1"}};
  return convert(options).report;
}

}  // namespace

TEST_CASE("a real report is what the schema says", "[report][schema]") {
  const TemporaryFile folder("");
  const report::Report report = converted_sample(folder.path());
  std::filesystem::remove_all(folder.path());
  const json document = json::parse(report::to_json(report));
  CHECK(test::schema_mistakes(schema(), document) == std::vector<std::string>{});
  CHECK(document["nodes"].size() > 20);
  CHECK(document["calibration"]["shown"].size() == 3);
}

TEST_CASE("a report of nothing is what the schema says", "[report][schema]") {
  report::Report report;
  report.config_json = "{}";
  CHECK(test::schema_mistakes(schema(), json::parse(report::to_json(report))) == std::vector<std::string>{});
}

TEST_CASE("a report that is not what the schema says is found out", "[report][schema]") {
  report::Report report;
  report.config_json = "{}";
  json document = json::parse(report::to_json(report));
  document["coverage"].erase("nodes");
  document["target"] = 8;
  document["gates"] = {{{"name", "x"}, {"bound", 1}, {"figure", nullptr}, {"held", "yes"}}};
  document["more"] = true;
  CHECK(test::schema_mistakes(schema(), document) ==
        std::vector<std::string>{"/coverage: lacks \"nodes\"", "/gates/0/held: is no \"boolean\"",
                                 ": the schema does not know \"more\"", "/target: is no \"string\""});
}

TEST_CASE("every key of the last release is still there", "[report][schema]") {
  const json now = schema();
  std::istringstream keys(read_file(std::filesystem::path(QCONVERT_TESTS) / "golden/report/keys_0.1.0.txt"));
  int64_t count = 0;
  for (std::string key; std::getline(keys, key); ++count) {
    INFO(key);
    CHECK(test::schema_requires(now, key));
  }
  CHECK(count > 50);
  CHECK_FALSE(test::schema_requires(now, "/files/*/colour"));
}
