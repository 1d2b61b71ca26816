// Where rounding the activations at run time pays: DynamicQuantizeLinear finds the range of the input anew at
// every run, an integer kernel multiplies, the result is float. Nothing is known of the activations
// beforehand, so no images are needed.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "select/placement.h"

namespace qc::select {

struct DynamicChoice {
  bool dynamic = false;
  std::string why;  // one sentence, for either choice; "" where the node has no weights
};

/// MatMul and Gemm with a constant matrix, where by the costs they take less time than in float, two passes
/// over the input included (range and rounding); LSTM by the operator of com.microsoft, if that may be added.
/// Convolutions never: ONNX Runtime's ConvInteger takes 6 to 8 times as long as its float kernel with signed
/// weights (measured with 1.30: 47-55 ms against 6.7-7.1 for six 3x3 layers).
DynamicChoice dynamic_choice(const ir::Graph& graph, ir::NodeId node, const PlacementCosts& time,
                             bool standard_ops_only = false);

/// What nodes that round at run time (by NodeId) save of the time of the whole graph in float: 0.3 where the
/// rest takes 0.7 of it. Readers of one value round it once.
double saved_at_run_time(const ir::Graph& graph, const std::vector<bool>& at_run_time,
                         const PlacementCosts& time);

}  // namespace qc::select
