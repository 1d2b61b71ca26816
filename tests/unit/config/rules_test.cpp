// Lists of rules: what is read, and what each mistake is told. One row a mistake.
#include "config/rules.h"

#include <catch2/catch.hpp>

#include "config/core_config.h"

namespace qc {
namespace {

config::CoreConfig read(const std::string& rules, const std::string& more = "") {
  Diagnostics diagnostics;
  return config::parse("{\"bit_width_config\": " + rules + more + "}", "/cfg/core.json", {}, diagnostics);
}

TEST_CASE("rules are read with every kind of filter, and print as they were") {
  const auto c = read(R"([
    {"filter": {"name": "a*", "op_type": ["Conv", "Gemm"]}, "weights_n_bits": 4},
    {"filter": {"any_of": [{"first": true}, {"depthwise": false}], "not": {"name_contains": "head"}},
     "weights_n_bits": 8, "activation_n_bits": 16}])");
  REQUIRE(c.bit_width_config.size() == 2);
  const config::Rule &a = c.bit_width_config[0], &b = c.bit_width_config[1];
  CHECK(a.place == "/bit_width_config/0");
  CHECK(a.filter.names == std::vector<std::string>{"a*"});
  CHECK(a.filter.op_types == std::vector<std::string>{"Conv", "Gemm"});
  CHECK(a.settings.weights_n_bits == 4);
  CHECK_FALSE(a.settings.activation_n_bits);
  REQUIRE(b.filter.any_of.size() == 2);
  CHECK(b.filter.any_of[0].first == true);
  CHECK(b.filter.any_of[1].depthwise == false);
  CHECK(b.filter.none_of.at(0).contains == std::vector<std::string>{"head"});
  CHECK(b.settings.activation_n_bits == 16);
  Diagnostics diagnostics;
  const std::string text = config::to_json(c);
  CHECK(config::to_json(config::parse(text, "/cfg/core.json", {}, diagnostics)) == text);
}

TEST_CASE("MCT's empty object and null are no rules") {
  CHECK(read("null").bit_width_config.empty());
  CHECK(read("{}").bit_width_config.empty());
  CHECK(read("[]").bit_width_config.empty());
}

struct Mistake {
  const char *rules, *code, *place, *cause, *remedy;
};

TEST_CASE("a wrong rule is told where it is wrong") {
  const auto m = GENERATE(
      Mistake{"7", "wrong-type", "/bit_width_config", "a list of rules", "filter"},
      Mistake{"{\"manual_weights_bit_width_selection_list\": []}", "refused", "/bit_width_config",
              "Python filters", "write [{"},
      Mistake{"[3]", "wrong-type", "/bit_width_config/0", "an object", "filter"},
      Mistake{"[{\"filter\": {\"name\": \"a\"}}]", "bad-value", "/bit_width_config/0", "sets nothing",
              "weights_n_bits"},
      Mistake{"[{\"weights_n_bits\": 4}]", "bad-value", "/bit_width_config/0", "no filter", "filter"},
      Mistake{"[{\"filter\": {}, \"weights_n_bits\": 4}]", "bad-value", "/bit_width_config/0/filter",
              "says nothing", "\"*\""},
      Mistake{"[{\"filter\": {\"nam\": \"a\"}, \"weights_n_bits\": 4}]", "unknown-key",
              "/bit_width_config/0/filter/nam", "unknown", "\"name\""},
      Mistake{"[{\"filter\": {\"name\": \"a\"}, \"weight_n_bits\": 4}]", "unknown-key",
              "/bit_width_config/0/weight_n_bits", "unknown", "\"weights_n_bits\""},
      Mistake{"[{\"filter\": {\"name\": 3}, \"weights_n_bits\": 4}]", "wrong-type",
              "/bit_width_config/0/filter/name", "the number 3", "conv*"},
      Mistake{"[{\"filter\": {\"any_of\": [{\"first\": 1}]}, \"weights_n_bits\": 4}]", "wrong-type",
              "/bit_width_config/0/filter/any_of/0/first", "true or false", "true"},
      Mistake{"[{\"filter\": {\"all_of\": []}, \"weights_n_bits\": 4}]", "wrong-type",
              "/bit_width_config/0/filter/all_of", "a list of filters", "name"},
      Mistake{"[{\"filter\": {\"name\": \"a\"}, \"weights_n_bits\": 1}]", "bad-value",
              "/bit_width_config/0/weights_n_bits", "out of range", "2 to 16"},
      Mistake{"[{\"filter\": {\"name\": \"a\"}, \"activation_n_bits\": 12}]", "bad-value",
              "/bit_width_config/0/activation_n_bits", "no integer type", "or 16"},
      Mistake{"[{\"filter\": {\"name\": \"a\"}, \"weights_n_bits\": \"4\"}]", "wrong-type",
              "/bit_width_config/0/weights_n_bits", "the string", "whole number"});
  CAPTURE(m.rules);
  try {
    read(m.rules);
    FAIL("no error");
  } catch (const Error& error) {
    REQUIRE(error.exit == Exit::kUsage);
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].code == m.code);
    CHECK_THAT(error.problems[0].place, Catch::EndsWith(m.place));
    CHECK_THAT(error.problems[0].cause, Catch::Contains(m.cause));
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(m.remedy));
  }
}

TEST_CASE("all mistakes of all rules are told at once") {
  try {
    read(R"([{"filter": {"nam": "a"}, "weights_n_bits": 99}, {"filter": 4, "bits": 2}])");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.problems.size() == 4);
  }
}

TEST_CASE("activations below 8 bits and a .tflite exclude each other") {
  const char* rules = R"([{"filter": {"name": "*"}, "activation_n_bits": 4}])";
  CHECK_NOTHROW(read(rules));
  CHECK_THROWS_WITH(
      read(rules, ", \"output\": {\"formats\": [\"onnx\", \"tflite\"]}"),
      Catch::Contains("/bit_width_config/0/activation_n_bits") && Catch::Contains("fill their type"));
}

}  // namespace
}  // namespace qc
