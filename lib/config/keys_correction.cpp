// "gptq_config": qconvert solves in closed form what MCT trains, so its own keys stand beside MCT's, whose
// defaults are taken and whose other values are refused.
#include <nlohmann/json.hpp>

#include "config/keys.h"
#include "config/values.h"

namespace qc::config {
namespace {

constexpr double kMostImages = 100000, kMostSweeps = 1000, kMostBytes = 1e15, kMostSeed = 1e15;

struct Method {
  const char* name;
  CorrectionMethod method;
};
constexpr Method kMethods[] = {{"none", CorrectionMethod::kNone},
                               {"bias_correction", CorrectionMethod::kBiasCorrection},
                               {"second_order", CorrectionMethod::kSecondOrder}};

Binding count(int64_t Correction::*field) {
  return {
      [field](CoreConfig& c, const Json& v) { c.correction.*field = static_cast<int64_t>(v.get<double>()); },
      [field](const CoreConfig& c) { return Json(c.correction.*field); }};
}

Key method_key() {
  Key key =
      row("/gptq_config/method", Kind::kChoice, 0, 0,
          {[](CoreConfig& c, const Json& v) {
             c.correction.method = CorrectionMethod::kUnset;
             for (const Method& one : kMethods)
               if (v == one.name) c.correction.method = one.method;
           },
           [](const CoreConfig& c) {
             for (const Method& one : kMethods)
               if (c.correction.method == one.method) return Json(one.name);
             return Json();
           }},
          "`bias_correction` shifts biases; `second_order` also rounds weights, and re-targets them, so that "
          "each layer's result is nearest to float on the calibration images; whatever does not bring "
          "held-out images closer is left out. With `saturation_guard` it rounds weights below 8 bits only. "
          "null: `second_order` where a weight has fewer than 8 bits, where the worst output misses "
          "`min_sqnr_db` of the placement (20), or where it takes no longer than about twice the "
          "calibration, or a second; "
          "else `bias_correction`.");
  for (const Method& one : kMethods)
    key.choices.push_back({one.name, static_cast<int>(one.method), false, ""});
  key.nullable = true;
  return key;
}

Key strength_key() {
  Key key =
      row("/gptq_config/retarget_strength", Kind::kNumber, 0, 1,
          {[](CoreConfig& c, const Json& v) {
             c.correction.retarget_strength.reset();
             if (v.is_number()) c.correction.retarget_strength = v.get<double>();
           },
           [](const CoreConfig& c) {
             return c.correction.retarget_strength ? Json(*c.correction.retarget_strength) : Json();
           }},
          "How far a layer's weights make up for the errors of its input; null: measured for each layer, "
          "out of 0, 0.25, 0.5, 0.75 and 1, on images that it was not fitted to.");
  key.nullable = true;
  return key;
}

Key memory_key() {
  Key key =
      row("/memory_limit", Kind::kSize, 1, kMostBytes,
          {[](CoreConfig& c, const Json& v) {
             c.memory_limit.reset();
             if (v.is_string()) c.memory_limit = parse_size(v.get<std::string>());
             if (v.is_number()) c.memory_limit = static_cast<int64_t>(v.get<double>());
           },
           [](const CoreConfig& c) { return c.memory_limit ? Json(*c.memory_limit) : Json(); }},
          "What second-order correction may use: fewer images are looked at where they do not fit. null: "
          "half of the machine's memory, and 1 GiB where nobody asked for it.");
  key.nullable = true;
  return key;
}

struct Fixed {
  const char *name, *accepted, *meaning;
};
constexpr Fixed kTraining[] = {
    {"n_epochs", "[null]", "Passes over the data."},
    {"loss", "[null]", "Loss function."},
    {"log_function", "[null]", "Called in every step."},
    {"optimizer", "[null]", "Optimizer of the rounding."},
    {"optimizer_rest", "[null]", "Optimizer of everything else."},
    {"train_bias", "[true, null]", "Train biases too."},
    {"rounding_type", "[\"SoftQuantizer\", 1, null]", "How rounding is relaxed."},
    {"regularization_factor", "[null]", "Weight of the rounding's regularization."},
    {"use_hessian_based_weights", "[true, null]", "Weigh layers by second derivatives."},
    {"use_hessian_sample_attention", "[true, null]", "Weigh samples by second derivatives."},
    {"hessian_batch_size", "[32, null]", "Images a step for second derivatives."},
    {"gradual_activation_quantization", "[true, null]",
     "Switch activation quantization on little by little."}};

Key range_key() {
  Key key = row(
      "/gptq_config/range_search", Kind::kBool, 0, 1,
      {[](CoreConfig& c, const Json& v) {
         c.correction.range_search = v.is_null() ? std::nullopt : std::optional(v.get<bool>());
       },
       [](const CoreConfig& c) {
         return c.correction.range_search ? Json(*c.correction.range_search) : Json(nullptr);
       }},
      "Activations whose rounding costs the outputs most get the range, of several, that costs them "
      "least; before that, all get ranges that clip nothing; kept where held-out images come closer. null: "
      "where everything is to be on integers and the worst output is below 18 dB; ranges that clip nothing "
      "also wherever everything is to be on integers or a goal is missed.");
  key.nullable = true;
  return key;
}

}  // namespace

void add_correction_keys(std::vector<Key>& table) {
  table.push_back(memory_key());
  table.push_back(method_key());
  table.push_back(
      row("/gptq_config/images", Kind::kInteger, 2, kMostImages, count(&Correction::images),
          "Calibration images that `second_order` looks at, at most: all are in memory side by side, within "
          "memory_limit."));
  table.push_back(strength_key());
  table.push_back(row("/gptq_config/sweeps", Kind::kInteger, 0, kMostSweeps, count(&Correction::sweeps),
                      "Rounds of coordinate descent over a layer's integers."));
  table.push_back(row("/gptq_config/scale_search", Kind::kBool, 0, 1,
                      {[](CoreConfig& c, const Json& v) { c.correction.scale_search = v.get<bool>(); },
                       [](const CoreConfig& c) { return Json(c.correction.scale_search); }},
                      "Smaller scales are tried for each channel of weights below 8 bits."));
  table.push_back(
      row("/gptq_config/mirror", Kind::kBool, 0, 1,
          {[](CoreConfig& c, const Json& v) { c.correction.mirror = v.get<bool>(); },
           [](const CoreConfig& c) { return Json(c.correction.mirror); }},
          "Where a weight has 5 bits or fewer, pictures also count turned left to right, in each layer "
          "whose statistics that brings closer to held-out pictures. Folders of tensors have none."));
  table.push_back(range_key());
  table.push_back(row("/gptq_config/seed", Kind::kInteger, 0, kMostSeed, count(&Correction::seed),
                      "Decides which positions of large activations are looked at."));
  for (const Fixed& one : kTraining) {
    Key key = row("", Kind::kFixed, 0, 0, {}, one.meaning);
    key.pointer = std::string("/gptq_config/") + one.name;
    key.accepted = one.accepted;
    key.refusal =
        "nothing is trained here: \"method\": \"second_order\" does in closed form what training would";
    key.mct = std::string("GradientPTQConfig.") + one.name;
    table.push_back(std::move(key));
  }
}

}  // namespace qc::config
