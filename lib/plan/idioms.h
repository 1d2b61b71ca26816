// Groups of nodes that together spell one well-known function. The graph keeps the nodes (ONNX Runtime has
// its own fusions for them, and a spelled-out function runs everywhere); a stage that treats the function as
// a whole - what the runtime joins to one float kernel, a fused op of another format - finds the group here.
// Found by normalize, read by planning and the report.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace qc::plan {

enum class IdiomKind {
  kHardSwish,  // x * HardSigmoid(x; 1/6, 1/2)
  kSilu,       // x * Sigmoid(x)
  kGelu,       // x * (1 + erf(x / sqrt 2)) / 2
  kGeluTanh,   // the same with tanh(sqrt(2/pi) * (x + 0.044715 x^3))
  kLayerNorm,  // (x - mean) / sqrt(var + eps) * gamma + beta over the last axes
  kAttention,  // softmax(scale * q k^T [+ mask]) v; inputs q, k^T, v
};
/// "HardSwish", "SiLU", ...
const char* name_of(IdiomKind kind);
/// The op that MCT and later opsets have for it; "" for functions that are no single op there.
const char* op_of(IdiomKind kind);

struct Idiom {
  IdiomKind kind;
  std::vector<ir::NodeId> nodes;    // ascending; a single op of that name is a group of one
  std::vector<ir::ValueId> inputs;  // the function's arguments; constants are not listed
  ir::ValueId output = ir::kNone;
};

}  // namespace qc::plan
