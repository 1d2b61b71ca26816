// Models that carry quantization already: Q/DQ pairs of any quantizer or training framework, and files of
// QLinear* ops. Their scales are read off, and the float model behind them is left, so that such a model goes
// the same way as any other: gaps are filled by our rules, and every format can be written.
#pragma once

#include <map>
#include <string>

#include "base/error.h"
#include "ir/graph.h"
#include "quant/quant_params.h"

namespace qc::adopt {

/// By name of the value: what the file says about its rounding.
struct FileGrids {
  std::map<std::string, quant::QuantParams> activations;
  std::map<std::string, quant::QuantParams> weights;  // constants; each lies on this grid exactly
  int64_t covered = 0;  // of the activations: had a scale a channel, here one that covers them all
  int64_t clamped = 0;  // counted twice among the activations: before and behind a Relu or Clip made here
  bool empty() const { return activations.empty() && weights.empty(); }
};

/// True if there is anything that strip() would take out.
bool carries_quantization(const ir::Graph& graph);

/// Takes QuantizeLinear, DequantizeLinear (standard and com.microsoft, a Clip of integers between the two)
/// and QLinearConv, QLinearMatMul, QLinearAdd, ... out of the graph: what they round is a float value again,
/// weights are the floats that their integers stand for. Integers of uint8 weights move by 128 to int8: the
/// same grid. Where the ends of a grid are those of an activation function (no negative number below a zero
/// point at the lowest integer) and the op in front can go beyond, a Relu or Clip stands there afterwards:
/// quantizers take them out. Ops between integers that only move them work on floats afterwards. Integers
/// that are an input or an output of the model stay, with their Q or DQ.
///
/// Throws Error(kInput) with all problems, each with its node: scales that are no constants, zero, negative,
/// infinite or NaN; a value rounded twice, on two grids; integers that two nodes read with different scales;
/// zero points of another type or outside it; ops on integers that are none of the known.
FileGrids strip(ir::Graph& graph);

}  // namespace qc::adopt
