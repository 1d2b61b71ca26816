// BatchNormalization behind Conv, ConvTranspose, Gemm or MatMul becomes part of their weights (Jacob et al.
// 2018, section 3.2): y = gamma * (Wx + b - mean) / sqrt(var + eps) + beta. Not where anybody else reads the
// convolution.
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId batch_norm;
  Linear linear;
  ScaleShift map;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const auto map = batch_norm_at(graph, id);
  if (!map) return std::nullopt;
  const auto linear = linear_before(graph, node_at(graph, id).inputs[0]);
  // The channels of BatchNormalization are axis 1; those of MatMul and Gemm the last.
  if (!linear || (linear->channel_axis != 1 && linear->rank != 2)) return std::nullopt;
  if (static_cast<int64_t>(map->scale.size()) != linear->out_channels) return std::nullopt;
  return Match{id, *linear, *map};
}

bool transform(Graph& graph, const Match& m) {
  Linear linear = m.linear;
  if (!linear.takes_bias) {  // a MatMul of rank 2 is a Gemm without bias
    const auto inputs = node_at(graph, linear.node).inputs;
    become(graph, linear.node, "Gemm", inputs, {});
    linear = *linear_at(graph, linear.node);
  }
  if (!fold_behind(graph, linear, m.map.scale, m.map.shift)) return false;
  take_over(graph, linear.node, m.batch_norm);
  return true;
}

}  // namespace

int fold_batch_norm(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
