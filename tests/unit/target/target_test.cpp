// Target files: the shipped ones say what is known of ONNX Runtime, and a user's file is read strictly.
#include "target/target.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "base/files.h"

namespace qc {
namespace {

using target::OpKind;
using target::TargetSpec;

TEST_CASE("int8 has uint8 activations with zero point and symmetric int8 weights by channel") {
  const TargetSpec t = target::load("int8");
  CHECK(t.name == "int8");
  CHECK(t.activations.bits == 8);
  CHECK_FALSE(t.activations.is_signed);
  CHECK_FALSE(t.activations.symmetric);
  CHECK_FALSE(t.activations.per_channel);
  CHECK(t.weights.is_signed);
  CHECK(t.weights.symmetric);
  CHECK(t.weights.per_channel);
  CHECK(t.weights.narrow_range);
  CHECK(t.bias_bits == 32);
  CHECK(t.float_islands);
  // LiteRT's own scales, 1/256 and 1/128
  CHECK(t.known_ranges.at("Softmax") == std::pair(0.0, 255.0 / 256));
  CHECK(t.known_ranges.at("Sigmoid") == std::pair(0.0, 255.0 / 256));
  CHECK(t.known_ranges.at("HardSigmoid") == std::pair(0.0, 1.0));
  CHECK(t.known_ranges.at("Tanh") == std::pair(-1.0, 127.0 / 128));
}

struct Expected {
  OpKind kind;
  std::vector<const char*> ops;
};

// What ONNX Runtime's CPU kernels fuse (selector rules and measured matrix).
const Expected kExpected[] = {
    {OpKind::kWeighted, {"Conv", "Gemm", "MatMul"}},
    {OpKind::kCompute,
     {"Add", "Mul", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Concat", "Where", "Softmax",
      "ArgMax"}},
    {OpKind::kMove,
     {"MaxPool", "Reshape", "Flatten", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Expand", "Tile",
      "Gather", "GatherElements", "DepthToSpace", "ReduceMax", "ReduceMin", "Split", "Resize"}},
    {OpKind::kActivation, {"Relu", "Clip"}},
    {OpKind::kFloat,
     {"ConvTranspose",
      "Sub",
      "Div",
      "Max",
      "Min",
      "Pow",
      "PRelu",
      "Pad",
      "HardSwish",
      "HardSigmoid",
      "Tanh",
      "Gelu",
      "Erf",
      "Sqrt",
      "ReduceMean",
      "LRN",
      "BatchNormalization",
      "InstanceNormalization",
      "LayerNormalization",
      "GlobalMaxPool",
      "Exp",
      "Log"}}};

TEST_CASE("each op of the shipped targets has its kind and a sentence") {
  const std::string name = GENERATE("int8", "onnxruntime");
  const TargetSpec t = target::load(name);
  CHECK(t.name == name);
  for (const Expected& expected : kExpected)
    for (const char* op : expected.ops) {
      CAPTURE(op);
      REQUIRE(t.ops.count(op) == 1);
      CHECK(t.ops.at(op).kind == expected.kind);
      CHECK(t.ops.at(op).op_type == op);
    }
  for (const auto& [op, rule] : t.ops) {
    CAPTURE(op);
    CHECK(rule.sentence.size() > 20);
    CHECK(rule.sentence.back() == '.');
    const bool one_input = rule.kind == OpKind::kMove || rule.kind == OpKind::kActivation;
    if (one_input) CHECK(rule.data_inputs == std::vector<int>{0});
  }
  CHECK(t.ops.at("Resize").when == std::map<std::string, std::string>{{"mode", "nearest"}});
  CHECK(t.ops.at("Where").data_inputs == std::vector<int>{1, 2});
  CHECK(t.ops.at("MatMul").float_output);
  CHECK(t.ops.at("Gemm").float_output);
  CHECK_FALSE(t.ops.at("Conv").float_output);
  CHECK(t.ops.at("Softmax").prefer_float);
  CHECK_FALSE(t.ops.at("Concat").same_input_scale);
  CHECK(t.ops.at("ConvTranspose").float_weights_int8);
}

TEST_CASE("an op without a rule is float and its constants are left alone") {
  const TargetSpec t = target::load("int8");
  const target::OpRule& rule = target::rule_for(t, "MyCustomOp");
  CHECK(rule.kind == OpKind::kFloat);
  CHECK_FALSE(rule.float_weights_int8);
  CHECK_FALSE(rule.sentence.empty());
  CHECK(target::rule_for(t, "Conv").kind == OpKind::kWeighted);
}

TEST_CASE("shipped targets are listed, loaded, printed and read back") {
  CHECK(target::shipped_names() == std::vector<std::string>{"edgetpu", "ethos-u", "imx500", "int8", "litert",
                                                            "onnxruntime", "openvino", "qnn", "qnnpack",
                                                            "tensorrt", "tflite", "tflm"});
  for (const std::string& name : target::shipped_names()) {
    const TargetSpec t = target::load(name);
    CHECK(target::to_json(target::parse(target::to_json(t), "x.json", "other")) == target::to_json(t));
  }
}

TEST_CASE("the description holds every op and every sentence that errors use") {
  const TargetSpec t = target::load("int8");
  std::string text;
  for (const char c : target::describe(t))  // without the line breaks
    if (c != ' ' || (!text.empty() && text.back() != ' ')) text += c == '\n' ? ' ' : c;
  for (const char* part : {"uint8, asymmetric", "Softmax 0 to 0.996", "Only with mode = nearest.",
                           "ONNX Runtime has no integer kernel for them."})
    CHECK_THAT(text, Catch::Contains(part));
  for (const auto& [op, rule] : t.ops) CHECK_THAT(text, Catch::Contains(op));
  CHECK_THAT(target::describe(t), Catch::Contains(t.ops.at("Sigmoid").sentence));
  CHECK(text.find("Computed in integers") < text.find("Stays in float"));
  CHECK(text.find("drowns") >
        text.find("Stays in float"));  // an unwanted kernel is listed with the float ops
}

TEST_CASE("a file may say only what differs from a shipped target") {
  const TargetSpec t = target::parse(R"({"based_on": "int8", // the rest stays
      "activations": {"signed": true},
      "ops": {"Concat": {"same_input_scale": true}, "Mul": null, "MyOp": {"kind": "move", "sentence": "Copies."}},
      "known_ranges": {"Tanh": null, "MyOp": [0, 6.5]}})",
                                     "npu.json", "npu");
  CHECK(t.name == "npu");
  CHECK(t.activations.is_signed);
  CHECK(t.activations.bits == 8);
  CHECK(t.ops.at("Concat").same_input_scale);
  CHECK(t.ops.at("Concat").kind == OpKind::kCompute);
  CHECK(target::rule_for(t, "Mul").kind == OpKind::kFloat);
  CHECK(t.ops.at("MyOp").kind == OpKind::kMove);
  CHECK(t.known_ranges.count("Tanh") == 0);
  CHECK(t.known_ranges.at("MyOp").second == 6.5);
  CHECK(t.ops.at("Conv").kind == OpKind::kWeighted);
}

TEST_CASE("costs are read and printed back") {
  const TargetSpec t = target::parse(
      R"({"based_on": "int8", "costs": {"Add": {"integer": {"node": 1, "output": 0.5}, "float": {"node": 2, "output": 0.25}}}})",
      "t.json", "t");
  CHECK(t.costs.at("Add").integer[static_cast<size_t>(target::CostTerm::kOutput)] == 0.5);
  CHECK(t.costs.at("Add").floating[static_cast<size_t>(target::CostTerm::kNode)] == 2);
  CHECK(target::parse(target::to_json(t), "t.json", "t").costs.at("Add").floating ==
        t.costs.at("Add").floating);
  CHECK(target::parse(R"({"based_on": "int8", "costs": null})", "t.json", "t").costs.empty());
}

TEST_CASE("a target file is found by its path and takes its name from it") {
  const TemporaryFile file(".json");
  std::ofstream(file.path()) << "{\"based_on\": \"int8\"}";
  CHECK(target::load(file.path().string()).name == file.path().stem().string());
}

struct Mistake {
  const char *text, *code, *place, *cause, *remedy;
};

TEST_CASE("a mistake in a target file has its pointer, cause and remedy") {
  const auto m =
      GENERATE(Mistake{"{\"based_on\": \"imt8\"}", "unknown-target", "/based_on", "imt8", "\"int8\""},
               Mistake{"{\"based_on\": \"int8\", \"weigths\": {}}", "unknown-key", "/weigths", "unknown",
                       "\"weights\""},
               Mistake{"{\"based_on\": \"int8\", \"weights\": 8}", "wrong-type", "/weights",
                       "found the number 8", "an object"},
               Mistake{"{\"based_on\": \"int8\", \"weights\": {\"bits\": 4}}", "bad-value", "/weights/bits",
                       "not possible", "from 8 to 8"},
               Mistake{"{\"based_on\": \"int8\", \"weights\": {\"bits\": 8.5}}", "wrong-type",
                       "/weights/bits", "8.5", "whole number"},
               Mistake{"{\"based_on\": \"int8\", \"weights\": {\"symmetric\": false}}", "bad-value",
                       "/weights", "zero points", "true"},
               Mistake{"{\"based_on\": \"int8\", \"activations\": {\"per_channel\": true}}", "bad-value",
                       "/activations", "channel", "false"},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"Conv\": {\"kind\": \"weigthed\"}}}", "bad-value",
                       "/ops/Conv/kind", "weigthed", "weighted"},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"Conv\": {\"knd\": \"move\"}}}", "unknown-key",
                       "/ops/Conv/knd", "unknown", "\"kind\""},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"New\": {\"kind\": \"move\"}}}", "missing-key",
                       "/ops/New", "sentence", "add"},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"Conv\": {\"data_inputs\": [0, 0]}}}",
                       "bad-value", "/ops/Conv/data_inputs", "slot", "whole numbers"},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"Conv\": {\"data_inputs\": [-1]}}}", "bad-value",
                       "/ops/Conv/data_inputs", "-1", "whole numbers"},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"Conv\": {\"when\": {\"group\": 1}}}}",
                       "wrong-type", "/ops/Conv/when/group", "number 1", "as text"},
               Mistake{"{\"based_on\": \"int8\", \"known_ranges\": {\"X\": [1, 0]}}", "bad-value",
                       "/known_ranges/X", "no range", "[0, 1]"},
               Mistake{"{\"based_on\": \"int8\", \"ops\": {\"Conv\": 3}}", "wrong-type", "/ops/Conv",
                       "found the number 3", "key"},
               Mistake{"{\"based_on\": \"int8\", \"costs\": {\"Add\": {\"integer\": {\"node\": 1}}}}",
                       "bad-value", "/costs/Add", "no cost", "node, mac"},
               Mistake{"{\"based_on\": \"int8\", \"costs\": {\"Add\": {\"integer\": {\"node\": 1}, "
                       "\"float\": {\"node\": -2}}}}",
                       "bad-value", "/costs/Add", "no cost", "none negative"},
               Mistake{"[]", "wrong-type", "t.json", "expected an object", "key"},
               Mistake{"{}", "missing-key", "/ops", "no rule", "based_on"},
               Mistake{"{\"based_on\": \"int8\", \"name\": \"a\", \"name\": \"b\"}", "duplicate-key", "/name",
                       "twice", "one of them"},
               Mistake{"{,}", "json-syntax", "t.json:1:2", "key is expected", "close"});
  CAPTURE(m.text);
  try {
    target::parse(m.text, "t.json", "t");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUsage);
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].code == m.code);
    CHECK_THAT(error.problems[0].place, Catch::EndsWith(m.place));
    CHECK_THAT(error.problems[0].cause, Catch::Contains(m.cause));
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(m.remedy));
  }
}

TEST_CASE("all problems of a target file are reported at once") {
  try {
    target::parse(
        "{\"a\": 1, \"weights\": {\"signed\": 3}, \"ops\": {\"Conv\": {\"b\": 1, \"kind\": \"move\", "
        "\"sentence\": \"S.\"}}}",
        "t.json", "t");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.problems.size() == 3);
  }
}

TEST_CASE("an unknown target is offered the nearest name and the list") {
  try {
    target::load("int-8");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUsage);
    CHECK_THAT(error.problems.at(0).remedy, Catch::Contains("did you mean \"int8\"?"));
    CHECK_THAT(error.problems.at(0).remedy, Catch::Contains("onnxruntime"));
  }
  CHECK_THROWS_AS(target::load("/nowhere/npu.json"), Error);
}

}  // namespace

TEST_CASE("costs of one processor replace those of all, and a file's own word counts on each") {
  const TargetSpec t = target::parse(
      R"({"based_on": "int8", "costs": {"Add": {"integer": {"node": 1}, "float": {"node": 2}},
                                        "Mul": {"integer": {"node": 3}, "float": {"node": 4}}},
          "costs_on": {"slow": {"Add": {"integer": {"node": 8}, "float": {"node": 9}}}, "fast": {}}})",
      "t.json", "t");
  const size_t node = static_cast<size_t>(target::CostTerm::kNode);
  CHECK(target::on_processor(t, "slow").costs.at("Add").integer[node] == 8);
  CHECK(target::on_processor(t, "slow").costs.at("Mul").integer[node] == 3);
  CHECK(target::on_processor(t, "fast").costs.at("Add").integer[node] == 1);
  CHECK(target::on_processor(t, "x86").costs.at("Add").integer[node] == 1);  // int8's own figure is overruled
  CHECK(target::on_processor(t, "x86").costs.at("Conv").integer !=
        target::on_processor(t, "x86_vnni").costs.at("Conv").integer);
  CHECK(target::parse(target::to_json(t), "t.json", "t").costs_on.at("slow").at("Add").integer[node] == 8);
  CHECK(target::parse(R"({"based_on": "int8", "costs": null})", "t.json", "t").costs_on.empty());
  CHECK_THROWS_WITH(target::parse(R"({"based_on": "int8", "costs_on": {"slow": 3}})", "t.json", "t"),
                    Catch::Contains("/costs_on/slow"));
}

TEST_CASE("litert has costs of its own, measured in LiteRT, and none that were measured in ONNX Runtime") {
  const TargetSpec litert = target::load("litert"), int8 = target::load("int8");
  CHECK(litert.costs_on.empty());
  for (const auto& [key, cost] : litert.costs) {
    INFO(key);
    const auto other = int8.costs.find(key);
    CHECK((other == int8.costs.end() || other->second.floating != cost.floating));
    for (const target::CostTerms& side : {cost.integer, cost.floating})
      for (const target::CostTerm blocked : {target::CostTerm::kLoose, target::CostTerm::kThin})
        CHECK(side[static_cast<size_t>(blocked)] == 0);
  }
  // Their kernels are told apart by ONNX Runtime alone; TFLite's own by their times.
  for (const char* key : {"Add:on_the_way", "Conv:merged", "Mul:gate", "QuantizeLinear:4d",
                          "DequantizeLinear:4d", "MaxPool:planar"})
    CHECK_FALSE(litert.costs.contains(key));
  for (const char* key : {"Conv:depthwise", "ConvTranspose", "HardSwish", "MaxPool:padded", "Resize:linear"})
    CHECK(litert.costs.contains(key));
  // TFLite has no operator that multiplies integers and hands on floats.
  for (const char* op : {"Gemm", "MatMul"}) CHECK_FALSE(target::rule_for(litert, op).float_output);
  for (const char* derived : {"tflm", "edgetpu"}) CHECK(target::load(derived).costs_on.empty());
}

TEST_CASE("null takes an entry of the base's costs away") {
  const TargetSpec t = target::parse(R"({"based_on": "int8", "costs": {"Add": null}})", "t.json", "t");
  CHECK_FALSE(t.costs.contains("Add"));
  CHECK_FALSE(target::on_processor(t, "x86").costs.contains("Add"));
  CHECK(t.costs.contains("Mul"));
}

}  // namespace qc
