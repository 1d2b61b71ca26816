// Activation functions that a quantizer left to the ends of its grids, read back: what stock ONNX Runtime
// makes of the float graph is what it makes of the quantized one, but for rounding.
#include <catch2/catch.hpp>

#include <cmath>
#include <functional>

#include "adopt/adopt.h"
#include "onnx_io/onnx_io.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

using ir::Graph;
using ir::ValueId;

struct Grid {
  float scale;
  int zero;
  bool is_signed = false;
};

using test::sqnr_db;

ValueId zero_of(Graph& g, const Grid& grid) {
  return tiny::constant(g, ir::make_tensor(grid.is_signed ? ir::DType::kInt8 : ir::DType::kUint8,
                                           std::string(1, static_cast<char>(grid.zero)), {}));
}

ValueId quantized(Graph& g, ValueId x, const Grid& grid) {
  const ValueId scale = tiny::constant(g, grid.scale), zero = zero_of(g, grid);
  const tiny::Dims dims = tiny::value(g, x).dims;
  const ValueId q = tiny::node(g, "QuantizeLinear", {x, scale, zero}, {}, dims);
  ir::value_at(g, q).dtype = grid.is_signed ? ir::DType::kInt8 : ir::DType::kUint8;
  const ValueId y = tiny::node(g, "DequantizeLinear", {q, scale, zero}, {}, dims);
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  return y;
}

struct Case {
  const char* name;
  int64_t opset;
  std::function<ValueId(Graph&, ValueId x)> build;
  const char* ops;  // of the float graph
};

void check(const Case& one) {
  CAPTURE(one.name);
  Graph g = tiny::graph(one.opset);
  const ValueId x = tiny::input(g, "x", {1, 4, 9, 9});
  tiny::output(g, one.build(g, quantized(g, x, {2.0f / 255, 128})), "y");
  const std::string quantized_model = onnx_io::write(g);
  adopt::strip(g);
  CHECK(tiny::ops(g) == one.ops);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(quantized_model, 7);
  CHECK(sqnr_db(ort_try::run(quantized_model, inputs)[0], ort_try::run(onnx_io::write(g), inputs)[0]) > 30);
}

TEST_CASE("activation functions that a file has in its grids alone are nodes again") {
  const Case kCases[] = {
      {"zero point at the lowest uint8", 13,
       [](Graph& g, ValueId x) {
         return quantized(g, tiny::conv(g, x, 4), {4.0f / 255, 0});
       },
       "Conv Relu"},
      {"zero point at the lowest int8", 13,
       [](Graph& g, ValueId x) {
         return quantized(g, tiny::conv(g, x, 4), {4.0f / 255, -128, true});
       },
       "Conv Relu"},
      {"what stands in a Gelu is not negative", 13,
       [](Graph& g, ValueId x) {
         const Grid grid{2.0f / 255, 0};
         const ValueId y = tiny::conv(g, x, 4);
         const ValueId erf =
             quantized(g, tiny::node(g, "Erf", {y}, {}, tiny::value(g, y).dims), {2.0f / 255, 128});
         return quantized(g, tiny::add(g, erf, tiny::constant(g, 1.0f)), grid);
       },
       "Conv Erf Add"},
      {"the range of a Relu6", 13,
       [](Graph& g, ValueId x) {
         const ValueId wide = tiny::mul(g, tiny::conv(g, x, 4), tiny::constant(g, 8.0f));
         return quantized(g, wide, {6.0f / 255, 0});
       },
       "Conv Mul Clip"},
      {"the range of a Relu6, bounds as attributes", 10,
       [](Graph& g, ValueId x) {
         const ValueId wide = tiny::mul(g, tiny::conv(g, x, 4), tiny::constant(g, 8.0f));
         return quantized(g, wide, {6.0f / 255, 0});
       },
       "Conv Mul Clip"},
      {"the range of a hard tanh", 13,
       [](Graph& g, ValueId x) {
         const ValueId wide = tiny::mul(g, tiny::conv(g, x, 4), tiny::constant(g, 2.0f));
         return quantized(g, wide, {2.0f / 255, 128});
       },
       "Conv Mul Clip"},
      {"a range that was only calibrated", 13,
       [](Graph& g, ValueId x) {
         return quantized(g, tiny::conv(g, x, 4), {5.0f / 255, 128});
       },
       "Conv"},
      {"two pairs behind one value, a reader of which is in float", 13,
       [](Graph& g, ValueId x) {
         const ValueId y = tiny::conv(g, x, 4);
         const ValueId sum = tiny::add(g, quantized(g, y, {4.0f / 255, 0}), quantized(g, y, {4.0f / 255, 0}));
         return tiny::add(g, sum, y);
       },
       "Conv Relu Add Add"},
      {"what is clamped stays so where it is pooled, moved and joined", 13,
       [](Graph& g, ValueId x) {
         const Grid grid{4.0f / 255, 0};
         const ValueId y = quantized(g, tiny::conv(g, x, 4), grid);
         const ValueId pooled = quantized(g, tiny::max_pool(g, y), grid);
         const ValueId joined =
             quantized(g, tiny::concat(g, {pooled, quantized(g, tiny::sigmoid(g, pooled), grid)}), grid);
         return quantized(g, tiny::global_average_pool(g, quantized(g, tiny::add(g, joined, joined), grid)),
                          grid);
       },
       "Conv Relu MaxPool Sigmoid Concat Add GlobalAveragePool"},
      {"the range of a Relu6 by chance", 13,
       [](Graph& g, ValueId x) {
         const ValueId y = quantized(g, tiny::relu(g, tiny::conv(g, x, 4)), {7.0f / 255, 0});
         return quantized(g, tiny::global_average_pool(g, y), {6.0f / 255, 0});
       },
       "Conv Relu GlobalAveragePool"},
      {"equal scales of all channels are one", 13,
       [](Graph& g, ValueId x) {
         const ValueId y = tiny::conv(g, x, 4), scales = tiny::constant_f(g, {0.02f, 0.02f, 0.02f, 0.02f}),
                       zeros =
                           tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(4, '\x80'), {4})),
                       zero =
                           tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x80'), {}));
         const tiny::Dims dims = tiny::value(g, y).dims;
         const ValueId q = tiny::node(g, "QuantizeLinear", {y, tiny::constant(g, 0.02f), zero}, {}, dims);
         ir::value_at(g, q).dtype = ir::DType::kUint8;
         const ValueId d = tiny::node(g, "DequantizeLinear", {q, scales, zeros}, {}, dims);
         ir::value_at(g, d).dtype = ir::DType::kFloat;
         return d;
       },
       "Conv"},
      {"a pair on either side of an activation function", 13,
       [](Graph& g, ValueId x) {
         const Grid grid{4.0f / 255, 0};
         return quantized(g, tiny::relu(g, quantized(g, tiny::conv(g, x, 4), grid)), grid);
       },
       "Conv Relu"},
      {"zeros around what is clamped, and the larger of two", 13,
       [](Graph& g, ValueId x) {
         const Grid grid{4.0f / 255, 0};
         const ValueId y = quantized(g, tiny::conv(g, x, 4), grid);
         const ValueId wide =
             quantized(g,
                       tiny::node(g, "Pad", {y, tiny::constant_i(g, {0, 0, 0, 0, 0, 4, 0, 0})}, {},
                                  tiny::Dims{1, 8, 9, 9}),
                       grid);
         const ValueId larger =
             tiny::node(g, "Max", {wide, tiny::concat(g, {x, y})}, {}, tiny::Dims{1, 8, 9, 9});
         return quantized(g, larger, grid);
       },
       "Conv Relu Pad Concat Max"},
      {"activation functions that are there", 13,
       [](Graph& g, ValueId x) {
         const ValueId y = quantized(g, tiny::relu(g, tiny::conv(g, x, 4)), {4.0f / 255, 0});
         const ValueId wide = tiny::mul(g, y, tiny::constant(g, 4.0f));
         return quantized(g, tiny::clip(g, wide, 0, 6), {6.0f / 255, 0});
       },
       "Conv Relu Mul Clip"},
  };
  for (const Case& one : kCases) check(one);
}

TEST_CASE("a mask of attention bounds nothing") {
  Graph g = tiny::graph();
  const ValueId x = tiny::input(g, "x", {1, 2, 9, 9}), mask = tiny::input(g, "mask", {1, 1, 9, 9});
  tiny::output(g, quantized(g, tiny::add(g, tiny::matmul(g, x, x), mask), {1e3f, 255}), "y");
  adopt::strip(g);
  CHECK(tiny::ops(g) == "MatMul Add");
}

TEST_CASE("pictures have no activation function in front") {
  Graph g = tiny::graph();
  const ValueId picture = quantized(g, tiny::input(g, "picture", {1, 9, 9, 3}), {1, 0});
  const ValueId scaled = quantized(g, tiny::mul(g, picture, tiny::constant(g, 1.0f / 255)), {1.0f / 255, 0});
  const ValueId moved = quantized(g, tiny::transpose(g, scaled, {0, 3, 1, 2}), {1.0f / 255, 0});
  tiny::output(g, quantized(g, tiny::conv(g, moved, 4), {4.0f / 255, 128}), "y");
  adopt::strip(g);
  CHECK(tiny::ops(g) == "Mul Transpose Conv");
}

}  // namespace
}  // namespace qc
