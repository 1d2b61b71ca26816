// See channel_shuffle.h.
#include "ir/channel_shuffle.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "ir/edit.h"

namespace qc::ir {
namespace {

const Node* maker_of(const Graph& graph, ValueId v, const char* op) {
  const Value& value = value_at(graph, v);
  if (value.producer == kNone || value.consumers.size() != 1 || is_output(graph, v)) return nullptr;
  const Node& node = node_at(graph, value.producer);
  return standard_op(node, op) ? &node : nullptr;
}

}  // namespace

std::optional<ChannelShuffle> channel_shuffle_at(const Graph& graph, NodeId last) {
  const Node& join = node_at(graph, last);
  if (join.erased || !standard_op(join, "Reshape")) return std::nullopt;
  const Node* turn = maker_of(graph, join.inputs[0], "Transpose");
  const Node* split = turn ? maker_of(graph, turn->inputs[0], "Reshape") : nullptr;
  if (!split) return std::nullopt;
  const Dims &from = value_at(graph, split->inputs[0]).dims, &apart = value_at(graph, split->outputs[0]).dims;
  if (from.size() < 3 || apart.size() != from.size() + 1 || value_at(graph, join.outputs[0]).dims != from)
    return std::nullopt;
  std::vector<int64_t> wanted(apart.size());
  std::iota(wanted.begin(), wanted.end(), 0);
  std::swap(wanted[1], wanted[2]);
  const bool rest = std::equal(from.begin() + 2, from.end(), apart.begin() + 3, apart.end());
  if (ints_attribute(*turn, "perm") != wanted || from[0] != apart[0] || !rest || from[1] <= 0 ||
      apart[1] * apart[2] != from[1])
    return std::nullopt;
  return ChannelShuffle{last, split->inputs[0], apart[1]};
}

}  // namespace qc::ir
