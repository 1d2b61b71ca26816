// Rules on a small graph: which nodes a filter means, who wins, and what a rule without nodes is told.
#include "select/rules.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/text.h"
#include "select/capability.h"
#include "support/tiny_models.h"
#include "target/target.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

// stem (Conv) - relu - depthwise (Conv) - point (Conv) - sum (Add with the relu) - fc (Gemm)
struct Net {
  ir::Graph graph = tiny::graph();
  std::map<std::string, ir::NodeId> by_name;

  Net() {
    const auto x = tiny::input(graph, "x", {1, 3, 4, 4});
    const auto stem = named("stem", tiny::conv(graph, x, 8));
    const auto relu = named("stem/relu", tiny::relu(graph, stem));
    const auto depthwise = named("block/depthwise", tiny::conv(graph, relu, 8, {.groups = 8}));
    const auto point = named("block/point", tiny::conv(graph, depthwise, 8, {.kernel = 1, .pad = 0}));
    const auto sum = named("block/sum", tiny::add(graph, point, relu));
    const auto flat = named("flat", tiny::flatten(graph, sum));
    tiny::output(graph, named("fc", tiny::gemm(graph, flat, 5)), "y");
    graph.nodes[static_cast<size_t>(by_name.at("stem"))].origin = {"stem", "stem_bn"};
  }
  ir::ValueId named(const std::string& name, ir::ValueId result) {
    const ir::NodeId id = graph.values[static_cast<size_t>(result)].producer;
    graph.nodes[static_cast<size_t>(id)].name = name;
    by_name[name] = id;
    return result;
  }
};

select::ResolvedRules resolve(const ir::Graph& graph, const std::string& rules) {
  Diagnostics diagnostics;
  return select::resolve_rules(
      graph, config::parse("{\"bit_width_config\": " + rules + "}", "c.json", {}, diagnostics));
}

TEST_CASE("a filter means the nodes that fit all of it") {
  struct Row {
    const char* filter;
    std::vector<std::string> nodes;
  };
  const Net net;
  const auto row = GENERATE(
      Row{R"({"name": "block/*"})", {"block/depthwise", "block/point", "block/sum"}},
      Row{R"({"name": ["fc", "st?m"]})", {"stem", "fc"}}, Row{R"({"name": "stem_bn"})", {"stem"}},
      Row{R"({"name_contains": "po"})", {"block/point"}},
      Row{R"({"op_type": "Conv"})", {"stem", "block/depthwise", "block/point"}},
      Row{R"({"op_type": ["Add", "Gemm"]})", {"block/sum", "fc"}}, Row{R"({"first": true})", {"stem"}},
      Row{R"({"last": true})", {"fc"}}, Row{R"({"depthwise": true})", {"block/depthwise"}},
      Row{R"({"op_type": "Conv", "depthwise": false})", {"stem", "block/point"}},
      Row{R"({"op_type": "Conv", "not": {"any_of": [{"first": true}, {"depthwise": true}]}})",
          {"block/point"}},
      Row{R"({"all_of": [{"name": "block/*"}, {"op_type": "Conv"}], "not": {"name": "*wise"}})",
          {"block/point"}});
  CAPTURE(row.filter);
  const auto resolved =
      resolve(net.graph, "[{\"filter\": " + std::string(row.filter) + ", \"activation_n_bits\": 8}]");
  std::vector<std::string> names;
  for (const ir::NodeId id : resolved.matches.at(0).nodes)
    names.push_back(net.graph.nodes[static_cast<size_t>(id)].name);
  CHECK(names == row.nodes);
}

TEST_CASE("later rules win, setting by setting") {
  const Net net;
  const auto resolved = resolve(net.graph, R"([
    {"filter": {"name": "*"}, "weights_n_bits": 4},
    {"filter": {"any_of": [{"first": true}, {"last": true}, {"depthwise": true}]}, "weights_n_bits": 8},
    {"filter": {"name": "fc"}, "activation_n_bits": 16}])");
  const auto at = [&](const char* name) {
    return resolved.nodes.at(static_cast<size_t>(net.by_name.at(name)));
  };
  CHECK(at("stem").weights_n_bits == 8);
  CHECK(at("block/depthwise").weights_n_bits == 8);
  CHECK(at("block/point").weights_n_bits == 4);
  CHECK(at("fc").weights_n_bits == 8);
  CHECK(at("fc").activation_n_bits == 16);
  CHECK_FALSE(at("block/point").activation_n_bits);
}

TEST_CASE("rules that mean nothing are all told, with the nearest names") {
  const Net net;
  try {
    resolve(net.graph, R"([
      {"filter": {"name": "blok/point"}, "weights_n_bits": 4},
      {"filter": {"op_type": "Gem"}, "weights_n_bits": 4},
      {"filter": {"op_type": "Add"}, "weights_n_bits": 4},
      {"filter": {"all_of": [{"name": "fc"}, {"op_type": "Conv"}]}, "weights_n_bits": 4}])");
    FAIL("no error");
  } catch (const Error& error) {
    REQUIRE(error.exit == Exit::kUsage);
    REQUIRE(error.problems.size() == 4);
    CHECK(error.problems[0].place == "/bit_width_config/0/filter");
    CHECK_THAT(error.problems[0].cause, Catch::Contains("nearest: 'block/point'"));
    CHECK_THAT(error.problems[1].cause, Catch::Contains("op type 'Gem'; nearest: 'Gemm'"));
    CHECK_THAT(error.problems[2].cause, Catch::Contains("none of the 1 nodes it fits has weights"));
    CHECK(error.problems[3].cause == "it fits no node");
  }
}

TEST_CASE("a width of 16 takes the node, and what reads its result, to float") {
  const Net net;
  const target::TargetSpec target = target::load("int8");
  const auto place = [&](const char* rules, const char* name) {
    const auto all = select::capabilities(net.graph, target, {}, {}, resolve(net.graph, rules).nodes);
    return all.at(static_cast<size_t>(net.by_name.at(name)));
  };
  const char* weights = R"([{"filter": {"name": "block/point"}, "weights_n_bits": 16}])";
  CHECK(place(weights, "block/point").ability == select::Ability::kFloatOnly);
  CHECK_THAT(place(weights, "block/point").detail, Catch::Contains("16 bits for its weights"));
  CHECK(place(weights, "block/sum").ability == select::Ability::kInteger);
  // The Relu rounds in the place of the convolution that it disappears into; its readers read 16 bits.
  const char* result = R"([{"filter": {"name": "stem"}, "activation_n_bits": 16}])";
  for (const char* name : {"stem", "stem/relu", "block/depthwise", "block/sum"}) {
    CAPTURE(name);
    CHECK(place(result, name).ability == select::Ability::kFloatOnly);
    CHECK_THAT(place(result, name).detail, Catch::Contains("16 bits for the result of stem"));
  }
  CHECK(place(result, "block/point").ability == select::Ability::kInteger);
}

TEST_CASE("a width that the target lacks is told of the rule that asks for it, whatever others name") {
  const Net net;
  const target::TargetSpec target = target::load("imx500");
  const auto rules = resolve(net.graph, R"([
      {"filter": {"not": {"name_contains": "weights_n_bits"}}, "mode": "static"},
      {"filter": {"name": "stem"}, "weights_n_bits": 3}])");
  const auto capabilities = select::capabilities(net.graph, target, {}, {}, rules.nodes);
  try {
    select::check_placed(net.graph, target, capabilities, rules);
    FAIL("no error");
  } catch (const Error& error) {
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].place == "/bit_width_config/1");
    CHECK_THAT(error.problems[0].cause, Catch::Contains("no weights of 3 bits"));
  }
}

TEST_CASE("weights get the widths of their rules, a shared one the largest") {
  Net net;
  const ir::ValueId shared = net.graph.nodes[static_cast<size_t>(net.by_name.at("block/point"))].inputs[1];
  const target::TargetSpec target = target::load("int8");
  plan::QuantPlan plan;
  plan.nodes.resize(net.graph.nodes.size());
  plan.values.resize(net.graph.values.size());
  for (plan::NodeDecision& node : plan.nodes) node.compute = plan::Compute::kFloatIntegerWeights;
  const auto bits = [&](const char* rules) {
    const auto candidates =
        threshold::weight_candidates(net.graph, plan, target, {}, resolve(net.graph, rules).nodes, 1);
    return candidates.at(shared).front().params.stored_bits();
  };
  CHECK(bits("[]") == 8);
  CHECK(bits(R"([{"filter": {"name": "*"}, "weights_n_bits": 3}])") == 3);
  ir::set_input(net.graph, net.by_name.at("block/depthwise"), 1, shared);
  net.graph.nodes[static_cast<size_t>(net.by_name.at("block/depthwise"))].attributes.clear();
  CHECK(bits(R"([{"filter": {"name": "*"}, "weights_n_bits": 3},
                 {"filter": {"name": "*/depthwise"}, "weights_n_bits": 5}])") == 5);
}

template <typename T>
config::NodeSettings with(std::optional<T> config::NodeSettings::*field, T value) {
  config::NodeSettings settings;
  settings.*field = value;
  return settings;
}

select::ResolvedRules edit(const ir::Graph& graph, const std::string& filter, const std::string& action,
                           const std::string& widths = "[]") {
  Diagnostics diagnostics;
  return select::resolve_rules(
      graph, config::parse("{\"bit_width_config\": " + widths +
                               ", \"debug_config\": {\"network_editor\": [{\"filter\": " + filter +
                               ", \"action\": " + action + "}]}}",
                           "c.json", {}, diagnostics));
}

TEST_CASE("the editor wins over widths, and takes nodes to float where kernels cannot follow") {
  const Net net;
  const target::TargetSpec target = target::load("int8");
  const char* point = R"({"name": "block/point"})";
  const auto n = static_cast<size_t>(net.by_name.at("block/point"));
  CHECK(edit(net.graph, point, R"({"weights_n_bits": 6})",
             R"([{"filter": {"name": "*"}, "weights_n_bits": 4}])")
            .nodes[n]
            .weights_n_bits == 6);
  const auto capability = [&](const char* action) {
    return select::capabilities(net.graph, target, {}, {}, edit(net.graph, point, action).nodes).at(n);
  };
  const auto kept = capability(R"({"enable_weights_quantization": false})");
  CHECK(kept.ability == select::Ability::kFloatOnly);
  CHECK(kept.float_weights);
  const auto unrounded = capability(R"({"enable_activation_quantization": false})");
  CHECK(unrounded.ability == select::Ability::kFloatOnly);
  CHECK_FALSE(unrounded.float_weights);
  CHECK(capability(R"({"weights_quantization_method": "UNIFORM"})").ability == select::Ability::kFloatOnly);
  CHECK(capability(R"({"weights_quantization_method": "UNIFORM", "weights_per_channel_threshold": false})")
            .ability == select::Ability::kInteger);
  CHECK_FALSE(capability(R"({"weights_bias_correction": false})").correct_bias);
  CHECK(capability(R"({"weights_n_bits": 4})").correct_bias);
}

TEST_CASE("a rule that corrects layers must mean some, and one that shifts results need not") {
  const Net net;
  const char* sum = R"({"name": "block/sum"})";
  for (const char* action :
       {R"({"weights_second_moment_correction": true})", R"({"activation_bias_correction": false})",
        R"({"weights_bias_correction": false})"}) {
    CAPTURE(action);
    CHECK_THROWS_WITH(edit(net.graph, sum, action),
                      Catch::Contains("none of the 1 nodes it fits has weights"));
  }
  CHECK_NOTHROW(edit(net.graph, sum, R"({"shift_negative_ratio": 0.2, "weights_n_bits": 4})"));
}

TEST_CASE("weights follow the method that a rule gives them") {
  const ir::Tensor weight = tiny::random_tensor({8, 4, 3, 3}, 3, -0.3f, 0.9f);
  const auto candidate = [&](config::NodeSettings settings) {
    return threshold::weight_candidate(weight, 0, target::load("int8"), {}, settings, 1);
  };
  using config::QuantizationMethod;
  for (const float scale :
       candidate(with(&config::NodeSettings::weights_quantization_method, QuantizationMethod::kPowerOfTwo))
           .params.scales)
    CHECK(std::exp2(std::round(std::log2(scale))) == scale);
  const auto uniform =
      candidate(with(&config::NodeSettings::weights_quantization_method, QuantizationMethod::kUniform));
  CHECK(uniform.params.zero_points.at(0) < -20);  // int8: values lie above 0 for the most part
  CHECK(uniform.error < candidate(config::NodeSettings()).error);
  CHECK(candidate(with(&config::NodeSettings::weights_per_channel_threshold, false)).params.axis == -1);
  const auto by_hand = candidate(with(&config::NodeSettings::weights_threshold, 2.0)).params;
  CHECK(by_hand.scales == std::vector<float>(8, 2.0f / 127));
  const auto lut =
      candidate(with(&config::NodeSettings::weights_quantization_method, QuantizationMethod::kLutSymmetric));
  CHECK(lut.params.codebook.size() == 16);
  CHECK(lut.params.stored_bits() == 4);
  config::NodeSettings even = with(&config::NodeSettings::weights_n_bits, 4);
  CHECK(candidate(even).params == lut.params);  // what the target has where no method is named
  even.weights_quantization_method = QuantizationMethod::kSymmetric;
  CHECK(candidate(even).params.codebook.empty());
  CHECK(lut.error < candidate(even).error);
}

TEST_CASE("results follow the method, width and range that a rule gives them, in the target's type") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 4});
  const auto y = tiny::add(g, x, x);
  tiny::output(g, y, "y");
  plan::QuantPlan plan;
  plan.nodes.resize(1);
  plan.values.resize(g.values.size());
  plan.values[static_cast<size_t>(y)].quantized = true;
  plan.values[static_cast<size_t>(y)].scale_group = y;
  plan::StatsTable stats;
  stats[y].count = 2;
  stats[y].min = -3;
  stats[y].max = 5;
  const auto params = [&](config::NodeSettings settings) {
    return threshold::activation_candidates(g, plan, stats, target::load("int8"), {}, std::vector{settings})
        .at(y)
        .front()
        .params;
  };
  CHECK(quant::range_min(params(config::NodeSettings())) == Approx(-3).margin(0.04));
  const auto four = params(with(&config::NodeSettings::activation_n_bits, 4));
  CHECK(four.bits == 4);
  CHECK(four.scales.at(0) == Approx(8.0 / 15));
  const auto power = params(
      with(&config::NodeSettings::activation_quantization_method, config::QuantizationMethod::kPowerOfTwo));
  CHECK(power.scales.at(0) == 8.0f / 128);
  CHECK(power.zero_points.at(0) == 128);
  CHECK_FALSE(power.is_signed);
  const auto by_hand = params(with(&config::NodeSettings::activation_range, std::pair(-1.0, 6.0)));
  CHECK(quant::range_min(by_hand) == Approx(-1).margin(0.03));
  CHECK(quant::range_max(by_hand) == Approx(6).margin(0.03));
}

// x + x, its Relu rounded.
struct CutOff {
  ir::Graph g = tiny::graph();
  ir::ValueId x = tiny::input(g, "x", {1, 4});
  ir::ValueId y = tiny::relu(g, tiny::add(g, x, x));
  plan::QuantPlan plan;

  CutOff() {
    tiny::output(g, y, "y");
    plan.nodes.resize(g.nodes.size());
    plan.values.resize(g.values.size());
    round(y);
  }
  void round(ir::ValueId v) {
    plan.values[static_cast<size_t>(v)].quantized = true;
    plan.values[static_cast<size_t>(v)].scale_group = v;
  }
};

TEST_CASE("other ranges stand behind the method's, always in the same order, inside what a Relu leaves") {
  CutOff net;
  net.round(net.x);
  const auto& [g, x, y, plan] = net;
  plan::StatsTable stats;
  for (const auto v : {x, y}) {  // a few large values far outside
    stats[v].count = 1000;
    stats[v].min = v == x ? -1.0f : 0.0f;
    stats[v].max = 16;
    stats[v].histogram.exponent = -6;
    stats[v].histogram.first_bin = v == x ? -64 : 0;
    stats[v].histogram.counts.assign(plan::Histogram::kBins, 0);
    for (size_t bin = 0; bin < 128; ++bin) stats[v].histogram.counts[bin] = 8;
    stats[v].histogram.counts[v == x ? 1087 : 1023] = 1;
  }
  const auto all = threshold::activation_candidates(g, plan, stats, target::load("int8"), {}, {}, true);
  const auto plain = threshold::activation_candidates(g, plan, stats, target::load("int8"), {});
  for (const auto v : {x, y}) {
    REQUIRE(plain.at(v).size() == 1);
    REQUIRE(all.at(v).size() == 6);
    CHECK(all.at(v)[0].params.scales == plain.at(v)[0].params.scales);
    CHECK(all.at(v)[3].note == "range by NOCLIPPING");
    CHECK(quant::range_max(all.at(v)[3].params) == Approx(16).margin(0.1));
    CHECK(all.at(v)[4].note == "0.8 of the range");
    CHECK(quant::range_max(all.at(v)[4].params) ==
          Approx(0.8 * static_cast<double>(quant::range_max(plain.at(v)[0].params))).margin(0.05));
  }
  // The long side gives way, the short one stays; nothing reaches below a Relu.
  CHECK(quant::range_min(all.at(x)[5].params) ==
        Approx(quant::range_min(plain.at(x)[0].params)).margin(0.05));
  for (const plan::Candidate& one : all.at(y)) CHECK(quant::range_min(one.params) == 0);
}

TEST_CASE("a range by hand ends where a Relu cuts it off, so that the Relu stays redundant") {
  const CutOff net;
  const auto& [g, x, y, plan] = net;
  plan::StatsTable stats;
  stats[y].count = 2;
  stats[y].max = 5;
  // The rule names the Add, which rounds where the Relu is.
  const auto settings = with(&config::NodeSettings::activation_range, std::pair(-4.0, 4.0));
  const auto params = threshold::activation_candidates(g, plan, stats, target::load("int8"), {},
                                                       std::vector{settings, config::NodeSettings()})
                          .at(y)
                          .front()
                          .params;
  CHECK(quant::range_min(params) == 0);
  CHECK(quant::range_max(params) == Approx(4));
}

TEST_CASE("every width from 2 to 8 has less error than the one below") {
  const ir::Tensor weight = tiny::random_tensor({8, 4, 3, 3}, 3);
  double last = 1;
  for (int bits = 2; bits <= 8; ++bits) {
    const plan::Candidate c = threshold::weight_candidate(
        weight, 0, target::load("int8"), {}, with(&config::NodeSettings::weights_n_bits, bits), 1);
    CAPTURE(bits);
    CHECK(c.params.stored_bits() == bits);
    CHECK(c.params.codebook.empty() == bits > 6);
    CHECK(c.params.scales.size() == 8);
    CHECK(c.error < last * 0.6);
    last = c.error;
  }
}

TEST_CASE("four bits have sixteen levels where no .tflite stores them") {
  const ir::Tensor weight = tiny::random_tensor({8, 4, 3, 3}, 3, -0.9f, 0.3f);
  const auto of = [&](const char* formats, bool even) {
    Diagnostics diagnostics;
    const config::CoreConfig config =
        config::parse(format("{{\"output\": {{\"formats\": [{}]}}}}", formats), "c.json", {}, diagnostics);
    config::NodeSettings settings = with(&config::NodeSettings::weights_n_bits, 4);
    if (even) settings.weights_quantization_method = config::QuantizationMethod::kSymmetric;
    return threshold::weight_candidate(weight, 0, target_of(config), {}, settings, 1);
  };
  const plan::Candidate alone = of("\"onnx\"", true), both = of("\"onnx\", \"tflite\"", false),
                        book = of("\"onnx\"", false);
  CHECK(alone.params.qmin() == -8);
  CHECK(both.params.qmin() == -7);
  CHECK(both.params.codebook.empty());
  CHECK(alone.error < 0.9 * both.error);
  CHECK(book.params.codebook.size() == 16);
  CHECK(book.params.codebook.front() >= -63);  // pairs of products with uint8 stay within 16 bits
  CHECK(book.params.codebook.back() <= 63);
  CHECK(book.error < alone.error);
}

select::ResolvedRules placed(const ir::Graph& graph, const std::string& rules) {
  Diagnostics diagnostics;
  return select::resolve_rules(
      graph, config::parse("{\"placement\": {\"rules\": " + rules + "}}", "c.json", {}, diagnostics));
}

TEST_CASE("a region is everything on the paths from one place to another") {
  struct Row {
    const char* region;
    std::vector<std::string> nodes;
  };
  const Net net;
  const auto row = GENERATE(Row{R"({"from": "block/depthwise", "to": "block/sum"})",
                                {"block/depthwise", "block/point", "block/sum"}},
                            Row{R"({"from": "stem/relu", "to": "block/sum"})",
                                {"stem/relu", "block/depthwise", "block/point", "block/sum"}},
                            Row{R"({"from": "x", "to": "stem"})", {"stem"}},  // a value: from what reads it
                            Row{R"({"from": "flat", "to": "y"})", {"flat", "fc"}},
                            Row{R"({"from": "fc", "to": "fc"})", {"fc"}});
  const auto rules =
      placed(net.graph, format(R"([{{"filter": {{"region": {}}}, "placement": "float"}}])", row.region));
  std::vector<std::string> names;
  for (const ir::NodeId id : rules.matches.at(0).nodes)
    names.push_back(net.graph.nodes[static_cast<size_t>(id)].name);
  CHECK(names == row.nodes);
}

TEST_CASE("a region without nodes says why") {
  const Net net;
  const auto region = [&](const std::string& from, const std::string& to) {
    return placed(
        net.graph,
        format(R"([{{"filter": {{"region": {{"from": "{}", "to": "{}"}}}}, "placement": "float"}}])", from,
               to));
  };
  CHECK_THROWS_WITH(region("block/pont", "fc"), Catch::Contains("/placement/rules/0/filter") &&
                                                    Catch::Contains("nearest: 'block/point'"));
  CHECK_THROWS_WITH(region("fc", "stem"), Catch::Contains("no path leads from 'fc' to 'stem'") &&
                                              Catch::Contains("one from 'stem' to 'fc'"));
}

TEST_CASE("rules of placement hold nodes in float or on integers") {
  const Net net;
  target::TargetSpec target = target::load("int8");
  const auto able = [&](const std::string& rules) {
    const auto resolved = placed(net.graph, rules);
    const auto capabilities = select::capabilities(net.graph, target, {}, {}, resolved.nodes);
    select::check_placed(net.graph, target, capabilities, resolved);
    return capabilities;
  };
  const auto at = [&](const std::vector<select::Capability>& all, const char* name) {
    return all[static_cast<size_t>(net.by_name.at(name))];
  };
  const auto floats = able(R"([{"filter": {"name": "stem"}, "placement": "float"}])");
  CHECK(at(floats, "stem").ability == select::Ability::kFloatOnly);
  CHECK(at(floats, "stem").reason == plan::Reason::kUserKeepFloat);
  CHECK(at(floats, "stem").detail == "by /placement/rules/0");
  CHECK(at(floats, "stem/relu").ability == select::Ability::kFloatOnly);  // nothing to disappear into
  const auto pinned = able(R"([{"filter": {"op_type": "Conv"}, "placement": "float"},
                               {"filter": {"name": "block/*"}, "placement": "integer"}])");
  CHECK(at(pinned, "stem").ability == select::Ability::kFloatOnly);
  CHECK(at(pinned, "block/point").pinned);  // the later rule
  CHECK(at(pinned, "block/sum").pinned);
  target.ops.at("Gemm") = {};
  CHECK_THROWS_WITH(able(R"([{"filter": {"name": "fc"}, "placement": "integer"}])"),
                    Catch::Contains("/placement/rules/0") && Catch::Contains("fc (Gemm)"));
}

}  // namespace
}  // namespace qc
