// The quantized file as stock ONNX Runtime sees it: which kernels it makes of each pattern, and whether they
// compute what the float simulation of the same file says.
#include <onnx/onnx_pb.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;

namespace {

// A graph with a plan made by hand, ranges taken from one run of the float graph.
struct Planned {
  plan::QuantizedModel model;
  std::vector<ir::Tensor> inputs;
  std::map<ValueId, std::pair<float, float>> ranges;

  explicit Planned(const ir::Graph& graph) {
    model.graph = graph;
    model.plan.nodes.resize(graph.nodes.size());
    model.plan.values.resize(graph.values.size());
    const std::string bytes = onnx_io::write(graph);
    inputs = ort_try::random_inputs(bytes, 7);
    ir::Graph tapped = graph;
    tapped.outputs.clear();
    for (ValueId v = 0; v < static_cast<ValueId>(graph.values.size()); ++v)
      if (at(v).producer != ir::kNone) tapped.outputs.push_back(v);
    const auto outputs = ort_try::run(onnx_io::write(tapped), inputs);
    for (size_t i = 0; i < inputs.size(); ++i) add_range(graph.inputs[i], inputs[i]);
    for (size_t i = 0; i < outputs.size(); ++i) add_range(tapped.outputs[i], outputs[i]);
  }
  void add_range(ValueId v, const ir::Tensor& tensor) {
    if (tensor.dtype != ir::DType::kFloat) return;
    const auto [low, high] = std::minmax_element(tensor.as<float>().begin(), tensor.as<float>().end());
    ranges[v] = {*low, *high};
  }
  const ir::Value& at(ValueId v) const { return model.graph.values[static_cast<size_t>(v)]; }
  quant::QuantParams& params(ValueId v) { return model.plan.values[static_cast<size_t>(v)].params; }

  Planned& activation(ValueId v, int bits = 8, bool is_signed = false) {
    auto& decision = model.plan.values[static_cast<size_t>(v)];
    decision.quantized = true;
    decision.params = quant::asymmetric_params(ranges[v].first, ranges[v].second, bits, is_signed);
    return *this;
  }
  Planned& activations(std::vector<ValueId> values) {
    for (const ValueId v : values) activation(v);
    return *this;
  }
  Planned& compute(NodeId id, Compute compute) {
    model.plan.nodes[static_cast<size_t>(id)].compute = compute;
    return *this;
  }
  // Integer weights, symmetric; axis -1: per tensor. Of 8 bits only half the range is used, so that kernels
  // that add pairs of products in 16 bits (x86 without VNNI) compute what others do.
  Planned& weight(ValueId v, int axis, int bits = 8, int32_t zero_point = 0) {
    const ir::Tensor& tensor = *at(v).constant;
    quant::QuantParams p{bits, true, zero_point == 0, axis, {}, {}};
    const auto layout = quant::channel_layout(tensor.dims, axis);
    p.scales.assign(static_cast<size_t>(axis < 0 ? 1 : layout.channels), 0.0f);
    p.zero_points.assign(p.scales.size(), zero_point);
    for (size_t i = 0; i < tensor.as<float>().size(); ++i) {
      const size_t c =
          axis < 0 ? 0 : i / static_cast<size_t>(layout.inner) % static_cast<size_t>(layout.channels);
      const auto steps = static_cast<float>((p.qmax() - std::abs(zero_point)) / (bits == 8 ? 2 : 1));
      p.scales[c] = std::max(p.scales[c], std::abs(tensor.as<float>()[i]) / steps);
    }
    model.weights[v] = {p, quant::quantize(tensor.as<float>(), tensor.dims, p)};
    return *this;
  }
  Planned& bias(NodeId id) {
    const ir::Node& node = model.graph.nodes[static_cast<size_t>(id)];
    const ir::Tensor& tensor = *at(node.inputs[2]).constant;
    const auto& weights = model.weights.at(node.inputs[1]).params;
    quant::QuantParams p{32, true, false, weights.axis < 0 ? -1 : 0, weights.scales, {}};
    for (float& s : p.scales) s *= params(node.inputs[0]).scales[0];
    p.zero_points.assign(p.scales.size(), 0);
    model.biases[id] = {p, quant::quantize(tensor.as<float>(), tensor.dims, p)};
    return *this;
  }
  // Conv or Gemm with all that belongs to it, except its output.
  Planned& integer(NodeId id, int axis = 0) {
    const ir::Node& node = model.graph.nodes[static_cast<size_t>(id)];
    compute(id, Compute::kInteger).weight(node.inputs[1], axis);
    return node.inputs.size() > 2 ? bias(id) : *this;
  }
};

struct Outcome {
  std::string ops;            // of the optimized graph
  double against_simulation;  // worst output, relative to its largest element
  double against_float;
  plan::Written written;
};

Outcome judge(const Planned& planned, const onnx_io::QdqOptions& options = {}) {
  Outcome outcome;
  outcome.written = onnx_io::write_qdq(planned.model, {{"k", "v"}}, options);
  const std::string& bytes = outcome.written.bytes;
  const TemporaryFile optimized(".onnx");
  const auto fast =
      ort_try::run(bytes, planned.inputs, ort_try::Optimize::kExtended, optimized.path().string());
  const auto simulated = ort_try::run(bytes, planned.inputs);
  const auto original = ort_try::run(onnx_io::write(planned.model.graph), planned.inputs);
  outcome.against_simulation = outcome.against_float = 0;
  for (size_t i = 0; i < fast.size(); ++i) {
    outcome.against_simulation =
        std::max(outcome.against_simulation, ort_try::max_relative_error(simulated[i], fast[i]));
    outcome.against_float =
        std::max(outcome.against_float, ort_try::max_relative_error(original[i], fast[i]));
  }
  Diagnostics diagnostics;
  outcome.ops = tiny::ops(onnx_io::read(optimized.path(), diagnostics));
  return outcome;
}

void check_numbers(const Outcome& outcome, double tolerance = 0.03) {
  CHECK(outcome.against_simulation < 0.009);  // two steps of 8 bits
  CHECK(outcome.against_float < tolerance);
  CHECK(outcome.against_float > 0);  // something was quantized at all
}

NodeId producer(const ir::Graph& g, ValueId v) {
  return g.values[static_cast<size_t>(v)].producer;
}

}  // namespace

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

TEST_CASE("weights of float nodes are integers in the file and nothing at run time", "[onnx_io][qdq]") {
  struct Case {
    int axis, bits;
    int32_t zero_point;
  };
  for (const Case c : {Case{0, 8, 0}, {-1, 8, 0}, {0, 8, 3}, {-1, 8, -5}, {0, 16, 0}, {0, 6, 0}, {0, 4, 0}}) {
    INFO(c.axis << " " << c.bits << " " << c.zero_point);
    ir::Graph g = tiny::graph(c.bits == 4 ? 21 : 13);
    const auto x = tiny::input(g, "x", {1, 3, 8, 8});
    const auto y = tiny::conv(g, x, 8);
    tiny::output(g, y, "y");
    Planned p(g);
    const NodeId id = producer(g, y);
    p.compute(id, Compute::kFloatIntegerWeights).weight(g.nodes[0].inputs[1], c.axis, c.bits, c.zero_point);
    const Outcome outcome = judge(p);
    CHECK(outcome.ops == "Conv");
    CHECK(outcome.against_simulation < 1e-6);
    CHECK(outcome.against_float < (c.bits == 4 ? 0.2 : 0.04));
    CHECK(outcome.against_float > 0);
  }
}

TEST_CASE("a float node between integers stays float: the runtime does not round its weights",
          "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto c1 = tiny::conv(g, x, 8);
  const auto c2 = tiny::conv(g, c1, 8, {}, 5);
  const auto r2 = tiny::relu(g, c2);
  const auto c3 = tiny::conv(g, r2, 4, {}, 6);
  tiny::output(g, c3, "y");
  for (const Compute float_kind : {Compute::kFloat, Compute::kFloatIntegerWeights}) {
    Planned p(g);
    p.activations({x, c1, r2, c3}).integer(producer(g, c1)).integer(producer(g, c3));
    p.compute(producer(g, c2), float_kind);
    if (float_kind == Compute::kFloatIntegerWeights)
      p.weight(g.nodes[static_cast<size_t>(producer(g, c2))].inputs[1], 0);
    const Outcome outcome = judge(p);
    INFO(outcome.ops);
    CHECK(outcome.ops.find(" Conv ") != std::string::npos);
    CHECK(outcome.ops.find("QLinearConv") != outcome.ops.rfind("QLinearConv"));
    check_numbers(outcome, 0.06);
  }
}

TEST_CASE("one weight read by an integer and a float node is stored once", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 3, 8, 8});
  const auto y = tiny::conv(g, x, 8, {.bias = false});
  const auto weight = g.nodes[0].inputs[1];
  ir::Node twin = g.nodes[0];
  twin.inputs[0] = tiny::input(g, "x2", {1, 3, 8, 8});
  twin.outputs[0] = ir::add_value(g, "y2", ir::DType::kFloat);
  const auto y2 = twin.outputs[0];
  ir::add_node(g, twin);
  tiny::output(g, y);
  tiny::output(g, y2);
  Planned p(g);
  p.activations({x, y}).integer(producer(g, y)).compute(producer(g, y2), Compute::kFloatIntegerWeights);
  const Outcome outcome = judge(p);
  INFO(outcome.ops);
  CHECK(outcome.ops.find("QLinearConv") != std::string::npos);
  CHECK(outcome.ops.starts_with("Conv "));
  CHECK(outcome.ops.find("Mul") == std::string::npos);
  check_numbers(outcome);
  const auto stored = std::count_if(outcome.written.pieces.begin(), outcome.written.pieces.end(),
                                    [](const plan::Piece& piece) { return piece.kind == "weights"; });
  CHECK(stored == 1);
  CHECK(g.values[static_cast<size_t>(weight)].constant->size() == 216);
}

TEST_CASE("a constant operand of an integer Mul is an integer constant", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto factor = tiny::constant(g, tiny::random_tensor({4, 1, 1}, 3, 0.5f, 2.0f), "factor");
  const auto y = tiny::mul(g, x, factor);
  tiny::output(g, y, "y");
  Planned p(g);
  const ir::Tensor& tensor = *g.values[static_cast<size_t>(factor)].constant;
  const auto params = quant::asymmetric_params(0, 2, 8, false);
  p.model.weights[factor] = {params, quant::quantize(tensor.as<float>(), tensor.dims, params)};
  p.activations({x, y}).compute(producer(g, y), Compute::kInteger);
  const Outcome outcome = judge(p);
  CHECK(outcome.ops == "QuantizeLinear QLinearMul DequantizeLinear");
  check_numbers(outcome);
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
  g.values[static_cast<size_t>(z)].dtype = ir::DType::kFloat;
  ir::Node& choice = g.nodes[static_cast<size_t>(producer(g, z))];
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
  g.values[static_cast<size_t>(y)].consumers.push_back(producer(g, z));
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

TEST_CASE("weights below 8 bits are packed in the file and whole in the kernels", "[onnx_io][qdq]") {
  for (const int64_t opset : {13, 21})
    for (const int bits : {2, 3, 4, 5, 6, 7}) {
      CAPTURE(opset, bits);
      ir::Graph g = tiny::graph(opset);
      const auto x = tiny::input(g, "x", {1, 19, 8, 8});  // 19 * 9 * 24: no whole number of words
      const auto y = tiny::conv(g, x, 24);
      tiny::output(g, y, "y");
      Planned p(g);
      p.activations({x, y}).integer(producer(g, y));
      const auto in_file = [](const plan::Written& written) {
        int64_t sum = 0;
        for (const plan::Piece& piece : written.pieces) sum += piece.bytes;
        CHECK(sum <= static_cast<int64_t>(written.bytes.size()));
        return static_cast<double>(written.bytes.size());
      };
      const double whole = in_file(judge(p).written);
      const ValueId w = g.nodes[0].inputs[1];
      p.weight(w, 0, bits).bias(producer(g, y));
      const Outcome outcome = judge(p);
      CHECK(outcome.ops == "QuantizeLinear QLinearConv DequantizeLinear");
      CHECK(outcome.against_simulation < 0.009);
      const double elements = 19 * 9 * 24;
      CHECK(in_file(outcome.written) < whole - elements + elements * 8 / (64 / bits) + 600);

      // What a float kernel reads is exactly what the integers say.
      Planned f(g);
      f.compute(producer(g, y), Compute::kFloatIntegerWeights).weight(w, 0, bits);
      const Outcome in_float = judge(f);
      CHECK(in_float.ops == "Conv");
      ir::Graph rounded = g;
      const plan::IntegerTensor& tensor = f.model.weights.at(w);
      rounded.values[static_cast<size_t>(w)].constant =
          ir::make_tensor(std::span<const float>(quant::dequantize(
                              tensor.integers, g.values[static_cast<size_t>(w)].dims, tensor.params)),
                          g.values[static_cast<size_t>(w)].dims);
      CHECK(ort_try::max_relative_error(ort_try::run(onnx_io::write(rounded), f.inputs)[0],
                                        ort_try::run(in_float.written.bytes, f.inputs)[0]) < 1e-6);
    }
}

TEST_CASE("weights from a codebook are indices in the file and integers in the kernels", "[onnx_io][qdq]") {
  for (const bool per_channel : {false, true}) {
    ir::Graph g = tiny::graph();
    const auto x = tiny::input(g, "x", {1, 32, 8, 8});
    const auto y = tiny::conv(g, x, 24);
    tiny::output(g, y, "y");
    Planned p(g);
    p.activations({x, y}).integer(producer(g, y));
    const ValueId w = g.nodes[0].inputs[1];
    const size_t whole = onnx_io::write_qdq(p.model, {}).bytes.size();
    plan::IntegerTensor& tensor = p.model.weights[w];
    tensor.params.index_bits = 3;
    for (int32_t channel = 0; channel < (per_channel ? 24 : 1); ++channel)
      for (const int32_t value : {-63, -30 - channel, -20, -5, 0, 9, 25 + channel, 60})
        tensor.params.codebook.push_back(value);
    const ir::Tensor& weight = *g.values[static_cast<size_t>(w)].constant;
    tensor.integers = quant::quantize(weight.as<float>(), weight.dims, tensor.params);
    const Outcome outcome = judge(p);
    CHECK(outcome.ops == "QuantizeLinear QLinearConv DequantizeLinear");
    CHECK(outcome.against_simulation < 0.009);
    CHECK(outcome.against_float < 0.5);
    CHECK(outcome.written.bytes.size() < whole);
    CHECK(outcome.written.bytes.size() < size_t{32 * 9 * 24} * 3 / 8 + 2500);

    Planned f(g);
    f.compute(producer(g, y), Compute::kFloatIntegerWeights);
    f.model.weights[w] = tensor;
    ir::Graph rounded = g;
    rounded.values[static_cast<size_t>(w)].constant = ir::make_tensor(
        std::span<const float>(quant::dequantize(tensor.integers, weight.dims, tensor.params)), weight.dims);
    const Outcome in_float = judge(f);
    CHECK(in_float.ops == "Conv");
    CHECK(ort_try::max_relative_error(ort_try::run(onnx_io::write(rounded), f.inputs)[0],
                                      ort_try::run(in_float.written.bytes, f.inputs)[0]) < 1e-6);
  }
}

TEST_CASE("a weight too small to pay for unpacking is stored whole", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto y = tiny::conv(g, x, 4);
  tiny::output(g, y, "y");
  Planned p(g);
  p.activations({x, y}).integer(producer(g, y)).weight(g.nodes[0].inputs[1], 0, 4).bias(producer(g, y));
  Diagnostics diagnostics;
  CHECK(tiny::ops(onnx_io::parse(onnx_io::write_qdq(p.model, {}).bytes, "", diagnostics)).find("BitShift") ==
        std::string::npos);
}

TEST_CASE("a bias shared by two nodes becomes one integer bias each; a missing one is added",
          "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto a = tiny::conv(g, x, 4);
  const auto b = tiny::conv(g, a, 4, {.bias = false}, 8);
  const auto c = tiny::conv(g, b, 4, {.bias = false}, 9);
  tiny::output(g, c, "y");
  ir::set_input(g, producer(g, b), 2, g.nodes[0].inputs[2]);
  Planned p(g);
  p.activations({x, a, b, c});
  for (const auto v : {a, b, c}) p.integer(producer(g, v));
  const auto& weights = p.model.weights.at(g.nodes[2].inputs[1]).params;
  quant::QuantParams params{32, true, false, 0, weights.scales, std::vector<int32_t>(4, 0)};
  for (float& s : params.scales) s *= p.params(b).scales[0];
  p.model.biases[producer(g, c)] = {params, std::vector<int32_t>(4, 1)};
  const Outcome outcome = judge(p);
  CHECK(outcome.ops == "QuantizeLinear QLinearConv QLinearConv QLinearConv DequantizeLinear");
  check_numbers(outcome, 0.06);
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

TEST_CASE("large tensors go to a second file, and the model reads back the same", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {2, 64});
  const auto h = tiny::gemm(g, x, 64, 4);
  const auto y = tiny::gemm(g, h, 33, 5);
  tiny::output(g, y, "y");
  Planned p(g);
  p.activations({x, h, y}).integer(producer(g, h)).integer(producer(g, y));
  const auto whole = onnx_io::write_qdq(p.model, {});
  CHECK(whole.external_name.empty());
  const auto split =
      onnx_io::write_qdq(p.model, {}, {.external_name = "m.onnx.data", .external_above = 1000});
  CHECK(split.external_name == "m.onnx.data");
  CHECK(split.external_bytes.size() >= 64 * 64 + 33 * 64);
  CHECK(split.bytes.size() < whole.bytes.size() - 6000);
  const auto sum = std::accumulate(split.pieces.begin(), split.pieces.end(), int64_t{0},
                                   [](int64_t s, const plan::Piece& piece) { return s + piece.bytes; });
  CHECK(sum <= static_cast<int64_t>(split.bytes.size() + split.external_bytes.size()));
  CHECK(sum >= static_cast<int64_t>(split.external_bytes.size()));

  const auto folder = std::filesystem::temp_directory_path() / "qconvert-external-test";
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "m.onnx", split.bytes);
  write_file_atomically(folder / "m.onnx.data", split.external_bytes);
  Diagnostics diagnostics;
  const auto back = onnx_io::write(onnx_io::read(folder / "m.onnx", diagnostics));
  CHECK(ir::equal(ort_try::run(back, p.inputs)[0], ort_try::run(whole.bytes, p.inputs)[0]));
  std::filesystem::remove_all(folder);
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

TEST_CASE("constants in a narrow float type are widened once, at load", "[onnx_io][qdq]") {
  for (const ir::DType type : {ir::DType::kFloat16, ir::DType::kBfloat16}) {
    ir::Graph g = tiny::graph();
    const ValueId x = tiny::input(g, "x", {1, 8, 12, 12}), y = tiny::conv(g, x, 16);
    tiny::output(g, tiny::relu(g, y), "y");
    Planned planned(g);
    const ValueId weight = g.nodes[static_cast<size_t>(producer(g, y))].inputs[1];
    planned.model.narrow[weight] = type;
    const Outcome outcome = judge(planned);
    CHECK(outcome.ops.find("Cast") == std::string::npos);
    CHECK(outcome.against_float < (type == ir::DType::kFloat16 ? 0.001 : 0.01));
    CHECK(outcome.against_float > 0);
    CHECK(outcome.written.bytes.size() < onnx_io::write(g).size() - 8 * 16 * 9 * 2 + 200);
  }
}
