// See ops.h.
#include "ir/ops.h"

#include <algorithm>
#include <array>

namespace qc::ir {
namespace {

constexpr std::array<WeightTraits, 4> kWeighted{{
    {"Conv", 0, 1},
    {"ConvTranspose", 0, 1},
    {"Gemm", 0, 1},
    {"MatMul", 0, 1},
}};

}  // namespace

const WeightTraits* weight_traits(const Graph& graph, const Node& node) {
  for (const WeightTraits& traits : kWeighted) {
    if (!standard_op(node, traits.op_type)) continue;
    const Tensor* weight = constant_input(graph, node, traits.weight_slot);
    const bool usable = weight && weight->dtype == DType::kFloat && weight->dims.size() >= 2 &&
                        weight->size() > 0 && !constant_input(graph, node, traits.data_slot);
    return usable ? &traits : nullptr;
  }
  return nullptr;
}

int output_channel_axis(const Graph& graph, const Node& node) {
  if (node.op_type == "Conv") return 0;
  if (node.op_type == "ConvTranspose") return 1;
  if (node.op_type == "Gemm") return int_attribute(node, "transB", 0) ? 0 : 1;
  const Tensor* weight = constant_input(graph, node, 1);
  return weight ? static_cast<int>(weight->dims.size()) - 1 : -1;
}

int output_axis(const Node& node) {
  return node.op_type == "Conv" || node.op_type == "ConvTranspose" ? 1 : -1;
}

std::optional<BiasPlace> bias_place(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const ValueId out = node.outputs[0];
  if (node.op_type != "MatMul") {
    const bool has = node.inputs.size() > 2 && node.inputs[2] != kNone;
    const Tensor* bias = constant_input(graph, node, 2);
    if (has && (!bias || bias->dims.size() != 1)) return std::nullopt;
    return BiasPlace{id, has ? 2 : kNone, out};
  }
  const Value& value = value_at(graph, out);
  if (value.consumers.size() != 1 || is_output(graph, out)) return std::nullopt;
  const NodeId reader = value.consumers[0];
  const Node& add = node_at(graph, reader);
  if (!standard_op(add, "Add")) return std::nullopt;
  const Tensor* weight = constant_input(graph, node, 1);
  for (const int slot : {0, 1}) {
    const Tensor* bias = constant_input(graph, add, slot);
    if (bias && weight && bias->dtype == DType::kFloat && bias->dims.size() == 1 &&
        bias->dims[0] == weight->dims.back())
      return BiasPlace{reader, slot, add.outputs[0]};
  }
  return std::nullopt;
}

NodeId bias_add(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (node.erased || !standard_op(node, "MatMul") || !weight_traits(graph, node) ||
      constant_input(graph, node, 1)->dims.size() != 2)
    return kNone;
  const std::optional<BiasPlace> place = bias_place(graph, id);
  return place ? place->node : kNone;
}

bool is_narrow_softmax(const Graph& graph, const Node& node) {
  constexpr int64_t kMostClasses = 8, kManyPlaces = 256;
  if (!standard_op(node, "Softmax")) return false;
  const std::vector<int64_t>& dims = value_at(graph, node.inputs[0]).dims;
  const auto rank = std::ssize(dims);
  int64_t axis = int_attribute(node, "axis", -1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return false;
  const int64_t classes = dims[axis];
  return classes > 1 && classes <= kMostClasses && elements(graph, node.inputs[0]) / classes >= kManyPlaces;
}

int64_t elements(const Graph& graph, ValueId id) {
  if (id == kNone) return 0;
  const Value& value = value_at(graph, id);
  if (value.constant) return value.constant->size();
  if (!value.has_shape) return 0;
  int64_t count = 1;
  for (const int64_t d : value.dims) count *= std::max<int64_t>(d, 1);
  return count;
}

bool is_depthwise(const Graph& graph, const Node& node) {
  if (!standard_op(node, "Conv") || !weight_traits(graph, node)) return false;
  return int_attribute(node, "group", 1) > 1 && constant_input(graph, node, 1)->dims[1] == 1;
}

std::string_view rule_name(const Graph& graph, const Node& node) {
  return is_depthwise(graph, node) ? "Conv:depthwise" : std::string_view(node.op_type);
}

int64_t macs(const Graph& graph, const Node& node) {
  const WeightTraits* traits = weight_traits(graph, node);
  if (!traits) {
    if (!standard_op(node, "MatMul") || node.inputs.size() < 2) return 0;
    const Value& a = value_at(graph, node.inputs[0]);
    return a.has_shape && !a.dims.empty()
               ? elements(graph, node.outputs[0]) * std::max<int64_t>(1, a.dims.back())
               : 0;
  }
  const Tensor& weight = *constant_input(graph, node, traits->weight_slot);
  if (node.op_type == "ConvTranspose")  // every input element meets the weights of its channel
    return elements(graph, node.inputs[0]) * (weight.size() / std::max<int64_t>(1, weight.dims[0]));
  const int64_t channels = weight.dims[output_channel_axis(graph, node)];
  return elements(graph, node.outputs[0]) * (weight.size() / std::max<int64_t>(1, channels));
}

}  // namespace qc::ir
