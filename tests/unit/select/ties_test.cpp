// Scales between which no sum lies half way; Concats that would put unlike ranges on one scale.
#include "select/ties.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "quant/operand_params.h"
#include "select/near_grids.h"
#include "select/unlike.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

void round_at(plan::QuantPlan& plan, ir::ValueId v, float scale, int bits = 8) {
  plan::ValueDecision& d = plan.values[static_cast<size_t>(v)];
  d.quantized = true;
  d.scale_group = v;
  d.params.bits = bits;
  d.params.scales = {scale};
  d.params.zero_points = {100};
}

plan::QuantPlan integers_everywhere(const ir::Graph& g) {
  plan::QuantPlan plan;
  plan.nodes.resize(g.nodes.size());
  plan.values.resize(g.values.size());
  for (plan::NodeDecision& node : plan.nodes) node.compute = plan::Compute::kInteger;
  return plan;
}

float scale_of(const plan::QuantPlan& plan, ir::ValueId v) {
  return plan.values[static_cast<size_t>(v)].params.scales[0];
}

// How far every possible sum is from half a step, at least.
double nearest_tie(double a, double b) {
  double nearest = 1;
  for (int i = -255; i <= 255; ++i)
    for (int j = -255; j <= 255; ++j) {
      const double sum = i * a + j * b;
      nearest = std::min(nearest, std::fabs(sum - std::floor(sum) - 0.5));
    }
  return nearest;
}

// As XNNPACK adds: multipliers of 20 bits, half a step added, shifted down.
int64_t xnnpack_sum(int i, int j, float a, float b, float out) {
  const int shift = 20 - static_cast<int>(std::floor(std::log2(std::max(a / out, b / out))));
  const auto multiplier = [&](float scale) {
    return static_cast<int64_t>(std::nearbyint(std::ldexp(static_cast<double>(scale / out), shift)));
  };
  return (i * multiplier(a) + j * multiplier(b) + (int64_t{1} << (shift - 1))) >> shift;
}

}  // namespace

TEST_CASE("sums of integers keep away from half steps, so that every rule of rounding gives the same") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4}), y = tiny::input(g, "y", {1, 4});
  const ir::ValueId sum = tiny::add(g, x, y), twice = tiny::add(g, tiny::relu(g, sum), y);
  tiny::output(g, twice);
  plan::QuantPlan plan = integers_everywhere(g);
  const ir::ValueId limited = g.nodes[1].outputs[0];
  round_at(plan, x, 0.0123f);
  round_at(plan, y, 0.0202f);
  round_at(plan, limited, 0.0314f);
  round_at(plan, twice, 0.05f);
  select::avoid_ties(plan, g, target::load("int8"));
  CHECK(scale_of(plan, twice) == 0.05f);
  CHECK(scale_of(plan, x) == Approx(0.0123f).epsilon(0.002));
  CHECK(scale_of(plan, y) == Approx(0.0202f).epsilon(0.002));
  CHECK(scale_of(plan, limited) == Approx(0.0314f).epsilon(0.002));
  // y was moved for the later sum; nothing may move twice
  const double a = static_cast<double>(scale_of(plan, limited)) / 0.05f,
               b = static_cast<double>(scale_of(plan, y)) / 0.05f;
  CHECK(nearest_tie(a, b) > 4e-4);
  int different = 0;
  for (int i = -255; i <= 255; ++i)
    for (int j = -255; j <= 255; ++j) {
      const float sum_in_float = static_cast<float>(i) * (scale_of(plan, limited) / 0.05f) +
                                 static_cast<float>(j) * (scale_of(plan, y) / 0.05f);
      different +=
          std::lrint(sum_in_float) != xnnpack_sum(i, j, scale_of(plan, limited), scale_of(plan, y), 0.05f);
    }
  CHECK(different == 0);
}

TEST_CASE("ranges that have to be powers of two move only where near them will do, and then without ties") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4}), y = tiny::input(g, "y", {1, 4});
  const ir::ValueId z = tiny::input(g, "z", {1, 4});
  const ir::ValueId sum = tiny::add(g, x, y), twice = tiny::add(g, sum, z);
  tiny::output(g, twice);
  const target::TargetSpec target = target::load("tflite");
  plan::QuantPlan plan = integers_everywhere(g);
  const std::vector<std::pair<ir::ValueId, float>> scales{
      {x, 0x1p-8f}, {y, 0x1p-6f}, {sum, 0x1p-5f}, {z, 0x1p-12f}, {twice, 0x1p-4f}};
  for (const auto& [v, scale] : scales) round_at(plan, v, scale);
  select::avoid_ties(plan, g, target);
  for (const auto& [v, scale] : scales) CHECK(scale_of(plan, v) == scale);
  select::avoid_ties(plan, g, target, true);
  for (const auto& [v, scale] : scales) CHECK(scale_of(plan, v) == Approx(scale).epsilon(1.0 / 128));
  int different = 0;
  for (const auto& [a, b, to] : {std::tuple{x, y, sum}, {sum, z, twice}}) {
    const float left = scale_of(plan, a), right = scale_of(plan, b), out = scale_of(plan, to);
    CHECK(nearest_tie(static_cast<double>(left) / out, static_cast<double>(right) / out) > 4e-4);
    for (int i = -255; i <= 255; ++i)
      for (int j = -255; j <= 255; ++j)
        different += std::lrint(static_cast<float>(i) * (left / out) +
                                static_cast<float>(j) * (right / out)) != xnnpack_sum(i, j, left, right, out);
  }
  CHECK(different == 0);
}

TEST_CASE("scales that an op insists on, and those of other widths, stay") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4});
  const ir::ValueId gate = tiny::node(g, "Sigmoid", {x}), sum = tiny::add(g, gate, x);
  tiny::output(g, sum);
  plan::QuantPlan plan = integers_everywhere(g);
  round_at(plan, x, 0.0123f, 16);
  round_at(plan, gate, 1.0f / 256);
  round_at(plan, sum, 0.0111f);
  select::avoid_ties(plan, g, target::load("int8"));
  CHECK(scale_of(plan, gate) == 1.0f / 256);
  CHECK(scale_of(plan, x) == 0.0123f);
  CHECK(scale_of(plan, sum) == 0.0111f);
}

namespace {

// How many products of two integers floats round to one integer or another, by the order of the operations:
// as ONNX Runtime multiplies (both dequantized, over the output's scale), and as XNNPACK does.
int ambiguous_products(float a, float b, float out) {
  const float ratio = a * b / out;
  int found = 0;
  for (int i = 0; i <= 255; ++i)
    for (int j = 0; j <= 255; ++j) {
      const float x = static_cast<float>(i) * a, y = static_cast<float>(j) * b;
      const float product = static_cast<float>(i * j) * ratio;
      if (product < 256) found += std::lrint(x * y / out) != std::lrint(product);
    }
  return found;
}

}  // namespace

TEST_CASE("products of integers keep away from half steps") {
  int before = 0, after = 0;
  for (int k = 0; k < 20; ++k) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 4});
    const ir::ValueId gate = tiny::node(g, "Sigmoid", {x}), product = tiny::mul(g, x, gate);
    tiny::output(g, product);
    plan::QuantPlan plan = integers_everywhere(g);
    const float start = 0.0123f + 0.0011f * static_cast<float>(k), out = 0.0125f;
    round_at(plan, x, start);
    round_at(plan, gate, 1.0f / 256);
    round_at(plan, product, out);
    before += ambiguous_products(start, 1.0f / 256, out);
    select::avoid_ties(plan, g, target::load("int8"));
    CHECK(scale_of(plan, gate) == 1.0f / 256);
    CHECK(scale_of(plan, product) == out);
    CHECK(scale_of(plan, x) == Approx(start).epsilon(0.002));
    after += ambiguous_products(scale_of(plan, x), 1.0f / 256, out);
  }
  CHECK(before > 0);
  CHECK(after == 0);
}

// ONNX Runtime 1.30 refuses a file whose Clip limits a little less than its integers reach: "two nodes with
// same node name". Wider is never what the plan wants: the Clip disappears into its producer only while it
// limits.
TEST_CASE("a Clip goes on limiting what it limited, whichever way a scale moves") {
  for (int k = 0; k < 40; ++k) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 4});
    const ir::ValueId gate = tiny::clip(g, tiny::relu(g, x), 0, 1), product = tiny::mul(g, gate, x);
    tiny::output(g, tiny::add(g, gate, product));
    plan::QuantPlan plan = integers_everywhere(g);
    round_at(plan, x, 0.0123f + 0.0011f * static_cast<float>(k));
    round_at(plan, gate, 1.0f / 255);
    plan.values[static_cast<size_t>(gate)].params.zero_points = {0};
    round_at(plan, product, 0.0125f);
    if (k % 2) round_at(plan, g.outputs[0], 0.0171f + 0.001f * static_cast<float>(k));
    select::avoid_ties(plan, g, target::load("int8"));
    CHECK(scale_of(plan, gate) <= 1.0f / 255);
    CHECK(scale_of(plan, gate) == Approx(1.0f / 255).epsilon(1.0 / 60));
  }
}

TEST_CASE("products with a constant keep away from half steps") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4});
  const std::vector<float> factors{0.5f, 1.25f, 2.0f, 0.75f};
  const ir::ValueId product =
      tiny::mul(g, x, tiny::constant(g, ir::make_tensor(std::span<const float>(factors), {1, 4})));
  tiny::output(g, product);
  plan::QuantPlan plan = integers_everywhere(g);
  const float factor = quant::operand_params(factors, 8, false, false).scales[0];
  round_at(plan, x, 0.02f);
  round_at(plan, product, 0.02f * factor * 70);  // 35 and 105 and so on are half steps
  CHECK(ambiguous_products(0.02f, factor, scale_of(plan, product)) > 0);
  select::avoid_ties(plan, g, target::load("int8"));
  CHECK(scale_of(plan, x) == Approx(0.02f).epsilon(0.002));
  CHECK(ambiguous_products(scale_of(plan, x), factor, scale_of(plan, product)) == 0);
}

TEST_CASE("a LeakyRelu keeps away from half steps on both sides of zero") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4});
  const ir::ValueId bent = tiny::node(g, "LeakyRelu", {x}, {{"alpha", 0.25f}});
  tiny::output(g, bent);
  plan::QuantPlan plan = integers_everywhere(g);
  round_at(plan, x, 0.03f);
  round_at(plan, bent, 0.02f);  // 1.5: every third integer
  select::avoid_ties(plan, g, target::load("int8"));
  CHECK(scale_of(plan, bent) == 0.02f);
  CHECK(scale_of(plan, x) == Approx(0.03f).epsilon(0.002));
  const double ratio = static_cast<double>(scale_of(plan, x)) / 0.02f;
  double nearest = 1;
  for (int i = 1; i <= 255; ++i)
    for (const double result : {i * ratio, 0.25 * i * ratio})
      nearest = std::min(nearest, std::fabs(result - std::floor(result) - 0.5) / (i * ratio));
  CHECK(nearest > 0x1p-20);
}

namespace {

// x -> Conv -> Relu (or nothing) -> Concat with the model's own input's Conv, the first read once more.
struct Joined {
  ir::Graph g = tiny::graph();
  ir::ValueId a, b, all;
  plan::QuantPlan plan;
};

Joined joined(double a_low, double a_high, double b_low, double b_high, bool relu) {
  Joined j;
  const ir::ValueId x = tiny::input(j.g, "x", {1, 4, 5, 5});
  j.a = tiny::conv(j.g, x, 4);
  if (relu) j.a = tiny::relu(j.g, j.a);
  j.b = tiny::conv(j.g, x, 4);
  j.all = tiny::concat(j.g, {j.a, j.b});
  tiny::output(j.g, j.all);
  tiny::output(j.g, tiny::conv(j.g, j.a, 4));
  j.plan = integers_everywhere(j.g);
  const auto round_over = [&](ir::ValueId v, double low, double high) {
    round_at(j.plan, v, 1);
    j.plan.values[static_cast<size_t>(v)].params = quant::asymmetric_params(low, high, 8, false);
  };
  round_over(j.a, a_low, a_high);
  round_over(j.b, b_low, b_high);
  round_over(j.all, std::min(a_low, b_low), std::max(a_high, b_high));
  return j;
}

}  // namespace

TEST_CASE("a Concat and what it joins share one grid where their ranges are near") {
  const target::TargetSpec target = target::load("int8");
  Joined near = joined(-1, 2, -1.1, 1.9, false);
  select::share_near_grids(near.plan, near.g, target);
  const auto params = [](const Joined& j, ir::ValueId v) {
    return j.plan.values[static_cast<size_t>(v)].params;
  };
  CHECK(params(near, near.a) == params(near, near.all));
  CHECK(params(near, near.b) == params(near, near.all));

  Joined far = joined(-1, 2, -4, 4, false);
  const quant::QuantParams before = params(far, far.a);
  select::share_near_grids(far.plan, far.g, target);
  CHECK(params(far, far.a) == before);
  CHECK(params(far, far.b) == params(far, far.all));

  Joined limited = joined(0, 2, -0.1, 2, true);  // a Relu that its range does for
  const quant::QuantParams of_relu = params(limited, limited.a);
  select::share_near_grids(limited.plan, limited.g, target);
  CHECK(params(limited, limited.a) == of_relu);
}

TEST_CASE("a Concat of unlike ranges that stays in float for it is named where integers come to it") {
  ir::Graph g = tiny::graph();
  const ir::ValueId boxes = tiny::relu(g, tiny::input(g, "boxes", {1, 4, 8})),
                    scores = tiny::relu(g, tiny::input(g, "scores", {1, 2, 8}));
  tiny::output(g, tiny::concat(g, {boxes, scores}));
  const target::TargetSpec target = target::load("int8");
  plan::StatsTable stats;
  for (const auto& [v, high] : {std::pair(boxes, 400.0F), std::pair(scores, 1.0F)}) {
    stats[v].count = 1;
    stats[v].max = high;
  }
  const std::vector<bool> first(3, true), now{true, true, false};
  CHECK(select::without_unlike_concats(g, target, stats, first) == now);
  const std::vector<std::string> notes = select::unlike_notes(g, target, stats, first, now, true);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Catch::Contains("it stays in float"));
  CHECK(select::unlike_notes(g, target, stats, first, now, false).empty());
  CHECK(select::unlike_notes(g, target, stats, first, std::vector<bool>(3, false), true).empty());
}

TEST_CASE("a Concat of boxes and scores is found, and may stay in float where only outputs follow") {
  ir::Graph g = tiny::graph();
  const ir::ValueId boxes = tiny::input(g, "boxes", {1, 4, 8}), scores = tiny::input(g, "scores", {1, 2, 8});
  const ir::ValueId all = tiny::concat(g, {boxes, scores});
  tiny::output(g, tiny::transpose(g, all, {0, 2, 1}));
  const target::TargetSpec target = target::load("int8");
  plan::StatsTable stats;
  const auto seen = [&](ir::ValueId v, float low, float high) {
    stats[v].count = 1;
    stats[v].min = low;
    stats[v].max = high;
  };
  seen(boxes, -3, 400);
  seen(scores, 0, 1);
  const std::vector<bool> integer(2, true);

  auto found = select::unlike_concats(g, target, stats, integer);
  REQUIRE(found.size() == 1);
  CHECK(found[0].widest == boxes);
  CHECK(found[0].narrowest == scores);
  CHECK(found[0].ratio == 400);
  CHECK(found[0].may_float == std::vector<ir::NodeId>{0, 1});
  const std::string words = select::describe(found[0], g, true);
  CHECK_THAT(words, Catch::Contains("boxes") && Catch::Contains("scores") && Catch::Contains("400"));

  // The search may have moved everything since: floats share nothing, and need no word.
  const std::vector<bool> nowhere(2, false);
  const auto notes = [&](const std::vector<bool>& now, bool left) {
    return select::unlike_notes(g, target, stats, integer, now, left);
  };
  REQUIRE(notes(integer, true).size() == 1);
  CHECK_THAT(notes(integer, true)[0], Catch::Contains("they share one scale"));
  CHECK(notes(nowhere, false).empty());
  CHECK(notes(nowhere, true).empty());  // nobody hands it integers

  tiny::output(g, tiny::mul(g, all, all));  // now somebody computes with both
  found = select::unlike_concats(g, target, stats, std::vector<bool>(3, true));
  REQUIRE(found.size() == 1);
  CHECK(found[0].may_float.empty());

  seen(scores, 0, 25);
  CHECK(select::unlike_concats(g, target, stats, std::vector<bool>(3, true)).empty());
  seen(scores, 0, 1);
  CHECK(select::unlike_concats(g, target, stats, std::vector<bool>(3, false)).empty());
}
