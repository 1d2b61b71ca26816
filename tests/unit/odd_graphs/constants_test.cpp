// Odd graphs whose constants stand beside layers, or in several: tables, tied weights, biases that are none,
// and what a budget counts of them.
#include <catch2/catch.hpp>

#include <algorithm>

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
using tiny::filled;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

TEST_CASE("a table of embeddings has 8 bits where its rows are rounded", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 40, 12});
  const ir::ValueId ids = node(g, "ArgMax", {x}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}),
                    rows = node(g, "Gather", {constant(g, random_tensor({40, 32}, 3)), ids}, {},
                                tiny::Dims{1, 12, 32}),
                    tokens = tiny::reshape(g, rows, {12, 32});
  ir::value_at(g, ids).dtype = ir::DType::kInt64;
  output(g, tiny::gemm(g, tiny::relu(g, tiny::gemm(g, tokens, 24)), 8), "y");
  const std::string model = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const ir::Tensor expected = ort_try::run(model, inputs)[0];
  for (const char* form : {"int8", "dynamic_range"}) {
    CAPTURE(form);
    std::vector<std::string> settings = lone_tflite("litert");
    settings.push_back(format("/output/tflite/form={}", form));
    settings.emplace_back(R"(/keep_float={"op_types": ["ArgMax"]})");
    const std::string tflite = convert_graph(g, settings).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    const auto gather = std::ranges::find(parsed.graphs[0].operators, std::string("GATHER"),
                                          [](const auto& op) { return std::string(op.op); });
    REQUIRE(gather != parsed.graphs[0].operators.end());
    CHECK(parsed.graphs[0].tensors[gather->inputs[0]].dtype == ir::DType::kInt8);
    CHECK(litert_db(expected, tflite, inputs) > 28);
  }
}

TEST_CASE("what a Gemm adds to every row is no bias", "[litert]") {
  for (const std::vector<int64_t>& added : {std::vector<int64_t>{3, 1}, {3, 8}}) {
    const Case one{
        "rows",
        [&](ir::Graph& g, ir::ValueId x) {
          const ir::ValueId rows = tiny::reshape(g, x, {3, 120});
          output(g,
                 node(g, "Gemm",
                      {rows, constant(g, random_tensor({120, 8}, 3)), constant(g, random_tensor(added, 4))}),
                 "y");
        },
        {},
        15};
    check(one);
    check({"both", one.build, kBoth, 15});
  }
}

TEST_CASE("a weight that two layers read along different axes is rounded right for both", "[litert]") {
  check({"tied matrices",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId w = constant(g, random_tensor({120, 20}, 5));
           const ir::ValueId code = tiny::relu(g, tiny::matmul(g, tiny::reshape(g, x, {3, 120}), w));
           output(g, node(g, "Gemm", {code, w}, {{"transB", int64_t{1}}}), "y");
         },
         kBoth, 28});
  check({"a convolution and its transpose",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId w = constant(g, random_tensor({6, 3, 3, 3}, 6));
           output(g, node(g, "ConvTranspose", {node(g, "Conv", {x, w}), w}), "y");
         },
         kBoth, 28});
}

TEST_CASE("the bias of a product of matrices of rank 3 is corrected in integers and in floats") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId rows = tiny::reshape(g, x, {1, 12, 30});
    const ir::ValueId product = tiny::matmul(g, rows, constant(g, random_tensor({30, 8}, 12)));
    output(g, tiny::add(g, product, constant(g, random_tensor({8}, 13, 2, 3))), "y");
  };
  check({"integers", build, {"/placement=full"}, 28});
  check({"floats on the grid", build, {"/placement=full", "/output/onnx/form=fake_quant"}, 28});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const ir::Graph written = read_graph(convert_graph(g, {"/placement=full"}).onnx);
  for (const ir::Node& one : written.nodes)
    if (one.op_type == "Add")
      for (const ir::ValueId v : one.inputs) CHECK(!ir::value_at(written, v).constant);
}

TEST_CASE("tables beside float nodes take 8 bits, but where the outputs would notice") {
  const std::vector<std::string> in_float{"/keep_float={\"op_types\":[\"Add\"]}"};
  const auto table_of = [&](const ir::Tensor& table, const std::vector<std::string>& settings) {
    ir::Graph g = tiny::graph();
    const ir::ValueId added = tiny::add(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8), constant(g, table));
    output(g, conv(g, added, 4), "y");
    const std::string model = onnx_io::write(g), written = convert_graph(g, settings).onnx;
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs)[0]) > 25);
    const ir::Graph read = read_graph(written);
    for (const ir::Value& value : read.values)
      if (value.constant && value.constant->size() == table.size()) return value.constant->dtype;
    return ir::DType::kUndefined;
  };
  const ir::Tensor table = random_tensor({1, 8, 12, 10}, 12);
  CHECK(table_of(table, in_float) == ir::DType::kInt8);
  std::vector<std::string> kept = in_float;
  kept.emplace_back(
      R"(/debug_config/network_editor=[{"filter": {"name": "*"}, "action": {"enable_weights_quantization": false}}])");
  CHECK(table_of(table, kept) == ir::DType::kFloat);
  std::vector<float> far(table.as<float>().begin(), table.as<float>().end());
  for (size_t c = 0; c < 8; ++c) far[c * 120] = 300;  // the rest of its channel falls on a few steps
  CHECK(table_of(ir::make_tensor(std::span<const float>(far), table.dims), in_float) == ir::DType::kFloat);
}

TEST_CASE(
    "tables on a stream that ends as an output take 8 bits, biases of matrices and what decodes do not") {
  const auto type_of = [&](const ir::Graph& g, int64_t size) {
    const std::string written =
        convert_graph(g, {"/placement=\"full\"", "/keep_float={\"op_types\":[\"Add\"]}"}).onnx;
    const ir::Graph read = read_graph(written);
    for (const ir::Value& value : read.values)
      if (value.constant && value.constant->size() == size) return value.constant->dtype;
    return ir::DType::kUndefined;
  };
  ir::Graph stream = tiny::graph();
  const ir::ValueId added = tiny::add(stream, conv(stream, input(stream, "x", {1, 3, 12, 10}), 8),
                                      constant(stream, random_tensor({1, 8, 12, 10}, 12)));
  output(stream, tiny::add(stream, added, conv(stream, added, 8)), "y");
  CHECK(type_of(stream, 960) == ir::DType::kInt8);
  ir::Graph last = tiny::graph();
  output(last,
         tiny::add(last, conv(last, input(last, "x", {1, 3, 12, 10}), 8),
                   constant(last, random_tensor({1, 8, 12, 10}, 12))),
         "y");
  CHECK(type_of(last, 960) == ir::DType::kFloat);
  ir::Graph matrices = tiny::graph();
  const auto product = [&](ir::ValueId x, int64_t from, int64_t to) {
    return node(matrices, "MatMul", {x, constant(matrices, random_tensor({from, to}, 5))});
  };
  const ir::ValueId biased = tiny::add(matrices, product(input(matrices, "x", {1, 6, 16}), 16, 600),
                                       constant(matrices, random_tensor({600}, 7)));
  output(matrices, product(biased, 600, 8), "y");
  CHECK(type_of(matrices, 600) != ir::DType::kInt8);
  ir::Graph attention = tiny::graph();  // positions in front of a Softmax are no bias
  const ir::ValueId tokens = tiny::relu(attention, input(attention, "x", {1, 4, 12, 16}));
  const ir::ValueId scores =
      tiny::matmul(attention, tokens, tiny::transpose(attention, tokens, {0, 1, 3, 2}));
  const ir::ValueId placed =
      tiny::add(attention, scores, constant(attention, random_tensor({1, 4, 12, 12}, 12)));
  const ir::ValueId mixed = tiny::matmul(attention, tiny::softmax(attention, placed), tokens);
  output(attention, tiny::matmul(attention, mixed, constant(attention, random_tensor({16, 8}, 5))), "y");
  CHECK(type_of(attention, 576) == ir::DType::kInt8);
}

TEST_CASE("a weight that layers share is written once, however an exporter spells that") {
  ir::Graph g = tiny::graph();
  const ir::ValueId weight = constant(g, random_tensor({64, 64}, 4));
  ir::ValueId v = input(g, "x", {1, 6, 64});
  for (const char* spelled : {"", "Identity", "Transpose"}) {
    const bool turned = spelled == std::string("Transpose");
    const ir::ValueId own = *spelled == 0 ? weight
                            : turned      ? tiny::transpose(g, tiny::transpose(g, weight, {1, 0}), {1, 0})
                                          : node(g, spelled, {weight}, {}, tiny::Dims{64, 64});
    const ir::ValueId product = node(g, "MatMul", {v, own}, {}, tiny::Dims{1, 6, 64});
    // Nothing is added: that leaves the weight as it is.
    v = node(g, "Tanh", {tiny::add(g, product, constant(g, filled({64}, 0)))}, {}, tiny::Dims{1, 6, 64});
  }
  output(g, v, "y");
  const std::string model = onnx_io::write(g);
  for (const char* mode : {"static", "dynamic", "weight_only", "float16"}) {
    const std::string written = convert_graph(g, {format("/mode={}", mode), "/placement=full"}).onnx;
    const ir::Graph read = read_graph(written);
    CHECK(std::ranges::count_if(read.values, [](const ir::Value& value) {
            return value.constant && value.constant->size() >= 4096;
          }) == 1);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs)[0]) > 20);
  }
}

TEST_CASE("a convolution whose weights are results is not joined to what rounds around it") {
  check({"filters of their own",
         [](ir::Graph& g, ir::ValueId x) {
           const tiny::Dims filters{8, 1, 1, 1};
           const ir::ValueId a = conv(g, x, 8),
                             k = tiny::reshape(g, tiny::global_average_pool(g, a), filters);
           const ir::ValueId filtered =
               node(g, "Conv", {a, k}, {{"group", int64_t{8}}}, tiny::Dims{1, 8, 12, 10});
           output(g, tiny::global_average_pool(g, filtered), "y");
         },
         {"/placement=full"},
         22});
}

TEST_CASE("a product of matrices of rank 3 has its bias in a .tflite that stands alone", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto layer = [&](ir::ValueId in, int64_t from, int64_t to, unsigned seed, bool first) {
      const ir::ValueId product =
                            tiny::matmul(g, in, constant(g, random_tensor({from, to}, seed, -0.3f, 0.3f))),
                        bias = constant(g, random_tensor({to}, seed + 1));
      return first ? tiny::add(g, bias, product) : tiny::add(g, product, bias);
    };
    const ir::ValueId rows = tiny::reshape(g, x, {1, 12, 30}),
                      hidden = tiny::relu(g, layer(rows, 30, 16, 12, true)),
                      far = node(g, "Clip",
                                 {layer(hidden, 16, 30, 14, false), constant(g, -0.7f), constant(g, 1.5f)});
    output(g, tiny::add(g, rows, far), "y");
  };
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const auto adds = [&](const std::vector<std::string>& settings) {
    return operators_of(convert_graph(g, settings).tflite, "ADD");
  };
  for (const char* target : {"int8", "litert", "tflm", "ethos-u"}) {
    check({target, build, lone_tflite(target), 34});
    CHECK(adds(lone_tflite(target)) == 1);
  }
  check({"both", build, kBoth, 28});
  CHECK(adds(kBoth) == 3);  // as ONNX Runtime rounds
}

TEST_CASE("a budget counts tables as the file stores them") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 3, 12, 10});
  const ir::ValueId places =
      tiny::node(g, "Cast", {tiny::node(g, "Mul", {tiny::node(g, "Abs", {x}), constant(g, 499.0f)})},
                 {{"to", int64_t{7}}});
  ir::value_at(g, places).dtype = ir::DType::kInt64;
  const ir::ValueId rows = node(g, "Gather", {constant(g, random_tensor({500, 64}, 5, -1.0f, 1.0f)), places},
                                {}, tiny::Dims{1, 3, 12, 10, 64});
  const ir::ValueId mean =
      node(g, "ReduceMean", {rows}, {{"axes", std::vector<int64_t>{1, 2, 3}}, {"keepdims", int64_t{0}}},
           tiny::Dims{1, 64});
  const ir::ValueId hidden = tiny::relu(
      g,
      tiny::matmul(g, tiny::reshape(g, x, {1, 360}), constant(g, random_tensor({360, 256}, 6, -0.1f, 0.1f))));
  output(g,
         tiny::add(g, tiny::matmul(g, hidden, constant(g, random_tensor({256, 10}, 7, -0.1f, 0.1f))),
                   tiny::matmul(g, mean, constant(g, random_tensor({64, 10}, 8, -0.1f, 0.1f)))),
         "y");
  // In 8 bits everything takes 130 kB and the table 32 of them; as floats it would take 128.
  const Files files =
      convert_graph(g, {"/placement=full", "/target_resource_utilization/weights_memory=80000"});
  CHECK(files.onnx.size() < 86000);
  CHECK(files.onnx.size() > 72000);
}

TEST_CASE("a budget counts float biases where the target has them") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 96)), 40), "y");
  const Files files = convert_graph(
      g, {"/target_platform_capabilities=tensorrt", "/target_resource_utilization/weights_memory=60%"});
  REQUIRE(!files.report.frontier.empty());
  int64_t written = 0;
  for (const report::FileBytes& file : files.report.files)
    for (const report::ByteRow& row : file.rows)
      if (row.kind == "weights" || row.kind == "bias" || row.kind == "scales" || row.kind == "constants")
        written += row.bytes;
  for (const auto& point : files.report.frontier)
    if (point.chosen) CHECK(point.bytes == written);
}

}  // namespace
}  // namespace qc::odd
