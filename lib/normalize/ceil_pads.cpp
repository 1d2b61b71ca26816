// ceil_mode of a pool as explicit pads, where a window would begin beyond the input and its first padding:
// ONNX leaves such a window out (operator reference, MaxPool; PyTorch does), and shape inference of older
// runtimes counts it. With the pads spelled out nobody has to know the rule.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  Dims pads;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool mean = ir::standard_op(node, "AveragePool");
  if ((!mean && !ir::standard_op(node, "MaxPool")) || ir::int_attribute(node, "ceil_mode", 0) == 0 ||
      ir::string_attribute(node, "auto_pad", "NOTSET") != "NOTSET" ||
      (mean && ir::int_attribute(node, "count_include_pad", 0) != 0))
    return std::nullopt;
  const Dims kernel = ir::ints_attribute(node, "kernel_shape");
  const size_t spatial = kernel.size();
  const Dims strides = ir::ints_attribute(node, "strides", Dims(spatial, 1)),
             dilations = ir::ints_attribute(node, "dilations", Dims(spatial, 1));
  Match m{id, ir::ints_attribute(node, "pads", Dims(2 * spatial, 0))};
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (!x.has_shape || x.dims.size() != spatial + 2 || m.pads.size() != 2 * spatial ||
      strides.size() != spatial || dilations.size() != spatial)
    return std::nullopt;
  bool beyond = false;
  for (size_t d = 0; d < spatial; ++d) {
    const int64_t in = x.dims[d + 2], reach = (kernel[d] - 1) * dilations[d] + 1, before = m.pads[d];
    int64_t& after = m.pads[d + spatial];
    if (in < 1) return std::nullopt;
    int64_t last = std::max<int64_t>(0, (in + before + after - reach + strides[d] - 1) / strides[d]);
    if (last * strides[d] >= in + before) {
      beyond = true;
      --last;
    }
    after = std::max<int64_t>(0, last * strides[d] + reach - in - before);
    if ((in + before + after - reach) / strides[d] != last) return std::nullopt;
  }
  return beyond ? std::optional(m) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  Node& node = node_at(graph, m.node);
  ir::remove_attribute(node, "ceil_mode");
  ir::set_attribute(node, "pads", m.pads);
  // What was inferred from one window too many is inferred again.
  for (ir::Value& value : graph.values)
    if (value.producer != kNone) value.has_shape = false, value.dims.clear(), value.dim_params.clear();
  return true;
}

}  // namespace

int ceil_pads(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
