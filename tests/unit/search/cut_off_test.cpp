// One picture of many is four times as bright, and none like it is held out: what its range cuts off counts.
#include "search/cut_off.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "prepare.h"
#include "run/ort_runner.h"
#include "support/random_source.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

constexpr int64_t kBright = 7;

class OneBright : public tiny::RandomSource {
 public:
  using RandomSource::RandomSource;
  std::vector<ir::Tensor> load(int64_t index) const override {
    if (index != kBright) return RandomSource::load(index);
    return {tiny::random_tensor({1, 3, 10, 10}, 1, 0, 4)};
  }
};

}  // namespace

TEST_CASE("images that a range cuts off are known, and count for themselves") {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {-1, 3, 10, 10});
  const ir::ValueId y = tiny::conv(graph, x, 6);
  tiny::output(graph, y, "y");
  const OneBright source(20);
  run::OrtRunnerFactory runners(onnx_codec());
  calibrate::Split split;
  split.calibration.resize(18);
  std::iota(split.calibration.begin(), split.calibration.end(), 2);
  split.held_out = {0, 1};

  const std::vector<plan::StatRequest> requests{{x}};
  plan::StatsTable stats;
  calibrate::ExtremesTable extremes;
  for (const int threads : {1, 3}) {
    stats =
        calibrate::calibrate(graph, runners, source, split.calibration, requests, {threads, 1}, &extremes);
    CHECK(extremes.at(x).largest == kBright);
  }
  CHECK(calibrate::calibrate(graph, runners, source, split.calibration, requests, {1, 2}, &extremes)
            .at(x)
            .max == stats.at(x).max);
  CHECK(extremes.at(x).largest == kBright - 1);  // the first of its batch

  plan::QuantPlan plan;
  plan.nodes.resize(graph.nodes.size());
  plan.values.resize(graph.values.size());
  plan.nodes[0].compute = plan::Compute::kInteger;
  plan::Candidates weights;
  weights[graph.nodes[0].inputs[1]] = {{quant::symmetric_params(0.2, 8, true, false), 0, 0, {}}};
  const auto judged = [&](float largest) {
    plan.values[x] = {true, {8, false, false, -1, {largest / 255}, {0}}, x, {}, ""};
    const std::vector<int64_t> rare = images_cut_off(plan, stats, {{x, {2, kBright}}}, 4);
    CHECK(rare == (largest < 4 ? std::vector<int64_t>{kBright} : std::vector<int64_t>{}));
    const config::CoreConfig config;
    const AttemptScene scene{graph, runners, source, config, 2};
    const FloatAnswers answers = ask_float_model(scene, plan, stats, split, false, rare);
    const Attempt tried = attempt(scene, answers, plan, weights);
    return std::pair(tried.fidelity.worst_db(), calibration_db(answers, source, 2, tried));
  };
  const auto [narrow, narrow_all] = judged(1);
  const auto [wide, wide_all] = judged(4);
  CHECK(narrow > wide);
  CHECK(narrow_all < narrow - 6);
  CHECK(wide_all == wide);
  CHECK(narrow_all < wide_all);
}
