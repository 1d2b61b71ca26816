// Ops with attributes and inputs that few graphs have, between integer layers.
#include <catch2/catch.hpp>

#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
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

TEST_CASE("pools whose integer kernels count other cells stay in float") {
  const std::vector<std::string> onnx{"/placement=full"};
  check({"cells beyond the padding",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId mean = node(g, "AveragePool", {conv(g, x, 4)},
                                         {{"kernel_shape", std::vector<int64_t>{3, 3}},
                                          {"strides", std::vector<int64_t>{2, 2}},
                                          {"ceil_mode", int64_t{1}},
                                          {"count_include_pad", int64_t{1}}});
           output(g, conv(g, mean, 4, {.kernel = 1, .pad = 0}), "y");
         },
         onnx, 28});
  // Its results tell where the maxima lie.
  ir::Graph g = tiny::graph();
  const std::vector<ir::ValueId> both = tiny::node_outputs(
      g, "MaxPool", {conv(g, input(g, "x", {1, 3, 12, 10}), 4)},
      {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}}, 2);
  ir::value_at(g, both[1]).dtype = ir::DType::kInt64;
  output(g, both[0], "y");
  output(g, both[1], "i");
  CHECK(!convert_graph(g, onnx).onnx.empty());
}

TEST_CASE("a Resize by factors that are no whole numbers reads the cells of ONNX Runtime", "[litert]") {
  check({"nearest",
         [](ir::Graph& g, ir::ValueId x) {
           output(g,
                  node(g, "Resize", {x, ir::kNone, tiny::constant_f(g, {1, 1, 0.6f, 0.3f})},
                       {{"mode", std::string("nearest")},
                        {"nearest_mode", std::string("floor")},
                        {"coordinate_transformation_mode", std::string("asymmetric")}}),
                  "y");
         },
         kBoth, 30},
        {1, 3, 12, 10});
  // 4 / (8 / 7) is just below 3.5 in float32, and 9 / (12 / 10) below 7.5: halves to the runtime.
  for (const char* rounding : {"round_prefer_ceil", "round_prefer_floor"})
    check({rounding,
           [&](ir::Graph& g, ir::ValueId x) {
             output(g,
                    node(g, "Resize", {x, ir::kNone, ir::kNone, tiny::constant_i(g, {1, 3, 8, 12})},
                         {{"mode", std::string("nearest")},
                          {"nearest_mode", std::string(rounding)},
                          {"coordinate_transformation_mode", std::string("asymmetric")}}),
                    "y");
           },
           kBoth, 30},
          {1, 3, 7, 10});
}

TEST_CASE("a Pad and a Resize between convolutions may list axes") {
  for (const char* op : {"Pad", "Resize by scales", "Resize by sizes"}) {
    CAPTURE(op);
    ir::Graph g = tiny::graph(18);
    const std::vector<int64_t> axes{2, -1};
    const ir::ValueId before = conv(g, input(g, "x", {1, 3, 12, 10}), 6);
    ir::ValueId moved = ir::kNone;
    if (op == std::string("Pad"))
      moved =
          node(g, "Pad", {before, tiny::constant_i(g, {1, 2, 2, 1}), ir::kNone, tiny::constant_i(g, axes)},
               {{"mode", std::string("reflect")}}, tiny::Dims{1, 6, 15, 13});
    else if (op == std::string("Resize by scales"))
      moved =
          node(g, "Resize", {before, ir::kNone, constant(g, ir::make_tensor(std::vector<float>{2, 2}, {2}))},
               {{"axes", axes}}, tiny::Dims{1, 6, 24, 20});
    else
      moved = node(g, "Resize", {before, ir::kNone, ir::kNone, tiny::constant_i(g, {24, 30})},
                   {{"axes", axes}}, tiny::Dims{1, 6, 24, 30});
    output(g, conv(g, moved, 4), "y");
    const std::string model = onnx_io::write(g), written = convert_graph(g, {"/placement=full"}).onnx;
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                  ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]) > 25);
  }
}

TEST_CASE("the mask of a Dropout may be read", "[litert]") {
  check({"both",
         [](ir::Graph& g, ir::ValueId x) {
           const auto dropped = tiny::node_outputs(g, "Dropout", {tiny::relu(g, conv(g, x, 8))}, {}, 2);
           ir::value_at(g, dropped[1]).dtype = ir::DType::kBool;
           ir::value_at(g, dropped[0]).has_shape = true;
           ir::value_at(g, dropped[0]).dims = {1, 8, 12, 10};
           const ir::ValueId mask =
               node(g, "Cast", {dropped[1]}, {{"to", int64_t{1}}}, tiny::Dims{1, 8, 12, 10});
           output(g, tiny::add(g, conv(g, dropped[0], 8), mask), "y");
         },
         kBoth, 25});
}

TEST_CASE("BatchNormalization in training takes the statistics of the batch", "[litert]") {
  check({"both",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId y = tiny::batch_norm(g, conv(g, x, 8));
           const ir::NodeId id = ir::value_at(g, y).producer;
           for (size_t i = 1; i < 5; ++i) ir::set_output(g, id, i, ir::add_value(g, "m", ir::DType::kFloat));
           output(g, tiny::relu(g, conv(g, y, 4)), "y");
         },
         kBoth, 20});
}

TEST_CASE("a Pad larger than the window of the pool behind it is no padding of the pool's own", "[litert]") {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId wide =
          node(g, "Pad", {x, tiny::constant_i(g, {0, 0, 2, 2, 0, 0, 2, 3})}, {}, tiny::Dims{1, 3, 16, 15});
      output(g,
             node(g, op, {wide}, {{"kernel_shape", tiny::Dims{2, 2}}, {"strides", tiny::Dims{2, 2}}},
                  tiny::Dims{1, 3, 8, 7}),
             "y");
    };
    check({op, build, {"/placement=auto"}, 60});
    check({op, build, kBoth, 30});
  }
}

TEST_CASE("a cubic Resize that shrinks stands between integer convolutions") {
  for (const float scale : {0.75f, 0.5f}) {
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId scales =
          constant(g, ir::make_tensor(std::span<const float>(std::vector<float>{1, 1, scale, scale}), {4}));
      const ir::ValueId small = node(g, "Resize", {tiny::relu(g, conv(g, x, 8)), ir::kNone, scales},
                                     {{"mode", std::string("cubic")}});
      const ir::ValueId weight = constant(g, random_tensor({4, 8, 3, 3}, 5, -0.5f, 0.5f));
      output(g, node(g, "Conv", {small, weight}, {}), "y");
    };
    check({"cubic", build, {"/placement=full"}, 28});
    check({"integer ops", build, {"/placement=full", "/output/onnx/form=qoperator"}, 28});
  }
}

}  // namespace
}  // namespace qc::odd
