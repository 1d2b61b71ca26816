// Sequential bias correction on a real runtime and a network small enough to check by hand.
#include "correct/bias_correction.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/error.h"
#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "support/random_source.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

struct Net {
  ir::Graph graph = tiny::graph();
  plan::QuantPlan plan;
  plan::Candidates weights;
};

// Two convolutions whose weights are rounded so coarsely that every channel's mean moves.
Net two_convs() {
  Net net;
  const ir::ValueId x = tiny::input(net.graph, "x", {1, 3, 10, 10});
  const ir::ValueId y = tiny::conv(net.graph, tiny::relu(net.graph, tiny::conv(net.graph, x, 6)), 5);
  tiny::output(net.graph, y, "y");
  net.plan.nodes.resize(net.graph.nodes.size());
  net.plan.values.resize(net.graph.values.size());
  for (const size_t n : {size_t{0}, size_t{2}}) {
    net.plan.nodes[n].compute = plan::Compute::kFloatIntegerWeights;
    quant::QuantParams params;
    params.is_signed = params.narrow_range = true;
    params.axis = 0;
    params.scales.assign(n == 0 ? 6 : 5, 0.11f);
    params.zero_points.assign(params.scales.size(), 0);
    net.weights[net.graph.nodes[n].inputs[1]] = {{params, 0, 0, {}}};
  }
  return net;
}

}  // namespace

TEST_CASE(
    "after correction every channel's mean error is gone, layer after layer, and the output is closer") {
  const Net net = two_convs();
  const tiny::RandomSource source;
  run::OrtRunnerFactory runners(onnx_codec());
  quantize::Guards guards;
  plan::QuantizedModel model = quantize::quantize(net.graph, net.plan, net.weights, {}, guards);
  const auto layers = correct::correctable_layers(net.graph, net.plan);
  REQUIRE(layers.size() == 2);
  const auto judged = simulate::judged_values(net.graph);
  std::vector<ir::ValueId> results{layers[0].result, layers[1].result};
  const auto float_model = simulate::make_float_model(net.graph, runners, results, judged);
  const auto simulator = simulate::make_simulator(model, runners, results, judged);
  const std::vector<int64_t> images{0, 1, 2, 3, 4, 5, 6, 7};
  const auto expected = correct::float_means(*float_model, layers, source, images, 2);
  const auto deltas =
      correct::measure_bias_deltas(*simulator, layers, expected, source, int64_t{64} << 20, 2);
  REQUIRE(deltas.size() == 2);

  const auto reference =
      simulate::reference_of(*float_model->runner, source, std::vector<int64_t>{8, 9, 10, 11}, 1, 2);
  const double before = simulate::fidelity_of(*simulator->runner, source, reference, judged, 2).worst_db();
  simulator->before = correct::adding(deltas, layers);
  const double hooked = simulate::fidelity_of(*simulator->runner, source, reference, judged, 2).worst_db();
  CHECK(hooked > before + 1);

  // Parts add up to the whole.
  const auto judge = [&](const std::vector<size_t>& places) {
    return simulate::fidelity_on(places, *simulator->runner, source, reference, judged, 2);
  };
  simulate::Fidelity parts = judge({1, 3});
  CHECK(parts.images == 2);
  CHECK(parts.worst_db() != Approx(hooked).epsilon(1e-6));
  simulate::add(parts, judge({0, 2}));
  CHECK(parts.images == 4);
  CHECK(parts.worst_db() == Approx(hooked).epsilon(1e-9));
  CHECK(judge({}).outputs.size() == 1);

  // The same deltas written into the biases act as the hook does.
  quantize::add_to_biases(model, deltas);
  const auto written = simulate::make_simulator(model, runners, results, judged);
  CHECK(simulate::fidelity_of(*written->runner, source, reference, judged, 2).worst_db() ==
        Approx(hooked).epsilon(1e-4));
  const auto again = correct::measure_bias_deltas(*written, layers, expected, source, int64_t{64} << 20, 2);
  for (const auto& [node, delta] : again)
    for (const float d : delta) CHECK(std::fabs(d) < 1e-4f);
}

TEST_CASE("deltas do not depend on the number of threads or on the run") {
  const Net net = two_convs();
  const tiny::RandomSource source;
  run::OrtRunnerFactory runners(onnx_codec());
  quantize::Guards guards;
  const plan::QuantizedModel model = quantize::quantize(net.graph, net.plan, net.weights, {}, guards);
  const auto layers = correct::correctable_layers(net.graph, net.plan);
  std::vector<ir::ValueId> results{layers[0].result, layers[1].result};
  const auto float_model = simulate::make_float_model(net.graph, runners, results, {});
  const auto simulator = simulate::make_simulator(model, runners, results, {});
  const std::vector<int64_t> images{0, 1, 2, 3};
  const auto one = correct::float_means(*float_model, layers, source, images, 1);
  const auto two = correct::float_means(*float_model, layers, source, images, 2);
  CHECK(one.by_layer == two.by_layer);
  CHECK(correct::measure_bias_deltas(*simulator, layers, one, source, int64_t{64} << 20, 2) ==
        correct::measure_bias_deltas(*simulator, layers, two, source, int64_t{64} << 20, 2));
}

TEST_CASE("channels that lie last are shifted one by one") {
  std::vector<float> tensor(2 * 3 * 4);
  for (size_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<float>(i);
  const std::vector<int64_t> dims{2, 3, 4};
  const auto shifted = [&](int axis, const std::vector<float>& delta) {
    std::vector<float> copy = tensor;
    correct::adding({{0, delta}}, {{0, 7, axis}})(7, 0, copy, dims);
    return copy;
  };
  const std::vector<float> last = shifted(-1, {10, 20, 30, 40}), middle = shifted(1, {10, 20, 30});
  for (size_t i = 0; i < tensor.size(); ++i) {
    CHECK(last[i] == tensor[i] + 10 * static_cast<float>(i % 4 + 1));
    CHECK(middle[i] == tensor[i] + 10 * static_cast<float>(i / 4 % 3 + 1));
  }
}
