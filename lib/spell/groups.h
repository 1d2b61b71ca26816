// Convolutions of integers in few wide groups instead of many narrow ones (ir/merged_groups.h). Exact; LiteRT
// gains nothing by it, so that this is a matter of the ONNX file's spelling and not of the graph.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// Merges groups by weights of zero where that is quicker and not much larger.
void spell_groups(plan::QuantizedModel& model);

}  // namespace qc
