// The last step of the modes, on the graph that goes into the ONNX file: products that round at run time and
// integer weights of unusual ops are spelled in ops, so that the writer need not know of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/quantized_model.h"
#include "select/dynamic.h"

namespace qc {

/// Nodes chosen to be dynamic become DynamicQuantizeLinear (one for all readers of a value), MatMulInteger
/// and the scaling, as the runtime joins them (DynamicQuantizeMatMul), or DynamicQuantizeLSTM. `choices`: by
/// NodeId. `bounded`: weights that are rounded here, those of LSTMs, cannot saturate sums of pairs.
void spell_dynamic(const std::vector<select::DynamicChoice>& choices, bool bounded, int threads,
                   plan::QuantizedModel& model);

/// MatMul and Gemm among `nodes` whose weights are blocks of 4 or 8 bits become MatMulNBits, which keeps them
/// packed at run time; with `standard_ops_only` their weights stand behind DequantizeLinear with block_size,
/// which the graph's opset must know (21). Returns a sentence on what was done, and why not for the rest; ""
/// where no node has weights.
std::string spell_packed(std::span<const ir::NodeId> nodes, bool standard_ops_only,
                         plan::QuantizedModel& model);

/// Recurrent layers, embeddings and joined attention among `nodes` get int8 weights, a scale a row.
void store_operands(const std::vector<ir::NodeId>& nodes, plan::QuantizedModel& model, int threads);

/// Whether store_operands() would do something.
bool has_stored_operands(const ir::Graph& graph, const ir::Node& node);

}  // namespace qc
