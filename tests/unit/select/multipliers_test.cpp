// Results next to nothing: what kernels multiply their sums by stays small.
#include "select/multipliers.h"

#include <catch2/catch.hpp>

#include "select/capability.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

struct Layer {
  ir::Graph g = tiny::graph();
  ir::ValueId x = tiny::input(g, "x", {1, 3, 6, 6});
  ir::ValueId y = ir::kNone;
  plan::QuantPlan plan;
  double largest = 0;

  // A convolution and its Relu or Clip, the input in steps of 0.1 and the result in steps of `step`.
  Layer(float step, bool clip) {
    const ir::ValueId conv = tiny::conv(g, x, 4);
    y = clip ? tiny::clip(g, conv, 0, step * 255) : tiny::relu(g, conv);
    tiny::output(g, y, "y");
    for (const float w : ir::constant_input(g, g.nodes[0], 1)->as<float>())
      largest = std::max(largest, std::abs(static_cast<double>(w)));
    plan.nodes.resize(g.nodes.size());
    plan.values.resize(g.values.size());
    plan.nodes[0].compute = plan::Compute::kInteger;
    for (const auto& [v, scale] : {std::pair(x, 0.1f), std::pair(y, step)}) {
      plan.values[static_cast<size_t>(v)].quantized = true;
      plan.values[static_cast<size_t>(v)].scale_group = v;
      plan.values[static_cast<size_t>(v)].params = {8, false, false, -1, {scale}, {0}};
    }
  }
  double scale() const { return static_cast<double>(plan.values[static_cast<size_t>(y)].params.scales[0]); }
};

}  // namespace

TEST_CASE("a result next to nothing gets steps that a multiplier of sums can reach") {
  Layer layer(1e-12f, false);
  select::bound_multipliers(layer.plan, layer.g, target::load("int8"), 1e-5);
  CHECK(layer.scale() == Approx(0.1 * layer.largest / 127 / select::kMultiplierAim));
}

TEST_CASE("usual results keep their steps, and so do those that a Clip bounds") {
  Layer usual(0.01f, false), bounded(1e-12f, true);
  select::bound_multipliers(usual.plan, usual.g, target::load("int8"), 1e-5);
  select::bound_multipliers(bounded.plan, bounded.g, target::load("int8"), 1e-5);
  CHECK(usual.scale() == Approx(0.01));
  CHECK(bounded.scale() == Approx(1e-12));
}

TEST_CASE("weights next to nothing count as their least threshold") {
  Layer layer(1e-12f, false);
  select::bound_multipliers(layer.plan, layer.g, target::load("int8"), 127);
  CHECK(layer.scale() == Approx(0.1 / select::kMultiplierAim));
}

TEST_CASE("a Clip whose bounds leave zero out stays a float op") {
  for (const auto& [low, high, follows] :
       {std::tuple(0.0f, 6.0f, true), std::tuple(1e-4f, 1.0f, false), std::tuple(-2.0f, -1.0f, false)}) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 3, 6, 6});
    tiny::output(g, tiny::clip(g, tiny::conv(g, x, 4), low, high), "y");
    const auto able = select::capabilities(g, target::load("int8"), {});
    CHECK((able[1].ability == select::Ability::kFollows) == follows);
  }
}
