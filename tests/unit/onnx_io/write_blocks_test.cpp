// Weights with a scale for each block, as stock ONNX Runtime reads them: unfolded by standard ops they are
// what the integers say, wherever the channels lie and whether or not whole blocks fit.
#include <catch2/catch.hpp>

#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;

namespace {

struct Case {
  const char* op;
  int axis;
  int64_t length;
  bool is_signed;
  int bits;
};

ir::ValueId layer(ir::Graph& g, const Case& c) {
  if (std::string_view(c.op) == "Conv")
    return tiny::conv(g, tiny::input(g, "x", {1, c.length, 5, 5}), 6, {.bias = false});
  const auto x = tiny::input(g, "x", {3, c.length});
  if (std::string_view(c.op) == "Gemm") return tiny::gemm(g, x, 6);
  return tiny::matmul(g, x, tiny::constant(g, tiny::random_tensor({c.length, 6}, 4), "w"));
}

plan::IntegerTensor in_blocks(const ir::Tensor& weight, const Case& c) {
  plan::IntegerTensor stored;
  stored.params.bits = c.bits;
  stored.params.is_signed = c.is_signed;
  stored.params.axis = c.axis;
  stored.params.block_size = 16;
  const quant::ChannelLayout layout = quant::channel_layout(weight.dims, c.axis);
  const int64_t count = layout.channels * quant::scales_in_channel(layout, stored.params);
  for (int64_t i = 0; i < count; ++i) {
    stored.params.scales.push_back(0.05f + 0.01f * static_cast<float>(i % 7));
    stored.params.zero_points.push_back(c.is_signed ? 0
                                                    : static_cast<int32_t>(i % 3) + (1 << (c.bits - 1)) - 1);
  }
  stored.integers = quant::quantize(weight.as<float>(), weight.dims, stored.params);
  return stored;
}

}  // namespace

TEST_CASE("weights in blocks are unfolded to what their integers say", "[onnx_io][qdq]") {
  const Case c =
      GENERATE(Case{"MatMul", 1, 48, true, 4}, Case{"MatMul", 1, 40, true, 4},
               Case{"MatMul", 1, 40, false, 3}, Case{"Gemm", 0, 64, false, 4}, Case{"Gemm", 0, 50, true, 8},
               Case{"Conv", 0, 7, true, 5}, Case{"Conv", 0, 16, false, 4});
  const int64_t opset = GENERATE(13, 21);
  CAPTURE(c.op, c.length, c.is_signed, c.bits, opset);
  ir::Graph g = tiny::graph(opset);
  const ir::ValueId y = layer(g, c);
  tiny::output(g, y, "y");
  plan::QuantizedModel model;
  model.graph = g;
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  const ir::Node& node = tiny::producer(g, y);
  const ir::ValueId w = node.inputs[1];
  const ir::Tensor& weight = *tiny::value(g, w).constant;
  model.plan.nodes[tiny::value(g, y).producer].compute = plan::Compute::kFloatIntegerWeights;
  model.weights[w] = in_blocks(weight, c);
  ir::Graph meant = g;
  const std::vector<float> floats =
      quant::dequantize(model.weights[w].integers, weight.dims, model.weights[w].params);
  meant.values[w].constant = ir::make_tensor(std::span<const float>(floats), weight.dims);
  const std::string bytes = onnx_io::write_qdq(model, {}).bytes, exact = onnx_io::write(meant);
  const auto inputs = ort_try::random_inputs(exact, 3);
  const auto found = ort_try::run(bytes, inputs, ort_try::Optimize::kExtended),
             wanted = ort_try::run(exact, inputs);
  CHECK(ort_try::max_relative_error(wanted[0], found[0]) < 1e-6);
}
