// A decoded picture: 8 bits a channel, rows without gaps, channels interleaved; gray, RGB or RGBA and nothing
// else, so that every reader ends in one of three shapes and everything behind it is written once.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "images/preprocess.h"

namespace qc::images {

/// Rows from the top down, pixels from left to right, the channels of a pixel side by side.
struct Picture {
  int64_t width = 0, height = 0;
  int64_t channels = 0;  // 1 gray, 3 RGB, 4 RGBA (alpha not multiplied in)
  std::vector<uint8_t> pixels;

  const uint8_t* row(int64_t y) const { return pixels.data() + y * width * channels; }
  uint8_t* row(int64_t y) { return pixels.data() + y * width * channels; }
};

/// What is wrong with one picture, without its name: whoever knows the file adds that.
struct BadPicture : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// All pixels 0. Sizes are at least 1; channels: 1, 3 or 4.
Picture make_picture(int64_t width, int64_t height, int64_t channels);

/// The picture as Pillow's convert('L') / ('RGB') / ('RGBA') gives it: alpha dropped without compositing,
/// missing alpha 255, and gray by ITU-R 601 luma in 16-bit fixed point:
/// (19595 R + 38470 G + 7471 B + 0x8000) >> 16.
Picture convert(Picture picture, int64_t channels);

/// True when no pixel is transparent; always for pictures without alpha.
bool is_opaque(const Picture& picture);

}  // namespace qc::images
