// The minimum cut against brute force, and what a plan's outline follows from a placement.
#include "select/placement.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>
#include <random>
#include <string>

#include "base/error.h"
#include "select/costs.h"
#include "select/decide.h"
#include "select/refine.h"
#include "support/tiny_models.h"

using namespace qc;
using select::Ability;
using select::Capability;

namespace {

struct Case {
  ir::Graph graph = tiny::graph();
  std::vector<Capability> capabilities;
  select::PlacementCosts costs;
};

// A random graph of elementwise nodes with random costs; some nodes can only be float.
Case random_case(unsigned seed, int nodes) {
  std::mt19937 random(seed);
  const auto number = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  Case c;
  std::vector<ir::ValueId> values{tiny::input(c.graph, "x", {1, 4})};
  for (int i = 0; i < nodes; ++i) {
    const ir::ValueId a = values[static_cast<size_t>(number(static_cast<int>(values.size())))];
    const ir::ValueId b = values[static_cast<size_t>(number(static_cast<int>(values.size())))];
    values.push_back(tiny::add(c.graph, a, b));
  }
  for (size_t v = 1; v < values.size(); ++v)
    if (c.graph.values[static_cast<size_t>(values[v])].consumers.empty()) tiny::output(c.graph, values[v]);
  for (size_t n = 0; n < c.graph.nodes.size(); ++n) {
    c.capabilities.push_back(
        {number(4) == 0 ? Ability::kFloatOnly : Ability::kInteger, plan::Reason::kNoIntegerKernel, {}});
    c.costs.nodes.push_back({static_cast<double>(number(50)), static_cast<double>(number(90))});
  }
  for (size_t v = 0; v < c.graph.values.size(); ++v)
    c.costs.values.push_back(
        {static_cast<double>(number(30)), static_cast<double>(number(30)), static_cast<double>(number(20))});
  for (const ir::Node& node : c.graph.nodes) {
    const ir::NodeId producer = c.graph.values[static_cast<size_t>(node.inputs[0])].producer;
    if (producer == ir::kNone || number(2) == 0) continue;
    const ir::NodeId reader = c.graph.values[static_cast<size_t>(node.outputs[0])].producer;
    c.costs.pairs.push_back({reader, producer, static_cast<double>(number(40))});
    if (number(3) == 0) std::swap(c.costs.pairs.back().floating, c.costs.pairs.back().integer);
  }
  return c;
}

double brute_force(const Case& c) {
  const size_t n = c.graph.nodes.size();
  double best = 1e300;
  for (unsigned mask = 0; mask < 1u << n; ++mask) {
    std::vector<bool> integer(n);
    bool allowed = true;
    for (size_t i = 0; i < n; ++i) {
      integer[i] = mask >> i & 1;
      allowed = allowed && !(integer[i] && c.capabilities[i].ability == Ability::kFloatOnly) &&
                (integer[i] || !c.capabilities[i].pinned);
    }
    if (allowed) best = std::min(best, select::cost_of(c.graph, integer, c.costs));
  }
  return best;
}

}  // namespace

TEST_CASE("the cut is as cheap as the best of all placements") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const Case c = random_case(seed, 2 + static_cast<int>(seed % 11));
    const std::vector<bool> integer = select::place(c.graph, c.capabilities, c.costs);
    for (size_t n = 0; n < integer.size(); ++n)
      if (c.capabilities[n].ability == Ability::kFloatOnly) CHECK_FALSE(integer[n]);
    CHECK(select::cost_of(c.graph, integer, c.costs) == Approx(brute_force(c)));
  }
}

TEST_CASE("the cut is exact on graphs of 16 nodes, some of them pinned") {
  for (unsigned seed = 100; seed < 106; ++seed) {
    Case c = random_case(seed, 16);
    for (size_t n = seed % 5; n < c.capabilities.size(); n += 5)
      c.capabilities[n].pinned = c.capabilities[n].ability == Ability::kInteger;
    const std::vector<bool> integer = select::place(c.graph, c.capabilities, c.costs);
    for (size_t n = 0; n < integer.size(); ++n)
      if (c.capabilities[n].pinned) CHECK(integer[n]);
    CHECK(select::cost_of(c.graph, integer, c.costs) == Approx(brute_force(c)));
  }
}

TEST_CASE("five thousand nodes are placed in well under two seconds") {
  // A deep chain with branches that come back, as networks have them; every second one is only float.
  std::mt19937 random(7);
  const auto number = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  Case c;
  std::vector<ir::ValueId> values{tiny::input(c.graph, "x", {1, 4})};
  for (int i = 0; i < 5000; ++i) {
    const size_t back = values.size() - 1 - static_cast<size_t>(number(std::min<int>(i + 1, 6)));
    ir::Node node;
    node.name =
        "add" + std::to_string(i);  // named here, or a free name would be sought among all that there are
    node.op_type = "Add";
    node.inputs = {values.back(), values[back]};
    node.outputs = {ir::add_value(c.graph, "sum" + std::to_string(i), ir::DType::kFloat)};
    values.push_back(node.outputs[0]);
    ir::add_node(c.graph, std::move(node));
  }
  tiny::output(c.graph, values.back());
  for (int i = 0; i < 5000; ++i) {
    c.capabilities.push_back(
        {number(8) == 0 ? Ability::kFloatOnly : Ability::kInteger, plan::Reason::kNoIntegerKernel, {}});
    const double work = 1 + number(100000);
    c.costs.nodes.push_back({work * (1 + number(100) / 100.0), work * (1 + number(150) / 100.0)});
  }
  for (size_t v = 0; v < c.graph.values.size(); ++v)
    c.costs.values.push_back({1000.0 + number(40000), 1000.0 + number(40000), 0.01 * number(100000)});
  const std::clock_t start = std::clock();  // of this process: other work on the machine does not count
  const std::vector<bool> integer = select::place(c.graph, c.capabilities, c.costs);
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 2);
  // Both labels are used, and no single node would be better off on the other side.
  CHECK(std::count(integer.begin(), integer.end(), true) > 100);
  CHECK(std::count(integer.begin(), integer.end(), false) > 100);
  const double best = select::cost_of(c.graph, integer, c.costs);
  for (size_t n = 0; n < integer.size(); n += 97) {
    if (c.capabilities[n].ability == Ability::kFloatOnly) continue;
    std::vector<bool> other = integer;
    other[n] = !other[n];
    CHECK(select::cost_of(c.graph, other, c.costs) >= best - 1e-6);
  }
}

TEST_CASE("a Relu stays with the node it disappears into") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  tiny::output(g, tiny::relu(g, tiny::conv(g, x, 4)));
  const std::vector<Capability> capabilities{{Ability::kInteger, {}, {}}, {Ability::kFollows, {}, {}}};
  select::PlacementCosts costs;
  costs.values.resize(g.values.size());
  for (const double integer_time : {1.0, 100.0}) {
    costs.nodes = {{integer_time, 10}, {0, 0}};
    const std::vector<bool> integer = select::place(g, capabilities, costs);
    CHECK(integer[0] == (integer_time < 10));
    CHECK(integer[1] == integer[0]);
  }
}

TEST_CASE("the value between a node and its follower is not rounded, moves share one scale") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId c = tiny::conv(g, x, 4), r = tiny::relu(g, c), p = tiny::max_pool(g, r),
                    y = tiny::conv(g, p, 2);
  tiny::output(g, y, "y");
  const target::TargetSpec target = target::load("int8");
  const auto capabilities = select::capabilities(g, target, {});
  const std::vector<bool> all(g.nodes.size(), true);
  const plan::QuantPlan plan =
      select::outline(g, target, capabilities, all, std::vector<plan::NodeDecision>(g.nodes.size()));
  const auto at = [&](ir::ValueId v) { return plan.values[static_cast<size_t>(v)]; };
  CHECK(at(x).quantized);
  CHECK_FALSE(at(c).quantized);
  CHECK(at(r).quantized);
  CHECK(at(p).quantized);
  CHECK(at(r).scale_group == at(p).scale_group);
  CHECK(at(x).scale_group != at(r).scale_group);
  CHECK(at(y).quantized);
}

TEST_CASE("inputs that only a Concat reads take its grid, unless a bound would be lost") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId plain = tiny::conv(g, x, 4), positive = tiny::relu(g, tiny::conv(g, x, 4)),
                    shared = tiny::conv(g, x, 4), sides = tiny::concat(g, {plain, positive, shared});
  tiny::output(g, tiny::add(g, sides, tiny::concat(g, {shared, shared, shared})));
  const auto target = target::load("int8");
  const auto capabilities = select::capabilities(g, target, {});
  std::vector<bool> all(g.nodes.size());
  for (size_t n = 0; n < all.size(); ++n) all[n] = capabilities[n].ability != Ability::kFloatOnly;
  const auto decided = [&](float lowest) {
    plan::QuantPlan plan =
        select::outline(g, target, capabilities, all, std::vector<plan::NodeDecision>(all.size()));
    plan::Candidates candidates;
    for (size_t v = 0; v < plan.values.size(); ++v) {
      const bool is_sides = static_cast<ir::ValueId>(v) == sides;
      const float low = is_sides ? lowest : static_cast<ir::ValueId>(v) == positive ? 0.0f : -1.0f;
      if (plan.values[v].quantized)
        candidates[static_cast<ir::ValueId>(v)].push_back(
            {quant::asymmetric_params(low, is_sides ? 3.0f : 2.0f, 8, false), 0, 0, ""});
    }
    select::decide(plan, g, target, candidates);
    return plan;
  };
  const auto same = [](const plan::QuantPlan& plan, ir::ValueId a, ir::ValueId b) {
    return plan.values[static_cast<size_t>(a)].params == plan.values[static_cast<size_t>(b)].params;
  };
  const plan::QuantPlan mixed = decided(-1), above_zero = decided(0);
  CHECK(same(mixed, plain, sides));
  CHECK_FALSE(same(mixed, positive, sides));  // its Relu would no longer be in its range
  CHECK_FALSE(same(mixed, shared, sides));    // read elsewhere too
  CHECK(same(above_zero, positive, sides));
}

TEST_CASE("an integer Gemm hands out floats when only floats are wanted") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 16});
  const ir::ValueId y = tiny::gemm(g, x, 4);
  tiny::output(g, y, "y");
  const target::TargetSpec target = target::load("int8");
  const auto capabilities = select::capabilities(g, target, {});
  const plan::QuantPlan plan =
      select::outline(g, target, capabilities, {true}, std::vector<plan::NodeDecision>(1));
  CHECK(plan.nodes[0].float_output);
  CHECK_FALSE(plan.values[static_cast<size_t>(y)].quantized);
}

// By TensorRT's own advice, and because a result that is rounded in front of a float function, and whose own
// result is rounded behind it, pays twice. OpenVINO's integer kernels hand out floats as well.
TEST_CASE("for TensorRT and OpenVINO no result is rounded that only floats read") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 8, 8});
  const ir::ValueId made = tiny::conv(g, x, 4),
                    bent = tiny::node(g, "Tanh", {made}, {}, tiny::Dims{1, 4, 8, 8}),
                    next = tiny::conv(g, bent, 4), ahead = tiny::relu(g, next),
                    last = tiny::relu(g, tiny::conv(g, ahead, 4));
  tiny::output(g, last);
  for (const char* name : {"tensorrt", "openvino"}) {
    CAPTURE(name);
    const target::TargetSpec target = target::load(name);
    const auto capabilities = select::capabilities(g, target, {});
    std::vector<bool> integer;
    for (const select::Capability& one : capabilities) integer.push_back(one.ability != Ability::kFloatOnly);
    CHECK(integer == std::vector<bool>{true, false, true, true, true, true});
    const plan::QuantPlan plan =
        select::outline(g, target, capabilities, integer, std::vector<plan::NodeDecision>(integer.size()));
    const auto rounded = [&](ir::ValueId v) { return plan.values[static_cast<size_t>(v)].quantized; };
    CHECK(rounded(x));
    CHECK_FALSE(rounded(made));
    CHECK(rounded(bent));
    CHECK_FALSE(rounded(next));  // its Relu is rounded instead
    CHECK(rounded(ahead));
    CHECK_FALSE(rounded(last));
  }
}

TEST_CASE("a product of matrices is rounded before the Add of another matrix, and handed out elsewhere") {
  const auto result_of = [](const char* reader) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 16}), other = tiny::input(g, "other", {1, 4});
    const ir::ValueId y = tiny::matmul(g, x, tiny::constant(g, tiny::random_tensor({16, 4}, 3)));
    tiny::output(g, tiny::node(g, reader, {y, other}, {}, tiny::Dims{1, 4}), "z");
    const target::TargetSpec target = target::load("int8");
    const plan::QuantPlan plan = select::outline(g, target, select::capabilities(g, target, {}),
                                                 {true, false}, std::vector<plan::NodeDecision>(2));
    CHECK(plan.nodes[0].float_output != plan.values[static_cast<size_t>(y)].quantized);
    return plan.values[static_cast<size_t>(y)].quantized;
  };
  CHECK(result_of("Add"));
  CHECK_FALSE(result_of("Mul"));
}

TEST_CASE("keep_float that matches nothing names the nearest node") {
  ir::Graph g = tiny::graph();
  tiny::output(g, tiny::conv(g, tiny::input(g, "x", {1, 3, 8, 8}), 4));
  g.nodes[0].name = "head/box";
  config::KeepFloat keep;
  keep.names = {"head/bix"};
  REQUIRE_THROWS_WITH(select::capabilities(g, target::load("int8"), keep),
                      Catch::Contains("head/box") && Catch::Contains("/keep_float/names"));
  keep.names = {"head/*"};
  CHECK(select::capabilities(g, target::load("int8"), keep)[0].reason == plan::Reason::kUserKeepFloat);
}

TEST_CASE("a function that the runtime joins to one float kernel stays whole") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId c = tiny::conv(g, x, 4), half = tiny::mul(g, c, tiny::constant(g, 0.5f)),
                    sum = tiny::add(g, half, c);
  tiny::output(g, tiny::mul(g, sum, c));
  const auto abilities = [&](plan::IdiomKind kind) {
    return select::capabilities(g, target::load("int8"), {}, {{kind, {1, 2, 3}, {c}, g.outputs[0]}});
  };
  const auto gelu = abilities(plan::IdiomKind::kGelu), silu = abilities(plan::IdiomKind::kSilu);
  for (const size_t n : {1, 2, 3}) {
    CHECK(gelu[n].ability == Ability::kFloatOnly);
    CHECK(gelu[n].reason == plan::Reason::kOneFloatKernel);
    CHECK(silu[n].ability == Ability::kInteger);  // runs as QLinearSigmoid and QLinearMul
  }
  CHECK(gelu[0].ability == Ability::kInteger);
}

namespace {

// Two branches of equal time gain. Where they are used, rounding a is a thousand times noisier.
struct TwoBranches {
  ir::Graph graph = tiny::graph();
  ir::ValueId a, b;
  std::vector<Capability> capabilities = std::vector<Capability>(2, {Ability::kInteger, {}, {}});
  select::PlacementCosts time;

  TwoBranches() {
    const ir::ValueId x = tiny::input(graph, "x", {1, 3, 8, 8});
    a = tiny::conv(graph, x, 4), b = tiny::conv(graph, x, 4);
    tiny::output(graph, a, "a"), tiny::output(graph, b, "b");
    time.nodes.assign(2, {100, 300});
    time.values.assign(graph.values.size(), {});
  }
};

TEST_CASE("an Add of a constant that is read in short runs costs integers more than floats") {
  const target::TargetSpec target = target::load("int8");
  const auto costs_of = [&](std::vector<int64_t> dims, std::vector<int64_t> constant) {
    ir::Graph g = tiny::graph();
    tiny::output(g, tiny::add(g, tiny::sigmoid(g, tiny::input(g, "x", dims)),
                              tiny::constant(g, tiny::random_tensor(constant, 1))));
    return select::time_costs(g, select::capabilities(g, target, {}), target).nodes[1];
  };
  const select::NodeCost short_runs = costs_of({1, 38416, 4}, {4}),
                         repeated = costs_of({1, 196, 196, 4}, {4}),
                         whole = costs_of({1, 196, 196, 4}, {196, 196, 4});
  CHECK(short_runs.integer > 8 * whole.integer);  // measured: 836 us, 18 where it is written repeated
  CHECK(short_runs.floating > 2 * whole.floating);
  CHECK(short_runs.integer > short_runs.floating);
  CHECK(repeated.integer == whole.integer);
  CHECK(repeated.floating == whole.floating);
}

TEST_CASE("a product of matrices and its bias stand in one place, for the time of the product", "[select]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 12, 32});
  const ir::ValueId product = tiny::matmul(g, x, tiny::constant(g, tiny::random_tensor({32, 16}, 1)));
  tiny::output(g, tiny::add(g, tiny::constant(g, tiny::random_tensor({16}, 2)), product), "y");
  target::TargetSpec target = target::load("litert");
  const auto capabilities = select::capabilities(g, target, {});
  const auto cost = [&](bool matmul, bool add) {
    return select::cost_of(g, {matmul, add}, select::time_costs(g, capabilities, target));
  };
  const double apart = cost(true, false), both = cost(true, true);
  target.bias_in_products = true;
  CHECK(cost(true, true) < both);
  CHECK(cost(true, false) > 1e6 * apart);
  CHECK(cost(false, true) > 1e6 * apart);
}

}  // namespace

TEST_CASE("refining gives up time only for accuracy") {
  const TwoBranches two;
  const select::MeasuredNoise noise{{two.a, two.b}, {{0.1, 0}, {0, 1e-4}}, {0, 0}};
  const auto at = [&](const select::MeasuredNoise& measured, const select::Goal& goal) {
    return select::choose(select::frontier(two.graph, two.capabilities, two.time, measured), goal);
  };
  CHECK(at(noise, {5, 0.05}).integer == std::vector<bool>{true, true});
  const select::Refined refined = at(noise, {30, 0.05});
  CHECK(refined.integer == std::vector<bool>{false, true});
  CHECK(refined.reaches_goal);
  CHECK(refined.predicted_db == Approx(40));
  // Out of reach, by noise that stays or by time: only the slack is spent.
  const select::MeasuredNoise drowned{{two.a, two.b}, {{0.1, 0}, {0, 1e-4}}, {1, 1}};
  CHECK(at(drowned, {30, 0.05}).integer == std::vector<bool>{true, true});
  CHECK(at(drowned, {30, 1.2}).integer == std::vector<bool>{false, true});
  CHECK(at(noise, {30, 0.05, 250}).integer == std::vector<bool>{true, true});
}

TEST_CASE("the frontier goes from the fastest placement to the least noisy one") {
  const TwoBranches two;
  const select::MeasuredNoise noise{{two.a, two.b}, {{0.1, 0}, {0, 1e-4}}, {1e-6, 1e-6}};
  const auto points = select::frontier(two.graph, two.capabilities, two.time, noise);
  REQUIRE(points.size() == 3);
  CHECK(points[0].integer == std::vector<bool>{true, true});
  CHECK(points[1].integer == std::vector<bool>{false, true});
  CHECK(points[2].integer == std::vector<bool>{false, false});
  for (size_t i = 1; i < points.size(); ++i) {
    CHECK(points[i].time > points[i - 1].time);
    CHECK(points[i].predicted_db > points[i - 1].predicted_db);
  }
  CHECK(points[2].predicted_db == Approx(60));
}

TEST_CASE(
    "between placements that are nearly worth the same the frontier has the one that just reaches the goal",
    "[select]") {
  // Eight branches that save as much each, and whose noise is within 20 %: less than a step of the sweep.
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 3, 8, 8});
  select::MeasuredNoise noise{{}, {}, {1e-6}};
  for (int i = 0; i < 8; ++i) {
    noise.values.push_back(tiny::conv(graph, x, 4));
    noise.ratios.push_back({1e-3 * (1 + 0.025 * i)});
    tiny::output(graph, noise.values.back(), std::string(1, static_cast<char>('a' + i)));
  }
  select::PlacementCosts time;
  time.nodes.assign(8, {0, 1});
  time.values.assign(graph.values.size(), {});
  const std::vector<Capability> capabilities(8, {Ability::kInteger, {}, {}});
  const auto floats_for = [&](double db) {
    const select::Goal goal{db};
    const select::Refined chosen =
        select::choose(select::frontier(graph, capabilities, time, noise, goal), goal);
    CHECK(chosen.reaches_goal);
    return std::ranges::count(chosen.integer, false);
  };
  CHECK(floats_for(20) == 0);    // all of them: 20.6 dB
  CHECK(floats_for(21) == 1);    // without the noisiest: 21.2
  CHECK(floats_for(23.5) == 4);  // 23.8
  CHECK(floats_for(40) == 8);
}

TEST_CASE("of whole groups any member costs what they all do, once") {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 3, 8, 8});
  const ir::ValueId made = tiny::conv(graph, x, 4), moved = tiny::max_pool(graph, made);
  tiny::output(graph, tiny::conv(graph, moved, 4), "y");
  select::PlacementCosts time;
  time.nodes = {{1, 2}, {0, 0.5}, {1, 2}};
  time.values.assign(graph.values.size(), {});
  const std::vector<Capability> capabilities(3, {Ability::kInteger, {}, {}});
  select::MeasuredNoise noise{{made}, {{0.1}}, {1e-4}};
  noise.members = {{made, moved}};
  const auto quiet = [&] { return select::frontier(graph, capabilities, time, noise).back(); };
  CHECK(quiet().integer == std::vector<bool>{false, false, true});  // as if its input were not rounded
  CHECK(quiet().predicted_db == Approx(40));
  noise.whole = true;
  CHECK(quiet().integer == std::vector<bool>{false, false, false});
  CHECK(select::predicted_db(graph, noise, {false, false, true}) < 10.1);
  CHECK(select::predicted_db(graph, noise, {true, true, true}) ==
        select::predicted_db(graph, noise, {false, false, true}));

  time.groups = {{{made, moved}, 0.7}};
  CHECK(select::cost_of(graph, {false, false, true}, time) == Approx(2 + 0.5 + 1 + 0.7));
  CHECK(select::cost_of(graph, {true, true, true}, time) == Approx(2 + 0.7));
  CHECK(select::cost_of(graph, {false, false, false}, time) == Approx(4.5));
  CHECK(select::place(graph, capabilities, time) == std::vector<bool>{true, true, true});
  time.groups[0].rounding = 3;
  CHECK(select::place(graph, capabilities, time) == std::vector<bool>{false, false, false});
}

TEST_CASE(
    "between two placements regions join integers that save most for their noise, while the goal holds") {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 3, 8, 8});
  select::MeasuredNoise noise{{}, {}, {1e-3}};
  select::PlacementCosts time;
  for (int i = 0; i < 4; ++i) {  // a region of two nodes each
    noise.values.push_back(tiny::conv(graph, x, 4));
    noise.ratios.push_back({i == 3 ? 0.0 : 1e-3 * (i + 1)});
    tiny::output(graph, tiny::sigmoid(graph, noise.values.back()),
                 std::string(1, static_cast<char>('a' + i)));
    time.nodes.push_back({0, i == 2 ? 10.0 : 1.0});
    time.nodes.push_back({i == 3 ? 5.0 : 0.0, 1});  // the last one saves nothing
  }
  time.values.assign(graph.values.size(), {});
  const std::vector<bool> nowhere(8), all(8, true);
  const auto filled = [&](double db) { return select::filled_up(graph, time, noise, nowhere, all, db); };
  const bool t = true, f = false;
  CHECK(filled(30.5) == nowhere);
  CHECK(filled(26.5) == std::vector<bool>{t, t, f, f, f, f, f, f});  // 26.99: what saves more is too noisy
  CHECK(filled(23.5) == std::vector<bool>{f, f, f, f, t, t, f, f});  // 23.98
  CHECK(filled(22.5) == std::vector<bool>{t, t, f, f, t, t, f, f});  // 23.01
  CHECK(filled(10) == std::vector<bool>{t, t, t, t, t, t, f, f});
  // Of what only the faster one has.
  CHECK(select::filled_up(graph, time, noise, nowhere, {f, f, t, t, f, f, f, f}, 10) ==
        std::vector<bool>{f, f, t, t, f, f, f, f});
}

TEST_CASE("ops without an entry in the cost table are named") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  tiny::output(g, tiny::sigmoid(g, tiny::add(g, tiny::conv(g, x, 4), tiny::conv(g, x, 4))));
  target::TargetSpec target = target::load("int8");
  const auto capabilities = select::capabilities(g, target, {});
  CHECK(select::describe_unpriced(g, capabilities, target).empty());
  target.costs.erase("Add");
  CHECK_THAT(select::describe_unpriced(g, capabilities, target),
             Catch::Contains("its entry '*' says: 1 Add"));
  const auto costs = select::time_costs(g, capabilities, target);
  REQUIRE(costs.pairs.size() == 1);  // as the entry "*" has it, in float done by a convolution in part
  CHECK(costs.nodes[2].integer == Approx(costs.nodes[2].floating + costs.pairs[0].apart));
  target.costs.clear();
  CHECK_THAT(select::describe_unpriced(g, capabilities, target), Catch::Contains("no cost table"));
}

TEST_CASE("without a cost table integers go everywhere, and last from where most of the work is") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 16, 32, 32}), large = tiny::conv(g, x, 64),
                    pooled = tiny::node(g, "GlobalAveragePool", {large}, {}, tiny::Dims{1, 64, 1, 1}),
                    small = tiny::conv(g, pooled, 4);
  tiny::output(g, small);
  target::TargetSpec target = target::load("int8");
  target.costs.clear();
  target.costs_on.clear();
  const auto capabilities = select::capabilities(g, target, {});
  const select::PlacementCosts time = select::time_costs(g, capabilities, target);
  CHECK(select::place(g, capabilities, time) == std::vector<bool>{true, true, true});
  // Both convolutions round a value of their own, with the same noise; one of them may.
  const select::MeasuredNoise noise{{x, small}, {{0.004}, {0.004}}, {0.001}};
  const select::Goal goal{22};
  const select::Refined chosen = select::choose(select::frontier(g, capabilities, time, noise, goal), goal);
  CHECK(chosen.reaches_goal);
  CHECK(chosen.integer[0]);
  CHECK_FALSE(chosen.integer[2]);
}

TEST_CASE(
    "integer pooling costs more behind a convolution in float, and before an integer one it is no other") {
  const target::TargetSpec target = target::load("int8");
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 32, 32}), y = tiny::conv(g, x, 16);
  const ir::ValueId pooled = tiny::max_pool(g, tiny::sigmoid(g, tiny::add(g, y, y)));
  const ir::ValueId last = tiny::conv(g, pooled, 16);
  tiny::output(g, tiny::add(g, last, pooled));  // both readers take what is rounded once
  tiny::output(g, tiny::max_pool(g, x));        // of the model's own layout in any case
  const auto made_by = [&](ir::ValueId v) { return g.values[static_cast<size_t>(v)].producer; };
  const auto costs = select::time_costs(g, select::capabilities(g, target, {}), target);
  std::vector<select::PairCost> pools;
  for (const select::PairCost& pair : costs.pairs)
    if (pair.floating == made_by(pooled) || pair.integer == made_by(pooled)) pools.push_back(pair);
  REQUIRE(pools.size() == 1);
  CHECK(pools[0].floating == made_by(y));
  CHECK(pools[0].integer == made_by(pooled));
  const auto rounding = [&](ir::ValueId v) { return costs.values[static_cast<size_t>(v)].quantize; };
  const double before_it = rounding(pooled) - rounding(last);  // as many elements
  const select::NodeCost& pool = costs.nodes[static_cast<size_t>(made_by(pooled))];
  CHECK(pool.integer + pools[0].apart == Approx(pool.floating + before_it));
}

TEST_CASE("a sum that a float convolution does on its way out costs more in float behind an integer one") {
  const target::TargetSpec target = target::load("int8");
  const auto costs_of = [&](bool read_elsewhere) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 16, 8, 8}), y = tiny::conv(g, x, 16);
    tiny::output(g, tiny::add(g, y, x));
    if (read_elsewhere) tiny::output(g, tiny::sigmoid(g, y));
    return select::time_costs(g, select::capabilities(g, target, {}), target);
  };
  const select::PlacementCosts alone = costs_of(true), joined = costs_of(false);
  CHECK(alone.pairs.empty());
  REQUIRE(joined.pairs.size() == 1);
  CHECK(joined.pairs[0].integer == 0);
  CHECK(joined.pairs[0].floating == 1);
  CHECK(joined.nodes[1].floating < alone.nodes[1].floating);
  CHECK(joined.nodes[1].floating + joined.pairs[0].apart == Approx(alone.nodes[1].floating));
}

TEST_CASE("x * Sigmoid(x) is one kernel in float, two behind integers") {
  const target::TargetSpec target = target::load("int8");
  const auto costs_of = [&](const ir::Graph& g) {
    return select::time_costs(g, select::capabilities(g, target, {}), target);
  };
  ir::Graph gated = tiny::graph(), apart = tiny::graph();
  ir::ValueId y = tiny::conv(gated, tiny::input(gated, "x", {1, 16, 8, 8}), 16);
  tiny::output(gated, tiny::node(gated, "Mul", {y, tiny::sigmoid(gated, y)}));
  y = tiny::conv(apart, tiny::input(apart, "x", {1, 16, 8, 8}), 16);
  tiny::output(apart, tiny::node(apart, "Mul", {y, tiny::sigmoid(apart, tiny::relu(apart, y))}));
  const select::PlacementCosts one = costs_of(gated), two = costs_of(apart);
  const std::vector<bool> in_float(3), layer{true, false, false}, gate{false, false, true};
  const double together = one.nodes[1].floating + one.nodes[2].floating,
               alone = two.nodes[2].floating + two.nodes[3].floating;
  CHECK(together < alone);
  const auto cost = [&](const std::vector<bool>& integer) { return select::cost_of(gated, integer, one); };
  const double converted = one.values[static_cast<size_t>(gated.nodes[0].outputs[0])].dequantize +
                           one.nodes[0].integer - one.nodes[0].floating +
                           one.values[static_cast<size_t>(gated.inputs[0])].quantize;
  CHECK(cost(layer) - cost(in_float) - converted == Approx(alone - together).epsilon(0.01));
  CHECK(cost(gate) > cost(in_float) + two.nodes[2].floating);  // a Sigmoid alone costs what it costs
}

TEST_CASE("where the target's convolutions add nothing on their way, a sum costs what it costs alone") {
  target::TargetSpec target = target::load("int8");
  target.costs.erase("Add:on_the_way");
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 16, 8, 8});
  tiny::output(g, tiny::add(g, tiny::conv(g, x, 16), x));
  const select::PlacementCosts costs = select::time_costs(g, select::capabilities(g, target, {}), target);
  CHECK(costs.pairs.empty());
  const auto& each = target.costs.at("Add").floating;
  CHECK(costs.nodes[1].floating == Approx(each[static_cast<size_t>(target::CostTerm::kNode)] +
                                          each[static_cast<size_t>(target::CostTerm::kInput)] * 16 * 8 * 8));
}

TEST_CASE("kernels that a cost table does not tell apart take the op's own entry") {
  target::TargetSpec target = target::load("int8");
  ir::Graph g = tiny::graph();
  tiny::output(g, tiny::conv(g, tiny::input(g, "x", {1, 16, 8, 8}), 16));
  const auto costs = [&] { return select::time_costs(g, select::capabilities(g, target, {}), target); };
  for (const char* key : {"QuantizeLinear:4d", "DequantizeLinear:4d"}) target.costs.erase(key);
  target.costs.at("QuantizeLinear").floating = {77};
  CHECK(costs().values[0].quantize == 77);
  for (const char* key : {"Conv:pointwise", "Conv:depthwise"}) target.costs.erase(key);
  target.costs.at("Conv") = {{5}, {6}};
  CHECK(costs().nodes[0].integer == 5);
  CHECK(costs().nodes[0].floating == 6);
}

TEST_CASE("a Softmax of few classes at many places costs LiteRT its spelling") {
  target::TargetSpec target = target::load("litert");
  target.costs.at("Softmax").floating = {5};
  target.costs.at("Softmax:narrow").floating = {6};
  for (const auto& [dims, cost] : {std::pair{tiny::Dims{1, 4, 16, 16}, 6.0},
                                   {tiny::Dims{1, 9, 16, 16}, 5.0},
                                   {tiny::Dims{1, 4, 8, 8}, 5.0},
                                   {tiny::Dims{1, 1, 16, 16}, 5.0}}) {
    ir::Graph g = tiny::graph();
    tiny::output(g, tiny::softmax(g, tiny::input(g, "x", dims), 1));
    const auto costs = select::time_costs(g, select::capabilities(g, target, {}), target);
    CHECK(costs.nodes[0].floating + costs.without_choice[0].floating == cost);
  }
}

TEST_CASE("a convolution with several results of a channel is one in groups, which integers are slow at") {
  const target::TargetSpec target = target::load("int8");
  const auto costs_of = [&](int64_t results, int64_t kernel = 3) {
    ir::Graph g = tiny::graph();
    tiny::output(g, tiny::conv(g, tiny::input(g, "x", {1, 64, 14, 14}), 64 * results,
                               {.kernel = kernel, .pad = kernel / 2, .groups = 64}));
    return select::time_costs(g, select::capabilities(g, target, {}), target).nodes[0];
  };
  const select::NodeCost one = costs_of(1), four = costs_of(4);
  CHECK(four.integer > four.floating);
  CHECK(four.integer > 8 * one.integer);  // of four times the work
  const select::NodeCost large = costs_of(2, 7);
  CHECK(large.integer > 3 * large.floating);  // measured: 10 times
}

TEST_CASE("a convolution in groups of few channels costs integers what its merged groups do") {
  target::TargetSpec target = target::load("int8");
  const auto costs_of = [&](int64_t groups) {
    ir::Graph g = tiny::graph();
    tiny::output(g, tiny::conv(g, tiny::input(g, "x", {1, 128, 28, 28}), 128, {.groups = groups}));
    return select::time_costs(g, select::capabilities(g, target, {}), target).nodes[0];
  };
  const select::NodeCost merged = costs_of(16);
  CHECK(merged.integer < 0.7 * merged.floating);  // measured: 0.58
  CHECK(merged.integer > 0.4 * merged.floating);
  const select::NodeCost wide = costs_of(4);
  target.costs.erase("Conv:merged");
  CHECK(costs_of(16).integer > 1.2 * merged.integer);
  CHECK(costs_of(16).floating == merged.floating);
  CHECK(costs_of(4).integer == wide.integer);  // as it is
}

TEST_CASE("a placement for several processors is slower than float on none of them where one can be") {
  // Integers halve the time of all nodes on the first processor; on the second the second node takes far
  // longer.
  Case c;
  const ir::ValueId x = tiny::input(c.graph, "x", {1, 4});
  const ir::ValueId y = tiny::add(c.graph, x, x);
  tiny::output(c.graph, tiny::add(c.graph, y, y));
  c.capabilities.assign(2, {Ability::kInteger, plan::Reason::kNoIntegerKernel, {}});
  select::PlacementCosts fast, slow;
  fast.nodes = {{50, 100}, {50, 100}};
  slow.nodes = {{500, 1000}, {1400, 1000}};
  fast.values.resize(c.graph.values.size());
  slow.values.resize(c.graph.values.size());
  const std::vector<select::ProcessorCosts> each{{"fast", fast}, {"slow", slow}};
  const auto placed = [&](double limit) {
    return select::place(c.graph, c.capabilities,
                         select::costs_for_all(c.graph, c.capabilities, each, limit));
  };
  CHECK(placed(0.96) == std::vector<bool>{true, true});  // the mean: 0.5 and 0.95 of float's time
  CHECK(placed(0.9) == std::vector<bool>{true, false});
  CHECK(select::slowest_ratio(c.graph, {true, true}, each) == Approx(0.95));
  CHECK(select::slowest_ratio(c.graph, {true, false}, each) == Approx(0.75));
  CHECK(select::time_ratio(c.graph, {true, true}, fast) == Approx(0.5));
  // One processor alone decides as it always did, in its own nanoseconds.
  CHECK(select::costs_for_all(c.graph, c.capabilities, {{"", slow}}, 0.1).nodes[1].integer == 1400);
}

TEST_CASE("what has no elements stays in float", "[select]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId list = tiny::input(g, "list", {1, -1, 4}), x = tiny::input(g, "x", {1, 3, 4});
  const ir::ValueId scaled = tiny::node(g, "Mul", {list, tiny::constant(g, 2)}, {}, tiny::Dims{1, -1, 4});
  tiny::output(
      g, tiny::node(g, "Concat", {scaled, tiny::add(g, x, x)}, {{"axis", int64_t{1}}}, tiny::Dims{1, -1, 4}));
  const target::TargetSpec target = target::load("int8");
  auto all = select::capabilities(g, target, {});
  const ir::NodeId mul = tiny::only(g, "Mul"), concat = tiny::only(g, "Concat");
  REQUIRE(all[static_cast<size_t>(mul)].ability == Ability::kInteger);
  ir::Graph sized = g;
  sized.values[static_cast<size_t>(scaled)].dims[1] = 0;
  sized.values[static_cast<size_t>(g.nodes[static_cast<size_t>(concat)].outputs[0])].dims[1] = 3;
  select::leave_empty(sized, target, all);
  CHECK(all[static_cast<size_t>(mul)].ability == Ability::kFloatOnly);
  CHECK_THAT(all[static_cast<size_t>(mul)].detail, Catch::Contains("no elements"));
  CHECK(all[static_cast<size_t>(concat)].ability == Ability::kInteger);
  auto everywhere = select::capabilities(g, target::load("qnn"), {});
  select::leave_empty(sized, target::load("qnn"), everywhere);
  CHECK(everywhere[static_cast<size_t>(mul)].ability == Ability::kInteger);
}
