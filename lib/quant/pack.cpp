// Integers as bytes of the narrowest ONNX type that holds them (see quant_params.h). Written byte by byte, so
// that the result is little-endian on every machine.
#include <cstddef>

#include "quant/quant_params.h"

namespace qc::quant {
namespace {

/// Bits of one element as stored.
int stored_bits(int bits) {
  return bits <= 4 ? 4 : bits <= 8 ? 8 : bits <= 16 ? 16 : 32;
}

int32_t sign_extend(uint32_t value, int bits) {
  const uint32_t sign = uint32_t{1} << (bits - 1);
  return static_cast<int32_t>((value ^ sign) - sign);
}

}  // namespace

std::string pack(std::span<const int32_t> integers, const QuantParams& params) {
  const int stored = stored_bits(params.bits);
  if (stored == 4) {
    std::string bytes((integers.size() + 1) / 2, '\0');
    for (size_t i = 0; i < integers.size(); ++i) {
      const uint32_t nibble = static_cast<uint32_t>(integers[i]) & 0xFu;
      const uint32_t byte = static_cast<unsigned char>(bytes[i / 2]) | (nibble << (i % 2 * 4));
      bytes[i / 2] = static_cast<char>(byte);
    }
    return bytes;
  }
  const size_t width = static_cast<size_t>(stored) / 8;
  std::string bytes(integers.size() * width, '\0');
  for (size_t i = 0; i < integers.size(); ++i)
    for (size_t b = 0; b < width; ++b)
      bytes[i * width + b] = static_cast<char>(static_cast<uint32_t>(integers[i]) >> (8 * b));
  return bytes;
}

std::vector<int32_t> unpack(std::string_view bytes, int64_t count, const QuantParams& params) {
  const int stored = stored_bits(params.bits);
  const size_t width = static_cast<size_t>(stored) / 8;
  std::vector<int32_t> integers(count);
  for (size_t i = 0; i < integers.size(); ++i) {
    uint32_t value = 0;
    if (stored == 4) {
      value = (static_cast<unsigned char>(bytes[i / 2]) >> (i % 2 * 4)) & 0xFu;
    } else {
      for (size_t b = 0; b < width; ++b)
        value |= uint32_t{static_cast<unsigned char>(bytes[i * width + b])} << (8 * b);
    }
    integers[i] = params.is_signed ? sign_extend(value, stored) : static_cast<int32_t>(value);
  }
  return integers;
}

std::string pack_words(std::span<const int32_t> integers, int bits) {
  const auto in_word = static_cast<size_t>(values_in_word(bits));
  std::string bytes((integers.size() + in_word - 1) / in_word * 8, '\0');
  for (size_t first = 0, at = 0; first < integers.size(); first += in_word, at += 8) {
    uint64_t word = 0;
    for (size_t i = 0; i < in_word && first + i < integers.size(); ++i)
      word |=
          (static_cast<uint64_t>(static_cast<uint32_t>(integers[first + i])) & ((uint64_t{1} << bits) - 1))
          << (i * static_cast<size_t>(bits));
    for (size_t b = 0; b < 8; ++b) bytes[at + b] = static_cast<char>(word >> (8 * b));
  }
  return bytes;
}

}  // namespace qc::quant
