#include "config/open_widths.h"

#include <catch2/catch.hpp>

namespace qc::config {
namespace {

std::string obstacle_in(const char* text) {
  Diagnostics ignored;
  const auto found = widths_obstacle(parse(text, {}, {}, ignored));
  return found ? found->pointer : "";
}

// What the refusal of a budget names.
std::string refused_in(const char* text) {
  Diagnostics ignored;
  try {
    parse(text, {}, {}, ignored);
  } catch (const Error& error) {
    REQUIRE(error.problems.size() == 1);
    return error.problems[0].place + ": " + error.problems[0].cause;
  }
  return "";
}

TEST_CASE("widths are searched for where activations are rounded, and among weights of one scale a channel") {
  CHECK(obstacle_in("{}").empty());
  CHECK(obstacle_in(R"({"mode": "weight_only"})").empty());
  CHECK(obstacle_in(R"({"mode": "weight_only", "weight_only": {"runtime": "packed"}})").empty());
  CHECK(obstacle_in(R"({"mode": "weight_only", "weight_only": {"block_size": 32}})") ==
        "/weight_only/block_size");
  CHECK(obstacle_in(R"({"mode": "weight_only", "weight_only": {"bits": 4}})") == "/weight_only/bits");
  CHECK(obstacle_in(R"({"mode": "weight_only", "weight_only": {"symmetric": false}})") ==
        "/weight_only/symmetric");
  for (const char* mode : {"dynamic", "float16", "bfloat16", "strip"})
    CHECK(obstacle_in((std::string(R"({"mode": ")") + mode + "\"}").c_str()) == "/mode");
  CHECK(obstacle_in(R"({"output": {"formats": ["tflite"], "tflite": {"form": "float16"}}})") ==
        "/output/tflite/form");
  CHECK(obstacle_in(R"({"output": {"formats": ["onnx", "tflite"], "tflite": {"form": "float16"}}})").empty());
}

TEST_CASE("budgets of weights are taken in mode weight_only, and refused where they bound nothing") {
  CHECK(refused_in(R"({"mode": "weight_only", "target_resource_utilization": {"weights_memory": 1000}})")
            .empty());
  CHECK(refused_in(R"({"mode": "weight_only", "target_resource_utilization": {"total_memory": "50%"}})")
            .empty());
  using Catch::Contains;
  CHECK_THAT(refused_in(R"({"mode": "weight_only", "target_resource_utilization": {"bops": 1000}})"),
             Contains("/target_resource_utilization/bops"));
  CHECK_THAT(
      refused_in(R"({"mode": "weight_only", "target_resource_utilization": {"activation_memory": 1000}})"),
      Contains("/target_resource_utilization/activation_memory"));
  CHECK_THAT(refused_in(R"({"mode": "weight_only", "weight_only": {"block_size": 32},
                            "target_resource_utilization": {"weights_memory": 1000}})"),
             Contains("/weight_only/block_size"));
  CHECK_THAT(refused_in(R"({"mode": "dynamic", "target_resource_utilization": {"weights_memory": 1000}})"),
             Contains("/mode"));
}

}  // namespace
}  // namespace qc::config
