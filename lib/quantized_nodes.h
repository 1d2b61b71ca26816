// Reading quantization back from a file, QDQ or QOperator, whoever wrote it: where the integers of a node's
// weight and the scale of its output stand. For showing only: what `qconvert fix` makes a plan of is read by
// the room adopt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace qc {

/// What a value that nodes compute from constants alone is stored in: they run once, at load, and what they
/// read is part of the node behind them.
struct Stored {
  int bits = 0;  // 3 for a weight that is unpacked from words of 64 bits; 0: not of constants alone
  ir::DType type = ir::DType::kUndefined;  // undefined: packed numbers of no type of their own
};
/// By ValueId; of constants their own type.
std::vector<Stored> stored_as(const ir::Graph& graph);

bool is_quantized(const ir::Graph& graph);

/// DequantizeLinear of constants, or what stands for it: makes nothing but what is stored.
bool unpacks_constants(const std::vector<Stored>& stored, const ir::Node& node);

/// Conv, ConvTranspose, Gemm, MatMul or one of their integer forms.
bool multiplies(const ir::Node& node);
/// What such a node multiplies; kNone where that is not given.
struct Operands {
  ir::ValueId data = ir::kNone, weight = ir::kNone;
};
Operands operands_of(const ir::Node& node);
/// Multiply-accumulates of one run as ir::macs, also where the weight is stored as integers; 0 when unknown.
int64_t macs_of(const ir::Graph& graph, const ir::Node& node);

/// "int8, 32 scales" or "int8 scale 0.0123": how the node's weight is stored; "" where it is float32 or
/// absent.
std::string weight_params(const ir::Graph& graph, const std::vector<Stored>& stored, const ir::Node& node);
/// "uint8 scale 0.0235 zero_point 128": how the node's first output is quantized; "" where it stays float.
std::string output_params(const ir::Graph& graph, const ir::Node& node);

}  // namespace qc
