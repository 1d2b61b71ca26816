// Reading quantization back from a file, QDQ or QOperator, whoever wrote it: where the integers of a node's
// weight and the scale of its output stand. For showing only: what `qconvert fix` makes a plan of is read by
// the room adopt.
#pragma once

#include <cstdint>
#include <string>

#include "ir/graph.h"

namespace qc {

/// QuantizeLinear, DequantizeLinear or one of the QLinear ops.
bool is_quantization_op(const ir::Node& node);
bool is_quantized(const ir::Graph& graph);

/// DequantizeLinear of constants, or the Cast and Mul that stand for it: done once at load, its bytes are
/// those of the node behind it.
bool unpacks_constants(const ir::Graph& graph, const ir::Node& node);

/// Conv, ConvTranspose, Gemm, MatMul or one of their integer forms.
bool multiplies(const ir::Node& node);
/// Multiply-accumulates of one run as ir::macs, also where the weight is stored as integers; 0 when unknown.
int64_t macs_of(const ir::Graph& graph, const ir::Node& node);

/// "int8, 32 scales" or "int8 scale 0.0123": how the node's weight is stored; "" where it is float or absent.
std::string weight_params(const ir::Graph& graph, const ir::Node& node);
/// "uint8 scale 0.0235 zero_point 128": how the node's first output is quantized; "" where it stays float.
std::string output_params(const ir::Graph& graph, const ir::Node& node);

}  // namespace qc
