// Constants of few elements along the last dimensions, repeated along the next ones: ONNX Runtime goes
// through Add, Mul, Sub and Div run by run (ir/short_runs.h). Exact; LiteRT's kernels need nothing of the
// kind, so that this is a matter of the ONNX file's spelling.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// Repeats such constants, integers and floats, where that saves more runs than it takes elements, within a
/// share of all constants. Before products that round at run time are spelled: their biases stay.
void spell_tiles(plan::QuantizedModel& model);

}  // namespace qc
