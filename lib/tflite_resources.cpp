// See tflite_resources.h. Layouts of weights are those of LiteRT's kernels
// (https://ai.google.dev/edge/litert/models/ops_compatibility and tflite/kernels/*.cc).
#include "tflite_resources.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "budget/schedule.h"

namespace qc {
namespace {

using tflite::file::Graph;
using tflite::file::kAbsent;
using tflite::file::Operator;
using tflite::file::Tensor;
using tflite::file::TensorId;

const Tensor& tensor_of(const Graph& graph, TensorId id) {
  return graph.tensors[id];
}

int64_t elements_of(const Tensor& tensor) {
  return std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
}

// --- activations

constexpr std::array kViews{"RESHAPE", "SQUEEZE", "EXPAND_DIMS"};

// By tensor: whether it stands in the file, or is made of such alone (DEQUANTIZE of a weight).
std::vector<bool> constants_of(const Graph& graph) {
  std::vector<bool> constant(graph.tensors.size());
  for (size_t i = 0; i < constant.size(); ++i) constant[i] = !graph.tensors[i].data.empty();
  for (const Operator& op : graph.operators) {
    const bool all = !op.inputs.empty() && std::all_of(op.inputs.begin(), op.inputs.end(), [&](TensorId id) {
      return id == kAbsent || constant[id];
    });
    if (!all) continue;
    for (const TensorId out : op.outputs) constant[out] = true;
  }
  return constant;
}

budget::MemoryGraph memory_of(const Graph& graph, const std::vector<bool>& constant) {
  budget::MemoryGraph memory;
  constexpr size_t kNothing = static_cast<size_t>(-1);
  std::vector<size_t> place(graph.tensors.size(), kNothing);
  const auto add = [&](TensorId id) {
    const Tensor& tensor = tensor_of(graph, id);
    const int64_t bytes = (elements_of(tensor) * ir::bits_of(tensor.dtype) + 7) / 8;
    memory.tensors.push_back({tensor.name, bytes, false, false, id});
    place[id] = memory.tensors.size() - 1;
    return memory.tensors.size() - 1;
  };
  for (const TensorId id : graph.inputs) memory.tensors[add(id)].input = true;
  for (const Operator& op : graph.operators) {
    if (op.outputs.empty() || constant[op.outputs[0]]) continue;
    const size_t first = op.inputs.empty() || op.inputs[0] == kAbsent ? kNothing : place[op.inputs[0]];
    if (std::find(kViews.begin(), kViews.end(), op.op) != kViews.end() && first != kNothing) {
      place[op.outputs[0]] = first;
      continue;
    }
    budget::MemoryGraph::Op step{tensor_of(graph, op.outputs[0]).name, {}, {}};
    for (const TensorId id : op.inputs) {
      const size_t at = id == kAbsent ? kNothing : place[id];
      if (at != kNothing && std::find(step.reads.begin(), step.reads.end(), at) == step.reads.end())
        step.reads.push_back(at);
    }
    for (const TensorId id : op.outputs)
      if (place[id] == kNothing) step.writes.push_back(add(id));
    memory.ops.push_back(std::move(step));
  }
  for (const TensorId id : graph.outputs)
    if (const size_t at = place[id]; at != kNothing) memory.tensors[at].output = true;
  return memory;
}

// --- operations

// Where a layer's operands stand, and which dimensions of its weight one element of the result, or of the
// input (`by_input`), meets.
struct Layer {
  const char* op;
  size_t data, weight;
  bool by_input;
  int64_t (*met)(const std::vector<int64_t>& weight);
};

int64_t all_but_first(const std::vector<int64_t>& dims) {
  return std::accumulate(dims.begin() + 1, dims.end(), int64_t{1}, std::multiplies<>());
}
int64_t all_but_last(const std::vector<int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end() - 1, int64_t{1}, std::multiplies<>());
}

constexpr std::array kLayers{
    Layer{"CONV_2D", 0, 1, false, all_but_first},           // [out, h, w, in]
    Layer{"DEPTHWISE_CONV_2D", 0, 1, false, all_but_last},  // [1, h, w, out]
    Layer{"FULLY_CONNECTED", 0, 1, false, all_but_first},   // [out, in]
    Layer{"TRANSPOSE_CONV", 2, 1, true, all_but_last},      // [out, h, w, in]
    Layer{"CONV_3D", 0, 1, false, all_but_last},            // [d, h, w, in, out]
    Layer{"BATCH_MATMUL", 0, 1, false,                      // [..., in, out], or turned
          [](const std::vector<int64_t>& dims) { return dims[dims.size() - 2]; }},
};

// Of what a constant is made: the tensor with its bytes.
const Tensor& stored_of(const Graph& graph, TensorId id) {
  for (const Operator& op : graph.operators)
    if (!op.outputs.empty() && op.outputs[0] == id && !op.inputs.empty() && op.inputs[0] != kAbsent)
      return stored_of(graph, op.inputs[0]);
  return tensor_of(graph, id);
}

void add_operations(const Graph& graph, const std::vector<bool>& constant, TfliteResources& found) {
  int64_t macs = 0;
  double bops = 0;
  for (const Operator& op : graph.operators) {
    const auto* layer =
        std::find_if(kLayers.begin(), kLayers.end(), [&](const Layer& row) { return op.op == row.op; });
    if (layer == kLayers.end() || op.inputs.size() <= std::max(layer->data, layer->weight)) continue;
    const TensorId data = op.inputs[layer->data], weight = op.inputs[layer->weight];
    if (data == kAbsent || weight == kAbsent || !constant[weight]) continue;
    std::vector<int64_t> dims = tensor_of(graph, weight).shape;
    if (dims.size() < 2) continue;
    if (op.op == "BATCH_MATMUL" && tflite::file::int_option(op, "adj_y") != 0)
      std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
    const int64_t products =
        elements_of(tensor_of(graph, layer->by_input ? data : op.outputs[0])) * layer->met(dims);
    macs += products;
    bops += static_cast<double>(products) * ir::bits_of(tensor_of(graph, data).dtype) *
            ir::bits_of(stored_of(graph, weight).dtype);
  }
  found.macs = macs;
  found.taken.bops = bops;
}

}  // namespace

TfliteResources resources_of(const tflite::file::Model& model) {
  constexpr std::array kConstants{"weights", "bias", "constants", "scales", "zero points"};
  const Graph& graph = model.graphs[0];
  TfliteResources found;
  for (const tflite::file::Claim& claim : model.claims)
    if (std::find(kConstants.begin(), kConstants.end(), claim.kind) != kConstants.end())
      found.taken.constants += claim.bytes;
  const std::vector<bool> constant = constants_of(graph);
  const bool fixed = std::all_of(graph.tensors.begin(), graph.tensors.end(), [](const Tensor& tensor) {
    return std::all_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t dim) { return dim >= 0; });
  });
  if (!fixed) return found;
  const budget::MemoryGraph memory = memory_of(graph, constant);
  std::vector<size_t> order(memory.ops.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const budget::Peak peak = budget::walk(memory, order);
  found.taken.activations = peak.bytes;
  if (peak.op < memory.ops.size()) found.fullest = memory.ops[peak.op].name;
  add_operations(graph, constant, found);
  return found;
}

}  // namespace qc
