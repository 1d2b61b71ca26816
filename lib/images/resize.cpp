// See resize.h. Both libraries resample along one axis and then along the other with integer weights: they
// differ in the kernel, the border rule, the weights' precision, the order of the axes, and in whether what
// stands between the passes is rounded to 8 bits (Pillow) or kept (OpenCV). So: a table of weights for each
// axis, and two passes that do not know who made it.
//   Pillow: kernels stretched by the scale where it shrinks, cut at the border and normalised to sum 1;
//   22-bit weights. OpenCV: kernels never stretched, border pixels repeated; 11-bit weights, both passes
//   rounded once at the end.
#include "images/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace qc::images {
namespace {

constexpr int kPillowBits = 22, kOpenCvBits = 11;

// For each output position, `count` consecutive inputs from `first` on and their weights.
struct Taps {
  std::vector<int64_t> first, count;
  std::vector<int32_t> weights;  // `stride` for each output position
  int64_t stride = 0;
  const int32_t* of(int64_t i) const { return weights.data() + i * stride; }
};

double triangle(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

// Keys' cubic convolution kernel (IEEE ASSP 29, 1981); a = -0.5 in Pillow, -0.75 in OpenCV.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

int32_t fixed_point(double weight, int bits) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * static_cast<double>(1 << bits));
}

// Output positions [from, from + count) of `out` made from `in`, as Pillow weighs them.
Taps pillow_taps(int64_t in, int64_t out, int64_t from, int64_t count, Interpolation interpolation) {
  const bool is_cubic = interpolation == Interpolation::kBicubic;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = (is_cubic ? 2.0 : 1.0) * stretch;
  const double shrink = 1.0 / stretch;
  Taps taps;
  taps.stride = 2 * static_cast<int64_t>(std::ceil(support)) + 1;
  taps.weights.assign(count * taps.stride, 0);
  std::vector<double> exact(taps.stride);
  for (int64_t i = 0; i < count; ++i) {
    const double center = (static_cast<double>(from + i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const int64_t end = std::min(in, static_cast<int64_t>(center + support + 0.5));
    double sum = 0;
    for (int64_t k = first; k < end; ++k) {
      const double x = (static_cast<double>(k) - center + 0.5) * shrink;
      const double weight = is_cubic ? cubic(x, -0.5) : triangle(x);
      exact[k - first] = weight;
      sum += weight;
    }
    int32_t* weights = taps.weights.data() + i * taps.stride;
    for (int64_t k = 0; k < end - first; ++k) {
      const double weight = exact[k];
      weights[k] = fixed_point(sum != 0 ? weight / sum : weight, kPillowBits);
    }
    taps.first.push_back(first);
    taps.count.push_back(end - first);
  }
  return taps;
}

// The same as OpenCV weighs them.
Taps opencv_taps(int64_t in, int64_t out, int64_t from, int64_t count, Interpolation interpolation) {
  const bool is_cubic = interpolation == Interpolation::kBicubic;
  const int64_t reach = is_cubic ? 2 : 1;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  Taps taps;
  taps.stride = 2 * reach;
  taps.weights.assign(count * taps.stride, 0);
  for (int64_t i = 0; i < count; ++i) {
    const double center = (static_cast<double>(from + i) + 0.5) * scale - 0.5;
    const auto floor = static_cast<int64_t>(std::floor(center));
    const int64_t first = std::clamp<int64_t>(floor - reach + 1, 0, in - 1);
    const int64_t end = std::clamp<int64_t>(floor + reach + 1, first + 1, in);
    int32_t* weights = taps.weights.data() + i * taps.stride;
    for (int64_t k = floor - reach + 1; k <= floor + reach; ++k) {
      const double x = static_cast<double>(k) - center;
      const double weight = is_cubic ? cubic(x, -0.75) : triangle(x);
      weights[std::clamp(k, first, end - 1) - first] += fixed_point(weight, kOpenCvBits);
    }
    taps.first.push_back(first);
    taps.count.push_back(end - first);
  }
  return taps;
}

uint8_t to_byte(int32_t value) {
  return static_cast<uint8_t>(std::clamp(value, 0, 255));
}

uint8_t round_off(int32_t sum) {
  return to_byte((sum + (1 << (kPillowBits - 1))) >> kPillowBits);
}

// `rows` rows of `stride` bytes, resampled to taps.first.size() columns. Middle: bytes, or unrounded sums.
template <typename Middle, int64_t Channels>
void across(const uint8_t* in, int64_t stride, int64_t rows, const Taps& taps, Middle* out) {
  const auto width = std::ssize(taps.first);
  for (int64_t y = 0; y < rows; ++y, in += stride) {
    for (int64_t x = 0; x < width; ++x, out += Channels) {
      const int32_t* weights = taps.of(x);
      const uint8_t* pixel = in + taps.first[x] * Channels;
      int32_t sums[Channels] = {};
      for (int64_t k = 0; k < taps.count[x]; ++k, pixel += Channels) {
        for (int64_t c = 0; c < Channels; ++c) sums[c] += pixel[c] * weights[k];
      }
      for (int64_t c = 0; c < Channels; ++c) {
        if constexpr (sizeof(Middle) == 1) {
          out[c] = round_off(sums[c]);
        } else {
          out[c] = sums[c];
        }
      }
    }
  }
}

template <typename Middle>
auto across_channels(int64_t channels) {
  return channels == 1 ? across<Middle, 1> : channels == 3 ? across<Middle, 3> : across<Middle, 4>;
}

// Rows of `length` values, `stride` apart, resampled to taps.first.size() rows. Both ways the sums end 22
// bits above a level: OpenCV's carry 11 bits from each pass.
template <typename Middle>
void down(const Middle* in, int64_t stride, int64_t length, const Taps& taps, uint8_t* out) {
  std::vector<int32_t> sums(length);
  for (int64_t y = 0; y < std::ssize(taps.first); ++y, out += length) {
    std::fill(sums.begin(), sums.end(), 0);
    const int32_t* weights = taps.of(y);
    const Middle* row = in + taps.first[y] * stride;
    for (int64_t k = 0; k < taps.count[y]; ++k, row += stride) {
      const int32_t weight = weights[k];
      for (int64_t i = 0; i < length; ++i) sums[i] += row[i] * weight;
    }
    for (int64_t i = 0; i < length; ++i) out[i] = round_off(sums[i]);
  }
}

// The inputs that the taps read, [first, first + second); the taps are made relative to the first.
std::pair<int64_t, int64_t> make_relative(Taps& taps) {
  const int64_t first = *std::min_element(taps.first.begin(), taps.first.end());
  int64_t count = 0;
  for (size_t i = 0; i < taps.first.size(); ++i) {
    taps.first[i] -= first;
    count = std::max(count, taps.first[i] + taps.count[i]);
  }
  return {first, count};
}

template <typename Middle>
Picture resample(const Picture& in, Taps columns, Taps rows, bool down_first) {
  Picture out = make_picture(std::ssize(columns.first), std::ssize(rows.first), in.channels);
  const auto [left, used_columns] = make_relative(columns);
  const auto [top, used_rows] = make_relative(rows);
  const int64_t stride = in.width * in.channels;
  const uint8_t* const corner = in.row(top) + left * in.channels;
  if (down_first) {
    std::vector<uint8_t> middle(used_columns * out.height * in.channels);
    down(corner, stride, used_columns * in.channels, rows, middle.data());
    across_channels<uint8_t>(in.channels)(middle.data(), used_columns * in.channels, out.height, columns,
                                          out.pixels.data());
  } else {
    std::vector<Middle> middle(used_rows * out.width * in.channels);
    across_channels<Middle>(in.channels)(corner, stride, used_rows, columns, middle.data());
    down(middle.data(), out.width * in.channels, out.width * in.channels, rows, out.pixels.data());
  }
  return out;
}

// Pillow from 13 on starts with the columns where that leaves much less for the second pass; before 13 never.
// With bicubic it shows: what overshoots 0..255 is cut between the passes.
bool pillow_goes_down_first(const Picture& in, int64_t width, int64_t height) {
  return height < in.height && in.height - height > 2 * (in.width - width);
}

Picture crop(const Picture& in, const Window& window) {
  Picture out = make_picture(window.width, window.height, in.channels);
  for (int64_t y = 0; y < window.height; ++y) {
    std::memcpy(out.row(y), in.row(window.top + y) + window.left * in.channels,
                static_cast<size_t>(out.width * in.channels));
  }
  return out;
}

// Pillow takes the pixel under each output pixel's centre and walks there by adding the scale; OpenCV takes
// the one under its corner, and its scale is the reciprocal of the other ratio. Each rounds differently from
// plain x * scale.
std::vector<int64_t> nearest_positions(int64_t in, int64_t out, bool as_pillow) {
  const double ratio = static_cast<double>(out) / static_cast<double>(in);
  const double scale = as_pillow ? static_cast<double>(in) / static_cast<double>(out) : 1.0 / ratio;
  std::vector<int64_t> positions(out);
  double walked = scale * 0.5;
  for (int64_t i = 0; i < out; ++i, walked += scale) {
    const double at = as_pillow ? walked : static_cast<double>(i) * scale;
    positions[i] = std::min(static_cast<int64_t>(at), in - 1);
  }
  return positions;
}

Picture resize_nearest(const Picture& in, int64_t width, int64_t height, const Window& window,
                       bool as_pillow) {
  const std::vector<int64_t> columns = nearest_positions(in.width, width, as_pillow);
  const std::vector<int64_t> rows = nearest_positions(in.height, height, as_pillow);
  Picture out = make_picture(window.width, window.height, in.channels);
  for (int64_t y = 0; y < window.height; ++y) {
    const uint8_t* from = in.row(rows[window.top + y]);
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < window.width; ++x, to += in.channels) {
      std::copy_n(from + columns[window.left + x] * in.channels, in.channels, to);
    }
  }
  return out;
}

void multiply_by_alpha(Picture& picture) {
  for (size_t i = 0; i + 3 < picture.pixels.size(); i += 4) {
    uint8_t* pixel = picture.pixels.data() + i;
    for (int c = 0; c < 3; ++c) {
      const int t = pixel[c] * pixel[3] + 128;  // rounded division by 255
      pixel[c] = static_cast<uint8_t>(((t >> 8) + t) >> 8);
    }
  }
}

void divide_by_alpha(Picture& picture) {
  for (size_t i = 0; i + 3 < picture.pixels.size(); i += 4) {
    uint8_t* pixel = picture.pixels.data() + i;
    const int alpha = pixel[3];
    if (alpha == 0 || alpha == 255) continue;
    for (int c = 0; c < 3; ++c) pixel[c] = to_byte(255 * pixel[c] / alpha);
  }
}

}  // namespace

Picture resize(const Picture& picture, int64_t width, int64_t height, const Window& window,
               Interpolation interpolation, bool antialias) {
  if (width == picture.width && height == picture.height) return crop(picture, window);
  if (interpolation == Interpolation::kNearest)
    return resize_nearest(picture, width, height, window, antialias);
  const auto taps = antialias ? pillow_taps : opencv_taps;
  const Taps columns = taps(picture.width, width, window.left, window.width, interpolation);
  const Taps rows = taps(picture.height, height, window.top, window.height, interpolation);
  if (!antialias) return resample<int32_t>(picture, columns, rows, false);
  const bool down_first = pillow_goes_down_first(picture, width, height);
  if (is_opaque(picture)) return resample<uint8_t>(picture, columns, rows, down_first);
  Picture multiplied = picture;
  multiply_by_alpha(multiplied);
  Picture out = resample<uint8_t>(multiplied, columns, rows, down_first);
  divide_by_alpha(out);
  return out;
}

}  // namespace qc::images
