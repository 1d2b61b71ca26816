// What really runs: the graph that stock ONNX Runtime made of the written file, read node by node. A plan
// that says "integer" proves nothing; a QLinearConv in the optimised graph does.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"

namespace qc::proof {

struct Verdict {
  bool integer = false;  // runs on an integer kernel, or moves integers
  bool gone = false;     // fused away or folded at load
  std::string kernel;    // "QLinearConv", "Conv", "fused", ...
};

/// By NodeId of model.graph. `optimized`: the optimised graph of the written file.
std::vector<Verdict> verdicts(const plan::QuantizedModel& model, const ir::Graph& optimized);

}  // namespace qc::proof
