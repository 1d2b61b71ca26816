// A DepthToSpace of the ONNX file between integer convolutions, spelled with the channels last
// (ir/pixel_shuffle.h). Exact; LiteRT's images lie so anyway, so that this is a matter of the file's
// spelling.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// Such nodes become Transpose, Reshape, Transpose, Reshape and a Transpose of their name, of which the
/// runtime takes the outer ones out. Convolutions whose outputs lie in another order get that of the pixels.
void spell_pixels(plan::QuantizedModel& model);

}  // namespace qc
