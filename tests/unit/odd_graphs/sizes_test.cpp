// Odd graphs whose sizes are free, empty, of rank 0, or stated wrongly: files are for the sizes of a run.
#include <catch2/catch.hpp>

#include "base/text.h"
#include "ir/edit.h"
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

TEST_CASE("a file is one run, whatever a free first dimension counts") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "points", {-1, 16});
  output(g, tiny::gemm(g, tiny::relu(g, tiny::gemm(g, x, 32)), 8), "y");
  const std::string model = onnx_io::write(g);
  const Files files = convert_graph(g, {"/placement=full"}, [](unsigned i) {
    return random_tensor({3 + i, 16}, i + 1);
  });
  const std::vector<ir::Tensor> inputs{random_tensor({20, 16}, 90)};
  CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0]) > 30);
  CHECK_THROWS_WITH(convert_graph(g, {"/placement=full", "/representative_dataset/batch_size=4"},
                                  [](unsigned i) {
                                    return random_tensor({3 + i, 16}, i + 1);
                                  }),
                    Catch::Contains("it holds 3 at once"));
}

TEST_CASE("single numbers of rank 0 come into a .tflite", "[litert]") {
  check({"the mean of all",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId y = conv(g, x, 4);
           const ir::ValueId mean = node(g, "ReduceMean", {x}, {{"keepdims", int64_t{0}}});
           const ir::ValueId scaled = node(g, "Mul", {mean, constant(g, 3.0f)});
           output(g, node(g, "Add", {y, scaled}, {}, tiny::Dims{1, 4, 12, 10}), "y");
         },
         kBoth, 25});
}

TEST_CASE("a .tflite of free lengths says which it was fixed to, and is judged on that", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "sound", {1, 3, -1});
  const ir::ValueId kernel = constant(g, random_tensor({8, 3, 3}, 5));
  output(g,
         tiny::relu(
             g, node(g, "Conv", {x, kernel}, {{"pads", std::vector<int64_t>{1, 1}}}, tiny::Dims{1, 8, -1})),
         "y");
  const Files files = convert_graph(g, kBoth, [](unsigned i) {
    return random_tensor({1, 3, 20 + i}, i + 1);
  });
  REQUIRE(files.report.warnings.size() == 1);
  CHECK_THAT(files.report.warnings[0].cause, Catch::Contains("'sound' is [1,3,20]"));
  CHECK_THAT(files.report.warnings[0].remedy, Catch::Contains("/input_shapes/sound"));
  const std::vector<ir::Tensor> inputs{random_tensor({1, 3, 20}, 90)};
  const ir::Tensor expected = ort_try::run(onnx_io::write(g), inputs)[0];
  CHECK(litert_db(expected, files.tflite, inputs) > 25);
}

TEST_CASE("a .tflite says what became of a free batch, and how to get another") {
  ir::Graph g = tiny::graph();
  output(g, tiny::relu(g, conv(g, input(g, "x", {-1, 3, 12, 10}), 4)), "y");
  const auto shape = [](const std::string& tflite) {
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    return parsed.graphs[0].tensors[parsed.graphs[0].inputs[0]].shape;
  };
  std::vector<std::string> settings = lone_tflite("int8");
  const Files one = convert_graph(g, settings);
  CHECK(shape(one.tflite) == std::vector<int64_t>{1, 3, 12, 10});
  CHECK_THAT(join(one.report.notes, "\n"), Catch::Contains("takes any other: resize_tensor_input()"));
  ir::Graph mixes = tiny::graph();
  const ir::ValueId rows = conv(mixes, input(mixes, "x", {-1, 3, 12, 10}), 4);
  output(mixes,
         node(mixes, "ReduceMean", {rows}, {{"axes", std::vector<int64_t>{0}}}, tiny::Dims{1, 4, 12, 10}),
         "y");
  CHECK_THAT(join(convert_graph(mixes, settings).report.notes, "\n"),
             Catch::Contains("MEAN of node") && Catch::Contains("/input_shapes/x"));
  settings.emplace_back("/input_shapes/x=[4,3,12,10]");
  const Files four = convert_graph(g, settings, [](unsigned i) {
    return random_tensor({4, 3, 12, 10}, i + 1);
  });
  CHECK(shape(four.tflite) == std::vector<int64_t>{4, 3, 12, 10});
  CHECK_THAT(join(four.report.notes, "\n"), !Catch::Contains("takes any other"));
}

TEST_CASE("a dimension that is free may be empty") {
  ir::Graph g = tiny::graph();
  const ir::ValueId past = input(g, "past", {1, -1, 16});
  const ir::ValueId now = constant(g, random_tensor({1, 1, 16}, 3));
  const ir::ValueId all = node(g, "Concat", {past, now}, {{"axis", int64_t{1}}}, tiny::Dims{1, -1, 16});
  const ir::ValueId weight = constant(g, random_tensor({16, 8}, 4));
  output(g, node(g, "MatMul", {all, weight}, {}, tiny::Dims{1, -1, 8}), "y");
  const std::string model = onnx_io::write(g);
  const auto files = convert_graph(g, {"/placement=full"}, [](unsigned i) {
    return random_tensor({1, i % 6, 16}, i + 1);
  });
  for (const int64_t length : {0, 4}) {
    const std::vector<ir::Tensor> inputs{random_tensor({1, length, 16}, 90)};
    CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                  ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0]) > 30);
  }
}

TEST_CASE("shapes that the file states wrongly are not believed", "[litert]") {
  const auto two_layers = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId y = conv(g, x, 6);
    ir::value_at(g, y).dims = {7, 7};
    ir::value_at(g, y).dim_params = {"", ""};
    output(g, tiny::conv(g, node(g, "Relu", {y}, {}, tiny::Dims{1, 6, 12, 10}), 4), "y");
  };
  check({"both", two_layers, kBoth, 25});
}

TEST_CASE("sizes are those of a run where shape inference finds others", "[litert]") {
  const std::vector<std::string> floats{"/output/formats=[\"tflite\"]", "/output/tflite/form=float32"};
  const auto up = [](const std::vector<int64_t>& weight, const tiny::Attributes& attributes) {
    return [=](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId w = constant(g, random_tensor(weight, 5));
      output(g, node(g, "ConvTranspose", {x, w}, attributes), "y");
    };
  };
  using List = std::vector<int64_t>;
  for (const std::vector<std::string>& settings : {floats, kBoth}) {
    const double least_db = settings == floats ? 90 : 25;
    check({"7 / 6 of 6 is 7",
           [](ir::Graph& g, ir::ValueId x) {
             const ir::ValueId larger =
                 node(g, "Resize", {x, ir::kNone, tiny::constant_f(g, {1, 1, 7 / 6.f, 1.4f})},
                      {{"mode", std::string("nearest")},
                       {"nearest_mode", std::string("floor")},
                       {"coordinate_transformation_mode", std::string("asymmetric")}});
             const ir::ValueId kernel = constant(g, random_tensor({4, 3, 3, 3}, 5));
             output(g, node(g, "Conv", {larger, kernel}), "y");
           },
           settings, least_db},
          {1, 3, 6, 5});
    check({"a crop", up({3, 3, 1, 1}, {{"output_shape", List{6, 7}}}), settings, least_db}, {1, 3, 7, 7});
    check({"a crop in groups", up({4, 2, 4, 4}, {{"group", int64_t{2}}, {"output_shape", List{9, 6}}}),
           settings, least_db},
          {1, 4, 7, 7});
    check({"SAME and output_padding",
           up({3, 4, 6, 6}, {{"strides", List{2, 2}},
                             {"output_padding", List{1, 1}},
                             {"auto_pad", std::string("SAME_LOWER")}}),
           settings, least_db},
          {1, 3, 7, 7});
  }
}

TEST_CASE("a float .tflite of free sizes has those of the files", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {-1, 3, -1, -1});
  const ir::ValueId rows = tiny::reshape(g, conv(g, x, 8), {1, 8, 240});
  output(g, node(g, "MatMul", {rows, constant(g, random_tensor({240, 5}, 5))}, {}, tiny::Dims{1, 8, 5}), "y");
  const std::vector<ir::Tensor> inputs{random_tensor({1, 3, 20, 12}, 90)};
  const ir::Tensor expected = ort_try::run(onnx_io::write(g), inputs)[0];
  for (const char* form : {"float32", "dynamic_range", "float16"}) {
    const Files files = convert_graph(
        g, {"/output/formats=[\"tflite\"]", format("/output/tflite/form={}", form)}, [](unsigned i) {
          return random_tensor({1, 3, 20, i < 5 ? 12 : 16}, i + 1);
        });
    REQUIRE(files.report.warnings.size() == 1);
    CHECK_THAT(files.report.warnings[0].cause, Catch::Contains("'x' is [1,3,20,12]"));
    CHECK(litert_db(expected, files.tflite, inputs) > 30);
  }
}

TEST_CASE("images as wide and as high as they have channels are told by the TRANSPOSE beside them") {
  for (const auto& [channels, dims] :
       {std::pair<int64_t, std::vector<int64_t>>{16, {1, 3, 16, 16}}, {4, {1, 16, 16, 16}}}) {
    ir::Graph g = tiny::graph();
    output(g, conv(g, input(g, "x", dims), channels), "y");
    for (const char* io : {"float32", "int8"})
      CHECK(convert_graph(g, {"/output/formats=[\"tflite\"]", format("/output/tflite/io_type={}", io)})
                .report.warnings.empty());
  }
}

TEST_CASE("what a node makes of nothing is rounded as anything else") {
  ir::Graph g = tiny::graph();
  const ir::ValueId noise =
      node(g, "RandomUniform", {}, {{"shape", tiny::Dims{1, 8, 12, 10}}}, tiny::Dims{1, 8, 12, 10});
  output(g, conv(g, tiny::add(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8), noise), 4), "y");
  CHECK(!convert_graph(g, {"/placement=full"}).onnx.empty());
}

}  // namespace
}  // namespace qc::odd
