// A .tflite file against an ONNX model: same pictures, other order of dimensions, other types.
#include "compare.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "support/tiny_tflite.h"
#include "unit/tflite/lowered.h"

namespace qc {
namespace {

// y = max(x, 0) on pictures of 12 x 16.
std::string relu_onnx() {
  ir::Graph g = tiny::graph();
  tiny::output(g, tiny::relu(g, tiny::input(g, "x", {1, 3, 12, 16})), "y");
  return onnx_io::write(g);
}

std::string relu_tflite(std::vector<int32_t> shape, float out_scale) {
  using tflite::wire::TensorType;
  tiny_tflite::Model m;
  const int32_t x = tiny_tflite::add(m, {"x", TensorType::INT8, shape, {1.0f}, {-128}});
  const int32_t y = tiny_tflite::add(m, {"y", TensorType::INT8, shape, {out_scale}, {-128}});
  tiny_tflite::add(m, {tflite::wire::BuiltinOperator::RELU, 2, {x}, {y}});
  m.inputs = {x};
  m.outputs = {y};
  return tiny_tflite::write(m);
}

// The second model's row.
report::ComparedModel compared(const std::string& first, const std::string& second) {
  const TemporaryFile a(".model"), b(".model");
  write_file_atomically(a.path(), first);
  write_file_atomically(b.path(), second);
  CompareOptions options;
  options.models = {a.path(), b.path()};
  options.overrides = {{"/representative_dataset/path", QCONVERT_TESTS "/data/sample/calib"}};
  options.max_images = 5;
  return compare(options).comparison.models.at(1);
}

TEST_CASE("pictures reach a .tflite in its order of dimensions and come back in the model's", "[tflite]") {
  const report::ComparedModel same = compared(relu_onnx(), relu_tflite({1, 12, 16, 3}, 1.0f));
  REQUIRE(same.outputs.size() == 1);
  CHECK(same.outputs[0].max_abs_error <= 0.5);  // the input's rounding
  CHECK(same.outputs[0].sqnr_db > 50);
  CHECK(!same.one_thread);
  CHECK(!same.peak_memory);
  const report::ComparedModel coarse = compared(relu_onnx(), relu_tflite({1, 12, 16, 3}, 4.0f));
  CHECK(coarse.outputs[0].max_abs_error > 0.5);
  // TFLite's RELU rounds twice: 1 / 4 becomes a half, and that becomes 1, which stands for 4.
  CHECK(coarse.outputs[0].max_abs_error <= 3.5);
}

TEST_CASE("a .tflite that keeps ONNX's order is compared as it is", "[tflite]") {
  CHECK(compared(relu_onnx(), relu_tflite({1, 3, 12, 16}, 1.0f)).outputs[0].max_abs_error <= 0.5);
}

TEST_CASE("a .tflite of another model is refused", "[tflite]") {
  CHECK_THROWS_AS(compared(relu_onnx(), relu_tflite({1, 12, 12, 3}, 1.0f)), Error);
}

TEST_CASE("a .tflite may stand first, before an ONNX model or another .tflite", "[tflite]") {
  const std::string tflite = relu_tflite({1, 12, 16, 3}, 1.0f);
  CHECK(compared(tflite, relu_onnx()).outputs.at(0).max_abs_error <= 0.5);
  CHECK(compared(tflite, tflite).outputs.at(0).max_abs_error == 0);
}

TEST_CASE("a Softmax is known behind its spelling, and logits are what is compared", "[tflite]") {
  for (const int64_t classes : {2, 3}) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 3, 12, 16});
    const ir::ValueId large = tiny::concat(g, {x, x}, 2);  // 384 places
    tiny::output(g, tiny::softmax(g, tiny::conv(g, large, classes), 1), "y");
    tflite::LowerOptions options;
    options.xnnpack = true;
    const tflite::Model lowered = tflite::lower(tflite::float_model(g), {}, options);
    CHECK(tflite::count(lowered, tflite::Op::kSoftmax) == 0);
    const report::ComparedModel model = compared(onnx_io::write(g), tflite::serialise(lowered).bytes);
    REQUIRE(model.outputs.size() == 1);
    CHECK(model.outputs[0].before_softmax);
    CHECK(model.outputs[0].sqnr_db > 100);
  }
}

}  // namespace
}  // namespace qc
