// Reading arithmetic off a graph. Exporters spell one formula in dozens of orders; comparing node lists would
// need a pattern for each. Here a value is read as algebra instead: a product of factors, a*x + b, a
// polynomial in x. Two spellings of one formula give the same algebra.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace qc::normalize {

/// A binary op with one scalar constant that cannot change the shape of the other operand.
struct ScalarOp {
  ir::ValueId x = ir::kNone;  // the other operand
  double c = 0;
  bool constant_first = false;
};
std::optional<ScalarOp> scalar_op(const ir::Graph& graph, ir::NodeId node);

/// True when the two agree to within what float32 constants in files are rounded to.
bool close_to(double a, double b);

/// value = coefficient * factors[0] * factors[1] * ... Interior products that somebody else reads too are
/// factors.
struct Product {
  double coefficient = 1;
  std::vector<ir::ValueId> factors;
  std::vector<ir::NodeId> nodes;  // Mul, Div, Neg nodes taken apart, the last one first
};
Product product_of(const ir::Graph& graph, ir::ValueId value);

/// value = a * x + b, through Add, Sub, Mul, Div, Neg with scalars. Stops at `stop`, or, with kNone, at the
/// first value that is made otherwise or has other readers.
struct Affine {
  ir::ValueId x = ir::kNone;
  double a = 1, b = 0;
  std::vector<ir::NodeId> nodes;
};
Affine affine_of(const ir::Graph& graph, ir::ValueId value, ir::ValueId stop = ir::kNone);

/// value = sum of c[k] * x^k, degree at most 3, through Add, Sub, Mul, Div, Neg, Pow, Sum.
struct Polynomial {
  std::array<double, 4> c{};
  std::vector<ir::NodeId> nodes;
};
std::optional<Polynomial> polynomial_of(const ir::Graph& graph, ir::ValueId value, ir::ValueId x);

/// Bounds of a Clip (attributes before opset 11, constant inputs from then on); absent: +-infinity. nullopt:
/// not a float Clip, or bounds computed at run time.
struct Bounds {
  double low, high;
};
std::optional<Bounds> clip_bounds(const ir::Graph& graph, ir::NodeId node);
/// The node becomes min(max(x, low), high), spelled Relu for [0, infinity) and Clip, as the opset wants it,
/// otherwise.
void become_clip(ir::Graph& graph, ir::NodeId node, ir::ValueId x, Bounds bounds);

/// value = scale * clip(alpha * x + beta, 0, 1): HardSigmoid and Clip(affine, 0, M).
struct Gate {
  ir::ValueId x = ir::kNone;
  double alpha = 0, beta = 0, scale = 1;
  std::vector<ir::NodeId> nodes;  // the Clip or HardSigmoid first
  size_t affine_nodes = 0;        // how many of them belong to the affine part
};
/// `stop`: as in affine_of; with a stop, a chain that does not end there is no gate.
std::optional<Gate> gate_of(const ir::Graph& graph, ir::ValueId value, ir::ValueId stop = ir::kNone);

/// x if value = 1 + exp(-x), else kNone; the nodes are appended to `nodes`.
ir::ValueId one_plus_exp_minus(const ir::Graph& graph, ir::ValueId value, std::vector<ir::NodeId>& nodes);
/// x if value = 1 / (1 + exp(-x)) or Sigmoid(x), in any spelling; the nodes are appended to `nodes`.
ir::ValueId sigmoid_argument(const ir::Graph& graph, ir::ValueId value, std::vector<ir::NodeId>& nodes);

/// Made by an op that makes no negative number (Relu, Sigmoid, Clip from 0 on, ...).
bool never_negative(const ir::Graph& graph, ir::ValueId value);
/// What a Pad fills in; nullopt: another mode, or computed.
std::optional<double> padding_value(const ir::Graph& graph, const ir::Node& pad);

}  // namespace qc::normalize
