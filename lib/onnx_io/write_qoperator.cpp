// Integer nodes as the runtime's integer ops: QLinearConv, QLinearAdd, QGemm, ... from integers to integers,
// without a float op between Q and DQ that the runtime would have to recognise. Ops that only move integers
// read them as they are. What has no such op keeps Q and DQ.
#include <algorithm>
#include <string_view>

#include "ir/ops.h"

#include "onnx_io/qdq_writer.h"

namespace qc::onnx_io {
namespace {

using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;
using quant::QuantParams;

struct Spelling {
  std::string_view op_type;
  const char* integer_op;
  bool standard;  // in the standard domain
  size_t data;    // input slots from 0 on that hold data; 0: all
  bool moves;     // the same op, from integers to the same integers elsewhere
};
constexpr Spelling kSpellings[] = {
    {"Conv", "QLinearConv", true, 2, false},
    {"MatMul", "QLinearMatMul", true, 2, false},
    {"Gemm", "QGemm", false, 2, false},
    {"Add", "QLinearAdd", false, 2, false},
    {"Mul", "QLinearMul", false, 2, false},
    {"AveragePool", "QLinearAveragePool", false, 1, false},
    {"GlobalAveragePool", "QLinearGlobalAveragePool", false, 1, false},
    {"Sigmoid", "QLinearSigmoid", false, 1, false},
    {"LeakyRelu", "QLinearLeakyRelu", false, 1, false},
    {"Softmax", "QLinearSoftmax", false, 1, false},
    {"Concat", "QLinearConcat", false, 0, false},
    {"MaxPool", "MaxPool", true, 1, true},
    {"Reshape", "Reshape", true, 1, true},
    {"Transpose", "Transpose", true, 1, true},
    {"Squeeze", "Squeeze", true, 1, true},
    {"Unsqueeze", "Unsqueeze", true, 1, true},
    {"Slice", "Slice", true, 1, true},
    {"Flatten", "Flatten", true, 1, true},
    {"Gather", "Gather", true, 1, true},
    {"Expand", "Expand", true, 1, true},
    {"Tile", "Tile", true, 1, true},
    {"DepthToSpace", "DepthToSpace", true, 1, true},
    {"Resize", "Resize", true, 1, true},
};

const Spelling* spelling_of(const Writer& w, NodeId id) {
  const ir::Node& node = w.node(id);
  if (w.options.float_softmax && ir::standard_op(node, "Softmax")) return nullptr;
  for (const Spelling& one : kSpellings)
    if (ir::standard_op(node, one.op_type))
      return one.standard || !w.options.standard_ops_only ? &one : nullptr;
  return nullptr;
}

bool plain_bytes(const QuantParams& params) {
  return params.bits == 8 && !params.per_channel() && params.scales.size() == 1;
}

// Do the integers end where the Relu or Clip does? Grids with powers of two as ranges, or without zero
// points, reach further: there the node itself has to cut.
bool grid_inside(const Writer& w, const ir::Node& limits, const QuantParams& params) {
  const auto bound = [&](size_t slot) {
    return slot < limits.inputs.size() && limits.inputs[slot] != kNone
               ? ir::scalar_constant(w.model.graph, limits.inputs[slot])
               : std::nullopt;
  };
  const bool relu = ir::standard_op(limits, "Relu");
  const std::optional<double> low = relu ? std::optional(0.0) : bound(1),
                              high = relu ? std::nullopt : bound(2);
  return (!low || quant::range_min(params) >= *low) && (!high || quant::range_max(params) <= *high);
}

// The value that the node's integers are rounded to: its own, or that of the Relu or Clip that disappears.
ValueId rounded_result(const Writer& w, NodeId id) {
  ValueId v = w.node(id).outputs[0];
  if (w.decision(v).quantized) return v;
  const ir::Value& value = w.value(v);
  if (value.consumers.size() != 1 || ir::is_output(w.model.graph, v)) return kNone;
  const NodeId reader = value.consumers[0];
  const ir::Node& next = w.node(reader);
  const bool clamp = ir::is_one_of(next, {"Relu", "Clip"});
  if (!clamp || w.compute(reader) != Compute::kInteger || next.inputs[0] != v) return kNone;
  v = next.outputs[0];
  return w.decision(v).quantized && grid_inside(w, next, w.decision(v).params) ? v : kNone;
}

bool integer_operand(const Writer& w, ValueId v) {
  if (v == kNone) return false;
  const auto weight = w.model.weights.find(v);
  if (weight != w.model.weights.end()) return weight->second.params.bits <= 8;
  return !w.value(v).constant && w.decision(v).quantized && plain_bytes(w.decision(v).params);
}

struct Operand {
  std::string integers, scale, zero;
};

Operand operand(Writer& w, ValueId v, const std::string& label) {
  const bool constant = w.model.weights.contains(v);
  const QuantParams params = in_kernels(constant ? w.model.weights.at(v).params : w.decision(v).params);
  return {constant ? integer_value(w, v, label) : w.quantized_as.at(v), scale_name(w, params, label),
          zero_point_name(w, params, label)};
}

std::string integer_bias(Writer& w, NodeId id) {
  const auto found = w.model.biases.find(id);
  if (found == w.model.biases.end()) return "";
  const std::string name = fresh_name(w, 'b');
  const auto count = static_cast<int64_t>(found->second.integers.size());
  add_initializer(
      w, name,
      ir::make_tensor(ir::DType::kInt32, quant::pack(found->second.integers, found->second.params), {count}),
      w.node(id).name, "bias");
  return name;
}

ir::Node integer_node(Writer& w, NodeId id, const Spelling& spelling) {
  ir::Node node = w.node(id);
  node.op_type = spelling.integer_op;
  if (!spelling.standard) {
    node.domain = kContrib;
    w.contrib = true;
  }
  if (spelling.op_type == "Gemm")
    std::erase_if(node.attributes, [](const ir::Attribute& a) { return a.name == "beta"; });
  if (spelling.op_type == "Softmax") ir::set_attribute(node, "opset", w.opset);
  return node;
}

}  // namespace

bool as_qoperator(const Writer& w, NodeId id) {
  const ir::Node& node = w.node(id);
  if (!w.options.qoperator || w.compute(id) != Compute::kInteger || node.outputs.size() != 1) return false;
  const Spelling* spelling = spelling_of(w, id);
  if (!spelling) return false;
  const size_t data = spelling->data == 0 ? node.inputs.size() : spelling->data;
  for (size_t slot = 0; slot < data; ++slot)
    if (!integer_operand(w, node.inputs.at(slot))) return false;
  const ValueId result = rounded_result(w, id);
  if (result == kNone || !plain_bytes(w.decision(result).params)) return false;
  if (node.op_type == "MaxPool" && w.opset < kIntegerClipOpset) return false;  // on floats alone
  const bool float_bias =
      node.inputs.size() > 2 && data == 2 && node.inputs[2] != kNone && !w.model.biases.contains(id);
  return !float_bias &&
         (!spelling->moves || (!w.model.weights.contains(node.inputs[0]) &&
                               w.decision(node.inputs[0]).params == w.decision(result).params));
}

bool inside_qoperator(const Writer& w, NodeId id) {
  const ir::Node& node = w.node(id);
  if (!ir::standard_op(node, "Relu") && !ir::standard_op(node, "Clip")) return false;
  const NodeId producer = w.value(node.inputs[0]).producer;
  return producer != kNone && !w.decision(node.inputs[0]).quantized && as_qoperator(w, producer);
}

bool floats_are_read(const Writer& w, ValueId v) {
  const std::vector<NodeId>& readers = w.value(v).consumers;
  return ir::is_output(w.model.graph, v) ||
         std::any_of(readers.begin(), readers.end(), [&](NodeId id) { return !as_qoperator(w, id); });
}

void add_qoperator_node(Writer& w, NodeId id) {
  const Spelling& spelling = *spelling_of(w, id);
  const ir::Node& node = w.node(id);
  const ValueId result = rounded_result(w, id);
  const QuantParams params = in_kernels(w.decision(result).params);
  const std::string scale = scale_name(w, params, node.name), zero = zero_point_name(w, params, node.name);
  std::vector<std::string> inputs;
  const size_t data = spelling.data == 0 ? node.inputs.size() : spelling.data;
  if (spelling.op_type == "Concat") inputs = {scale, zero};
  for (size_t slot = 0; slot < data; ++slot) {
    const Operand x = operand(w, node.inputs[slot], node.name);
    inputs.push_back(x.integers);
    if (!spelling.moves) inputs.insert(inputs.end(), {x.scale, x.zero});
  }
  if (spelling.moves) {
    for (size_t slot = data; slot < node.inputs.size(); ++slot)
      inputs.push_back(node.inputs[slot] == kNone ? "" : w.name(node.inputs[slot]));
  } else if (spelling.op_type == "Gemm") {
    inputs.insert(inputs.end(), {integer_bias(w, id), scale, zero});
  } else if (spelling.op_type != "Concat") {
    inputs.insert(inputs.end(), {scale, zero});
    if (const std::string bias = spelling.op_type == "Conv" ? integer_bias(w, id) : ""; !bias.empty())
      inputs.push_back(bias);
  }
  const std::string integers = fresh_name(w, 'q');
  w.quantized_as[result] = integers;
  add_node(w, integer_node(w, id, spelling), inputs, {integers}, node.name);
  if (floats_are_read(w, result))
    add_node(w, linear_node(w, "DequantizeLinear", params), {integers, scale, zero}, {w.read_as.at(result)},
             node.name);
}

}  // namespace qc::onnx_io
