// Corrections that leave the float function as it is and make it easier to round: of the graph (room balance)
// and of what rounding shifted (attempt.cpp). MCT's keys, and three of qconvert's own.
#include <nlohmann/json.hpp>

#include "config/keys.h"

namespace qc::config {
namespace {

template <class Field>
Binding quantization(Field QuantizationConfig::*field) {
  return {[field](CoreConfig& c, const Json& v) { c.quantization.*field = v.get<Field>(); },
          [field](const CoreConfig& c) { return Json(c.quantization.*field); }};
}

Key mct_key(const char* name, Kind kind, double low, double high, Binding field, const char* meaning) {
  Key key = row("", kind, low, high, std::move(field), meaning);
  key.pointer = std::string("/quantization_config/") + name;
  key.mct = std::string("QuantizationConfig.") + name;
  return key;
}

struct Switch {
  const char* name;
  bool QuantizationConfig::*field;
  const char* meaning;
};
using C = QuantizationConfig;
constexpr Switch kSwitches[] = {
    {"shift_negative_activation_correction", &C::shift_negative_activation_correction,
     "Results of SiLU, HardSwish, GELU and the like are shifted up by their small negative part, so that "
     "they "
     "are rounded without a sign: one more bit on a target with symmetric activations. Kept where the error "
     "on "
     "held-out images falls. On a target with zero points nothing is shifted: the zero point does the same."},
    {"shift_negative_threshold_recalculation", &C::shift_negative_threshold_recalculation,
     "Choose shifts after searching the shifted result's range again, not at the range before shifting."},
    {"shift_negative_params_search", &C::shift_negative_params_search,
     "Search the shift, over every step of the grid, for the smallest error of the shifted result."},
    {"linear_collapsing", &C::linear_collapsing,
     "A convolution and the 1x1 convolution after it become one, where that has no more weights. Kept where "
     "the error on held-out images falls."},
    {"residual_collapsing", &C::residual_collapsing,
     "A convolution and the skip that adds its own input become one convolution. Kept where the error on "
     "held-out images falls."},
    {"relu_bound_to_power_of_2", &C::relu_bound_to_power_of_2,
     "Layers around a Clip from 0 to a bound that is no power of two (ReLU6) are rescaled so that it becomes "
     "8, which power-of-two activations use whole."},
    {"softmax_shift", &C::softmax_shift,
     "The bias in front of a Softmax is shifted by one number so that the logits lie around 0; a Softmax "
     "does "
     "not change by that. What symmetric activations gain from."},
    {"input_scaling", &C::input_scaling,
     "Where the largest value of an input without a sign falls short of its power-of-two range, a Mul behind "
     "the input stretches it to the range and the first layer takes the factor back."},
    {"activation_channel_equalization", &C::activation_channel_equalization,
     "Channels between two layers with a Relu between them are scaled to a deviation of at most 1, by "
     "deviations measured on calibration images where MCT takes those of BatchNormalization."},
    {"concat_threshold_update", &C::concat_threshold_update,
     "The inputs of a Concat that nothing else reads take the range of its output."},
    {"activation_bias_correction", &C::activation_bias_correction,
     "Biases make up for the mean error of the rounded input, for each channel and any layer with weights."},
    {"weights_second_moment_correction", &C::weights_second_moment_correction,
     "Means and deviations of each layer's channels, measured on the quantized model, are brought back to "
     "those of the float model, by its scales and biases; forward runs alone."},
};

Key own(const char* pointer, std::optional<bool> C::*field, const char* meaning) {
  Key key = row(pointer, Kind::kBool, 0, 1,
                {[field](CoreConfig& c, const Json& v) {
                   c.quantization.*field = v.is_null() ? std::nullopt : std::optional(v.get<bool>());
                 },
                 [field](const CoreConfig& c) {
                   return c.quantization.*field ? Json(*(c.quantization.*field)) : Json();
                 }},
                meaning);
  key.nullable = true;
  return key;
}

}  // namespace

void add_balance_keys(std::vector<Key>& table) {
  for (const Switch& one : kSwitches)
    table.push_back(mct_key(one.name, Kind::kBool, 0, 1, quantization(one.field), one.meaning));
  table.push_back(mct_key("shift_negative_ratio", Kind::kNumber, 0, 1, quantization(&C::shift_negative_ratio),
                          "Shift where the negative part reaches at most this share of the range."));
  table.push_back(mct_key("activation_bias_correction_threshold", Kind::kNumber, 0, 1e6,
                          quantization(&C::activation_bias_correction_threshold),
                          "Leave out channels whose mean error is below this many percent of their mean."));
  table.push_back(
      own("/quantization_config/cross_layer_equalization", &C::cross_layer_equalization,
          "Channels between two layers are scaled so that weights (with one scale a tensor, or behind "
          "activations that stay float) or results of unlike channels get like ranges; the function stays "
          "the same. Kept where the error on held-out images falls. true: tried wherever it is possible; "
          "null: where ranges are unlike enough, and of weights alone where these leave less than 40 dB."));
  table.push_back(
      own("/quantization_config/gate_equalization", &C::gate_equalization,
          "The same through SiLU and HardSwish: the channel is scaled and its gate gets the unscaled value, "
          "by one Mul more for each. null: through SiLU, where everything with a kernel runs on integers and "
          "the error falls by 1 dB; elsewhere it is cheaper to leave what hurts in float."));
  table.push_back(own("/quantization_config/norm_equalization", &C::norm_equalization,
                      "The same between a LayerNormalization and the matrices behind it (SmoothQuant)."));
}

}  // namespace qc::config
