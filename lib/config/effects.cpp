// See effects.h: one table from keys to where they mean something, and one from there to words.
#include "config/effects.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.h"
#include "config/keys.h"
#include "config/open_widths.h"

namespace qc::config {
namespace {

enum class Where {
  kActivationsRounded,
  kWeightsIntegers,
  kWeightsCorrected,
  kLayersInFloat,
  kEqualized,
  kWeightOnly,
  kHalfFloats,
  kTflite,
  kOnnx,
  kMeasured,
  kBudget,
  kWidthsListed
};

struct Row {
  const char* key;  // or what keys begin with, ending in '/'
  Where where;
  const char* value = nullptr;  // JSON: this value alone; nullptr: any but the default
  bool by_name = false;
};

// A more special row stands before a more general one.
constexpr Row kRows[] = {
    {"/placement", Where::kActivationsRounded, R"("full")"},
    {"/quantization_config/activation_error_method", Where::kActivationsRounded},
    {"/quantization_config/activation_bias_correction", Where::kActivationsRounded},
    {"/quantization_config/activation_bias_correction_threshold", Where::kActivationsRounded},
    {"/quantization_config/activation_channel_equalization", Where::kActivationsRounded, "true", true},
    {"/quantization_config/cross_layer_equalization", Where::kEqualized, "true", true},
    {"/quantization_config/cross_layer_equalization", Where::kMeasured, "true", true},
    {"/quantization_config/gate_equalization", Where::kActivationsRounded, "true", true},
    {"/quantization_config/norm_equalization", Where::kActivationsRounded, "true", true},
    {"/quantization_config/concat_threshold_update", Where::kActivationsRounded},
    {"/quantization_config/input_scaling", Where::kActivationsRounded},
    {"/quantization_config/linear_collapsing", Where::kActivationsRounded},
    {"/quantization_config/relu_bound_to_power_of_2", Where::kActivationsRounded},
    {"/quantization_config/residual_collapsing", Where::kActivationsRounded},
    {"/quantization_config/shift_negative_activation_correction", Where::kActivationsRounded},
    {"/quantization_config/shift_negative_params_search", Where::kActivationsRounded},
    {"/quantization_config/shift_negative_ratio", Where::kActivationsRounded},
    {"/quantization_config/shift_negative_threshold_recalculation", Where::kActivationsRounded},
    {"/quantization_config/softmax_shift", Where::kActivationsRounded},
    {"/quantization_config/z_threshold", Where::kActivationsRounded},
    {"/gptq_config/range_search", Where::kActivationsRounded},
    {"/quantization_config/min_threshold", Where::kWeightsIntegers},
    {"/quantization_config/weights_error_method", Where::kWeightsIntegers},
    {"/quantization_config/weights_bias_correction", Where::kWeightsCorrected},
    {"/quantization_config/weights_bias_correction_inputs", Where::kWeightsCorrected},
    {"/quantization_config/weights_second_moment_correction", Where::kWeightsCorrected},
    {"/gptq_config/method", Where::kWeightsCorrected, R"("second_order")", true},
    {"/gptq_config/", Where::kWeightsCorrected},
    {"/keep_float/", Where::kLayersInFloat},
    {"/weight_only/", Where::kWeightOnly},
    {"/float16/", Where::kHalfFloats},
    {"/output/tflite/", Where::kTflite},
    {"/output/onnx/form", Where::kActivationsRounded, R"("qoperator")"},
    {"/output/onnx/", Where::kOnnx},
    {"/mixed_precision_config/sensitivity", Where::kBudget},
    {"/mixed_precision_config/num_of_images", Where::kBudget},
    {"/mixed_precision_config/refine_mp_solution", Where::kBudget},
    {"/mixed_precision_config/max_wide_share", Where::kWidthsListed, nullptr, true},
};

// All that is written is a .tflite whose activations are floats, whatever the mode.
bool lone_float_tflite(const CoreConfig& c) {
  return writes(c, "tflite") && !writes(c, "onnx") && tflite_keeps_floats(c);
}

// /mode, or that of a rule.
bool any_mode(const CoreConfig& c, std::initializer_list<Mode> modes) {
  const auto among = [&](const std::optional<Mode>& mode) {
    return mode && std::ranges::find(modes, *mode) != modes.end();
  };
  const auto of_rule = [&](const Rule& rule) { return among(rule.settings.mode); };
  return among(c.mode) || std::ranges::any_of(c.bit_width_config, of_rule) ||
         std::ranges::any_of(c.network_editor, of_rule);
}

bool any_integer_weights(const CoreConfig& c) {
  return any_mode(c, {Mode::kStatic, Mode::kWeightOnly, Mode::kDynamic});
}

bool holds(const CoreConfig& c, Where where) {
  switch (where) {
    case Where::kActivationsRounded:
      return rounds_activations(c);
    case Where::kWeightsIntegers:
      return lone_float_tflite(c) ? c.output.tflite_form == TfliteForm::kDynamicRange
                                  : any_integer_weights(c);
    case Where::kWeightsCorrected:
      return !lone_float_tflite(c) && any_integer_weights(c);
    case Where::kLayersInFloat:
      return !lone_float_tflite(c);
    case Where::kEqualized:
      return rounds_activations(c) || c.mode == Mode::kWeightOnly;
    case Where::kWeightOnly:
      return any_mode(c, {Mode::kWeightOnly});
    case Where::kHalfFloats:
      return any_mode(c, {Mode::kFloat16, Mode::kBfloat16});
    case Where::kTflite:
      return writes(c, "tflite");
    case Where::kOnnx:
      return writes(c, "onnx");
    case Where::kMeasured:
      return rounds_activations(c) || !c.representative_dataset.path.empty();
    case Where::kBudget:
      return c.budget.any();
    default:
      return rounds_activations(c) && lists_widths(c) && !bounds_activations(c);
  }
}

// What stands in the way, where holds() says no.
std::string why_not(const CoreConfig& c, Where where) {
  const char* const kWords[] = {"activations stay float",
                                "no weight becomes an integer",
                                "weights and biases are not corrected",
                                "every layer is stored alike",
                                "activations stay float",
                                "no layer's mode is weight_only",
                                "no layer's mode is float16 or bfloat16",
                                "no .tflite is written",
                                "no ONNX file is written",
                                "no images are named to measure it by (/representative_dataset/path)",
                                "target_resource_utilization has no budget to search widths for",
                                bounds_activations(c)
                                    ? "a budget says what activations may take"
                                    : "no rule has a list of widths (\"activation_n_bits\": [8, 16]) for "
                                      "results that are rounded"};
  const std::string words = kWords[static_cast<size_t>(where)];
  if (where >= Where::kWeightOnly) return words;
  const bool by_form = lone_float_tflite(c);
  const std::string name = find_key(by_form ? "/output/tflite/form" : "/mode")->field.get(c);
  return format("{} {} {}", by_form ? "in a .tflite of the form" : "in mode", name, words);
}

// Of "placement" it is the mode, which may stand inside of an object.
bool in_object(const Key& key, const CoreConfig& config) {
  return key.kind == Kind::kPlacement && key.field.get(config).is_object();
}

Json value_of(const Key& key, const CoreConfig& config) {
  Json value = key.field.get(config);
  return in_object(key, config) ? value.value("mode", Json()) : value;
}

bool meant(const Row& row, const std::string& pointer) {
  const std::string_view prefix = row.key;
  return prefix.ends_with('/') ? pointer.starts_with(prefix) : pointer == prefix;
}

}  // namespace

std::vector<Idle> keys_without_effect(const CoreConfig& config) {
  std::vector<Idle> idle;
  if (config.mode == Mode::kStrip) return idle;  // which reads nothing but the model
  const CoreConfig defaults;
  std::vector<std::string> said;
  for (const Row& row : kRows) {
    if (holds(config, row.where)) continue;
    for (const Key& key : keys()) {
      if (!meant(row, key.pointer) || !key.field.get || std::ranges::find(said, key.pointer) != said.end())
        continue;
      const Json value = value_of(key, config);
      if (row.value ? value != Json::parse(row.value) : value == value_of(key, defaults)) continue;
      said.push_back(key.pointer);
      idle.push_back(
          {key.pointer + (in_object(key, config) ? "/mode" : ""), why_not(config, row.where), row.by_name});
    }
  }
  if (!holds(config, Where::kActivationsRounded))
    for (const PlacementRule& rule : config.placement_rules)
      idle.push_back({rule.place, why_not(config, Where::kActivationsRounded), rule.integer});
  if (!holds(config, Where::kActivationsRounded))
    for (const auto& [rule, at] : rules_with_widths(config))
      idle.push_back({at, why_not(config, Where::kActivationsRounded), true});
  return idle;
}

}  // namespace qc::config
