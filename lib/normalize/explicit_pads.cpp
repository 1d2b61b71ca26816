// auto_pad becomes explicit pads (ONNX operator reference, Conv): VALID is no pads; SAME needs the input's
// size, unless the stride is 1. Only then can pads be compared, merged and written to other formats.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  Dims pads;  // empty: none
};

std::optional<Dims> kernel_of(const Graph& graph, const Node& node) {
  const Dims kernel = ir::ints_attribute(node, "kernel_shape");
  if (!kernel.empty()) return kernel;
  const ir::Tensor* weight = ir::standard_op(node, "Conv") ? ir::constant_input(graph, node, 1) : nullptr;
  if (!weight || weight->dims.size() < 3) return std::nullopt;
  return Dims(weight->dims.begin() + 2, weight->dims.end());
}

std::optional<Dims> same_pads(const Graph& graph, const Node& node, bool upper) {
  const auto kernel = kernel_of(graph, node);
  if (!kernel) return std::nullopt;
  const size_t spatial = kernel->size();
  const Dims strides = ir::ints_attribute(node, "strides", Dims(spatial, 1));
  const Dims dilations = ir::ints_attribute(node, "dilations", Dims(spatial, 1));
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (strides.size() != spatial || dilations.size() != spatial) return std::nullopt;
  Dims pads(2 * spatial, 0);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t window = (kernel->at(i) - 1) * dilations[i] + 1;
    int64_t total = window - 1;
    if (strides[i] != 1) {
      if (!x.has_shape || x.dims.size() != spatial + 2 || x.dims[i + 2] < 1) return std::nullopt;
      const int64_t in = x.dims[i + 2];
      total = std::max<int64_t>(((in + strides[i] - 1) / strides[i] - 1) * strides[i] + window - in, 0);
    }
    const int64_t less = total / 2;
    pads[i] = upper ? less : total - less;
    pads[i + spatial] = total - pads[i];
  }
  return pads;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool pool = ir::standard_op(node, "MaxPool") || ir::standard_op(node, "AveragePool");
  const bool conv = ir::standard_op(node, "Conv");
  if (!conv && !pool && !ir::standard_op(node, "ConvTranspose")) return std::nullopt;
  const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
  if (mode == "VALID") return Match{id, {}};
  if ((mode != "SAME_UPPER" && mode != "SAME_LOWER") || (!conv && !pool)) return std::nullopt;
  if (ir::int_attribute(node, "ceil_mode", 0) != 0) return std::nullopt;
  const auto pads = same_pads(graph, node, mode == "SAME_UPPER");
  return pads ? std::optional(Match{id, *pads}) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  Node& node = node_at(graph, m.node);
  ir::remove_attribute(node, "auto_pad");
  ir::remove_attribute(node, "pads");
  if (!m.pads.empty()) ir::set_attribute(node, "pads", m.pads);
  return true;
}

}  // namespace

int explicit_pads(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
