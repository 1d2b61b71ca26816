// Resampling, bit-exact with Pillow's resize() when antialias is set, within one level of OpenCV's resize()
// otherwise. Own code because the library at hand does not give these pixels: ONNX Runtime's
// Resize(antialias) differs by two levels in places (384x256 -> 416x416), takes 1.2 to 2 times Pillow's time,
// and computes what the crop throws away.
#pragma once

#include <cstdint>

#include "images/picture.h"

namespace qc::images {

struct Window {
  int64_t left = 0, top = 0, width = 0, height = 0;
};

/// The part `window` of `picture` resized to width x height (each at least 1; the window lies inside). Only
/// the rows and columns that the window needs are computed. Partly transparent RGBA is resampled with its
/// colour multiplied by alpha, as Pillow does, so that hidden colours do not bleed.
Picture resize(const Picture& picture, int64_t width, int64_t height, const Window& window,
               Interpolation interpolation, bool antialias);

}  // namespace qc::images
