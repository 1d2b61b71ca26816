// A float Softmax between rounded values: ONNX Runtime makes a QLinearSoftmax of it at load, whose kernel
// takes four to eight times as long (0.62 instead of 0.08 ms for 8 x 196 x 196 scores, seen with 1.30).
// LiteRT's kernel wants the integers in front, so that this is a matter of the ONNX file's spelling.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// What only such a Softmax reads is no longer rounded, back to the product of matrices that the scores come
/// from: that hands out floats, and what adds to them or scales them computes in floats. Where there is none,
/// a Max of all scores and the lowest number keeps the two apart.
void spell_softmaxes(plan::QuantizedModel& model);

}  // namespace qc
