// Softmax over a dimension of size 1 is 1 whatever it reads: it reads a constant, which folds. ONNX Runtime's
// QLinearSoftmax (1.30), which it makes at load of a Softmax between Q and DQ as well, has 0 there.
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

constexpr int64_t kMostElements = 4096;  // larger constants are a size of the file

struct Match {
  NodeId node;
  Dims dims;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (ir::opset(graph) < 13 || !ir::standard_op(node, "Softmax")) return std::nullopt;
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (x.constant || !x.has_shape || x.dtype != ir::DType::kFloat) return std::nullopt;
  const auto rank = static_cast<int64_t>(x.dims.size());
  const int64_t stated = ir::int_attribute(node, "axis", -1), axis = stated < 0 ? stated + rank : stated;
  if (axis < 0 || axis >= rank || x.dims[axis] != 1) return std::nullopt;
  int64_t elements = 1;
  for (const int64_t d : x.dims) {
    if (d < 1 || d > kMostElements / elements) return std::nullopt;
    elements *= d;
  }
  return Match{id, x.dims};
}

bool transform(Graph& graph, const Match& m) {
  const std::string name = node_at(graph, m.node).name;
  ir::set_input(graph, m.node, 0,
                ir::add_constant(graph, name + "/one", ir::zeros(ir::DType::kFloat, m.dims)));
  return true;
}

}  // namespace

int softmax_of_one(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
