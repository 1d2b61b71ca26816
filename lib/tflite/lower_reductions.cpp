// Ops that sum up over dimensions: Reduce*, Softmax, the normalizations, ArgMax.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ir/ops.h"
#include "quant/quant_params.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

const std::vector<int64_t>& in_dims(const Lowering& l, ir::NodeId id) {
  return dims_of(l, node_at(l, id).inputs[0]);
}

int64_t positive(int64_t axis, size_t rank) {
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

// Axes of a Reduce*, from input or attribute; all of them when none is named.
std::vector<int64_t> axes_of(const Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = in_dims(l, id).size();
  std::vector<int64_t> axes = ir::ints_attribute(node, "axes");
  if (const auto given = integers_of(l, node, 1)) axes = *given;
  if (axes.empty())
    for (size_t d = 0; d < rank; ++d) axes.push_back(static_cast<int64_t>(d));
  for (int64_t& axis : axes) axis = positive(axis, rank);
  return axes;
}

// Without the reduced dimensions the others close up: what remains is in ONNX's order if the channels went.
NodeSides sides_without(const std::vector<int64_t>& axes, bool keep) {
  const auto drops = [&](int64_t axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); };
  if (keep) return {Side::kFree, Side::kFree, true};
  if (drops(0)) return {};
  if (drops(1)) return {Side::kFree, Side::kOriginal, false};
  return {Side::kFree, Side::kFree, true};
}

NodeSides reduce_sides(const Lowering& l, ir::NodeId id) {
  if (in_dims(l, id).size() < 3) return {};
  return sides_without(axes_of(l, id), ir::int_attribute(node_at(l, id), "keepdims", 1) != 0);
}

std::vector<int32_t> reduced_axes(const Lowering& l, ir::NodeId id) {
  std::vector<int32_t> axes;
  for (const int64_t axis : axes_of(l, id))
    axes.push_back(axis_in(axis, in_dims(l, id).size(), l.layouts.node_in[id]));
  std::sort(axes.begin(), axes.end());
  return axes;
}

Options keep_dims(const Lowering& l, ir::NodeId id) {
  return {{"keep_dims", ir::int_attribute(node_at(l, id), "keepdims", 1)}};
}

template <Op kOp>
void lower_reduce(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  const bool picks = kOp == Op::kReduceMax || kOp == Op::kReduceMin;
  emit_result(l, id, kOp, {x, constant_ints(l, reduced_axes(l, id))}, keep_dims(l, id),
              picks ? same_as(x) : OutputRule{});
}

TensorId apply(Lowering& l, Op op, std::vector<TensorId> inputs, const std::vector<int32_t>& shape,
               Options options = {}) {
  const TensorId result = temporary_float(l, shape);
  emit(l, op, std::move(inputs), {result}, std::move(options));
  return result;
}

void lower_reduce_l1(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0), size = apply(l, Op::kAbs, {x}, tensor_at(l, x).shape);
  emit_result(l, id, Op::kSum, {size, constant_ints(l, reduced_axes(l, id))}, keep_dims(l, id));
}
void lower_reduce_sum_square(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0), square = apply(l, Op::kMul, {x, x}, tensor_at(l, x).shape);
  emit_result(l, id, Op::kSum, {square, constant_ints(l, reduced_axes(l, id))}, keep_dims(l, id));
}
void lower_reduce_l2(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0), square = apply(l, Op::kMul, {x, x}, tensor_at(l, x).shape);
  const std::vector<int32_t> shape = shape_in(l, node_at(l, id).outputs[0], l.layouts.node_out[id]);
  const TensorId sum =
      apply(l, Op::kSum, {square, constant_ints(l, reduced_axes(l, id))}, shape, keep_dims(l, id));
  emit_result(l, id, Op::kSqrt, {sum});
}

// Opset 13 and later; the corridor raises older files.
NodeSides softmax_sides(const Lowering& l, ir::NodeId id) {
  const size_t rank = in_dims(l, id).size();
  const bool channels = rank >= 3 && positive(ir::int_attribute(node_at(l, id), "axis", -1), rank) == 1;
  return channels ? NodeSides{Side::kLast, Side::kLast, true} : NodeSides{};
}

// LiteRT's SOFTMAX takes 15 to 20 ns for every row, however short it is; XNNPACK has what short ones can be
// spelled with.
bool spells_softmax(const Lowering& l, ir::NodeId id, TensorId x) {
  return l.options.xnnpack && tensor_at(l, x).type == Type::kFloat32 &&
         ir::is_narrow_softmax(graph_of(l), node_at(l, id));
}

// Integers stood in front, none of which e^x takes out of a float's range.
bool has_moderate_range(const Lowering& l, ir::ValueId v) {
  constexpr double kMost = 80;
  if (!is_quantized(l, v)) return false;
  const quant::QuantParams& params = l.source.plan.values[v].params;
  return quant::range_min(params) > -kMost && quant::range_max(params) < kMost;
}

// Every row times a square matrix with `diagonal` and elsewhere `other`.
TensorId mixed(Lowering& l, TensorId x, float diagonal, float other) {
  const std::vector<int32_t> shape = tensor_at(l, x).shape;
  const auto classes = static_cast<size_t>(shape.back());
  std::vector<float> matrix(classes * classes, other);
  for (size_t c = 0; c < classes; ++c) matrix[c * classes + c] = diagonal;
  const TensorId weight = add_constant(
      l, Type::kFloat32, {shape.back(), shape.back()},
      std::string(reinterpret_cast<const char*>(matrix.data()), matrix.size() * sizeof(float)), "constants");
  return apply(l, Op::kFullyConnected, {x, weight}, shape,
               shape.size() > 2 ? Options{{"keep_num_dims", int64_t{1}}} : Options{});
}

struct LastOperator {
  Op op;
  std::vector<TensorId> inputs;
  Options options;
};
// Of two classes one is the sigmoid of what it is above the other. `moderate`: no e^x leaves a float's range.
LastOperator spelled_softmax(Lowering& l, TensorId x, bool moderate) {
  const std::vector<int32_t> shape = tensor_at(l, x).shape;
  if (shape.back() == 2) return {Op::kLogistic, {mixed(l, x, 1, -1)}, {}};
  if (!moderate) {
    std::vector<int32_t> small = shape;
    small.back() = 1;
    const TensorId last = constant_ints(l, {static_cast<int32_t>(shape.size()) - 1});
    const TensorId most = apply(l, Op::kReduceMax, {x, last}, small, {{"keep_dims", int64_t{1}}});
    x = apply(l, Op::kSub, {x, most}, shape);
  }
  const TensorId powers = apply(l, Op::kExp, {x}, shape);
  return {Op::kDiv, {powers, mixed(l, powers, 1, 1)}, {}};
}

template <Op kOp>
void lower_softmax(Lowering& l, ir::NodeId id) {
  const size_t rank = in_dims(l, id).size();
  const bool last = l.layouts.node_in[id];
  const int axis = axis_in(ir::int_attribute(node_at(l, id), "axis", -1), rank, last);
  TensorId x = read(l, id, 0);
  const Options options = kOp == Op::kSoftmax ? Options{{"beta", 1.0f}} : Options{};
  const OutputRule rule = kOp == Op::kSoftmax ? fixed_for(l, x, 1.0f / 256, -128) : fixed(16.0f / 256, 127);
  const auto along_last = [&](TensorId rows) {
    return kOp == Op::kSoftmax && spells_softmax(l, id, rows)
               ? spelled_softmax(l, rows, has_moderate_range(l, node_at(l, id).inputs[0]))
               : LastOperator{kOp, {rows}, options};
  };
  if (axis == static_cast<int>(rank) - 1) {
    const LastOperator made = along_last(x);
    return emit_result(l, id, made.op, made.inputs, made.options, rule);
  }
  // Its axis changes places with the last one, and back.
  std::vector<int32_t> swap(rank), shape = tensor_at(l, x).shape;
  for (size_t d = 0; d < rank; ++d) swap[d] = static_cast<int32_t>(d);
  std::swap(swap[axis], swap[rank - 1]);
  std::swap(shape[axis], shape[rank - 1]);
  const TensorId order = constant_ints(l, swap);
  const TensorId turned = temporary(l, shape, x), result = temporary(l, shape, x);
  if (runs_on_integers(l, id)) l.model.tensors[result].quantization = rule.quantization;
  emit(l, Op::kTranspose, {x, order}, {turned});
  const LastOperator made = along_last(turned);
  emit(l, made.op, made.inputs, {result}, made.options);
  emit_result(l, id, Op::kTranspose, {result, order}, {}, same_as(result));
}

// (x - mean) / sqrt(variance + epsilon) over some dimensions of `x`, keeping them.
TensorId standardized(Lowering& l, TensorId x, const std::vector<int32_t>& axes, float epsilon) {
  const std::vector<int32_t> shape = tensor_at(l, x).shape;
  std::vector<int32_t> small = shape;
  for (const int32_t axis : axes) small[axis] = 1;
  const TensorId over = constant_ints(l, axes);
  const Options keep{{"keep_dims", int64_t{1}}};
  const TensorId centred = apply(l, Op::kSub, {x, apply(l, Op::kMean, {x, over}, small, keep)}, shape);
  const TensorId variance =
      apply(l, Op::kMean, {apply(l, Op::kMul, {centred, centred}, shape), over}, small, keep);
  const TensorId inverse =
      apply(l, Op::kRsqrt, {apply(l, Op::kAdd, {variance, constant_float(l, epsilon)}, small)}, small);
  return apply(l, Op::kMul, {centred, inverse}, shape);
}

void lower_layer_normalization(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  for (size_t slot = 1; slot < node.outputs.size(); ++slot)
    if (node.outputs[slot] != ir::kNone) return refuse(l, id, "its mean or deviation is read by the model");
  const size_t rank = in_dims(l, id).size();
  std::vector<int32_t> axes;
  for (int64_t axis = positive(ir::int_attribute(node, "axis", -1), rank); axis < static_cast<int64_t>(rank);
       ++axis)
    axes.push_back(static_cast<int32_t>(axis));
  const TensorId x = read(l, id, 0);
  const TensorId plain = standardized(l, x, axes, ir::float_attribute(node, "epsilon", 1e-5f));
  const TensorId gamma = read(l, id, 1), beta = read(l, id, 2);
  if (beta == kAbsent) return emit_result(l, id, Op::kMul, {plain, gamma});
  emit_result(l, id, Op::kAdd, {apply(l, Op::kMul, {plain, gamma}, tensor_at(l, x).shape), beta});
}

void lower_instance_normalization(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const TensorId x = read(l, id, 0);
  const auto rank = static_cast<int32_t>(in_dims(l, id).size());
  std::vector<int32_t> axes;
  for (int32_t d = 1; d + 1 < rank; ++d) axes.push_back(d);  // channels last
  const TensorId plain = standardized(l, x, axes, ir::float_attribute(node, "epsilon", 1e-5f));
  const TensorId scaled = apply(l, Op::kMul, {plain, read(l, id, 1)}, tensor_at(l, x).shape);
  emit_result(l, id, Op::kAdd, {scaled, read(l, id, 2)});
}

NodeSides arg_sides(const Lowering& l, ir::NodeId id) {
  const size_t rank = in_dims(l, id).size();
  if (rank < 3) return {};
  return sides_without({positive(ir::int_attribute(node_at(l, id), "axis", 0), rank)},
                       ir::int_attribute(node_at(l, id), "keepdims", 1) != 0);
}

template <Op kOp>
void lower_arg(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  if (ir::int_attribute(node, "select_last_index", 0) != 0)
    return refuse(l, id, "TFLite finds the first of equal numbers only");
  const bool last = l.layouts.node_in[id];
  TensorId x = read_as(l, node.inputs[0], last, is_quantized(l, node.inputs[0]));
  if (tensor_at(l, x).type == Type::kInt16)
    x = read_as(l, node.inputs[0], last, false);  // no kernel reads them
  const int axis = axis_in(ir::int_attribute(node, "axis", 0), in_dims(l, id).size(), l.layouts.node_in[id]);
  std::vector<int32_t> shape = tensor_at(l, x).shape;
  shape.erase(shape.begin() + axis);
  const Type type = type_of(value_at(l, node.outputs[0]).dtype);
  emit_result(l, id, kOp, {x, constant_scalar(l, axis)}, {{"output_type", static_cast<int64_t>(type)}}, {},
              shape);
}

constexpr OpRow kRows[] = {
    {"ReduceMean", reduce_sides, lower_reduce<Op::kMean>},
    {"ReduceSum", reduce_sides, lower_reduce<Op::kSum>},
    {"ReduceMax", reduce_sides, lower_reduce<Op::kReduceMax>},
    {"ReduceMin", reduce_sides, lower_reduce<Op::kReduceMin>},
    {"ReduceProd", reduce_sides, lower_reduce<Op::kReduceProd>},
    {"ReduceL1", reduce_sides, lower_reduce_l1},
    {"ReduceL2", reduce_sides, lower_reduce_l2},
    {"ReduceSumSquare", reduce_sides, lower_reduce_sum_square},
    {"Softmax", softmax_sides, lower_softmax<Op::kSoftmax>},
    {"LogSoftmax", softmax_sides, lower_softmax<Op::kLogSoftmax>},
    {"LayerNormalization", original_sides, lower_layer_normalization},
    {"InstanceNormalization", last_sides, lower_instance_normalization},
    {"ArgMax", arg_sides, lower_arg<Op::kArgMax>},
    {"ArgMin", arg_sides, lower_arg<Op::kArgMin>},
};

}  // namespace

std::span<const OpRow> reduce_ops() {
  return kRows;
}

}  // namespace qc::tflite
