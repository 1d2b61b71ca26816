// A decoded picture and a Preprocess -> the tensor that the model sees.
#pragma once

#include "images/picture.h"
#include "images/preprocess.h"
#include "images/resize.h"
#include "ir/tensor.h"

namespace qc::images {

/// Where a picture of some size goes: resize it, take the window, put that at (left, top) of the tensor's
/// plane.
struct Geometry {
  int64_t resized_width = 0, resized_height = 0;
  Window window;                  // of the resized picture
  int64_t width = 0, height = 0;  // of the tensor
  int64_t left = 0, top = 0;
};

/// kUnset counts as kNone here. Throws BadPicture when nothing is left of so small a picture (multiple_of).
Geometry geometry_of(const Preprocess& preprocess, int64_t width, int64_t height);

/// A picture as the tensor holds it, before mean and std: what is worth keeping for the next time.
struct Fitted {
  Picture pixels;     // those of the geometry's window, with the model's channels
  Geometry geometry;  // where they go
};

/// `preprocess` passes check(). Throws BadPicture as geometry_of().
Fitted fit(Picture picture, const Preprocess& preprocess);

/// [1, channels, h, w] or [1, h, w, channels], float32 or uint8 (rounded; meant for mean 0, std 1).
/// `layout` is not kUnset.
ir::Tensor to_tensor(const Fitted& fitted, const Preprocess& preprocess, Layout layout, ir::DType dtype);

/// Both in one.
ir::Tensor apply(Picture picture, const Preprocess& preprocess, Layout layout, ir::DType dtype);

}  // namespace qc::images
