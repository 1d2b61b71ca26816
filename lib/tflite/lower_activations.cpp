// Activations: one operator where TFLite has it, else a few that say the same. On integers a step between two
// operators has a scale of its own, chosen so that nothing is rounded twice.
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

using Inputs = std::vector<TensorId>;

// A step in float; its shape is that of the first operand.
TensorId then(Lowering& l, Op op, Inputs inputs, Options options = {}) {
  const TensorId result = temporary_float(l, tensor_at(l, inputs[0]).shape);
  emit(l, op, std::move(inputs), {result}, std::move(options));
  return result;
}

// A step in the numbers of `like` with another quantization.
TensorId then_in(Lowering& l, Op op, const Inputs& inputs, Quantization quantization, Options options = {}) {
  const TensorId result = temporary(l, tensor_at(l, inputs[0]).shape, inputs[0]);
  l.model.tensors[result].quantization = std::move(quantization);
  emit(l, op, inputs, {result}, std::move(options));
  return result;
}

bool computes_integers(const Lowering& l, TensorId x) {
  return !tensor_at(l, x).quantization.scales.empty();
}

// The number as an operand of integers as wide as those of `like`: the largest integer times its own scale.
TensorId constant_like(Lowering& l, TensorId like, double value) {
  const bool wide = tensor_at(l, like).type == Type::kInt16;
  const double largest = wide ? INT16_MAX : INT8_MAX;
  const Quantization q{{static_cast<float>(std::fabs(value) / largest)}, {0}, 0};
  if (wide) {
    const auto stored = static_cast<int16_t>(value < 0 ? -INT16_MAX : INT16_MAX);
    return add_constant(l, Type::kInt16, {}, std::string(reinterpret_cast<const char*>(&stored), 2),
                        "constants", q);
  }
  return add_constant(l, Type::kInt8, {}, std::string(1, static_cast<char>(value < 0 ? -INT8_MAX : INT8_MAX)),
                      "constants", q);
}

// x times a positive number, to the bit: the integers stay, their scale grows.
TensorId scaled(Lowering& l, TensorId x, double factor) {
  Quantization q = tensor_at(l, x).quantization;
  q.scales[0] = static_cast<float>(q.scales[0] * factor);
  return then_in(l, Op::kMul, {x, constant_like(l, x, factor)}, q);
}

// All of [0, 1] and no more, so that the integers' own ends do the clipping (int16: half of them).
Quantization unit_range(const Lowering& l, TensorId like) {
  return tensor_at(l, like).type == Type::kInt16 ? Quantization{{1.0f / 32768}, {0}, 0}
                                                 : Quantization{{1.0f / 255}, {INT8_MIN}, 0};
}

// clip(alpha x + beta, 0, 1) in integers.
TensorId hard_sigmoid_of(Lowering& l, TensorId x, double alpha, double beta) {
  const TensorId line = scaled(l, x, alpha);
  const Options relu = tensor_at(l, x).type == Type::kInt16
                           ? Options{{"fused_activation_function", static_cast<int64_t>(Activation::kRelu)}}
                           : Options{};
  return then_in(l, Op::kAdd, {line, constant_like(l, x, beta)}, unit_range(l, x), relu);
}

TensorId hard_sigmoid_float(Lowering& l, TensorId x, float alpha, float beta) {
  const Options relu{{"fused_activation_function", static_cast<int64_t>(Activation::kRelu)}};
  const TensorId line =
      then(l, Op::kAdd, {then(l, Op::kMul, {x, constant_float(l, alpha)}), constant_float(l, beta)}, relu);
  return then(l, Op::kMinimum, {line, constant_float(l, 1)});
}

void lower_hard_sigmoid(Lowering& l, ir::NodeId id) {
  const float alpha = ir::float_attribute(node_at(l, id), "alpha", 0.2f);
  const float beta = ir::float_attribute(node_at(l, id), "beta", 0.5f);
  const TensorId x = read(l, id, 0);
  if (runs_on_integers(l, id)) {
    const TensorId result = hard_sigmoid_of(l, x, alpha, beta);
    Operator last = std::move(l.model.operators.back());
    l.model.operators.pop_back();
    return emit_result(l, id, Op::kAdd, last.inputs, last.options,
                       {OutputRule::kFixed, kAbsent, tensor_at(l, result).quantization});
  }
  // alpha * clip(x + beta / alpha, 0, 1 / alpha): one ADD with a RELU6 when alpha is 1/6.
  if (std::fabs(alpha * 6 - 1) < 1e-6f) {
    const TensorId shifted = then(l, Op::kAdd, {x, constant_float(l, beta * 6)},
                                  {{"fused_activation_function", static_cast<int64_t>(Activation::kRelu6)}});
    return emit_result(l, id, Op::kMul, {shifted, constant_float(l, 1.0f / 6)});
  }
  const TensorId line =
      then(l, Op::kAdd, {then(l, Op::kMul, {x, constant_float(l, alpha)}), constant_float(l, beta)},
           {{"fused_activation_function", static_cast<int64_t>(Activation::kRelu)}});
  emit_result(l, id, Op::kMinimum, {line, constant_float(l, 1)});
}

void lower_hard_swish(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  const bool wide = tensor_at(l, x).type == Type::kInt16;  // no kernel anywhere
  if (!wide && !lacks(l, Op::kHardSwish, x)) return emit_result(l, id, Op::kHardSwish, {x});
  const TensorId gate = computes_integers(l, x) ? hard_sigmoid_of(l, x, 1.0 / 6, 0.5)
                                                : hard_sigmoid_float(l, x, 1.0f / 6, 0.5f);
  emit_result(l, id, Op::kMul, {x, gate});
}

// x + (1 - alpha) max(-x, 0): the product has the input's steps times (1 - alpha), so it is exact.
void lower_leaky_sum(Lowering& l, ir::NodeId id, TensorId x, double alpha) {
  const auto scale = static_cast<float>(tensor_at(l, x).quantization.scales[0] * (1 - alpha));
  const TensorId below = then_in(l, Op::kMul, {x, constant_like(l, x, alpha - 1)}, {{scale}, {INT8_MIN}, 0},
                                 {{"fused_activation_function", static_cast<int64_t>(Activation::kRelu)}});
  emit_result(l, id, Op::kAdd, {x, below});
}

void lower_leaky_relu(Lowering& l, ir::NodeId id) {
  const float alpha = ir::float_attribute(node_at(l, id), "alpha", 0.01f);
  const TensorId x = read(l, id, 0);
  if (l.options.xnnpack && alpha > 0 && alpha < 1 && computes_integers(l, x) &&
      tensor_at(l, x).type == Type::kInt8)
    return lower_leaky_sum(l, id, x, alpha);
  if (!lacks(l, Op::kLeakyRelu) || alpha == 0)
    return emit_result(l, id, Op::kLeakyRelu, {x}, {{"alpha", alpha}});
  // PRELU with one slope for all.
  const TensorId slope = computes_integers(l, x) ? constant_like(l, x, alpha) : constant_float(l, alpha);
  Tensor row = tensor_at(l, slope);
  std::vector<int32_t> shape(tensor_at(l, x).shape.size() - 1, 1);
  emit_result(l, id, Op::kPrelu,
              {x, add_constant(l, row.type, shape, *row.data, "constants", row.quantization)});
}

// ELU has alpha 1 only; behind it a LEAKY_RELU gives the negative side any other: gamma (x > 0 ? x : alpha
// (e^x - 1)).
void lower_elu_with(Lowering& l, ir::NodeId id, TensorId x, float alpha, float gamma) {
  if (alpha == 1 && gamma == 1) return emit_result(l, id, Op::kElu, {x});
  if (!computes_integers(l, x)) {
    const TensorId curve = then(l, Op::kElu, {x});
    if (gamma == 1) return emit_result(l, id, Op::kLeakyRelu, {curve}, {{"alpha", alpha}});
    const TensorId bent = then(l, Op::kLeakyRelu, {curve}, {{"alpha", alpha}});
    return emit_result(l, id, Op::kMul, {bent, constant_float(l, gamma)});
  }
  // The result's own scale over gamma; the curve keeps the input's steps above zero.
  const Quantization from = tensor_at(l, x).quantization, to = planned_for(l, id);
  const double top = from.scales[0] * static_cast<double>(INT8_MAX - from.zero_points[0]);
  const double low = -1, high = std::max(top, 1e-3);
  const quant::QuantParams curve_range = quant::asymmetric_params(low, high, 8, true);
  const TensorId curve = then_in(l, Op::kElu, {x}, {curve_range.scales, {curve_range.zero_points[0]}, 0});
  if (gamma == 1) return emit_result(l, id, Op::kLeakyRelu, {curve}, {{"alpha", alpha}});
  const TensorId bent =
      then_in(l, Op::kLeakyRelu, {curve}, {{static_cast<float>(to.scales[0] / gamma)}, to.zero_points, 0},
              {{"alpha", alpha}});
  emit_result(l, id, Op::kMul, {bent, constant_like(l, bent, gamma)});
}

void lower_elu(Lowering& l, ir::NodeId id) {
  lower_elu_with(l, id, read(l, id, 0), ir::float_attribute(node_at(l, id), "alpha", 1), 1);
}
void lower_selu(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  lower_elu_with(l, id, read(l, id, 0), ir::float_attribute(node, "alpha", 1.67326319217681884765625f),
                 ir::float_attribute(node, "gamma", 1.05070102214813232421875f));
}
// alpha elu(x / alpha)
void lower_celu(Lowering& l, ir::NodeId id) {
  const float alpha = ir::float_attribute(node_at(l, id), "alpha", 1);
  const TensorId x = read(l, id, 0);
  if (alpha == 1) return lower_elu_with(l, id, x, 1, 1);
  const TensorId curve = then(l, Op::kElu, {then(l, Op::kMul, {x, constant_float(l, 1 / alpha)})});
  emit_result(l, id, Op::kMul, {curve, constant_float(l, alpha)});
}

// By Abramowitz and Stegun 7.1.26, within 1.5e-7 of the function itself:
// 1 - (a1 t + ... + a5 t^5) e^(-x^2) with t = 1 / (1 + 0.3275911 |x|), and x's sign.
TensorId erf_of(Lowering& l, TensorId x) {
  constexpr std::array kTerms{1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f};
  const auto number = [&](float v) { return constant_float(l, v); };
  const TensorId size = then(l, Op::kAbs, {x});
  const TensorId line = then(l, Op::kAdd, {then(l, Op::kMul, {size, number(0.3275911f)}), number(1)});
  const TensorId t = temporary_float(l, tensor_at(l, x).shape);
  emit(l, Op::kDiv, {number(1), line}, {t});
  TensorId sum = then(l, Op::kMul, {t, number(kTerms[0])});
  for (size_t i = 1; i < kTerms.size(); ++i)
    sum = then(l, Op::kMul, {then(l, Op::kAdd, {sum, number(kTerms[i])}), t});
  const TensorId bell = then(l, Op::kExp, {then(l, Op::kNeg, {then(l, Op::kMul, {x, x})})});
  const TensorId rest = then(l, Op::kMul, {sum, bell}), value = temporary_float(l, tensor_at(l, x).shape);
  emit(l, Op::kSub, {number(1), rest}, {value});
  const TensorId sign = then(l, Op::kDiv, {x, then(l, Op::kMaximum, {size, number(1e-30f)})});
  return then(l, Op::kMul, {value, sign});
}

void lower_erf(Lowering& l, ir::NodeId id) {
  erf_of(l, read(l, id, 0));
  Operator last = std::move(l.model.operators.back());
  l.model.operators.pop_back();
  emit_result(l, id, last.op, last.inputs, last.options);
}

void lower_gelu(Lowering& l, ir::NodeId id) {
  const bool tanh = ir::string_attribute(node_at(l, id), "approximate", "none") == "tanh";
  const TensorId x = read(l, id, 0);
  if (!lacks(l, Op::kGelu) || computes_integers(l, x))
    return emit_result(l, id, Op::kGelu, {x}, {{"approximate", int64_t{tanh}}});
  const auto number = [&](double v) { return constant_float(l, static_cast<float>(v)); };
  const double root = std::sqrt(0.5), slope = std::sqrt(2 / std::numbers::pi);
  TensorId gate;
  if (tanh) {  // 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))
    const TensorId square = then(l, Op::kMul, {x, x});
    const TensorId bend =
        then(l, Op::kAdd, {then(l, Op::kMul, {square, number(0.044715 * slope)}), number(slope)});
    gate = then(l, Op::kTanh, {then(l, Op::kMul, {x, bend})});
  } else {
    gate = erf_of(l, then(l, Op::kMul, {x, number(root)}));
  }
  const TensorId half = then(l, Op::kMul, {x, number(0.5)});
  emit_result(l, id, Op::kMul, {half, then(l, Op::kAdd, {gate, number(1)})});
}

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which neither overflows nor cancels.
TensorId softplus(Lowering& l, TensorId x) {
  const TensorId small = then(l, Op::kExp, {then(l, Op::kNeg, {then(l, Op::kAbs, {x})})});
  const TensorId log = then(l, Op::kLog, {then(l, Op::kAdd, {small, constant_float(l, 1)})});
  return then(l, Op::kAdd, {then(l, Op::kRelu, {x}), log});
}
void lower_softplus(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kAdd, {softplus(l, x), constant_float(l, 0)});
}
void lower_mish(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kMul, {x, then(l, Op::kTanh, {softplus(l, x)})});
}
void lower_softsign(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kDiv, {x, then(l, Op::kAdd, {then(l, Op::kAbs, {x}), constant_float(l, 1)})});
}

// x alpha sigmoid-weighted, opset 24.
void lower_swish(Lowering& l, ir::NodeId id) {
  const float alpha = ir::float_attribute(node_at(l, id), "alpha", 1);
  const TensorId x = read(l, id, 0);
  const TensorId line = alpha == 1 ? x : then(l, Op::kMul, {x, constant_float(l, alpha)});
  emit_result(l, id, Op::kMul, {x, then(l, Op::kLogistic, {line})});
}

TensorId compared(Lowering& l, Op op, TensorId x, float with) {
  Tensor truth;
  truth.name = "t" + std::to_string(l.model.tensors.size());
  truth.type = Type::kBool;
  truth.shape = tensor_at(l, x).shape;
  const TensorId result = add_tensor(l, std::move(truth));
  emit(l, op, {x, constant_float(l, with)}, {result});
  return result;
}

// x where it is above alpha, else 0.
void lower_thresholded_relu(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  const TensorId above = compared(l, Op::kGreater, x, ir::float_attribute(node_at(l, id), "alpha", 1));
  emit_result(l, id, Op::kSelectV2, {above, x, constant_float(l, 0)});
}

// x - bias above lambd, x + bias below -lambd, else 0.
void lower_shrink(Lowering& l, ir::NodeId id) {
  const float bias = ir::float_attribute(node_at(l, id), "bias", 0),
              bound = ir::float_attribute(node_at(l, id), "lambd", 0.5f);
  const TensorId x = read(l, id, 0), zero = constant_float(l, 0);
  const TensorId below = then(l, Op::kAdd, {x, constant_float(l, bias)}),
                 above = then(l, Op::kSub, {x, constant_float(l, bias)});
  const TensorId left = temporary_float(l, tensor_at(l, x).shape);
  emit(l, Op::kSelectV2, {compared(l, Op::kLess, x, -bound), below, zero}, {left});
  emit_result(l, id, Op::kSelectV2, {compared(l, Op::kGreater, x, bound), above, left});
}

constexpr OpRow kRows[] = {
    {"HardSigmoid", free_sides, lower_hard_sigmoid},
    {"HardSwish", free_sides, lower_hard_swish},
    {"LeakyRelu", free_sides, lower_leaky_relu},
    {"Elu", free_sides, lower_elu},
    {"Selu", free_sides, lower_selu},
    {"Celu", free_sides, lower_celu},
    {"Gelu", free_sides, lower_gelu},
    {"Erf", free_sides, lower_erf},
    {"Softplus", free_sides, lower_softplus},
    {"Softsign", free_sides, lower_softsign},
    {"Mish", free_sides, lower_mish},
    {"Swish", free_sides, lower_swish},
    {"ThresholdedRelu", free_sides, lower_thresholded_relu},
    {"Shrink", free_sides, lower_shrink},
};

}  // namespace

std::span<const OpRow> activation_ops() {
  return kRows;
}

}  // namespace qc::tflite
