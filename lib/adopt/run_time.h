// Layers that round what they read at run time. Their activations have no scales to take over, but the float
// model behind them is there.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace qc::adopt {

/// MatMulInteger and ConvInteger behind DynamicQuantizeLinear, with the Cast and the Mul by both scales
/// behind them, DynamicQuantizeMatMul, and MatMulIntegerToFloat become MatMul or Conv with a float constant
/// (and Add). Returns how many. Left alone: weights or scales that are no constants, and what stands
/// otherwise.
int64_t float_run_time_layers(ir::Graph& graph);

/// Names of the nodes that still round at run time: of those that float_run_time_layers() left, and of ops
/// that it does not know (DynamicQuantizeLSTM and the like).
std::vector<std::string> rounding_at_run_time(const ir::Graph& graph);

}  // namespace qc::adopt
