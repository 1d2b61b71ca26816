// auto_pad becomes explicit pads (ONNX operator reference, Conv): VALID is no pads; SAME needs the input's
// size, unless the stride is 1. Only then can pads be compared, merged and written to other formats. So does
// the size that a ConvTranspose is asked for (output_shape). All as ONNX Runtime computes it, from which the
// sizes that shape inference finds differ here: for dilated pools, for a ConvTranspose with SAME and
// output_padding, and for one whose result is smaller than its input.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  Dims pads;  // empty: none
  Dims more;  // output_padding, where there is one
};

std::optional<Dims> kernel_of(const Graph& graph, const Node& node) {
  const Dims kernel = ir::ints_attribute(node, "kernel_shape");
  if (!kernel.empty()) return kernel;
  const bool pool = ir::standard_op(node, "MaxPool") || ir::standard_op(node, "AveragePool");
  const ir::Tensor* weight = pool ? nullptr : ir::constant_input(graph, node, 1);
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
  const bool conv = ir::standard_op(node, "Conv");
  Dims pads(2 * spatial, 0);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t window = conv ? (kernel->at(i) - 1) * dilations[i] + 1 : kernel->at(i);
    int64_t total = window - 1;
    if (strides[i] != 1) {
      if (!x.has_shape || x.dims.size() != spatial + 2 || x.dims[i + 2] < 1) return std::nullopt;
      const int64_t in = x.dims[i + 2];
      total = ((in + strides[i] - 1) / strides[i] - 1) * strides[i] + window - in;
      if (total < 0 && !conv && dilations[i] != 1) return std::nullopt;  // no pads do what the runtime does
      total = std::max<int64_t>(total, 0);
    }
    const int64_t less = total / 2;
    pads[i] = upper ? less : total - less;
    pads[i + spatial] = total - pads[i];
  }
  return pads;
}

std::optional<Match> match_transposed(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const auto kernel = kernel_of(graph, node);
  const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
  const Dims shape = ir::ints_attribute(node, "output_shape");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (!kernel || (!same && shape.empty())) return std::nullopt;
  const size_t spatial = kernel->size();
  const Dims strides = ir::ints_attribute(node, "strides", Dims(spatial, 1));
  const Dims dilations = ir::ints_attribute(node, "dilations", Dims(spatial, 1));
  const Dims extra = ir::ints_attribute(node, "output_padding", Dims(spatial, 0));
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (strides.size() != spatial || dilations.size() != spatial || extra.size() != spatial)
    return std::nullopt;
  Match m{id, Dims(2 * spatial, 0), extra};
  for (size_t i = 0; i < spatial; ++i) {
    int64_t total = (kernel->at(i) - 1) * dilations[i] + 1 + extra[i] - strides[i];
    if (!shape.empty()) {
      if (shape.size() < spatial || !x.has_shape || x.dims.size() != spatial + 2 || x.dims[i + 2] < 1)
        return std::nullopt;
      total += x.dims[i + 2] * strides[i] - shape[shape.size() - spatial + i];
      if (total < 0) m.more[i] -= total;
      if (m.more[i] > 0 && m.more[i] >= strides[i]) return std::nullopt;  // ONNX has no such output_padding
    }
    total = std::max<int64_t>(total, 0);
    m.pads[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    m.pads[i + spatial] = total - m.pads[i];
  }
  return m;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool pool = ir::standard_op(node, "MaxPool") || ir::standard_op(node, "AveragePool");
  const bool conv = ir::standard_op(node, "Conv");
  const bool transposed = ir::standard_op(node, "ConvTranspose");
  if (!conv && !pool && !transposed) return std::nullopt;
  const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
  if (mode == "VALID") return Match{id, {}, {}};
  if (transposed) return match_transposed(graph, id);
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") return std::nullopt;
  if (ir::int_attribute(node, "ceil_mode", 0) != 0) return std::nullopt;
  const auto pads = same_pads(graph, node, mode == "SAME_UPPER");
  return pads ? std::optional(Match{id, *pads, {}}) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  Node& node = node_at(graph, m.node);
  ir::remove_attribute(node, "auto_pad");
  ir::remove_attribute(node, "pads");
  if (m.pads.empty()) return true;
  ir::set_attribute(node, "pads", m.pads);
  ir::remove_attribute(node, "output_shape");
  ir::remove_attribute(node, "output_padding");
  if (std::ranges::any_of(m.more, [](int64_t n) { return n != 0; }))
    ir::set_attribute(node, "output_padding", m.more);
  return true;
}

}  // namespace

int explicit_pads(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
