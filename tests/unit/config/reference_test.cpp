// The key table seen from outside: MCT's whole list is known, the schema has every key, and the files in
// configs/ are what the table says. QC_UPDATE_GOLDEN=1 rewrites README.md and core-config.schema.json.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "config/core_config.h"
#include "target/target.h"

namespace qc {
namespace {

using Json = nlohmann::json;
const std::filesystem::path kConfigs = std::filesystem::path(QCONVERT_SOURCE) / "configs";

std::vector<Problem> problems_of(const Json& tree) {
  Diagnostics diagnostics;
  try {
    config::parse(tree.dump(), "c.json", {}, diagnostics);
  } catch (const Error& error) {
    return error.problems;
  }
  return {};
}

struct Option {
  const char *group, *name, *mct_default,
      *other;  // `other`: a value that differs; "" if every value is taken
  bool honoured;
};

// Fields of MCT 2.4: QuantizationConfig, MixedPrecisionQuantizationConfig, ResourceUtilization and
// DebugConfig.
const Option kOptions[] = {
    {"quantization_config", "activation_error_method", "\"MSE\"", "\"KL\"", true},
    {"quantization_config", "weights_error_method", "\"MSE\"", "\"MAE\"", true},
    {"quantization_config", "relu_bound_to_power_of_2", "false", "true", true},
    {"quantization_config", "weights_bias_correction", "true", "false", true},
    {"quantization_config", "weights_second_moment_correction", "false", "true", true},
    {"quantization_config", "input_scaling", "false", "true", true},
    {"quantization_config", "softmax_shift", "false", "true", true},
    {"quantization_config", "shift_negative_activation_correction", "true", "false", true},
    {"quantization_config", "activation_channel_equalization", "false", "true", true},
    {"quantization_config", "z_threshold", "null", "5", true},
    {"quantization_config", "min_threshold", "1.52587890625e-05", "0.1", true},
    {"quantization_config", "l_p_value", "2", "3", true},
    {"quantization_config", "linear_collapsing", "true", "false", true},
    {"quantization_config", "residual_collapsing", "true", "false", true},
    {"quantization_config", "shift_negative_ratio", "0.05", "0.1", true},
    {"quantization_config", "shift_negative_threshold_recalculation", "false", "true", true},
    {"quantization_config", "shift_negative_params_search", "false", "true", true},
    {"quantization_config", "concat_threshold_update", "false", "true", true},
    {"quantization_config", "activation_bias_correction", "false", "true", true},
    {"quantization_config", "activation_bias_correction_threshold", "0", "1.5", true},
    {"quantization_config", "custom_tpc_opset_to_layer", "null", "{\"a\": 1}", false},
    {"mixed_precision_config", "compute_distance_fn", "null", "\"compute_mse\"", false},
    {"mixed_precision_config", "distance_weighting_method", "null", "\"EXP\"", false},
    {"mixed_precision_config", "num_of_images", "32", "64", true},
    {"mixed_precision_config", "configuration_overwrite", "null", "[0, 1]", false},
    {"mixed_precision_config", "num_interest_points_factor", "1.0", "0.5", false},
    {"mixed_precision_config", "use_hessian_based_scores", "false", "true", false},
    {"mixed_precision_config", "norm_scores", "true", "false", false},
    {"mixed_precision_config", "refine_mp_solution", "true", "false", true},
    {"mixed_precision_config", "metric_normalization_threshold", "1e10", "1", false},
    {"mixed_precision_config", "hessian_batch_size", "32", "8", false},
    {"mixed_precision_config", "metric_normalization", "\"NONE\"", "\"MAXBIT\"", false},
    {"mixed_precision_config", "metric_epsilon", "1e-6", "null", false},
    {"mixed_precision_config", "exp_distance_weighting_sigma", "0.1", "0.2", false},
    {"mixed_precision_config", "custom_metric_fn", "null", "\"f\"", false},
    {"target_resource_utilization", "weights_memory", "null", "\"50%\"", true},
    {"target_resource_utilization", "activation_memory", "\"inf\"", "1000", true},
    {"target_resource_utilization", "total_memory", "null", "\"1 MB\"", true},
    {"target_resource_utilization", "bops", "null", "1e9", true},
    {"debug_config", "analyze_similarity", "false", "true", false},
    {"debug_config", "network_editor", "[]",
     R"([{"filter": {"first": true}, "action": {"activation_n_bits": 16}}])", true},
    {"debug_config", "simulate_scheduler", "false", "true", false},
    {"debug_config", "bypass", "false", "true", false},
    {"gptq_config", "n_epochs", "null", "5", false},
    {"gptq_config", "regularization_factor", "null", "0.1", false},
    {"gptq_config", "rounding_type", "\"SoftQuantizer\"", "\"STE\"", false},
    {"gptq_config", "train_bias", "true", "false", false}};

TEST_CASE(
    "every option of MCT is known: its default is taken, another value is honoured or refused with a "
    "sentence") {
  for (const Option& option : kOptions) {
    CAPTURE(option.group, option.name);
    CHECK(problems_of({{option.group, {{option.name, Json::parse(option.mct_default)}}}}).empty());
    const std::vector<Problem> problems =
        problems_of({{option.group, {{option.name, Json::parse(option.other)}}}});
    if (option.honoured) {
      CHECK(problems.empty());
      continue;
    }
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].code == "refused");
    CHECK_THAT(problems[0].cause, Catch::Contains("cannot be had: "));
    CHECK(problems[0].cause.size() > 40);
    CHECK_THAT(problems[0].remedy, Catch::Contains("remove the key"));
  }
  const std::vector<Problem> widths = problems_of({{"bit_width_config", Json::array({Json::object()})}});
  REQUIRE(widths.size() == 1);
  CHECK_THAT(widths[0].cause, Catch::Contains("sets nothing"));
}

TEST_CASE("error methods are taken by MCT's name and number, and HMSE is refused with the reason") {
  const std::pair<const char*, int> methods[] = {
      {"NOCLIPPING", 0}, {"MSE", 1}, {"MAE", 2}, {"KL", 4}, {"LP", 5}};
  for (const char* key : {"activation_error_method", "weights_error_method"}) {
    for (const auto& [name, number] : methods) {
      CHECK(problems_of({{"quantization_config", {{key, name}}}}).empty());
      CHECK(problems_of({{"quantization_config", {{key, number}}}}).empty());
    }
    for (const Json& hmse : {Json("HMSE"), Json(6)}) {
      const std::vector<Problem> problems = problems_of({{"quantization_config", {{key, hmse}}}});
      REQUIRE(problems.size() == 1);
      CHECK(problems[0].code == "refused");
      CHECK_THAT(problems[0].cause, Catch::Contains("GPTQ"));
    }
  }
}

TEST_CASE("a .tflite asks for integers wherever there are kernels, unless the config says where") {
  config::CoreConfig config;
  CHECK(config::placement_of(config) == config::Placement::kAuto);
  config.output.formats = {"onnx", "tflite"};
  CHECK(config::placement_of(config) == config::Placement::kFull);
  config.output.formats = {"tflite"};
  CHECK(config::placement_of(config) == config::Placement::kFull);
  CHECK(config::rounds_activations(config));
  config.output.tflite_form = config::TfliteForm::kFloat32;
  CHECK_FALSE(config::rounds_activations(config));
  config.placement = config::Placement::kAuto;
  CHECK(config::placement_of(config) == config::Placement::kAuto);
}

// --- schema
void compare_with_schema(const Json& value, const Json& schema, const std::string& pointer) {
  CAPTURE(pointer);
  REQUIRE(schema.is_object());
  CHECK(schema.contains("description"));
  if (!schema.contains("properties")) {
    CHECK(schema["default"] == value);
    CHECK((schema.contains("type") || schema.contains("enum") || schema.contains("anyOf")));
    return;
  }
  CHECK(schema["additionalProperties"] == false);
  if (value.is_null()) return;
  for (const auto& [name, member] : value.items()) {
    REQUIRE(schema["properties"].contains(name));
    compare_with_schema(member, schema["properties"][name], pointer + "/" + name);
  }
}

TEST_CASE("the schema describes every key of the default config, with its default") {
  const Json schema = Json::parse(config::schema_json());
  CHECK(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema");
  compare_with_schema(Json::parse(config::default_json()), schema, "");
  const Json& methods =
      schema["properties"]["quantization_config"]["properties"]["weights_error_method"]["enum"];
  CHECK(methods == Json::parse(R"(["NOCLIPPING", "MSE", "MAE", "KL", "LP", 0, 1, 2, 4, 5])"));
  const Json& resize =
      schema["properties"]["representative_dataset"]["properties"]["preprocess"]["properties"]["resize"];
  CHECK(resize["anyOf"].size() == 6);  // "none", four forms, null
}

// --- the files in configs/
void check_file(const std::filesystem::path& path, const std::string& text) {
  const char* update = std::getenv("QC_UPDATE_GOLDEN");
  if (update && std::string(update) == "1") write_file_atomically(path, text);
  INFO("rewrite with QC_UPDATE_GOLDEN=1");
  CHECK(read_file(path) == text);
}

TEST_CASE("configs/README.md is the reference made from the key table") {
  check_file(kConfigs / "README.md", config::reference_markdown());
}

TEST_CASE("configs/core-config.schema.json is the schema made from the key table") {
  check_file(kConfigs / "core-config.schema.json", config::schema_json());
}

TEST_CASE(
    "every preset parses without a warning, is listed in the reference, and names a target that loads") {
  const std::string reference = config::reference_markdown();
  int presets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kConfigs)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".json" || name == "core-config.schema.json") continue;
    ++presets;
    CAPTURE(name);
    Diagnostics diagnostics;
    const config::CoreConfig c = config::load(entry.path(), {}, diagnostics);
    CHECK(diagnostics.warnings.empty());
    CHECK(c.representative_dataset.path == kConfigs / "calib");
    CHECK_NOTHROW(target::load(c.target));
    CHECK_THAT(reference, Catch::Contains("[" + name + "]"));
    CHECK(config::to_json(config::parse(config::to_json(c), entry.path(), {}, diagnostics)) ==
          config::to_json(c));
  }
  CHECK(presets == 19);
}

}  // namespace
}  // namespace qc
