// See seen.h.
#include "images/seen.h"

#include <algorithm>
#include <cmath>

#include "images/resize.h"

namespace qc::images {
namespace {

float at(const std::vector<float>& one_or_each, size_t channel) {
  return one_or_each.size() == 1 ? one_or_each[0] : one_or_each.at(channel);
}

uint8_t to_pixel(float value) {
  return static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f));
}

Picture shrink(const Picture& picture, int64_t largest_side) {
  const int64_t longest = std::max(picture.width, picture.height);
  if (longest <= largest_side) return picture;
  const auto scaled = [&](int64_t side) { return std::max<int64_t>(1, side * largest_side / longest); };
  const int64_t width = scaled(picture.width), height = scaled(picture.height);
  return resize(picture, width, height, {0, 0, width, height}, Interpolation::kBilinear, true);
}

}  // namespace

std::optional<Picture> as_seen(const ir::Tensor& tensor, const Preprocess& preprocess, int64_t largest_side) {
  const int64_t channels = channels_of(preprocess.color);
  if (tensor.dims.size() != 4 || tensor.dims[0] != 1) return std::nullopt;
  if (tensor.dtype != ir::DType::kFloat && tensor.dtype != ir::DType::kUint8) return std::nullopt;
  const bool planes = tensor.dims[1] == channels && preprocess.layout != Layout::kNhwc;
  if (!planes && tensor.dims[3] != channels) return std::nullopt;
  Picture picture = make_picture(tensor.dims[planes ? 3 : 2], tensor.dims[planes ? 2 : 1], channels);
  const bool swapped = preprocess.color == Color::kBgr || preprocess.color == Color::kBgra;
  const int64_t pixels = picture.width * picture.height;
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t to = swapped && c < 3 ? 2 - c : c;
    const float mean = at(preprocess.mean, static_cast<size_t>(c));
    const float std = at(preprocess.std, static_cast<size_t>(c));
    for (int64_t i = 0; i < pixels; ++i) {
      const size_t from = static_cast<size_t>(planes ? c * pixels + i : i * channels + c);
      const float value = tensor.dtype == ir::DType::kUint8 ? static_cast<float>(tensor.as<uint8_t>()[from])
                                                            : tensor.as<float>()[from];
      picture.pixels[i * channels + to] = to_pixel(value * std + mean);
    }
  }
  return shrink(picture, largest_side);
}

}  // namespace qc::images
