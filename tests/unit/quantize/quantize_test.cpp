// Integers and their guards.
#include "quantize/quantize.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/error.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

struct Made {
  ir::Graph graph = tiny::graph();
  plan::QuantPlan plan;
  plan::Candidates weights;
  ir::NodeId conv = 0;
  ir::ValueId weight = ir::kNone;
};

// One integer Conv with input scale 0.01 and a weight scale of 0.001 in each of its 4 channels.
Made one_conv() {
  Made made;
  const ir::ValueId x = tiny::input(made.graph, "x", {1, 8, 6, 6});
  const ir::ValueId y = tiny::conv(made.graph, x, 4);
  tiny::output(made.graph, y, "y");
  made.plan.nodes.resize(1);
  made.plan.nodes[0].compute = plan::Compute::kInteger;
  made.plan.values.resize(made.graph.values.size());
  auto& input = made.plan.values[x];
  input.quantized = true;
  input.params = quant::asymmetric_params(0, 2.55, 8, false);
  made.weight = made.graph.nodes[0].inputs[1];
  quant::QuantParams params;
  params.is_signed = params.narrow_range = true;
  params.axis = 0;
  params.scales.assign(4, 0.001f);
  params.zero_points.assign(4, 0);
  made.weights[made.weight] = {{params, 0, 0, {}}};
  return made;
}

}  // namespace

TEST_CASE("a bias has the scale of its input times its weight") {
  const Made made = one_conv();
  quantize::Guards guards;
  const plan::QuantizedModel model = quantize::quantize(made.graph, made.plan, made.weights, {}, guards);
  const plan::IntegerTensor& bias = model.biases.at(made.conv);
  const std::span<const float> b = ir::constant_input(made.graph, made.graph.nodes[0], 2)->as<float>();
  for (size_t c = 0; c < 4; ++c) {
    CHECK(bias.params.scales[c] == 0.01f * 0.001f);
    CHECK(std::fabs(bias.integers[c] * static_cast<double>(bias.params.scales[c]) - b[c]) <=
          0.5 * bias.params.scales[c] * 1.001);
  }
  CHECK(guards.biases_raised == 0);
}

TEST_CASE("a bias that would overflow raises its channel's weight scale and no other") {
  Made made = one_conv();
  ir::value_at(made.graph, made.graph.nodes[0].inputs[2]).constant =
      ir::make_tensor(std::vector<float>{0.1f, 20000.0f, -0.1f, -30000.0f}, {4});
  quantize::Guards guards;
  const plan::QuantizedModel model = quantize::quantize(made.graph, made.plan, made.weights, {}, guards);
  const auto& scales = model.weights.at(made.weight).params.scales;
  CHECK(guards.biases_raised == 2);
  CHECK(scales[0] == 0.001f);
  CHECK(scales[2] == 0.001f);
  CHECK(scales[1] > 0.001f);
  const plan::IntegerTensor& bias = model.biases.at(made.conv);
  for (const size_t c : {size_t{1}, size_t{3}}) {
    CHECK(std::abs(static_cast<int64_t>(bias.integers[c])) <= 1 << 30);
    CHECK(bias.integers[c] * static_cast<double>(bias.params.scales[c]) ==
          Approx(c == 1 ? 20000 : -30000).epsilon(1e-6));
  }
}

namespace {

// The largest sum of two products of one sign that a kernel adds in 16 bits: input channels innermost, two by
// two.
int64_t largest_sum(const std::vector<int32_t>& w, const std::vector<int64_t>& inputs) {  // [4, 8, 3, 3]
  int64_t largest = 0;
  for (size_t o = 0; o < 4; ++o)
    for (size_t i = 0; i < 8; i += 2)
      for (size_t k = 0; k < 9; ++k) {
        const int64_t a = w[(o * 8 + i) * 9 + k], b = w[(o * 8 + i + 1) * 9 + k];
        if ((a < 0) == (b < 0))
          largest = std::max(largest, std::abs(a) * inputs[i] + std::abs(b) * inputs[i + 1]);
      }
  return largest;
}

double squared_error(const ir::Tensor& weight, const plan::IntegerTensor& tensor) {
  const auto w = weight.as<float>();
  const std::vector<float> q = quant::dequantize(tensor.integers, weight.dims, tensor.params);
  double error = 0;
  for (size_t i = 0; i < w.size(); ++i)
    error += std::pow(static_cast<double>(w[i]) - static_cast<double>(q[i]), 2);
  return error;
}

}  // namespace

TEST_CASE("the saturation guard bounds pairs of weights, and without it they are counted") {
  using quantize::SaturationGuard;
  Made made = one_conv();
  const std::vector<int64_t> any(8, 255);
  quantize::Guards open, guarded;
  const plan::QuantizedModel plain =
      quantize::quantize(made.graph, made.plan, made.weights, {SaturationGuard::kOff, {}}, open);
  CHECK(open.risky_nodes == 1);
  CHECK(open.risky_channels == 4);
  CHECK(largest_sum(plain.weights.at(made.weight).integers, any) > 32767);
  const plan::QuantizedModel model =
      quantize::quantize(made.graph, made.plan, made.weights, {SaturationGuard::kAlways, {}}, guarded);
  CHECK(guarded.pairs_bounded == 4);
  CHECK(guarded.risky_channels == 0);
  CHECK(largest_sum(model.weights.at(made.weight).integers, any) <= 32767);
  // Halving every integer would do as well; this is to be better.
  const ir::Tensor& weight = *ir::value_at(made.graph, made.weight).constant;
  plan::IntegerTensor halves = plain.weights.at(made.weight);
  for (float& scale : halves.params.scales) scale *= 2;
  halves.integers = quant::quantize(weight.as<float>(), weight.dims, halves.params);
  CHECK(squared_error(weight, model.weights.at(made.weight)) < squared_error(weight, halves));
}

TEST_CASE("a guard for the inputs that calibration saw leaves alone what they cannot overflow") {
  using quantize::SaturationGuard;
  Made made = one_conv();
  const ir::Node& conv = ir::node_at(made.graph, made.conv);
  const double scale = made.plan.values[conv.inputs[0]].params.scales.at(0);
  const auto with = [&](std::vector<float> maxima, quantize::Guards& guards) {
    return quantize::quantize(made.graph, made.plan, made.weights,
                              {SaturationGuard::kSeen, {{conv.inputs[0], std::move(maxima)}}}, guards);
  };
  quantize::Guards off, small, large;
  const plan::QuantizedModel plain = quantize::quantize(made.graph, made.plan, made.weights, {}, off);
  const plan::QuantizedModel untouched = with(std::vector<float>(8, static_cast<float>(20 * scale)), small);
  CHECK(untouched.weights.at(made.weight).integers == plain.weights.at(made.weight).integers);
  CHECK(small.pairs_bounded == 0);
  CHECK(small.risky_channels == 4);
  CHECK(small.likely_channels == 0);

  // 160 steps seen, 200 with the quarter of room: 127 * 200 * 2 is too much, 127 * 200 is not.
  std::vector<float> maxima(8, 0.0f);
  for (size_t i = 0; i < 4; ++i) maxima[i] = static_cast<float>(160 * scale);
  const plan::QuantizedModel half = with(maxima, large);
  const auto& w = half.weights.at(made.weight).integers;
  CHECK(large.pairs_bounded > 0);
  CHECK(largest_sum(w, {200, 200, 200, 200, 0, 0, 0, 0}) <= 32767);
}

TEST_CASE("the saturation guard keeps codebooks and bounds the pairs that they make") {
  using quantize::SaturationGuard;
  Made made = one_conv();
  const std::vector<int64_t> any(8, 255);
  quant::QuantParams& params = made.weights.at(made.weight).front().params;
  params.codebook = {-127, -90, -40, -10, 0, 25, 70, 127};
  params.index_bits = 3;
  quantize::Guards open, guarded;
  const plan::IntegerTensor plain =
      quantize::quantize(made.graph, made.plan, made.weights, {SaturationGuard::kOff, {}}, open)
          .weights.at(made.weight);
  REQUIRE(largest_sum(plain.integers, any) > 32767);
  const plan::IntegerTensor bounded =
      quantize::quantize(made.graph, made.plan, made.weights, {SaturationGuard::kAlways, {}}, guarded)
          .weights.at(made.weight);
  CHECK(guarded.pairs_bounded == open.risky_channels);
  CHECK(guarded.risky_channels == 0);
  CHECK(largest_sum(bounded.integers, any) <= 32767);
  CHECK(bounded.params.codebook == params.codebook);
  for (const int32_t q : bounded.integers)
    CHECK(std::binary_search(params.codebook.begin(), params.codebook.end(), q));

  // Nothing in this one is small enough: it stays as it is, and is counted.
  params.codebook = {100, 110, 120, 127, 127, 127, 127, 127};
  quantize::Guards stuck;
  quantize::quantize(made.graph, made.plan, made.weights, {SaturationGuard::kAlways, {}}, stuck);
  CHECK(stuck.risky_channels == 4);
}

TEST_CASE("a correction changes biases and leaves weights alone, also where there was no bias") {
  Made made = one_conv();
  quantize::Guards guards;
  plan::QuantizedModel model = quantize::quantize(made.graph, made.plan, made.weights, {}, guards);
  const auto weights = model.weights.at(made.weight).integers;
  const auto before = model.biases.at(made.conv).integers;
  quantize::add_to_biases(model, {{made.conv, {0.0f, 0.001f, -0.001f, 0.5f}}});
  const auto& after = model.biases.at(made.conv).integers;
  CHECK(after[0] == before[0]);
  CHECK(std::abs(after[1] - before[1] - 100) <= 1);
  CHECK(std::abs(after[2] - before[2] + 100) <= 1);
  CHECK(model.weights.at(made.weight).integers == weights);
  ir::verify(model.graph);
}

TEST_CASE("a constant that no reader wants as integers stays float") {
  Made made = one_conv();
  made.plan.nodes[0].compute = plan::Compute::kFloat;
  quantize::Guards guards;
  CHECK(quantize::quantize(made.graph, made.plan, made.weights, {}, guards).weights.empty());
}
