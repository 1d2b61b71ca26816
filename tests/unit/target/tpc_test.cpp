// TargetPlatformCapabilities of MCT, read as they are: two small files in the two schemas, and broken ones.
#include <catch2/catch.hpp>
#include <filesystem>

#include "base/files.h"
#include "ir/ops.h"
#include "support/tiny_models.h"
#include "target/target.h"

namespace qc {
namespace {

using target::Grid;
using target::OpKind;
using target::TargetSpec;

std::string text_of(const char* name) {
  return read_file(std::filesystem::path(QCONVERT_SOURCE) / "tests/data/targets" / name);
}

std::vector<Problem> problems_of(const std::string& text) {
  try {
    target::parse(text, "tpc.json", "tpc");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUsage);
    return error.problems;
  }
  return {};
}

// The first occurrence of `from` replaced.
std::string changed(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a TPC of schema 1 becomes rules for ONNX ops") {
  const TargetSpec t = target::parse(text_of("tpc_schema_1.json"), "toycam.json", "toycam");
  CHECK(t.name == "toycam");
  CHECK_THAT(t.description, Catch::Contains("toycam") && Catch::Contains("schema 1"));
  CHECK(t.activations.grid() == Grid::kPowerOfTwo);
  CHECK_FALSE(t.weights.power_of_two);
  CHECK(t.weights.per_channel);
  CHECK_FALSE(t.weights.narrow_range);  // MCT's -128 is used
  CHECK(t.weight_widths == std::map<int, bool>{{2, true}, {4, true}, {8, false}});
  for (const char* op : {"Conv", "Gemm", "MatMul"}) CHECK(t.ops.at(op).kind == OpKind::kWeighted);
  for (const char* op : {"Add", "Relu", "Clip", "Sigmoid", "Mul"})  // the last two by default_qco
    CHECK(t.ops.at(op).kind == OpKind::kCompute);
  for (const char* op : {"MaxPool", "Reshape"}) CHECK(t.ops.at(op).kind == OpKind::kMove);
  CHECK(t.ops.at("ArgMax").kind == OpKind::kFloat);
  CHECK(t.ops.at("ConvTranspose").kind == OpKind::kFloat);  // default_qco has no kernel
  REQUIRE(t.fusing.size() == 2);
  CHECK(t.fusing[0].steps ==
        std::vector<std::vector<std::string>>{{"Conv"}, {"Relu", "Clip"}});  // Depthwise is Conv as well
  CHECK(target::to_json(target::parse(target::to_json(t), "x.json", "x")) == target::to_json(t));
  for (const char* part : {"8, 4 (codebook), 2 (codebook) bits", "Conv, then Relu/Clip", "half way"})
    CHECK_THAT(target::describe(t), Catch::Contains(part));
}

TEST_CASE("a TPC of schema 2 says grids, signs, widths and fixed parameters op by op") {
  const TargetSpec t = target::parse(text_of("tpc_schema_2.json"), "toynpu.json", "toynpu");
  CHECK(t.activations.grid() == Grid::kCentred);
  CHECK(t.ops.at("Conv").result == Grid::kUniform);  // of its candidates the widest that files hold
  CHECK(t.ops.at("Conv").input_bits == std::vector<int>{8, 16});
  CHECK_FALSE(t.ops.at("Conv").per_channel);
  CHECK(t.ops.at("Sigmoid").result == Grid::kPowerOfTwo);
  CHECK(t.ops.at("Sigmoid").signedness == target::Signedness::kUnsigned);
  CHECK(t.ops.at("HardSwish").signedness == target::Signedness::kSigned);
  CHECK_FALSE(t.ops.at("HardSwish").result.has_value());
  CHECK(t.known_ranges.at("Softmax") == std::pair(0.0, 255.0 / 256));
  CHECK(t.ops.at("Concat").same_input_scale);
  CHECK(t.ops.at("Transpose").kind == OpKind::kMove);
  CHECK(t.ops.at("Exp").kind == OpKind::kFloat);
  CHECK(t.ops.at("Gather").kind == OpKind::kFloat);
  CHECK_THAT(t.ops.at("Gather").sentence, Catch::Contains("16 bits"));
  CHECK(t.weight_widths == std::map<int, bool>{{4, false}, {8, false}});
  REQUIRE(t.fusing.size() == 2);  // the third rounds inside to 8 bits, as if it were none
  CHECK(t.fusing[0].name == "Conv_act");
  CHECK(t.fusing[1].steps.size() == 3);
  CHECK(target::to_json(target::parse(target::to_json(t), "x.json", "x")) == target::to_json(t));
}

TEST_CASE("activation widths of a TPC are what a budget may choose from") {
  const TargetSpec t = target::parse(text_of("tpc_widths.json"), "mixcam.json", "mixcam");
  const std::map<int, Grid> widths{{4, Grid::kPowerOfTwo}, {8, Grid::kPowerOfTwo}, {16, Grid::kPowerOfTwo}};
  for (const char* op : {"Conv", "Gemm", "Add", "Clip", "HardSwish"})
    CHECK(t.ops.at(op).result_widths == widths);
  for (const char* op : {"Flatten", "Sigmoid", "MaxPool"}) CHECK(t.ops.at(op).result_widths.empty());
  CHECK(t.activations.bits == 8);
  CHECK(target::to_json(target::parse(target::to_json(t), "x.json", "x")) == target::to_json(t));
  CHECK_THAT(target::describe(t), Catch::Contains("A budget chooses 4 or 8 or 16 bits"));
  const std::vector<Problem> wrong = problems_of(
      R"({"name": "x", "based_on": "int8", "ops": {"Conv": {"result_widths": {"12": "uniform", "4": "odd"}}}})");
  REQUIRE(wrong.size() == 2);
  CHECK_THAT(wrong[0].place, Catch::Contains("/ops/Conv/result_widths/12"));
  CHECK_THAT(wrong[0].remedy, Catch::Contains("2 to 8, or 16"));
  CHECK_THAT(wrong[1].remedy, Catch::Contains("power_of_two"));
  // A width that not every width of weights stands beside is none that can be chosen by itself.
  CHECK(target::parse(text_of("tpc_schema_2.json"), "t.json", "t").ops.at("Conv").result_widths.empty());
}

struct Broken {
  const char *from, *to, *code, *place, *words;
};
const Broken kBroken[] = {
    {"\"SCHEMA_VERSION\": 1", "\"SCHEMA_VERSION\": 7", "bad-value", "/SCHEMA_VERSION", "7"},
    {"\"default_qco\"", "\"default_qcos\"", "unknown-key", "/default_qcos", "unknown"},
    {"\"name\": \"Conv\"", "\"name\": \"Convv\"", "unknown-operator-set", "/operator_set/0/name", "Convv"},
    {"\"name\": \"MaxPool\"", "\"name\": \"Conv\"", "named-twice", "/operator_set/3/name", "two"},
    {"\"activation_quantization_method\": 0", "\"activation_quantization_method\": 1", "target-cannot",
     "/default_qco", "codebook"},
    {"\"activation_quantization_method\": 0", "\"activation_quantization_method\": \"POT\"", "wrong-type",
     "/default_qco", "whole number"},
    {"\"activation_n_bits\": 8", "\"activation_n_bits\": 16", "target-cannot", "/default_qco", "8 bits"},
    {"\"simd_size\": 32", "\"simd_sise\": 32", "unknown-key", "simd_sise", "unknown"},
    {"\"signedness\": 0", "\"signedness\": 3", "bad-value", "signedness", "3"},
    {"\"fixed_scale\": null", "\"fixed_scale\": -1", "bad-value", "fixed_scale", "-1"}};

TEST_CASE("a TPC may treat depthwise convolutions unlike others, which are the same op in ONNX") {
  const std::string alike = text_of("tpc_schema_1.json");
  CHECK_FALSE(target::parse(alike, "toycam.json", "toycam").ops.contains("Conv:depthwise"));
  const size_t at = alike.find("\"weights_per_channel_threshold\": true",
                               alike.find("\"base_config\": {", alike.find("\"DepthwiseConv2D\"")));
  REQUIRE(at != std::string::npos);
  const TargetSpec t = target::parse(alike.substr(0, at) + changed(alike.substr(at), "true", "false"),
                                     "toycam.json", "toycam");
  CHECK(target::rule_for(t, "Conv").per_channel);
  CHECK_FALSE(target::rule_for(t, "Conv:depthwise").per_channel);
  CHECK(target::rule_for(t, "Gemm:depthwise").op_type == "Gemm");  // nothing of its own is said
  CHECK_THAT(target::describe(t), Catch::Contains("Conv:depthwise"));
  CHECK(target::to_json(target::parse(target::to_json(t), "x.json", "x")) == target::to_json(t));

  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 8, 6, 6});
  const ir::ValueId y = tiny::conv(graph, tiny::conv(graph, x, 8, {.groups = 8}), 4);
  tiny::output(graph, y, "y");
  std::vector<std::string> names;
  for (const ir::NodeId id : ir::topological_order(graph))
    names.emplace_back(ir::rule_name(graph, ir::node_at(graph, id)));
  CHECK(names == std::vector<std::string>{"Conv:depthwise", "Conv"});
}

TEST_CASE("what is wrong in a TPC is named with its place and a remedy") {
  const std::string good = text_of("tpc_schema_1.json");
  CHECK(problems_of(good).empty());
  for (const Broken& broken : kBroken) {
    CAPTURE(broken.from, broken.to);
    const std::vector<Problem> problems = problems_of(changed(good, broken.from, broken.to));
    REQUIRE_FALSE(problems.empty());
    const auto named = std::find_if(problems.begin(), problems.end(),
                                    [&](const Problem& p) { return p.code == broken.code; });
    REQUIRE(named != problems.end());
    CHECK_THAT(named->place, Catch::Contains("tpc.json") && Catch::Contains(broken.place));
    CHECK_THAT(named->cause, Catch::Contains(broken.words));
    CHECK_FALSE(named->remedy.empty());
  }
}

TEST_CASE("candidates without a base and kernels that integer kernels cannot take are refused") {
  const std::string good = text_of("tpc_schema_1.json");
  // The first candidate of Conv and the base alike: power of two here, around zero in the other sets.
  const std::string unlike = changed(good, "\"base_config\": {", "\"base_confif\": {");
  const std::vector<Problem> missing = problems_of(unlike);
  CHECK(
      std::any_of(missing.begin(), missing.end(), [](const Problem& p) { return p.code == "missing-key"; }));
  std::string uniform = good;
  for (size_t at = 0; (at = uniform.find("\"weights_quantization_method\": 2", at)) != std::string::npos;)
    uniform.replace(at, 32, "\"weights_quantization_method\": 3");
  const std::vector<Problem> problems = problems_of(uniform);
  REQUIRE_FALSE(problems.empty());
  CHECK_THAT(problems[0].cause, Catch::Contains("around zero"));
  CHECK_THAT(problems[0].remedy, Catch::Contains("weights_quantization_method"));
}

}  // namespace
}  // namespace qc
