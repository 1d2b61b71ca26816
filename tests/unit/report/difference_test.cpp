// inspect A --against B: layers matched by name, only what differs listed.
#include "report/difference.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace qc::report;

namespace {

InspectedNode layer(const char* name, const char* op, int64_t bytes, const char* weights) {
  InspectedNode node;
  node.node = name;
  node.op_type = op;
  node.output_shape = "[1,8]";
  node.constant_bytes = bytes;
  node.weight_params = weights;
  return node;
}

Inspection first() {
  Inspection found;
  found.model = "models/a.onnx";
  found.file_size = 5000;
  found.opset = 13;
  found.macs = 100;
  found.as_stored = {4400, 600, 102400.0};
  found.nodes = {layer("fc1", "Gemm", 4000, ""), layer("relu", "Relu", 0, ""), layer("fc2", "Gemm", 400, "")};
  return found;
}

Inspection second() {
  Inspection found = first();
  found.model = "b.onnx";
  found.file_size = 2000;
  found.macs.reset();
  found.as_stored = {1400, {}, {}};
  found.nodes = {layer("fc1", "Gemm", 1000, "int8, 8 scales"), layer("fc2", "Gemm", 400, ""),
                 layer("softmax", "Softmax", 0, "")};
  return found;
}

}  // namespace

TEST_CASE("what changed between two models is found layer by layer", "[inspect]") {
  const Difference found = difference(first(), second());
  CHECK(found.same == 1);
  REQUIRE(found.layers.size() == 3);
  CHECK(found.layers[0].layer == "fc1");
  CHECK(found.layers[0].change == "changed");
  REQUIRE(found.layers[0].fields.size() == 2);
  CHECK(found.layers[0].fields[0].field == "constant bytes");
  CHECK(found.layers[0].fields[1].b == "int8, 8 scales");
  CHECK(found.layers[1].layer == "relu");
  CHECK(found.layers[1].change == "removed");
  CHECK(found.layers[2].layer == "softmax");
  CHECK(found.layers[2].change == "added");
  CHECK(to_text(found, false) ==
        "                             a.onnx  b.onnx\n"
        "  file                       5.0 kB  2.0 kB\n"
        "  weights                    4.4 kB  1.4 kB\n"
        "  activations alive at once   600 B       ?\n"
        "  both together              5.0 kB       ?\n"
        "  bit operations             102400       ?\n"
        "  nodes                           3       3\n"
        "  parameters                      0       0\n"
        "  multiply-accumulates          100       ?\n"
        "  opset                          13      13\n"
        "\n"
        "3 layers differ, 1 are the same\n"
        "  changed  fc1      Gemm     constant bytes 4000 -> 1000; weights - -> int8, 8 scales\n"
        "  removed  relu     Relu\n"
        "  added    softmax  Softmax\n");
  const nlohmann::json document = nlohmann::json::parse(to_json(found));
  CHECK(document["a"] == "a.onnx");
  CHECK(document["layers"][0]["a_bytes"] == 4000);
  CHECK(document["totals"][7]["b"].is_null());
}

TEST_CASE("a model does not differ from itself", "[inspect]") {
  const Difference found = difference(first(), first());
  CHECK(found.layers.empty());
  CHECK(found.same == 3);
  CHECK(to_text(found, false).find("no layer differs (3 layers)") != std::string::npos);
}

TEST_CASE("operators of TFLite files are matched by what they make", "[inspect]") {
  TfliteInspection a, b;
  a.model = "a.tflite";
  b.model = "b.tflite";
  a.sizes = {{"weights", 100}, {"graph", 50}};
  b.sizes = {{"weights", 25}, {"scales", 8}};
  TfliteOperator op;
  op.op = "CONV_2D";
  op.outputs = {"y"};
  op.output_type = "float32";
  a.operators = {op};
  op.output_type = "int8";
  b.operators = {op};
  const Difference found = difference(a, b);
  REQUIRE(found.layers.size() == 1);
  CHECK(found.layers[0].layer == "y");
  REQUIRE(found.layers[0].fields.size() == 1);
  CHECK(found.layers[0].fields[0].a == "float32");
  REQUIRE(found.totals.size() == 8);  // file, three kinds, what they take, operators
  CHECK(found.totals[2].what == "scales");
  CHECK(found.totals[2].a == 0);
  CHECK(found.totals[2].b == 8);
}
