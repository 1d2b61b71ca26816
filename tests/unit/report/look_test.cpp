// inspect and compare on real files: the sample, and tiny graphs written for the purpose.
#include <catch2/catch.hpp>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "compare.h"
#include "describe/assemble_report.h"
#include "inspect.h"
#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "quantized_nodes.h"
#include "support/branches.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

const std::filesystem::path kSample = std::filesystem::path(QCONVERT_TESTS) / "data" / "sample";

const report::InspectedNode& row(const report::Inspection& found, const std::string& name) {
  const auto same = [&](const report::InspectedNode& node) { return node.node == name; };
  const auto at = std::find_if(found.nodes.begin(), found.nodes.end(), same);
  REQUIRE(at != found.nodes.end());
  return *at;
}

// x -> Q -> DQ -> Conv (int8 weight behind DQ) -> Q -> DQ -> y
ir::Graph quantized_conv() {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto pair = [&](ir::ValueId value, float scale) {
    const ir::ValueId s = tiny::constant(g, ir::scalar(scale));
    const ir::ValueId z = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x80'), {}));
    return tiny::node(g, "DequantizeLinear", {tiny::node(g, "QuantizeLinear", {value, s, z}), s, z});
  };
  const std::vector<int8_t> integers(4 * 3 * 3 * 3, 5);
  const ir::ValueId w = tiny::constant(g, ir::make_tensor(integers, {4, 3, 3, 3}));
  const ir::ValueId scales = tiny::constant_f(g, {0.1f, 0.2f, 0.3f, 0.4f});
  const ir::ValueId zeros = tiny::constant(g, ir::make_tensor(std::vector<int8_t>(4, 0), {4}));
  const ir::ValueId weight =
      tiny::node(g, "DequantizeLinear", {w, scales, zeros}, {{"axis", int64_t{0}}}, tiny::Dims{4, 3, 3, 3});
  const ir::ValueId y = tiny::node(g, "Conv", {pair(x, 0.5f), weight},
                                   {{"kernel_shape", std::vector<int64_t>{3, 3}}}, tiny::Dims{1, 4, 6, 6});
  tiny::output(g, pair(y, 0.25f), "y");
  return g;
}

std::filesystem::path write(const ir::Graph& graph, const TemporaryFile& file) {
  write_file_atomically(file.path(), onnx_io::write(graph));
  return file.path();
}

CompareOptions sample_against(const std::filesystem::path& b) {
  CompareOptions options;
  options.models = {kSample / "model.onnx", b};
  options.config = kSample / "config.json";
  options.max_images = 12;
  options.latency_rounds = 0;
  options.threads = 2;
  return options;
}

}  // namespace

TEST_CASE("inspect counts what is in the sample and what becomes of it", "[inspect]") {
  const report::Inspection found = inspect(kSample / "model.onnx", "int8");
  CHECK_FALSE(found.quantized);
  CHECK(found.file_size == static_cast<int64_t>(std::filesystem::file_size(kSample / "model.onnx")));
  CHECK(found.inputs.at(0).shape == "[batch,3,32,32]");
  const report::InspectedNode& conv = row(found, "stem/conv");
  CHECK(conv.parameters == 16 * 3 * 3 * 3);
  CHECK(conv.constant_bytes == conv.parameters * 4);
  // int8, a float scale for each channel, and the bias that the BatchNormalization becomes.
  CHECK(conv.quantized_bytes == conv.parameters + 16 * 4 + 16 * 4);
  CHECK(conv.macs == int64_t{16 * 3 * 3 * 3} * 32 * 32);
  CHECK(conv.could_be_integer);
  CHECK(row(found, "stem/norm").reason == "becomes part of stem/conv");
  CHECK_FALSE(row(found, "block3/depthwise/hardsigmoid").could_be_integer);
  CHECK(found.as_stored.activations == 4 * found.on_target.activations.value());
  CHECK(found.as_stored.bops == static_cast<double>(found.macs.value()) * 32 * 32);
  CHECK(found.on_target.bops == static_cast<double>(found.macs.value()) * 8 * 8);
  CHECK(row(found, "stem/norm").quantized_bytes == 0);
}

TEST_CASE("inspect sees a ConvTranspose as what a conversion makes of it", "[inspect]") {
  const auto found_with = [](int64_t kernel) {
    ir::Graph g = tiny::graph();
    tiny::output(g, tiny::conv_transpose(g, tiny::input(g, "x", {1, 8, 6, 6}), 8,
                                         {.kernel = kernel, .stride = 2, .pad = 0}));
    const TemporaryFile file(".onnx");
    return inspect(write(g, file), "int8").nodes.at(0);
  };
  CHECK(found_with(4).could_be_integer);
  CHECK(found_with(4).reason.empty());
  CHECK_FALSE(found_with(2).could_be_integer);  // slower so
  CHECK(found_with(2).reason == "ONNX Runtime has no integer kernel for ConvTranspose");
}

TEST_CASE("a node that became several is explained as all of them", "[inspect]") {
  report::Report report;
  for (const char* name : {"up", "up/depth_to_space", "fused"}) {
    report.nodes.emplace_back();
    report.nodes.back().node = name;
  }
  report.nodes[1].made_from = {"up"};
  report.nodes[2].made_from = {"norm"};
  const std::string text = explain(report, {"up"});
  CHECK_THAT(text, Catch::Contains("up/depth_to_space ("));
  CHECK_THAT(text, !Catch::Contains("became part of"));
  CHECK_THAT(explain(report, {"norm"}), Catch::Contains("norm\n  became part of fused"));
}

TEST_CASE("inspect says which kernels a quantized file gets and counts weights where they are read",
          "[inspect]") {
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(quantized_conv(), file), "int8");
  REQUIRE(found.quantized);
  const auto conv = std::find_if(found.nodes.begin(), found.nodes.end(),
                                 [](const report::InspectedNode& node) { return node.op_type == "Conv"; });
  CHECK(conv->kernel == "QLinearConv");
  CHECK(conv->integer_kernel);
  CHECK(conv->weight_params == "int8, 4 scales");
  CHECK(conv->constant_bytes == 4 * 3 * 3 * 3 + 4 * 4 + 4);  // integers, scales, zero points
}

TEST_CASE("inspect finds the weights of float layers behind Cast and Mul", "[inspect]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId scale = tiny::constant(g, ir::scalar(0.5f));
  const ir::ValueId zero = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x80'), {}));
  const ir::ValueId rounded =
      tiny::node(g, "DequantizeLinear", {tiny::node(g, "QuantizeLinear", {x, scale, zero}), scale, zero});
  const ir::ValueId w = tiny::constant(g, ir::make_tensor(std::vector<int8_t>(4 * 3, 5), {4, 3, 1, 1}));
  const ir::ValueId scales = tiny::constant(g, ir::make_tensor(std::vector<float>(4, 0.1f), {4, 1, 1, 1}));
  const ir::ValueId cast =
      tiny::node(g, "Cast", {w}, {{"to", static_cast<int64_t>(ir::DType::kFloat)}}, tiny::Dims{4, 3, 1, 1});
  const ir::ValueId weight = tiny::node(g, "Mul", {cast, scales}, {}, tiny::Dims{4, 3, 1, 1});
  tiny::output(g, tiny::node(g, "Conv", {rounded, weight}, {}, tiny::Dims{1, 4, 8, 8}), "y");
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(g, file), "int8");
  int64_t working = 0;
  for (const report::InspectedNode& node : found.nodes) {
    if (node.op_type != "QuantizeLinear" && node.op_type != "DequantizeLinear" && !node.unpacks) ++working;
    if (node.op_type != "Conv") continue;
    CHECK(node.weight_params == "int8, 4 scales");
    CHECK(node.constant_bytes == 12 + 16);
    CHECK(node.macs == 3 * 4 * 8 * 8);
    CHECK(node.kernel == "Conv (float)");
    CHECK_FALSE(node.integer_kernel);
  }
  CHECK(working == 1);
  REQUIRE(found.largest.size() == 2);  // y and x as integers; neither the weight nor x once more
  CHECK(found.largest[0].bytes == 4 * 8 * 8 * 4);
  CHECK(found.largest[1].bytes == 3 * 8 * 8);
  CHECK(found.as_stored.activations == 4 * 8 * 8 * 4 + 3 * 8 * 8);
  CHECK(found.as_stored.constants == 12 + 16 + 4 + 1);  // and x's scale and zero point
  CHECK(found.as_stored.bops == 3.0 * 4 * 64 * 8 * 8);
}

TEST_CASE("inspect knows the most bytes of activations alive at once", "[inspect]") {
  // x (4 x 16) lives until the Add: at the second Relu x, a and b are alive, at the Add x, b and the sum.
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 4, 4});
  const ir::ValueId a = tiny::node(g, "Sigmoid", {x}), b = tiny::node(g, "Tanh", {a});
  tiny::output(g, tiny::node(g, "Add", {x, b}), "y");
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(g, file), "int8");
  CHECK(found.as_stored.activations == 3 * 64 * 4);
  CHECK(found.on_target.activations == 3 * 64);
}

TEST_CASE("inspect counts what a quantized file rounds with the bits of its integers", "[inspect]") {
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(quantized_conv(), file), "int8");
  CHECK(found.as_stored.activations ==
        3 * 8 * 8 + 4 * 6 * 6);  // as uint8, of which the Conv reads and writes
  CHECK(found.as_stored.bops == 4.0 * 27 * 36 * 8 * 8);
  CHECK(found.as_stored.total() == found.as_stored.constants + 3 * 8 * 8 + 4 * 6 * 6);
  CHECK(found.largest.at(0).bytes == 3 * 8 * 8);
}

TEST_CASE("inspect counts products that round at run time", "[inspect]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {2, 16});
  const ir::ValueId w = tiny::constant(g, ir::make_tensor(std::vector<int8_t>(16 * 8, 5), {16, 8}));
  const ir::ValueId scale = tiny::constant_f(g, {0.1f});
  const ir::ValueId product = tiny::node(g, "DynamicQuantizeMatMul", {x, w, scale}, {}, tiny::Dims{2, 8});
  ir::node_at(g, ir::value_at(g, product).producer).domain = "com.microsoft";
  g.opset_imports.emplace_back("com.microsoft", 1);
  tiny::output(g, product, "y");
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(g, file), "int8");
  CHECK(found.quantized);
  CHECK(found.macs == 2 * 16 * 8);
  CHECK(found.as_stored.bops == 2.0 * 16 * 8 * 8 * 8);
  CHECK(found.as_stored.activations == 4 * (2 * 16 + 2 * 8));
}

TEST_CASE("inspect counts weights in bodies, and no products that depend on what is run", "[inspect]") {
  const auto layer = [](const std::string& result, const std::string& outer) {
    return [=](ir::Graph& b) {
      const auto w = outer.empty() ? tiny::constant(b, tiny::random_tensor({4, 16}, 5), result + "_w")
                                   : tiny::input(b, outer, {4, 16});
      tiny::output(b, tiny::node(b, "MatMul", {tiny::input(b, "x", {1, 4}), w}, {}, tiny::Dims{1, 16}),
                   result);
    };
  };
  ir::Graph g = tiny::graph();
  tiny::input(g, "x", {1, 4});
  tiny::constant(g, tiny::random_tensor({4, 16}, 6), "shared");
  const ir::ValueId flag = tiny::input(g, "flag", {}, ir::DType::kBool);
  tiny::output(g, tiny::if_node(g, flag, layer("t", ""), layer("e", "shared"), {1, 16}), "y");
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(g, file), "int8");
  REQUIRE(found.nodes.size() == 1);
  CHECK(found.nodes[0].parameters == 2 * 4 * 16);
  CHECK(found.nodes[0].constant_bytes == 2 * 4 * 16 * 4);
  CHECK(found.as_stored.constants == 2 * 4 * 16 * 4);
  CHECK(found.on_target.constants == 2 * 4 * 16 * 4);  // nothing in bodies is quantized
  CHECK_FALSE(found.macs);
  CHECK_FALSE(found.as_stored.bops);
  CHECK_FALSE(found.on_target.bops);
}

TEST_CASE("inspect shows bits and scales of a quantized file", "[inspect]") {
  const ir::Graph g = quantized_conv();
  CHECK(is_quantized(g));
  const TemporaryFile file(".onnx");
  const report::Inspection found = inspect(write(g, file), "int8");
  CHECK(found.quantized);
  const auto conv = std::find_if(found.nodes.begin(), found.nodes.end(),
                                 [](const auto& node) { return node.op_type == "Conv"; });
  REQUIRE(conv != found.nodes.end());
  CHECK(conv->weight_params == "int8, 4 scales");
  CHECK(conv->output_params == "uint8 scale 0.25 zero_point 128");
  CHECK(conv->macs == 4 * 27 * 36);
  CHECK(conv->constant_bytes == 4 * 27 + 4 * 4 + 4);  // integers, scales, zero points
}

TEST_CASE("a model compared with itself is exact and agrees", "[compare]") {
  CompareOptions options = sample_against(kSample / "model.onnx");
  options.labels = kSample / "labels.csv";
  options.per_class = true;
  options.gates = {"sqnr_db >= 100", "top1_drop<=0", "size_ratio < 1.5"};
  const CompareResult result = compare(options);
  CHECK(result.gates_hold);
  CHECK(result.comparison.gates.size() == 3);
  CHECK(result.comparison.images == 12);
  const report::ComparedModel& same = result.comparison.models.at(1);
  CHECK(same.outputs.at(0).sqnr_db >= 200);
  CHECK(same.outputs.at(0).max_abs_error == 0);
  CHECK(same.agreement == 1.0);
  REQUIRE(same.labelled);
  CHECK(same.labelled->images == 12);
  CHECK(same.labelled->difference == 0);
  CHECK(same.size == result.comparison.models[0].size);
  CHECK(same.compressed_size > 0);
  CHECK(same.compressed_size < same.size);
  int64_t images = 0;
  for (const report::ClassAccuracy& one : same.classes) images += one.images;
  CHECK(images == 12);
}

TEST_CASE("three models are timed by turns and weighed, and each is judged against the first", "[compare]") {
  CompareOptions options = sample_against(kSample / "model.onnx");
  options.models.push_back(kSample / "model.onnx");
  options.latency_rounds = 6;
  options.gates = {"sqnr_db > 300", "latency_ms < 10000 ms"};
  const CompareResult result = compare(options);
  CHECK_FALSE(result.gates_hold);
  REQUIRE(result.comparison.models.size() == 3);
  CHECK(result.comparison.models[2].letter == "C");
  CHECK(result.comparison.models[0].outputs.empty());
  CHECK(result.comparison.models[2].outputs.size() == 1);
  for (const report::ComparedModel& model : result.comparison.models) {
    REQUIRE(model.one_thread);
    REQUIRE(model.all_threads);
    CHECK(model.one_thread->rounds == 6);
    CHECK(model.all_threads->threads == 2);
    CHECK(model.one_thread->low_ms <= model.one_thread->median_ms);
    CHECK(model.one_thread->median_ms <= model.one_thread->high_ms);
    REQUIRE(model.peak_memory);
    CHECK(*model.peak_memory > 100'000);
  }
  REQUIRE(result.comparison.gates.size() == 4);  // two gates, two models
  CHECK_FALSE(result.comparison.gates[1].held);
  CHECK(result.comparison.gates[3].held);
}

TEST_CASE("compare does not depend on the thread count", "[compare]") {
  ir::Graph other = [] {
    Diagnostics ignored;
    return onnx_io::read(kSample / "model.onnx", ignored);
  }();
  for (ir::Value& value : other.values) {  // the first weight ten per cent larger
    if (!value.constant || value.constant->dtype != ir::DType::kFloat || value.constant->dims.size() != 4)
      continue;
    std::vector<float> larger(value.constant->as<float>().begin(), value.constant->as<float>().end());
    for (float& w : larger) w *= 1.1f;
    value.constant = ir::make_tensor(larger, value.constant->dims);
    break;
  }
  const TemporaryFile file(".onnx");
  CompareOptions options = sample_against(write(other, file));
  const report::Comparison two = compare(options).comparison;
  options.threads = 1;
  CHECK(report::to_json(compare(options).comparison) == report::to_json(two));
  CHECK(two.models.at(1).outputs.at(0).sqnr_db < 60);
  CHECK(two.models.at(1).outputs.at(0).max_abs_error > 0);
}

TEST_CASE("models whose ends do not correspond are told apart with both lists", "[compare]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "image", {1, 3, 32, 32});
  tiny::output(g, tiny::relu(g, x), "boxes");
  tiny::output(g, tiny::node(g, "Sigmoid", {x}), "scores");
  const TemporaryFile file(".onnx");
  try {
    compare(sample_against(write(g, file)));
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kInput);
    const std::string cause = error.problems.at(0).cause;
    CHECK(cause.find("'logits'") != std::string::npos);
    CHECK(cause.find("'boxes'") != std::string::npos);
    CHECK(cause.find("'scores'") != std::string::npos);
  }
}
