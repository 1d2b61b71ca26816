// Element by element on two values that are broadcast to the output's shape. What XNNPACK does not take
// rounds as TFLite's own kernels do, always.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "tflite/kernels.h"

namespace qc::tflite::kernels {
namespace {

template <typename Apply>
void run_integers(const Call& call, Apply apply) {
  const std::vector<int16_t> a = centered(*call.in[0]), b = centered(*call.in[1]);
  const std::vector<int64_t> at_a = broadcast_index(call, *call.in[0]),
                             at_b = broadcast_index(call, *call.in[1]);
  const Bounds bounds = integer_bounds(call);
  const int32_t zero = call.out[0]->zero_point();
  std::vector<int32_t> out(at_a.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = within(apply(a[at_a[i]], b[at_b[i]]), zero, bounds);
  store(*call.out[0], out);
}

template <typename Apply>
void run_floats(const Call& call, Apply apply) {
  if (!is_float(*call.in[0]) || !is_float(*call.in[1]) || !is_float(*call.out[0]))
    refuse(call, call.in[0]->about->type + " with " + call.in[1]->about->type);
  const std::span<const float> a = call.in[0]->as<float>(), b = call.in[1]->as<float>();
  const std::vector<int64_t> at_a = broadcast_index(call, *call.in[0]),
                             at_b = broadcast_index(call, *call.in[1]);
  const FloatBounds bounds = float_bounds(call);
  const std::span<float> out = call.out[0]->out<float>();
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = std::clamp(apply(a[at_a[i]], b[at_b[i]]), bounds.low, bounds.high);
}

// Both inputs on a common scale with 20 bits to spare, then to the output's.
void add_integers(const Call& call, int sign) {
  constexpr int kSpare = 20;
  const double a = call.in[0]->scale(), b = call.in[1]->scale(), twice = 2 * std::max(a, b);
  const Multiplier by_a = multiplier_of(a / twice), by_b = multiplier_of(b / twice),
                   back = multiplier_of(twice / ((1 << kSpare) * double{call.out[0]->scale()}));
  run_integers(call, [&](int32_t x, int32_t y) {
    const int32_t left = multiply(x * (1 << kSpare), by_a, call.rounding),
                  right = multiply(y * (1 << kSpare), by_b, call.rounding);
    return multiply(left + sign * right, back, call.rounding);
  });
}

// XNNPACK's: one rounding of a sum of products with 20 bits.
void add_once(const Call& call, int sign) {
  constexpr int kBits = 20;
  const float out = call.out[0]->scale(), a = call.in[0]->scale() / out, b = call.in[1]->scale() / out;
  const int shift = kBits - std::ilogb(std::max(a, b));
  if (shift < 1 || shift > 30)
    return add_integers(call, sign);  // it leaves such scales to TFLite's own kernel
  const auto by_a = static_cast<int32_t>(std::nearbyint(std::ldexp(a, shift))),
             by_b = static_cast<int32_t>(std::nearbyint(std::ldexp(b, shift)));
  run_integers(call, [&](int32_t x, int32_t y) {
    return static_cast<int32_t>(
        (int64_t{x} * by_a + int64_t{sign} * y * by_b + (int64_t{1} << (shift - 1))) >> shift);
  });
}

void add_8_bit(const Call& call, int sign) {
  call.rounding == Rounding::kSingle ? add_once(call, sign) : add_integers(call, sign);
}

void add(const Call& call) {
  require_inputs(call, 2);
  if (all_8_bit(call, 2)) return add_8_bit(call, 1);
  run_floats(call, [](float x, float y) { return x + y; });
}

void sub(const Call& call) {
  require_inputs(call, 2);
  if (all_8_bit(call, 2)) return add_8_bit(call, -1);
  run_floats(call, [](float x, float y) { return x - y; });
}

void mul(const Call& call) {
  require_inputs(call, 2);
  if (!all_8_bit(call, 2)) return run_floats(call, [](float x, float y) { return x * y; });
  const float real = call.in[0]->scale() * call.in[1]->scale() / call.out[0]->scale();
  if (call.rounding == Rounding::kSingle)
    return run_integers(call, [&](int32_t x, int32_t y) { return multiply_float(x * y, real); });
  const Multiplier by = multiplier_of(double{real});
  run_integers(call, [&](int32_t x, int32_t y) { return multiply(x * y, by, call.rounding); });
}

void squared_difference(const Call& call) {
  require_inputs(call, 2);
  if (!all_8_bit(call, 2)) return run_floats(call, [](float x, float y) { return (x - y) * (x - y); });
  constexpr int kSpare = 7;
  const double a = call.in[0]->scale(), b = call.in[1]->scale(), twice = 2 * std::max(a, b);
  const Multiplier by_a = multiplier_of(a / twice), by_b = multiplier_of(b / twice),
                   back = multiplier_of(twice * twice / ((1 << (2 * kSpare)) * double{call.out[0]->scale()}));
  run_integers(call, [&](int32_t x, int32_t y) {
    const int32_t difference = multiply(x * (1 << kSpare), by_a, Rounding::kDouble) -
                               multiply(y * (1 << kSpare), by_b, Rounding::kDouble);
    return multiply(difference * difference, back, Rounding::kDouble);
  });
}

void div(const Call& call) {
  require_inputs(call, 2);
  run_floats(call, [](float x, float y) { return x / y; });
}

void pow(const Call& call) {
  require_inputs(call, 2);
  run_floats(call, [](float x, float y) { return std::pow(x, y); });
}

// Integers are compared as they are: both inputs and the output have one quantization.
template <typename Choose>
void choose(const Call& call, Choose of) {
  require_inputs(call, 2);
  if (!all_8_bit(call, 2)) return run_floats(call, of);
  const int32_t zero = call.in[0]->zero_point();
  require(call, zero == call.in[1]->zero_point() && zero == call.out[0]->zero_point(),
          "its zero points differ");
  run_integers(call, of);
}

void maximum(const Call& call) {
  choose(call, [](auto x, auto y) { return std::max(x, y); });
}
void minimum(const Call& call) {
  choose(call, [](auto x, auto y) { return std::min(x, y); });
}

void prelu(const Call& call) {
  require_inputs(call, 2);
  if (!all_8_bit(call, 2))
    return run_floats(call, [](float x, float slope) { return x >= 0 ? x : x * slope; });
  const float out = call.out[0]->scale();
  const Multiplier plain = multiplier_of(double{call.in[0]->scale() / out}),
                   sloped = multiplier_of(double{call.in[0]->scale() * call.in[1]->scale() / out});
  run_integers(call, [&](int32_t x, int32_t slope) {
    return x >= 0 ? multiply(x, plain, Rounding::kDouble) : multiply(x * slope, sloped, Rounding::kDouble);
  });
}

constexpr KernelRow kRows[] = {
    {"ADD", add},         {"SUB", sub},         {"MUL", mul},
    {"DIV", div},         {"POW", pow},         {"SQUARED_DIFFERENCE", squared_difference},
    {"MAXIMUM", maximum}, {"MINIMUM", minimum}, {"PRELU", prelu},
};

}  // namespace

std::span<const KernelRow> binary_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
