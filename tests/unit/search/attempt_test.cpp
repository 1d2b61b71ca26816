// Which files the saturation guard is for where nobody says so.
#include "search/attempt.h"

#include <catch2/catch.hpp>

using namespace qc;

TEST_CASE("pairs of products are bounded unasked where a kernel may add them in 16 bits") {
  config::CoreConfig config;
  for (const char* name : {"int8", "onnxruntime", "openvino"})
    CHECK(guards_pairs(config, target::load(name)));
  for (const char* name : {"qnn", "tensorrt", "imx500", "qnnpack"})
    CHECK_FALSE(guards_pairs(config, target::load(name)));
  config.goals.processor = "x86";
  CHECK(guards_pairs(config, target::load("int8")));
  config.goals.processor = "x86_vnni";
  CHECK_FALSE(guards_pairs(config, target::load("int8")));
  config.goals.processor = config::PlacementGoals::kAnyProcessor;
  config.output.formats = {"onnx", "tflite"};
  CHECK(guards_pairs(config, target::load("litert")));
  config.output.formats = {"tflite"};
  CHECK_FALSE(guards_pairs(config, target::load("litert")));
}
