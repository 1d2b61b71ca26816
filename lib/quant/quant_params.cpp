// See quant_params.h. Clamping before rounding keeps values in the range of round_half_even() and changes
// nothing, because the bounds are integers.
#include "quant/quant_params.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>

#include "base/vector_clones.h"
#include "quant/rounding.h"

namespace qc::quant {
namespace {

constexpr int kWidestFloatBits = 16;  // wider integers leave the range of round_half_even(); only biases do

/// Bounds of round(x / scale), that is, of q - zero_point.
struct Bounds {
  float low, high;
};

Bounds bounds(const QuantParams& params, int32_t zero_point) {
  return {static_cast<float>(params.qmin() - zero_point), static_cast<float>(params.qmax() - zero_point)};
}

/// clamp(round(x / scale)); the comparisons are written so that NaN becomes `low`.
inline float steps(float x, float scale, float low, float high) {
  float v = x / scale;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return round_half_even(v);
}

/// The same in double, for widths beyond kWidestFloatBits (biases: onnxruntime divides them in float64 as
/// well).
double wide_steps(float x, float scale, double low, double high) {
  const double v = std::nearbyint(static_cast<double>(x) / static_cast<double>(scale));
  return v > low ? std::min(v, high) : low;
}

QC_VECTOR_CLONES void snap_in_place(float* values, int64_t count, float scale, float low, float high) {
  for (int64_t i = 0; i < count; ++i) values[i] = steps(values[i], scale, low, high) * scale;
}

QC_VECTOR_CLONES void snap_to(const float* __restrict in, float* __restrict out, int64_t count, float scale,
                              float low, float high) {
  for (int64_t i = 0; i < count; ++i) out[i] = steps(in[i], scale, low, high) * scale;
}

QC_VECTOR_CLONES void quantize_run(const float* __restrict in, int32_t* __restrict out, int64_t count,
                                   float scale, float low, float high, int32_t zero_point) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<int32_t>(steps(in[i], scale, low, high)) + zero_point;
}

QC_VECTOR_CLONES void dequantize_run(const int32_t* __restrict in, float* __restrict out, int64_t count,
                                     float scale, int32_t zero_point) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i] - zero_point) * scale;
}

// Channels innermost: a row has a scale for each element.
QC_VECTOR_CLONES void quantize_row(const float* __restrict in, int32_t* __restrict out, int64_t count,
                                   const float* __restrict scale, const float* __restrict low,
                                   const float* __restrict high, const int32_t* __restrict zero_points) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<int32_t>(steps(in[i], scale[i], low[i], high[i])) + zero_points[i];
}

QC_VECTOR_CLONES void dequantize_row(const int32_t* __restrict in, float* __restrict out, int64_t count,
                                     const float* __restrict scale, const int32_t* __restrict zero_points) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i] - zero_points[i]) * scale[i];
}

void quantize_wide_run(const float* in, int32_t* out, int64_t count, float scale, const QuantParams& params,
                       int32_t zero_point) {
  const double low = static_cast<double>(params.qmin() - zero_point);
  const double high = static_cast<double>(params.qmax() - zero_point);
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<int32_t>(static_cast<int64_t>(wide_steps(in[i], scale, low, high)) + zero_point);
}

/// Calls run(first element, count, index of its scale) for every stretch of equal scale.
template <typename Run>
void for_each_run(std::span<const int64_t> dims, const QuantParams& params, int64_t total, const Run& run) {
  if (!params.per_channel()) return run(int64_t{0}, total, size_t{0});
  const ChannelLayout layout = channel_layout(dims, params.axis);
  const int64_t scales = scales_in_channel(layout, params);
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c) {
      const int64_t first = (o * layout.channels + c) * layout.inner;
      if (params.block_size == 0) {
        run(first, layout.inner, static_cast<size_t>(c));
        continue;
      }
      for (int64_t i = 0; i < layout.inner;) {
        const int64_t in_channel = o * layout.inner + i, block = in_channel / params.block_size;
        const int64_t count = std::min(layout.inner - i, (block + 1) * params.block_size - in_channel);
        run(first + i, count, static_cast<size_t>(c * scales + block));
        i += count;
      }
    }
}

/// The length of a row where each element has its channel's scale; 0: no such rows.
int64_t row_of_channels(std::span<const int64_t> dims, const QuantParams& params) {
  if (!params.per_channel() || params.block_size != 0) return 0;
  const ChannelLayout layout = channel_layout(dims, params.axis);
  return layout.inner == 1 && layout.outer > 1 ? layout.channels : 0;
}

/// Into what float32 can hold; a bound that is no number stands for "nothing known".
double finite(double value) {
  if (std::isnan(value)) return 0;
  return std::clamp(value, -static_cast<double>(FLT_MAX), static_cast<double>(FLT_MAX));
}

}  // namespace

QuantParams asymmetric_params(double min, double max, int bits, bool is_signed) {
  QuantParams params;
  params.bits = bits;
  params.is_signed = is_signed;
  const double low = std::min(finite(min), 0.0), high = std::max(finite(max), 0.0);
  const auto qmin = static_cast<double>(params.qmin()), qmax = static_cast<double>(params.qmax());
  const double scale = (high - low) / (qmax - qmin);
  if (scale < static_cast<double>(kLeastScale)) {
    params.scales = {std::ldexp(1.0f, -bits)};
    params.zero_points = {static_cast<int32_t>(params.qmin())};
    return params;
  }
  const double zero_point = std::clamp(std::nearbyint(qmin - low / scale), qmin, qmax);
  params.scales = {static_cast<float>(scale)};
  params.zero_points = {static_cast<int32_t>(zero_point)};
  return params;
}

QuantParams symmetric_params(double threshold, int bits, bool is_signed, bool narrow_range) {
  QuantParams params;
  params.bits = bits;
  params.is_signed = is_signed;
  params.narrow_range = narrow_range && is_signed;
  const double levels =
      narrow_range ? static_cast<double>(params.qmax()) : std::ldexp(1.0, bits - (is_signed ? 1 : 0));
  params.scales = {std::max(static_cast<float>(finite(threshold) / levels), kLeastScale)};
  params.zero_points = {0};
  return params;
}

double largest_bias(const QuantParams& weight) {
  return weight.stored_bits() <= 4 ? 0x1p26 : 0x1p30;
}

bool takes_zeros(const QuantParams& params) {
  return params.bits == 8 && params.codebook.empty() && params.axis <= 0 &&
         std::ranges::all_of(params.zero_points, [](int32_t zero_point) { return zero_point == 0; });
}

bool is_power_of_two(float scale) {
  int exponent = 0;
  return std::frexp(scale, &exponent) == 0.5f;
}

float range_min(const QuantParams& params) {
  return bounds(params, params.zero_points[0]).low * params.scales[0];
}

float range_max(const QuantParams& params) {
  return bounds(params, params.zero_points[0]).high * params.scales[0];
}

void fake_quantize(std::span<const float> in, std::span<float> out, const QuantParams& params) {
  const float scale = params.scales[0];
  const Bounds b = bounds(params, params.zero_points[0]);
  const auto count = static_cast<int64_t>(in.size());
  if (params.bits > kWidestFloatBits) {
    for (size_t i = 0; i < in.size(); ++i)
      out[i] = static_cast<float>(
                   wide_steps(in[i], scale, static_cast<double>(b.low), static_cast<double>(b.high))) *
               scale;
  } else if (in.data() == out.data()) {
    snap_in_place(out.data(), count, scale, b.low, b.high);
  } else {
    snap_to(in.data(), out.data(), count, scale, b.low, b.high);
  }
}

ChannelLayout channel_layout(std::span<const int64_t> dims, int axis) {
  ChannelLayout layout;
  for (int d = 0; d < static_cast<int>(dims.size()); ++d) {
    int64_t& part = axis < 0 || d > axis ? layout.inner : d < axis ? layout.outer : layout.channels;
    part *= dims[d];
  }
  return layout;
}

int64_t scales_in_channel(const ChannelLayout& layout, const QuantParams& params) {
  const int64_t length = layout.outer * layout.inner;
  return params.block_size == 0 ? 1 : (length + params.block_size - 1) / params.block_size;
}

std::span<const int32_t> codebook_of(const QuantParams& params, size_t channel) {
  const size_t size = size_t{1} << params.index_bits;
  const std::span<const int32_t> all(params.codebook);
  return params.codebook_per_channel() ? all.subspan(channel * size, size) : all;
}

int32_t nearest_of(std::span<const int32_t> codebook, double v) {
  const auto above = std::lower_bound(codebook.begin(), codebook.end(), v);
  const bool low = above == codebook.end() || (above != codebook.begin() && v - *(above - 1) <= *above - v);
  return low ? *(above - 1) : *above;
}

namespace {

// A codebook's answers looked up instead of searched: budgets round every weight dozens of times. Where two
// values meet lies at a whole or half step, so that one answer holds between two of these, and one at each.
class Lookup {
 public:
  explicit Lookup(std::span<const int32_t> book) : book_(book), base_(2 * book.front()) {
    constexpr int32_t kWidest = 1 << 10;  // half steps
    if (2 * book.back() - base_ > kWidest) return;
    for (int32_t half = base_; half <= 2 * book.back(); ++half) {
      at_.push_back(nearest_of(book, half / 2.0));
      behind_.push_back(nearest_of(book, half / 2.0 + 0.25));
      place_.push_back(
          static_cast<int32_t>(std::lower_bound(book.begin(), book.end(), (half + 1) >> 1) - book.begin()));
    }
  }
  int32_t nearest(double v) const {
    if (at_.empty()) return nearest_of(book_, v);
    if (!(v > book_.front())) return book_.front();
    if (v >= book_.back()) return book_.back();
    const double half = std::floor(2 * v);
    const auto i = static_cast<size_t>(static_cast<int32_t>(half) - base_);
    return half == 2 * v ? at_[i] : behind_[i];
  }
  /// Of the first value that is not below.
  int32_t place(int32_t integer) const {
    if (at_.empty() || integer < book_.front() || integer > book_.back())
      return static_cast<int32_t>(std::lower_bound(book_.begin(), book_.end(), integer) - book_.begin());
    return place_[2 * integer - base_];
  }

 private:
  std::span<const int32_t> book_;
  int32_t base_;
  std::vector<int32_t> at_, behind_, place_;  // by half step from the first value on
};

// One for all channels, where they share a codebook; else none.
std::optional<Lookup> lookup_of(const QuantParams& params) {
  if (params.codebook_per_channel()) return std::nullopt;
  return Lookup(codebook_of(params, 0));
}

std::vector<int32_t> nearest_in_codebook(std::span<const float> values, std::span<const int64_t> dims,
                                         const QuantParams& params) {
  std::vector<int32_t> integers(values.size());
  const std::optional<Lookup> lookup = lookup_of(params);
  for_each_run(dims, params, static_cast<int64_t>(values.size()),
               [&](int64_t first, int64_t count, size_t channel) {
                 const auto scale = static_cast<double>(params.scales[channel]);
                 for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(first + count); ++i) {
                   const double v = static_cast<double>(values[i]) / scale;
                   integers[i] = lookup ? lookup->nearest(v) : nearest_of(codebook_of(params, channel), v);
                 }
               });
  return integers;
}

}  // namespace

std::vector<int32_t> codebook_indices(std::span<const int32_t> integers, std::span<const int64_t> dims,
                                      const QuantParams& params) {
  std::vector<int32_t> indices(integers.size());
  if (const std::optional<Lookup> lookup = lookup_of(params)) {
    for (size_t i = 0; i < integers.size(); ++i) indices[i] = lookup->place(integers[i]);
    return indices;
  }
  for_each_run(
      dims, params, static_cast<int64_t>(integers.size()), [&](int64_t first, int64_t count, size_t channel) {
        const std::span<const int32_t> book = codebook_of(params, channel);
        for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(first + count); ++i)
          indices[i] =
              static_cast<int32_t>(std::lower_bound(book.begin(), book.end(), integers[i]) - book.begin());
      });
  return indices;
}

std::vector<int32_t> quantize(std::span<const float> values, std::span<const int64_t> dims,
                              const QuantParams& params) {
  if (!params.codebook.empty()) return nearest_in_codebook(values, dims, params);
  std::vector<int32_t> integers(values.size());
  const int64_t row = params.bits > kWidestFloatBits ? 0 : row_of_channels(dims, params);
  if (row > 0) {
    std::vector<float> low, high;
    for (const int32_t zero_point : params.zero_points) {
      low.push_back(bounds(params, zero_point).low);
      high.push_back(bounds(params, zero_point).high);
    }
    for (int64_t at = 0; at < std::ssize(values); at += row)
      quantize_row(values.data() + at, integers.data() + at, row, params.scales.data(), low.data(),
                   high.data(), params.zero_points.data());
    return integers;
  }
  for_each_run(dims, params, static_cast<int64_t>(values.size()),
               [&](int64_t first, int64_t count, size_t channel) {
                 const int32_t zero_point = params.zero_points[channel];
                 const Bounds b = bounds(params, zero_point);
                 if (params.bits > kWidestFloatBits)
                   quantize_wide_run(values.data() + first, integers.data() + first, count,
                                     params.scales[channel], params, zero_point);
                 else
                   quantize_run(values.data() + first, integers.data() + first, count, params.scales[channel],
                                b.low, b.high, zero_point);
               });
  return integers;
}

std::vector<int32_t> round_bias(std::span<const float> values, std::span<const float> scales) {
  std::vector<int32_t> integers;
  for (size_t c = 0; c < values.size(); ++c) {
    const double q = std::nearbyint(static_cast<double>(values[c]) / scales[scales.size() == 1 ? 0 : c]);
    integers.push_back(static_cast<int32_t>(std::clamp<double>(q, INT32_MIN, INT32_MAX)));
  }
  return integers;
}

std::vector<float> dequantize(std::span<const int32_t> integers, std::span<const int64_t> dims,
                              const QuantParams& params) {
  std::vector<float> values(integers.size());
  if (const int64_t row = row_of_channels(dims, params)) {
    for (int64_t at = 0; at < std::ssize(integers); at += row)
      dequantize_row(integers.data() + at, values.data() + at, row, params.scales.data(),
                     params.zero_points.data());
    return values;
  }
  for_each_run(dims, params, static_cast<int64_t>(integers.size()),
               [&](int64_t first, int64_t count, size_t channel) {
                 dequantize_run(integers.data() + first, values.data() + first, count, params.scales[channel],
                                params.zero_points[channel]);
               });
  return values;
}

}  // namespace qc::quant
