// Keys of /target_resource_utilization and /mixed_precision_config: budgets, and the search for widths under
// them. See keys.h.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/keys.h"
#include "config/values.h"

namespace qc::config {
namespace {

using Bound = std::optional<Limit> ResourceLimits::*;

std::optional<Limit> read_limit(const Json& value) {
  if (value.is_number()) return Limit{value.get<double>(), false};
  if (!value.is_string() || value == "inf") return std::nullopt;
  const std::string text = value.get<std::string>();
  if (const auto share = parse_share(text)) return Limit{*share, true};
  if (const auto bytes = parse_size(text)) return Limit{static_cast<double>(*bytes), false};
  return std::nullopt;
}

Json written(const std::optional<Limit>& limit) {
  if (!limit) return {};
  if (limit->share) return format("{:.12g}%", limit->amount * 100);
  return limit->amount;
}

void add_limit(std::vector<Key>& table, const char* name, Kind kind, Bound bound, const char* meaning) {
  const std::string pointer = std::string("/target_resource_utilization/") + name;
  Key key = row(pointer.c_str(), kind, 0, 1e18, {}, meaning);
  key.mct = std::string("ResourceUtilization.") + name;
  key.nullable = true;
  key.field = {[bound](CoreConfig& c, const Json& value) { c.budget.*bound = read_limit(value); },
               [bound](const CoreConfig& c) { return written(c.budget.*bound); }};
  table.push_back(std::move(key));
}

Key search(const char* name, Kind kind, double low, double high, Binding field, const char* meaning,
           const char* mct) {
  const std::string pointer = std::string("/mixed_precision_config/") + name;
  return row(pointer.c_str(), kind, low, high, std::move(field), meaning, mct);
}

// What belongs to MCT's own measure of sensitivity, which loses to uniform widths (each layer is measured
// while the others are in float, and nothing behind it repairs).
void add_other_measures(std::vector<Key>& table) {
  const char* kMeasure =
      "it shapes MCT's layer-by-layer distances; sensitivities here are measured at the outputs, with the "
      "layers behind repaired (sensitivity: compensated)";
  const char* kFunction = "it is a Python function, which JSON cannot hold";
  const auto add = [&](const char* name, const char* accepted, const char* refusal, const char* meaning) {
    Key key;
    key.pointer = std::string("/mixed_precision_config/") + name;
    key.mct = std::string("MixedPrecisionQuantizationConfig.") + name;
    key.accepted = accepted;
    key.refusal = refusal;
    key.meaning = meaning;
    table.push_back(std::move(key));
  };
  add("distance_weighting_method", "[null, \"AVG\"]", kMeasure,
      "How distances at several layers are combined.");
  add("compute_distance_fn", "[null]", kFunction, "Distance of two activations.");
  add("configuration_overwrite", "[null]", "widths by hand stand in bit_width_config, by the layers' names",
      "Candidate of every layer, given by hand.");
  add("num_interest_points_factor", "[1.0]", kMeasure, "Share of the layers that distances are taken at.");
  add("use_hessian_based_scores", "[false]", kMeasure, "Weigh layers by second derivatives.");
  add("norm_scores", "[true]", kMeasure, "Normalise those weights (MCT never reads it).");
  add("metric_normalization_threshold", "[1e10]", kMeasure,
      "Divide the sensitivities when one is larger than this.");
  add("hessian_batch_size", "[32]", kMeasure, "Images a step for second derivatives.");
  add("metric_normalization", "[\"NONE\"]", kMeasure, "Divide a layer's sensitivities by that of one width.");
  add("metric_epsilon", "[1e-6]", kMeasure, "Least difference between two widths of a layer.");
  add("exp_distance_weighting_sigma", "[0.1]", kMeasure, "Sigma of the weighting method EXP.");
  add("custom_metric_fn", "[null]", kFunction, "Replaces the whole sensitivity.");
}

}  // namespace

void add_budget_keys(std::vector<Key>& table) {
  add_limit(
      table, "weights_memory", Kind::kBudget, &ResourceLimits::weights_memory,
      "Bytes of all constants as written: packed integers, scales and biases. Weights get 2 to 8 bits.");
  add_limit(table, "activation_memory", Kind::kBudget, &ResourceLimits::activation_memory,
            "Bytes of the activations alive at one time, in the best order of the nodes that is found. On a "
            "target with several widths for results (a TPC with such candidates) results get widths of their "
            "own, but in a .tflite, whose activations fill their type.");
  add_limit(table, "total_memory", Kind::kBudget, &ResourceLimits::total_memory, "Both together.");
  add_limit(table, "bops", Kind::kShare, &ResourceLimits::bops,
            "Bit operations of one run: products times the bits of both factors.");

  Key sensitivity = search(
      "sensitivity", Kind::kChoice, 0, 0,
      {[](CoreConfig& c, const Json& v) {
         c.mixed_precision.sensitivity = v == "gram" ? Sensitivity::kGram : Sensitivity::kCompensated;
       },
       [](const CoreConfig& c) {
         return Json(c.mixed_precision.sensitivity == Sensitivity::kGram ? "gram" : "compensated");
       }},
      "What a narrow weight costs. compensated: one probe a layer, measured at the outputs with everything "
      "behind the layer corrected. gram: estimated from statistics of the layers' inputs, a quick look.",
      "");
  sensitivity.choices = {
      {"compensated", static_cast<int>(Sensitivity::kCompensated), false, ""},
      {"gram", static_cast<int>(Sensitivity::kGram), false, ""},
      {"layer", 2, false,
       "layer by layer on an otherwise float network it is misleading: the widths it leads "
       "to are worse than uniform ones"}};
  table.push_back(std::move(sensitivity));
  Key images = search(
      "num_of_images", Kind::kInteger, 4, 4096,
      {[](CoreConfig& c, const Json& v) {
         c.mixed_precision.images.reset();
         if (v.is_number()) c.mixed_precision.images = static_cast<int64_t>(v.get<double>());
       },
       [](const CoreConfig& c) {
         return c.mixed_precision.images ? Json(*c.mixed_precision.images) : Json();
       }},
      "Calibration images of a probe: two thirds to correct on, the rest to measure on; null: 32 to 128, by "
      "the work of all probes.",
      "MixedPrecisionQuantizationConfig.num_of_images");
  images.nullable = true;
  table.push_back(std::move(images));
  table.push_back(search(
      "refine_mp_solution", Kind::kBool, 0, 0,
      {[](CoreConfig& c, const Json& v) { c.mixed_precision.refine = v.get<bool>(); },
       [](const CoreConfig& c) { return Json(c.mixed_precision.refine); }},
      "Build several choices of widths around the budget, uniform ones among them, and keep the one that is "
      "measured best.",
      "MixedPrecisionQuantizationConfig.refine_mp_solution"));
  add_other_measures(table);
}

}  // namespace qc::config
