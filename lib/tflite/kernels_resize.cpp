// RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.
#include <algorithm>
#include <cmath>

#include "tflite/kernels.h"

namespace qc::tflite::kernels {
namespace {

struct Shape {
  int64_t batch, in_y, in_x, out_y, out_x, channels;
  bool align_corners, half_pixel_centers;
};

Shape shape_of(const Call& call) {
  require_inputs(call, 1);
  const auto &in = call.in[0]->shape(), &out = call.out[0]->shape();
  const bool fits =
      in.size() == 4 && out.size() == 4 && in[0] == out[0] && in[3] == out[3] && in[1] > 0 && in[2] > 0;
  require(call, fits && call.in[0]->dtype() == call.out[0]->dtype(), "its input and output do not fit");
  return {in[0],
          in[1],
          in[2],
          out[1],
          out[2],
          in[3],
          file::int_option(call.op, "align_corners") != 0,
          file::int_option(call.op, "half_pixel_centers") != 0};
}

// Two neighbours and how far the point stands behind the first, in units of `one`.
template <typename T>
struct Between {
  int64_t low = 0, high = 0;
  T past = 0;
};

constexpr int64_t kOne = 1 << 10;  // integer positions have ten bits behind the point

std::vector<Between<int64_t>> integer_positions(const Shape& shape, int64_t in, int64_t out) {
  int64_t scale = (kOne * in + out / 2) / out;
  if (shape.align_corners && out > 1) scale = (kOne * (in - 1) + (out - 1) / 2) / (out - 1);
  std::vector<Between<int64_t>> positions;
  for (int64_t i = 0; i < out; ++i) {
    const int64_t at = i * scale + (shape.half_pixel_centers ? scale / 2 - kOne / 2 : 0);
    const int64_t low = std::max<int64_t>(at / kOne, 0), high = std::min((at + kOne - 1) / kOne, in - 1);
    positions.push_back({low, high, at - kOne * low});
  }
  return positions;
}

std::vector<Between<float>> float_positions(const Shape& shape, int64_t in, int64_t out) {
  const float scale = shape.align_corners && out > 1
                          ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                          : static_cast<float>(in) / static_cast<float>(out);
  std::vector<Between<float>> positions;
  for (int64_t i = 0; i < out; ++i) {
    const auto x = static_cast<float>(i);
    const float at = shape.half_pixel_centers ? (x + 0.5f) * scale - 0.5f : x * scale;
    const auto low = std::max<int64_t>(static_cast<int64_t>(std::floor(at)), 0);
    const int64_t high = std::min(static_cast<int64_t>(std::ceil(at)), in - 1);
    positions.push_back({std::min(low, in - 1), high, at - static_cast<float>(low)});
  }
  return positions;
}

// XNNPACK's positions: weights of eleven bits.
constexpr int kFineBits = 11;
constexpr int64_t kFine = int64_t{1} << kFineBits;

std::vector<Between<int64_t>> fine_positions(const Shape& shape, int64_t in, int64_t out) {
  const float scale = shape.align_corners && out > 1
                          ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                          : static_cast<float>(in) / static_cast<float>(out);
  const float offset = shape.half_pixel_centers ? 0.5f * scale - 0.5f : 0.0f;
  std::vector<Between<int64_t>> positions;
  for (int64_t i = 0; i < out; ++i) {
    const float at = std::clamp(static_cast<float>(i) * scale + offset, 0.0f, static_cast<float>(in - 1));
    const auto low = static_cast<int64_t>(at);
    const float past = (at - static_cast<float>(low)) * static_cast<float>(kFine);
    positions.push_back({low, std::min(low + 1, in - 1), static_cast<int64_t>(std::nearbyint(past))});
  }
  return positions;
}

// sink(element of the output, sum of the four corners by their weights, whose unit is one * one)
template <typename T, typename In, typename Sink>
void blend(const Shape& s, const In& in, const std::vector<Between<T>>& ys, const std::vector<Between<T>>& xs,
           T one, Sink sink) {
  size_t at = 0;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (const Between<T>& y : ys) {
      for (const Between<T>& x : xs) {
        for (int64_t c = 0; c < s.channels; ++c) {
          const auto corner = [&](int64_t row, int64_t column) {
            return static_cast<T>(in[((n * s.in_y + row) * s.in_x + column) * s.channels + c]);
          };
          sink(at++, corner(y.low, x.low) * (one - y.past) * (one - x.past) +
                         corner(y.high, x.low) * y.past * (one - x.past) +
                         corner(y.low, x.high) * (one - y.past) * x.past +
                         corner(y.high, x.high) * y.past * x.past);
        }
      }
    }
  }
}

void resize_bilinear(const Call& call) {
  const Shape shape = shape_of(call);
  if (all_8_bit(call, 1)) {
    std::vector<int32_t> out(call.out[0]->size());
    if (call.rounding == Rounding::kSingle) {
      blend<int64_t>(shape, integers(*call.in[0]), fine_positions(shape, shape.in_y, shape.out_y),
                     fine_positions(shape, shape.in_x, shape.out_x), kFine, [&](size_t at, int64_t sum) {
                       out[at] = static_cast<int32_t>((sum + kFine * kFine / 2) >> (2 * kFineBits));
                     });
      return store(*call.out[0], out);
    }
    constexpr int64_t kUnit = kOne * kOne;
    blend<int64_t>(shape, integers(*call.in[0]), integer_positions(shape, shape.in_y, shape.out_y),
                   integer_positions(shape, shape.in_x, shape.out_x), kOne, [&](size_t at, int64_t sum) {
                     out[at] = static_cast<int32_t>((sum + (sum > 0 ? kUnit / 2 : -kUnit / 2)) / kUnit);
                   });
    return store(*call.out[0], out);
  }
  if (!is_float(*call.in[0])) refuse(call, "type " + call.in[0]->about->type);
  const std::span<float> out = call.out[0]->out<float>();
  blend<float>(shape, call.in[0]->as<float>(), float_positions(shape, shape.in_y, shape.out_y),
               float_positions(shape, shape.in_x, shape.out_x), 1.0f,
               [&](size_t at, float sum) { out[at] = sum; });
}

std::vector<int64_t> nearest_positions(const Shape& shape, int64_t in, int64_t out) {
  const float scale = shape.align_corners && out > 1
                          ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                          : static_cast<float>(in) / static_cast<float>(out);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < out; ++i) {
    const float at = (static_cast<float>(i) + (shape.half_pixel_centers ? 0.5f : 0.0f)) * scale;
    const auto nearest = static_cast<int64_t>(shape.align_corners ? std::round(at) : std::floor(at));
    positions.push_back(std::clamp<int64_t>(nearest, 0, in - 1));
  }
  return positions;
}

void resize_nearest(const Call& call) {
  const Shape s = shape_of(call);
  const int bits = ir::bits_of(call.in[0]->dtype());
  if (bits % 8 != 0 || bits == 0) refuse(call, "type " + call.in[0]->about->type);
  const auto bytes = static_cast<size_t>(s.channels * bits / 8);
  const std::vector<int64_t> ys = nearest_positions(s, s.in_y, s.out_y),
                             xs = nearest_positions(s, s.in_x, s.out_x);
  char* to = call.out[0]->own.data();
  for (int64_t n = 0; n < s.batch; ++n) {
    for (const int64_t y : ys) {
      for (const int64_t x : xs)
        to = std::copy_n(
            call.in[0]->bytes.data() + static_cast<size_t>((n * s.in_y + y) * s.in_x + x) * bytes, bytes, to);
    }
  }
}

constexpr KernelRow kRows[] = {{"RESIZE_BILINEAR", resize_bilinear},
                               {"RESIZE_NEAREST_NEIGHBOR", resize_nearest}};

}  // namespace

std::span<const KernelRow> resize_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
