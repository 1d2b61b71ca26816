// The quantized file as stock ONNX Runtime sees it: which kernels it makes of each pattern, and whether they
// compute what the float simulation of the same file says. Constants: write_constants_test.cpp.
#include <onnx/onnx_pb.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"
#include "unit/onnx_io/planned.h"

using namespace qc;
using namespace qc::planned;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;

TEST_CASE("a chain of convolutions with Relu runs on integers, per channel and per tensor",
          "[onnx_io][qdq]") {
  for (const int axis : {0, -1}) {
    ir::Graph g = tiny::graph();
    const auto x = tiny::input(g, "x", {1, 3, 8, 8});
    const auto c1 = tiny::conv(g, x, 8);
    const auto r1 = tiny::relu(g, c1);
    const auto c2 = tiny::conv(g, r1, 8, {.groups = 8}, 5);
    const auto r2 = tiny::clip(g, c2, 0, 6);
    const auto c3 = tiny::conv(g, r2, 4, {.kernel = 1, .pad = 0, .bias = false}, 6);
    tiny::output(g, c3, "y");
    Planned p(g);
    p.activations({x, r1, r2, c3});
    p.params(r2) = quant::asymmetric_params(0, 6, 8, false);
    for (const auto c : {c1, c2, c3}) p.integer(producer(g, c), axis);
    const Outcome outcome = judge(p);
    CHECK(outcome.ops == "QuantizeLinear QLinearConv QLinearConv QLinearConv DequantizeLinear");
    check_numbers(outcome, 0.06);
  }
}

TEST_CASE("a residual Add, its Relu and a Concat with two readers run on integers", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto c = tiny::conv(g, x, 4);
  const auto sum = tiny::relu(g, tiny::add(g, c, x));
  const auto cat = tiny::concat(g, {sum, x});
  const auto a = tiny::conv(g, cat, 4, {.kernel = 1, .pad = 0}, 5);
  const auto b = tiny::max_pool(g, cat);
  tiny::output(g, a, "a");
  tiny::output(g, b, "b");
  Planned p(g);
  p.activations({x, c, sum, cat, a, b}).integer(producer(g, c)).integer(producer(g, a));
  p.params(b) = p.params(cat);
  for (const auto v : {sum, cat, b}) p.compute(producer(g, v), Compute::kInteger);
  const Outcome outcome = judge(p);
  INFO(outcome.ops);
  for (const char* op : {"QLinearConv", "QLinearAdd", "QLinearConcat", "MaxPool"})
    CHECK(outcome.ops.find(op) != std::string::npos);
  for (const char* op : {" Add", " Concat", "Relu", " Conv"})
    CHECK(outcome.ops.find(op) == std::string::npos);
  check_numbers(outcome);
}

TEST_CASE("a Gemm runs on integers, with an integer or a float result", "[onnx_io][qdq]") {
  for (const bool float_output : {false, true}) {
    ir::Graph g = tiny::graph();
    const auto x = tiny::input(g, "x", {2, 16});
    const auto y = tiny::gemm(g, x, 5);
    tiny::output(g, y, "y");
    Planned p(g);
    p.activation(x).integer(producer(g, y));
    if (!float_output) p.activation(y);
    const Outcome outcome = judge(p);
    CHECK(outcome.ops == (float_output ? "QuantizeLinear QGemm" : "QuantizeLinear QGemm DequantizeLinear"));
    check_numbers(outcome);
  }
}

TEST_CASE("a quantized output that the graph reads again keeps its name and its readers", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto first = tiny::conv(g, x, 4);
  tiny::output(g, first, "first");
  const auto second = tiny::conv(g, first, 4, {}, 9);
  tiny::output(g, second, "second");
  Planned p(g);
  p.activations({x, first, second}).integer(producer(g, first)).integer(producer(g, second));
  const Outcome outcome = judge(p);
  INFO(outcome.ops);
  CHECK(outcome.ops.find("QLinearConv QLinearConv") != std::string::npos);
  check_numbers(outcome, 0.05);
  Diagnostics diagnostics;
  const ir::Graph back = onnx_io::parse(outcome.written.bytes, "", diagnostics);
  CHECK(tiny::value(back, back.outputs[0]).name == "first");
  CHECK(tiny::producer(back, back.outputs[0]).op_type == "DequantizeLinear");
}

TEST_CASE("an input that is also an output passes through as it is", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto y = tiny::conv(g, x, 4);
  tiny::output(g, y, "y");
  g.outputs.push_back(x);
  Planned p(g);
  p.activations({x, y}).integer(producer(g, y));
  const auto out = ort_try::run(onnx_io::write_qdq(p.model, {}).bytes, p.inputs);
  CHECK(ir::equal(out[1], p.inputs[0]));
  CHECK(judge(p).ops.find("QLinearConv") != std::string::npos);
}

TEST_CASE("a quantized value that a body reads keeps its name there", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto y = tiny::conv(g, x, 4);
  const auto z = tiny::node(g, "If", {});
  tiny::output(g, z, "z");
  ir::value_at(g, z).dtype = ir::DType::kFloat;
  ir::Node& choice = ir::node_at(g, producer(g, z));
  onnx::AttributeProto branch;
  branch.set_type(onnx::AttributeProto::GRAPH);
  auto& body = *branch.mutable_g();
  body.set_name("body");
  auto* relu = body.add_node();
  relu->set_op_type("Relu");
  relu->add_input(tiny::value(g, y).name);
  relu->add_output("d0");  // a name that the writer would like to use
  body.add_output()->set_name(relu->output(0));
  body.mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  for (const char* name : {"then_branch", "else_branch"}) {
    branch.set_name(name);
    choice.attributes.push_back({name, ir::OpaqueAttribute{branch.SerializeAsString()}});
  }
  choice.captures = {y};
  ir::value_at(g, y).consumers.push_back(producer(g, z));
  ir::set_input(g, producer(g, z), 0,
                tiny::constant(g, ir::make_tensor(ir::DType::kBool, std::string(1, 1), {})));
  Planned p(g);
  p.activations({x, y}).integer(producer(g, y));
  const Outcome outcome = judge(p);
  INFO(outcome.ops);
  CHECK(outcome.ops.find("QLinearConv") != std::string::npos);
  check_numbers(outcome);
}

TEST_CASE("16-bit activations are written in the domain that knows them", "[onnx_io][qdq]") {
  for (const int64_t opset : {13, 21})
    for (const bool is_signed : {false, true}) {
      ir::Graph g = tiny::graph(opset);
      const auto x = tiny::input(g, "x", {1, 4});
      const auto y = tiny::sigmoid(g, x);
      tiny::output(g, y, "y");
      Planned p(g);
      p.activation(x, 16, is_signed).activation(y, 16, is_signed);
      const Outcome outcome = judge(p);
      CHECK(outcome.against_float < 1e-4);
      CHECK(outcome.against_float > 0);
      Diagnostics diagnostics;
      const ir::Graph back = onnx_io::parse(outcome.written.bytes, "", diagnostics);
      CHECK((tiny::producer(back, back.outputs[0]).domain == "com.microsoft") == (opset == 13));
    }
}

TEST_CASE("a width between the types is cut by a Clip and matches fake quantization", "[onnx_io][qdq]") {
  for (const int64_t opset : {13, 21})
    for (const int bits : {3, 6, 12}) {
      ir::Graph g = tiny::graph(opset);
      const auto x = tiny::input(g, "x", {1, 50});
      const auto y = tiny::sigmoid(g, x);
      tiny::output(g, y, "y");
      Planned p(g);
      p.activation(y, bits);
      p.params(y) = quant::asymmetric_params(0.3, 0.6, bits, false);
      const auto original = ort_try::run(onnx_io::write(g), p.inputs)[0];
      std::vector<float> expected(50);
      quant::fake_quantize(original.as<float>(), expected, p.params(y));
      const auto got = ort_try::run(onnx_io::write_qdq(p.model, {}).bytes, p.inputs)[0];
      CHECK(ort_try::max_relative_error(ir::make_tensor(expected, {1, 50}), got) < 1e-6);
    }
}

TEST_CASE("an activation of few bits leaves the kernels around it on integers", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto a = tiny::conv(g, x, 4, {}, 5), r = tiny::relu(g, a), b = tiny::conv(g, r, 4, {}, 6);
  tiny::output(g, b, "y");
  Planned p(g);
  p.activations({x, b}).activation(r, 4).integer(producer(g, a)).integer(producer(g, b));
  p.compute(producer(g, r), Compute::kInteger);
  const Outcome outcome = judge(p);
  CHECK(outcome.ops == "QuantizeLinear QLinearConv Clip QLinearConv DequantizeLinear");
  CHECK(outcome.against_simulation < 0.009);
}

TEST_CASE("the same plan gives the same bytes, and the pieces say where they are", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto y = tiny::conv(g, x, 8);
  const auto z = tiny::node(g, "Mul", {y, tiny::constant(g, tiny::filled({8, 1, 1}, 2))});
  tiny::output(g, z, "z");
  g.metadata = {{"author", "me"}};
  Planned p(g);
  p.activations({x, y}).integer(producer(g, y));
  const auto written = onnx_io::write_qdq(p.model, {{"qconvert", "1"}});
  CHECK(onnx_io::write_qdq(p.model, {{"qconvert", "1"}}).bytes == written.bytes);

  int64_t sum = 0;
  std::map<std::string, int64_t> kinds;
  for (const auto& piece : written.pieces) {
    sum += piece.bytes;
    kinds[piece.kind] += piece.bytes;
    CHECK((piece.node == "Conv" || piece.node == "Mul"));
  }
  const auto size = static_cast<int64_t>(written.bytes.size());
  CHECK(sum <= size);
  CHECK(size - sum < 150);  // header, model inputs and outputs, metadata
  CHECK(kinds["weights"] > 216);
  CHECK(kinds["weights"] < 216 + 40);
  CHECK(kinds["bias"] > 32);
  CHECK(kinds["constants"] > 32);
  CHECK(kinds["scales"] > 4 * (1 + 1 + 8 + 8));
  CHECK(kinds["graph"] > 0);
  Diagnostics diagnostics;
  const ir::Graph back = onnx_io::parse(written.bytes, "", diagnostics);
  CHECK(back.metadata ==
        std::vector<std::pair<std::string, std::string>>{{"author", "me"}, {"qconvert", "1"}});
}

TEST_CASE("an integer MatMul stays one beside the Add of its bias", "[onnx_io][qdq]") {
  // As a vector the bias would be joined with the MatMul to a float Gemm at load.
  for (const bool shared : {false, true}) {
    CAPTURE(shared);
    ir::Graph g = tiny::graph();
    const auto x = tiny::input(g, "x", {1, 6, 32});
    const auto w = tiny::constant(g, tiny::random_tensor({32, 24}, 3), "w");
    const auto b = tiny::constant(g, tiny::random_tensor({24}, 4), "b");
    const auto product = tiny::matmul(g, x, w);
    tiny::output(g, tiny::node(g, "Add", {b, product}, {}, tiny::Dims{1, 6, 24}), "y");
    if (shared) tiny::output(g, tiny::node(g, "Mul", {b, b}, {}, tiny::Dims{24}), "b2");
    Planned p(g);
    p.activation(x).integer(producer(g, product), -1);
    const Outcome outcome = judge(p);
    check_numbers(outcome);
    CHECK_THAT(outcome.ops, Catch::Contains("MatMulIntegerToFloat"));
    CHECK_THAT(outcome.ops, !Catch::Contains("Gemm"));
    const auto sum = std::accumulate(outcome.written.pieces.begin(), outcome.written.pieces.end(), int64_t{0},
                                     [](int64_t s, const auto& piece) { return s + piece.bytes; });
    CHECK(sum <= static_cast<int64_t>(outcome.written.bytes.size()));
  }
}

TEST_CASE("names of all nodes are written when they are asked for", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto y = tiny::conv(g, x, 8);
  tiny::output(g, y, "y");
  Planned p(g);
  p.activations({x, y}).integer(producer(g, y));
  Diagnostics diagnostics;
  const ir::Graph back =
      onnx_io::parse(onnx_io::write_qdq(p.model, {}, {.name_all_nodes = true}).bytes, "", diagnostics);
  for (const ir::Node& node : back.nodes) CHECK(node.named_in_file);
  CHECK(judge(p, {.name_all_nodes = true}).ops == judge(p).ops);
}

TEST_CASE("a plan that the opset cannot express is a bug, not a broken file", "[onnx_io][qdq]") {
  for (const int64_t opset : {9, 12}) {
    ir::Graph g = tiny::graph(opset);
    const auto x = tiny::input(g, "x", {1, 3, 8, 8});
    const auto y = tiny::conv(g, x, 8);
    tiny::output(g, y, "y");
    Planned p(g);
    p.activations({x, y}).integer(producer(g, y));
    CHECK_THROWS_WITH(onnx_io::write_qdq(p.model, {}), Catch::Contains("opset"));
  }
}
