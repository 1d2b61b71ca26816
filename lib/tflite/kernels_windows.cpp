// Convolutions and pools. Integer inputs are centred to int16 first, so that padding is 0 and the sums run on
// the widest integer instruction that every CPU has.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tflite/kernels.h"
#include "tflite/requantize.h"

namespace qc::tflite::kernels {
namespace {

struct Axis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, before = 0;
};
struct Windows {
  int64_t batch = 1, in_channels = 1, out_channels = 1;
  Axis y, x;
};

Axis axis_with_padding(const Call& call, Axis axis) {
  require(call, axis.stride > 0 && axis.dilation > 0 && axis.kernel > 0,
          "stride, dilation or kernel is not positive");
  const int64_t reach = (axis.kernel - 1) * axis.dilation + 1;
  const bool same = file::text_option(call.op, "padding", "SAME") == "SAME";
  const int64_t out = same ? (axis.in + axis.stride - 1) / axis.stride : (axis.in - reach) / axis.stride + 1;
  require(call, axis.out == out, "its output does not have the size that its window gives");
  if (same) axis.before = std::max<int64_t>(0, (out - 1) * axis.stride + reach - axis.in) / 2;
  return axis;
}

// Kernel sizes are the caller's.
Windows windows_of(const Call& call, int64_t kernel_y, int64_t kernel_x) {
  const auto& in = call.in[0]->shape();
  const auto& out = call.out[0]->shape();
  require(call, in.size() == 4 && out.size() == 4 && in[0] == out[0],
          "input and output are not of rank 4 and one batch");
  const auto option = [&](const char* name, int64_t fallback) {
    return file::int_option(call.op, name, fallback);
  };
  Windows w{in[0], in[3], out[3], {}, {}};
  w.y = axis_with_padding(
      call, {in[1], out[1], kernel_y, option("stride_h", 0), option("dilation_h_factor", 1), 0});
  w.x = axis_with_padding(
      call, {in[2], out[2], kernel_x, option("stride_w", 0), option("dilation_w_factor", 1), 0});
  return w;
}

int32_t dot(const int16_t* a, const int16_t* b, int64_t n) {
  int32_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
// In eight sums, which the compiler may keep side by side.
float dot(const float* a, const float* b, int64_t n) {
  constexpr int64_t kLanes = 8;
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// The channels [first, first + count) under the window at (oy, ox), zeros outside the picture: [kernel y,
// kernel x, count].
template <typename T>
void gather(const Windows& w, const T* image, int64_t oy, int64_t ox, int64_t first, int64_t count,
            T* patch) {
  for (int64_t ky = 0; ky < w.y.kernel; ++ky) {
    const int64_t y = oy * w.y.stride - w.y.before + ky * w.y.dilation;
    for (int64_t kx = 0; kx < w.x.kernel; ++kx, patch += count) {
      const int64_t x = ox * w.x.stride - w.x.before + kx * w.x.dilation;
      if (y < 0 || y >= w.y.in || x < 0 || x >= w.x.in)
        std::fill_n(patch, count, T{0});
      else
        std::copy_n(image + (y * w.x.in + x) * w.in_channels + first, count, patch);
    }
  }
}

// sink(element of the output, channel, sum)
template <typename T, typename Sink>
void sum_conv(const Windows& w, const T* x, const T* weights, int64_t depth, Sink sink) {
  const int64_t groups = w.in_channels / depth, per_group = w.out_channels / groups;
  const int64_t patch_size = w.y.kernel * w.x.kernel * depth;
  std::vector<T> patch(patch_size);
  int64_t at = 0;
  for (int64_t n = 0; n < w.batch; ++n) {
    const T* image = x + n * w.y.in * w.x.in * w.in_channels;
    for (int64_t pixel = 0; pixel < w.y.out * w.x.out; ++pixel) {
      for (int64_t g = 0; g < groups; ++g) {
        gather(w, image, pixel / w.x.out, pixel % w.x.out, g * depth, depth, patch.data());
        for (int64_t o = g * per_group; o < (g + 1) * per_group; ++o)
          sink(at++, o, dot(patch.data(), weights + o * patch_size, patch_size));
      }
    }
  }
}

template <typename T, typename Sum, typename Sink>
void sum_depthwise(const Windows& w, const T* x, const T* weights, Sink sink) {
  const int64_t multiple = w.out_channels / w.in_channels, taps = w.y.kernel * w.x.kernel;
  std::vector<T> patch(taps * w.in_channels);
  std::vector<Sum> sums(w.out_channels);
  int64_t at = 0;
  for (int64_t n = 0; n < w.batch; ++n) {
    const T* image = x + n * w.y.in * w.x.in * w.in_channels;
    for (int64_t pixel = 0; pixel < w.y.out * w.x.out; ++pixel) {
      gather(w, image, pixel / w.x.out, pixel % w.x.out, 0, w.in_channels, patch.data());
      std::fill(sums.begin(), sums.end(), Sum{0});
      for (int64_t tap = 0; tap < taps; ++tap) {
        const T *values = patch.data() + tap * w.in_channels, *row = weights + tap * w.out_channels;
        for (int64_t o = 0; o < w.out_channels; ++o)
          sums[o] += static_cast<Sum>(values[o / multiple] * row[o]);
      }
      for (int64_t o = 0; o < w.out_channels; ++o) sink(at++, o, sums[o]);
    }
  }
}

// Integers or floats through one of the two sums above.
template <typename SumInt, typename SumFloat>
void run_weighted(const Call& call, const Value& x, const Value& weights, const Value* bias, SumInt sum_int,
                  SumFloat sum_float) {
  const int64_t channels = call.out[0]->shape().back();
  if (is_8_bit(x)) {
    const Requantizer requantize = weighted_requantizer(call, x, weights, bias, channels);
    const std::vector<int16_t> in = centered(x), w = centered(weights);
    std::vector<int32_t> results(call.out[0]->size());
    sum_int(in.data(), w.data(),
            [&](int64_t at, int64_t channel, int32_t sum) { results[at] = requantize(sum, channel); });
    return store(*call.out[0], results);
  }
  if (!is_float(x) || !is_float(weights) || !is_float(*call.out[0]))
    refuse(call, x.about->type + " with " + weights.about->type + " weights");
  const std::span<const float> offsets = bias ? bias->as<float>() : std::span<const float>();
  require(call, !bias || (is_float(*bias) && offsets.size() == static_cast<size_t>(channels)),
          "its bias has another size");
  const FloatBounds bounds = float_bounds(call);
  const std::span<float> out = call.out[0]->out<float>();
  sum_float(x.as<float>().data(), weights.as<float>().data(), [&](int64_t at, int64_t channel, float sum) {
    const float shifted = sum + (offsets.empty() ? 0.0f : offsets[channel]);
    out[at] = std::clamp(shifted, bounds.low, bounds.high);
  });
}

const Value* optional_input(const Call& call, size_t slot) {
  return slot < call.in.size() ? call.in[slot] : nullptr;
}

void conv_2d(const Call& call) {
  require_inputs(call, 2);
  const auto& filter = call.in[1]->shape();
  require(call, filter.size() == 4, "its filter is not of rank 4");
  const Windows w = windows_of(call, filter[1], filter[2]);
  const int64_t depth = filter[3];
  const bool fits = depth > 0 && w.in_channels % depth == 0 && filter[0] == w.out_channels &&
                    w.in_channels > 0 && w.out_channels % (w.in_channels / depth) == 0;
  require(call, fits, "its filter does not fit the channels");
  const auto sum = [&](const auto* x, const auto* weights, auto sink) {
    sum_conv(w, x, weights, depth, sink);
  };
  run_weighted(call, *call.in[0], *call.in[1], optional_input(call, 2), sum, sum);
}

void depthwise_conv_2d(const Call& call) {
  require_inputs(call, 2);
  const auto& filter = call.in[1]->shape();
  require(call, filter.size() == 4 && filter[0] == 1, "its filter is not [1, height, width, channels]");
  const Windows w = windows_of(call, filter[1], filter[2]);
  require(call, w.in_channels > 0 && filter[3] == w.out_channels && w.out_channels % w.in_channels == 0,
          "its filter does not fit the channels");
  run_weighted(
      call, *call.in[0], *call.in[1], optional_input(call, 2),
      [&](const int16_t* x, const int16_t* weights, auto sink) {
        sum_depthwise<int16_t, int32_t>(w, x, weights, sink);
      },
      [&](const float* x, const float* weights, auto sink) {
        sum_depthwise<float, float>(w, x, weights, sink);
      });
}

// The input's pixels are spread over the output; `w` is the conv that leads back from the output.
template <typename T, typename Sum, typename Sink>
void sum_transposed(const Windows& w, const T* x, const T* weights, Sink sink) {
  const int64_t depth = w.in_channels, pixels = w.y.out * w.x.out;
  std::vector<Sum> sums(pixels * w.out_channels);
  for (int64_t n = 0; n < w.batch; ++n) {
    std::fill(sums.begin(), sums.end(), Sum{0});
    for (int64_t from = 0; from < w.y.in * w.x.in; ++from) {
      const T* values = x + (n * w.y.in * w.x.in + from) * depth;
      for (int64_t tap = 0; tap < w.y.kernel * w.x.kernel; ++tap) {
        const int64_t y = from / w.x.in * w.y.stride - w.y.before + tap / w.x.kernel;
        const int64_t to_x = from % w.x.in * w.x.stride - w.x.before + tap % w.x.kernel;
        if (y < 0 || y >= w.y.out || to_x < 0 || to_x >= w.x.out) continue;
        for (int64_t o = 0; o < w.out_channels; ++o)
          sums[(y * w.x.out + to_x) * w.out_channels + o] +=
              dot(values, weights + (o * w.y.kernel * w.x.kernel + tap) * depth, depth);
      }
    }
    for (int64_t i = 0; i < pixels * w.out_channels; ++i)
      sink(n * pixels * w.out_channels + i, i % w.out_channels, sums[i]);
  }
}

void transpose_conv(const Call& call) {
  require_inputs(call, 3);
  const auto &filter = call.in[1]->shape(), &in = call.in[2]->shape(), &out = call.out[0]->shape();
  const bool fits = filter.size() == 4 && in.size() == 4 && out.size() == 4 && in[0] == out[0] &&
                    filter[0] == out[3] && filter[3] == in[3];
  require(call, fits, "its filter does not fit the channels");
  const bool same = file::text_option(call.op, "padding", "SAME") == "SAME";
  const auto axis = [&](int64_t from, int64_t to, int64_t kernel, int64_t stride) {
    require(call, stride > 0 && kernel > 0, "its stride or kernel is not positive");
    const int64_t over = (from - 1) * stride + kernel - to;
    return Axis{from, to, kernel, stride, 1, same ? std::max<int64_t>(0, over) / 2 : 0};
  };
  Windows w{in[0], in[3], out[3], {}, {}};
  w.y = axis(in[1], out[1], filter[1], file::int_option(call.op, "stride_h"));
  w.x = axis(in[2], out[2], filter[2], file::int_option(call.op, "stride_w"));
  run_weighted(
      call, *call.in[2], *call.in[1], optional_input(call, 3),
      [&](const int16_t* x, const int16_t* weights, auto sink) {
        sum_transposed<int16_t, int32_t>(w, x, weights, sink);
      },
      [&](const float* x, const float* weights, auto sink) {
        sum_transposed<float, float>(w, x, weights, sink);
      });
}

// --- pools

// each(element of the output, indices of the inputs under its window)
template <typename Each>
void for_each_window(const Call& call, Each each) {
  require_inputs(call, 1);
  const Windows w =
      windows_of(call, file::int_option(call.op, "filter_height"), file::int_option(call.op, "filter_width"));
  require(call, w.in_channels == w.out_channels, "its channels change");
  std::vector<int64_t> cells;
  int64_t at = 0;
  for (int64_t n = 0; n < w.batch; ++n) {
    for (int64_t pixel = 0; pixel < w.y.out * w.x.out; ++pixel) {
      const int64_t top = pixel / w.x.out * w.y.stride - w.y.before,
                    left = pixel % w.x.out * w.x.stride - w.x.before;
      const int64_t y_end = std::min(top + w.y.kernel, w.y.in), x_end = std::min(left + w.x.kernel, w.x.in);
      cells.clear();
      for (int64_t y = std::max<int64_t>(0, top); y < y_end; ++y) {
        for (int64_t x = std::max<int64_t>(0, left); x < x_end; ++x)
          cells.push_back(((n * w.y.in + y) * w.x.in + x) * w.in_channels);
      }
      for (int64_t c = 0; c < w.in_channels; ++c, ++at) each(static_cast<size_t>(at), cells, c);
    }
  }
}

template <typename IntFold, typename FloatFold>
void pool(const Call& call, IntFold fold_int, FloatFold fold_float) {
  require_inputs(call, 1);
  if (is_8_bit(*call.in[0]) && is_8_bit(*call.out[0])) {
    const std::vector<int64_t> in = integers(*call.in[0]);
    std::vector<int32_t> out(call.out[0]->size());
    const Bounds bounds = integer_bounds(call);
    for_each_window(call, [&](size_t at, const std::vector<int64_t>& cells, int64_t channel) {
      out[at] = std::clamp(static_cast<int32_t>(fold_int(in, cells, channel)), bounds.low, bounds.high);
    });
    return store(*call.out[0], out);
  }
  if (!is_float(*call.in[0]) || !is_float(*call.out[0])) refuse(call, "type " + call.in[0]->about->type);
  const std::span<const float> in = call.in[0]->as<float>();
  const std::span<float> out = call.out[0]->out<float>();
  const FloatBounds bounds = float_bounds(call);
  for_each_window(call, [&](size_t at, const std::vector<int64_t>& cells, int64_t channel) {
    out[at] = std::clamp(fold_float(in, cells, channel), bounds.low, bounds.high);
  });
}

void average_pool_2d(const Call& call) {
  pool(
      call,
      [](const std::vector<int64_t>& in, const std::vector<int64_t>& cells, int64_t channel) {
        int64_t sum = 0;
        for (const int64_t cell : cells) sum += in[cell + channel];
        const auto count = std::max<int64_t>(1, static_cast<int64_t>(cells.size()));
        return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
      },
      [](std::span<const float> in, const std::vector<int64_t>& cells, int64_t channel) {
        float sum = 0;
        for (const int64_t cell : cells) sum += in[cell + channel];
        return sum / static_cast<float>(std::max<size_t>(1, cells.size()));
      });
}

void max_pool_2d(const Call& call) {
  const auto largest = [](auto in, const std::vector<int64_t>& cells, int64_t channel, auto start) {
    for (const int64_t cell : cells) start = std::max(start, in[cell + channel]);
    return start;
  };
  pool(
      call,
      [&](const std::vector<int64_t>& in, const std::vector<int64_t>& cells, int64_t channel) {
        return largest(std::span<const int64_t>(in), cells, channel, int64_t{-32768});
      },
      [&](std::span<const float> in, const std::vector<int64_t>& cells, int64_t channel) {
        return largest(in, cells, channel, std::numeric_limits<float>::lowest());
      });
}

constexpr KernelRow kRows[] = {
    {"CONV_2D", conv_2d},
    {"DEPTHWISE_CONV_2D", depthwise_conv_2d},
    {"TRANSPOSE_CONV", transpose_conv},
    {"AVERAGE_POOL_2D", average_pool_2d},
    {"MAX_POOL_2D", max_pool_2d},
};

}  // namespace

std::span<const KernelRow> window_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
