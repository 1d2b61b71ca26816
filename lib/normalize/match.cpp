// See match.h.
#include "normalize/match.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normalize/edit.h"

namespace qc::normalize {
namespace {

/// A one-element constant that leaves the shape of `other` alone: rank 0, or no more dimensions than `other`
/// has.
std::optional<double> harmless_scalar(const Graph& graph, ValueId constant, ValueId other) {
  const std::optional<double> c = ir::scalar_constant(graph, constant);
  if (!c) return std::nullopt;
  const int64_t rank = rank_of(graph, constant);
  return rank == 0 || rank <= rank_of(graph, other) ? c : std::nullopt;
}

void expand(const Graph& graph, ValueId value, bool root, Product& product) {
  const NodeId id = value_at(graph, value).producer;
  const bool open = id != kNone && (root || sole_consumer(graph, value) != kNone);
  if (!open) {
    product.factors.push_back(value);
    return;
  }
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "Neg")) {
    product.coefficient = -product.coefficient;
    product.nodes.push_back(id);
    return expand(graph, node.inputs[0], false, product);
  }
  const auto scalar = scalar_op(graph, id);
  if (ir::standard_op(node, "Mul")) {
    product.nodes.push_back(id);
    if (scalar) {
      product.coefficient *= scalar->c;
      return expand(graph, scalar->x, false, product);
    }
    expand(graph, node.inputs[0], false, product);
    return expand(graph, node.inputs[1], false, product);
  }
  if (ir::standard_op(node, "Div") && scalar && !scalar->constant_first) {
    product.coefficient /= scalar->c;
    product.nodes.push_back(id);
    return expand(graph, scalar->x, false, product);
  }
  product.factors.push_back(value);
}

/// One step of affine_of: the operand x of `node` and the map x -> a*x + b.
struct Step {
  ValueId x;
  double a, b;
};
std::optional<Step> affine_step(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "Neg")) return Step{node.inputs[0], -1, 0};
  const auto s = scalar_op(graph, id);
  if (!s) return std::nullopt;
  if (ir::standard_op(node, "Add")) return Step{s->x, 1, s->c};
  if (ir::standard_op(node, "Mul")) return Step{s->x, s->c, 0};
  if (ir::standard_op(node, "Sub")) return s->constant_first ? Step{s->x, -1, s->c} : Step{s->x, 1, -s->c};
  if (ir::standard_op(node, "Div") && !s->constant_first) return Step{s->x, 1 / s->c, 0};
  return std::nullopt;
}

using Coefficients = std::array<double, 4>;

std::optional<Coefficients> times(const Coefficients& p, const Coefficients& q) {
  Coefficients r{};
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 4; ++j) {
      const double c = p[i] * q[j];
      if (c == 0) continue;
      if (i + j > 3) return std::nullopt;
      r[i + j] += c;
    }
  return r;
}

std::optional<Coefficients> power(const Coefficients& p, double exponent) {
  if (exponent != 2 && exponent != 3) return std::nullopt;
  auto r = times(p, p);
  return r && exponent == 3 ? times(*r, p) : r;
}

std::optional<Coefficients> combine(const Node& node, const Coefficients& a, const Coefficients& b) {
  const auto sum = [&](double sign) {
    Coefficients r{};
    for (size_t k = 0; k < 4; ++k) r[k] = a[k] + sign * b[k];
    return r;
  };
  const bool b_constant = b[1] == 0 && b[2] == 0 && b[3] == 0;
  if (ir::standard_op(node, "Add")) return sum(1);
  if (ir::standard_op(node, "Sub")) return sum(-1);
  if (ir::standard_op(node, "Mul")) return times(a, b);
  if (ir::standard_op(node, "Div") && b_constant && b[0] != 0) return times(a, {1 / b[0], 0, 0, 0});
  if (ir::standard_op(node, "Pow") && b_constant) return power(a, b[0]);
  return std::nullopt;
}

std::optional<Coefficients> read_polynomial(const Graph& graph, ValueId value, ValueId x,
                                            std::vector<NodeId>& nodes) {
  if (value == x) return Coefficients{0, 1, 0, 0};
  if (const auto c = ir::scalar_constant(graph, value)) return Coefficients{*c, 0, 0, 0};
  const NodeId id = value_at(graph, value).producer;
  // Formulas of this kind have at most a dozen nodes; the bound keeps shared sub-expressions from being
  // walked 2^n times.
  if (id == kNone || nodes.size() > 16) return std::nullopt;
  const Node& node = node_at(graph, id);
  nodes.push_back(id);
  if (ir::standard_op(node, "Neg")) {
    const auto p = read_polynomial(graph, node.inputs[0], x, nodes);
    return p ? times(*p, {-1, 0, 0, 0}) : std::nullopt;
  }
  if (node.inputs.size() != 2 || node.outputs.size() != 1 || node.inputs[0] == kNone ||
      node.inputs[1] == kNone)
    return std::nullopt;
  const auto a = read_polynomial(graph, node.inputs[0], x, nodes);
  const auto b = a ? read_polynomial(graph, node.inputs[1], x, nodes) : std::nullopt;
  return b ? combine(node, *a, *b) : std::nullopt;
}

}  // namespace

bool close_to(double a, double b) {
  return std::abs(a - b) <= 1e-4 * std::max(std::abs(a), std::abs(b));
}

std::optional<ScalarOp> scalar_op(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool binary = ir::standard_op(node, "Add") || ir::standard_op(node, "Sub") ||
                      ir::standard_op(node, "Mul") || ir::standard_op(node, "Div");
  if (!binary || node.inputs.size() != 2 || !is_float(graph, node.inputs[0])) return std::nullopt;
  for (const size_t slot : {size_t{1}, size_t{0}}) {
    const ValueId other = node.inputs[1 - slot];
    if (value_at(graph, other).constant) continue;
    if (const auto c = harmless_scalar(graph, node.inputs[slot], other))
      return ScalarOp{other, *c, slot == 0};
  }
  return std::nullopt;
}

Product product_of(const Graph& graph, ValueId value) {
  Product product;
  expand(graph, value, true, product);
  return product;
}

Affine affine_of(const Graph& graph, ValueId value, ValueId stop) {
  Affine affine;
  affine.x = value;
  while (affine.x != stop) {
    const NodeId id = value_at(graph, affine.x).producer;
    if (id == kNone || sole_consumer(graph, affine.x) == kNone) break;
    const auto step = affine_step(graph, id);
    if (!step) break;
    affine.b += affine.a * step->b;
    affine.a *= step->a;
    affine.x = step->x;
    affine.nodes.push_back(id);
  }
  return affine;
}

std::optional<Polynomial> polynomial_of(const Graph& graph, ValueId value, ValueId x) {
  Polynomial p;
  const auto c = read_polynomial(graph, value, x, p.nodes);
  if (!c) return std::nullopt;
  p.c = *c;
  std::sort(p.nodes.begin(), p.nodes.end());
  p.nodes.erase(std::unique(p.nodes.begin(), p.nodes.end()), p.nodes.end());
  return p;
}

std::optional<Bounds> clip_bounds(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Clip") || !is_float(graph, node.inputs[0])) return std::nullopt;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // Exporters write the largest float where they mean "no bound"; that is also the attributes' default.
  const auto open = [](double v) {
    return std::abs(v) >= std::numeric_limits<float>::max() ? std::copysign(kInfinity, v) : v;
  };
  if (ir::opset(graph) < 11)
    return Bounds{open(ir::float_attribute(node, "min", std::numeric_limits<float>::lowest())),
                  open(ir::float_attribute(node, "max", std::numeric_limits<float>::max()))};
  Bounds bounds{-kInfinity, kInfinity};
  for (const size_t slot : {size_t{1}, size_t{2}}) {
    if (slot >= node.inputs.size() || node.inputs[slot] == kNone) continue;
    const auto c = ir::scalar_constant(graph, node.inputs[slot]);
    if (!c) return std::nullopt;
    (slot == 1 ? bounds.low : bounds.high) = open(*c);
  }
  return bounds;
}

void become_clip(Graph& graph, NodeId id, ValueId x, Bounds bounds) {
  if (bounds.low == 0 && std::isinf(bounds.high)) return become(graph, id, "Relu", {x}, {});
  std::vector<ValueId> inputs = {x};
  std::vector<ir::Attribute> attributes;
  const auto bound = [&](const char* name, double value) {
    const float number = static_cast<float>(value);
    if (ir::opset(graph) < 11) {
      if (!std::isinf(value)) attributes.push_back({name, number});
    } else if (!std::isinf(value)) {
      inputs.push_back(ir::add_constant(graph, node_at(graph, id).name + "/" + name, ir::scalar(number)));
    } else {
      inputs.push_back(kNone);
    }
  };
  bound("min", bounds.low);
  bound("max", bounds.high);
  while (inputs.back() == kNone) inputs.pop_back();
  become(graph, id, "Clip", inputs, attributes);
}

std::optional<Gate> gate_of(const Graph& graph, ValueId value, ValueId stop) {
  const NodeId id = value_at(graph, value).producer;
  if (id == kNone) return std::nullopt;
  const Node& node = node_at(graph, id);
  Gate gate;
  gate.nodes.push_back(id);
  if (ir::standard_op(node, "HardSigmoid")) {
    gate.alpha = ir::float_attribute(node, "alpha", 0.2f);
    gate.beta = ir::float_attribute(node, "beta", 0.5f);
  } else {
    const auto bounds = clip_bounds(graph, id);
    if (!bounds || bounds->low != 0 || !(bounds->high > 0) || std::isinf(bounds->high)) return std::nullopt;
    gate.scale = bounds->high;
    gate.alpha = 1 / bounds->high;
    gate.beta = 0;
  }
  const Affine inner = affine_of(graph, node.inputs[0], stop);
  if (stop != kNone && inner.x != stop) return std::nullopt;
  gate.beta += gate.alpha * inner.b;
  gate.alpha *= inner.a;
  gate.x = inner.x;
  gate.affine_nodes = inner.nodes.size();
  gate.nodes.insert(gate.nodes.end(), inner.nodes.begin(), inner.nodes.end());
  return gate;
}

ValueId one_plus_exp_minus(const Graph& graph, ValueId value, std::vector<NodeId>& nodes) {
  const NodeId add = producer_if(graph, value, "Add");
  const auto one = add != kNone ? scalar_op(graph, add) : std::nullopt;
  if (!one || one->c != 1.0) return kNone;
  const NodeId exp = producer_if(graph, one->x, "Exp");
  const NodeId minus = exp != kNone ? value_at(graph, node_at(graph, exp).inputs[0]).producer : kNone;
  const auto step = minus != kNone ? affine_step(graph, minus) : std::nullopt;
  if (!step || step->a != -1 || step->b != 0) return kNone;
  nodes.insert(nodes.end(), {add, exp, minus});
  return step->x;
}

ValueId sigmoid_argument(const Graph& graph, ValueId value, std::vector<NodeId>& nodes) {
  const NodeId id = value_at(graph, value).producer;
  if (id == kNone) return kNone;
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "Sigmoid")) {
    nodes.push_back(id);
    return node.inputs[0];
  }
  ValueId denominator = kNone;
  if (ir::standard_op(node, "Reciprocal")) denominator = node.inputs[0];
  if (ir::standard_op(node, "Div") && ir::scalar_constant(graph, node.inputs[0]) == 1.0)
    denominator = node.inputs[1];
  if (denominator == kNone) return kNone;
  std::vector<NodeId> found = {id};
  const ValueId x = one_plus_exp_minus(graph, denominator, found);
  if (x != kNone) nodes.insert(nodes.end(), found.begin(), found.end());
  return x;
}

bool never_negative(const Graph& graph, ValueId value) {
  const NodeId id = value_at(graph, value).producer;
  if (id == kNone) return false;
  const Node& node = node_at(graph, id);
  for (const char* op : {"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Exp", "Abs"})
    if (ir::standard_op(node, op)) return true;
  const auto bounds = clip_bounds(graph, id);
  return bounds && bounds->low >= 0;
}

std::optional<double> padding_value(const Graph& graph, const Node& pad) {
  if (ir::string_attribute(pad, "mode", "constant") != "constant") return std::nullopt;
  if (ir::opset(graph) < 11) return ir::float_attribute(pad, "value", 0);
  if (pad.inputs.size() < 3 || pad.inputs[2] == kNone) return 0.0;
  return ir::scalar_constant(graph, pad.inputs[2]);
}

}  // namespace qc::normalize
