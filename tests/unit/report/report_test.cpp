// The conversion report: golden text and JSON of a hand-made report, and the sums behind them.
#include "report/report.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "report/table.h"
#include "support/golden.h"

using namespace qc;
using namespace qc::report;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

FileBytes sample_file() {
  FileBytes file{"net.quant.onnx", "onnx", 2712345, {}};
  file.rows = {{"conv1", "weights", 2600000}, {"conv1", "bias", 4000},        {"conv1", "scales", 8000},
               {"conv1", "graph", 321},       {"norm", "constants", 20000},   {"", "graph", 1024},
               {"fc", "weights", 64000},      {"", "[file structure]", 15000}};
  return file;
}

NodeRow node(std::string name, std::string op, std::string compute, std::string verdict, std::string reason,
             double sqnr) {
  NodeRow row;
  row.node = std::move(name);
  row.op_type = std::move(op);
  row.compute = std::move(compute);
  row.verdict = std::move(verdict);
  row.reason = std::move(reason);
  row.sqnr_db = sqnr;
  row.outputs = {row.node + "_out"};
  return row;
}

std::vector<NodeRow> sample_nodes() {
  std::vector<NodeRow> rows;
  rows.push_back(
      node("conv1", "Conv", "integer", "QLinearConv", "the target computes it in integers", 31.25));
  rows.back().output_params = "uint8 scale 0.0235294 zero_point 0";
  rows.back().float_bytes = 10400000;
  rows.back().bytes = 2600000;
  rows.push_back(
      node("relu1", "Relu", "integer", "fused into conv1", "the target computes it in integers", 31.25));
  rows.push_back(
      node("conv2", "Conv", "integer", "Conv (float)", "the target computes it in integers", 24.75));
  rows.push_back(
      node("norm", "LayerNormalization", "float", "LayerNormalization (float)", "no integer kernel", kNaN));
  rows.push_back(node("/features/stage.3/blocks/blocks.11/attention/qkv/softmax/Softmax", "Softmax", "float",
                      "Softmax (float)", "no integer kernel", kNaN));
  rows.push_back(node("erf1", "Erf", "float", "Erf (float)", "no integer kernel", kNaN));
  rows.push_back(node("boxes", "Concat", "float", "Concat (float)", "unlike ranges", 19.5));
  rows.push_back(
      node("fc", "MatMul", "float, integer weights", "MatMul (float)", "keep_float asks for it", 18.0));
  rows.back().float_bytes = 256000;
  rows.back().bytes = 64000;
  rows.push_back(node("scores", "MatMul", "float", "MatMul (float)", "no integer kernel", 18.125));
  return rows;
}

Report sample_report() {
  Report report;
  report.model = "/data/models/net.onnx";
  report.target = "int8";
  report.qconvert_version = "0.1.0";
  report.runtime_version = "1.30.0";
  report.config_json =
      R"({"representative_dataset": {"path": "/data/calib", "max_images": 100}, "keep_float": {"names": ["/fc/*"]}})";
  report.config_hash = "0123456789abcdef";
  report.preprocessing = "RGB, stretch to 224x224, bilinear, mean 127.5, std 127.5";
  report.folders = {"/data/models", "/data/calib"};
  report.float_size = 10428586;
  report.calibration_images = 100;
  report.calibration.held_out = 16;
  report.files = {sample_file()};
  report.accuracy = Accuracy{
      16,
      {{"prob", 25.0123456, 0.99912, true, "", "logits"}, {"aux", 40, 0.99999, false, "TopK", "scores"}},
      {{"prob", 24.3456789, 0.99876, true, "", "logits"}, {"aux", 200, 1, false, "TopK", "scores"}},
      0.9375};
  report.nodes = sample_nodes();
  report.rewrites = {
      {"BatchNorm folded", 27, false}, {"Identity removed", 0, false}, {"HardSwish recognised", 2, true}};
  report.corrections = {{"sequential bias correction", true, 22.1, 24.3},
                        {"equalization", false, 24.3, 24.1}};
  report.frontier = {{"3 nodes on integers", 0.55, 0, 17.1, 17.1, false},
                     {"2 nodes on integers", 0.62, 0, std::nan(""), 24.9, true}};
  report.float_regions = {{{"conv7", "relu7"}, -0.07, 17.1, placement_rule({"conv7"}, "integer")},
                          {{"pool"}, 0.002, std::nullopt, placement_rule({"pool"}, "integer")}};
  report.predicted_time = 0.62;
  report.predicted_on = {{"x86", 0.71}, {"x86_vnni", 0.53}};
  report.saturation = {3, 12, 1, 5, 0, false};
  report.gates = {{"min_sqnr_db", 20, 24.3456789, true}, {"min_agreement", 0.98, 0.9375, false}};
  report.notes = {"3 initializers were inputs as well and are constants now"};
  report.warnings = {{"default-preprocess", "/data/models/net.json: /representative_dataset",
                      "no preprocess is given", "set it"}};
  report.timings = {{"read", 0.0123}, {"calibrate", 1.5}};
  return report;
}

}  // namespace

TEST_CASE("the text report of a model is the golden one", "[report]") {
  test::check_golden("report/net.txt", to_text(sample_report(), false));
}

TEST_CASE("the verbose text report is the golden one", "[report]") {
  test::check_golden("report/net.verbose.txt", to_text(sample_report(), true));
}

TEST_CASE("a report without files is the plan, node by node", "[report]") {
  Report report = sample_report();
  report.files.clear();
  report.accuracy.reset();
  report.predicted_time.reset();
  report.predicted_on.clear();
  test::check_golden("report/net.plan.txt", to_text(report, false));
}

TEST_CASE("a file that is measured slower than float is told of with what to try, one that is not without",
          "[report]") {
  Report report = sample_report();
  report.least_gain = "integers save least at conv3";
  report.measured_time = 1.02;
  CHECK(to_text(report, false).find("predicted (x86 0.71, x86_vnni 0.53), 1.02 measured here\n") !=
        std::string::npos);
  CHECK(to_text(report, false).find("slower than float") == std::string::npos);
  report.measured_time = 1.2;
  CHECK(to_text(report, false).find("  slower than float; integers save least at conv3\n") !=
        std::string::npos);
  CHECK(to_json(report) == to_json(sample_report()));  // nothing of this run's times
  report.predicted_time.reset();
  CHECK(to_text(report, false).find("time on one thread, float = 1: 1.20 measured here\n") !=
        std::string::npos);
}

TEST_CASE("the JSON report of a model is the golden one", "[report]") {
  test::check_golden("report/net.json", to_json(sample_report()));
}

TEST_CASE("a text report without remarks stays within forty lines", "[report]") {
  Report report = sample_report();
  report.warnings.clear();
  report.notes.clear();
  const std::string text = to_text(report, false);
  CHECK(std::count(text.begin(), text.end(), '\n') <= 40);
}

TEST_CASE("a report without accuracy, nodes or files prints its head alone", "[report]") {
  Report report;
  report.model = "net.onnx";
  report.target = "int8";
  report.qconvert_version = "0.1.0";
  report.runtime_version = "1.30.0";
  CHECK(to_text(report, false) == "net.onnx -> int8   (qconvert 0.1.0, ONNX Runtime 1.30.0)\n");
  CHECK(to_json(report).find("\"accuracy\": null") != std::string::npos);
}

TEST_CASE("the JSON report shows neither time nor this machine's folders", "[report]") {
  Report report = sample_report();
  const std::string json = to_json(report);
  CHECK(json.find("/data") == std::string::npos);
  CHECK(json.find("/fc/*") != std::string::npos);  // a glob on node names is not a path
  report.timings = {{"read", 99}};
  report.model = "elsewhere/net.onnx";
  CHECK(to_json(report) == json);
}

TEST_CASE("folders are cut from texts as folders, never as parts of names", "[report]") {
  Report report = sample_report();
  report.folders = {"/data/cal/", "/data/models"};
  report.notes = {"/data/cal: empty", "in /data/cal/x.jpg", "see /data/calib/y.jpg", "'/data/models'",
                  "/data/cal"};
  const std::string json = to_json(report);
  for (const char* kept :
       {"\"cal: empty\"", "\"in x.jpg\"", "\"see /data/calib/y.jpg\"", "\"'models'\"", "\"cal\""}) {
    INFO(kept);
    CHECK(json.find(kept) != std::string::npos);
  }
}

TEST_CASE("names that are not UTF-8 do not stop the JSON report", "[report]") {
  Report report = sample_report();
  report.nodes[0].node = "caf\xe9";
  CHECK_NOTHROW(to_json(report));
}

TEST_CASE("byte rows must sum to the file's size", "[report]") {
  FileBytes file = sample_file();
  CHECK_NOTHROW(check_sum(file));
  SECTION("a byte too many on disk") {
    file.size += 1;
  }
  SECTION("more claimed than written") {
    file.rows.back().bytes = -10;
    file.size -= 15010;
  }
  SECTION("a lost row") {
    file.rows.pop_back();
  }
  try {
    check_sum(file);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kBug);
    CHECK(error.problems.at(0).place.find("net.quant.onnx") == 0);
  }
}

TEST_CASE("bytes by kind are summed in the reading order", "[report]") {
  FileBytes file = sample_file();
  file.rows.push_back({"", "a new kind", 7});
  using Sums = std::vector<std::pair<std::string, int64_t>>;
  CHECK(bytes_by_kind(file) == Sums{{"weights", 2664000},
                                    {"bias", 4000},
                                    {"scales", 8000},
                                    {"constants", 20000},
                                    {"graph", 1345},
                                    {"a new kind", 7},
                                    {"[file structure]", 15000}});
}

TEST_CASE("the worst output is that of the integer file", "[report]") {
  CHECK(sample_report().accuracy->worst_sqnr_db() == Approx(24.3456789));
  CHECK(std::isnan(Accuracy{}.worst_sqnr_db()));
}

TEST_CASE("coverage counts kernels that ran, not plans", "[report]") {
  const Coverage sums = coverage(sample_report());
  CHECK(sums.weighted == 3);          // conv1, conv2, fc; the MatMul of two activations has no weights
  CHECK(sums.weighted_integer == 1);  // conv2 was meant for integers and ran in float
  CHECK(sums.nodes == 9);
  CHECK(sums.integer == 2);
}

TEST_CASE("columns align by characters, not bytes", "[report]") {
  const std::string text = columns({{"name", "n"},
                                    {"gr\xc3\xb6\xc3\x9f"
                                     "e",
                                     "10"},
                                    {"x"}},
                                   "lr", 1);
  CHECK(text ==
        " name    n\n gr\xc3\xb6\xc3\x9f"
        "e  10\n x\n");
}

TEST_CASE("long names lose their middle", "[report]") {
  CHECK(shorten("abcdefghij", 10) == "abcdefghij");
  CHECK(shorten("abcdefghijk", 10) == "abc...hijk");
  CHECK(shorten("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 5) == "\xc3\xa4...\xc3\xa4");
}

TEST_CASE("figures say when there is none", "[report]") {
  CHECK(figure(3.14159, 2) == "3.14");
  CHECK(figure(kNaN, 2) == "-");
  CHECK(decibel(200) == "exact");
  CHECK(decibel(20) == "20.0 dB");
  CHECK(decibel(kNaN) == "-");
  CHECK(decibel(-2990) == "no signal");
  CHECK(decibel(-20) == "-20.0 dB");
}
