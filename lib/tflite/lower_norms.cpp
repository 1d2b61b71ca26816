// Normalizations and sums that TFLite spells out, and Einsum of two operands as one product of matrices. In
// float and in ONNX's order of dimensions.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "ir/linear.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

using Shape = std::vector<int32_t>;
const Options kKeep{{"keep_dims", int64_t{1}}};

TensorId apply(Lowering& l, Op op, std::vector<TensorId> inputs, const Shape& shape, Options options = {}) {
  const TensorId result = temporary_float(l, shape);
  emit(l, op, std::move(inputs), {result}, std::move(options));
  return result;
}

size_t rank_of(const Lowering& l, ir::NodeId id) {
  return dims_of(l, node_at(l, id).inputs[0]).size();
}

Shape without(Shape shape, const Shape& axes) {
  for (const int32_t axis : axes) shape[axis] = 1;
  return shape;
}

// (x - mean) / sqrt(variance + epsilon) over some dimensions.
TensorId standardized(Lowering& l, TensorId x, const Shape& axes, float epsilon) {
  const Shape shape = tensor_at(l, x).shape, small = without(shape, axes);
  const TensorId over = constant_ints(l, axes);
  const TensorId centred = apply(l, Op::kSub, {x, apply(l, Op::kMean, {x, over}, small, kKeep)}, shape);
  const TensorId square = apply(l, Op::kMul, {centred, centred}, shape);
  const TensorId variance = apply(l, Op::kMean, {square, over}, small, kKeep);
  const TensorId safe = apply(l, Op::kAdd, {variance, constant_float(l, epsilon)}, small);
  return apply(l, Op::kMul, {centred, apply(l, Op::kRsqrt, {safe}, small)}, shape);
}

// One value a channel, or one a group (before opset 21), where the channels of the node's input stand.
TensorId by_channel(Lowering& l, ir::NodeId id, size_t slot, int64_t channels) {
  const ir::Tensor* given = ir::constant_input(graph_of(l), node_at(l, id), slot);
  if (!given) return kAbsent;
  const std::span<const float> values = given->as<float>();
  std::vector<float> all;
  for (int64_t c = 0; c < channels; ++c)
    all.push_back(values[c * static_cast<int64_t>(values.size()) / channels]);
  Shape shape(rank_of(l, id), 1);
  shape[axis_in(1, shape.size(), l.layouts.node_in[id])] = static_cast<int32_t>(channels);
  return add_constant(l, Type::kFloat32, shape,
                      std::string(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(float)),
                      "constants");
}

// By the stored statistics or by those of the batch. In either order of dimensions.
void lower_batch_normalization(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const bool training = ir::normalizes_by_batch(node);
  const ir::Tensor* p[4] = {};  // scale, shift, mean, variance
  for (size_t i = 0; i < (training ? 2 : 4); ++i)
    if (!(p[i] = ir::constant_input(graph_of(l), node, i + 1)))
      return refuse(l, id, "its parameters are computed by the model");
  const float epsilon = ir::float_attribute(node, "epsilon", 1e-5f);
  std::vector<float> scale, shift;
  for (size_t c = 0; c < p[0]->as<float>().size(); ++c) {
    const double s = p[0]->as<float>()[c] /
                     (training ? 1 : std::sqrt(p[3]->as<float>()[c] + static_cast<double>(epsilon)));
    scale.push_back(static_cast<float>(s));
    shift.push_back(static_cast<float>(p[1]->as<float>()[c] - (training ? 0 : p[2]->as<float>()[c] * s)));
  }
  const size_t rank = rank_of(l, id);
  const int channels = axis_in(1, rank, l.layouts.node_in[id]);
  Shape small(rank, 1), axes;
  small[channels] = static_cast<int32_t>(scale.size());
  for (int32_t axis = 0; axis < static_cast<int32_t>(rank); ++axis)
    if (axis != channels) axes.push_back(axis);
  const auto constant = [&](const std::vector<float>& v) {
    return add_constant(l, Type::kFloat32, small,
                        std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)),
                        "constants");
  };
  const TensorId x = read(l, id, 0), plain = training ? standardized(l, x, axes, epsilon) : x;
  const TensorId scaled = apply(l, Op::kMul, {plain, constant(scale)}, tensor_at(l, x).shape);
  emit_result(l, id, Op::kAdd, {scaled, constant(shift)});
}

// The mean of each group of channels, which stand last, over all places: for every channel that of its group,
// or one number where there is one group.
TensorId mean_of_groups(Lowering& l, TensorId x, int32_t groups) {
  const Shape shape = tensor_at(l, x).shape;
  const int32_t rank = static_cast<int32_t>(shape.size()), channels = shape.back();
  Shape axes;
  for (int32_t d = 1; d < rank - (groups == 1 ? 0 : 1); ++d) axes.push_back(d);
  const Shape small = without(shape, axes);
  const TensorId mean = axes.empty() ? x : apply(l, Op::kMean, {x, constant_ints(l, axes)}, small, kKeep);
  if (groups == 1 || groups == channels) return mean;
  const int32_t each = channels / groups;
  const TensorId apart = reshaped(l, mean, {shape[0], groups, each});
  const TensorId one = apply(l, Op::kMean, {apart, constant_ints(l, {2})}, {shape[0], groups, 1}, kKeep);
  const std::vector<float> ones(each, 1.0f);
  const TensorId row = add_constant(
      l, Type::kFloat32, {1, 1, each},
      std::string(reinterpret_cast<const char*>(ones.data()), ones.size() * sizeof(float)), "constants");
  return reshaped(l, apply(l, Op::kMul, {one, row}, {shape[0], groups, each}), small);
}

// The scale goes into the deviation of a channel: of large tensors there are as few as can be.
void lower_group_normalization(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const int64_t channels = dims_of(l, node.inputs[0])[1];
  const int64_t groups = ir::int_attribute(node, "num_groups", 1);
  const TensorId scale = by_channel(l, id, 1, channels), shift = by_channel(l, id, 2, channels);
  if (scale == kAbsent || shift == kAbsent)
    return refuse(l, id, "its scale or bias is computed by the model");
  const TensorId x = read(l, id, 0);
  const Shape shape = tensor_at(l, x).shape;
  const auto mean = [&](TensorId t) { return mean_of_groups(l, t, static_cast<int32_t>(groups)); };
  const TensorId centred = apply(l, Op::kSub, {x, mean(x)}, shape);
  const TensorId variance = mean(apply(l, Op::kMul, {centred, centred}, shape));
  const Shape small = tensor_at(l, variance).shape;
  const TensorId safe =
      apply(l, Op::kAdd, {variance, constant_float(l, ir::float_attribute(node, "epsilon", 1e-5f))}, small);
  Shape each = small;
  each.back() = static_cast<int32_t>(channels);
  const TensorId factor = apply(l, Op::kMul, {apply(l, Op::kRsqrt, {safe}, small), scale}, each);
  const std::span<const float> summands = ir::constant_input(graph_of(l), node, 2)->as<float>();
  if (std::ranges::all_of(summands, [](float f) { return f == 0; }))
    return emit_result(l, id, Op::kMul, {centred, factor});
  emit_result(l, id, Op::kAdd, {apply(l, Op::kMul, {centred, factor}, shape), shift});
}

// x / sqrt(mean of squares + epsilon) * scale, from `axis` on.
void lower_rms_normalization(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const auto rank = static_cast<int64_t>(rank_of(l, id));
  const int64_t first = ir::int_attribute(node, "axis", -1);
  Shape axes;
  for (int64_t d = first < 0 ? first + rank : first; d < rank; ++d) axes.push_back(static_cast<int32_t>(d));
  const TensorId x = read(l, id, 0);
  const Shape shape = tensor_at(l, x).shape, small = without(shape, axes);
  const TensorId square = apply(l, Op::kMul, {x, x}, shape);
  const TensorId mean = apply(l, Op::kMean, {square, constant_ints(l, axes)}, small, kKeep);
  const TensorId safe =
      apply(l, Op::kAdd, {mean, constant_float(l, ir::float_attribute(node, "epsilon", 1e-5f))}, small);
  const TensorId plain = apply(l, Op::kMul, {x, apply(l, Op::kRsqrt, {safe}, small)}, shape);
  emit_result(l, id, Op::kMul, {plain, read(l, id, 1)});
}

// x over its norm along one dimension; zeros stay zeros.
void lower_lp_normalization(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const auto rank = static_cast<int32_t>(rank_of(l, id));
  auto axis = static_cast<int32_t>(ir::int_attribute(node, "axis", -1));
  if (axis < 0) axis += rank;
  const bool squares = ir::int_attribute(node, "p", 2) == 2;
  const TensorId x = read(l, id, 0), over = constant_ints(l, {axis});
  const Shape shape = tensor_at(l, x).shape, small = without(shape, {axis});
  constexpr float kTiny = 1e-12f;
  const TensorId terms = squares ? apply(l, Op::kMul, {x, x}, shape) : apply(l, Op::kAbs, {x}, shape);
  const TensorId sum = apply(l, Op::kSum, {terms, over}, small, kKeep);
  const TensorId norm = squares ? apply(l, Op::kSqrt, {sum}, small) : sum;
  emit_result(l, id, Op::kDiv, {x, apply(l, Op::kMaximum, {norm, constant_float(l, kTiny)}, small)});
}

Shape axes_of(const Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = rank_of(l, id);
  std::vector<int64_t> given = ir::ints_attribute(node, "axes");
  if (const auto input = integers_of(l, node, 1)) given = *input;
  Shape axes;
  for (const int64_t axis : given)
    axes.push_back(static_cast<int32_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis));
  if (axes.empty()) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), 0);
  }
  return axes;
}

void lower_log_sum(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  const Options keep{{"keep_dims", ir::int_attribute(node_at(l, id), "keepdims", 1)}};
  const TensorId sum = apply(l, Op::kSum, {x, constant_ints(l, axes_of(l, id))},
                             shape_in(l, node_at(l, id).outputs[0], false), keep);
  emit_result(l, id, Op::kLog, {sum});
}

// m + log(sum of e^(x - m)) with the largest m, so that nothing overflows.
void lower_log_sum_exp(Lowering& l, ir::NodeId id) {
  const Shape axes = axes_of(l, id);
  const TensorId x = read(l, id, 0), over = constant_ints(l, axes);
  const Shape shape = tensor_at(l, x).shape, small = without(shape, axes);
  const TensorId most = apply(l, Op::kReduceMax, {x, over}, small, kKeep);
  const TensorId below = apply(l, Op::kExp, {apply(l, Op::kSub, {x, most}, shape)}, shape);
  const TensorId log = apply(l, Op::kLog, {apply(l, Op::kSum, {below, over}, small, kKeep)}, small);
  emit_result(l, id, Op::kAdd, {log, most}, {}, {}, small);
}

// --- Einsum: letters in both operands and the result are batches, in both operands alone they are summed.

struct Operands {
  std::string a, b, result;
};
std::optional<Operands> parse(std::string text) {
  std::erase(text, ' ');
  const size_t comma = text.find(','), arrow = text.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || text.find('.') != std::string::npos ||
      text.find(',', comma + 1) != std::string::npos)
    return std::nullopt;
  return Operands{text.substr(0, comma), text.substr(comma + 1, arrow - comma - 1), text.substr(arrow + 2)};
}

bool in(const std::string& letters, char c) {
  return letters.find(c) != std::string::npos;
}

TensorId arranged(Lowering& l, TensorId x, const std::string& from, const std::string& to) {
  if (from == to) return x;
  Shape order, shape;
  for (const char c : to) {
    order.push_back(static_cast<int32_t>(from.find(c)));
    shape.push_back(tensor_at(l, x).shape[from.find(c)]);
  }
  const TensorId turned = temporary(l, shape, x);
  emit(l, Op::kTranspose, {x, constant_ints(l, order)}, {turned});
  return turned;
}

void lower_einsum(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const std::string equation = ir::string_attribute(node, "equation", "");
  const auto found = node.inputs.size() == 2 ? parse(equation) : std::nullopt;
  const char* kRemedy = "write it as MatMul, Transpose and ReduceSum in the model";
  if (!found)
    return refuse(l, id, format("TFLite multiplies two matrices, and the equation '{}' is more", equation),
                  kRemedy);
  std::string batch, left, right, summed;
  for (const char c : found->a) (in(found->b, c) ? (in(found->result, c) ? batch : summed) : left) += c;
  for (const char c : found->b)
    if (!in(found->a, c)) right += c;
  const auto distinct = [](std::string s) {
    std::sort(s.begin(), s.end());
    return std::adjacent_find(s.begin(), s.end()) == s.end();
  };
  const bool whole = std::all_of(left.begin(), left.end(), [&](char c) { return in(found->result, c); }) &&
                     std::all_of(right.begin(), right.end(), [&](char c) { return in(found->result, c); });
  if (!whole || summed.empty() || !distinct(found->a) || !distinct(found->b))
    return refuse(l, id, format("the equation '{}' is no product of matrices", equation), kRemedy);
  const TensorId a = read(l, id, 0), b = read(l, id, 1);
  const auto size = [&](char c) {
    const size_t at = found->a.find(c);
    return at != std::string::npos ? tensor_at(l, a).shape[at] : tensor_at(l, b).shape[found->b.find(c)];
  };
  const auto product = [&](const std::string& letters) {
    int32_t all = 1;
    for (const char c : letters) all *= size(c);
    return all;
  };
  const TensorId x = reshaped(l, arranged(l, a, found->a, batch + left + summed),
                              {product(batch), product(left), product(summed)});
  const TensorId y = reshaped(l, arranged(l, b, found->b, batch + summed + right),
                              {product(batch), product(summed), product(right)});
  const TensorId flat = apply(l, Op::kBatchMatmul, {x, y}, {product(batch), product(left), product(right)},
                              {{"adj_x", int64_t{0}}, {"adj_y", int64_t{0}}});
  Shape shape;
  for (const char c : batch + left + right) shape.push_back(size(c));
  reshape_result(l, id, arranged(l, reshaped(l, flat, shape), batch + left + right, found->result));
}

constexpr OpRow kRows[] = {
    {"BatchNormalization", free_sides, lower_batch_normalization},
    {"GroupNormalization", last_sides, lower_group_normalization},
    {"RMSNormalization", original_sides, lower_rms_normalization},
    {"LpNormalization", original_sides, lower_lp_normalization},
    {"ReduceLogSum", original_sides, lower_log_sum},
    {"ReduceLogSumExp", original_sides, lower_log_sum_exp},
    {"Einsum", original_sides, lower_einsum},
};

}  // namespace

std::span<const OpRow> norm_ops() {
  return kRows;
}

}  // namespace qc::tflite
