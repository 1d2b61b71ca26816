// See narrow_floats.h. By bits, because C++20 has no such types.
#include "quant/narrow_floats.h"

#include <bit>
#include <cmath>
#include <limits>

namespace qc::quant {
namespace {

constexpr int kDropped = 13;          // bits of a float32's mantissa that a float16 lacks
constexpr int kBiasDifference = 112;  // 127 - 15
constexpr uint32_t kSign = 0x80000000u;

/// `bits` without its lowest `count`, to the nearest, ties to even.
uint32_t without_lowest(uint32_t bits, int count) {
  const uint32_t kept = bits >> count, rest = bits & ((1u << count) - 1), tie = 1u << (count - 1);
  return kept + (rest > tie || (rest == tie && (kept & 1u)) ? 1 : 0);
}

}  // namespace

uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits & kSign) >> 16;
  if (std::fabs(value) >= kLargestFloat16) return static_cast<uint16_t>(sign | 0x7bffu);
  const int exponent = static_cast<int>(bits >> 23 & 0xff) - kBiasDifference;
  const uint32_t mantissa = bits & 0x7fffffu;
  if (exponent > 0) {
    const uint32_t rebased = static_cast<uint32_t>(exponent) << 23 | mantissa;
    return static_cast<uint16_t>(sign | without_lowest(rebased, kDropped));
  }
  if (exponent < -10) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | without_lowest(mantissa | 0x800000u, kDropped + 1 - exponent));
}

float from_float16(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                              : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  if (exponent == 31)
    value = fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  return bits & 0x8000 ? -value : value;
}

uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = without_lowest(bits & ~kSign, 16);
  return static_cast<uint16_t>((bits & kSign) >> 16 | (magnitude >= 0x7f80u ? 0x7f7fu : magnitude));
}

float from_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

std::string narrow_bytes(std::span<const float> values, bool bfloat16) {
  std::string bytes;
  bytes.reserve(2 * values.size());
  for (const float x : values) {
    const uint16_t narrow = bfloat16 ? to_bfloat16(x) : to_float16(x);
    bytes += static_cast<char>(narrow & 0xff);
    bytes += static_cast<char>(narrow >> 8);
  }
  return bytes;
}

std::vector<float> widened(std::string_view bytes, bool bfloat16) {
  std::vector<float> values(bytes.size() / 2);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto low = static_cast<unsigned char>(bytes[2 * i]),
               high = static_cast<unsigned char>(bytes[2 * i + 1]);
    const auto bits = static_cast<uint16_t>(low | (high << 8));
    values[i] = bfloat16 ? from_bfloat16(bits) : from_float16(bits);
  }
  return values;
}

}  // namespace qc::quant
