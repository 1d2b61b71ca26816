// See pixel_shuffle.h.
#include "ir/pixel_shuffle.h"

#include "ir/edit.h"
#include "ir/ops.h"

namespace qc::ir {
namespace {

constexpr int64_t kLeastChannels = 4;  // of the result: with three, copying pixels takes as long

bool clamps(const Node& node) {
  return is_one_of(node, {"Relu", "Clip"});
}

}  // namespace

std::optional<PixelShuffle> pixel_shuffle_at(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!standard_op(node, "DepthToSpace")) return std::nullopt;
  const Dims& dims = value_at(graph, node.inputs[0]).dims;
  PixelShuffle found;
  found.block = int_attribute(node, "blocksize", 0);
  found.by_channel = string_attribute(node, "mode", "DCR") == "CRD";
  if (dims.size() != 4 || dims[1] <= 0 || dims[2] <= 0 || dims[3] <= 0 || found.block < 2)
    return std::nullopt;
  found.channels = dims[1] / (found.block * found.block);
  found.height = dims[2];
  found.width = dims[3];
  if (found.channels < kLeastChannels) return std::nullopt;
  ValueId v = node.inputs[0];
  NodeId reader = id;
  for (int step = 0; step < 2; ++step) {
    if (found.by_channel && sole_consumer(graph, v) != reader) return std::nullopt;
    reader = value_at(graph, v).producer;
    if (reader == kNone) return std::nullopt;
    if (standard_op(node_at(graph, reader), "Conv")) {
      found.maker = reader;
      return found;
    }
    if (!clamps(node_at(graph, reader))) return std::nullopt;
    v = node_at(graph, reader).inputs[0];
  }
  return std::nullopt;
}

}  // namespace qc::ir
