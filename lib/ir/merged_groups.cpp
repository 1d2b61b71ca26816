// See merged_groups.h.
#include "ir/merged_groups.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ir/edit.h"
#include "ir/ops.h"

namespace qc::ir {
namespace {

// What it may cost in elements: a share of all constants', or anything where a layer is so much of all
// products.
constexpr double kMostBytes = 0.02, kMuchOfTime = 0.25;
// Of its time at least must a layer gain: products take two and a half times as long without VNNI (the times
// of "Conv" in targets/int8.json), where less would be none.
constexpr double kLeastGain = 0.3;

// Time of a channel of a result, relative, by the width of its group: copying a patch for each group, an own
// part for each product of matrices, and the products. Measured for 22 shapes of 32 to 512 channels, from 7x7
// to 56x56; one group alone has a kernel that copies nothing.
double time_of_channel(int64_t width, bool dense) {
  const auto w = static_cast<double>(width);
  return dense ? 1.3 + 0.046 * w : 72 / w + 0.2 + 0.07 * w;
}

struct Layer {
  int64_t groups = 1, width = 0;  // width: input channels of a group
};

// In groups of several channels. Of an even number, so that what kernels without VNNI add up in pairs, and
// what weights are bounded for, stays a pair.
Layer layer_at(const Graph& graph, const Node& node) {
  const Tensor* weight = constant_input(graph, node, 1);
  const int64_t groups = int_attribute(node, "group", 1);
  if (!standard_op(node, "Conv") || !weight || weight->dims.size() != 4 || groups < 2 ||
      weight->dims[1] % 2 != 0 || weight->dims[0] % groups != 0)
    return {};
  return {groups, weight->dims[1]};
}

// Numbers of groups that could be written, the fastest first.
std::vector<std::pair<double, int64_t>> choices_of(const Layer& layer) {
  std::vector<std::pair<double, int64_t>> choices;
  const double most = (1 - kLeastGain) * time_of_channel(layer.width, false);
  for (int64_t groups = 1; groups < layer.groups; ++groups) {
    if (layer.groups % groups != 0) continue;
    const double time = time_of_channel(layer.width * layer.groups / groups, groups == 1);
    if (time <= most) choices.emplace_back(time, groups);
  }
  std::sort(choices.begin(), choices.end());
  return choices;
}

}  // namespace

std::map<NodeId, int64_t> merged_groups(const Graph& graph) {
  const std::vector<NodeId> order = topological_order(graph);
  double room = 0, products = 0;
  for (const Value& value : graph.values)
    if (value.constant) room += kMostBytes * static_cast<double>(value.constant->size());
  for (const NodeId id : order)
    products += static_cast<double>(std::max<int64_t>(0, macs(graph, node_at(graph, id))));
  std::map<NodeId, int64_t> merged;
  for (const NodeId id : order) {
    const Node& node = node_at(graph, id);
    const Layer layer = layer_at(graph, node);
    for (const auto& [time, groups] : choices_of(layer)) {
      const int64_t together = layer.groups / groups;
      const auto more = static_cast<double>(constant_input(graph, node, 1)->size() * (together - 1));
      const bool much = static_cast<double>(macs(graph, node)) >= kMuchOfTime * products;
      if (more > room && !(much && products > 0)) continue;
      room -= more;
      merged[id] = groups;
      break;
    }
  }
  return merged;
}

}  // namespace qc::ir
