// Half to even without an instruction that an old CPU lacks: adding 1.5 * 2^23 (float32) or 1.5 * 2^52
// (float64) leaves no bits behind the point, and the default rounding mode does the rest.
#pragma once

namespace qc::quant {

/// |v| < 2^22
inline __attribute__((always_inline)) float round_half_even(float v) {
  constexpr float kRounder = 0x1.8p23f;
  return (v + kRounder) - kRounder;
}

/// |v| < 2^51
inline __attribute__((always_inline)) double round_half_even(double v) {
  constexpr double kRounder = 0x1.8p52;
  return (v + kRounder) - kRounder;
}

}  // namespace qc::quant
