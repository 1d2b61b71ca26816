// A channel shuffle of the ONNX file: Reshape, Transpose over five axes, Reshape. On integers ONNX Runtime
// moves its elements one by one (2.5 ns each, twenty times a convolution's share: ShuffleNet-like networks
// took three times as long as in float); as one Gather along the channels it copies whole planes. LiteRT is
// the other way round, so that this is a matter of the file's spelling and not of the graph.
#pragma once

#include "plan/quantized_model.h"

namespace qc {

/// Shuffles between integers become a Gather under the name of their last node.
void spell_shuffles(plan::QuantizedModel& model);

}  // namespace qc
