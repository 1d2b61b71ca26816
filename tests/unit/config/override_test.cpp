// --set /json/pointer=value.
#include <catch2/catch.hpp>

#include "config/core_config.h"

namespace qc {
namespace {

config::CoreConfig with(const std::string& text, const std::vector<std::string>& sets) {
  std::vector<config::Override> overrides;
  for (const std::string& set : sets) overrides.push_back(config::parse_override(set));
  Diagnostics diagnostics;
  return config::parse(text, "/cfg/core.json", overrides, diagnostics);
}

TEST_CASE("an override makes the objects on its way and wins over the file") {
  const auto c =
      with("{\"verify_images\": 3, \"gates\": null}",
           {"/verify_images=5", "/gates/min_agreement=0.5", "/representative_dataset/preprocess/color=BGR",
            "/representative_dataset/preprocess/resize={\"stretch\": [2, 3]}", "/gates/max_file_size=3 MB",
            "/quantization_config/weights_error_method=1"});
  CHECK(c.verify_images == 5);
  CHECK(c.gates.min_agreement == 0.5);
  CHECK(c.gates.max_file_size == 3000000);
  CHECK(c.representative_dataset.preprocess.color == images::Color::kBgr);
  CHECK(c.representative_dataset.preprocess.width == 3);
  CHECK(c.quantization.weights_error_method == config::ErrorMethod::kMse);
}

TEST_CASE("the last of two overrides wins, also over what the first made") {
  CHECK(with("{}", {"/verify_images=5", "/verify_images=6"}).verify_images == 6);
  CHECK_FALSE(with("{\"keep_float\": {\"first\": true}}", {"/keep_float={}"}).keep_float.first);
}

TEST_CASE("list elements are named by number, and - appends") {
  const auto c = with("{\"keep_float\": {\"names\": [\"a\", \"b\"]}}",
                      {"/keep_float/names/0=c", "/keep_float/names/-=d*"});
  CHECK(c.keep_float.names == std::vector<std::string>{"c", "b", "d*"});
}

TEST_CASE("names and paths need no quotes, whatever they look like") {
  CHECK(with("{}", {"/representative_dataset/path=2024"}).representative_dataset.path == "/cfg/2024");
  CHECK(with("{}", {"/representative_dataset/path=null"}).representative_dataset.path == "/cfg/null");
  CHECK(with("{}", {"/representative_dataset/path=a=b"}).representative_dataset.path == "/cfg/a=b");
  CHECK(with("{}", {"/representative_dataset/path=\"a b\""}).representative_dataset.path == "/cfg/a b");
  CHECK(with("{\"output\": {\"onnx_name\": \"x\"}}", {"/output/onnx_name=null"}).output.onnx_name.empty());
  CHECK(with("{}", {"/output/onnx_name=1.onnx"}).output.onnx_name == "1.onnx");
  CHECK(with("{}", {"/target_platform_capabilities=onnxruntime"}).target == "onnxruntime");
}

TEST_CASE("keys with slashes and tildes are escaped as JSON pointers are") {
  CHECK(with("{}", {"/input_shapes/a~1b~0c=[1, 2]"}).input_shapes.at("a/b~c") == std::vector<int64_t>{1, 2});
}

struct Mistake {
  const char *set, *code, *place, *cause, *remedy;
};

TEST_CASE("a wrong override is named as it was written") {
  const auto mistake = GENERATE(
      Mistake{"quantization_config.z_threshold=8", "bad-override", "--set quantization_config.z_threshold",
              "no JSON pointer", "--set /quantization_config/z_threshold=VALUE"},
      Mistake{"what=8", "bad-override", "--set what", "no JSON pointer", "/group/key"},
      Mistake{"/gates={\"min_agreement\"", "bad-override", "--set /gates", "no JSON value", "quote it"},
      Mistake{"/verify_images=", "bad-override", "--set /verify_images", "no JSON value", "quote it"},
      Mistake{"/verify_images/x=1", "bad-override", "--set /verify_images/x", "nothing stands below",
              "set /verify_images itself"},
      Mistake{"/keep_float/names/7=x", "bad-override", "--set /keep_float/names/7", "no place in it",
              "append"},
      Mistake{"/verify_images=many", "wrong-type", "--set /verify_images", "found the string \"many\"",
              "whole number"},
      Mistake{"/gates={\"min_agreement\": 5}", "bad-value", "--set /gates/min_agreement", "out of range",
              "0 to 1"},
      Mistake{"/gate/min_agreement=0.5", "unknown-key", "--set /gate", "unknown", "\"gates\""});
  CAPTURE(mistake.set);
  try {
    with("{\"verify_images\": 16, \"keep_float\": {\"names\": []}, \"gates\": {\n\"min_agreement\": 1}}",
         {mistake.set});
    FAIL("no error");
  } catch (const Error& error) {
    REQUIRE(error.exit == Exit::kUsage);
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].code == mistake.code);
    CHECK(error.problems[0].place == mistake.place);
    CHECK_THAT(error.problems[0].cause, Catch::Contains(mistake.cause));
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(mistake.remedy));
  }
}

TEST_CASE("an override without = is refused") {
  CHECK_THROWS_AS(config::parse_override("/verify_images"), Error);
  CHECK_THROWS_AS(config::parse_override("=5"), Error);
}

}  // namespace
}  // namespace qc
