// A Pad in front of Conv, AveragePool or MaxPool becomes the node's own padding, where that is the same:
//   Conv         zeros around the picture, always;
//   AveragePool  zeros, if the pool has no padding of its own: then they count as numbers
//   (count_include_pad); MaxPool      it pads with -infinity; zeros are the same where nothing in the window
//   is below zero and each window
//                meets the picture (pads smaller than the kernel, which ONNX Runtime demands of pools
//                anyway).
#include <algorithm>
#include <cmath>
#include <limits>

#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node, pad;
  Dims pads;  // of the node, the Pad's included
  bool count_zeros;
};

size_t spatial_rank(const Graph& graph, const Node& node) {
  const Dims kernel = ir::ints_attribute(node, "kernel_shape");
  if (!kernel.empty()) return kernel.size();
  const ir::Tensor* weight = ir::standard_op(node, "Conv") ? ir::constant_input(graph, node, 1) : nullptr;
  return weight && weight->dims.size() > 2 ? weight->dims.size() - 2 : 0;
}

bool same_meaning(const Graph& graph, const Node& node, const Match& m, double value, const Dims& own) {
  if (ir::standard_op(node, "Conv")) return value == 0;
  const Dims kernel = ir::ints_attribute(node, "kernel_shape");
  for (size_t i = 0; i < m.pads.size(); ++i)
    if (m.pads[i] >= kernel[i % kernel.size()]) return false;
  if (ir::int_attribute(node, "ceil_mode", 0) != 0) return false;
  if (ir::standard_op(node, "AveragePool"))
    return value == 0 && std::all_of(own.begin(), own.end(), [](int64_t p) { return p == 0; });
  const bool lowest = value <= std::numeric_limits<float>::lowest();
  const Dims dilations = ir::ints_attribute(node, "dilations", Dims(kernel.size(), 1));
  const bool dense = std::all_of(dilations.begin(), dilations.end(), [](int64_t d) { return d == 1; });
  return lowest || (value == 0 && dense && never_negative(graph, node_at(graph, m.pad).inputs[0]));
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool average = ir::standard_op(node, "AveragePool");
  if (!ir::standard_op(node, "Conv") && !average && !ir::standard_op(node, "MaxPool")) return std::nullopt;
  if (ir::string_attribute(node, "auto_pad", "NOTSET") != "NOTSET") return std::nullopt;
  const size_t spatial = spatial_rank(graph, node);
  Match m{id, producer_if(graph, node.inputs[0], "Pad"), {}, average};
  if (spatial == 0 || m.pad == kNone) return std::nullopt;
  const auto value = padding_value(graph, node_at(graph, m.pad));
  const auto added = full_pads(graph, node_at(graph, m.pad), spatial + 2);
  if (!value || !added || std::any_of(added->begin(), added->end(), [](int64_t p) { return p < 0; }))
    return std::nullopt;
  const Dims own = ir::ints_attribute(node, "pads", Dims(2 * spatial, 0));
  const size_t rank = spatial + 2;
  if (own.size() != 2 * spatial) return std::nullopt;
  if (added->at(0) + added->at(1) + added->at(rank) + added->at(rank + 1) != 0) return std::nullopt;
  for (size_t i = 0; i < spatial; ++i) m.pads.push_back(own[i] + added->at(i + 2));
  for (size_t i = 0; i < spatial; ++i) m.pads.push_back(own[i + spatial] + added->at(i + 2 + rank));
  return same_meaning(graph, node, m, *value, own) ? std::optional(m) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  ir::set_attribute(node_at(graph, m.node), "pads", m.pads);
  if (m.count_zeros) ir::set_attribute(node_at(graph, m.node), "count_include_pad", int64_t{1});
  ir::set_input(graph, m.node, 0, node_at(graph, m.pad).inputs[0]);
  absorb_origin(graph, m.node, m.pad);
  return true;
}

}  // namespace

int fold_pad(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
