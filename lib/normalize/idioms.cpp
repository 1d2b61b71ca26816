// See idioms.h. Formulas: HardSwish, Gelu and LayerNormalization as in the ONNX operator reference; SiLU
// (Swish) by Ramachandran et al. 2017; the tanh form of GELU by Hendrycks and Gimpel 2016.
#include "normalize/idioms.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "normalize/edit.h"
#include "normalize/match.h"

namespace qc::normalize {
namespace {

using plan::Idiom;
using plan::IdiomKind;

using Nodes = std::vector<NodeId>;

Idiom group(IdiomKind kind, Nodes nodes, std::vector<ValueId> inputs, ValueId output) {
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return {kind, std::move(nodes), std::move(inputs), output};
}

Idiom single(IdiomKind kind, const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  return {kind, {id}, {node.inputs[0]}, node.outputs[0]};
}

/// x and the gate of coefficient * x * gate; both assignments of the two factors are tried.
template <typename Test>
std::optional<Idiom> two_factors(const Graph& graph, NodeId last, IdiomKind kind, Test is_gate) {
  const Node& node = node_at(graph, last);
  if (!ir::standard_op(node, "Mul") && !ir::standard_op(node, "Div")) return std::nullopt;
  const ValueId out = node.outputs[0];
  const Product product = product_of(graph, out);
  if (product.factors.size() != 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    Nodes nodes = product.nodes;
    const ValueId x = product.factors[i];
    if (is_gate(x, product.factors[1 - i], product.coefficient, nodes)) return group(kind, nodes, {x}, out);
  }
  return std::nullopt;
}

void append(Nodes& nodes, const Nodes& more) {
  nodes.insert(nodes.end(), more.begin(), more.end());
}

/// gate = a * f(u) + b with f one of Erf, Tanh: the argument u, and a and b multiplied by the product's
/// coefficient.
struct Curve {
  ValueId u = kNone;
  double a = 0, b = 0;
};
Curve curve_of(const Graph& graph, ValueId gate, const char* op, double coefficient, Nodes& nodes) {
  const Affine outer = affine_of(graph, gate);
  const NodeId f = producer_if(graph, outer.x, op);
  if (f == kNone) return {};
  append(nodes, outer.nodes);
  nodes.push_back(f);
  return {node_at(graph, f).inputs[0], coefficient * outer.a, coefficient * outer.b};
}

std::optional<Idiom> gelu_erf_at(const Graph& graph, NodeId last) {
  return two_factors(graph, last, IdiomKind::kGelu,
                     [&](ValueId x, ValueId gate, double coefficient, Nodes& nodes) {
                       const Curve curve = curve_of(graph, gate, "Erf", coefficient, nodes);
                       if (curve.u == kNone || !close_to(curve.a, 0.5) || !close_to(curve.b, 0.5))
                         return false;
                       const Affine inner = affine_of(graph, curve.u, x);
                       append(nodes, inner.nodes);
                       return inner.x == x && inner.b == 0 && close_to(inner.a, 1 / std::numbers::sqrt2);
                     });
}

std::optional<Idiom> gelu_tanh_at(const Graph& graph, NodeId last) {
  return two_factors(graph, last, IdiomKind::kGeluTanh,
                     [&](ValueId x, ValueId gate, double coefficient, Nodes& nodes) {
                       const Curve curve = curve_of(graph, gate, "Tanh", coefficient, nodes);
                       if (curve.u == kNone || !close_to(curve.a, 0.5) || !close_to(curve.b, 0.5))
                         return false;
                       const auto inner = polynomial_of(graph, curve.u, x);
                       if (!inner) return false;
                       append(nodes, inner->nodes);
                       const double slope = std::sqrt(2 / std::numbers::pi);
                       return inner->c[0] == 0 && inner->c[2] == 0 && close_to(inner->c[1], slope) &&
                              close_to(inner->c[3], 0.044715 * slope);
                     });
}

// --- LayerNorm

/// The node that makes `value` as a mean: a ReduceMean, or where `pools` say so a GlobalAveragePool.
NodeId mean_of(const Graph& graph, ValueId value, bool pools) {
  const NodeId mean = producer_if(graph, value, "ReduceMean");
  return mean == kNone && pools ? producer_if(graph, value, "GlobalAveragePool") : mean;
}

constexpr int64_t kChannels = -1;  // in place of a number of axes: dimension 1 of three or more

/// Mean with keepdims over the last axes: how many of them, or kChannels (0: something else).
int64_t normalized_axes(const Graph& graph, NodeId mean) {
  const Node& node = node_at(graph, mean);
  if (ir::standard_op(node, "GlobalAveragePool")) return rank_of(graph, node.inputs[0]) == 3 ? 1 : 0;
  const auto axes = list_operand(graph, node, "axes", 1);
  if (!axes || axes->empty() || ir::int_attribute(node, "keepdims", 1) != 1) return 0;
  const int64_t rank = rank_of(graph, node.inputs[0]);
  const int64_t count = static_cast<int64_t>(axes->size());
  if (count == 1 && rank > 2 && (axes->at(0) == 1 || axes->at(0) == 1 - rank)) return kChannels;
  std::vector<bool> seen(axes->size(), false);
  for (int64_t axis : *axes) {
    if (axis >= 0 && rank < 0) return 0;
    const int64_t from_end = axis >= 0 ? rank - axis : -axis;
    if (from_end < 1 || from_end > count) return 0;
    seen[from_end - 1] = true;
  }
  return std::find(seen.begin(), seen.end(), false) == seen.end() ? count : 0;
}

/// value = x - mean(x): x, else kNone.
ValueId centred(const Graph& graph, ValueId value, bool pools, int64_t& axes, Nodes& nodes) {
  const NodeId sub = producer_if(graph, value, "Sub");
  const NodeId mean = sub != kNone ? mean_of(graph, node_at(graph, sub).inputs[1], pools) : kNone;
  if (mean == kNone || node_at(graph, mean).inputs[0] != node_at(graph, sub).inputs[0]) return kNone;
  axes = normalized_axes(graph, mean);
  append(nodes, {sub, mean});
  return axes != 0 ? node_at(graph, sub).inputs[0] : kNone;
}

/// value = sqrt(mean((x - mean(x))^2) + epsilon): x, else kNone.
ValueId deviation(const Graph& graph, ValueId value, bool pools, int64_t& axes, double& epsilon,
                  Nodes& nodes) {
  const NodeId root = producer_if(graph, value, "Sqrt");
  const NodeId add = root != kNone ? producer_if(graph, node_at(graph, root).inputs[0], "Add") : kNone;
  const auto shifted = add != kNone ? scalar_op(graph, add) : std::nullopt;
  const NodeId mean = shifted ? mean_of(graph, shifted->x, pools) : kNone;
  if (mean == kNone || (axes = normalized_axes(graph, mean)) == 0) return kNone;
  epsilon = shifted->c;
  append(nodes, {root, add, mean});
  const ValueId square = node_at(graph, mean).inputs[0];
  const NodeId id = value_at(graph, square).producer;
  if (id == kNone) return kNone;
  const Node& node = node_at(graph, id);
  nodes.push_back(id);
  const bool by_pow = ir::standard_op(node, "Pow") && ir::scalar_constant(graph, node.inputs[1]) == 2.0;
  const bool by_mul = ir::standard_op(node, "Mul") && node.inputs[0] == node.inputs[1];
  if (!by_pow && !by_mul) return kNone;
  int64_t inner_axes = 0;
  const ValueId x = centred(graph, node.inputs[0], pools, inner_axes, nodes);
  return inner_axes == axes ? x : kNone;
}

/// b, where the node makes Reciprocal(b) or 1 / b; else kNone.
ValueId inverted(const Graph& graph, NodeId id) {
  if (id == kNone) return kNone;
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "Reciprocal")) return node.inputs[0];
  const bool one_over = ir::standard_op(node, "Div") && ir::scalar_constant(graph, node.inputs[0]) == 1.0;
  return one_over ? node.inputs[1] : kNone;
}

/// Numerator and denominator of a / b, a * Reciprocal(b), a * (1 / b).
std::optional<std::pair<ValueId, ValueId>> quotient(const Graph& graph, NodeId id, Nodes& nodes) {
  const Node& node = node_at(graph, id);
  nodes.push_back(id);
  if (ir::standard_op(node, "Div")) return std::pair{node.inputs[0], node.inputs[1]};
  if (!ir::standard_op(node, "Mul")) return std::nullopt;
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const NodeId inverse = value_at(graph, node.inputs[slot]).producer;
    const ValueId denominator = inverted(graph, inverse);
    if (denominator == kNone) continue;
    nodes.push_back(inverse);
    return std::pair{node.inputs[1 - slot], denominator};
  }
  return std::nullopt;
}

/// `parameter` has one number for each normalized position of x, and ones elsewhere.
bool is_by_position(const Graph& graph, ValueId parameter, int64_t axes, ValueId x) {
  const ir::Value& p = value_at(graph, parameter);
  const int64_t rank = rank_of(graph, x), own = static_cast<int64_t>(p.dims.size());
  const int64_t farthest = axes == kChannels ? rank - 1 : axes;  // normalized position, counted from the end
  if (!p.constant || p.dtype != ir::DType::kFloat || own < farthest || rank < own) return false;
  const Dims& dims = value_at(graph, x).dims;
  for (int64_t from_end = 1; from_end <= own; ++from_end) {
    const bool normalized = axes == kChannels ? from_end == farthest : from_end <= farthest;
    const int64_t wanted = normalized ? dims[rank - from_end] : 1;
    if (p.dims[own - from_end] != wanted) return false;
  }
  return true;
}

/// The constant operand of the `op` that alone reads `value`, if it has one number for each normalized
/// position.
ValueId parameter_of(const Graph& graph, ValueId value, const char* op, int64_t axes, ValueId x,
                     NodeId& user) {
  user = sole_consumer(graph, value);
  if (user == kNone || !ir::standard_op(node_at(graph, user), op)) return kNone;
  const Node& node = node_at(graph, user);
  const ValueId parameter = node.inputs[node.inputs[0] == value ? 1 : 0];
  return is_by_position(graph, parameter, axes, x) ? parameter : kNone;
}

std::optional<Idiom> silu_at(const Graph& graph, NodeId last) {
  const Node& node = node_at(graph, last);
  if (ir::standard_op(node, "Swish") && ir::float_attribute(node, "alpha", 1) == 1)
    return single(IdiomKind::kSilu, graph, last);
  if (ir::standard_op(node, "Div")) {
    Nodes nodes = {last};
    const ValueId x = one_plus_exp_minus(graph, node.inputs[1], nodes);
    if (x != kNone && x == node.inputs[0]) return group(IdiomKind::kSilu, nodes, {x}, node.outputs[0]);
  }
  return two_factors(graph, last, IdiomKind::kSilu,
                     [&](ValueId x, ValueId value, double coefficient, Nodes& nodes) {
                       return coefficient == 1 && sole_consumer(graph, value) != kNone &&
                              sigmoid_argument(graph, value, nodes) == x;
                     });
}

std::optional<Idiom> attention_at(const Graph& graph, NodeId last) {
  const Node& end = node_at(graph, last);
  if (!ir::standard_op(end, "MatMul")) return std::nullopt;
  const NodeId softmax = producer_if(graph, end.inputs[0], "Softmax");
  if (softmax == kNone || sole_consumer(graph, end.inputs[0]) != last) return std::nullopt;
  Nodes nodes = {last, softmax};
  ValueId scores = node_at(graph, softmax).inputs[0];
  const auto inner_product = [&] { return producer_if(graph, scores, "MatMul"); };
  // The mask is added last, so it is met first on the way back; it may be computed, the scores are the other
  // operand.
  const NodeId mask = inner_product() == kNone ? producer_if(graph, scores, "Add") : kNone;
  if (mask != kNone) {
    const Node& add = node_at(graph, mask);
    const bool second =
        value_at(graph, add.inputs[0]).constant || producer_if(graph, add.inputs[1], "MatMul") != kNone;
    scores = add.inputs[second ? 1 : 0];
    nodes.push_back(mask);
  }
  const Affine scale = affine_of(graph, scores);
  if (scale.b != 0) return std::nullopt;
  append(nodes, scale.nodes);
  scores = scale.x;
  const NodeId first = inner_product();
  if (first == kNone || sole_consumer(graph, scores) == kNone) return std::nullopt;
  nodes.push_back(first);
  const auto& qk = node_at(graph, first).inputs;
  return group(IdiomKind::kAttention, nodes, {qk[0], qk[1], end.inputs[1]}, end.outputs[0]);
}

}  // namespace

std::optional<Idiom> hard_swish_at(const Graph& graph, NodeId last) {
  if (ir::standard_op(node_at(graph, last), "HardSwish")) return single(IdiomKind::kHardSwish, graph, last);
  return two_factors(graph, last, IdiomKind::kHardSwish,
                     [&](ValueId x, ValueId value, double coefficient, Nodes& nodes) {
                       const auto gate = gate_of(graph, value, x);
                       if (!gate || sole_consumer(graph, value) == kNone) return false;
                       append(nodes, gate->nodes);
                       return close_to(coefficient * gate->scale, 1) && close_to(gate->alpha, 1.0 / 6) &&
                              close_to(gate->beta, 0.5);
                     });
}

std::optional<Idiom> gelu_at(const Graph& graph, NodeId last) {
  const Node& node = node_at(graph, last);
  if (ir::standard_op(node, "Gelu"))
    return single(
        ir::string_attribute(node, "approximate", "none") == "tanh" ? IdiomKind::kGeluTanh : IdiomKind::kGelu,
        graph, last);
  if (auto found = gelu_erf_at(graph, last)) return found;
  return gelu_tanh_at(graph, last);
}

std::optional<LayerNorm> layer_norm_at(const Graph& graph, NodeId division) {
  if (ir::standard_op(node_at(graph, division), "LayerNormalization"))
    return LayerNorm{single(IdiomKind::kLayerNorm, graph, division), 0, 0, kNone, kNone};
  Nodes nodes;
  const auto parts = quotient(graph, division, nodes);
  if (!parts) return std::nullopt;
  int64_t axes = 0, deviation_axes = 0;
  double epsilon = 0;
  const ValueId x = centred(graph, parts->first, false, axes, nodes);
  if (x == kNone || deviation(graph, parts->second, false, deviation_axes, epsilon, nodes) != x ||
      axes != deviation_axes)
    return std::nullopt;
  LayerNorm norm;
  norm.over_channels = axes == kChannels;
  norm.axis = norm.over_channels ? -1 : -axes;
  norm.epsilon = static_cast<float>(epsilon);
  ValueId out = node_at(graph, division).outputs[0];
  NodeId user = kNone;
  norm.gamma = parameter_of(graph, out, "Mul", axes, x, user);
  if (norm.gamma != kNone) {
    nodes.push_back(user);
    out = node_at(graph, user).outputs[0];
    norm.beta = parameter_of(graph, out, "Add", axes, x, user);
    if (norm.beta != kNone) {
      nodes.push_back(user);
      out = node_at(graph, user).outputs[0];
    }
  }
  norm.idiom = group(IdiomKind::kLayerNorm, nodes, {x}, out);
  return norm;
}

namespace {

/// Both orders of the operands of a node of two.
template <typename Try>
bool either_way(const Node& node, Try&& works) {
  return works(node.inputs[0], node.inputs[1]) || works(node.inputs[1], node.inputs[0]);
}

/// scale = gamma / deviation, with gamma or without; the deviation.
ValueId scaled_inverse(const Graph& graph, ValueId scale, ValueId& gamma) {
  ValueId inverse = scale;
  if (const NodeId mul = producer_if(graph, scale, "Mul"); mul != kNone)
    either_way(node_at(graph, mul), [&](ValueId a, ValueId b) {
      if (!value_at(graph, b).constant) return false;
      inverse = a;
      gamma = b;
      return true;
    });
  return inverted(graph, value_at(graph, inverse).producer);
}

/// shift = beta - mean * scale, in the ways that it is written; the mean.
ValueId mean_taken_off(const Graph& graph, ValueId shift, ValueId scale, ValueId& beta) {
  const auto product_with_scale = [&](ValueId value) {
    const NodeId mul = producer_if(graph, value, "Mul");
    ValueId other = kNone;
    if (mul != kNone)
      either_way(node_at(graph, mul), [&](ValueId a, ValueId b) {
        if (b != scale) return false;
        other = a;
        return true;
      });
    return other;
  };
  if (const NodeId sub = producer_if(graph, shift, "Sub"); sub != kNone) {
    beta = node_at(graph, sub).inputs[0];
    return product_with_scale(node_at(graph, sub).inputs[1]);
  }
  const NodeId add = producer_if(graph, shift, "Add");
  ValueId mean = kNone;
  if (add != kNone)
    either_way(node_at(graph, add), [&](ValueId a, ValueId b) {
      const ValueId negative = value_at(graph, b).constant ? product_with_scale(a) : kNone;
      const NodeId neg = negative != kNone ? producer_if(graph, negative, "Neg") : kNone;
      if (neg == kNone) return false;
      beta = b;
      mean = node_at(graph, neg).inputs[0];
      return true;
    });
  return mean;
}

}  // namespace

std::optional<Moments> moments_at(const Graph& graph, NodeId last) {
  if (!ir::standard_op(node_at(graph, last), "Add")) return std::nullopt;
  std::optional<Moments> found;
  const auto matches = [&](ValueId scaled, ValueId shift) {
    const NodeId product = producer_if(graph, scaled, "Mul");
    return product != kNone && either_way(node_at(graph, product), [&](ValueId x, ValueId scale) {
             Moments m;
             m.x = x;
             const ValueId deviates = scaled_inverse(graph, scale, m.gamma);
             const ValueId mean = mean_taken_off(graph, shift, scale, m.beta);
             const NodeId maker = mean != kNone ? mean_of(graph, mean, true) : kNone;
             int64_t axes = 0;
             if (deviates == kNone || maker == kNone || node_at(graph, maker).inputs[0] != x ||
                 deviation(graph, deviates, true, axes, m.epsilon, m.nodes) != x ||
                 axes != normalized_axes(graph, maker) || !is_by_position(graph, m.beta, axes, x) ||
                 (m.gamma != kNone && !is_by_position(graph, m.gamma, axes, x)))
               return false;
             if (axes == kChannels) return false;
             m.axes = axes;
             found = m;
             return true;
           });
  };
  either_way(node_at(graph, last), matches);
  return found;
}

std::vector<Idiom> recognise(const Graph& graph) {
  constexpr std::optional<Idiom> (*kFinders[])(const Graph&, NodeId) = {hard_swish_at, silu_at, gelu_at,
                                                                        attention_at};
  std::vector<Idiom> found;
  std::vector<bool> taken(graph.nodes.size(), false);
  const auto keep = [&](const Idiom& idiom) {
    if (std::any_of(idiom.nodes.begin(), idiom.nodes.end(), [&](NodeId n) { return taken[n]; })) return;
    for (const NodeId n : idiom.nodes) taken[n] = true;
    found.push_back(idiom);
  };
  for (const NodeId id : ir::topological_order(graph)) {
    for (const auto finder : kFinders)
      if (const auto idiom = finder(graph, id)) keep(*idiom);
    // The runtime joins none over channels in the middle.
    if (const auto norm = layer_norm_at(graph, id); norm && !norm->over_channels) keep(norm->idiom);
  }
  return found;
}

}  // namespace qc::normalize
