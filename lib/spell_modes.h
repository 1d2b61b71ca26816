// The last step of the modes, on the graph that goes into the ONNX file: products that round at run time and
// integer weights of unusual ops are spelled in ops, so that the writer need not know of them.
#pragma once

#include <vector>

#include "plan/quantized_model.h"
#include "select/dynamic.h"

namespace qc {

/// Nodes chosen to be dynamic become DynamicQuantizeLinear (one for all readers of a value), MatMulInteger
/// and the scaling, as the runtime joins them (DynamicQuantizeMatMul), or DynamicQuantizeLSTM. `choices`: by
/// NodeId.
void spell_dynamic(const std::vector<select::DynamicChoice>& choices, plan::QuantizedModel& model,
                   int threads);

/// Recurrent layers, embeddings and joined attention among `nodes` get int8 weights, a scale a row.
void store_operands(const std::vector<ir::NodeId>& nodes, plan::QuantizedModel& model, int threads);

/// Whether store_operands() would do something.
bool has_stored_operands(const ir::Graph& graph, const ir::Node& node);

}  // namespace qc
