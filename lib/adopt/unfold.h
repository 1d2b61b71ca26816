// Weights that are stored as no integer kernel reads them: in blocks, packed, or unfolded by the graph
// itself. Nothing can be taken over from them, but the float model behind them is there.
#pragma once

#include <cstdint>

#include "ir/graph.h"

namespace qc::adopt {

/// Weights in MatMulNBits, in DequantizeLinear with blocks or of integers that other nodes compute from
/// constants, and those that nodes without any scale compute from constants of fewer than 32 bits (Cast and
/// Mul). 0: strip() reads all that there is.
int64_t unreadable_weights(const ir::Graph& graph);

/// MatMulNBits becomes MatMul with a float constant (and Add). Left alone: scales that are not float32,
/// columns in an order of their own (g_idx). DequantizeLinear is left to whoever computes constants.
void unfold_matmuls(ir::Graph& graph);

}  // namespace qc::adopt
