// Flatten as Reshape: one layout op less for later stages to know, and one that integer kernels pass through.
// Where the batch is not fixed the target says so: [0, -1] keeps the first dimension and joins the rest.
#include <numeric>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node;
  Dims target;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Flatten")) return std::nullopt;
  int64_t axis = ir::int_attribute(node, "axis", 1);
  if (axis == 1) return Match{id, {0, -1}};
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (axis == 0) return Match{id, {1, -1}};
  if (!x.has_shape) return std::nullopt;
  if (axis < 0) axis += static_cast<int64_t>(x.dims.size());
  if (axis == 1) return Match{id, {0, -1}};
  if (axis < 0 || axis > static_cast<int64_t>(x.dims.size())) return std::nullopt;
  const auto product = [](auto from, auto to) {
    return std::accumulate(from, to, int64_t{1},
                           [](int64_t a, int64_t d) { return a < 0 || d < 0 ? -1 : a * d; });
  };
  const int64_t rows = product(x.dims.begin(), x.dims.begin() + axis);
  const int64_t columns = product(x.dims.begin() + axis, x.dims.end());
  if (rows == 0 || columns == 0 || (rows < 0 && columns < 0)) return std::nullopt;
  return Match{id, {rows, columns}};
}

bool transform(Graph& graph, const Match& m) {
  const ValueId x = node_at(graph, m.node).inputs[0];
  const ValueId target =
      ir::add_constant(graph, node_at(graph, m.node).name + "/shape", int_tensor(m.target));
  become(graph, m.node, "Reshape", {x, target}, {});
  return true;
}

}  // namespace

int flatten_to_reshape(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
