// Back from the tensor that a network takes to a picture that people can judge: is it cropped as meant,
// upright, in the right colours?
#pragma once

#include <optional>

#include "images/picture.h"
#include "images/preprocess.h"
#include "ir/tensor.h"

namespace qc::images {

/// The picture in a tensor [1,C,H,W] or [1,H,W,C] that `preprocess` made (float32 or uint8): mean and std
/// undone, channels in the order red, green, blue, and made smaller where a side is longer than
/// `largest_side`. Nothing where the tensor is none such.
std::optional<Picture> as_seen(const ir::Tensor& tensor, const Preprocess& preprocess, int64_t largest_side);

}  // namespace qc::images
