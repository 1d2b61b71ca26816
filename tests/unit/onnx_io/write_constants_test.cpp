// Constants of the quantized file: how weights and biases are stored, that each is stored once, and that
// kernels still find them whole.
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"
#include "unit/onnx_io/planned.h"

using namespace qc;
using namespace qc::planned;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;

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
    if (float_kind == Compute::kFloatIntegerWeights) p.weight(ir::node_at(g, producer(g, c2)).inputs[1], 0);
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
  CHECK(ir::value_at(g, weight).constant->size() == 216);
}

TEST_CASE("a constant operand of an integer Mul is an integer constant", "[onnx_io][qdq]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4, 8, 8});
  const auto factor = tiny::constant(g, tiny::random_tensor({4, 1, 1}, 3, 0.5f, 2.0f), "factor");
  const auto y = tiny::mul(g, x, factor);
  tiny::output(g, y, "y");
  Planned p(g);
  const ir::Tensor& tensor = *ir::value_at(g, factor).constant;
  const auto params = quant::asymmetric_params(0, 2, 8, false);
  p.model.weights[factor] = {params, quant::quantize(tensor.as<float>(), tensor.dims, params)};
  p.activations({x, y}).compute(producer(g, y), Compute::kInteger);
  const Outcome outcome = judge(p);
  CHECK(outcome.ops == "QuantizeLinear QLinearMul DequantizeLinear");
  check_numbers(outcome);
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
      rounded.values[w].constant = ir::make_tensor(
          std::span<const float>(quant::dequantize(tensor.integers, ir::value_at(g, w).dims, tensor.params)),
          ir::value_at(g, w).dims);
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
    const ir::Tensor& weight = *ir::value_at(g, w).constant;
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
    rounded.values[w].constant = ir::make_tensor(
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

  const TemporaryFolder own;
  const std::filesystem::path& folder = own.path();
  write_file_atomically(folder / "m.onnx", split.bytes);
  write_file_atomically(folder / "m.onnx.data", split.external_bytes);
  Diagnostics diagnostics;
  const auto back = onnx_io::write(onnx_io::read(folder / "m.onnx", diagnostics));
  CHECK(ir::equal(ort_try::run(back, p.inputs)[0], ort_try::run(whole.bytes, p.inputs)[0]));
}

TEST_CASE("constants in a narrow float type are widened once, at load", "[onnx_io][qdq]") {
  for (const ir::DType type : {ir::DType::kFloat16, ir::DType::kBfloat16}) {
    ir::Graph g = tiny::graph();
    const ValueId x = tiny::input(g, "x", {1, 8, 12, 12}), y = tiny::conv(g, x, 16);
    tiny::output(g, tiny::relu(g, y), "y");
    Planned planned(g);
    const ValueId weight = ir::node_at(g, producer(g, y)).inputs[1];
    planned.model.narrow[weight] = type;
    const Outcome outcome = judge(planned);
    CHECK(outcome.ops.find("Cast") == std::string::npos);
    CHECK(outcome.against_float < (type == ir::DType::kFloat16 ? 0.001 : 0.01));
    CHECK(outcome.against_float > 0);
    CHECK(outcome.written.bytes.size() < onnx_io::write(g).size() - 8 * 16 * 9 * 2 + 200);
  }
}
