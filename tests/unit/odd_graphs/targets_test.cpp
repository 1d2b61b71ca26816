// Odd graphs for hardware that takes less than LiteRT does: Edge TPU, Ethos-U, TFLite Micro.
#include <catch2/catch.hpp>

#include <algorithm>

#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "tflite/read.h"
#include "unit/odd_graphs/odd_graphs.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

using tiny::constant;
using tiny::conv;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

// TFLite Micro's DEQUANTIZE reads the first scale alone.
TEST_CASE("float weights are floats where DEQUANTIZE has no scale for each channel", "[litert]") {
  for (const char* target : {"litert", "tflm", "ethos-u"}) {
    CAPTURE(target);
    ir::Graph g = tiny::graph();
    output(g, conv(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8), 8), "y");
    std::vector<std::string> settings = lone_tflite(target);
    settings.emplace_back("/placement={\"rules\":[{\"filter\":{\"first\":true},\"placement\":\"float\"}]}");
    const std::string tflite = convert_graph(g, settings).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    const auto unfolded = std::ranges::count_if(parsed.graphs[0].operators, [&](const auto& op) {
      return op.op == "DEQUANTIZE" && parsed.graphs[0].tensors[op.inputs[0]].scales.size() > 1;
    });
    CHECK(unfolded == (target == std::string("litert") ? 1 : 0));
  }
}

// Vela refuses files that hold these on other types, whatever runs beside the NPU.
TEST_CASE("what nothing beside Ethos-U may take is spelled out or refused", "[litert]") {
  std::vector<std::string> settings = lone_tflite("ethos-u");
  settings.emplace_back(
      "/placement={\"rules\":[{\"filter\":{\"not\":{\"op_type\":\"Conv\"}},\"placement\":\"float\"}]}");
  ir::Graph g = tiny::graph(14);
  output(g, conv(g, node(g, "HardSwish", {conv(g, input(g, "x", {1, 3, 12, 10}), 8)}), 8), "y");
  const std::string model = onnx_io::write(g), tflite = convert_graph(g, settings).tflite;
  CHECK(operators_of(tflite, "HARD_SWISH") == 0);
  CHECK(operators_of(tflite, "DEQUANTIZE") > 0);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const ir::Tensor expected = ort_try::run(model, inputs)[0];
  CHECK(litert_db(expected, tflite, inputs) > 25);

  ir::Graph best = tiny::graph();
  const ir::ValueId scores = conv(best, input(best, "x", {1, 3, 12, 10}), 8);
  const ir::ValueId place = node(best, "ArgMax", {scores}, {{"axis", int64_t{1}}}, tiny::Dims{1, 1, 12, 10});
  ir::value_at(best, place).dtype = ir::DType::kInt64;
  output(best, place, "y");
  settings = lone_tflite("ethos-u");
  CHECK_NOTHROW(convert_graph(best, settings));
  settings.emplace_back("/output/tflite/form=int16x8");
  CHECK_THROWS_WITH(convert_graph(best, settings), Catch::Contains("ARG_MAX"));
}

TEST_CASE("a dilated signal runs on the Edge TPU, where dilations are alike", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto layer = [&](ir::ValueId in, int64_t from, std::vector<int64_t> weight, int64_t dilation) {
      weight[1] = from;
      const std::vector<int64_t> dilations{dilation}, pads{dilation, dilation};
      return node(g, "Conv", {in, constant(g, random_tensor(weight, 5, -0.5f, 0.5f))},
                  {{"dilations", dilations}, {"pads", pads}});
    };
    output(g, layer(tiny::relu(g, layer(x, 3, {6, 0, 3}, 2)), 6, {4, 0, 3}, 4), "y");
  };
  for (const char* target : {"edgetpu", "litert"})
    check({target, build, lone_tflite(target), 28}, {1, 3, 20});
}

TEST_CASE("a MaxPool with padding behind a Relu runs on the Edge TPU", "[litert]") {
  const auto pooled = [](ir::Graph& g, ir::ValueId x) {
    return node(g, "MaxPool", {x},
                {{"kernel_shape", std::vector<int64_t>{3, 3}},
                 {"strides", std::vector<int64_t>{2, 2}},
                 {"pads", std::vector<int64_t>{1, 1, 1, 1}}},
                tiny::Dims{1, 8, 6, 5});
  };
  check({"relu",
         [&](ir::Graph& g, ir::ValueId x) {
           output(g, conv(g, pooled(g, tiny::relu(g, conv(g, x, 8))), 4), "y");
         },
         lone_tflite("edgetpu"), 28});
  ir::Graph g = tiny::graph();
  output(g, conv(g, pooled(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8)), 4), "y");
  CHECK_THROWS_WITH(convert_graph(g, lone_tflite("edgetpu")), Catch::Contains("PADV2"));
}

TEST_CASE("the Edge TPU compares and sums up on integers", "[litert]") {
  for (const char* op : {"Max", "Min"}) {
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId a = conv(g, x, 8), b = tiny::relu(g, conv(g, x, 8, {}, 4));
      output(g, conv(g, node(g, op, {a, b}, {}, tiny::value(g, a).dims), 4), "y");
    };
    check({op, build, lone_tflite("edgetpu"), 28});
  }
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId a = conv(g, x, 8);
    output(g, node(g, "ReduceSum", {a, tiny::constant_i(g, {2, 3})}, {}, tiny::Dims{1, 8, 1, 1}), "y");
  };
  check({"ReduceSum", build, lone_tflite("edgetpu"), 28});
}

}  // namespace
}  // namespace qc::odd
