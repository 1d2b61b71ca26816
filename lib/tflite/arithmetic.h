// The integer arithmetic of TFLite's kernels, bit for bit: multiplying by a real number that is kept as a 31
// bit mantissa and a shift. Runtimes round the product differently, and both ways are here. Formulas:
// TensorFlow Lite's quantization_util and gemmlowp's fixed point, restated.
#pragma once

#include <cstdint>

namespace qc::tflite::kernels {

enum class Rounding {
  kDouble,  // TFLite's own kernels and TFLite-Micro: to 31 bits, then once more behind the shift
  kSingle,  // XNNPACK: once, and where it has a formula of its own, by that
};

/// real = mantissa * 2^(shift - 31), mantissa in [2^30, 2^31) or 0.
struct Multiplier {
  int32_t mantissa = 0;
  int shift = 0;
};
/// `real` >= 0. What is too small to matter becomes 0, what is too large the largest there is.
Multiplier multiplier_of(double real);

/// x * real, rounded. Wraps where a kernel would.
int32_t multiply(int32_t x, Multiplier by, Rounding rounding);

/// round(x * scale) as XNNPACK does it behind products: in float32, halves to even.
int32_t multiply_float(int32_t x, float scale);
/// round(x * real) with the multiplier cut to 8 bits behind the point, as XNNPACK does it from 8 bits to 8
/// bits.
int32_t multiply_short(int32_t x, double real);

/// round(a * b / 2^31), halves away from 0; the one product that does not fit saturates.
int32_t high_product(int32_t a, int32_t b);
/// round(x / 2^bits), halves away from 0. 0 <= bits < 32.
int32_t shift_right_rounded(int32_t x, int bits);

}  // namespace qc::tflite::kernels
