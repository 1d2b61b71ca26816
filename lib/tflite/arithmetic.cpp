// See arithmetic.h.
#include "tflite/arithmetic.h"

#include <cmath>
#include <limits>

namespace qc::tflite::kernels {

Multiplier multiplier_of(double real) {
  constexpr int kMostShift = 30;
  constexpr Multiplier kLargest{std::numeric_limits<int32_t>::max(), kMostShift};
  if (real == 0) return {};
  if (!std::isfinite(real)) return kLargest;
  Multiplier result;
  const double fraction = std::frexp(real, &result.shift);
  auto mantissa = static_cast<int64_t>(std::round(fraction * static_cast<double>(int64_t{1} << 31)));
  if (mantissa == int64_t{1} << 31) mantissa /= 2, ++result.shift;
  if (result.shift < -31) return {};
  if (result.shift > kMostShift) return kLargest;
  result.mantissa = static_cast<int32_t>(mantissa);
  return result;
}

int32_t high_product(int32_t a, int32_t b) {
  constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
  if (a == kLowest && b == kLowest) return std::numeric_limits<int32_t>::max();
  const int64_t product = int64_t{a} * b;
  const int64_t half = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  return static_cast<int32_t>((product + half) / (int64_t{1} << 31));
}

int32_t shift_right_rounded(int32_t x, int bits) {
  const auto mask = static_cast<int32_t>((int64_t{1} << bits) - 1);
  const int32_t remainder = x & mask, threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> bits) + (remainder > threshold ? 1 : 0);
}

int32_t multiply(int32_t x, Multiplier by, Rounding rounding) {
  if (rounding == Rounding::kSingle) {
    const int total = 31 - by.shift;
    return static_cast<int32_t>((int64_t{x} * by.mantissa + (int64_t{1} << (total - 1))) >> total);
  }
  const int left = by.shift > 0 ? by.shift : 0, right = by.shift > 0 ? 0 : -by.shift;
  const auto shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  return shift_right_rounded(high_product(shifted, by.mantissa), right);
}

int32_t multiply_float(int32_t x, float scale) {
  constexpr float kFar = 1e9f;  // beyond any 8 bits
  return static_cast<int32_t>(
      std::nearbyint(std::fmin(std::fmax(static_cast<float>(x) * scale, -kFar), kFar)));
}

int32_t multiply_short(int32_t x, double real) {
  constexpr int kBits = 8;
  const auto mantissa = static_cast<int64_t>(std::nearbyint(static_cast<float>(real) * (1 << kBits)));
  return static_cast<int32_t>((x * mantissa + (1 << (kBits - 1))) >> kBits);
}

}  // namespace qc::tflite::kernels
