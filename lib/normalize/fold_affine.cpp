// Mul, Div, Add or Sub with a constant for each channel (or one for all) behind Conv, ConvTranspose, Gemm or
// MatMul: Paddle and CNTK write biases this way, others learned scales. Into the weights, one node after the
// other; but weights that layers share would have to become as many.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  Linear linear;
  ScaleShift map;
};

constexpr int64_t kWorthSharing = 4096;  // elements; a node costs less than so many more

bool keeps_weights_shared(const Graph& graph, const Linear& linear, const ScaleShift& map) {
  const ir::Value& weight = value_at(graph, node_at(graph, linear.node).inputs[1]);
  return weight.consumers.size() == 1 || weight.constant->size() < kWorthSharing ||
         std::all_of(map.scale.begin(), map.scale.end(), [](auto scale) { return scale == 1; });
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  for (size_t slot = 0; slot < node.inputs.size() && node.inputs.size() == 2; ++slot) {
    const auto linear = linear_before(graph, node.inputs[slot]);
    if (!linear) continue;
    const auto map =
        channel_map_at(graph, id, slot, linear->out_channels, linear->rank, linear->channel_axis);
    if (map && keeps_weights_shared(graph, *linear, *map)) return Match{id, *linear, *map};
  }
  return std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  if (!fold_behind(graph, m.linear, m.map.scale, m.map.shift)) return false;
  take_over(graph, m.linear.node, m.node);
  return true;
}

}  // namespace

int fold_affine(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
