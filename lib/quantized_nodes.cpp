// See quantized_nodes.h. The slots are those of the ONNX standard and of ONNX Runtime's
// docs/ContribOperators.md.
#include "quantized_nodes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "base/text.h"
#include "ir/edit.h"
#include "ir/ops.h"

namespace qc {
namespace {

// QOperator ops: where the weight and its scale stand (kNone: no weight), and the output's scale (zero point
// next).
struct QuantizedOp {
  std::string_view op_type, float_op;
  int weight, weight_scale, output_scale;
};

constexpr std::array<QuantizedOp, 18> kQuantizedOps{{
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
    {"MatMulInteger", "MatMul", 1, ir::kNone, ir::kNone},
    {"ConvInteger", "Conv", 1, ir::kNone, ir::kNone},
    {"DynamicQuantizeMatMul", "MatMul", 1, 2, ir::kNone},
    {"MatMulNBits", "MatMul", 1, 2, ir::kNone},
}};

constexpr std::array<std::string_view, 4> kOtherOps{"QuantizeLinear", "DequantizeLinear",
                                                    "DynamicQuantizeLinear", "DynamicQuantizeLSTM"};

const QuantizedOp* find(const ir::Node& node) {
  const auto same = [&](const QuantizedOp& op) { return node.op_type == op.op_type; };
  const auto found = std::find_if(kQuantizedOps.begin(), kQuantizedOps.end(), same);
  return found == kQuantizedOps.end() ? nullptr : &*found;
}

ir::ValueId input(const ir::Node& node, size_t slot) {
  return slot < node.inputs.size() ? node.inputs[slot] : ir::kNone;
}

// The constant that a value is made of by way of first inputs; nullptr where it is not made of constants.
const ir::Tensor* source(const ir::Graph& graph, ir::ValueId value) {
  while (value != ir::kNone) {
    const ir::Value& v = ir::value_at(graph, value);
    if (v.constant) return &*v.constant;
    const ir::Node* before = ir::producer_of(graph, value);
    value = before ? input(*before, 0) : static_cast<ir::ValueId>(ir::kNone);
  }
  return nullptr;
}

// Numbers below 2^n are left: n bits of a word; else 0.
int bits_of_remainder(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "Mod") || node.inputs.size() < 2) return 0;
  const ir::Tensor* divisor = ir::constant_input(graph, node, 1);
  if (!divisor || divisor->dtype != ir::DType::kUint64 || divisor->size() != 1) return 0;
  const uint64_t numbers = divisor->as<uint64_t>()[0];
  return std::has_single_bit(numbers) ? std::countr_zero(numbers) : 0;
}

std::optional<ir::Dims> dims_of(const ir::Graph& graph, ir::ValueId value) {
  const auto& constant = ir::value_at(graph, value).constant;
  return constant ? constant->dims : ir::static_dims(graph, value);
}

std::string params_text(const ir::Graph& graph, const std::string& type, ir::ValueId scale,
                        ir::ValueId zero_point) {
  if (scale == ir::kNone) return "";
  const ir::Tensor* scales = source(graph, scale);
  if (!scales) return format("{}, scale made while running", type);
  if (scales->size() != 1) return format("{}, {} scales", type, scales->size());
  const std::optional<double> zero = zero_point == ir::kNone ? 0.0 : ir::scalar_constant(graph, zero_point);
  return format("{} scale {:.6g} zero_point {:.0f}", type, ir::scalar_constant(graph, scale).value_or(0),
                zero.value_or(0));
}

const char* type_of(const ir::Graph& graph, ir::ValueId value, const char* fallback) {
  if (value == ir::kNone) return fallback;
  const ir::Value& v = ir::value_at(graph, value);
  const ir::DType type = v.constant ? v.constant->dtype : v.dtype;
  return type == ir::DType::kUndefined ? fallback : ir::name_of(type);
}

// QuantizeLinear, DequantizeLinear or one of the QLinear ops.
bool is_quantization_op(const ir::Node& node) {
  return find(node) || std::find(kOtherOps.begin(), kOtherOps.end(), node.op_type) != kOtherOps.end();
}

}  // namespace

bool is_quantized(const ir::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const ir::Node& node) { return !node.erased && is_quantization_op(node); });
}

std::vector<Stored> stored_as(const ir::Graph& graph) {
  std::vector<Stored> stored(graph.values.size());
  for (size_t v = 0; v < stored.size(); ++v)
    if (const auto& constant = graph.values[v].constant)
      stored[v] = {ir::bits_of(constant->dtype) > 0 ? ir::bits_of(constant->dtype) : 32, constant->dtype};
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    Stored narrowest;
    bool constants = node.captures.empty() && !node.inputs.empty();
    for (const ir::ValueId in : node.inputs) {
      if (in == ir::kNone) continue;
      const Stored& read = stored[in];
      constants = constants && read.bits > 0;
      // Truth values choose among the others.
      if (read.type == ir::DType::kBool) continue;
      if (narrowest.bits == 0 || read.bits < narrowest.bits) narrowest = read;
    }
    if (!constants || narrowest.bits == 0) continue;
    if (const int bits = bits_of_remainder(graph, node); bits > 0) narrowest = {bits, ir::DType::kUndefined};
    for (const ir::ValueId out : node.outputs)
      if (out != ir::kNone) stored[out] = narrowest;
  }
  return stored;
}

bool unpacks_constants(const std::vector<Stored>& stored, const ir::Node& node) {
  return !node.inputs.empty() && std::all_of(node.outputs.begin(), node.outputs.end(), [&](ir::ValueId out) {
    return out == ir::kNone || stored[out].bits > 0;
  });
}

bool multiplies(const ir::Node& node) {
  const QuantizedOp* op = find(node);
  const std::string_view family = op ? op->float_op : std::string_view(node.op_type);
  return family == "Conv" || family == "ConvTranspose" || family == "Gemm" || family == "MatMul";
}

Operands operands_of(const ir::Node& node) {
  const QuantizedOp* op = find(node);
  return {input(node, 0), input(node, op ? static_cast<size_t>(op->weight) : 1)};
}

int64_t macs_of(const ir::Graph& graph, const ir::Node& node) {
  if (const int64_t known = ir::macs(graph, node); known > 0) return known;
  if (node.op_type == "MatMulNBits")
    return ir::elements(graph, node.outputs[0]) * ir::int_attribute(node, "K", 0);
  const QuantizedOp* op = find(node);
  const std::string_view family = op ? op->float_op : std::string_view(node.op_type);
  if (!multiplies(node)) return 0;
  const ir::ValueId weight = operands_of(node).weight;
  const std::optional<ir::Dims> dims = weight == ir::kNone ? std::nullopt : dims_of(graph, weight);
  if (!dims || dims->size() < 2) return 0;
  const int64_t size = ir::element_count(*dims);
  if (family == "ConvTranspose")
    return ir::elements(graph, node.inputs[0]) * (size / std::max<int64_t>(1, dims->front()));
  const bool channels_first = family == "Conv" || (family == "Gemm" && ir::int_attribute(node, "transB", 0));
  const int64_t channels = channels_first ? dims->front() : dims->back();
  return ir::elements(graph, node.outputs[0]) * (size / std::max<int64_t>(1, channels));
}

std::string weight_params(const ir::Graph& graph, const std::vector<Stored>& stored, const ir::Node& node) {
  if (node.op_type == "MatMulNBits")
    return format("{} bits in blocks of {}", ir::int_attribute(node, "bits", 4),
                  ir::int_attribute(node, "block_size", 0));
  if (const QuantizedOp* op = find(node)) {
    if (op->weight == ir::kNone) return "";
    const ir::ValueId weight = input(node, static_cast<size_t>(op->weight));
    const char* type = type_of(graph, weight, "integers");
    if (op->weight_scale == ir::kNone) return type;
    const size_t scale = static_cast<size_t>(op->weight_scale);
    return params_text(graph, type, input(node, scale), input(node, scale + 1));
  }
  if (is_quantization_op(node) || unpacks_constants(stored, node)) return "";
  // The largest operand that is unpacked: a bias beside it is smaller.
  ir::ValueId weight = ir::kNone;
  int64_t most = 0;
  for (const ir::ValueId in : node.inputs) {
    if (in == ir::kNone || stored[in].bits == 0) continue;
    const std::optional<ir::Dims> dims = dims_of(graph, in);
    const int64_t elements = dims ? ir::element_count(*dims) : 0;
    if (elements > most) weight = in, most = elements;
  }
  if (weight == ir::kNone) return "";
  const Stored& as = stored[weight];
  if (as.bits >= 32) return "";
  const std::string type =
      as.type == ir::DType::kUndefined ? format("{} bits", as.bits) : std::string(ir::name_of(as.type));
  // What moves the weight stands behind what scales it. Cast and Mul have no zero point.
  for (const ir::Node* unpack = ir::producer_of(graph, weight); unpack;
       unpack = ir::producer_of(graph, input(*unpack, 0))) {
    if (ir::standard_op(*unpack, "Mul")) return params_text(graph, type, input(*unpack, 1), ir::kNone);
    if (unpack->op_type == "DequantizeLinear")
      return params_text(graph, type, input(*unpack, 1), input(*unpack, 2));
  }
  return type;
}

std::string output_params(const ir::Graph& graph, const ir::Node& node) {
  if (const QuantizedOp* op = find(node)) {
    if (op->output_scale == ir::kNone) return "";
    const size_t scale = static_cast<size_t>(op->output_scale);
    return params_text(graph, type_of(graph, input(node, scale + 1), "uint8"), input(node, scale),
                       input(node, scale + 1));
  }
  if (is_quantization_op(node) || node.outputs.empty() || node.outputs[0] == ir::kNone) return "";
  for (const ir::NodeId reader : ir::value_at(graph, node.outputs[0]).consumers) {
    const ir::Node& next = ir::node_at(graph, reader);
    if (ir::standard_op(next, "QuantizeLinear"))
      return params_text(graph, type_of(graph, input(next, 2), "uint8"), input(next, 1), input(next, 2));
  }
  return "";
}

}  // namespace qc
