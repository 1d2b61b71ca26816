// Core-config texts: what is read, and what each mistake is told. One row a mistake.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "config/core_config.h"

namespace qc {
namespace {

using config::CoreConfig;

CoreConfig read(const std::string& text, std::vector<config::Override> overrides = {}) {
  Diagnostics diagnostics;
  return config::parse(text, "/cfg/core.json", overrides, diagnostics);
}

std::vector<Problem> problems_of(const std::string& text,
                                 const std::vector<config::Override>& overrides = {}) {
  Diagnostics diagnostics;
  try {
    config::parse(text, "/cfg/core.json", overrides, diagnostics);
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUsage);
    return error.problems;
  }
  return {};
}

std::string preprocess(const std::string& members) {
  return "{\"representative_dataset\": {\"preprocess\": {" + members + "}}}";
}

TEST_CASE("placement is a mode, or an object of mode, goals and rules") {
  CHECK(read(R"({"placement": "full"})").placement == config::Placement::kFull);
  const std::string text = R"({"placement": {"mode": "auto", "min_sqnr_db": 25, "max_latency_ratio": 0.8,
    "rules": [{"filter": {"region": {"from": "a", "to": "b"}}, "placement": "integer"},
              {"filter": {"op_type": "Add"}, "placement": "float"}]}})";
  const CoreConfig c = read(text);
  CHECK(c.placement == config::Placement::kAuto);
  CHECK(c.goals.min_sqnr_db == 25);
  CHECK(c.goals.max_latency_ratio == 0.8);
  REQUIRE(c.placement_rules.size() == 2);
  CHECK(c.placement_rules[0].integer);
  CHECK(c.placement_rules[0].filter.region->to == "b");
  CHECK_FALSE(c.placement_rules[1].integer);
  CHECK(config::to_json(read(config::to_json(c))) == config::to_json(c));
  const CoreConfig one = read("{}", {{"/placement/min_sqnr_db", "30"}});
  CHECK(one.placement == config::Placement::kUnset);
  CHECK(one.goals.min_sqnr_db == 30);
}

TEST_CASE("each mistake in placement has its place") {
  struct Row {
    const char *value, *place, *said;
  };
  const auto row = GENERATE(
      Row{R"("atuo")", "/placement", "did you mean"}, Row{R"(3)", "/placement", "a mode or an object"},
      Row{R"({"min_sqnr": 20})", "/placement/min_sqnr", "min_sqnr_db"},
      Row{R"({"min_sqnr_db": -1})", "/placement/min_sqnr_db", "from 0 to 200"},
      Row{R"({"max_latency_ratio": "fast"})", "/placement/max_latency_ratio", "a number"},
      Row{R"({"mode": "all"})", "/placement/mode", "auto"},
      Row{R"({"rules": {}})", "/placement/rules", "a list"},
      Row{R"({"rules": [{"filter": {"name": "a"}}]})", "/placement/rules/0", "placement"},
      Row{R"({"rules": [{"filter": {"name": "a"}, "placement": "int8"}]})", "/placement/rules/0/placement",
          "integer"},
      Row{R"({"rules": [{"filter": {"region": {"from": "a"}}, "placement": "float"}]})",
          "/placement/rules/0/filter/region", "to"},
      Row{R"({"rules": [{"filter": {"region": {"from": "a", "too": "b", "to": "c"}}, "placement": "float"}]})",
          "/placement/rules/0/filter/region/too", "to"});
  const std::vector<Problem> problems = problems_of(std::string("{\"placement\": ") + row.value + "}");
  INFO(row.value);
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0].place, Catch::EndsWith(row.place));
  CHECK_THAT(problems[0].cause + " " + problems[0].remedy, Catch::Contains(row.said));
}

TEST_CASE("what shapes MCT's measure of sensitivity is honoured with it alone") {
  const std::string keys = R"("distance_weighting_method": "LAST_LAYER", "compute_distance_fn": "compute_cs",
    "num_interest_points_factor": 0.5, "norm_scores": false, "metric_normalization_threshold": 7,
    "hessian_batch_size": 8, "metric_normalization": "MINBIT", "metric_epsilon": null,
    "exp_distance_weighting_sigma": 0.25)";
  const std::string with_layer = R"({"mixed_precision_config": {"sensitivity": "layer", )" + keys + "}}";
  const CoreConfig c = read(with_layer);
  const config::MetricConfig& metric = c.mixed_precision.metric;
  CHECK(c.mixed_precision.sensitivity == config::Sensitivity::kLayer);
  CHECK(metric.weighting == config::DistanceWeighting::kLastLayer);
  CHECK(metric.distance == config::DistanceFunction::kCosine);
  CHECK(metric.interest_points_factor == 0.5);
  CHECK(metric.normalization_threshold == 7);
  CHECK(metric.normalization == config::MetricNormalization::kMinBit);
  CHECK_FALSE(metric.epsilon);
  CHECK(metric.exp_sigma == 0.25);
  CHECK(config::to_json(read(config::to_json(c))) == config::to_json(c));
  CHECK(read(R"({"mixed_precision_config": {"sensitivity": "layer", "use_hessian_based_scores": true}})")
            .mixed_precision.metric.hessian_scores);

  const auto others =
      GENERATE(R"({"mixed_precision_config": {)", R"({"mixed_precision_config": {"sensitivity": "gram", )");
  const std::vector<Problem> refused = problems_of(others + keys + "}}");
  REQUIRE(refused.size() == 9);
  for (const Problem& problem : refused) {
    CHECK(problem.code == "refused");
    CHECK_THAT(problem.cause, Catch::Contains("cannot be had: it shapes MCT's layer-by-layer distances"));
    CHECK_THAT(problem.remedy, Catch::Contains("remove the key") &&
                                   Catch::Contains("/mixed_precision_config/sensitivity to \"layer\""));
  }
}

TEST_CASE("each mistake in the measure's keys has its place") {
  struct Row {
    const char *members, *place, *said;
  };
  const auto row = GENERATE(
      Row{R"("distance_weighting_method": "MEAN")", "/distance_weighting_method", "HESSIAN"},
      Row{R"("compute_distance_fn": "compute_kl_divergence")", "/compute_distance_fn", "probabilities"},
      Row{R"("num_interest_points_factor": 0)", "/num_interest_points_factor", "to 1"},
      Row{R"("num_interest_points_factor": 1.5)", "/num_interest_points_factor", "to 1"},
      Row{R"("exp_distance_weighting_sigma": 0)", "/exp_distance_weighting_sigma", "a number"},
      Row{R"("metric_epsilon": -1)", "/metric_epsilon", "from 0"},
      Row{R"("custom_metric_fn": "f")", "/custom_metric_fn", "Python"},
      Row{R"("use_hessian_based_scores": true, "distance_weighting_method": "AVG")",
          "/use_hessian_based_scores", "distance_weighting_method"});
  const std::vector<Problem> problems = problems_of(
      std::string(R"({"mixed_precision_config": {"sensitivity": "layer", )") + row.members + "}}");
  INFO(row.members);
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0].place, Catch::EndsWith(row.place));
  CHECK_THAT(problems[0].cause + " " + problems[0].remedy, Catch::Contains(row.said));
}

TEST_CASE("an empty config is the default config") {
  CHECK(config::to_json(read("{}")) == config::default_json());
  CHECK(config::to_json(read(config::default_json())) == config::default_json());
  const CoreConfig c = read("{}");
  CHECK(c.target == "int8");
  CHECK(c.quantization.min_threshold == 1.0 / 65536);
  CHECK(std::isinf(c.quantization.z_threshold));
  CHECK(c.representative_dataset.path.empty());
}

TEST_CASE("every key of the config reaches its field") {
  const CoreConfig c = read(R"({
    "$schema": "x.json", // ignored
    "representative_dataset": {
      "path": "calib/", "max_images": 7, "batch_size": 2.0, "on_bad_image": "skip", "input": "data",
      "preprocess": {"color": "BGRA", "resize": {"letterbox": [10, 20], "align": "center", "pad": [1, 2, 3, 255]},
                     "interpolation": "bicubic", "antialias": false, "center_crop": [8, 16],
                     "mean": [1, 2, 3.5, 0], "std": 58.395, "layout": "NHWC"}},
    "target_platform_capabilities": "../my.json",
    "quantization_config": {"activation_error_method": "LP", "weights_error_method": 0, "weights_bias_correction": false,
      "z_threshold": 8.5, "min_threshold": 0.001, "l_p_value": 3, "shift_negative_activation_correction": false,
      "linear_collapsing": false, "residual_collapsing": false},
    "keep_float": {"names": ["head/*"], "op_types": ["Add"], "first": true, "last": true},
    "saturation_guard": true,
    "input_shapes": {"data": [1, 3, 8, 16]},
    "verify_images": 4,
    "gates": {"max_file_size": "1.5 MB", "min_sqnr_db": 20, "min_agreement": 0.98},
    "output": {"formats": ["onnx"], "onnx_name": "m.onnx", "report_name": "r.json"}
  })");
  const auto& data = c.representative_dataset;
  CHECK(data.path == "/cfg/calib");
  CHECK(data.max_images == 7);
  CHECK(data.batch_size == 2);
  CHECK(data.skip_bad_images);
  CHECK(data.input == "data");
  CHECK(data.preprocess.color == images::Color::kBgra);
  CHECK(data.preprocess.resize == images::ResizeKind::kLetterbox);
  CHECK(data.preprocess.height == 10);
  CHECK(data.preprocess.width == 20);
  CHECK(data.preprocess.align == images::Align::kCenter);
  CHECK(data.preprocess.pad == std::array<float, 4>{1, 2, 3, 255});
  CHECK(data.preprocess.interpolation == images::Interpolation::kBicubic);
  CHECK_FALSE(data.preprocess.antialias);
  CHECK(data.preprocess.center_crop == std::array<int64_t, 2>{8, 16});
  CHECK(data.preprocess.mean == std::vector<float>{1, 2, 3.5, 0});
  CHECK(data.preprocess.std == std::vector<float>{58.395f});
  CHECK(data.preprocess.layout == images::Layout::kNhwc);
  CHECK(c.target == "/my.json");
  CHECK(c.quantization.activation_error_method == config::ErrorMethod::kLp);
  CHECK(c.quantization.weights_error_method == config::ErrorMethod::kNoClipping);
  CHECK_FALSE(c.quantization.weights_bias_correction);
  CHECK(c.quantization.z_threshold == 8.5);
  CHECK(c.quantization.min_threshold == 0.001);
  CHECK(c.quantization.l_p_value == 3);
  CHECK_FALSE(c.quantization.shift_negative_activation_correction);
  CHECK_FALSE(c.quantization.linear_collapsing);
  CHECK_FALSE(c.quantization.residual_collapsing);
  CHECK(c.keep_float.names == std::vector<std::string>{"head/*"});
  CHECK(c.keep_float.op_types == std::vector<std::string>{"Add"});
  CHECK(c.keep_float.first);
  CHECK(c.keep_float.last);
  CHECK(c.saturation_guard == true);
  CHECK(c.input_shapes.at("data") == std::vector<int64_t>{1, 3, 8, 16});
  CHECK(c.verify_images == 4);
  CHECK(c.gates.max_file_size == 1500000);
  CHECK(c.gates.min_sqnr_db == 20.0);
  CHECK(c.gates.min_agreement == 0.98);
  CHECK(c.output.onnx_name == "m.onnx");
  CHECK(c.output.report_name == "r.json");
  CHECK(config::to_json(read(config::to_json(c))) == config::to_json(c));
  CHECK(config::to_json(c).find("58.395,") == std::string::npos);
  CHECK(config::to_json(c).find("58.395\n") != std::string::npos);  // not 58.39500045776367
}

struct ResizeForm {
  const char* json;
  images::ResizeKind kind;
  int64_t short_side, height, width;
};

TEST_CASE("every form of resize is read and printed back") {
  using images::ResizeKind;
  const auto form = GENERATE(
      ResizeForm{"null", ResizeKind::kUnset, 0, 0, 0}, ResizeForm{"\"none\"", ResizeKind::kNone, 0, 0, 0},
      ResizeForm{"{\"short_side\": 256}", ResizeKind::kShortSide, 256, 0, 0},
      ResizeForm{"{\"stretch\": [3, 4]}", ResizeKind::kStretch, 0, 3, 4},
      ResizeForm{"{\"letterbox\": [3, 4]}", ResizeKind::kLetterbox, 0, 3, 4},
      ResizeForm{"{\"letterbox\": [3, 4], \"pad\": [1, 2, 3]}", ResizeKind::kLetterbox, 0, 3, 4},
      ResizeForm{"{\"fixed_height\": 48, \"max_width\": 192}", ResizeKind::kFixedHeight, 0, 48, 192});
  CAPTURE(form.json);
  const CoreConfig c = read(preprocess(std::string("\"resize\": ") + form.json));
  const images::Preprocess& p = c.representative_dataset.preprocess;
  CHECK(p.resize == form.kind);
  CHECK(p.short_side == form.short_side);
  CHECK(p.height == form.height);
  CHECK(p.width == form.width);
  CHECK(config::to_json(read(config::to_json(c))) == config::to_json(c));
}

TEST_CASE("sizes are bytes or text with a unit") {
  struct Size {
    const char* json;
    int64_t bytes;
  };
  const auto size =
      GENERATE(Size{"700", 700}, Size{"\"700\"", 700}, Size{"\"700 B\"", 700}, Size{"\"500 kB\"", 500000},
               Size{"\"500kb\"", 500000}, Size{"\"1.2 MB\"", 1200000}, Size{"\"1 MiB\"", 1048576},
               Size{"\"0.5 KiB\"", 512}, Size{"\"2 GB\"", 2000000000}, Size{"3e6", 3000000});
  CAPTURE(size.json);
  CHECK(read(std::string("{\"gates\": {\"max_file_size\": ") + size.json + "}}").gates.max_file_size ==
        size.bytes);
}

TEST_CASE("null is the default where nothing is asked for, and an absent object") {
  CHECK(config::to_json(
            read(R"({"gates": {"max_file_size": null}, "gptq_config": null, "mixed_precision_config": null,
    "bit_width_config": {}, "target_resource_utilization": {"weights_memory": "inf"}, "quantization_config":
    {"z_threshold": "inf"}, "keep_float": null, "debug_config": {"network_editor": []}})")) ==
        config::default_json());
}

// --- mistakes
struct Mistake {
  std::string text;
  const char *code, *place, *cause, *remedy;
};

void check_mistake(const Mistake& mistake) {
  CAPTURE(mistake.text);
  const std::vector<Problem> problems = problems_of(mistake.text);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].code == mistake.code);
  CHECK_THAT(problems[0].place, Catch::EndsWith(mistake.place));
  CHECK_THAT(problems[0].cause, Catch::Contains(mistake.cause));
  CHECK_THAT(problems[0].remedy, Catch::Contains(mistake.remedy));
}

TEST_CASE("an unknown key is told the nearest one, or where it belongs") {
  check_mistake(
      GENERATE(Mistake{"{\"quantisation_config\": {}}", "unknown-key", "core.json:1 /quantisation_config",
                       "unknown", "\"quantization_config\""},
               Mistake{"{\"quantization_config\": {\"z_treshold\": 1}}", "unknown-key",
                       "/quantization_config/z_treshold", "unknown", "\"z_threshold\""},
               Mistake{"{\"z_threshold\": 1}", "unknown-key", "/z_threshold", "unknown here",
                       "move it to /quantization_config/z_threshold"},
               Mistake{"{\"zthreshold\": 1}", "unknown-key", "/zthreshold", "unknown",
                       "/quantization_config/z_threshold"},
               Mistake{"{\"gates\": {\"colour_of_the_moon\": 1}}", "unknown-key", "/gates/colour_of_the_moon",
                       "unknown", "max_file_size"},
               Mistake{"{\"gates\": {\"min_sqnr\": 20}}", "unknown-key", "/gates/min_sqnr", "unknown",
                       "\"min_sqnr_db\""},
               Mistake{"{\"foo\": 1}", "unknown-key", "/foo", "unknown", "remove it"},
               Mistake{preprocess("\"resize\": {\"shortside\": 3}"), "unknown-key", "/resize/shortside",
                       "unknown", "\"short_side\""},
               Mistake{preprocess("\"resize\": {\"multiple_of\": 3}"), "unknown-key", "/resize/multiple_of",
                       "unknown here", "/representative_dataset/preprocess/multiple_of"},
               Mistake{"{\"\": 1}", "unknown-key", "/", "unknown", "remove"},
               Mistake{"{\"a/b~\": 1}", "unknown-key", "/a~1b~0", "unknown", "remove"}));
}

TEST_CASE("a wrong type says what was expected and what was found") {
  check_mistake(GENERATE(
      Mistake{"[]", "wrong-type", "core.json", "expected an object, found an empty list", "{ and }"},
      Mistake{"{\"gates\": 3}", "wrong-type", "/gates", "expected an object, found the number 3",
              "remove the key"},
      Mistake{"{\"keep_float\": {\"first\": 1}}", "wrong-type", "/keep_float/first",
              "expected true or false, found the number 1", "default: false"},
      Mistake{"{\"verify_images\": \"9\"}", "wrong-type", "/verify_images",
              "a whole number from 1 to 100000, found the string \"9\"", "default: 16"},
      Mistake{"{\"verify_images\": 9.5}", "wrong-type", "/verify_images", "found the number 9.5",
              "whole number"},
      Mistake{"{\"verify_images\": true}", "wrong-type", "/verify_images", "found true", "whole number"},
      Mistake{"{\"verify_images\": null}", "wrong-type", "/verify_images", "found null", "whole number"},
      Mistake{"{\"gates\": {\"min_agreement\": \"all\"}}", "wrong-type", "/gates/min_agreement",
              "a number from 0 to 1, or null", "not set"},
      Mistake{"{\"representative_dataset\": {\"path\": 7}}", "wrong-type", "/path", "expected a path",
              "a path"},
      Mistake{"{\"keep_float\": {\"names\": \"a\"}}", "wrong-type", "/keep_float/names", "a list of strings",
              "default: []"},
      Mistake{"{\"keep_float\": {\"names\": [\"a\", 3]}}", "wrong-type", "/keep_float/names/1",
              "found the number 3", "string"},
      Mistake{"{\"input_shapes\": [1]}", "wrong-type", "/input_shapes", "an object of", "input name"},
      Mistake{"{\"input_shapes\": {\"a/b\": 3}}", "wrong-type", "/input_shapes/a~1b", "found the number 3",
              "dimensions"},
      Mistake{preprocess("\"resize\": 256"), "wrong-type", "/resize", "found the number 256",
              "{\"short_side\": 256}"},
      Mistake{preprocess("\"resize\": {\"stretch\": 224}"), "wrong-type", "/resize/stretch",
              "[height, width]", "[height, width]"},
      Mistake{preprocess("\"mean\": [1, \"2\"]"), "wrong-type", "/mean/1", "found the string", "number"},
      Mistake{"{\"$schema\": 3}", "wrong-type", "/$schema", "found the number 3", "string"},
      Mistake{"{\"quantization_config\": {\"activation_error_method\": null}}", "wrong-type",
              "/activation_error_method", "one of \"NOCLIPPING\", \"MSE\"", "MCT's number"}));
}

TEST_CASE("an impossible value says what is possible") {
  check_mistake(GENERATE(
      Mistake{"{\"verify_images\": 0}", "bad-value", "/verify_images", "the number 0 is out of range",
              "from 1 to 100000"},
      Mistake{"{\"verify_images\": 1e300}", "bad-value", "/verify_images", "out of range",
              "from 1 to 100000"},
      Mistake{"{\"gates\": {\"min_agreement\": 98}}", "bad-value", "/gates/min_agreement", "out of range",
              "from 0 to 1"},
      Mistake{"{\"gates\": {\"max_file_size\": \"3 apples\"}}", "bad-value", "/gates/max_file_size",
              "is no size", "\"3 MB\""},
      Mistake{"{\"gates\": {\"max_file_size\": \"1.2.3 MB\"}}", "bad-value", "/gates/max_file_size",
              "is no size", "\"3 MB\""},
      Mistake{"{\"gates\": {\"max_file_size\": -1}}", "bad-value", "/gates/max_file_size", "out of range",
              "bytes"},
      Mistake{"{\"quantization_config\": {\"activation_error_method\": \"mse\"}}", "bad-value",
              "/activation_error_method", "\"mse\"", "did you mean \"MSE\""},
      Mistake{"{\"quantization_config\": {\"weights_error_method\": 3}}", "wrong-type",
              "/weights_error_method", "found the number 3", "\"KL\""},
      Mistake{"{\"quantization_config\": {\"z_threshold\": 0}}", "bad-value", "/z_threshold", "out of range",
              "at least 0.001"},
      Mistake{"{\"target_platform_capabilities\": \"\"}", "bad-value", "/target_platform_capabilities",
              "names nothing", "default: \"int8\""},
      Mistake{"{\"representative_dataset\": {\"path\": \"a\\u0000b\"}}", "bad-value", "/path",
              "control character", "a path"},
      Mistake{"{\"keep_float\": {\"names\": [\"a\", \"a\"]}}", "bad-value", "/keep_float/names/1",
              "stands twice", "list"},
      Mistake{"{\"keep_float\": {\"names\": [\"\"]}}", "bad-value", "/keep_float/names/0", "names nothing",
              "list"},
      Mistake{"{\"output\": {\"formats\": []}}", "bad-value", "/output/formats", "is empty",
              "default: [\"onnx\"]"},
      Mistake{"{\"output\": {\"formats\": [\"onx\"]}}", "bad-value", "/output/formats/0", "not known",
              "did you mean \"onnx\""},
      Mistake{"{\"output\": {\"onnx_name\": \"../m.onnx\"}}", "bad-value", "/output/onnx_name",
              "plain file name", "a file name"},
      Mistake{"{\"output\": {\"onnx_name\": \"x\", \"report_name\": \"x\"}}", "bad-value",
              "/output/report_name", "overwrite", "another name"},
      Mistake{"{\"input_shapes\": {\"x\": [1, -2]}}", "bad-value", "/input_shapes/x/1", "out of range",
              "from -1"},
      Mistake{"{\"input_shapes\": {\"x\": []}}", "bad-value", "/input_shapes/x", "wrong length", "1 to 8"},
      Mistake{preprocess("\"color\": \"rgb\""), "bad-value", "/color", "\"rgb\"", "did you mean \"RGB\""},
      Mistake{preprocess("\"std\": 0"), "bad-value", "/std", "out of range", "default: 1.0"},
      Mistake{preprocess("\"mean\": [1, 2]"), "bad-value", "/mean", "2", "3"},
      Mistake{preprocess("\"center_crop\": [1, 2, 3]"), "bad-value", "/center_crop", "wrong length",
              "[height, width]"},
      Mistake{preprocess("\"resize\": \"letterbox\""), "bad-value", "/resize", "not known",
              "{\"letterbox\": [416, 416]"},
      Mistake{preprocess("\"resize\": {}"), "bad-value", "/resize", "none of short_side", "\"none\""},
      Mistake{preprocess("\"resize\": {\"stretch\": [1, 1], \"short_side\": 1}"), "bad-value", "/resize",
              "exclude each other", "\"none\""},
      Mistake{preprocess("\"resize\": {\"stretch\": [1, 1], \"pad\": 1}"), "bad-value", "/resize/pad",
              "no meaning with stretch", "remove it"},
      Mistake{preprocess("\"resize\": {\"fixed_height\": 48}"), "bad-value", "/resize",
              "max_width is missing", "max_width"},
      Mistake{preprocess("\"resize\": {\"letterbox\": [9, 9], \"pad\": [1, 2]}"), "bad-value", "/resize/pad",
              "2 numbers for 3 channels", "one a channel"},
      Mistake{preprocess("\"resize\": {\"letterbox\": [9, 9], \"pad\": 300}"), "bad-value", "/resize/pad",
              "out of range", "0 to 255"},
      Mistake{preprocess("\"resize\": {\"stretch\": [9, 9]}, \"center_crop\": [10, 9]"), "bad-value",
              "/center_crop", "larger", "smaller"},
      Mistake{preprocess("\"multiple_of\": 32"), "bad-value", "/multiple_of", "own size", "\"none\""}));
}

TEST_CASE("all problems are reported at once, in the order of their pointers") {
  const std::vector<Problem> problems = problems_of(
      "{\"verify_images\": 0,\n \"gates\": {\"min_agreement\": 98, \"mx\": 1},\n \"gates2\": 1, "
      "\"gptq_config\": {\"n_epochs\": 5}}");
  REQUIRE(problems.size() == 5);
  const char* places[] = {"core.json:2 /gates/min_agreement", "core.json:2 /gates/mx", "core.json:3 /gates2",
                          "core.json:3 /gptq_config/n_epochs", "core.json:1 /verify_images"};
  for (size_t i = 0; i < 5; ++i) CHECK_THAT(problems[i].place, Catch::EndsWith(places[i]));
}

TEST_CASE("a flood of problems is cut") {
  std::string text = "{";
  for (int i = 0; i < 3000; ++i) text += "\"unknown" + std::to_string(i) + "\": 1,";
  const std::vector<Problem> problems = problems_of(text + "\"x\": 1}");
  CHECK(problems.size() == 51);
  CHECK(problems.back().code == "more-problems");
}

TEST_CASE("means and deviations for pixels from 0 to 1 are warned about") {
  Diagnostics diagnostics;
  config::parse(preprocess("\"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]"), "c.json", {},
                diagnostics);
  REQUIRE(diagnostics.warnings.size() == 1);
  CHECK_THAT(diagnostics.warnings[0].remedy, Catch::Contains("255"));
}

TEST_CASE("l_p_value without the method LP is warned about") {
  Diagnostics diagnostics;
  config::parse("{\"quantization_config\": {\"l_p_value\": 3}}", "c.json", {}, diagnostics);
  REQUIRE(diagnostics.warnings.size() == 1);
  CHECK_THAT(diagnostics.warnings[0].remedy, Catch::Contains("\"LP\""));
}

// --- files
TEST_CASE("paths are relative to the config file, and absolute afterwards") {
  CHECK(read("{\"representative_dataset\": {\"path\": \"../a/./b\"}}").representative_dataset.path == "/a/b");
  CHECK(read("{\"representative_dataset\": {\"path\": \"/a/b/\"}}").representative_dataset.path == "/a/b");
  CHECK(read("{\"representative_dataset\": {\"path\": \".\"}}").representative_dataset.path == "/cfg");
  CHECK(read("{\"representative_dataset\": {\"path\": \"/\"}}").representative_dataset.path == "/");
  CHECK(read("{\"representative_dataset\": {\"other_inputs\": \"k.npz\"}}")
            .representative_dataset.other_inputs == "/cfg/k.npz");
  CHECK(read("{\"gates\": {\"labels\": \"l.csv\"}}").gates.labels == "/cfg/l.csv");
  CHECK(read("{\"target_platform_capabilities\": \"npu.json\"}").target == "/cfg/npu.json");
  CHECK(read("{\"target_platform_capabilities\": \"npu\"}").target == "npu");
  Diagnostics diagnostics;
  const CoreConfig here =
      config::parse("{\"representative_dataset\": {\"path\": \"a\"}}", "core.json", {}, diagnostics);
  CHECK(here.representative_dataset.path == std::filesystem::current_path() / "a");
  const CoreConfig none =
      config::parse("{\"representative_dataset\": {\"path\": \"a\"}}", "", {}, diagnostics);
  CHECK(none.representative_dataset.path == std::filesystem::current_path() / "a");
}

TEST_CASE("a config that cannot be read is a usage error with the reason") {
  Diagnostics diagnostics;
  try {
    config::load("/nowhere/core.json", {}, diagnostics);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUsage);
    CHECK_THAT(error.problems.at(0).place, Catch::Contains("/nowhere/core.json"));
    CHECK_THAT(error.problems.at(0).cause, Catch::Contains("No such file"));
  }
}

TEST_CASE("a config is read from its file") {
  const TemporaryFile file(".json");
  std::ofstream(file.path()) << "{\"representative_dataset\": {\"path\": \"calib\"}}";
  Diagnostics diagnostics;
  CHECK(config::load(file.path(), {}, diagnostics).representative_dataset.path ==
        file.path().parent_path() / "calib");
}

}  // namespace
}  // namespace qc
