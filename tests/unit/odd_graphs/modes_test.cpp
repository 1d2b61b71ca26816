// Odd graphs in modes and forms other than integers of 8 bits: floats, weights alone, 16 bits, roundings at
// run time.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "onnx_io/onnx_io.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "tflite/read.h"
#include "unit/odd_graphs/odd_graphs.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

using test::sqnr_db;
using tiny::constant;
using tiny::conv;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

TEST_CASE("a float .tflite beside integers keeps its floats", "[litert]") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 6)), 4), "y");
  const std::string model = onnx_io::write(g);
  std::vector<std::string> settings = kBoth;
  settings.push_back("/output/tflite/form=float32");
  const Files files = convert_graph(g, settings);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const ir::Tensor expected = ort_try::run(model, inputs)[0];
  CHECK(litert_db(expected, files.tflite, inputs) > 100);
  CHECK(sqnr_db(expected, ort_try::run(files.onnx, inputs)[0]) < 60);
}

TEST_CASE("activations of 16 bits are slow in LiteRT, and no time of 8 bits is said of them") {
  ir::Graph g = tiny::graph();
  output(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 4)), "y");
  const auto warned = [&](const char* target, const char* form) {
    std::vector<std::string> settings = lone_tflite(target);
    settings.push_back(format("/output/tflite/form={}", form));
    const report::Report report = convert_graph(g, settings).report;
    CHECK(report.predicted_time.has_value() == (std::string(form) == "int8"));
    return std::ranges::count_if(report.warnings, [](const auto& one) { return one.code == "slow-kernels"; });
  };
  CHECK(warned("litert", "int16x8") == 1);
  CHECK(warned("tflm", "int16x8") == 0);
  CHECK(warned("litert", "int8") == 0);
}

TEST_CASE("depthwise weights of 8 bits are unfolded once in the form dynamic_range", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId wide = tiny::relu(g, conv(g, x, 128, {.kernel = 3, .pad = 1})),
                      deep = tiny::relu(g, conv(g, wide, 128, {.kernel = 3, .pad = 1, .groups = 128}, 5));
    output(g, conv(g, deep, 8, {.kernel = 1, .pad = 0}, 6), "y");
  };
  std::vector<std::string> settings = lone_tflite("litert");
  settings.emplace_back("/output/tflite/form=dynamic_range");
  check({"depthwise", build, settings, 28});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const tflite::file::Model parsed = tflite::file::parse(convert_graph(g, settings).tflite, "odd.tflite");
  for (const auto& op : parsed.graphs[0].operators) {
    if (op.op == "CONV_2D" || op.op == "DEPTHWISE_CONV_2D")
      CHECK((parsed.graphs[0].tensors[op.inputs[1]].dtype == ir::DType::kFloat) ==
            (op.op == "DEPTHWISE_CONV_2D"));
  }
}

TEST_CASE("layers that round at run time are counted, and their time is predicted") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {96, 256});
  for (unsigned seed = 1; seed < 4; ++seed) output(g, tiny::gemm(g, x, 256, seed), format("y{}", seed));
  const report::Report report = convert_graph(g, {"/mode=dynamic"}).report;
  const report::Coverage found = report::coverage(report);
  CHECK(found.weighted == 3);
  CHECK(found.weighted_integer == 3);
  REQUIRE(report.predicted_time.has_value());
  CHECK(*report.predicted_time > 0.2);  // measured: 0.35
  CHECK(*report.predicted_time < 0.5);
  for (const auto& [processor, time] : report.predicted_on) CHECK(time < 0.8);
  REQUIRE(report.frontier.size() == 1);
  CHECK(report.frontier[0].time == *report.predicted_time);
  for (const report::NodeRow& row : report.nodes) CHECK(std::isnan(row.sqnr_db));
}

TEST_CASE("an LSTM that rounds at run time takes less") {
  ir::Graph g = tiny::graph();
  const ir::ValueId w = constant(g, random_tensor({1, 1024, 128}, 1), "w"),
                    r = constant(g, random_tensor({1, 1024, 256}, 2), "r");
  output(g,
         node(g, "LSTM", {input(g, "x", {32, 1, 128}), w, r}, {{"hidden_size", int64_t{256}}},
              tiny::Dims{32, 1, 1, 256}),
         "y");
  const report::Report report = convert_graph(g, {"/mode=dynamic", "/placement/min_sqnr_db=1"}).report;
  REQUIRE(report.predicted_time.has_value());
  CHECK(*report.predicted_time > 0.2);  // measured: 0.3
  CHECK(*report.predicted_time < 0.6);
}

TEST_CASE("weights of 16 bits run in LiteRT", "[litert]") {
  std::vector<std::string> settings = kBoth;
  settings.emplace_back(R"(/bit_width_config=[{"filter": {"last": true}, "weights_n_bits": 16}])");
  const auto two_layers = [](ir::Graph& g, ir::ValueId x) {
    output(g, conv(g, tiny::relu(g, conv(g, x, 6)), 4), "y");
  };
  check({"both", two_layers, settings, 30});
}

TEST_CASE("weights alone may be integers in a .tflite", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId wide = tiny::relu(g, conv(g, x, 32)),
                      deep = tiny::relu(g, conv(g, wide, 32, {.kernel = 3, .pad = 1, .groups = 32}, 5));
    output(g, tiny::gemm(g, tiny::reshape(g, conv(g, deep, 8), {1, 960}), 10), "y");
  };
  std::vector<std::string> settings = lone_tflite("litert");
  settings.emplace_back("/mode=weight_only");
  check({"alone", build, settings, 35});
  settings[0] = kBoth[1];
  check({"both", build, settings, 35});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const std::string tflite = convert_graph(g, lone_tflite("litert")).tflite,
                    floats = convert_graph(g, settings).tflite;
  CHECK(floats.size() < tflite.size() * 5 / 4);
  const tflite::file::Model parsed = tflite::file::parse(floats, "odd.tflite");
  for (const auto& op : parsed.graphs[0].operators) CHECK(op.op != "QUANTIZE");
}

}  // namespace
}  // namespace qc::odd
