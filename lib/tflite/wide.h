// Operators on 16 bit activations. Private to this room.
#pragma once

#include "tflite/kernels.h"

namespace qc::tflite::kernels {

/// Whether the call computes with 16 bit integers: kernels that only move numbers, or make floats of them, do
/// not.
bool computes_wide(const Call& call, bool moves);

/// Runs `kernel` in float32 on what the integers mean and rounds its results to the outputs' steps. The
/// runtime's kernels for 16 bits sum in 64 and round once (some look their function up in 513 points), so the
/// results are theirs to a step or two of 65536.
void run_wide(const Call& call, Kernel kernel);

}  // namespace qc::tflite::kernels
