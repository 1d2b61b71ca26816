// See tiles.h.
#include "spell/tiles.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "ir/edit.h"
#include "ir/ops.h"
#include "ir/short_runs.h"
#include "normalize/idioms.h"
#include "plan/resize_plan.h"

namespace qc {
namespace {

constexpr double kMostElements = 0.02;     // of all constants'
constexpr int64_t kAlwaysElements = 4096;  // what small models may take

// The runtime makes one node of a layer in float and what is added to it or multiplied with it, by the shape
// of the constant.
bool joins_layer(const plan::QuantizedModel& model, ir::ValueId v) {
  constexpr std::array kLayers{"Conv", "ConvTranspose", "Gemm", "MatMul"};
  const ir::NodeId maker = ir::value_at(model.graph, v).producer;
  return maker != ir::kNone && !model.plan.values[v].quantized &&
         model.plan.nodes[maker].compute != plan::Compute::kInteger &&
         std::ranges::any_of(
             kLayers, [&](const char* op) { return ir::standard_op(ir::node_at(model.graph, maker), op); });
}

// Nodes that the runtime makes a LayerNormalization of, by the shapes of scale and shift.
std::vector<bool> parts_of_norms(const ir::Graph& graph) {
  std::vector<bool> parts(graph.nodes.size(), false);
  for (const plan::Idiom& idiom : normalize::recognise(graph))
    if (idiom.kind == plan::IdiomKind::kLayerNorm)
      for (const ir::NodeId id : idiom.nodes) parts[id] = true;
  return parts;
}

int64_t room_of(const ir::Graph& graph) {
  double elements = 0;
  for (const ir::Value& value : graph.values)
    if (value.constant) elements += static_cast<double>(value.constant->size());
  return std::max(kAlwaysElements, static_cast<int64_t>(kMostElements * elements));
}

bool one_grid(const plan::QuantizedModel& model, ir::ValueId v) {
  const auto stored = model.weights.find(v);
  return stored == model.weights.end() ||
         (!stored->second.params.per_channel() && stored->second.params.block_size == 0);
}

// `to` is what `from` is, repeated; both may be one value.
void repeat(plan::QuantizedModel& model, ir::ValueId from, ir::ValueId to, const ir::Dims& dims) {
  const ir::Tensor before = *ir::value_at(model.graph, from).constant;
  if (const auto stored = model.weights.find(from); stored != model.weights.end()) {
    plan::IntegerTensor tensor = stored->second;
    tensor.integers = ir::repeated(std::span<const int32_t>(tensor.integers), before.dims, dims);
    model.weights[to] = std::move(tensor);
  }
  if (const auto narrow = model.narrow.find(from); narrow != model.narrow.end())
    model.narrow[to] = narrow->second;
  ir::Value& value = ir::value_at(model.graph, to);
  value.constant = ir::float_tensor(ir::repeated(before.as<float>(), before.dims, dims), dims);
  value.has_shape = true;
  value.dims = dims;
  value.dim_params.assign(dims.size(), "");
}

}  // namespace

void spell_tiles(plan::QuantizedModel& model) {
  ir::Graph& graph = model.graph;
  const std::vector<bool> norms = parts_of_norms(graph);
  int64_t room = room_of(graph);
  std::map<std::pair<ir::ValueId, ir::Dims>, ir::ValueId> made;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const std::optional<ir::ShortRuns> runs = ir::short_runs(graph, ir::node_at(graph, id));
    if (!runs || runs->tiled.empty() || norms[id]) continue;
    const ir::ValueId v = ir::node_at(graph, id).inputs[runs->slot];
    if (joins_layer(model, ir::node_at(graph, id).inputs[1 - runs->slot]) || !one_grid(model, v)) continue;
    const auto known = made.find({v, runs->tiled});
    if (known != made.end()) {
      ir::set_input(graph, id, runs->slot, known->second);
      continue;
    }
    const bool own = ir::sole_consumer(graph, v) == id;
    const int64_t more = ir::element_count(runs->tiled) - (own ? ir::value_at(graph, v).constant->size() : 0);
    if (more > room) continue;
    room -= more;
    const ir::Tensor constant = *ir::value_at(graph, v).constant;
    const ir::ValueId to =
        own ? v : ir::add_constant(graph, ir::value_at(graph, v).name + "/repeated", constant);
    plan::resize_plan(model);
    repeat(model, v, to, runs->tiled);
    made[{v, runs->tiled}] = to;
    ir::set_input(graph, id, runs->slot, to);
  }
  const auto unread = [&](const auto& stored) { return ir::value_at(graph, stored.first).consumers.empty(); };
  std::erase_if(model.weights, unread);
  std::erase_if(model.narrow, unread);
  ir::remove_dead(graph);
}

}  // namespace qc
