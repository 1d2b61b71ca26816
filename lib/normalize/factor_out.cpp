// x + x * g (+ b) becomes x * (1 + g) (+ b) where g is smaller than x: what gates and global response
// normalization (ConvNeXt V2) compute on the whole map takes half the passes over it, and fold_forward finds
// the shift at the end.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId last = kNone;
  ValueId x = kNone, shift = kNone;  // shift: a constant, or kNone
  Product gate;                      // g
  std::vector<NodeId> sums;          // Adds in front of the last one
};

/// What a sum adds up, at most three terms, and the Adds in front of its last one.
struct Sum {
  std::vector<ValueId> terms;
  std::vector<NodeId> nodes;
};

Sum sum_of(const Graph& graph, NodeId last) {
  Sum sum;
  for (const ValueId v : node_at(graph, last).inputs) {
    const NodeId inner = producer_if(graph, v, "Add");
    if (inner == kNone || sole_consumer(graph, v) != last || !sum.nodes.empty()) {
      sum.terms.push_back(v);
      continue;
    }
    sum.nodes.push_back(inner);
    for (const ValueId term : node_at(graph, inner).inputs) sum.terms.push_back(term);
  }
  return sum;
}

/// Along some axis of x all of the factors are one.
bool smaller(const Graph& graph, const std::vector<ValueId>& factors, ValueId x) {
  const ir::Value& whole = value_at(graph, x);
  const auto length = [&](ValueId v, size_t from_last) {
    const Dims& dims = value_at(graph, v).dims;
    return from_last < dims.size() ? dims[dims.size() - 1 - from_last] : 1;
  };
  for (size_t axis = 0; axis < whole.dims.size(); ++axis)
    if (length(x, axis) != 1 && std::ranges::all_of(factors, [&](ValueId v) {
          return value_at(graph, v).has_shape && length(v, axis) == 1;
        }))
      return true;
  return false;
}

/// g, where the term is x * g and nobody else reads it.
std::optional<Product> gate_on(const Graph& graph, ValueId term, ValueId x) {
  if (producer_if(graph, term, "Mul") == kNone || sole_consumer(graph, term) == kNone) return std::nullopt;
  Product gate = product_of(graph, term);
  const auto found = std::ranges::find(gate.factors, x);
  if (found == gate.factors.end()) return std::nullopt;
  gate.factors.erase(found);
  return !gate.factors.empty() && smaller(graph, gate.factors, x) ? std::optional(gate) : std::nullopt;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Add")) return std::nullopt;
  const Sum sum = sum_of(graph, id);
  for (const ValueId x : sum.terms) {
    if (value_at(graph, x).constant || !same_dims(graph, x, node.outputs[0])) continue;
    for (const ValueId term : sum.terms) {
      std::optional<Product> gate = gate_on(graph, term, x);
      const auto shift =
          std::ranges::find_if(sum.terms, [&](ValueId other) { return other != x && other != term; });
      const bool shifted = shift != sum.terms.end();
      if (!gate || (shifted && !value_at(graph, *shift).constant)) continue;
      return Match{id, x, shifted ? *shift : kNone, std::move(*gate), sum.nodes};
    }
  }
  return std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  const std::string name = node_at(graph, m.last).name;
  const auto with = [&](const char* op, ValueId a, ValueId b, const char* suffix) {
    return insert_node(graph, op, {a, b}, {}, name + suffix, m.last);
  };
  for (const NodeId id : m.sums) absorb_origin(graph, m.last, id);
  for (const NodeId id : m.gate.nodes) absorb_origin(graph, m.last, id);
  ValueId gate = m.gate.factors[0];
  for (size_t f = 1; f < m.gate.factors.size(); ++f) gate = with("Mul", gate, m.gate.factors[f], "/gate");
  const auto scalar = [&](double c) {
    return ir::add_constant(graph, name + "/c", ir::scalar(static_cast<float>(c)));
  };
  if (m.gate.coefficient != 1) gate = with("Mul", gate, scalar(m.gate.coefficient), "/scaled");
  const ValueId factor = with("Add", gate, scalar(1), "/factor");
  if (m.shift == kNone) {
    become(graph, m.last, "Mul", {m.x, factor}, {});
    return true;
  }
  const ValueId product = with("Mul", m.x, factor, "/product");
  copy_shape(graph, m.x, product);
  become(graph, m.last, "Add", {product, m.shift}, {});
  return true;
}

}  // namespace

int factor_out(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
