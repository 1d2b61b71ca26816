// See apply.h. mean and std are applied through a table of the 256 possible pixel values: the same float32
// operations as numpy's (x - mean) / std, done once.
#include "images/apply.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace qc::images {
namespace {

// Python's round(): halves to even (the rounding mode that every program starts with).
int64_t round_half_even(double value) {
  return static_cast<int64_t>(std::nearbyint(value));
}

int64_t scaled(int64_t side, double k, int64_t least) {
  return std::max(least, round_half_even(static_cast<double>(side) * k));
}

double ratio(int64_t a, int64_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

void keep_all(Geometry& g) {
  g.window = {0, 0, g.resized_width, g.resized_height};
  g.width = g.resized_width;
  g.height = g.resized_height;
}

void resize_to(Geometry& g, int64_t width, int64_t height) {
  g.resized_width = width;
  g.resized_height = height;
  keep_all(g);
}

void own_size(const Preprocess& p, int64_t width, int64_t height, Geometry& g) {
  if (p.center_crop) {
    const auto [crop_height, crop_width] = *p.center_crop;
    const double k = std::max(ratio(crop_width, width), ratio(crop_height, height));
    if (k > 1) {
      width = scaled(width, k, crop_width);
      height = scaled(height, k, crop_height);
    }
  }
  resize_to(g, width, height);
  g.width = g.window.width = width / p.multiple_of * p.multiple_of;
  g.height = g.window.height = height / p.multiple_of * p.multiple_of;
  if (g.width == 0 || g.height == 0) {
    throw BadPicture(
        format("{} x {} pixels are fewer than one multiple of {}", width, height, p.multiple_of));
  }
}

void letterbox(const Preprocess& p, int64_t width, int64_t height, Geometry& g) {
  const double k = std::min(ratio(p.width, width), ratio(p.height, height));
  resize_to(g, std::min(p.width, scaled(width, k, 1)), std::min(p.height, scaled(height, k, 1)));
  if (p.align == Align::kCenter) {
    g.left = (p.width - g.width) / 2;
    g.top = (p.height - g.height) / 2;
  }
  g.width = p.width;
  g.height = p.height;
}

// The part of the canvas that the crop keeps; the window shrinks with it.
void center_crop(const std::array<int64_t, 2>& size, Geometry& g) {
  const int64_t left = (g.width - size[1]) / 2, top = (g.height - size[0]) / 2;
  const int64_t from_x = std::max(g.left, left), to_x = std::min(g.left + g.window.width, left + size[1]);
  const int64_t from_y = std::max(g.top, top), to_y = std::min(g.top + g.window.height, top + size[0]);
  g.window = {g.window.left + from_x - g.left, g.window.top + from_y - g.top,
              std::max<int64_t>(0, to_x - from_x), std::max<int64_t>(0, to_y - from_y)};
  g.left = from_x - left;
  g.top = from_y - top;
  g.width = size[1];
  g.height = size[0];
}

// For each output channel: which picture channel it is, and its values.
struct Channel {
  int64_t source = 0;
  std::array<float, 256> values{};
  float background = 0;
};

std::vector<Channel> channels_for(const Preprocess& p) {
  const bool swapped = p.color == Color::kBgr || p.color == Color::kBgra;
  std::vector<Channel> channels(channels_of(p.color));
  for (size_t c = 0; c < channels.size(); ++c) {
    const float mean = p.mean.size() == 1 ? p.mean[0] : p.mean[c];
    const float std = p.std.size() == 1 ? p.std[0] : p.std[c];
    channels[c].source = static_cast<int64_t>(swapped && c < 3 ? 2 - c : c);
    for (size_t v = 0; v < 256; ++v) channels[c].values[v] = (static_cast<float>(v) - mean) / std;
    channels[c].background = p.resize == ResizeKind::kFixedHeight ? 0.0f : (p.pad[c] - mean) / std;
  }
  return channels;
}

template <typename T>
T cast(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return static_cast<T>(std::clamp(std::nearbyint(value), 0.0f, 255.0f));
  }
}

// `part` (already in place of the window) onto the tensor's plane.
template <typename T>
std::string fill(const Picture& part, const Preprocess& p, Layout layout, const Geometry& g) {
  const std::vector<Channel> channels = channels_for(p);
  const auto count = std::ssize(channels);
  const bool planar = layout == Layout::kNchw;
  const int64_t step = planar ? 1 : count;  // from pixel to pixel of one channel
  std::string bytes(static_cast<size_t>(g.width * g.height * count) * sizeof(T), '\0');
  T* const out = reinterpret_cast<T*>(bytes.data());
  for (int64_t c = 0; c < count; ++c) {
    const Channel& channel = channels[c];
    std::array<T, 256> values;
    std::transform(channel.values.begin(), channel.values.end(), values.begin(), cast<T>);
    T* const plane = out + (planar ? c * g.width * g.height : c);
    if (part.width != g.width || part.height != g.height) {
      const T background = cast<T>(channel.background);
      for (int64_t i = 0; i < g.width * g.height; ++i) plane[i * step] = background;
    }
    for (int64_t y = 0; y < part.height; ++y) {
      const uint8_t* from = part.row(y) + channel.source;
      T* to = plane + ((g.top + y) * g.width + g.left) * step;
      for (int64_t x = 0; x < part.width; ++x) to[x * step] = values[from[x * part.channels]];
    }
  }
  return bytes;
}

}  // namespace

Geometry geometry_of(const Preprocess& p, int64_t width, int64_t height) {
  Geometry g;
  switch (p.resize) {
    case ResizeKind::kUnset:
    case ResizeKind::kNone:
      own_size(p, width, height, g);
      break;
    case ResizeKind::kShortSide: {
      const double k = ratio(p.short_side, std::min(width, height));
      resize_to(g, scaled(width, k, p.short_side), scaled(height, k, p.short_side));
      break;
    }
    case ResizeKind::kStretch:
      resize_to(g, p.width, p.height);
      break;
    case ResizeKind::kLetterbox:
      letterbox(p, width, height, g);
      break;
    case ResizeKind::kFixedHeight: {
      // (width * height') / height in this order: Python's round(w * 48 / h).
      const double exact = static_cast<double>(width * p.height) / static_cast<double>(height);
      resize_to(g, std::min(p.width, std::max<int64_t>(1, round_half_even(exact))), p.height);
      g.width = p.width;
      break;
    }
  }
  if (p.center_crop) center_crop(*p.center_crop, g);
  return g;
}

Fitted fit(Picture picture, const Preprocess& p) {
  const Geometry g = geometry_of(p, picture.width, picture.height);
  const int64_t channels = channels_of(p.color);
  // An opaque picture's alpha stays 255 through every resize: cheaper to add afterwards.
  const bool add_alpha = channels == 4 && is_opaque(picture);
  picture = convert(std::move(picture), add_alpha ? 3 : channels);
  if (g.window.width == 0 || g.window.height == 0) {  // the crop fell beside a letterboxed picture
    picture = make_picture(0, 0, channels);
  } else if (g.window.width != picture.width || g.window.height != picture.height ||
             g.resized_width != picture.width || g.resized_height != picture.height) {
    picture = resize(picture, g.resized_width, g.resized_height, g.window, p.interpolation, p.antialias);
  }
  return {convert(std::move(picture), channels), g};
}

ir::Tensor to_tensor(const Fitted& fitted, const Preprocess& p, Layout layout, ir::DType dtype) {
  const Geometry& g = fitted.geometry;
  const int64_t channels = channels_of(p.color);
  const bool planar = layout == Layout::kNchw;
  std::vector<int64_t> dims = planar ? std::vector{int64_t{1}, channels, g.height, g.width}
                                     : std::vector{int64_t{1}, g.height, g.width, channels};
  std::string bytes = dtype == ir::DType::kUint8 ? fill<uint8_t>(fitted.pixels, p, layout, g)
                                                 : fill<float>(fitted.pixels, p, layout, g);
  return ir::make_tensor(dtype, std::move(bytes), std::move(dims));
}

ir::Tensor apply(Picture picture, const Preprocess& p, Layout layout, ir::DType dtype) {
  return to_tensor(fit(std::move(picture), p), p, layout, dtype);
}

}  // namespace qc::images
