// Lists of rules: what is read, and what each mistake is told. One row a mistake.
#include "config/rules.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>

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

config::CoreConfig read_editor(const std::string& action) {
  Diagnostics diagnostics;
  return config::parse(
      "{\"debug_config\": {\"network_editor\": [{\"filter\": {\"name\": \"a\"}, \"action\": " + action +
          "}]}}",
      "/cfg/core.json", {}, diagnostics);
}

TEST_CASE("every action of the editor reaches its setting, MCT's enums by name and number") {
  const auto c = read_editor(R"({
    "weights_n_bits": 3, "activation_n_bits": 6, "weights_quantization_method": "LUT_SYM_QUANTIZER",
    "activation_quantization_method": 0, "weights_error_method": "MAE", "activation_error_method": 4,
    "enable_weights_quantization": true, "enable_activation_quantization": false,
    "weights_per_channel_threshold": false, "lut_per_channel": true, "weights_bias_correction": false,
    "weights_threshold": 0.5, "activation_range": [-1, 6], "z_threshold": 5, "min_threshold": 0.25,
    "l_p_value": 3, "shift_negative_ratio": 0.05, "lut_values_bitwidth": 8})");
  REQUIRE(c.network_editor.size() == 1);
  CHECK(c.network_editor[0].place == "/debug_config/network_editor/0");
  const config::NodeSettings& s = c.network_editor[0].settings;
  CHECK(s.weights_n_bits == 3);
  CHECK(s.activation_n_bits == 6);
  CHECK(s.weights_quantization_method == config::QuantizationMethod::kLutSymmetric);
  CHECK(s.activation_quantization_method == config::QuantizationMethod::kPowerOfTwo);
  CHECK(s.weights_error_method == config::ErrorMethod::kMae);
  CHECK(s.activation_error_method == config::ErrorMethod::kKl);
  CHECK(s.enable_weights_quantization == true);
  CHECK(s.enable_activation_quantization == false);
  CHECK(s.weights_per_channel_threshold == false);
  CHECK(s.lut_per_channel == true);
  CHECK(s.weights_bias_correction == false);
  CHECK(s.weights_threshold == 0.5);
  CHECK(s.activation_range == std::pair(-1.0, 6.0));
  CHECK(s.z_threshold == 5.0);
  CHECK(s.min_threshold == 0.25);
  CHECK(s.l_p_value == 3);
  Diagnostics diagnostics;
  const std::string text = config::to_json(c);
  CHECK(config::to_json(config::parse(text, "/cfg/core.json", {}, diagnostics)) == text);
  // What one rule leaves open, the one before has said.
  config::NodeSettings below = s;
  config::NodeSettings above;
  above.weights_n_bits = 5;
  above.z_threshold = 7.0;
  config::overlay(below, above);
  CHECK(below.weights_n_bits == 5);
  CHECK(below.z_threshold == 7.0);
  CHECK(below.activation_n_bits == 6);
}

TEST_CASE("a wrong action is told where it is wrong") {
  const auto m = GENERATE(
      Mistake{"7", "wrong-type", "/0/action", "an object", "activation_n_bits"},
      Mistake{"{}", "bad-value", "/network_editor/0", "sets nothing", "action"},
      Mistake{"{\"activation_bits\": 16}", "unknown-key", "/action/activation_bits", "unknown",
              "activation_n_bits"},
      Mistake{"{\"weights_quantization_method\": \"LUT\"}", "bad-value", "/weights_quantization_method",
              "not known", "POWER_OF_TWO"},
      Mistake{"{\"activation_quantization_method\": \"LUT_POT_QUANTIZER\"}", "refused",
              "/activation_quantization_method", "codebook", "SYMMETRIC"},
      Mistake{"{\"weights_quantization_method\": 4, \"weights_n_bits\": 8}", "bad-value",
              "/action/weights_n_bits", "every value", "2 to 7"},
      Mistake{"{\"activation_range\": [1, 6]}", "bad-value", "/action/activation_range", "no range with 0",
              "low <= 0 <= high"},
      Mistake{"{\"activation_range\": 6}", "bad-value", "/action/activation_range", "no range", "[0, 6]"},
      Mistake{"{\"shift_negative_ratio\": 2}", "bad-value", "/action/shift_negative_ratio", "2", "1"},
      Mistake{"{\"weights_error_method\": \"HMSE\"}", "refused", "/weights_error_method", "GPTQ", "MSE"});
  CAPTURE(m.rules);
  try {
    read_editor(m.rules);
    FAIL("no error");
  } catch (const Error& error) {
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

TEST_CASE("a list of widths for results is read in order, and a later rule's number ends it") {
  const auto c = read(R"([{"filter": {"name": "*"}, "activation_n_bits": [16, 8]},
                          {"filter": {"name": "a"}, "activation_n_bits": 16}])");
  const config::NodeSettings &list = c.bit_width_config[0].settings, &number = c.bit_width_config[1].settings;
  CHECK(list.activation_widths == std::vector<int>{8, 16});
  CHECK_FALSE(list.activation_n_bits);
  config::NodeSettings both = list;
  config::overlay(both, number);
  CHECK(both.activation_widths.empty());
  CHECK(both.activation_n_bits == 16);
  config::overlay(both, list);
  CHECK(both.activation_widths == std::vector<int>{8, 16});
  CHECK_FALSE(both.activation_n_bits);
  config::overlay(both, c.network_editor.empty() ? config::NodeSettings() : c.network_editor[0].settings);
  CHECK(both.activation_widths.size() == 2);  // a rule about something else leaves it
  Diagnostics diagnostics;
  const std::string text = config::to_json(c);
  CHECK(config::to_json(config::parse(text, "/cfg/core.json", {}, diagnostics)) == text);
}

TEST_CASE("every list of widths that leaves nothing to choose is told, all at once") {
  const auto rule = [](const char* list) {
    return std::string(R"({"filter": {"name": "*"}, "activation_n_bits": )") + list + "}";
  };
  std::string rules;
  for (const char* list :
       {"[]", "[3]", "[8, 8]", "[8, 12]", "[\"8\", 16]", "[1, 8]", "[8.5, 16]", "[[8, 16], 8]"})
    rules += (rules.empty() ? "" : ", ") + rule(list);
  std::vector<std::string> told;
  try {
    read("[" + rules + "]", R"(, "debug_config": {"network_editor": [{"filter": {"name": "*"}, "action":
      {"activation_n_bits": [16]}}]})");
    FAIL("they were read");
  } catch (const Error& error) {
    for (const Problem& problem : error.problems) told.push_back(problem.place + ": " + problem.cause);
  }
  constexpr std::pair<const char*, const char*> kExpected[] = {
      {"0/activation_n_bits:", "an empty list"},
      {"1/activation_n_bits:", "nothing to choose from"},
      {"2/activation_n_bits/1:", "8 bits stand in the list already"},
      {"3/activation_n_bits/1:", "12 bits"},
      {"4/activation_n_bits/0:", "expected a whole number"},
      {"5/activation_n_bits/0:", "out of range"},
      {"6/activation_n_bits/0:", "whole number"},
      {"7/activation_n_bits/0:", "expected a whole number"},
      {"action/activation_n_bits:", "nothing to choose from"}};
  REQUIRE(told.size() == std::size(kExpected));
  for (const auto& expected : kExpected) {
    CAPTURE(expected.first);
    CHECK(std::any_of(told.begin(), told.end(), [&](const std::string& one) {
      return one.find(expected.first) != std::string::npos && one.find(expected.second) != std::string::npos;
    }));
  }
}

TEST_CASE("weights have one width by hand: a list is for results") {
  CHECK_THROWS_AS(read(R"([{"filter": {"name": "*"}, "weights_n_bits": [4, 8]}])"), Error);
}

TEST_CASE("a .tflite takes lists of 8 and 16 bits, but where every activation has 16") {
  const std::string tflite = R"(, "output": {"formats": ["tflite"], "tflite": {"form": ")";
  const auto told = [&](const char* list, const char* form) -> std::string {
    try {
      read(std::string(R"([{"filter": {"name": "*"}, "activation_n_bits": )") + list + "}]",
           tflite + form + "\"}}");
    } catch (const Error& error) {
      return error.problems.at(0).cause;
    }
    return "";
  };
  CHECK(told("[8, 16]", "int8").empty());
  CHECK(told("[4, 8]", "int8").find("fill their type") != std::string::npos);
  CHECK(told("[8, 16]", "int16x8").find("every activation has 16 bits") != std::string::npos);
}

}  // namespace
}  // namespace qc
