// Weights of MatMulNBits as floats: stock ONNX Runtime makes the same of both.
#include <catch2/catch.hpp>

#include "adopt/adopt.h"
#include "adopt/unfold.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;

namespace {

ir::ValueId bytes(ir::Graph& g, tiny::Dims dims, unsigned seed) {
  std::string raw;
  for (int64_t i = 0; i < ir::element_count(dims); ++i) {
    seed = seed * 1664525 + 1013904223;
    raw += static_cast<char>(seed >> 24);
  }
  return tiny::constant(g, ir::make_tensor(ir::DType::kUint8, raw, dims));
}

struct Case {
  int64_t bits, columns;
  bool zeros, bias;
};

}  // namespace

TEST_CASE("MatMulNBits is MatMul with the floats that its blocks stand for") {
  const auto c = GENERATE(Case{4, 64, false, false}, Case{4, 96, true, false}, Case{4, 80, true, true},
                          Case{8, 64, true, false}, Case{8, 40, false, true});
  CAPTURE(c.bits, c.columns, c.zeros, c.bias);
  ir::Graph g = tiny::graph(17);
  g.opset_imports.emplace_back("com.microsoft", 1);
  const int64_t rows = 6, block = 32, blocks = (c.columns + block - 1) / block;
  const auto x = tiny::input(g, "x", {3, c.columns});
  const auto w = bytes(g, {rows, blocks, block * c.bits / 8}, 1);
  const auto scales = tiny::constant(g, tiny::random_tensor({rows * blocks}, 2, 0.01f, 0.1f));
  const auto zeros = c.zeros ? bytes(g, {rows * ((blocks * c.bits + 7) / 8)}, 3) : ir::kNone;
  const auto bias = c.bias ? tiny::constant(g, tiny::random_tensor({rows}, 4)) : ir::kNone;
  const auto y = tiny::node(g, "MatMulNBits", {x, w, scales, zeros, ir::kNone, bias},
                            {{"K", c.columns}, {"N", rows}, {"bits", c.bits}, {"block_size", block}},
                            tiny::Dims{3, rows});
  g.nodes.back().domain = "com.microsoft";
  tiny::output(g, y, "y");
  const std::string packed = onnx_io::write(g);
  CHECK(adopt::unreadable_weights(g) == 1);
  adopt::unfold_matmuls(g);
  CHECK(adopt::unreadable_weights(g) == 0);
  CHECK(tiny::ops(g) == (c.bias ? "MatMul Add" : "MatMul"));
  const auto inputs = ort_try::random_inputs(packed, 5);
  CHECK(ort_try::max_relative_error(ort_try::run(packed, inputs)[0],
                                    ort_try::run(onnx_io::write(g), inputs)[0]) < 1e-5);
}
