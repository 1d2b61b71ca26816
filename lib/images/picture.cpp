// See picture.h.
#include "images/picture.h"

namespace qc::images {
namespace {

uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

using PixelRule = void (*)(const uint8_t* from, uint8_t* to);

struct Conversion {
  int64_t from, to;
  PixelRule rule;
};

constexpr Conversion kConversions[] = {
    {1, 3, [](const uint8_t* in, uint8_t* out) { out[0] = out[1] = out[2] = in[0]; }},
    {1, 4, [](const uint8_t* in, uint8_t* out) { out[0] = out[1] = out[2] = in[0], out[3] = 255; }},
    {3, 1, [](const uint8_t* in, uint8_t* out) { out[0] = luma(in); }},
    {4, 1, [](const uint8_t* in, uint8_t* out) { out[0] = luma(in); }},
    {3, 4,
     [](const uint8_t* in, uint8_t* out) { out[0] = in[0], out[1] = in[1], out[2] = in[2], out[3] = 255; }},
    {4, 3, [](const uint8_t* in, uint8_t* out) { out[0] = in[0], out[1] = in[1], out[2] = in[2]; }},
};

}  // namespace

Picture make_picture(int64_t width, int64_t height, int64_t channels) {
  return {width, height, channels, std::vector<uint8_t>(static_cast<size_t>(width * height * channels))};
}

Picture convert(Picture picture, int64_t channels) {
  for (const Conversion& conversion : kConversions) {
    if (conversion.from != picture.channels || conversion.to != channels) continue;
    Picture out = make_picture(picture.width, picture.height, channels);
    const int64_t count = picture.width * picture.height;
    const uint8_t* from = picture.pixels.data();
    uint8_t* to = out.pixels.data();
    for (int64_t i = 0; i < count; ++i, from += conversion.from, to += conversion.to)
      conversion.rule(from, to);
    return out;
  }
  return picture;
}

bool is_opaque(const Picture& picture) {
  if (picture.channels != 4) return true;
  for (size_t i = 3; i < picture.pixels.size(); i += 4) {
    if (picture.pixels[i] != 255) return false;
  }
  return true;
}

}  // namespace qc::images
