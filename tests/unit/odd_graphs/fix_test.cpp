// What fix makes of odd files that are quantized already.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "fix.h"
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

TEST_CASE("fix leaves in float what a file has there, where integers would cost an output much") {
  // Channels of very unlike scale, each as important behind the normalization.
  ir::Graph g = tiny::graph(17);
  const auto unlike = [&](std::vector<int64_t> dims, unsigned seed) {
    const ir::Tensor random = random_tensor(dims, seed);
    std::vector<float> weight(random.as<float>().begin(), random.as<float>().end());
    const size_t each = weight.size() / static_cast<size_t>(dims[0]);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] *= static_cast<float>(std::pow(10, (i / each) % 5));
    return constant(g, ir::make_tensor(std::span<const float>(weight), dims));
  };
  const std::vector<int64_t> around{1, 1, 1, 1};
  const ir::ValueId a =
      tiny::relu(g, node(g, "Conv", {input(g, "x", {1, 3, 12, 10}), unlike({20, 3, 3, 3}, 3)},
                         {{"pads", around}}, tiny::Dims{1, 20, 12, 10}));
  const ir::ValueId own = constant(g, random_tensor({20, 1, 3, 3}, 4));
  const ir::ValueId b =
      node(g, "Conv", {a, own}, {{"pads", around}, {"group", int64_t{20}}}, tiny::Dims{1, 20, 12, 10});
  // Each channel by its own size: none is small to what follows.
  const ir::ValueId size =
      node(g, "ReduceL2", {b}, {{"axes", std::vector<int64_t>{2, 3}}}, tiny::Dims{1, 20, 1, 1});
  output(g, conv(g, node(g, "Div", {b, size}, {}, tiny::Dims{1, 20, 12, 10}), 4), "y");
  const std::string model = onnx_io::write(g);
  const std::string mixed =
      convert_graph(
          g, {R"(/placement={"mode":"full","rules":[{"filter":{"op_type":"Conv"},"placement":"float"},)"
              R"({"filter":{"last":true},"placement":"integer"}]})"})
          .onnx;
  const auto db_of = [&](const std::string& file) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    return sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(file, inputs)[0]);
  };
  const auto fixed = [&](const std::vector<std::string>& settings) {
    return files_of(mixed, settings, {}, [](const ConvertOptions& options) { return fix(options, false); });
  };
  REQUIRE(db_of(mixed) > 25);
  CHECK(db_of(fixed({}).onnx) > 25);
  const Files full = fixed({"/placement=full"});
  CHECK(db_of(full.onnx) < 20);
  REQUIRE(full.report.warnings.size() == 1);
  CHECK(full.report.warnings[0].code == "float-is-closer");
}

// --- pieces of a file that is quantized

ir::ValueId number(ir::Graph& g, ir::DType type, char value) {
  return constant(g, ir::make_tensor(type, std::string(1, value), {}));
}

ir::ValueId floats(ir::Graph& g, ir::ValueId made) {
  ir::value_at(g, made).dtype = ir::DType::kFloat;
  return made;
}

// To uint8 and back.
ir::ValueId coded(ir::Graph& g, ir::ValueId v, const tiny::Dims& dims) {
  const ir::ValueId scale = constant(g, 0.03f), zero = number(g, ir::DType::kUint8, '\x80');
  const ir::ValueId rounded = node(g, "QuantizeLinear", {v, scale, zero}, {}, dims);
  ir::value_at(g, rounded).dtype = ir::DType::kUint8;
  return floats(g, node(g, "DequantizeLinear", {rounded, scale, zero}, {}, dims));
}

ir::ValueId stored_weight(ir::Graph& g, int64_t size, unsigned seed) {
  std::string integers;
  for (int k = 0; k < static_cast<int>(size * size); ++k)
    integers += static_cast<char>((k * 37 + static_cast<int>(seed)) % 251 - 125);
  const ir::ValueId stored = constant(g, ir::make_tensor(ir::DType::kInt8, integers, {size, size}));
  return floats(g, node(g, "DequantizeLinear", {stored, constant(g, 0.002f), number(g, ir::DType::kInt8, 0)},
                        {}, tiny::Dims{size, size}));
}

int64_t integer_products(const report::Report& report) {
  return std::ranges::count_if(report.nodes, [](const report::NodeRow& row) {
    return row.op_type == "MatMul" && row.compute == "integer";
  });
}

TEST_CASE("fix without images keeps products on integers whose results are floats in the file") {
  ir::Graph g = tiny::graph(17);
  const tiny::Dims dims{1, 8, 32};
  ir::ValueId v = input(g, "x", dims);
  for (unsigned block = 0; block < 3; ++block) {
    const ir::ValueId norm =
        node(g, "LayerNormalization", {v, constant(g, random_tensor({32}, block, 0.5f, 1.5f))}, {}, dims);
    const ir::ValueId read = coded(g, norm, dims);
    v = node(g, "Add", {node(g, "MatMul", {read, stored_weight(g, 32, block)}, {}, dims), v}, {}, dims);
  }
  output(g, v, "y");
  const std::string file = onnx_io::write(g);
  const Files fixed = fixed_without_images(file);
  CHECK(integer_products(fixed.report) == 3);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(file, 90);
  CHECK(sqnr_db(ort_try::run(file, inputs)[0], ort_try::run(fixed.onnx, inputs)[0]) > 60);
}

TEST_CASE("fix keeps the grids of all tokens where one of them is read in the end") {
  ir::Graph g = tiny::graph(17);
  const tiny::Dims dims{1, 8, 32};
  ir::ValueId v = coded(g, input(g, "x", dims), dims);
  for (unsigned layer = 0; layer < 2; ++layer)
    v = coded(g, node(g, "MatMul", {v, stored_weight(g, 32, layer)}, {}, dims), dims);
  output(g, node(g, "Gather", {v, constant(g, ir::scalar(int64_t{0}))}, {{"axis", int64_t{1}}}), "y");
  CHECK(integer_products(fixed_without_images(onnx_io::write(g)).report) == 2);
}

TEST_CASE("fix reports a lone .tflite by its own operators") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 6)), 4), "y");
  const std::string quantized = convert_graph(g, {"/placement=full"}).onnx;
  const Files fixed = files_of(quantized, lone_tflite("int8"), {},
                               [](const ConvertOptions& options) { return fix(options, false); });
  const report::Coverage found = report::coverage(fixed.report);
  CHECK(found.integer == found.nodes);
  for (const report::NodeRow& row : fixed.report.nodes) {
    CHECK(!row.verdict.empty());
    if (row.op_type != "Conv") continue;
    CHECK(row.verdict == "CONV_2D");
    CHECK(row.bytes * 3 < row.float_bytes);
  }
}

}  // namespace
}  // namespace qc::odd
