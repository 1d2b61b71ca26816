// What a target computes as one is not rounded inside, and where a chain does not fit, everything is.
#include "select/fuse.h"

#include <catch2/catch.hpp>

#include "normalize/idioms.h"
#include "select/decide.h"
#include "support/tiny_models.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

plan::QuantPlan plan_of(const ir::Graph& graph, const target::TargetSpec& target,
                        const std::vector<config::NodeSettings>& rules = {}) {
  const auto able = select::capabilities(graph, target, {}, normalize::recognise(graph), rules);
  std::vector<bool> integer;
  for (const select::Capability& c : able) integer.push_back(c.ability != select::Ability::kFloatOnly);
  return select::outline(graph, target, able, integer, std::vector<plan::NodeDecision>(integer.size()));
}

bool rounded(const plan::QuantPlan& plan, ir::ValueId v) {
  return plan.values[static_cast<size_t>(v)].quantized;
}

TEST_CASE("imx500 rounds behind an activation, not in front of it") {
  const target::TargetSpec target = target::load("imx500");
  ir::Graph graph = tiny::graph();
  const auto x = tiny::input(graph, "x", {1, 3, 4, 4});
  const auto first = tiny::conv(graph, x, 4);
  const auto relu = tiny::relu(graph, first);
  const auto second = tiny::conv(graph, relu, 4);
  const auto sigmoid = tiny::sigmoid(graph, second);
  const auto swish = tiny::mul(graph, second, sigmoid);  // one op for the target
  const auto forked = tiny::conv(graph, swish, 4);
  const auto behind_fork = tiny::relu(graph, forked);
  const auto sum = tiny::add(graph, forked, behind_fork);
  const auto rectified = tiny::relu(graph, sum);
  tiny::output(graph, rectified, "y");
  const plan::QuantPlan plan = plan_of(graph, target);
  for (const ir::ValueId v : {x, relu, swish, forked, behind_fork, rectified}) CHECK(rounded(plan, v));
  for (const ir::ValueId v : {first, second, sigmoid, sum}) CHECK_FALSE(rounded(plan, v));
}

TEST_CASE("what a correction made a part of its reader is not rounded, and stays on integers") {
  ir::Graph graph = tiny::graph();
  const auto x = tiny::conv(graph, tiny::input(graph, "x", {1, 3, 4, 4}), 4);
  const auto sigmoid = tiny::sigmoid(graph, x);
  const auto swish = tiny::mul(graph, x, sigmoid);
  const auto shifted = tiny::add(graph, swish, tiny::constant(graph, 0.28f));
  tiny::output(graph, tiny::conv(graph, shifted, 4), "y");
  std::vector<config::NodeSettings> rules(graph.nodes.size());
  for (const ir::ValueId v : {sigmoid, swish})
    rules[static_cast<size_t>(tiny::value(graph, v).producer)].part_of_reader = true;
  for (target::TargetSpec target : {target::load("imx500"), target::load("int8")}) {
    target.fusing.clear();
    CHECK(rounded(plan_of(graph, target), swish));
    const plan::QuantPlan plan = plan_of(graph, target, rules);
    CHECK(rounded(plan, x));
    CHECK_FALSE(rounded(plan, sigmoid));
    CHECK_FALSE(rounded(plan, swish));
    CHECK(rounded(plan, shifted));
    for (const ir::ValueId v : {swish, shifted})
      CHECK(plan.nodes[static_cast<size_t>(tiny::value(graph, v).producer)].compute ==
            plan::Compute::kInteger);
  }
}

TEST_CASE("the longest pattern counts, and where it does not fit a shorter one") {
  target::TargetSpec target = target::load("imx500");
  target.fusing = {{"", {{"Conv"}, {"Add"}}}, {"", {{"Conv"}, {"Add"}, {"Relu"}}}};
  ir::Graph graph = tiny::graph();
  const auto x = tiny::input(graph, "x", {1, 4, 4, 4});
  const auto a = tiny::conv(graph, x, 4);
  const auto sum = tiny::add(graph, a, x);
  const auto relu = tiny::relu(graph, sum);
  const auto b = tiny::conv(graph, relu, 4);
  const auto other = tiny::add(graph, b, relu);  // an output: no chain goes on
  tiny::output(graph, other, "y");
  const plan::QuantPlan plan = plan_of(graph, target);
  for (const ir::ValueId v : {a, sum, b}) CHECK_FALSE(rounded(plan, v));
  for (const ir::ValueId v : {x, relu, other}) CHECK(rounded(plan, v));
}

TEST_CASE("grids of results are as the target has them: powers of two, signs, no zero point") {
  ir::Graph graph = tiny::graph();
  const auto x = tiny::input(graph, "x", {1, 3, 4, 4});
  const auto y = tiny::conv(graph, x, 4), z = tiny::conv(graph, y, 4);
  tiny::output(graph, z, "z");
  plan::StatsTable stats;
  for (const ir::ValueId v : {x, y, z}) {
    plan::TensorStats& seen = stats[v];
    seen.count = 1000;
    seen.min = v == x ? 0.0f : -0.2f;
    seen.max = 3.0f;
  }
  const auto params = [&](const char* name, ir::ValueId v) {
    const target::TargetSpec target = target::load(name);
    plan::QuantPlan plan = plan_of(graph, target);
    select::decide(plan, graph, target, threshold::activation_candidates(graph, plan, stats, target, {}));
    return plan.values[static_cast<size_t>(v)].params;
  };
  CHECK(params("imx500", x).scales == std::vector<float>{4.0f / 256});  // unsigned: nothing is negative
  CHECK(params("imx500", x).zero_points == std::vector<int32_t>{0});
  CHECK(params("imx500", y).scales == std::vector<float>{4.0f / 128});
  CHECK(params("imx500", y).zero_points == std::vector<int32_t>{128});
  for (const ir::ValueId v : {x, y}) {
    CHECK(params("tensorrt", v).is_signed);
    CHECK(params("tensorrt", v).zero_points == std::vector<int32_t>{0});
  }
  CHECK(params("tflite", y).zero_points[0] > -128);                     // any range behind a convolution ...
  CHECK(params("tflite", x).scales == std::vector<float>{4.0f / 256});  // ... a power of two elsewhere
}

}  // namespace
}  // namespace qc
