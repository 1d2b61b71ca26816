// Paper 3, from select to quantize and the writers: one decision and its reason for every node and every
// value. The plan is a value: printable, comparable, the same for every writer. Writers only follow it.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "quant/quant_params.h"

namespace qc::plan {

/// Why something is as it is. Words for people: reason_text().
enum class Reason {
  kTarget,           // the target computes this op in integers
  kNoIntegerKernel,  // the target has no integer kernel for it
  kOneFloatKernel,   // part of a function (plan::Idiom) that the runtime joins to one kernel if all is float
  kUserKeepFloat,    // keep_float, bit_width_config or the network editor
  kMode,             // no activation of it is rounded in this mode, but what layers round at run time
  kOfMode,           // added by the mode: rounds, scales or casts for the nodes beside it
  kIsland,    // integers possible, but between float neighbours Quantize/Dequantize cost more than they gain
  kAccuracy,  // integers possible, but they would hurt; the detail has the measurement or the rule
  kNotFloat,  // not a float32 value, or a constant the op needs as it is
  kNotAtRunTime,  // mode dynamic: rounding as it runs costs more than it gains, or no kernel does; see the
                  // detail
};
const char* reason_text(Reason reason);

enum class Compute {
  kInteger,              // all data inputs quantized, integer kernel
  kFloatIntegerWeights,  // float kernel; weights stored as integers, unfolded once at load (Cast + Mul)
  kFloat,
};

struct NodeDecision {
  Compute compute = Compute::kFloat;
  bool float_output = false;  // integer kernel with a float result (MatMul, Gemm without an output Quantize)
  bool correct_bias = true;   // false: a rule leaves the bias as it is
  bool bias = false;  // an Add that happens in the MatMul in front of it: its constant is a bias there
  Reason reason = Reason::kNoIntegerKernel;
  std::string detail;  // figures and names, one sentence or empty
};

struct ValueDecision {
  bool quantized = false;     // activation: Q -> DQ stands after its producer; constant: stored as integers
  quant::QuantParams params;  // meaningful when quantized
  ir::ValueId scale_group = ir::kNone;  // representative of the same-scale group; itself when alone
  Reason reason = Reason::kNotFloat;
  std::string detail;
};

struct QuantPlan {
  std::vector<NodeDecision> nodes;    // by NodeId
  std::vector<ValueDecision> values;  // by ValueId
};

/// The value in which what a node computes as `v` is rounded: `v` itself, or that behind a bias and a Relu or
/// Clip which run in the same kernel; ir::kNone where it stays float.
ir::ValueId rounded_result(const QuantPlan& plan, const ir::Graph& graph, ir::ValueId v);

/// Stable text, one line a node and one a quantized value: `--dump plan`, golden tests.
std::string dump(const QuantPlan& plan, const ir::Graph& graph);

}  // namespace qc::plan
