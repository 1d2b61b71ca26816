// MatMul of a rank-2 value with constant weights, and the Add of its bias, as one Gemm: one integer kernel
// instead of two (ONNX Runtime makes the same of it in float). With inputs of a higher rank they stay two
// nodes.
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId matmul, add;
  Channels bias;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Add") || node.inputs.size() != 2) return std::nullopt;
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const auto linear = linear_before(graph, node.inputs[slot]);
    if (!linear || linear->takes_bias || linear->rank != 2) continue;
    const auto bias = channel_constant(graph, node.inputs[1 - slot], linear->out_channels, 2, -1);
    if (bias) return Match{linear->node, id, *bias};
  }
  return std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  const auto inputs = node_at(graph, m.matmul).inputs;
  const ValueId old =
      node_at(graph, m.add).inputs[node_at(graph, m.add).inputs[0] == node_at(graph, m.matmul).outputs[0]];
  const std::vector<float> bias(m.bias.begin(), m.bias.end());
  const ValueId c = ir::add_constant(graph, value_at(graph, old).name,
                                     float_tensor(bias, {static_cast<int64_t>(bias.size())}));
  become(graph, m.matmul, "Gemm", {inputs[0], inputs[1], c}, {});
  take_over(graph, m.matmul, m.add);
  return true;
}

}  // namespace

int matmul_to_gemm(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
