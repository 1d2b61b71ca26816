// See run_time.h. Slots are those of the ONNX standard and of ONNX Runtime's docs/ContribOperators.md.
#include "adopt/run_time.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "base/text.h"
#include "ir/edit.h"

namespace qc::adopt {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::Tensor;
using ir::ValueId;

ValueId input(const Node& node, size_t slot) {
  return slot < node.inputs.size() ? node.inputs[slot] : kNone;
}

// A layer as it would be in float.
struct Layer {
  ValueId x = kNone, weight = kNone, weight_scale = kNone, weight_zero = kNone, bias = kNone;
  NodeId result = kNone;  // the node that is to compute it
  bool conv = false;
};

struct Rounded {
  ValueId x = kNone, scale = kNone;
};

// What DynamicQuantizeLinear made these integers of.
std::optional<Rounded> rounded(const Graph& graph, ValueId integers, ValueId zero) {
  if (integers == kNone || ir::value_at(graph, integers).producer == kNone) return std::nullopt;
  const Node& maker = ir::node_at(graph, ir::value_at(graph, integers).producer);
  if (!ir::standard_op(maker, "DynamicQuantizeLinear") || maker.outputs.size() != 3 ||
      maker.outputs[0] != integers || maker.outputs[2] != zero)
    return std::nullopt;
  return Rounded{maker.inputs[0], maker.outputs[1]};
}

NodeId only_reader(const Graph& graph, ValueId value, const char* op) {
  const std::vector<NodeId>& readers = ir::value_at(graph, value).consumers;
  if (readers.size() != 1 || ir::is_output(graph, value)) return kNone;
  return ir::standard_op(ir::node_at(graph, readers[0]), op) ? readers[0] : kNone;
}

// Of two factors the one that is not this; kNone where neither is.
ValueId other_factor(const Node& mul, ValueId one) {
  if (mul.inputs[0] == one) return mul.inputs[1];
  return mul.inputs[1] == one ? mul.inputs[0] : kNone;
}

// sums of integers -> Cast -> Mul by x's scale, or by its product with the weight's
std::optional<Layer> integer_layer(const Graph& graph, const Node& node) {
  const std::optional<Rounded> from = rounded(graph, input(node, 0), input(node, 2));
  if (!from) return std::nullopt;
  const NodeId cast = only_reader(graph, node.outputs[0], "Cast");
  if (cast == kNone) return std::nullopt;
  const ValueId sums = ir::node_at(graph, cast).outputs[0];
  const NodeId mul = only_reader(graph, sums, "Mul");
  if (mul == kNone) return std::nullopt;
  const ValueId factor = other_factor(ir::node_at(graph, mul), sums);
  Layer layer{from->x, input(node, 1), kNone, input(node, 3), kNone, mul, node.op_type == "ConvInteger"};
  if (factor == from->scale) return layer;
  const NodeId both = factor == kNone ? kNone : ir::value_at(graph, factor).producer;
  if (both == kNone || !ir::standard_op(ir::node_at(graph, both), "Mul")) return std::nullopt;
  layer.weight_scale = other_factor(ir::node_at(graph, both), from->scale);
  return layer.weight_scale == kNone ? std::nullopt : std::optional(layer);
}

std::optional<Layer> layer_of(const Graph& graph, NodeId id) {
  const Node& node = ir::node_at(graph, id);
  if (ir::standard_op(node, "MatMulInteger") || ir::standard_op(node, "ConvInteger"))
    return integer_layer(graph, node);
  if (node.op_type == "DynamicQuantizeMatMul")
    return Layer{input(node, 0), input(node, 1), input(node, 2), input(node, 3), input(node, 4), id};
  if (node.op_type != "MatMulIntegerToFloat") return std::nullopt;
  const std::optional<Rounded> from = rounded(graph, input(node, 0), input(node, 4));
  if (!from || from->scale != input(node, 2)) return std::nullopt;
  return Layer{from->x, input(node, 1), input(node, 3), input(node, 5), input(node, 6), id};
}

// One number, or as many as there are channels, in the dimension that broadcasting over the result lays along
// them: `behind` dimensions stand behind it.
bool fits(const Tensor& numbers, int64_t channels, size_t behind) {
  if (numbers.size() == 1) return true;
  return numbers.size() == channels && numbers.dims.size() > behind &&
         numbers.dims[numbers.dims.size() - 1 - behind] == channels;
}

int integer_at(const Tensor& tensor, size_t i) {
  const char byte = (*tensor.bytes)[i];
  return tensor.dtype == ir::DType::kInt8 ? static_cast<signed char>(byte) : static_cast<unsigned char>(byte);
}

bool has_bytes(const Tensor* tensor) {
  return tensor && tensor->bytes && (tensor->dtype == ir::DType::kInt8 || tensor->dtype == ir::DType::kUint8);
}

// The floats that the weight's integers stand for.
std::optional<Tensor> weight_of(const Graph& graph, const Layer& layer) {
  const auto constant = [&](ValueId v) -> const Tensor* {
    const auto& tensor = ir::value_at(graph, v).constant;
    return tensor ? &*tensor : nullptr;
  };
  const Tensor* stored = layer.weight == kNone ? nullptr : constant(layer.weight);
  if (!has_bytes(stored) || stored->dims.size() < 2) return std::nullopt;
  const size_t axis = layer.conv ? 0 : stored->dims.size() - 1;
  const int64_t channels = stored->dims[axis];
  const Tensor* scale = layer.weight_scale == kNone ? nullptr : constant(layer.weight_scale);
  if (layer.weight_scale != kNone && (!scale || !scale->bytes || scale->dtype != ir::DType::kFloat ||
                                      !fits(*scale, channels, layer.conv ? stored->dims.size() - 2 : 0)))
    return std::nullopt;
  const Tensor* zero = layer.weight_zero == kNone ? nullptr : constant(layer.weight_zero);
  if (layer.weight_zero != kNone && (!has_bytes(zero) || !fits(*zero, channels, 0))) return std::nullopt;
  const int64_t inner = std::accumulate(stored->dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                                        stored->dims.end(), int64_t{1}, std::multiplies<>());
  std::vector<float> floats(static_cast<size_t>(stored->size()));
  for (size_t i = 0; i < floats.size(); ++i) {
    const auto channel = static_cast<size_t>(static_cast<int64_t>(i) / inner % channels);
    const auto of = [&](const Tensor& numbers) { return numbers.size() == 1 ? size_t{0} : channel; };
    floats[i] = static_cast<float>(integer_at(*stored, i) - (zero ? integer_at(*zero, of(*zero)) : 0)) *
                (scale ? scale->as<float>()[of(*scale)] : 1.0f);
  }
  return ir::make_tensor(std::span<const float>(floats), stored->dims);
}

void rewrite(Graph& graph, NodeId from, const Layer& layer, Tensor weight) {
  const ValueId w =
      ir::add_constant(graph, ir::value_at(graph, layer.weight).name + "_float", std::move(weight));
  const std::vector<ir::Attribute> attributes =
      layer.conv ? ir::node_at(graph, from).attributes : std::vector<ir::Attribute>{};
  const char* op = layer.conv ? "Conv" : "MatMul";
  if (layer.bias != kNone) {
    const std::string name = ir::node_at(graph, layer.result).name + "_product";
    const ValueId product = ir::insert_node(graph, op, {layer.x, w}, attributes, name, layer.result);
    ir::become(graph, layer.result, "Add", {product, layer.bias}, {});
  } else {
    ir::become(graph, layer.result, op, {layer.x, w}, attributes);
  }
  ir::node_at(graph, layer.result).domain.clear();
}

}  // namespace

int64_t float_run_time_layers(Graph& graph) {
  int64_t found = 0;
  for (const NodeId id : ir::topological_order(graph)) {
    const std::optional<Layer> layer = layer_of(graph, id);
    std::optional<Tensor> weight = layer ? weight_of(graph, *layer) : std::nullopt;
    if (!weight) continue;
    rewrite(graph, id, *layer, std::move(*weight));
    ++found;
  }
  if (found > 0) ir::remove_dead(graph);
  return found;
}

std::vector<std::string> rounding_at_run_time(const Graph& graph) {
  constexpr std::string_view kOps[] = {
      "DynamicQuantizeLinear", "ConvInteger",         "MatMulInteger",
      "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulIntegerToFloat",
      "MatMulInteger16",       "QAttention",          "QEmbedLayerNormalization"};
  std::vector<std::string> names;
  for (const Node& node : graph.nodes)
    if (!node.erased && std::ranges::find(kOps, node.op_type) != std::end(kOps))
      names.push_back(format("'{}' ({})", node.name, node.op_type));
  return names;
}

}  // namespace qc::adopt
