// Corrections by moments on a real runtime and a network small enough to see through.
#include "correct/moments.h"

#include <catch2/catch.hpp>
#include <cmath>

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

void round_value(Net& net, ir::ValueId value, double high) {
  plan::ValueDecision& decision = net.plan.values[value];
  decision.quantized = true;
  decision.params = quant::asymmetric_params(0, high, 8, false);
}

// A convolution with weights of few steps behind an input that is rounded as `high` says.
Net one_conv(float step, double high, int64_t pad) {
  Net net;
  const ir::ValueId x = tiny::input(net.graph, "x", {1, 3, 10, 10});
  const ir::ValueId y = tiny::conv(net.graph, x, 6, {.pad = pad});
  tiny::output(net.graph, y, "y");
  net.plan.nodes.resize(net.graph.nodes.size());
  net.plan.values.resize(net.graph.values.size());
  net.plan.nodes[0].compute = plan::Compute::kInteger;
  round_value(net, x, high);
  quant::QuantParams params;
  params.is_signed = params.narrow_range = true;
  params.axis = 0;
  params.scales.assign(6, step);
  params.zero_points.assign(6, 0);
  net.weights[net.graph.nodes[0].inputs[1]] = {{params, 0, 0, {}}};
  return net;
}

struct Bench {
  explicit Bench(Net n) : net(std::move(n)) {
    model = quantize::quantize(net.graph, net.plan, net.weights, {}, guards);
    layers = correct::correctable_layers(net.graph, net.plan);
    observed = {net.graph.nodes[0].inputs[0], layers.at(0).result};
    judged = simulate::judged_values(net.graph);
    float_model = simulate::make_float_model(net.graph, runners, observed, judged);
    reference =
        simulate::reference_of(*float_model->runner, source, std::vector<int64_t>{8, 9, 10, 11}, 1, 2);
  }
  double worst_db(const plan::QuantizedModel& changed) {
    const auto simulator = simulate::make_simulator(changed, runners, observed, judged);
    return simulate::fidelity_of(*simulator->runner, source, reference, judged, 2).worst_db();
  }
  Net net;
  tiny::RandomSource source;
  run::OrtRunnerFactory runners{onnx_codec()};
  quantize::Guards guards;
  plan::QuantizedModel model;
  std::vector<correct::Layer> layers;
  std::vector<ir::ValueId> observed;
  std::vector<simulate::Judged> judged;
  std::unique_ptr<simulate::FloatModel> float_model;
  simulate::Reference reference;
  const std::vector<int64_t> images{0, 1, 2, 3, 4, 5, 6, 7};
};

}  // namespace

TEST_CASE("means and deviations are those of the float model again", "[correct]") {
  Bench bench(one_conv(0.11f, 1, 1));
  const auto simulator = simulate::make_simulator(bench.model, bench.runners, bench.observed, bench.judged);
  const auto rescales = correct::measure_rescales(*simulator, *bench.float_model, bench.layers, bench.source,
                                                  bench.images, int64_t{64} << 20, 2);
  REQUIRE(rescales.size() == 1);
  const correct::Rescale& rescale = rescales.begin()->second;
  REQUIRE(rescale.gain.size() == 6);
  plan::QuantizedModel changed = bench.model;
  quantize::rescale_results(changed, rescales.begin()->first, rescale.gain, rescale.shift);
  CHECK(bench.worst_db(changed) > bench.worst_db(bench.model));

  // Measured again, nothing is left to do.
  const auto corrected = simulate::make_simulator(changed, bench.runners, bench.observed, bench.judged);
  const auto rest = correct::measure_rescales(*corrected, *bench.float_model, bench.layers, bench.source,
                                              bench.images, int64_t{64} << 20, 1);
  for (const float gain : rest.begin()->second.gain) CHECK(gain == Approx(1).margin(1e-3));
}

TEST_CASE("what clipping takes from an input's mean is given back by the bias", "[correct]") {
  Bench bench(one_conv(0.002f, 0.7, 0));  // the input reaches to 1: its mean falls
  const auto simulator = simulate::make_simulator(bench.model, bench.runners, bench.observed, bench.judged);
  const auto shifts = [&](double threshold) {
    return correct::measure_input_shifts(*simulator, bench.model, bench.layers, bench.source, bench.images,
                                         threshold, 2);
  };
  const correct::BiasDeltas deltas = shifts(0);
  REQUIRE(deltas.size() == 1);
  plan::QuantizedModel changed = bench.model;
  quantize::add_to_biases(changed, deltas);
  CHECK(bench.worst_db(changed) > bench.worst_db(bench.model) + 0.5);
  const correct::BiasDeltas none = shifts(50);  // no mean moves by half of itself
  for (const float delta : none.begin()->second) CHECK(delta == 0);
}
