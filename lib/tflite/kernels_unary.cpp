// Element by element on one value. On 8 bits every one of them is a table of 256 entries; they differ in how
// it is made.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "quant/narrow_floats.h"
#include "tflite/kernels.h"

namespace qc::tflite::kernels {
namespace {

// out = table(q - zero point of the input) + zero point of the output, within the type.
void run_table(const Call& call, const std::function<int32_t(int32_t)>& entry) {
  const Value& in = *call.in[0];
  const Bounds bounds = integer_bounds(call);
  constexpr int kEntries = 256;
  std::array<int32_t, kEntries> table{};
  const auto first = static_cast<int32_t>(lowest(in));
  for (int32_t i = 0; i < kEntries; ++i)
    table[i] = within(entry(first + i - in.zero_point()), call.out[0]->zero_point(), bounds);
  std::vector<int32_t> out;
  for (const int64_t q : integers(in)) out.push_back(table[q - first]);
  store(*call.out[0], out);
}

void require_same_size(const Call& call) {
  require_inputs(call, 1);
  require(call, call.in[0]->size() == call.out[0]->size(), "its output has another size");
}

void run_floats(const Call& call, const std::function<float(float)>& f) {
  if (!is_float(*call.in[0]) || !is_float(*call.out[0])) refuse(call, "type " + call.in[0]->about->type);
  const std::span<const float> in = call.in[0]->as<float>();
  std::transform(in.begin(), in.end(), call.out[0]->out<float>().begin(), f);
}

// --- functions of a real number

float logistic(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}
float tanh(float x) {
  return std::tanh(x);
}
float elu(float x) {
  return x < 0 ? std::expm1(x) : x;
}
float gelu(float x) {
  return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
}
float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
}
float exp(float x) {
  return std::exp(x);
}
float log(float x) {
  return std::log(x);
}
float sqrt(float x) {
  return std::sqrt(x);
}
float rsqrt(float x) {
  return 1.0f / std::sqrt(x);
}
float abs(float x) {
  return std::fabs(x);
}
float neg(float x) {
  return -x;
}
float sin(float x) {
  return std::sin(x);
}
float cos(float x) {
  return std::cos(x);
}
float floor(float x) {
  return std::floor(x);
}
float ceil(float x) {
  return std::ceil(x);
}
float round(float x) {
  return std::nearbyint(x);
}
float square(float x) {
  return x * x;
}
float sign(float x) {
  return static_cast<float>((x > 0) - (x < 0));
}

// As the kernels do: all of it in float32, the last step a product with the reciprocal. Of those that XNNPACK
// takes, its own tables round halves to even.
template <float (*F)(float), bool kXnnpack = false>
void by_function(const Call& call) {
  require_same_size(call);
  if (!all_8_bit(call, 1)) return run_floats(call, F);
  const float scale = call.in[0]->scale(), inverse = 1.0f / call.out[0]->scale();
  run_table(call, [&](int32_t q) {
    const float exact = F(scale * static_cast<float>(q)) * inverse;
    const float result =
        kXnnpack && call.rounding == Rounding::kSingle ? std::nearbyint(exact) : std::round(exact);
    if (std::isnan(result)) return 0;
    constexpr float kFar = 1e6f;  // beyond any 8 bits; infinities end here
    return static_cast<int32_t>(std::clamp(result, -kFar, kFar));
  });
}

void gelu_either(const Call& call) {
  file::int_option(call.op, "approximate") ? by_function<gelu_tanh>(call) : by_function<gelu>(call);
}

// --- rescaled pieces of a line

struct Ends {
  float low = 0, high = std::numeric_limits<float>::infinity();
};

void clipped(const Call& call, Ends ends) {
  require_same_size(call);
  if (!all_8_bit(call, 1))
    return run_floats(call, [&](float x) { return std::clamp(x, ends.low, ends.high); });
  const Value& out = *call.out[0];
  const Multiplier by = multiplier_of(double{call.in[0]->scale() / out.scale()});
  constexpr float kFar = 1e6f;  // beyond any 8 bits
  const auto low = static_cast<int32_t>(std::clamp(std::round(ends.low / out.scale()), -kFar, kFar));
  const auto high = std::isinf(ends.high)
                        ? highest(out) - out.zero_point()
                        : static_cast<int64_t>(std::min(std::round(ends.high / out.scale()), kFar));
  run_table(call, [&](int32_t q) {
    const int32_t x = multiply(q, by, Rounding::kDouble);
    return static_cast<int32_t>(std::min<int64_t>(std::max(x, low), high));
  });
}

void relu(const Call& call) {
  clipped(call, {});
}
void relu6(const Call& call) {
  clipped(call, {0, 6});
}
void relu_n1_to_1(const Call& call) {
  clipped(call, {-1, 1});
}
void relu_0_to_1(const Call& call) {
  clipped(call, {0, 1});
}

void leaky_relu(const Call& call) {
  require_same_size(call);
  const auto alpha = static_cast<float>(file::float_option(call.op, "alpha"));
  if (!all_8_bit(call, 1)) return run_floats(call, [&](float x) { return x >= 0 ? x : x * alpha; });
  const float in = call.in[0]->scale(), out = call.out[0]->scale();
  if (call.rounding == Rounding::kSingle)
    return run_table(call,
                     [&](int32_t q) { return multiply_short(q, q >= 0 ? in / out : in / out * alpha); });
  const Multiplier plain = multiplier_of(double{in / out}),
                   sloped = multiplier_of(std::fabs(double{in * alpha / out}));
  run_table(call, [&](int32_t q) {
    if (q >= 0) return multiply(q, plain, call.rounding);
    return alpha < 0 ? multiply(-q, sloped, call.rounding) : multiply(q, sloped, call.rounding);
  });
}

// --- HARD_SWISH: 16 bit fixed point, seven bits finer than the input

int16_t saturated(int32_t x) {
  return static_cast<int16_t>(std::clamp<int32_t>(x, -32768, 32767));
}
int16_t high_product_16(int16_t a, int16_t b) {
  const int32_t product = int32_t{a} * b, half = product >= 0 ? 1 << 14 : 1 - (1 << 14);
  return saturated((product + half) / (1 << 15));
}
struct Multiplier16 {
  int16_t mantissa = 0;
  int shift = 0;
};
Multiplier16 multiplier_16_of(float real) {
  const Multiplier full = multiplier_of(double{real});
  constexpr int32_t kHalf = 1 << 15;
  const bool top = full.mantissa >= std::numeric_limits<int32_t>::max() - kHalf;
  return {top ? int16_t{32767} : static_cast<int16_t>((full.mantissa + kHalf) >> 16), full.shift};
}

void hard_swish(const Call& call) {
  require_same_size(call);
  if (!all_8_bit(call, 1))
    return run_floats(call, [](float x) { return x * std::clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f; });
  constexpr int kFiner = 7;
  const float fine = 1.0f / (1 << kFiner) * call.in[0]->scale();
  const Multiplier16 to_output = multiplier_16_of(fine / call.out[0]->scale()),
                     to_gate = multiplier_16_of(fine / (3.0f / 32768.0f));
  if (to_output.shift > 0) refuse(call, "an output scale that is too small for its input's");
  run_table(call, [&](int32_t q) {
    const auto x = static_cast<int16_t>(q * (1 << kFiner));
    const int16_t scaled = high_product_16(x, to_output.mantissa);
    int16_t gate = x;
    if (to_gate.shift > 0) gate = saturated(int32_t{gate} * (1 << (to_gate.shift - 1)));
    gate = high_product_16(gate, to_gate.mantissa);
    if (to_gate.shift > 0) gate = saturated(int32_t{gate} * 2);
    if (to_gate.shift < 0)
      gate = static_cast<int16_t>(shift_right_rounded(gate, std::min(15, -to_gate.shift)));
    gate = static_cast<int16_t>((int32_t{gate} + (1 << 15)) >> 1);  // from -1..1 to 0..1
    const int32_t product = int32_t{gate} * scaled / (1 << 15);
    return shift_right_rounded(product, std::min(31, -to_output.shift));
  });
}

// --- types

void quantize(const Call& call) {
  require_same_size(call);
  const Value &in = *call.in[0], &out = *call.out[0];
  if (!is_8_bit(out) || out.about->scales.size() != 1) refuse(call, "quantizing to " + out.about->type);
  if (is_8_bit(in)) {
    const double real = double{in.scale()} / double{out.scale()};
    if (call.rounding == Rounding::kSingle)
      return run_table(call, [&](int32_t q) { return multiply_short(q, real); });
    const Multiplier by = multiplier_of(real);
    return run_table(call, [&](int32_t q) { return multiply(q, by, call.rounding); });
  }
  if (!is_float(in)) refuse(call, "quantizing from " + in.about->type);
  const auto low = static_cast<float>(lowest(out)), high = static_cast<float>(highest(out));
  const auto zero = static_cast<float>(out.zero_point());
  std::vector<int32_t> results;
  for (const float x : in.as<float>())
    results.push_back(std::isnan(x)
                          ? static_cast<int32_t>(low)
                          : static_cast<int32_t>(std::clamp(std::round(x / out.scale()) + zero, low, high)));
  store(*call.out[0], results);
}

void dequantize(const Call& call) {
  require_same_size(call);
  const Value& in = *call.in[0];
  require(call, is_float(*call.out[0]), "its output is not float32");
  const std::span<float> out = call.out[0]->out<float>();
  if (in.dtype() == ir::DType::kFloat16) {
    const auto halves = in.as<uint16_t>();
    std::transform(halves.begin(), halves.end(), out.begin(), quant::from_float16);
    return;
  }
  const std::vector<float> reals = reals_of(in);
  if (reals.size() != out.size()) refuse(call, "dequantizing " + in.about->type);
  std::copy(reals.begin(), reals.end(), out.begin());
}

void cast(const Call& call) {
  require_same_size(call);
  Value& out = *call.out[0];
  const std::vector<double> values = numbers(call, *call.in[0]);
  if (is_float(out)) {
    std::transform(values.begin(), values.end(), out.out<float>().begin(),
                   [](double x) { return static_cast<float>(x); });
    return;
  }
  std::vector<int32_t> whole;
  for (const double x : values) {
    constexpr double kMost = 2147483647;
    whole.push_back(out.dtype() == ir::DType::kBool ? x != 0
                    : std::isnan(x)                 ? 0
                                                    : static_cast<int32_t>(std::clamp(x, -kMost, kMost)));
  }
  store(out, whole);
}

constexpr KernelRow kRows[] = {
    {"LOGISTIC", by_function<logistic, true>},
    {"TANH", by_function<tanh, true>},
    {"ELU", by_function<elu, true>},
    {"GELU", gelu_either},
    {"EXP", by_function<exp>},
    {"LOG", by_function<log>},
    {"SQRT", by_function<sqrt>},
    {"RSQRT", by_function<rsqrt>},
    {"ABS", by_function<abs>},
    {"NEG", by_function<neg>},
    {"SIN", by_function<sin>},
    {"COS", by_function<cos>},
    {"FLOOR", by_function<floor>},
    {"CEIL", by_function<ceil>},
    {"ROUND", by_function<round>},
    {"SQUARE", by_function<square>},
    {"SIGN", by_function<sign>},
    {"RELU", relu},
    {"RELU6", relu6},
    {"RELU_N1_TO_1", relu_n1_to_1},
    {"RELU_0_TO_1", relu_0_to_1},
    {"LEAKY_RELU", leaky_relu},
    {"HARD_SWISH", hard_swish},
    {"QUANTIZE", quantize},
    {"DEQUANTIZE", dequantize},
    {"CAST", cast},
};

}  // namespace

std::span<const KernelRow> unary_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
