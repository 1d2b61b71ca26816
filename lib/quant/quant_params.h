// Scale and zero-point arithmetic: whole tensors are rounded and packed here alone; searches that need more
// than the integers have loops of their own, by the same rule. Rounding is half to even everywhere (ONNX
// QuantizeLinear; the default floating point mode).
//
//   q = clamp(round(x / scale) + zero_point, qmin, qmax)         x' = (q - zero_point) * scale
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qc::quant {

/// No scale is smaller: of two, an input's and a weight's, the product is still a normal float32, which
/// accumulators and kernels count in.
inline constexpr float kLeastScale = 0x1p-60f;

struct QuantParams {
  int bits = 8;  // 2..16, 32 for biases
  bool is_signed = false;
  bool narrow_range = false;         // signed only: -2^(b-1) is not used (TFLite int8 weights: -127..127)
  int axis = -1;                     // -1: per tensor (one scale); else the dimension that scales run along
  std::vector<float> scales;         // > 0, finite
  std::vector<int32_t> zero_points;  // as many as scales
  /// Not empty: only these integers occur, and a file stores which of them. Ascending, 2^index_bits of them
  /// for the whole tensor or for each channel along `axis`, one channel after the other; a value repeats
  /// where fewer are needed. Weights only; zero points are 0.
  std::vector<int32_t> codebook = {};
  int index_bits = 0;  // of a codebook; 2..7
  /// Not 0: a scale and a zero point for so many elements of a channel, in row-major order of its other
  /// dimensions; the last block of a channel may be shorter. `scales`: block by block, one channel after the
  /// other. Weights of nodes in float only, axis >= 0, no codebook.
  int64_t block_size = 0;

  int64_t qmin() const { return is_signed ? -(int64_t{1} << (bits - 1)) + (narrow_range ? 1 : 0) : 0; }
  int64_t qmax() const { return is_signed ? (int64_t{1} << (bits - 1)) - 1 : (int64_t{1} << bits) - 1; }
  bool per_channel() const { return axis >= 0; }
  /// Bits of an element in a file.
  int stored_bits() const { return codebook.empty() ? bits : index_bits; }
  bool codebook_per_channel() const { return codebook.size() > size_t{1} << index_bits; }
  bool operator==(const QuantParams&) const = default;
};

/// Per-tensor asymmetric parameters whose range covers [min, max] widened to contain 0, zero exactly
/// representable (so either end may miss its bound by half a step). As onnxruntime quant_utils.py
/// compute_scale_zp: scale in double, stored as float32; a range too small for kLeastScale (a Relu that never
/// fires) gives [0, 1): biases behind it are counted in its steps, and steps of 1 would be coarse.
/// min >= 0 always gives zero point qmin: then a Relu in front changes nothing.
QuantParams asymmetric_params(double min, double max, int bits, bool is_signed);
/// Per-tensor symmetric parameters: scale = threshold / 2^(bits - is_signed), zero point 0 (MCT's form), or
/// with narrow_range scale = threshold / qmax (TFLite/ONNX Runtime's form). threshold > 0; never below
/// kLeastScale.
QuantParams symmetric_params(double threshold, int bits, bool is_signed, bool narrow_range);

/// The largest integer, in size, that a bias beside such a weight may have: the accumulator keeps room, and
/// the sum stays below 2^31 while K * 255 * 127 < 2^30, that is K < 33,000. XNNPACK sums weights of 4 bits
/// shifted by 4 more, and the bias with them.
double largest_bias(const QuantParams& weight);

/// Zeros may be added to a weight of these parameters: 8 bits, scales along its first dimension or one, and 0
/// stands for 0.
bool takes_zeros(const QuantParams& params);

/// 2^n for some integer n, as quantizers of that name have it.
bool is_power_of_two(float scale);

/// The real interval that the integers of a per-tensor quantizer stand for.
float range_min(const QuantParams& params);
float range_max(const QuantParams& params);

/// x -> x' in place or from `in` to `out` (same length), per tensor. Vectorised; the same result on every
/// CPU. NaN becomes the low end of the range, here and in quantize().
void fake_quantize(std::span<const float> in, std::span<float> out, const QuantParams& params);

/// Per-channel layout of a row-major tensor along `axis`, counted from the front: outer x channels x inner.
/// Below 0 the tensor is one channel, all of it `inner`.
struct ChannelLayout {
  int64_t outer = 1, channels = 1, inner = 1;
};
ChannelLayout channel_layout(std::span<const int64_t> dims, int axis);
/// Scales of one channel: 1, or its blocks.
int64_t scales_in_channel(const ChannelLayout& layout, const QuantParams& params);

/// Integers of a float tensor (per tensor or per channel), one int32 an element, row-major: the nearest step,
/// with a codebook the nearest of its values (the lower of two equally near).
std::vector<int32_t> quantize(std::span<const float> values, std::span<const int64_t> dims,
                              const QuantParams& params);
/// scale * (integer - zero point), in the same order.
std::vector<float> dequantize(std::span<const int32_t> integers, std::span<const int64_t> dims,
                              const QuantParams& params);

/// int32 integers of a bias, by channel; `scales`: one, or as many as values.
std::vector<int32_t> round_bias(std::span<const float> values, std::span<const float> scales);

/// The codebook of a channel, which is that of the whole tensor where there is one; empty where there is
/// none.
std::span<const int32_t> codebook_of(const QuantParams& params, size_t channel);
/// The nearest value of a codebook (not empty, ascending), the lower of two equally near.
int32_t nearest_of(std::span<const int32_t> codebook, double v);

/// Where each integer stands in its codebook.
std::vector<int32_t> codebook_indices(std::span<const int32_t> integers, std::span<const int64_t> dims,
                                      const QuantParams& params);

/// Bytes of the integers in the narrowest ONNX type that holds them: 2, 3 and 4 bits as INT4/UINT4 (two a
/// byte, low nibble first, odd counts padded with 0), 5..8 as 8 bits, 9..16 as 16 bits, 32 as 32 bits.
/// Little-endian.
std::string pack(std::span<const int32_t> integers, const QuantParams& params);
/// The `count` integers of such bytes.
std::vector<int32_t> unpack(std::string_view bytes, int64_t count, const QuantParams& params);

/// Values of 2..8 bits in little-endian words of 64 bits, from the lowest bits up, as many as fit whole into
/// each; what is left of the last word is 0. Of each integer the lowest `bits` are kept.
constexpr int values_in_word(int bits) {
  return 64 / bits;
}
std::string pack_words(std::span<const int32_t> integers, int bits);

}  // namespace qc::quant
