// Lists of widths for results: whose results they mean, what a target makes of them, and what one without a
// choice is told.
#include "select/result_widths.h"

#include <catch2/catch.hpp>

#include "base/text.h"
#include "support/tiny_models.h"
#include "target/target.h"

namespace qc {
namespace {

constexpr const char* kPacked = R"({"name": "packed", "based_on": "int8", "float_islands": false, "ops": {
  "Conv": {"result_widths": {"8": "uniform", "16": "uniform"}}}})";

// conv - relu - sigmoid - gemm
struct Net {
  ir::Graph graph = tiny::graph();
  ir::ValueId conv, relu, sigmoid, gemm;
  Net() {
    conv = tiny::conv(graph, tiny::input(graph, "x", {1, 3, 4, 4}), 8);
    relu = tiny::relu(graph, conv);
    sigmoid = tiny::sigmoid(graph, relu);
    gemm = tiny::gemm(graph, tiny::flatten(graph, sigmoid), 5);
    tiny::output(graph, gemm, "y");
  }
};

config::CoreConfig config_of(const std::string& op_type, const std::string& list,
                             const std::string& more = "") {
  Diagnostics diagnostics;
  return config::parse(format(R"({{"bit_width_config": [{{"filter": {{"op_type": "{}"}},
                                   "activation_n_bits": {}}}]{}}})",
                              op_type, list, more),
                       "c.json", {}, diagnostics);
}

target::TargetSpec target_of(const std::string& name) {
  return name == "packed" ? target::parse(kPacked, "t.json", "packed") : target::load(name);
}

TEST_CASE(
    "a list holds for what its node makes, behind a Relu as well, and float is wider where no integer is") {
  const Net net;
  const auto rules = [&](const char* op) {
    return select::resolve_rules(net.graph, config_of(op, "[8, 16]")).nodes;
  };
  const auto listed = [&](const char* op, ir::ValueId v) {
    return select::widths_listed(net.graph, target::load("int8"), rules(op), v);
  };
  CHECK(listed("Conv", net.relu) == std::vector<int>{8, 16});
  CHECK(listed("Relu", net.relu) == std::vector<int>{8, 16});
  CHECK(listed("Sigmoid", net.relu).empty());
  CHECK(listed("Conv", net.sigmoid).empty());
  CHECK(select::float_is_wider(net.graph, target::load("int8"), rules("Conv"), net.relu));
  CHECK_FALSE(select::float_is_wider(net.graph, target::load("int8"), rules("Conv"), net.sigmoid));
  CHECK_FALSE(select::float_is_wider(net.graph, target_of("packed"), rules("Conv"), net.relu));
  target::TargetSpec both = target_of("packed");
  both.float_islands = true;
  CHECK_FALSE(select::float_is_wider(net.graph, both, rules("Conv"), net.relu));
  CHECK(select::float_is_wider(net.graph, both, rules("Sigmoid"), net.sigmoid));
}

TEST_CASE("a list without the target's own width begins with the next wider one") {
  std::vector<config::NodeSettings> rules(3);
  rules[0].activation_widths = {8, 16};
  rules[1].activation_widths = {4, 16};
  rules[2].activation_widths = {2, 4};
  select::begin_lists(target::load("int8"), rules);
  CHECK_FALSE(rules[0].activation_n_bits);
  CHECK(rules[1].activation_n_bits == 16);
  CHECK(rules[2].activation_n_bits == 4);
}

struct Row {
  const char *target, *op, *list, *more, *cause, *remedy;  // no cause: it is taken
};

TEST_CASE("a list that leaves no choice on a target is told what there is") {
  constexpr const char* kBudget = R"(, "target_resource_utilization": {"activation_memory": "80%"})";
  const auto row = GENERATE_COPY(
      Row{"int8", "Conv", "[8, 16]", "", nullptr, nullptr},
      Row{"packed", "Conv", "[8, 16]", "", nullptr, nullptr},
      Row{"packed", "Conv", "[8, 16]", kBudget, nullptr, nullptr},
      Row{"packed", "Relu", "[8, 16]", "", nullptr, nullptr},
      Row{"packed", "Sigmoid", "[8, 16]", "", "no floats beside them", "such as int8"},
      Row{"qnn", "Conv", "[8, 16]", "", "qnn has integers of 8 bits alone", "write 8, or name a target"},
      Row{"int8", "Conv", "[4, 8]", "", "fewer would take as many bytes", "write 8"},
      Row{"int8", "Conv", "[4, 16]", "", "float alone is wider", "write [8, 16]"},
      Row{"int8", "Conv", "[8, 16]", kBudget, "a budget for activations", "write 8, or remove the budget"});
  CAPTURE(row.target, row.op, row.list, row.more);
  const Net net;
  const config::CoreConfig config = config_of(row.op, row.list, row.more);
  const auto check = [&] {
    select::check_lists(net.graph, target_of(row.target), config, select::resolve_rules(net.graph, config));
  };
  if (!row.cause) {
    CHECK_NOTHROW(check());
    return;
  }
  try {
    check();
    FAIL("it was taken");
  } catch (const Error& error) {
    REQUIRE(error.problems.size() == 1);
    CHECK(error.exit == Exit::kUsage);
    CHECK(error.problems[0].place == "/bit_width_config/0/activation_n_bits");
    CHECK_THAT(error.problems[0].cause, Catch::Contains(row.cause));
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(row.remedy));
  }
}

}  // namespace
}  // namespace qc
