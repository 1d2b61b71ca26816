// Convolutions whose channels ONNX Runtime's fast integer kernel takes: MLAS (ConvSym) wants 16 outputs at
// least and inputs in fours, channels in sixteens where each is convolved by itself, and copies patches for a
// general product otherwise, two to four times as slow. Channels of zeros make up for what is missing:
// outputs that are cut off again, inputs whose weights are zero, as copies of another channel where nobody
// makes them, and all that a depthwise convolution's channels pass through. Exact; LiteRT needs nothing of
// the kind, so that this is a matter of the ONNX file's spelling.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// Widens the convolutions of integers that are quicker so and not much larger.
void spell_channels(plan::QuantizedModel& model);

}  // namespace qc
