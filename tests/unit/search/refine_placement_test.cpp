// When a placement is searched for at all: on a real runtime, a network of two convolutions, and roundings so
// coarse or so fine that the goal is missed, reached or reached with room.
#include "search/refine_placement.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "prepare.h"
#include "run/ort_runner.h"
#include "support/random_source.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

struct Bench {
  ir::Graph graph = tiny::graph();
  ir::ValueId x, middle, y;
  double step;  // of the rounding in between
  double last_step = 0.05;
  double integer_costs;  // of a convolution; 1 in float
  plan::Candidates weights;
  std::vector<select::Capability> capabilities{3};
  select::PlacementCosts time;
  std::vector<select::ProcessorCosts> time_on;
  config::CoreConfig config;
  tiny::RandomSource source{200};
  run::OrtRunnerFactory runners{onnx_codec()};
  calibrate::Split split;
  FloatAnswers answers;
  int retries = 0;

  Bench(double rounding_step, double integer_conv, int64_t pictures)
      : step(rounding_step), integer_costs(integer_conv) {
    x = tiny::input(graph, "x", {1, 3, 10, 10});
    middle = tiny::relu(graph, tiny::conv(graph, x, 6));
    y = tiny::conv(graph, middle, 5);
    tiny::output(graph, y, "y");
    for (const size_t n : {size_t{0}, size_t{2}}) {
      capabilities[n].ability = select::Ability::kInteger;
      quant::QuantParams params;
      params.is_signed = params.narrow_range = true;
      params.axis = 0;
      params.scales.assign(n == 0 ? 6 : 5, 0.005f);
      params.zero_points.assign(params.scales.size(), 0);
      weights[graph.nodes[n].inputs[1]] = {{params, 0, 0, {}}};
    }
    capabilities[1].ability = select::Ability::kFollows;
    time.nodes = {{integer_costs, 1}, {0, 0}, {integer_costs, 1}};
    time.values.resize(graph.values.size());
    time_on = {{"", time}};
    split.calibration.resize(static_cast<size_t>(pictures));
    std::iota(split.calibration.begin(), split.calibration.end(), 2);
    split.held_out = {0, 1};
    answers = ask_float_model(attempt_scene(), plan({true, true, true}), {}, split, false);
  }

  void narrow_weights() {
    for (auto& [value, candidates] : weights) {
      candidates[0].params.bits = 4;
      candidates[0].params.scales.assign(candidates[0].params.scales.size(), 0.027f);
    }
  }

  plan::QuantPlan plan(const std::vector<bool>& integer) const {
    using plan::Compute;
    plan::QuantPlan made;
    made.nodes.resize(graph.nodes.size());
    made.values.resize(graph.values.size());
    for (const size_t n : {size_t{0}, size_t{2}})
      made.nodes[n].compute = integer[n] ? Compute::kInteger : Compute::kFloatIntegerWeights;
    made.nodes[1].compute = integer[1] ? Compute::kInteger : Compute::kFloat;
    const auto round = [&](ir::ValueId v, bool rounded, double scale) {
      plan::ValueDecision& decision = made.values[v];
      decision = {rounded, {8, false, false, -1, {static_cast<float>(scale)}, {0}}, v, {}, ""};
      if (v == y) decision.params = {8, true, false, -1, {static_cast<float>(last_step)}, {0}};
    };
    round(x, integer[0], 0.004);
    round(middle, integer[0] || integer[2], step);
    round(y, integer[2], last_step);
    return made;
  }

  AttemptScene attempt_scene() { return {graph, runners, source, config, 2}; }
  PlacementScene scene() {
    return {graph, capabilities, time, time_on, true, config.goals, answers, runners, source, split, 2};
  }
  Attempt attempt_at(const std::vector<bool>& integer) {
    ++retries;
    return attempt(attempt_scene(), answers, plan(integer), weights);
  }

  Placed search() {
    const std::vector<bool> all{true, true, true};
    Attempt first = attempt_at(all);
    retries = 0;
    return refine_placement(scene(), all, std::move(first),
                            [&](const std::vector<bool>& integer) { return attempt_at(integer); });
  }

  Placed search_again(const std::vector<bool>& integer) {
    Placed placed;
    placed.best = attempt_at(integer);
    retries = 0;
    refine_again(scene(), placed, [&](const std::vector<bool>& other) { return attempt_at(other); });
    return placed;
  }

  /// `looked_at`: where nodes were at the first look; the noise that it found is so many times what it was.
  Placed last_resort(const std::vector<bool>& integer, const std::vector<bool>& looked_at = {},
                     double exaggerated = 1) {
    Placed placed;
    if (!looked_at.empty()) {
      placed.best = attempt_at(looked_at);
      find_noise(scene(), placed);
      for (std::vector<double>& ratios : placed.noise->ratios)
        for (double& ratio : ratios) ratio *= exaggerated;
      placed.first_noise = placed.noise;
      placed.first_probed = placed.probed;
    }
    placed.best = attempt_at(integer);
    if (!has_narrow_weights(placed.best.model)) find_noise(scene(), placed);  // as after a search
    retries = 0;
    give_to_floats(scene(), placed, [&](const std::vector<bool>& other) { return attempt_at(other); });
    return placed;
  }

  /// From a best attempt at `integer`, after a first look at all of them that missed what it aimed at.
  Placed back_from(const std::vector<bool>& integer, double least_db = 0, double exaggerated = 1) {
    Placed placed;
    placed.missed = true;
    placed.best = attempt_at({true, true, true});
    find_noise(scene(), placed);
    for (std::vector<double>& ratios : placed.noise->ratios)
      for (double& ratio : ratios) ratio *= exaggerated;
    placed.best = attempt_at(integer);
    return back(std::move(placed), least_db);
  }
  Placed back(Placed placed, double least_db = 0) {
    retries = 0;
    take_back(scene(), placed, least_db, [&](const std::vector<bool>& other) { return attempt_at(other); });
    return placed;
  }
};

constexpr double kWithRoom = 0.055, kMissed = 0.4;

}  // namespace

TEST_CASE("a goal reached with room is searched beyond only where pictures are many") {
  Bench few(kWithRoom, 0.5, 10), many(kWithRoom, 0.5, 60);
  const Placed left = few.search(), searched = many.search();
  REQUIRE(left.best.fidelity.worst_db() > 23);
  REQUIRE(left.best.fidelity.worst_db() < 35);  // there is something to search for
  CHECK(few.retries == 0);
  CHECK_FALSE(left.noise);
  CHECK(left.frontier.empty());
  CHECK(searched.noise);
  CHECK(searched.best.fidelity.worst_db() >= left.best.fidelity.worst_db() - 0.5);
}

TEST_CASE("a goal that is missed, or set by the user, is searched for however few the pictures are") {
  Bench missed(kMissed, 0.5, 10), asked(kWithRoom, 0.5, 10);
  asked.config.goals.min_sqnr_db = 35;
  const Placed found = missed.search();
  CHECK(found.noise);
  CHECK(missed.retries > 0);
  CHECK(found.best.fidelity.worst_db() > 20);
  CHECK(asked.search().noise);
  CHECK(asked.retries > 0);
}

TEST_CASE("a goal that cannot be had in time gets what is closest to it, not what is fastest") {
  Bench end(0.02, 0.5, 10);
  end.last_step = 1;
  end.config.goals.min_sqnr_db = 90;
  end.config.goals.max_latency_ratio = 0.8;
  const double before = end.attempt_at({true, true, true}).fidelity.worst_db();
  const Placed found = end.search();
  CHECK(integer_nodes(found.best.model.plan) == std::vector<bool>{true, true, false});
  CHECK(found.best.fidelity.worst_db() > before + 3);
}

TEST_CASE("what just reaches the goal and is fast stays where only weights alone would do with ease") {
  Bench near(0.11, 0.5, 60);
  near.time.nodes = {
      {0.98, 1}, {0, 0}, {0.1, 1}};  // with the second convolution in float there is nothing gained
  near.time_on = {{"", near.time}};
  const Placed found = near.search();
  CHECK(found.best.fidelity.worst_db() >= 20);
  CHECK(found.best.fidelity.worst_db() < 26);  // what is aimed at, with two images held out
  CHECK(found.noise);
  CHECK(integer_nodes(found.best.model.plan) == std::vector<bool>{true, true, true});
}

TEST_CASE("floats as a last resort give back integers that were gone for what weights cost") {
  const std::vector<bool> all{true, true, true}, first{true, true, false}, last{false, false, true};
  Bench bench(0.02, 0.5, 10);
  bench.last_step = 1;  // the second convolution's result, which alone misses the goal
  REQUIRE(bench.attempt_at(last).fidelity.worst_db() < 20);
  CHECK(integer_nodes(bench.last_resort(last).best.model.plan) == std::vector<bool>(3, false));
  const Placed found = bench.last_resort(last, all);
  CHECK(integer_nodes(found.best.model.plan) == first);
  CHECK(found.best.fidelity.worst_db() > 24);

  // Noise that promises too little: placements between are looked at all the same.
  const Placed looked = bench.last_resort(last, all, 1000);
  CHECK(integer_nodes(looked.best.model.plan) == first);
  CHECK(looked.best.corrections.back().name == "placement between integers and floats");

  Bench slow(0.02, 0.94, 10);  // integers save next to nothing
  slow.last_step = 1;
  CHECK(integer_nodes(slow.last_resort(last, all, 1000).best.model.plan) == std::vector<bool>(3, false));
}

TEST_CASE("integers that went come back where the goal has room for them") {
  const std::vector<bool> none(3), all{true, true, true}, first{true, true, false};
  Bench fine(0.02, 0.5, 10);
  fine.last_step = 0.01;
  const double all_db = fine.attempt_at(all).fidelity.worst_db();
  REQUIRE(all_db > 27);  // what is aimed at, with two images held out, is 26.25
  const Placed found = fine.back_from(none);
  CHECK(integer_nodes(found.best.model.plan) == all);
  CHECK(fine.retries == 1);
  CHECK(found.best.corrections.back().name == "more integers, as the goal has room");
  CHECK(found.best.corrections.back().kept);
  // Not where more is asked for, or where they went for another reason.
  CHECK(integer_nodes(fine.back_from(none, all_db + 1).best.model.plan) != all);
  Placed luxury = fine.back_from(none, 200);
  REQUIRE(integer_nodes(luxury.best.model.plan) == none);
  luxury.missed = false;
  CHECK(integer_nodes(fine.back(std::move(luxury)).best.model.plan) == none);
  CHECK(fine.retries == 0);

  Bench end(0.02, 0.5, 10);  // the second convolution's result alone misses the goal
  end.last_step = 1;
  CHECK(integer_nodes(end.back_from(none).best.model.plan) == first);
  // Noise that promises too much: the look that fails says how much less to try.
  const Placed corrected = end.back_from(none, 0, 1e-4);
  CHECK(integer_nodes(corrected.best.model.plan) == first);
  CHECK(end.retries > 1);
  CHECK(end.retries <= 3);

  Bench slow(0.02, 0.97, 10);  // integers save next to nothing
  CHECK(integer_nodes(slow.back_from(none).best.model.plan) == none);
  CHECK(slow.retries == 0);
  Bench one_slow(0.02, 0.5, 10);  // on one of the processors they cost time
  one_slow.time_on.push_back({"old", one_slow.time});
  one_slow.time_on.back().time.nodes[0] = one_slow.time_on.back().time.nodes[2] = {2, 1};
  CHECK(integer_nodes(one_slow.back_from(none).best.model.plan) == none);
  CHECK(one_slow.retries == 0);
}

TEST_CASE("the way back goes on where floats were the last resort") {
  const std::vector<bool> all{true, true, true}, last{false, false, true};
  Bench bench(0.02, 0.5, 10);
  bench.last_step = 1;
  Placed found = bench.last_resort(last, all);
  CHECK_FALSE(found.first_noise);
  found.missed = true;
  CHECK(integer_nodes(bench.back(std::move(found)).best.model.plan) == std::vector<bool>{true, true, false});
}

TEST_CASE("integers that save too little go, without a look at what each of them costs") {
  Bench little(kMissed, 0.97, 60);
  const Placed found = little.search();
  CHECK(little.retries == 1);
  CHECK_FALSE(found.noise);
  CHECK(integer_nodes(found.best.model.plan) == std::vector<bool>{false, false, false});
  CHECK(found.best.corrections.back().kept);
}

TEST_CASE("a second look sees what the first could not, and takes nodes off integers alone") {
  Bench coarse_end(0.02, 0.5, 10), coarse_middle(kMissed, 0.5, 10);
  coarse_end.last_step = 1;
  const double before = coarse_end.attempt_at({true, true, true}).fidelity.worst_db();
  REQUIRE(before < 20);
  const Placed found = coarse_end.search_again({true, true, true});
  CHECK(coarse_end.retries == 1);
  CHECK(integer_nodes(found.best.model.plan) == std::vector<bool>{true, true, false});
  CHECK(found.best.fidelity.worst_db() > before + 1);
  CHECK(found.noise);
  // Without the second convolution nothing would be gained any more, and the first stays a float.
  const Placed kept = coarse_middle.search_again({false, false, true});
  CHECK(coarse_middle.retries == 0);
  CHECK(integer_nodes(kept.best.model.plan) == std::vector<bool>{false, false, true});
  for (const select::Refined& one : kept.frontier) CHECK_FALSE(one.integer[0]);
}

TEST_CASE("a search that has missed its goal ends with the floats that reach it, where time allows") {
  Bench end(0.02, 0.5, 10), middle(kMissed, 0.5, 10), hopeless(kMissed, 0.5, 10),
      short_of_time(kMissed, 0.5, 10);
  end.last_step = 1;
  const Placed between = end.last_resort({true, true, true});
  CHECK(between.best.fidelity.worst_db() >= 20);
  CHECK(end.retries == 2);
  CHECK(integer_nodes(between.best.model.plan) == std::vector<bool>{true, true, false});
  const Placed floats = middle.last_resort({true, true, true});
  CHECK(floats.best.fidelity.worst_db() >= 20);
  CHECK(floats.best.corrections.back().kept);
  hopeless.config.goals.min_sqnr_db = 90;
  const Placed closest = hopeless.last_resort({true, true, true});
  CHECK(hopeless.retries == 1);
  CHECK(integer_nodes(closest.best.model.plan) == std::vector<bool>{false, false, false});
  short_of_time.config.goals.max_latency_ratio = 0.9;
  const Placed kept = short_of_time.last_resort({true, true, true});
  CHECK(short_of_time.retries == 0);
  CHECK(integer_nodes(kept.best.model.plan) == std::vector<bool>{true, true, true});
}

TEST_CASE("narrow weights get floats where these reach the goal, and are not solved anew where they do not") {
  Bench reached(kMissed, 0.5, 10), missed(kMissed, 0.5, 10);
  reached.narrow_weights();
  missed.narrow_weights();
  const double floats_db = reached.attempt_at({false, false, false}).fidelity.worst_db(),
               integers_db = reached.attempt_at({true, true, true}).fidelity.worst_db();
  REQUIRE(integers_db < 18);
  REQUIRE(floats_db > 22);
  reached.config.goals.min_sqnr_db = 20;
  const Placed floats = reached.last_resort({true, true, true});
  CHECK(floats.best.fidelity.worst_db() >= 20);
  CHECK(floats.best.corrections.back().kept);
  missed.config.goals.min_sqnr_db = floats_db + 6;
  const Placed kept = missed.last_resort({true, true, true});
  CHECK(missed.retries == 0);
  CHECK(integer_nodes(kept.best.model.plan) == std::vector<bool>{true, true, true});
}
