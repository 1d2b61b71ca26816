// float16 and bfloat16: numbers of 16 bits that weights are stored in. IEEE 754-2019 3.6 (binary16);
// bfloat16 is the upper half of a float32.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qc::quant {

inline constexpr float kLargestFloat16 = 65504;

/// Nearest, ties to even; subnormals included. What lies beyond the largest float16 becomes the largest.
uint16_t to_float16(float value);
float from_float16(uint16_t bits);

/// Nearest, ties to even. `value` is finite; what lies beyond the largest bfloat16 becomes the largest.
uint16_t to_bfloat16(float value);
float from_bfloat16(uint16_t bits);

/// The numbers as little-endian bytes of float16 or bfloat16, and back.
std::string narrow_bytes(std::span<const float> values, bool bfloat16);
std::vector<float> widened(std::string_view bytes, bool bfloat16);

}  // namespace qc::quant
