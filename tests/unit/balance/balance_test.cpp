// Corrections of the float graph: each leaves the function as it is, and does to ranges what it promises.
#include "balance/balance.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "balance/chains.h"
#include "ir/edit.h"
#include "normalize/idioms.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

using Rewrite = balance::Done (*)(ir::Graph&, const balance::Seen&);

// What a correction sees: everything rounded to eight bits, by statistics that the test sets.
struct Room {
  plan::QuantPlan plan;
  plan::StatsTable stats;
  std::vector<plan::Idiom> idioms;
  target::TargetSpec target;
  config::QuantizationConfig config;
  std::map<ir::ValueId, std::vector<double>> deviations;

  balance::Seen seen() const {
    return {plan,   stats, idioms, target,
            config, {},    false,  [this](const std::vector<ir::ValueId>&) { return deviations; }};
  }
  void symmetric(ir::ValueId value, double threshold) {
    plan.values.resize(std::max(plan.values.size(), static_cast<size_t>(value) + 1));
    plan::ValueDecision& decision = plan.values[value];
    decision.quantized = true;
    decision.params = quant::symmetric_params(threshold, 8, true, false);
  }
  // Most of it near zero, as results are, and something in every bin up to the ends.
  void spread(ir::ValueId value, float low, float high) {
    plan::TensorStats& s = stats[value];
    s.min = low;
    s.max = high;
    s.histogram.exponent = -7;
    s.histogram.first_bin = static_cast<int64_t>(std::floor(low * 128));
    s.histogram.counts.resize(static_cast<size_t>(std::ceil((high - low) * 128)));
    for (size_t bin = 0; bin < s.histogram.counts.size(); ++bin) {
      s.histogram.counts[bin] =
          1 + static_cast<uint64_t>(1e5 * std::exp(-1.5 * std::abs(s.histogram.center(bin))));
      s.count += s.histogram.counts[bin];
    }
  }
  void channels(ir::ValueId value, std::vector<float> largest) {
    plan::TensorStats& s = stats[value];
    s.channel_max = largest;
    s.channel_min.assign(largest.size(), 0.0f);
    s.channel_mean.assign(largest.size(), 0.0);
    s.max = *std::max_element(largest.begin(), largest.end());
  }
};

struct Tried {
  balance::Done done;
  try_rewrite::Outcome outcome;
};
Tried tried(const ir::Graph& graph, const Room& room, Rewrite rewrite) {
  Tried result;
  result.outcome = try_rewrite::outcome(graph, [&](ir::Graph& g) {
    result.done = rewrite(g, room.seen());
    return static_cast<int>(result.done.sites.size());
  });
  return result;
}

// Channels of a layer, multiplied by powers of two that the layers behind take back: the function stays.
ir::Graph& rescale(ir::Graph& g) {
  unsigned state = 7;
  for (const balance::Chain& chain : balance::chains(g)) {
    if (chain.clip != ir::kNone) continue;
    ir::Channels scale;
    for (int64_t c = 0; c < chain.before.out_channels; ++c) {
      state = state * 1664525u + 1013904223u;
      scale.push_back(std::exp2(static_cast<double>(state >> 28) - 8));
    }
    REQUIRE(balance::scale_channels(g, chain, scale));
  }
  return g;
}

double largest_spread(const ir::Graph& g) {
  double most = 0;
  for (const balance::Chain& chain : balance::chains(g)) {
    const ir::Channels ones(static_cast<size_t>(chain.before.in_channels), 1.0);
    most = std::max(most, balance::spread_of(output_ranges(g, chain.before, ones)));
  }
  return most;
}

ir::Graph depthwise_triple() {
  ir::Graph g = graph();
  const auto x = input(g, "x", {2, 3, 8, 8});
  const auto a = relu(g, conv(g, x, 8, {}, 11));
  const auto b = relu(g, conv(g, a, 8, {.groups = 8}, 12));
  output(g, conv(g, b, 4, {.kernel = 1, .pad = 0}, 13));
  return g;
}

}  // namespace

TEST_CASE("balance: a depthwise triple with rescaled channels is equalized", "[balance]") {
  ir::Graph g = depthwise_triple();
  rescale(g);
  REQUIRE(largest_spread(g) > 100);
  const Tried t = tried(g, {}, balance::equalize_weights);
  CHECK(t.done.sites.size() == 2);
  CHECK(t.outcome.ops == "Conv Relu Conv Relu Conv");
  CHECK(t.outcome.change < 1e-5);
  for (const balance::Chain& chain : balance::chains(t.outcome.graph)) {
    const auto& after = t.outcome.graph;
    const ir::Channels before =
                           output_ranges(after, chain.before,
                                         ir::Channels(static_cast<size_t>(chain.before.in_channels), 1.0)),
                       behind =
                           input_ranges(after, chain.behind[0],
                                        ir::Channels(static_cast<size_t>(chain.behind[0].out_channels), 1.0));
    for (size_t c = 0; c < before.size(); ++c) CHECK(before[c] == Approx(behind[c]).epsilon(0.01));
  }
}

TEST_CASE("balance: input channels of integer weights behind float activations become alike", "[balance]") {
  ir::Graph g = depthwise_triple();
  rescale(g);
  Room room;
  room.plan.nodes.resize(g.nodes.size());
  for (plan::NodeDecision& node : room.plan.nodes) node.compute = plan::Compute::kFloatIntegerWeights;
  // A channel that was multiplied by s carries s times as much.
  for (const balance::Chain& chain : balance::chains(g)) {
    const ir::Channels ones(static_cast<size_t>(chain.behind[0].out_channels), 1.0);
    const ir::Channels ranges = input_ranges(g, chain.behind[0], ones);
    CHECK(balance::spread_of(ranges) > 100);
    for (const double range : ranges) room.deviations[chain.result].push_back(1 / range);
  }
  const Tried t = tried(g, room, balance::equalize_columns);
  REQUIRE(t.done.sites.size() == 1);  // each weight of the depthwise layer has a scale of its own
  CHECK(*t.done.sites[0].gain_db > 20);
  CHECK(t.outcome.change < 1e-5);
  const balance::Chain last = balance::chains(t.outcome.graph).back();
  const ir::Channels ones(static_cast<size_t>(last.behind[0].out_channels), 1.0);
  CHECK(balance::spread_of(input_ranges(t.outcome.graph, last.behind[0], ones)) < 10);

  for (auto& [value, deviation] : room.deviations) deviation.assign(deviation.size(), 0.0);
  CHECK(tried(g, room, balance::equalize_columns).done.sites.empty());  // nothing to gain is foreseen
  room.config.cross_layer_equalization = true;
  CHECK(tried(g, room, balance::equalize_columns).done.sites.size() == 1);
  for (plan::NodeDecision& node : room.plan.nodes) node.compute = plan::Compute::kFloat;
  CHECK(tried(g, room, balance::equalize_columns).done.sites.empty());
}

TEST_CASE("balance: what stands between layers and may not be scaled ends a chain", "[balance]") {
  const auto count = [](const std::function<ir::ValueId(ir::Graph&, ir::ValueId)>& between) {
    ir::Graph g = graph();
    const auto y = between(g, conv(g, input(g, "x", {1, 3, 8, 8}), 6));
    output(g, conv(g, y, 4));
    return balance::chains(g).size();
  };
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return relu(g, y); }) == 1);
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return max_pool(g, relu(g, y)); }) == 1);
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return clip(g, y, 0, 6); }) == 1);
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return sigmoid(g, y); }) == 0);
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return clip(g, y, -1, 6); }) == 0);
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return add(g, y, relu(g, y)); }) == 0);
  CHECK(count([](ir::Graph& g, ir::ValueId y) { return output(g, relu(g, y)); }) == 0);
}

TEST_CASE("balance: a classifier behind global pooling is part of a chain", "[balance]") {
  ir::Graph g = graph();
  const auto y = relu(g, conv(g, input(g, "x", {2, 3, 8, 8}), 6));
  output(g, gemm(g, flatten(g, global_average_pool(g, y)), 5));
  rescale(g);
  const Tried t = tried(g, {}, balance::equalize_weights);
  CHECK(t.done.sites.size() == 1);
  CHECK(t.outcome.change < 1e-5);
}

TEST_CASE("balance: channels that a Clip bounds stay as they are", "[balance]") {
  ir::Graph g = graph();
  const auto y = clip(g, conv(g, input(g, "x", {2, 3, 8, 8}), 4, {}, 5), 0, 6);
  output(g, conv(g, relu(g, conv(g, y, 4, {}, 6)), 3, {}, 7));
  rescale(g);
  const Tried t = tried(g, {}, balance::equalize_weights);
  CHECK(t.done.sites.size() == 1);
  CHECK(t.outcome.change < 1e-5);
}

TEST_CASE("balance: bounds that differ by channel become one Clip", "[balance]") {
  for (const bool min_first : {false, true}) {
    ir::Graph g = graph();
    auto y = conv(g, input(g, "x", {2, 3, 8, 8}), 4);
    const auto bounds = constant_f(g, {0.5f, 1, 2, 8}, {1, 4, 1, 1});
    y = min_first ? relu(g, node(g, "Min", {y, bounds}, {}, Dims{2, 4, 8, 8}))
                  : node(g, "Min", {relu(g, y), bounds}, {}, Dims{2, 4, 8, 8});
    output(g, conv(g, y, 4));
    const Tried t = tried(g, {}, balance::equalize_bounds);
    CHECK(t.done.sites.size() == 1);
    CHECK(t.outcome.ops == "Conv Clip Conv");
    CHECK(t.outcome.change < 1e-5);
  }
}

TEST_CASE("balance: a Clip gets bounds by channel where weights are equalized through it", "[balance]") {
  ir::Graph g = graph();
  const auto y = clip(g, conv(g, input(g, "x", {2, 3, 8, 8}), 4, {}, 21), 0, 0.5f);
  output(g, conv(g, y, 4, {}, 22));
  const Tried t = tried(g, {}, balance::equalize_weights_bounded);
  CHECK(t.outcome.ops == "Conv Relu Min Conv");
  CHECK(t.outcome.change < 1e-5);
}

TEST_CASE("balance: channels of a result are brought to like ranges", "[balance]") {
  ir::Graph g = graph();
  const auto y = relu(g, conv(g, input(g, "x", {2, 3, 8, 8}), 4));
  output(g, conv(g, y, 4));
  Room room;
  room.channels(y, {100, 1, 1, 2});
  const Tried t = tried(g, room, balance::equalize_results);
  REQUIRE(t.done.sites.size() == 1);
  CHECK(*t.done.sites[0].gain_db > 6);
  CHECK(t.outcome.change < 1e-5);
  room.channels(y, {1, 1, 1, 1});
  CHECK(tried(g, room, balance::equalize_results).done.sites.empty());
}

TEST_CASE("balance: deviations above 1 are brought to 1", "[balance]") {
  ir::Graph g = graph();
  const auto y = relu(g, conv(g, input(g, "x", {2, 3, 8, 8}), 4, {}, 31));
  output(g, conv(g, y, 4));
  Room room;
  room.deviations[y] = {4, 0.5, 1, 2};
  const auto chain = balance::chains(g)[0];
  const ir::Channels ones(3, 1.0), before = output_ranges(g, chain.before, ones);
  const Tried t = tried(g, room, balance::equalize_deviations);
  REQUIRE(t.done.sites.size() == 1);
  CHECK(t.outcome.change < 1e-5);
  const ir::Channels after = output_ranges(t.outcome.graph, balance::chains(t.outcome.graph)[0].before, ones);
  CHECK(after[0] == Approx(before[0] / 4));
  CHECK(after[1] == Approx(before[1]));
  CHECK(after[3] == Approx(before[3] / 2));
}

TEST_CASE("balance: a bound of 6 becomes 8, one of 4 stays", "[balance]") {
  const auto bounded = [](float bound) {
    ir::Graph g = graph();
    output(g, conv(g, clip(g, conv(g, input(g, "x", {2, 3, 8, 8}), 4), 0, bound), 4));
    return tried(g, {}, balance::bound_to_power_of_two);
  };
  const Tried t = bounded(6);
  CHECK(t.done.sites.size() == 1);
  CHECK(t.outcome.change < 1e-5);
  const ir::Graph& g = t.outcome.graph;
  CHECK(*ir::scalar_constant(g, node_at(g, only(g, "Clip")).inputs[2]) == 8);
  CHECK(bounded(4).done.sites.empty());
}

TEST_CASE("balance: a 1x1 convolution goes into the one before it", "[balance]") {
  const auto collapsed = [](balance::Done (*rewrite)(ir::Graph&, const balance::Seen&), int64_t first,
                            ConvShape shape, bool other_reader) {
    ir::Graph g = graph();
    const auto y = conv(g, input(g, "x", {2, 4, 8, 8}), first, shape, 41);
    const auto z = conv(g, y, 3, {.kernel = 1, .pad = 0}, 42);
    output(g, z);
    if (other_reader) output(g, relu(g, y));
    return tried(g, {}, rewrite);
  };
  const Tried t = collapsed(balance::collapse_linear, 8, {.stride = 2}, false);
  CHECK(t.outcome.ops == "Conv");
  CHECK(t.outcome.change < 1e-5);
  CHECK(collapsed(balance::collapse_linear, 8, {}, true).done.sites.empty());
  CHECK(collapsed(balance::collapse_linear, 8, {.groups = 2}, false).done.sites.empty());
  CHECK(collapsed(balance::collapse_linear, 1, {.kernel = 3}, false).done.sites.empty());  // it would grow
}

TEST_CASE("balance: a skip goes into the convolution beside it", "[balance]") {
  const auto collapsed = [](ConvShape shape, bool convolution_first) {
    ir::Graph g = graph();
    const auto x = relu(g, input(g, "x", {2, 4, 8, 8}));
    const auto y = conv(g, x, 4, shape, 51);
    output(g, convolution_first ? add(g, y, x) : add(g, x, y));
    return tried(g, {}, balance::collapse_residual);
  };
  for (const ConvShape& shape : {ConvShape{}, ConvShape{.groups = 2}, ConvShape{.groups = 4},
                                 ConvShape{.kernel = 1, .pad = 0}, ConvShape{.pad = 2, .dilation = 2}})
    for (const bool first : {false, true}) {
      const Tried t = collapsed(shape, first);
      CHECK(t.outcome.ops == "Relu Conv");
      CHECK(t.outcome.change < 1e-5);
    }
  ir::Graph g = graph();  // what is added is something else
  const auto x = input(g, "x", {2, 4, 8, 8});
  output(g, add(g, conv(g, relu(g, x), 4), x));
  CHECK(tried(g, {}, balance::collapse_residual).done.sites.empty());
}

TEST_CASE("balance: channels are scaled through a gate", "[balance]") {
  ir::Graph g = graph();
  const auto x = conv(g, input(g, "x", {2, 3, 8, 8}), 4);
  const auto y = mul(g, x, sigmoid(g, x));
  output(g, conv(g, y, 4, {.groups = 4}));
  Room room;
  room.idioms = normalize::recognise(g);
  REQUIRE(room.idioms.size() == 1);
  room.channels(y, {8, 0.5f, 1, 0.25f});
  room.config.gate_equalization = true;
  const Tried t = tried(g, room, balance::equalize_gates);
  REQUIRE(t.done.sites.size() == 1);
  CHECK(t.outcome.ops == "Conv Mul Sigmoid Mul Conv");
  CHECK(t.outcome.change < 1e-5);
}

TEST_CASE("balance: outliers behind LayerNormalization go into the matrices", "[balance]") {
  for (const bool spelled : {false, true}) {
    ir::Graph g = graph(17);
    const auto x = input(g, "x", {2, 5, 6});
    const auto scale = constant(g, random_tensor({6}, 61, 0.5f, 2)),
               shift = constant(g, random_tensor({6}, 62));
    ir::ValueId y;
    if (spelled) {
      y = add(g, mul(g, x, scale), shift);
    } else {
      y = node(g, "LayerNormalization", {x, scale, shift}, {}, Dims{2, 5, 6});
    }
    output(g, matmul(g, y, constant(g, random_tensor({6, 4}, 63))));
    output(g, matmul(g, y, constant(g, random_tensor({6, 3}, 64))));
    Room room;
    room.channels(y, {50, 1, 1, 2, 1, 0.5f});
    room.config.norm_equalization = true;
    const Tried t = tried(g, room, balance::equalize_norms);
    CHECK(t.done.sites.size() == 1);
    CHECK(t.outcome.change < 1e-5);
  }
}

TEST_CASE("balance: logits are centred", "[balance]") {
  ir::Graph g = graph();
  const auto logits = gemm(g, input(g, "x", {2, 6}), 5);
  output(g, softmax(g, logits));
  Room room;
  room.spread(logits, -2, 10);
  const Tried t = tried(g, room, balance::shift_softmax);
  REQUIRE(t.done.sites.size() == 1);
  CHECK(t.outcome.change < 1e-5);
  CHECK_THAT(t.done.sites[0].detail, Catch::Contains("[-6, 6]"));
}

TEST_CASE("balance: an input that falls short of its range is stretched", "[balance]") {
  ir::Graph g = graph();
  const auto x = input(g, "x", {2, 3, 8, 8});
  output(g, conv(g, x, 4));
  Room room;
  room.spread(x, 0, 5);
  room.symmetric(x, 8);
  const Tried t = tried(g, room, balance::scale_input);
  REQUIRE(t.done.sites.size() == 1);
  CHECK(t.outcome.ops == "Mul Conv");
  CHECK(t.outcome.change < 1e-5);
  CHECK(t.done.settings.size() == 1);
  room.symmetric(x, 5.02);
  const Tried none = tried(g, room, balance::scale_input);
  CHECK(none.done.sites.empty());
  CHECK_FALSE(none.done.note.empty());
}

TEST_CASE("balance: a small negative lobe is shifted away", "[balance]") {
  const auto silu_net = [](Room& room, ir::ValueId& y, bool pooled) {
    ir::Graph g = graph();
    const auto x = conv(g, input(g, "x", {2, 3, 8, 8}), 4);
    y = mul(g, x, sigmoid(g, x));
    if (pooled) {
      output(g, gemm(g, flatten(g, global_average_pool(g, y)), 5));
    } else {
      output(g, conv(g, y, 4));
      output(g, conv(g, y, 2, {.kernel = 1, .pad = 0}));
    }
    room.idioms = normalize::recognise(g);
    room.spread(y, -0.27f, 7.5f);
    room.symmetric(y, 7.5);
    return g;
  };
  Room room;
  ir::ValueId y = ir::kNone;
  ir::Graph g = silu_net(room, y, false);
  const Tried t = tried(g, room, balance::shift_negative);
  REQUIRE(t.done.sites.size() == 1);
  CHECK(*t.done.sites[0].gain_db > 4);
  CHECK(t.outcome.ops == "Conv Sigmoid Mul Add Conv Pad Conv");
  CHECK(t.outcome.change < 1e-5);
  CHECK(t.done.settings.size() == 4);  // Sigmoid, Mul, Add and Pad stay in float
  for (const auto& [node, settings] : t.done.settings) CHECK(settings.integer == false);

  // Where nothing runs in float the Add takes in what makes its input, if the target has one.
  room.target.float_islands = false;
  const Tried without = tried(g, room, balance::shift_negative);
  CHECK(without.done.sites.empty());
  CHECK_THAT(without.done.note, Catch::Contains("has no Add"));
  room.target.ops["Add"].kind = target::OpKind::kCompute;
  const Tried inside = tried(g, room, balance::shift_negative);
  CHECK(inside.outcome.ops == t.outcome.ops);
  int unrounded = 0;
  for (const auto& [node, settings] : inside.done.settings) {
    CHECK_FALSE(settings.integer);
    unrounded += settings.part_of_reader.value_or(false) ? 1 : 0;
  }
  CHECK(unrounded == 2);  // Sigmoid and Mul
  room.target = {};

  g = silu_net(room, y, true);
  CHECK(tried(g, room, balance::shift_negative).outcome.ops ==
        "Conv Sigmoid Mul Add GlobalAveragePool Flatten Gemm");
  CHECK(tried(g, room, balance::shift_negative).outcome.change < 1e-5);

  room.config.shift_negative_ratio = 0.03;  // the lobe is 0.036 of the range
  CHECK(tried(g, room, balance::shift_negative).done.sites.empty());
  room.config.shift_negative_ratio = 0.05;
  room.plan.values[y].params = quant::asymmetric_params(-0.27, 7.5, 8, false);
  const Tried asymmetric = tried(g, room, balance::shift_negative);
  CHECK(asymmetric.done.sites.empty());
  CHECK_THAT(asymmetric.done.note, Catch::Contains("zero points do the same"));
}

TEST_CASE("balance: searched shifts are never worse than the plain one", "[balance]") {
  ir::Graph g = graph();
  const auto x = conv(g, input(g, "x", {2, 3, 8, 8}), 4);
  const auto y = mul(g, x, sigmoid(g, x));
  output(g, conv(g, y, 4));
  Room room;
  room.idioms = normalize::recognise(g);
  room.spread(y, -0.27f, 7.9f);
  room.symmetric(y, 7.7);
  const double plain = *tried(g, room, balance::shift_negative).done.sites.at(0).gain_db;
  room.config.shift_negative_params_search = true;
  CHECK(*tried(g, room, balance::shift_negative).done.sites.at(0).gain_db >= plain);
  room.config.shift_negative_params_search = false;
  room.config.shift_negative_threshold_recalculation = true;
  const Tried again = tried(g, room, balance::shift_negative);
  CHECK(*again.done.sites.at(0).gain_db >= plain);
  for (const auto& [node, settings] : again.done.settings) CHECK_FALSE(settings.activation_range);
}
