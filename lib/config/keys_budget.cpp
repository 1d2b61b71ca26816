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

template <class Enum>
struct Named {
  const char* name;  // nullptr: JSON null
  Enum value;
};
constexpr Named<Sensitivity> kSensitivities[] = {
    {"compensated", Sensitivity::kCompensated}, {"gram", Sensitivity::kGram}, {"layer", Sensitivity::kLayer}};
constexpr Named<DistanceWeighting> kWeightings[] = {{nullptr, DistanceWeighting::kUnset},
                                                    {"AVG", DistanceWeighting::kAvg},
                                                    {"LAST_LAYER", DistanceWeighting::kLastLayer},
                                                    {"EXP", DistanceWeighting::kExp},
                                                    {"HESSIAN", DistanceWeighting::kHessian}};
constexpr Named<DistanceFunction> kDistances[] = {{nullptr, DistanceFunction::kByOp},
                                                  {"compute_mse", DistanceFunction::kMse},
                                                  {"compute_mae", DistanceFunction::kMae},
                                                  {"compute_cs", DistanceFunction::kCosine}};
constexpr Named<MetricNormalization> kNormalizations[] = {{"NONE", MetricNormalization::kNone},
                                                          {"MAXBIT", MetricNormalization::kMaxBit},
                                                          {"MINBIT", MetricNormalization::kMinBit}};

template <class Enum, size_t kCount, class Field>
Key named(const char* name, const Named<Enum> (&table)[kCount], Field field, const char* meaning,
          const char* mct) {
  Binding binding{[&table, field](CoreConfig& c, const Json& v) {
                    for (const Named<Enum>& one : table)
                      if (one.name ? v == one.name : v.is_null()) field(c) = one.value;
                  },
                  [&table, field](const CoreConfig& c) {
                    for (const Named<Enum>& one : table)
                      if (one.name && field(c) == one.value) return Json(one.name);
                    return Json();
                  }};
  Key key = search(name, Kind::kChoice, 0, 0, std::move(binding), meaning, mct);
  for (const Named<Enum>& one : table) {
    if (one.name)
      key.choices.push_back({one.name, static_cast<int>(one.value), false, ""});
    else
      key.nullable = true;
  }
  return key;
}

Binding number(double MetricConfig::*field) {
  return {[field](CoreConfig& c, const Json& v) { c.mixed_precision.metric.*field = v.get<double>(); },
          [field](const CoreConfig& c) { return Json(c.mixed_precision.metric.*field); }};
}

Binding flag(bool MetricConfig::*field) {
  return {[field](CoreConfig& c, const Json& v) { c.mixed_precision.metric.*field = v.get<bool>(); },
          [field](const CoreConfig& c) { return Json(c.mixed_precision.metric.*field); }};
}

// What belongs to MCT's own measure of sensitivity, which loses to uniform widths (each layer is measured
// while the others are in float, and nothing behind it repairs).
void add_metric(std::vector<Key>& table, Key key, const char* accepted) {
  key.mct = "MixedPrecisionQuantizationConfig." + key.pointer.substr(key.pointer.rfind('/') + 1);
  key.accepted = accepted;
  key.refusal =
      "it shapes MCT's layer-by-layer distances; sensitivities here are measured at the outputs, with the "
      "layers behind repaired (sensitivity: compensated)";
  key.unless = Condition{"/mixed_precision_config/sensitivity", "layer"};
  table.push_back(std::move(key));
}

void add_metrics(std::vector<Key>& table) {
  constexpr double kLeast = 1e-9, kMost = 1e30;
  add_metric(table,
             named(
                 "distance_weighting_method", kWeightings,
                 [](auto& c) -> auto& { return c.mixed_precision.metric.weighting; },
                 "How distances at several layers are combined: their mean, the last one's alone, a mean "
                 "weighted by 1 - exp(-distance / sigma), or by squared derivatives of the outputs. null: "
                 "AVG, or HESSIAN with use_hessian_based_scores.",
                 ""),
             "[null, \"AVG\"]");
  Key distance = named(
      "compute_distance_fn", kDistances, [](auto& c) -> auto& { return c.mixed_precision.metric.distance; },
      "Distance of two activations, one of MCT's functions; null: by op (KL for Softmax, "
      "cosine for Sigmoid and linear layers, else normalised MSE).",
      "");
  distance.choices.push_back({"compute_kl_divergence", -1, false,
                              "it is for probabilities, and those of Softmax are compared by it with null"});
  add_metric(table, std::move(distance), "[null]");
  add_metric(table,
             search("num_interest_points_factor", Kind::kNumber, kLeast, 1,
                    number(&MetricConfig::interest_points_factor),
                    "Share of the layers that distances are taken at, evenly spread.", ""),
             "[1.0]");
  add_metric(
      table,
      search("use_hessian_based_scores", Kind::kBool, 0, 0, flag(&MetricConfig::hessian_scores),
             "The same as distance_weighting_method HESSIAN. Derivatives are differences of two runs.", ""),
      "[false]");
  add_metric(
      table,
      search("norm_scores", Kind::kBool, 0, 0, flag(&MetricConfig::norm_scores),
             "Normalise those weights: a weighted mean is the same either way (MCT never reads it).", ""),
      "[true]");
  add_metric(table,
             search("metric_normalization_threshold", Kind::kNumber, kLeast, kMost,
                    number(&MetricConfig::normalization_threshold),
                    "Divide all sensitivities by the largest when that reaches this.", ""),
             "[1e10]");
  add_metric(
      table,
      search("hessian_batch_size", Kind::kInteger, 1, 4096,
             {[](CoreConfig& c, const Json& v) {
                c.mixed_precision.metric.hessian_batch_size = static_cast<int64_t>(v.get<double>());
              },
              [](const CoreConfig& c) { return Json(c.mixed_precision.metric.hessian_batch_size); }},
             "Images a step for second derivatives: they are run one by one, with the same result.", ""),
      "[32]");
  add_metric(table,
             named(
                 "metric_normalization", kNormalizations,
                 [](auto& c) -> auto& { return c.mixed_precision.metric.normalization; },
                 "Divide a layer's sensitivities by that of its widest or narrowest width.", ""),
             "[\"NONE\"]");
  Key epsilon =
      search("metric_epsilon", Kind::kNumber, 0, kMost,
             {[](CoreConfig& c, const Json& v) {
                c.mixed_precision.metric.epsilon.reset();
                if (v.is_number()) c.mixed_precision.metric.epsilon = v.get<double>();
              },
              [](const CoreConfig& c) {
                return c.mixed_precision.metric.epsilon ? Json(*c.mixed_precision.metric.epsilon) : Json();
              }},
             "What a narrower width of a layer costs at least beyond its widest; null: as measured.", "");
  epsilon.nullable = true;
  add_metric(table, std::move(epsilon), "[1e-6]");
  add_metric(table,
             search("exp_distance_weighting_sigma", Kind::kNumber, kLeast, kMost,
                    number(&MetricConfig::exp_sigma), "Sigma of the weighting method EXP.", ""),
             "[0.1]");
}

void add_refused(std::vector<Key>& table, const char* name, const char* refusal, const char* meaning) {
  Key key;
  key.pointer = std::string("/mixed_precision_config/") + name;
  key.mct = std::string("MixedPrecisionQuantizationConfig.") + name;
  key.accepted = "[null]";
  key.refusal = refusal;
  key.meaning = meaning;
  table.push_back(std::move(key));
}

}  // namespace

void add_budget_keys(std::vector<Key>& table) {
  add_limit(
      table, "weights_memory", Kind::kBudget, &ResourceLimits::weights_memory,
      "Bytes of all constants as written: packed integers, scales and biases. Weights get 2 to 8 bits.");
  add_limit(table, "activation_memory", Kind::kBudget, &ResourceLimits::activation_memory,
            "Bytes of the activations alive at one time, in the best order of the nodes that is found. Where "
            "/placement is left out and the fastest one takes more, or the budget is a share, nodes are on "
            "integers wherever the target has them. On a "
            "target with several widths for results (a TPC with such candidates) results get widths of their "
            "own, but in a .tflite, whose activations fill their type.");
  add_limit(table, "total_memory", Kind::kBudget, &ResourceLimits::total_memory, "Both together.");
  add_limit(table, "bops", Kind::kShare, &ResourceLimits::bops,
            "Bit operations of one run: products times the bits of both factors.");

  table.push_back(named(
      "sensitivity", kSensitivities, [](auto& c) -> auto& { return c.mixed_precision.sensitivity; },
      "What a narrow weight costs. compensated: one probe a layer, measured at the outputs with everything "
      "behind the layer corrected. gram: estimated from statistics of the layers' inputs, a quick look. "
      "layer: "
      "MCT's own measure, to compare with: each width of each layer, rounded to nearest in an otherwise "
      "float "
      "network, by distances at many layers; the widths it leads to are worse than those of compensated, and "
      "often than uniform ones.",
      ""));
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
      "the work of all probes. sensitivity layer measures on all of them; null: 32.",
      "MixedPrecisionQuantizationConfig.num_of_images");
  images.nullable = true;
  table.push_back(std::move(images));
  table.push_back(search(
      "refine_mp_solution", Kind::kBool, 0, 0,
      {[](CoreConfig& c, const Json& v) { c.mixed_precision.refine = v.get<bool>(); },
       [](const CoreConfig& c) { return Json(c.mixed_precision.refine); }},
      "Build several choices of widths around the budget, uniform ones among them, and keep the one that is "
      "measured best. With sensitivity layer: its own choice and the uniform ones.",
      "MixedPrecisionQuantizationConfig.refine_mp_solution"));
  Key wide = search(
      "max_wide_share", Kind::kNumber, 0, 1,
      {[](CoreConfig& c, const Json& v) {
         c.mixed_precision.max_wide_share.reset();
         if (v.is_number()) c.mixed_precision.max_wide_share = v.get<double>();
       },
       [](const CoreConfig& c) {
         return c.mixed_precision.max_wide_share ? Json(*c.mixed_precision.max_wide_share) : Json();
       }},
      "Where rules list widths for results (\"activation_n_bits\": [8, 16]): the share of the rounded "
      "activations, "
      "by "
      "elements, that may have the wider one: 16 bits, or float where the target has no such integers. Those "
      "are chosen that cost the worst output most for their size, and kept where its measured error falls. "
      "null: 0.03, or where /placement/min_sqnr_db is set as many as reach it. With a budget for activations "
      "that budget is the limit.",
      "");
  wide.nullable = true;
  table.push_back(std::move(wide));
  add_metrics(table);
  add_refused(table, "configuration_overwrite",
              "widths by hand stand in bit_width_config, by the layers' names",
              "Candidate of every layer, given by hand.");
  add_refused(table, "custom_metric_fn", "it is a Python function, which JSON cannot hold",
              "Replaces the whole sensitivity.");
}

}  // namespace qc::config
