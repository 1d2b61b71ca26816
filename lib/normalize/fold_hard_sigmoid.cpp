// HardSigmoid(x) = clip(alpha * x + beta, 0, 1) that alone reads a Conv, ConvTranspose or Gemm: alpha and
// beta go into the weights, a Clip stays. Integer kernels then do it for nothing (the Clip is the output's
// range), while ONNX Runtime has no integer HardSigmoid. The gates of squeeze-and-excitation blocks are of
// this kind.
#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  Linear linear;
  double alpha, beta;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "HardSigmoid")) return std::nullopt;
  const auto linear = linear_before(graph, node.inputs[0]);
  if (!linear || !linear->takes_bias) return std::nullopt;
  return Match{id, *linear, ir::float_attribute(node, "alpha", 0.2f),
               ir::float_attribute(node, "beta", 0.5f)};
}

bool transform(Graph& graph, const Match& m) {
  const size_t channels = static_cast<size_t>(m.linear.out_channels);
  if (!fold_behind(graph, m.linear, Channels(channels, m.alpha), Channels(channels, m.beta))) return false;
  // The convolution's own value now holds other numbers than in the file, so it gets another name.
  const ValueId old = node_at(graph, m.node).inputs[0];
  const ValueId x = ir::add_value(graph, value_at(graph, old).name + "/gate", ir::DType::kFloat);
  copy_shape(graph, old, x);
  ir::set_output(graph, m.linear.node, 0, x);
  become_clip(graph, m.node, x, {0, 1});
  return true;
}

}  // namespace

int fold_hard_sigmoid(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
