// Named rewrites on the ONNX graph, each of which brings it nearer to what TFLite has: functions that are one
// op there, channels that change places by a permutation of weights instead of at run time. Nodes keep their
// plan entries; what becomes one op runs where its last node ran.
#include <algorithm>
#include <numeric>
#include <optional>

#include "tflite/rewrite.h"

#include "ir/channel_shuffle.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

using plan::Compute;

// Does the plan round a value in the middle of the group?
bool rounds_inside(const plan::QuantizedModel& model, const plan::Idiom& idiom) {
  return std::any_of(idiom.nodes.begin(), idiom.nodes.end(), [&](ir::NodeId id) {
    const ir::ValueId v = ir::node_at(model.graph, id).outputs[0];
    return v != idiom.output && model.plan.values[v].quantized;
  });
}

// GELU and HardSwish are one op each. HardSwish runs on integers if its multiplication did; where the plan
// rounds its gate and the runtime has no kernel for the whole, the gate is on integers, too.
void join_idioms(plan::QuantizedModel& model, const std::vector<plan::Idiom>& idioms,
                 const LowerOptions& options) {
  for (const plan::Idiom& idiom : idioms) {
    const ir::NodeId last = ir::value_at(model.graph, idiom.output).producer;
    if (last == ir::kNone || idiom.inputs.size() != 1 || idiom.nodes.size() < 2) continue;
    const bool tanh = idiom.kind == plan::IdiomKind::kGeluTanh;
    if (tanh || idiom.kind == plan::IdiomKind::kGelu) {
      become(model, last, "Gelu", idiom.inputs, {{"approximate", std::string(tanh ? "tanh" : "none")}});
      model.plan.nodes[last].compute = Compute::kFloat;
    } else if (idiom.kind == plan::IdiomKind::kHardSwish && ir::node_at(model.graph, last).op_type == "Mul") {
      if (!options.xnnpack || !rounds_inside(model, idiom)) {
        become(model, last, "HardSwish", idiom.inputs, {});
        continue;
      }
      for (const ir::NodeId id : idiom.nodes)
        if (ir::standard_op(ir::node_at(model.graph, id), "HardSigmoid"))
          model.plan.nodes[id].compute = Compute::kInteger;
    }
  }
}

std::vector<int64_t> dims_in(const plan::QuantizedModel& model, ir::ValueId v) {
  return ir::value_at(model.graph, v).dims;
}

void join_channel_shuffles(plan::QuantizedModel& model) {
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(model.graph.nodes.size()); ++id) {
    const std::optional<ir::ChannelShuffle> found = ir::channel_shuffle_at(model.graph, id);
    if (!found) continue;
    become(model, id, "ChannelShuffle", {found->input}, {{"groups", found->groups}});
    // Of the three, the first alone may have been in float; then its input is, and so is the whole.
    if (!model.plan.values[found->input].quantized) model.plan.nodes[id].compute = Compute::kFloat;
  }
}

// result[k] = old[order[k]] along dimension `axis`.
template <class T>
std::vector<T> picked(std::span<const T> old, std::span<const int64_t> dims, size_t axis,
                      const std::vector<int64_t>& order) {
  const int64_t inner = std::accumulate(dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, dims.end(),
                                        int64_t{1}, std::multiplies<>());
  const int64_t row = inner * dims[axis];
  std::vector<T> result;
  result.reserve(old.size());
  for (int64_t start = 0; start < static_cast<int64_t>(old.size()); start += row)
    for (const int64_t k : order) {
      const auto from = old.begin() + (start + k * inner);
      result.insert(result.end(), from, from + inner);
    }
  return result;
}

void pick(plan::IntegerTensor& tensor, std::span<const int64_t> dims, size_t axis,
          const std::vector<int64_t>& order) {
  tensor.integers = picked<int32_t>(tensor.integers, dims, axis, order);
  if (!tensor.params.per_channel() || tensor.params.axis != static_cast<int>(axis)) return;
  const int64_t channels[] = {dims[axis]};
  tensor.params.scales = picked<float>(tensor.params.scales, channels, 0, order);
  tensor.params.zero_points = picked<int32_t>(tensor.params.zero_points, channels, 0, order);
}

// PixelShuffle (DepthToSpace of mode CRD) reads channel c b^2 + k where TFLite reads k C + c: the convolution
// in front makes its channels in TFLite's order.
void permute_pixel_shuffles(plan::QuantizedModel& model) {
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(model.graph.nodes.size()); ++id) {
    const ir::Node& shuffle = ir::node_at(model.graph, id);
    if (shuffle.erased || !ir::standard_op(shuffle, "DepthToSpace") ||
        ir::string_attribute(shuffle, "mode", "DCR") != "CRD" ||
        only_reader(model, shuffle.inputs[0]) == ir::kNone)
      continue;
    const ir::NodeId maker = ir::value_at(model.graph, shuffle.inputs[0]).producer;
    if (maker == ir::kNone) continue;
    const ir::Node& conv = ir::node_at(model.graph, maker);
    const bool fits =
        ir::standard_op(conv, "Conv") && ir::int_attribute(conv, "group", 1) == 1 &&
        ir::constant_input(model.graph, conv, 1) &&
        (conv.inputs.size() < 3 || conv.inputs[2] == ir::kNone || ir::constant_input(model.graph, conv, 2));
    if (!fits) continue;
    const int64_t block = ir::int_attribute(shuffle, "blocksize", 1), cells = block * block;
    const int64_t channels = dims_in(model, shuffle.inputs[0])[1], colours = channels / cells;
    std::vector<int64_t> order;
    for (int64_t k = 0; k < cells; ++k)
      for (int64_t c = 0; c < colours; ++c) order.push_back(c * cells + k);
    permute_weights(model, maker, 0, order);
    ir::set_attribute(ir::node_at(model.graph, id), "mode", std::string("DCR"));
  }
}

// Integers of 64 bits that nodes make have 32 where ARG_MAX gives no more; constants have no more anyway.
void narrow_places(ir::Graph& graph) {
  std::vector<bool> narrowed(graph.values.size());
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const bool begins = ir::is_one_of(node, {"ArgMax", "ArgMin", "Cast"});
    const bool goes_on =
        std::ranges::any_of(node.inputs, [&](ir::ValueId v) { return v != ir::kNone && narrowed[v]; });
    for (const ir::ValueId v : node.outputs) {
      if (v == ir::kNone || !(begins || goes_on)) continue;
      ir::Value& value = ir::value_at(graph, v);
      if (value.dtype != ir::DType::kInt64) continue;
      value.dtype = ir::DType::kInt32;
      narrowed[v] = true;
    }
  }
}

}  // namespace

ir::NodeId only_reader(const plan::QuantizedModel& model, ir::ValueId v) {
  const ir::Value& value = ir::value_at(model.graph, v);
  return value.consumers.size() == 1 && !ir::is_output(model.graph, v) ? value.consumers[0] : ir::kNone;
}

void become(plan::QuantizedModel& model, ir::NodeId id, const char* op_type,
            const std::vector<ir::ValueId>& inputs, std::vector<ir::Attribute> attributes) {
  ir::Node& node = ir::node_at(model.graph, id);
  const size_t before = node.inputs.size();
  for (size_t slot = 0; slot < std::max(before, inputs.size()); ++slot)
    ir::set_input(model.graph, id, slot, slot < inputs.size() ? inputs[slot] : ir::kNone);
  ir::node_at(model.graph, id).inputs.resize(inputs.size());
  ir::node_at(model.graph, id).op_type = op_type;
  ir::node_at(model.graph, id).attributes = std::move(attributes);
}

void permute_weights(plan::QuantizedModel& model, ir::NodeId id, size_t axis,
                     const std::vector<int64_t>& order) {
  const size_t slots = axis == 0 ? 2 : 1;
  for (size_t slot = 1; slot <= slots; ++slot) {
    const ir::Node& conv = ir::node_at(model.graph, id);
    if (slot >= conv.inputs.size() || conv.inputs[slot] == ir::kNone) continue;
    const ir::ValueId old = conv.inputs[slot];
    const ir::Tensor& constant = *ir::value_at(model.graph, old).constant;
    const std::vector<float> values = picked(constant.as<float>(), constant.dims, axis, order);
    const std::vector<int64_t> dims = constant.dims;
    const ir::ValueId fresh = ir::add_constant(model.graph, ir::value_at(model.graph, old).name,
                                               ir::make_tensor(std::span<const float>(values), dims));
    model.plan.values.resize(model.graph.values.size());
    model.plan.values[fresh] = model.plan.values[old];
    if (const auto integers = model.weights.find(old); slot == 1 && integers != model.weights.end()) {
      plan::IntegerTensor moved = integers->second;
      pick(moved, dims, axis, order);
      model.weights[fresh] = std::move(moved);
    }
    ir::set_input(model.graph, id, slot, fresh);
  }
  const auto bias = model.biases.find(id);
  const int64_t channels[] = {static_cast<int64_t>(order.size())};
  if (axis == 0 && bias != model.biases.end()) pick(bias->second, channels, 0, order);
}

void rewrite(plan::QuantizedModel& model, const std::vector<plan::Idiom>& idioms,
             const LowerOptions& options) {
  join_idioms(model, idioms, options);
  constants_of_shape(model);
  pad_instead_of_concat(model);
  join_slices(model);
  join_channel_shuffles(model);
  join_group_norms(model);
  ir::remove_dead(model.graph);  // what was joined reads nothing any more
  route_channels(model);
  permute_pixel_shuffles(model);
  ir::remove_dead(model.graph);
  if (options.narrow_places) narrow_places(model.graph);
}

}  // namespace qc::tflite
