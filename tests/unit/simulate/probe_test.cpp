// Probes: what rounding one group costs, of many groups as of few, and the simulator as it was before.
#include "simulate/probe.h"

#include <catch2/catch.hpp>

#include "prepare.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

// x + x + ... + x, each partial sum rounded as a group of its own: most of them finely, two of them coarsely.
struct Chain {
  run::ModelCodec codec = onnx_codec();
  run::OrtRunnerFactory runners{codec};
  plan::QuantizedModel model;
  std::vector<std::vector<ir::ValueId>> groups;
  std::vector<simulate::Judged> judged;
  std::vector<std::vector<ir::Tensor>> inputs;

  explicit Chain(int sums) {
    model.graph = tiny::graph();
    const ir::ValueId x = tiny::input(model.graph, "x", {1, 16});
    ir::ValueId sum = x;
    for (int i = 0; i < sums; ++i) {
      sum = tiny::add(model.graph, sum, x);
      groups.push_back({sum});
    }
    tiny::output(model.graph, tiny::sigmoid(model.graph, sum), "y");
    model.plan.nodes.resize(model.graph.nodes.size());
    model.plan.values.resize(model.graph.values.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      plan::ValueDecision& decision = model.plan.values[groups[g][0]];
      decision.quantized = true;
      decision.params = {8,  true, false, -1, {g == 5 || g == 30 ? 0.2f : 0.001f * static_cast<float>(g + 1)},
                         {0}};
    }
    judged = simulate::judged_values(model.graph);
    for (const float step : {0.001f, 0.0007f}) {
      std::vector<float> values;
      for (int i = 0; i < 16; ++i) values.push_back(step * static_cast<float>(i - 7));
      inputs.push_back({ir::make_tensor(std::span<const float>(values), {1, 16})});
    }
  }
  simulate::NoiseRatios probe(simulate::Simulator& simulator, int threads) const {
    return simulate::rounding_noise(simulator, groups, inputs, judged, threads);
  }
};

}  // namespace

TEST_CASE("of many groups those that cost much are probed by themselves, the others with their neighbours") {
  Chain chain(70);
  const auto simulator = simulate::make_simulator(chain.model, chain.runners, {}, chain.judged);
  const simulate::ActivationTable before = simulator->table;
  const simulate::NoiseRatios many = chain.probe(*simulator, 3);
  REQUIRE(many.size() == 70);
  for (size_t v = 0; v < before.size(); ++v) CHECK(simulator->table[v].has_value() == before[v].has_value());
  CHECK_FALSE(simulator->before);
  // Alone, and on one thread.
  for (const size_t g : {size_t{5}, size_t{30}, size_t{31}}) {
    const auto alone = simulate::rounding_noise(*simulator, {chain.groups[g]}, chain.inputs, chain.judged, 1);
    CHECK(many[g][0] == alone[0][0]);
  }
  CHECK(many[5][0] > 100 * many[4][0]);
  CHECK(many[64] == many[65]);  // shared by a set that costs little
  CHECK(chain.probe(*simulator, 1) == many);
}

TEST_CASE("few groups are probed one by one, all pictures for what costs much, corrections in force") {
  Chain chain(6);
  const auto simulator = simulate::make_simulator(chain.model, chain.runners, {}, chain.judged);
  int corrected = 0;
  simulator->before = [&](ir::ValueId, int64_t, std::span<float>, std::span<const int64_t>) { ++corrected; };
  const simulate::NoiseRatios few = chain.probe(*simulator, 1);
  CHECK(few.size() == 6);
  CHECK(few[5][0] > 100 * few[0][0]);
  // Six values; two images without rounding, six probes on the first, on the second the one that matters.
  CHECK(corrected == 6 * (2 + 6 + 1));
  CHECK(simulator->before);
}

TEST_CASE("other grids than the plan's are probed in its session, and leave no trace") {
  Chain chain(6);
  const auto simulator = simulate::make_simulator(chain.model, chain.runners, {}, chain.judged);
  const auto params = [&](size_t g) { return chain.model.plan.values[chain.groups[g][0]].params; };
  quant::QuantParams coarse = params(0), fine = params(5);
  coarse.scales[0] = 0.2f;
  fine.scales[0] = 0.001f;
  const std::vector<simulate::RangeProbe> probes{
      {chain.groups[5], params(5)}, {chain.groups[5], fine}, {chain.groups[0], coarse}};
  const simulate::NoiseRatios noise =
      simulate::range_noise(*simulator, probes, chain.inputs, chain.judged, 2);
  CHECK(noise[0] == chain.probe(*simulator, 1)[5]);  // the plan's own grid
  CHECK(noise[1][0] < noise[0][0] / 100);
  CHECK(noise[2][0] > 100 * chain.probe(*simulator, 1)[0][0]);
  CHECK(simulate::range_noise(*simulator, probes, chain.inputs, chain.judged, 1) == noise);
  CHECK(simulator->table[chain.groups[5][0]]->scales[0] == 0.2f);
}

TEST_CASE("grids may be found while nothing is rounded, and groups beyond a number be probed together") {
  Chain chain(8);
  const auto simulator = simulate::make_simulator(chain.model, chain.runners, {}, chain.judged);
  const simulate::NoiseRatios known = chain.probe(*simulator, 1);
  const simulate::ActivationTable grids = simulator->table;
  std::fill(simulator->table.begin(), simulator->table.end(), std::nullopt);
  int seen = 0;
  simulator->before = [&](ir::ValueId, int64_t, std::span<float>, std::span<const int64_t>) { ++seen; };
  simulate::ProbeOptions options;
  options.settle = [&] {
    CHECK(seen == 8 * 2);
    simulator->before = {};
    simulator->table = grids;
  };
  const auto probe = [&] {
    return simulate::rounding_noise(*simulator, chain.groups, chain.inputs, chain.judged, 1, options);
  };
  CHECK(probe() == known);
  CHECK(seen == 8 * 2);
  CHECK(simulator->table[chain.groups[5][0]].has_value());
  options.settle = {};
  options.alone = 7;
  const simulate::NoiseRatios together = probe();
  CHECK(together[0] == together[3]);
  CHECK(together[5] == known[5]);
}
