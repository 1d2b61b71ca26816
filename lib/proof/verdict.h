// What really runs: the graph that stock ONNX Runtime made of the written file, read node by node. A plan
// that says "integer" proves nothing; a QLinearConv in the optimised graph does.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"

namespace qc::proof {

struct Verdict {
  bool integer = false;  // runs on an integer kernel, moves integers, or is nothing at all any more
  bool gone = false;     // fused into another node's kernel, or folded at load
  std::string kernel;    // "QLinearConv", "Conv", "fused into conv1", "folded at load"
};

/// By NodeId of model.graph. `written`: the written file, every node of it named
/// (QdqOptions::name_all_nodes); `optimized`: what the runtime made of it. Kernels keep the name of a node or
/// the name of a value; a node of which neither is left belongs to the kernel behind it.
std::vector<Verdict> verdicts(const plan::QuantizedModel& model, const ir::Graph& written,
                              const ir::Graph& optimized);

}  // namespace qc::proof
