// See quantized_nodes.h. The slots are those of the ONNX standard and of ONNX Runtime's
// docs/ContribOperators.md.
#include "quantized_nodes.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "ir/ops.h"

namespace qc {
namespace {

// QOperator ops: where the weight and its scale stand (kNone: no weight), and the output's scale (zero point
// next).
struct QuantizedOp {
  std::string_view op_type, float_op;
  int weight, weight_scale, output_scale;
};

constexpr std::array<QuantizedOp, 14> kQuantizedOps{{
    {"QLinearConv", "Conv", 3, 4, 6},
    {"QLinearMatMul", "MatMul", 3, 4, 6},
    {"QGemm", "Gemm", 3, 4, 7},
    {"QLinearAdd", "Add", ir::kNone, ir::kNone, 6},
    {"QLinearMul", "Mul", ir::kNone, ir::kNone, 6},
    {"QLinearSigmoid", "Sigmoid", ir::kNone, ir::kNone, 3},
    {"QLinearLeakyRelu", "LeakyRelu", ir::kNone, ir::kNone, 3},
    {"QLinearGlobalAveragePool", "GlobalAveragePool", ir::kNone, ir::kNone, 3},
    {"QLinearAveragePool", "AveragePool", ir::kNone, ir::kNone, 3},
    {"QLinearReduceMean", "ReduceMean", ir::kNone, ir::kNone, 3},
    {"QLinearSoftmax", "Softmax", ir::kNone, ir::kNone, 3},
    {"QLinearConcat", "Concat", ir::kNone, ir::kNone, 0},
    {"QLinearWhere", "Where", ir::kNone, ir::kNone, 7},
    {"MatMulIntegerToFloat", "MatMul", 1, 3, ir::kNone},
}};

constexpr std::array<std::string_view, 6> kOtherOps{"QuantizeLinear",        "DequantizeLinear",
                                                    "DynamicQuantizeLinear", "DynamicQuantizeMatMul",
                                                    "MatMulInteger",         "ConvInteger"};

const QuantizedOp* find(const ir::Node& node) {
  const auto same = [&](const QuantizedOp& op) { return node.op_type == op.op_type; };
  const auto found = std::find_if(kQuantizedOps.begin(), kQuantizedOps.end(), same);
  return found == kQuantizedOps.end() ? nullptr : &*found;
}

const ir::Node* producer(const ir::Graph& graph, ir::ValueId value) {
  if (value == ir::kNone) return nullptr;
  const ir::NodeId node = graph.values[static_cast<size_t>(value)].producer;
  return node == ir::kNone ? nullptr : &graph.nodes[static_cast<size_t>(node)];
}

ir::ValueId input(const ir::Node& node, size_t slot) {
  return slot < node.inputs.size() ? node.inputs[slot] : ir::kNone;
}

// The constant behind an input, looking through what unpacks it; nullptr if there is none.
const ir::Tensor* stored_constant(const ir::Graph& graph, const ir::Node& node, size_t slot) {
  if (const ir::Tensor* direct = ir::constant_input(graph, node, slot)) return direct;
  const ir::Node* before = producer(graph, input(node, slot));
  return before && unpacks_constants(graph, *before) ? stored_constant(graph, *before, 0) : nullptr;
}

std::string params_text(const ir::Graph& graph, const char* type, ir::ValueId scale, ir::ValueId zero_point) {
  if (scale == ir::kNone) return "";
  const std::optional<ir::Tensor>& scales = graph.values[static_cast<size_t>(scale)].constant;
  if (!scales) return format("{}, scale made while running", type);
  if (scales->size() != 1) return format("{}, {} scales", type, scales->size());
  const std::optional<double> zero = zero_point == ir::kNone ? 0.0 : ir::scalar_constant(graph, zero_point);
  return format("{} scale {:.6g} zero_point {:.0f}", type, ir::scalar_constant(graph, scale).value_or(0),
                zero.value_or(0));
}

const char* type_of(const ir::Graph& graph, ir::ValueId value, const char* fallback) {
  if (value == ir::kNone) return fallback;
  const ir::Value& v = graph.values[static_cast<size_t>(value)];
  const ir::DType type = v.constant ? v.constant->dtype : v.dtype;
  return type == ir::DType::kUndefined ? fallback : ir::name_of(type);
}

}  // namespace

bool is_quantization_op(const ir::Node& node) {
  return find(node) || std::find(kOtherOps.begin(), kOtherOps.end(), node.op_type) != kOtherOps.end();
}

bool is_quantized(const ir::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const ir::Node& node) { return !node.erased && is_quantization_op(node); });
}

bool unpacks_constants(const ir::Graph& graph, const ir::Node& node) {
  const auto is = [&](const char* op_type) { return ir::standard_op(node, op_type); };
  if (!is("DequantizeLinear") && !is("Cast") && !is("Mul")) return false;
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId value) {
    if (value == ir::kNone || graph.values[static_cast<size_t>(value)].constant) return true;
    const ir::Node* before = producer(graph, value);
    return before && unpacks_constants(graph, *before);
  });
}

bool multiplies(const ir::Node& node) {
  const QuantizedOp* op = find(node);
  const std::string_view family = op ? op->float_op : std::string_view(node.op_type);
  return family == "Conv" || family == "ConvTranspose" || family == "Gemm" || family == "MatMul";
}

int64_t macs_of(const ir::Graph& graph, const ir::Node& node) {
  if (const int64_t known = ir::macs(graph, node); known > 0) return known;
  const QuantizedOp* op = find(node);
  const std::string_view family = op ? op->float_op : std::string_view(node.op_type);
  if (family != "Conv" && family != "Gemm" && family != "MatMul") return 0;
  const ir::Tensor* weight = stored_constant(graph, node, op ? static_cast<size_t>(op->weight) : 1);
  if (!weight || weight->dims.size() < 2) return 0;
  const bool channels_first = family == "Conv" || (family == "Gemm" && ir::int_attribute(node, "transB", 0));
  const int64_t channels = channels_first ? weight->dims[0] : weight->dims.back();
  return ir::elements(graph, node.outputs[0]) * (weight->size() / std::max<int64_t>(1, channels));
}

std::string weight_params(const ir::Graph& graph, const ir::Node& node) {
  if (const QuantizedOp* op = find(node)) {
    if (op->weight == ir::kNone) return "";
    const ir::ValueId weight = input(node, static_cast<size_t>(op->weight));
    const size_t scale = static_cast<size_t>(op->weight_scale);
    return params_text(graph, type_of(graph, weight, "integers"), input(node, scale), input(node, scale + 1));
  }
  if (is_quantization_op(node)) return "";
  if (unpacks_constants(graph, node)) return "";
  // The largest operand that is unpacked: a bias beside it is smaller. Cast and Mul have no zero point.
  const ir::Node* unpack = nullptr;
  const ir::Tensor* stored = nullptr;
  for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
    const ir::Node* before = producer(graph, node.inputs[slot]);
    if (!before || !unpacks_constants(graph, *before)) continue;
    const ir::Tensor* integers = stored_constant(graph, *before, 0);
    if (integers && (!stored || integers->size() > stored->size())) unpack = before, stored = integers;
  }
  if (!unpack || unpack->op_type == "Cast") return "";
  const ir::ValueId zero_point =
      unpack->op_type == "Mul" ? static_cast<ir::ValueId>(ir::kNone) : input(*unpack, 2);
  return params_text(graph, ir::name_of(stored->dtype), input(*unpack, 1), zero_point);
}

std::string output_params(const ir::Graph& graph, const ir::Node& node) {
  if (const QuantizedOp* op = find(node)) {
    if (op->output_scale == ir::kNone) return "";
    const size_t scale = static_cast<size_t>(op->output_scale);
    return params_text(graph, type_of(graph, input(node, scale + 1), "uint8"), input(node, scale),
                       input(node, scale + 1));
  }
  if (is_quantization_op(node) || node.outputs.empty() || node.outputs[0] == ir::kNone) return "";
  for (const ir::NodeId reader : graph.values[static_cast<size_t>(node.outputs[0])].consumers) {
    const ir::Node& next = graph.nodes[static_cast<size_t>(reader)];
    if (ir::standard_op(next, "QuantizeLinear"))
      return params_text(graph, type_of(graph, input(next, 2), "uint8"), input(next, 1), input(next, 2));
  }
  return "";
}

}  // namespace qc
