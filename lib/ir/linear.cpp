// See linear.h.
#include "ir/linear.h"

#include <algorithm>
#include <cmath>

#include "ir/edit.h"

namespace qc::ir {
namespace {

/// Where weight number i stands: which output channel and which input channel it connects.
struct Position {
  int64_t out, in;
};

/// Weight layouts of the ONNX operators: Conv [M, C/g, ...], ConvTranspose [C, M/g, ...], Gemm [K, N] or,
/// with transB, [N, K], MatMul [K, N]. The group of a channel is its index divided by the channels of a
/// group.
template <typename Visit>
void for_each_weight(const Node& node, const Tensor& weight, Visit visit) {
  const auto& d = weight.dims;
  int64_t inner = 1;
  for (size_t i = 2; i < d.size(); ++i) inner *= d[i];
  const bool conv = standard_op(node, "Conv");
  const bool transposed = standard_op(node, "ConvTranspose");
  const bool out_first = conv || (standard_op(node, "Gemm") && int_attribute(node, "transB", 0) != 0);
  const int64_t groups = conv || transposed ? int_attribute(node, "group", 1) : 1;
  const int64_t rows_per_group = d[0] / groups;
  size_t index = 0;
  for (int64_t a = 0; a < d[0]; ++a)
    for (int64_t b = 0; b < d[1]; ++b) {
      const int64_t other = a / rows_per_group * d[1] + b;  // the second axis, counted through all groups
      const Position at = out_first ? Position{a, other} : Position{other, a};
      for (int64_t k = 0; k < inner; ++k) visit(index++, at);
    }
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

bool has_bias(const Node& node) {
  return node.inputs.size() > 2 && node.inputs[2] != kNone;
}

/// The bias as one number a channel; zeros without a bias.
Channels bias_of(const Graph& graph, const Linear& linear) {
  const Node& node = node_at(graph, linear.node);
  if (!has_bias(node)) return Channels(static_cast<size_t>(linear.out_channels), 0.0);
  return *channel_constant(graph, node.inputs[2], linear.out_channels, linear.rank == 2 ? 2 : 1, -1);
}

/// Writes weights and bias back; a bias of zeros is not added where there was none.
bool store(Graph& graph, const Linear& linear, const std::vector<float>& weights, const Channels& bias) {
  const std::vector<float> rounded(bias.begin(), bias.end());
  const bool wanted = has_bias(node_at(graph, linear.node)) ||
                      std::any_of(rounded.begin(), rounded.end(), [](float b) { return b != 0; });
  if (!all_finite(weights) || !all_finite(rounded) || (wanted && !linear.takes_bias)) return false;
  const Dims dims = constant_input(graph, node_at(graph, linear.node), 1)->dims;
  set_constant(graph, linear.node, 1, float_tensor(weights, dims), "weight");
  if (wanted)
    set_constant(graph, linear.node, 2, float_tensor(rounded, {linear.out_channels}),
                 node_at(graph, linear.node).name + "/bias");
  return true;
}

// The largest weight of each channel on one side, scaled by that on the other.
Channels ranges_by(const Graph& graph, const Linear& linear, int64_t channels, int64_t Position::*own,
                   const Channels& scale, int64_t Position::*other) {
  const Node& node = node_at(graph, linear.node);
  const Tensor& weight = *constant_input(graph, node, 1);
  const auto numbers = weight.as<float>();
  Channels ranges(channels, 0.0);
  for_each_weight(node, weight, [&](size_t i, Position at) {
    double& range = ranges[at.*own];
    range = std::max(range, std::abs(numbers[i] * scale[at.*other]));
  });
  return ranges;
}

}  // namespace

std::optional<Linear> linear_at(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool conv = standard_op(node, "Conv");
  const bool transposed = standard_op(node, "ConvTranspose");
  const bool gemm = standard_op(node, "Gemm");
  const bool matmul = standard_op(node, "MatMul");
  if (!conv && !transposed && !gemm && !matmul) return std::nullopt;
  const Tensor* weight = float_constant(graph, node, 1);
  if (!weight || weight->dims.size() < 2 || weight->size() == 0) return std::nullopt;
  Linear linear;
  linear.node = id;
  const int64_t groups = int_attribute(node, "group", 1);
  const int64_t d0 = weight->dims[0], d1 = weight->dims[1];
  if (conv || transposed) {
    if (groups < 1 || d0 % groups != 0) return std::nullopt;
    linear.out_channels = conv ? d0 : d1 * groups;
    linear.in_channels = conv ? d1 * groups : d0;
    linear.rank = static_cast<int64_t>(weight->dims.size());
  } else {
    if (weight->dims.size() != 2) return std::nullopt;
    const bool plain = float_attribute(node, "alpha", 1) == 1 && float_attribute(node, "beta", 1) == 1 &&
                       int_attribute(node, "transA", 0) == 0;
    if (gemm && !plain) return std::nullopt;
    const bool out_first = gemm && int_attribute(node, "transB", 0) != 0;
    linear.out_channels = out_first ? d0 : d1;
    linear.in_channels = out_first ? d1 : d0;
    linear.rank = gemm ? 2 : rank_of(graph, node.inputs[0]);
    linear.channel_axis = -1;
    linear.takes_bias = gemm;
    if (matmul && linear.rank == 1) return std::nullopt;
  }
  if (!has_bias(node)) return linear;
  const bool readable =
      channel_constant(graph, node.inputs[2], linear.out_channels, gemm ? 2 : 1, -1).has_value();
  return readable ? std::optional(linear) : std::nullopt;
}

std::optional<Linear> linear_before(const Graph& graph, ValueId value) {
  const NodeId id = value_at(graph, value).producer;
  if (id == kNone || sole_consumer(graph, value) == kNone) return std::nullopt;
  return linear_at(graph, id);
}

std::optional<Channels> channel_constant(const Graph& graph, ValueId value, int64_t channels, int64_t rank,
                                         int64_t axis) {
  if (value == kNone) return std::nullopt;
  const auto& constant = value_at(graph, value).constant;
  if (!constant || constant->dtype != DType::kFloat || !constant->bytes) return std::nullopt;
  const int64_t own_rank = static_cast<int64_t>(constant->dims.size());
  const int64_t size = constant->size();
  if (size != 1 && size != channels) return std::nullopt;
  if (rank < 0 ? own_rank > 1 : own_rank > rank) return std::nullopt;
  const int64_t from_end = axis < 0 ? -axis : rank - axis;  // 1: the last axis
  for (int64_t i = 0; i < own_rank; ++i)
    if (constant->dims[i] != 1 && own_rank - i != from_end) return std::nullopt;
  const auto numbers = constant->as<float>();
  if (size == 1) return Channels(static_cast<size_t>(channels), numbers[0]);
  return Channels(numbers.begin(), numbers.end());
}

std::optional<ScaleShift> channel_map_at(const Graph& graph, NodeId id, size_t slot, int64_t channels,
                                         int64_t rank, int64_t axis) {
  const Node& node = node_at(graph, id);
  const bool add = standard_op(node, "Add"), sub = standard_op(node, "Sub");
  const bool mul = standard_op(node, "Mul"), div = standard_op(node, "Div");
  if ((!add && !sub && !mul && !div) || node.inputs.size() != 2) return std::nullopt;
  const auto constant = channel_constant(graph, node.inputs[1 - slot], channels, rank, axis);
  if (!constant || (div && slot == 1)) return std::nullopt;
  Channels c = *constant;
  const Channels ones(c.size(), 1.0), zeros(c.size(), 0.0);
  if (sub && slot == 1) return ScaleShift{Channels(c.size(), -1.0), c};
  for (double& v : c) v = sub ? -v : div ? 1 / v : v;
  return add || sub ? ScaleShift{ones, c} : ScaleShift{c, zeros};
}

bool fold_behind(Graph& graph, const Linear& linear, const Channels& scale, const Channels& shift) {
  const Node& node = node_at(graph, linear.node);
  const Tensor& weight = *constant_input(graph, node, 1);
  const auto old = weight.as<float>();
  std::vector<float> weights(old.size());
  for_each_weight(node, weight,
                  [&](size_t i, Position at) { weights[i] = static_cast<float>(old[i] * scale[at.out]); });
  Channels bias = bias_of(graph, linear);
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * scale[c] + shift[c];
  return store(graph, linear, weights, bias);
}

bool fold_before(Graph& graph, const Linear& linear, const Channels& scale, const Channels& shift) {
  const Node& node = node_at(graph, linear.node);
  const Tensor& weight = *constant_input(graph, node, 1);
  const auto old = weight.as<float>();
  std::vector<float> weights(old.size());
  Channels bias = bias_of(graph, linear);
  for_each_weight(node, weight, [&](size_t i, Position at) {
    weights[i] = static_cast<float>(old[i] * scale[at.in]);
    bias[at.out] += old[i] * shift[at.in];
  });
  return store(graph, linear, weights, bias);
}

Channels output_ranges(const Graph& graph, const Linear& linear, const Channels& in_scale) {
  return ranges_by(graph, linear, linear.out_channels, &Position::out, in_scale, &Position::in);
}

Channels input_ranges(const Graph& graph, const Linear& linear, const Channels& out_scale) {
  return ranges_by(graph, linear, linear.in_channels, &Position::in, out_scale, &Position::out);
}

Channels input_powers(const Graph& graph, const Linear& linear) {
  const Node& node = node_at(graph, linear.node);
  const Tensor& weight = *constant_input(graph, node, 1);
  const auto numbers = weight.as<float>();
  Channels powers(linear.in_channels, 0.0);
  for_each_weight(node, weight, [&](size_t i, Position at) {
    powers[at.in] += static_cast<double>(numbers[i]) * static_cast<double>(numbers[i]);
  });
  return powers;
}

Channels weighted_sums(const Graph& graph, const Linear& linear, const Channels& input) {
  const Node& node = node_at(graph, linear.node);
  const Tensor& weight = *constant_input(graph, node, 1);
  const auto numbers = weight.as<float>();
  Channels sums(linear.out_channels, 0.0);
  for_each_weight(node, weight, [&](size_t i, Position at) {
    sums[at.out] += static_cast<double>(numbers[i]) * input[at.in];
  });
  return sums;
}

bool unpadded(const Node& node) {
  if (!standard_op(node, "Conv") && !standard_op(node, "ConvTranspose")) return true;
  const std::string mode = string_attribute(node, "auto_pad", "NOTSET");
  const Dims pads = ints_attribute(node, "pads");
  return mode == "VALID" ||
         (mode == "NOTSET" && std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; }));
}

bool normalizes_by_batch(const Node& batch_norm) {
  const auto named = [](ValueId v) { return v != kNone; };
  return int_attribute(batch_norm, "training_mode", 0) != 0 ||
         std::count_if(batch_norm.outputs.begin(), batch_norm.outputs.end(), named) > 1;
}

std::optional<ScaleShift> batch_norm_at(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!standard_op(node, "BatchNormalization") || node.inputs.size() != 5) return std::nullopt;
  if (normalizes_by_batch(node) || int_attribute(node, "spatial", 1) != 1) return std::nullopt;
  const Tensor* parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    parameters[i] = float_constant(graph, node, i + 1);
    if (!parameters[i] || parameters[i]->size() != parameters[0]->size()) return std::nullopt;
  }
  const double epsilon = float_attribute(node, "epsilon", 1e-5f);
  ScaleShift result;
  for (size_t c = 0; c < static_cast<size_t>(parameters[0]->size()); ++c) {
    const auto at = [&](size_t i) { return static_cast<double>(parameters[i]->as<float>()[c]); };
    const double scale = at(0) / std::sqrt(at(3) + epsilon);
    const double shift = at(1) - at(2) * scale;
    if (!std::isfinite(scale) || !std::isfinite(shift)) return std::nullopt;
    result.scale.push_back(scale);
    result.shift.push_back(shift);
  }
  return result;
}

}  // namespace qc::ir
