// The float model behind layers that round at run time: stock ONNX Runtime makes the same of both, but for
// that rounding.
#include <catch2/catch.hpp>

#include "adopt/run_time.h"
#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;

namespace {

using ir::ValueId;

constexpr int64_t kRows = 3, kIn = 16, kOut = 5;

ValueId bytes(ir::Graph& g, ir::DType dtype, tiny::Dims dims, unsigned seed) {
  std::string raw;
  for (int64_t i = 0; i < ir::element_count(dims); ++i) {
    seed = seed * 1664525 + 1013904223;
    raw += static_cast<char>(seed >> 24);
  }
  return tiny::constant(g, ir::make_tensor(dtype, raw, dims));
}

struct Rounded {
  ValueId integers, scale, zero;
};

Rounded round(ir::Graph& g, ValueId x) {
  const ValueId q = tiny::node(g, "DynamicQuantizeLinear", {x}, {}, ir::value_at(g, x).dims);
  const ir::NodeId node = ir::value_at(g, q).producer;
  const auto extra = [&](const char* name, ir::DType dtype) {
    const ValueId v = ir::add_value(g, name, dtype);
    ir::value_at(g, v).has_shape = true;
    ir::value_at(g, v).producer = node;
    ir::node_at(g, node).outputs.push_back(v);
    return v;
  };
  ir::value_at(g, q).dtype = ir::DType::kUint8;
  return {q, extra("scale", ir::DType::kFloat), extra("zero", ir::DType::kUint8)};
}

ValueId cast(ir::Graph& g, ValueId v) {
  ir::value_at(g, v).dtype = ir::DType::kInt32;
  const tiny::Dims dims = ir::value_at(g, v).dims;
  const ValueId floats = tiny::node(g, "Cast", {v}, {{"to", static_cast<int64_t>(ir::DType::kFloat)}}, dims);
  ir::value_at(g, floats).dtype = ir::DType::kFloat;
  return floats;
}

ir::Graph start() {
  ir::Graph g = tiny::graph(17);
  g.opset_imports.emplace_back("com.microsoft", 1);
  return g;
}

void check_floats(ir::Graph g, const std::string& ops) {
  const std::string rounding = onnx_io::write(g);
  CHECK_FALSE(adopt::rounding_at_run_time(g).empty());
  CHECK(adopt::float_run_time_layers(g) == 1);
  CHECK(adopt::rounding_at_run_time(g).empty());
  CHECK(tiny::ops(g) == ops);
  const auto inputs = ort_try::random_inputs(rounding, 5);
  CHECK(ort_try::max_relative_error(ort_try::run(onnx_io::write(g), inputs)[0],
                                    ort_try::run(rounding, inputs)[0]) < 0.03);
}

}  // namespace

TEST_CASE("MatMulInteger with a scale and a zero point for each channel is MatMul with floats") {
  ir::Graph g = start();
  const Rounded x = round(g, tiny::input(g, "x", {kRows, kIn}));
  const ValueId w = bytes(g, ir::DType::kInt8, {kIn, kOut}, 1), z = bytes(g, ir::DType::kInt8, {kOut}, 2);
  const ValueId sums =
      cast(g, tiny::node(g, "MatMulInteger", {x.integers, w, x.zero, z}, {}, tiny::Dims{kRows, kOut}));
  const ValueId scales = tiny::constant(g, tiny::random_tensor({kOut}, 3, 0.01f, 0.1f));
  tiny::output(g, tiny::node(g, "Mul", {sums, tiny::node(g, "Mul", {x.scale, scales}, {}, tiny::Dims{kOut})}),
               "y");
  check_floats(g, "MatMul");
}

TEST_CASE("ConvInteger is Conv with its attributes, where scales lie along the channels") {
  const bool each = GENERATE(false, true);
  ir::Graph g = start();
  const Rounded x = round(g, tiny::input(g, "x", {1, 2, 6, 6}));
  const ValueId w = bytes(g, ir::DType::kUint8, {kOut, 2, 3, 3}, 1), z = bytes(g, ir::DType::kUint8, {}, 2);
  const ValueId sums =
      cast(g, tiny::node(g, "ConvInteger", {x.integers, w, x.zero, z},
                         {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, tiny::Dims{1, kOut, 6, 6}));
  const tiny::Dims along = each ? tiny::Dims{kOut, 1, 1} : tiny::Dims{};
  const ValueId scales = tiny::constant(g, tiny::random_tensor(along, 3, 0.01f, 0.1f));
  tiny::output(g,
               tiny::node(g, "Mul", {tiny::node(g, "Mul", {scales, x.scale}, {}, along), sums}, {},
                          tiny::Dims{1, kOut, 6, 6}),
               "y");
  check_floats(g, "Conv");
}

TEST_CASE("the runtime's own dynamic products are MatMul and Add") {
  const bool one_op = GENERATE(true, false);
  ir::Graph g = start();
  const ValueId x = tiny::input(g, "x", {kRows, kIn});
  const ValueId w = bytes(g, ir::DType::kInt8, {kIn, kOut}, 1);
  const ValueId scales = tiny::constant(g, tiny::random_tensor({kOut}, 3, 0.01f, 0.1f));
  const ValueId bias = tiny::constant(g, tiny::random_tensor({kOut}, 4));
  ValueId y;
  if (one_op) {
    y = tiny::node(g, "DynamicQuantizeMatMul", {x, w, scales, ir::kNone, bias}, {}, tiny::Dims{kRows, kOut});
  } else {
    const Rounded r = round(g, x);
    y = tiny::node(g, "MatMulIntegerToFloat", {r.integers, w, r.scale, scales, r.zero, ir::kNone, bias}, {},
                   tiny::Dims{kRows, kOut});
  }
  ir::node_at(g, ir::value_at(g, y).producer).domain = "com.microsoft";
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  tiny::output(g, y, "y");
  check_floats(g, "MatMul Add");
}

TEST_CASE("a scale along the rows of a product is none of its weight, and stays") {
  ir::Graph g = start();
  const Rounded x = round(g, tiny::input(g, "x", {kOut, kIn}));
  const ValueId w = bytes(g, ir::DType::kInt8, {kIn, kOut}, 1);
  const ValueId sums =
      cast(g, tiny::node(g, "MatMulInteger", {x.integers, w, x.zero}, {}, tiny::Dims{kOut, kOut}));
  const ValueId scales = tiny::constant(g, tiny::random_tensor({kOut, 1}, 3, 0.01f, 0.1f));
  tiny::output(
      g, tiny::node(g, "Mul", {sums, tiny::node(g, "Mul", {x.scale, scales}, {}, tiny::Dims{kOut, 1})}), "y");
  CHECK(adopt::float_run_time_layers(g) == 0);
  CHECK(adopt::rounding_at_run_time(g).size() == 2);
}
