// See balance.h. Layers are merged first, because fewer layers leave fewer scales; then scales, from those
// that make others possible to those that cost a node; shifts last, because they depend on the ranges.
#include "balance/balance.h"

#include <algorithm>

namespace qc::balance {
namespace {

using config::QuantizationConfig;

template <bool QuantizationConfig::*kField>
Wish where_better(const Seen& seen) {
  return seen.config.*kField ? Wish::kIfBetter : Wish::kNo;
}

template <bool QuantizationConfig::*kField>
Wish where_asked(const Seen& seen) {
  return seen.config.*kField ? Wish::kAsked : Wish::kNo;
}

/// As the config says; where it says nothing, unasked where `fits`.
Wish tried(const std::optional<bool>& asked, bool fits) {
  if (asked) return *asked ? Wish::kTry : Wish::kNo;
  return fits ? Wish::kIfBetter : Wish::kNo;
}

template <std::optional<bool> QuantizationConfig::*kField>
Wish unless_off(const Seen& seen) {
  return tried(seen.config.*kField, true);
}

bool has_tensor_scales(const Seen& seen) {
  return !seen.target.weights.per_channel ||
         std::any_of(seen.rules.begin(), seen.rules.end(), [](const config::NodeSettings& rule) {
           return rule.weights_per_channel_threshold == false;
         });
}

/// Weights with a scale for each channel are equalized by that already.
Wish for_tensor_scales(const Seen& seen) {
  return tried(seen.config.cross_layer_equalization, has_tensor_scales(seen));
}

/// With one scale for all weights, what results or input channels gain is lost there, and more.
Wish for_channel_scales(const Seen& seen) {
  return has_tensor_scales(seen) ? Wish::kNo : tried(seen.config.cross_layer_equalization, true);
}

/// A Mul for each gate: unasked only where the search for a placement has no cheaper remedy.
Wish for_gates(const Seen& seen) {
  return tried(seen.config.gate_equalization, seen.everywhere);
}

// What the worst output has to gain, in dB, for the nodes that a correction adds: one in float for each layer
// (half of the noise has to go); one on integers for each gate.
constexpr double kWorthFloats = 3, kWorthNodes = 1;

using C = QuantizationConfig;
constexpr Correction kTable[] = {
    {"linear collapsing", "linear_collapsing", where_better<&C::linear_collapsing>, collapse_linear},
    {"residual collapsing", "residual_collapsing", where_better<&C::residual_collapsing>, collapse_residual},
    {"equal bounds of channels", "cross_layer_equalization", unless_off<&C::cross_layer_equalization>,
     equalize_bounds},
    {"Relu bound to power of two", "relu_bound_to_power_of_2", where_asked<&C::relu_bound_to_power_of_2>,
     bound_to_power_of_two},
    {"activation channel equalization", "activation_channel_equalization",
     where_asked<&C::activation_channel_equalization>, equalize_deviations},
    {"cross-layer equalization of input channels", "cross_layer_equalization", for_channel_scales,
     equalize_columns, 0, Helps::kFloats},
    {"cross-layer equalization of weights", "cross_layer_equalization", for_tensor_scales, equalize_weights,
     0, Helps::kBoth},
    {"cross-layer equalization with bounds by channel", "cross_layer_equalization", for_tensor_scales,
     equalize_weights_bounded, kWorthFloats},
    {"cross-layer equalization of results", "cross_layer_equalization", for_channel_scales, equalize_results},
    {"equalization through gates", "gate_equalization", for_gates, equalize_gates, kWorthNodes},
    {"equalization behind LayerNormalization", "norm_equalization", unless_off<&C::norm_equalization>,
     equalize_norms},
    {"softmax shift", "softmax_shift", where_asked<&C::softmax_shift>, shift_softmax},
    {"input scaling", "input_scaling", where_asked<&C::input_scaling>, scale_input},
    {"unbalanced concat", "concat_threshold_update", where_asked<&C::concat_threshold_update>, check_concats},
    {"shift-negative correction", "shift_negative_activation_correction",
     where_better<&C::shift_negative_activation_correction>, shift_negative},
};

}  // namespace

std::span<const Correction> corrections() {
  return kTable;
}

}  // namespace qc::balance
