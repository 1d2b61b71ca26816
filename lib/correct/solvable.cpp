// See solvable.h.
#include "correct/solvable.h"

#include <algorithm>
#include <limits>

#include "correct/gram.h"

namespace qc::correct {
namespace {

// Measured on models of pictures from 128 to 416 pixels: what an image takes in both networks together,
// beside what is alive in one of them: 1.3 to 4.6.
constexpr int64_t kTimesAlive = 5;

// Elements of activations that are alive at the fullest moment of a run in the order of the nodes.
int64_t most_alive(const ir::Graph& graph) {
  std::vector<size_t> readers(graph.values.size());
  for (size_t v = 0; v < graph.values.size(); ++v) readers[v] = graph.values[v].consumers.size();
  int64_t alive = 0, most = 0;
  for (const ir::ValueId v : graph.inputs) alive += ir::elements(graph, v);
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    for (const ir::ValueId v : node.outputs) alive += ir::elements(graph, v);
    most = std::max(most, alive);
    for (const ir::ValueId v : node.inputs)
      if (v != ir::kNone && !ir::value_at(graph, v).constant && --readers[v] == 0)
        alive -= ir::elements(graph, v);
  }
  return most;
}

ir::ValueId skip_of(const ir::Graph& graph, ir::ValueId result) {
  const ir::Value& value = ir::value_at(graph, result);
  if (value.consumers.size() != 1 || ir::is_output(graph, result)) return ir::kNone;
  const ir::Node& node = ir::node_at(graph, value.consumers[0]);
  if (node.op_type != "Add" || node.inputs.size() != 2) return ir::kNone;
  const ir::ValueId other = node.inputs[node.inputs[0] == result ? 1 : 0];
  return ir::value_at(graph, other).constant ? ir::kNone : other;
}

// Of the integers that a kernel multiplies: values of a codebook have 8 bits, however few they are.
bool is_narrow(const quant::QuantParams& params) {
  constexpr int32_t kHalf = 1 << (kFullWidth - 2);
  return params.codebook.empty()
             ? params.bits < kFullWidth
             : std::all_of(params.codebook.begin(), params.codebook.end(),
                           [](int32_t value) { return value >= -kHalf && value <= kHalf; });
}

}  // namespace

std::vector<Solvable> solvable(const plan::QuantizedModel& model, bool only_narrow) {
  std::vector<Solvable> layers;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
    const plan::NodeDecision& decision = model.plan.nodes[id];
    if (!traits || decision.compute == plan::Compute::kFloat || !decision.correct_bias) continue;
    Solvable layer{id,
                   node.inputs[traits->data_slot],
                   node.outputs[0],
                   node.inputs[traits->weight_slot],
                   ir::bias_place(model.graph, id),
                   {},
                   ir::output_channel_axis(model.graph, node),
                   ir::kNone};
    const auto weight = model.weights.find(layer.weight);
    const auto windows = windows_of(model.graph, node);
    const bool dynamic_bias = !layer.bias && node.op_type != "MatMul";
    if (weight == model.weights.end() || !windows || dynamic_bias ||
        (only_narrow && !is_narrow(weight->second.params)) ||
        (weight->second.params.block_size != 0 && windows->size > kLongestPatch) ||
        ir::value_at(model.graph, layer.weight).consumers.size() != 1 ||
        (weight->second.params.per_channel() && weight->second.params.axis != layer.axis))
      continue;
    layer.windows = *windows;
    if (layer.bias) layer.result = layer.bias->result;
    layer.skip = skip_of(model.graph, layer.result);
    layers.push_back(layer);
  }
  return layers;
}

int64_t solvable_layers(const plan::QuantizedModel& model, bool only_narrow) {
  return static_cast<int64_t>(solvable(model, only_narrow).size());
}

std::vector<std::pair<ir::ValueId, ir::NodeId>> solvable_weights(const plan::QuantizedModel& model) {
  std::vector<std::pair<ir::ValueId, ir::NodeId>> weights;
  for (const Solvable& layer : solvable(model, false)) weights.emplace_back(layer.weight, layer.node);
  return weights;
}

PassWork work_of_pass(const plan::QuantizedModel& model, const ir::Graph& sized) {
  constexpr double kGrams = 1.5;  // a whole one between the networks, and a symmetric one
  constexpr double kFactors = 2;  // of size^3: an inverse and its factor
  constexpr double kSweeps = 4;   // of size^2, by row
  PassWork work;
  for (const Solvable& layer : solvable(model, false)) {
    const std::vector<int64_t>& dims = ir::value_at(sized, layer.input).dims;
    if (dims.empty() || *std::min_element(dims.begin(), dims.end()) <= 0) {
      work.products = std::numeric_limits<double>::infinity();
      continue;
    }
    const auto groups = static_cast<double>(layer.windows.groups),
               rows = static_cast<double>(layer.windows.rows);
    for (const Windows& strip : strips_of(layer.windows, kLongestPatch)) {
      const auto size = static_cast<double>(strip.size);
      const int64_t all = positions(strip, dims);
      work.inference += static_cast<double>(all) * rows * size * groups;
      work.products += kGrams * static_cast<double>(patches_of_image(all)) * size * size * groups;
      work.solving += (kFactors * size + kSweeps * rows) * size * size * groups;
    }
  }
  return work;
}

int64_t images_that_fit(const plan::QuantizedModel& model, const ir::Graph& sized, int64_t memory_limit) {
  int64_t matrix = 0;
  for (const Solvable& layer : solvable(model, false)) matrix = std::max(matrix, layer.windows.size);
  matrix = std::min(matrix, kLongestPatch);
  matrix *= matrix;
  // Two Gram matrices of two kinds, and as many while they are factorised, in double.
  const int64_t left = memory_limit - 8 * 8 * matrix,
                image = kTimesAlive * static_cast<int64_t>(sizeof(float)) * most_alive(sized);
  return std::max<int64_t>(2, left / std::max<int64_t>(1, image));
}

}  // namespace qc::correct
