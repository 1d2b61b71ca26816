// An Add whose result only a LayerNormalization reads: ONNX Runtime makes one SkipLayerNormalization of both
// at load, whose kernel takes six to eight times as long as the two (0.4 instead of 0.06 ms for 128 tokens of
// 768 channels, seen with 1.30). It does not know a Sum of two, which adds up to the same. LiteRT joins
// nothing of the kind and the Add is what plans know, so that this is a matter of the ONNX file's spelling.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// Such Adds in float become Sums, also in front of a LayerNorm that is spelled out.
void spell_sums(plan::QuantizedModel& model);

}  // namespace qc
