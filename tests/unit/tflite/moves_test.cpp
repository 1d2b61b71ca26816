// Numbers that only change places: what the rewrites save, and that LiteRT computes what ONNX Runtime does.
#include <catch2/catch.hpp>

#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/litert.h"
#include "support/tiny_models.h"
#include "tflite/layout.h"
#include "tflite/lowering.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::tflite {
namespace {

Model lowered(ir::Graph g) {
  for (ir::Value& value : g.values)
    if (value.producer != ir::kNone) value.has_shape = false, value.dims.clear(), value.dim_params.clear();
  run::infer_shapes(g, onnx_codec());
  plan::QuantizedModel model;
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  model.graph = std::move(g);
  return lower(model, {}, {});
}

int count(const Model& model, Op op) {
  return static_cast<int>(std::count_if(model.operators.begin(), model.operators.end(),
                                        [&](const Operator& o) { return o.op == op; }));
}

// Images in and out of rank 4, channels last in the .tflite.
litert::Result check_same(const ir::Graph& g) {
  const std::string onnx = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, 5);
  const std::vector<ir::Tensor> expected = ort_try::run(onnx, inputs);
  std::vector<ir::Tensor> fed;
  for (const ir::Tensor& x : inputs) fed.push_back(transposed(x, channels_last(4)));
  litert::Result found = litert::run(serialise(lowered(g)).bytes, fed);
  REQUIRE(found.outputs.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const ir::Tensor wanted = transposed(expected[i], channels_last(4));
    CHECK(ort_try::max_relative_error(
              wanted, ir::make_tensor(ir::DType::kFloat, found.outputs[i], wanted.dims)) < 1e-5f);
  }
  return found;
}

ir::ValueId shuffled(ir::Graph& g, ir::ValueId x, int64_t groups, int64_t channels) {
  const ir::ValueId apart = tiny::reshape(g, x, {1, groups, channels / groups, 8, 8});
  return tiny::reshape(g, tiny::transpose(g, apart, {0, 2, 1, 3, 4}), {1, channels, 8, 8});
}

std::vector<ir::ValueId> halves(ir::Graph& g, ir::ValueId x, int64_t channels) {
  const std::vector<ir::ValueId> parts = tiny::node_outputs(
      g, "Split", {x, tiny::constant_i(g, {channels / 2, channels / 2})}, {{"axis", int64_t{1}}}, 2);
  for (const ir::ValueId part : parts) {  // tiny::conv asks for it
    ir::value_at(g, part).has_shape = true;
    ir::value_at(g, part).dims = {1, channels / 2, 8, 8};
  }
  return parts;
}

// One unit of ShuffleNet: half of the channels wait while the other half is worked on.
ir::ValueId unit(ir::Graph& g, ir::ValueId x, int64_t channels, unsigned seed) {
  const std::vector<ir::ValueId> half = halves(g, x, channels);
  const ir::ValueId narrow = tiny::relu(g, tiny::conv(g, half[1], channels / 2, {1, 1, 0}, seed));
  const ir::ValueId deep = tiny::conv(g, narrow, channels / 2, {3, 1, 1, 1, channels / 2}, seed + 1);
  const ir::ValueId made = tiny::relu(g, tiny::conv(g, deep, channels / 2, {1, 1, 0}, seed + 2));
  return shuffled(g, tiny::node(g, "Concat", {half[0], made}, {{"axis", int64_t{1}}}), 2, channels);
}

TEST_CASE("exchanges of channels between groups need no TRANSPOSE", "[litert]") {
  constexpr int64_t kChannels = 20;
  ir::Graph g = tiny::graph();
  const ir::ValueId image = tiny::input(g, "x", {1, 3, 8, 8});
  ir::ValueId x = shuffled(g, tiny::relu(g, tiny::conv(g, image, kChannels)), 2, kChannels);
  for (const unsigned seed : {10u, 20u, 30u}) x = unit(g, x, kChannels, seed);
  const ir::ValueId deep = tiny::conv(g, x, kChannels, {3, 1, 1, 1, kChannels}, 40);
  tiny::output(g, tiny::conv(g, deep, 6, {1, 1, 0}, 41), "deep");
  tiny::output(g, tiny::conv(g, tiny::relu(g, x), 6, {3, 2, 1}, 42), "wide");
  const Model model = lowered(g);
  CHECK(count(model, Op::kTranspose) == 0);
  CHECK(count(model, Op::kReshape) == 0);
  CHECK(check_same(g).fully_accelerated);
}

TEST_CASE("an order of channels that is seen from outside stays", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId image = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId made = tiny::conv(g, image, 12);
  SECTION("at an output") {
    tiny::output(g, shuffled(g, made, 3, 12), "y");
  }
  SECTION("by an addition") {
    tiny::output(g, tiny::conv(g, tiny::add(g, shuffled(g, made, 3, 12), made), 4), "y");
  }
  SECTION("by a convolution in groups") {
    tiny::output(g, tiny::conv(g, shuffled(g, made, 3, 12), 6, {3, 1, 1, 1, 3}), "y");
  }
  SECTION("from the input on") {
    const ir::ValueId wide = tiny::input(g, "wide", {1, 12, 8, 8});
    tiny::output(g, tiny::conv(g, shuffled(g, wide, 3, 12), 4), "y");
    tiny::output(g, tiny::relu(g, made), "z");
  }
  CHECK(count(lowered(g), Op::kTranspose) == 1);
  check_same(g);
}

TEST_CASE("every second row and column is taken by a convolution, and two cuts are one", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::conv(g, tiny::input(g, "x", {1, 3, 9, 12}), 5);
  const auto cut = [&](ir::ValueId from, int64_t start, int64_t axis, int64_t step) {
    return tiny::node(g, "Slice",
                      {from, tiny::constant_i(g, {start}), tiny::constant_i(g, {1000}),
                       tiny::constant_i(g, {axis}), tiny::constant_i(g, {step})});
  };
  tiny::output(g, cut(cut(x, 0, 2, 2), 0, 3, 2), "even");
  tiny::output(g, cut(cut(x, 1, 2, 2), 2, 3, 3), "odd");
  tiny::output(g, cut(x, 1, 3, 2), "columns");
  const Model model = lowered(g);
  CHECK(count(model, Op::kStridedSlice) == 0);
  CHECK(count(model, Op::kDepthwiseConv2d) == 3);
  CHECK(check_same(g).fully_accelerated);
}

TEST_CASE("a Concat with zeros is a PAD, and a shape's constant a constant", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::conv(g, tiny::input(g, "x", {1, 3, 6, 6}), 5);
  const ir::ValueId zeros = tiny::node(g, "ConstantOfShape", {tiny::constant_i(g, {1, 2, 6, 6})});
  const ir::ValueId ones = tiny::node(g, "ConstantOfShape", {tiny::constant_i(g, {1, 2, 6, 6})},
                                      {{"value", ir::make_tensor(std::vector<float>{1}, {1})}});
  for (const ir::ValueId v : {zeros, ones}) ir::value_at(g, v).dtype = ir::DType::kFloat;
  tiny::output(g, tiny::node(g, "Concat", {zeros, x, zeros}, {{"axis", int64_t{1}}}), "zeros");
  tiny::output(g, tiny::node(g, "Concat", {x, ones}, {{"axis", int64_t{1}}}), "ones");
  const Model model = lowered(g);
  CHECK(count(model, Op::kPad) == 1);
  CHECK(count(model, Op::kConcatenation) == 1);
  CHECK(count(model, Op::kTranspose) == 0);
  check_same(g);
}

}  // namespace
}  // namespace qc::tflite
