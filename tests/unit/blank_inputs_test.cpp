// Inputs that are made up, or taken for their sizes alone.
#include "blank_inputs.h"

#include <catch2/catch.hpp>

#include "prepare.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

// A convolution, and a layer over all of its result: runs with images of 32 x 32 alone.
ir::Graph of_one_size(int64_t channels) {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {-1, channels, -1, -1});
  const ir::ValueId rows = tiny::flatten(g, tiny::conv(g, x, 2));
  const ir::ValueId weight = tiny::constant(g, tiny::random_tensor({2 * 32 * 32, 3}, 5));
  tiny::output(g, tiny::node(g, "MatMul", {rows, weight}, {}, tiny::Dims{-1, 3}), "y");
  return g;
}

}  // namespace

TEST_CASE("sizes are tried as numbers before there is a tensor of them") {
  const ir::Graph g = of_one_size(512);  // 500 GB of zeros, with the largest sizes
  run::OrtRunnerFactory runners(onnx_codec());
  const Sample sample = blank_inputs(g, config::CoreConfig(), runners, onnx_codec());
  CHECK_FALSE(sample.runs);
  CHECK(sample.to_run().empty());
}

TEST_CASE("an input of many free sides is not as large as a picture along each") {
  ir::Graph g = tiny::graph();
  tiny::output(g, tiny::relu(g, tiny::input(g, "x", {-1, -1, -1, -1, -1, -1})), "y");  // 2 TB of 224 each
  run::OrtRunnerFactory runners(onnx_codec());
  const Sample sample = blank_inputs(g, config::CoreConfig(), runners, onnx_codec());
  CHECK(sample.runs);
  CHECK(sample.inputs.at(0).size() == 1);
}

TEST_CASE("sizes that were made up for a .tflite are said, and those that do not run refused") {
  config::CoreConfig config;
  config.output.formats = {"tflite"};
  config.output.tflite_form = config::TfliteForm::kFloat32;
  run::OrtRunnerFactory runners(onnx_codec());
  Diagnostics said;
  CHECK_THROWS_WITH(unmeasured_sample(of_one_size(3), config, runners, said, 1, "m.tflite"),
                    Catch::Contains("input 'x'") && Catch::Contains("/input_shapes/x"));
  ir::Graph g = tiny::graph();
  tiny::output(g, tiny::conv(g, tiny::input(g, "image", {-1, 3, -1, -1}), 2), "y");
  const Sample sample = unmeasured_sample(g, config, runners, said, 1, "m.tflite");
  CHECK(sample.inputs.at(0).dims == tiny::Dims{1, 3, 224, 224});
  REQUIRE(said.warnings.size() == 1);
  CHECK_THAT(said.warnings[0].cause, Catch::Contains("'image' is [1,3,224,224], which was made up"));
  config.output.formats = {"onnx"};
  CHECK_FALSE(unmeasured_sample(of_one_size(3), config, runners, said, 1, "m.tflite").runs);
  CHECK(said.warnings.size() == 1);
}
