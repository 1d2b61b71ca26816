// Ops that work element by element, in whatever order the elements stand: arithmetic, activations,
// comparisons, casts. Constants follow the order of the node.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

size_t result_rank(const Lowering& l, ir::NodeId id) {
  return dims_of(l, node_at(l, id).outputs[0]).size();
}

template <Op kOp>
void lower_unary(Lowering& l, ir::NodeId id) {
  emit_result(l, id, kOp, {read(l, id, 0)});
}

template <Op kOp>
void lower_binary(Lowering& l, ir::NodeId id) {
  const size_t rank = result_rank(l, id);
  emit_result(l, id, kOp, {read(l, id, 0, rank), read(l, id, 1, rank)});
}

// Sum, Max, Min of any number of inputs. Comparing integers needs one scale: that of the result.
template <Op kOp>
void lower_variadic(Lowering& l, ir::NodeId id) {
  const size_t rank = result_rank(l, id), count = node_at(l, id).inputs.size();
  const auto operand = [&](size_t slot) {
    return kOp == Op::kAdd ? read(l, id, slot, rank) : read_in(l, id, slot, rank);
  };
  TensorId so_far = operand(0);
  const bool integers = runs_on_integers(l, id);
  const ir::ValueId result = node_at(l, id).outputs[0];
  const std::vector<int32_t> shape = shape_in(l, result, l.layouts.node_out[id]);
  for (size_t slot = 1; slot + 1 < count; ++slot) {
    const TensorId next =
        integers ? temporary(l, shape, so_far) : typed(l, type_of(value_at(l, result).dtype), shape);
    emit(l, kOp, {so_far, operand(slot)}, {next});
    so_far = next;
  }
  if (count == 1) return reshape_result(l, id, so_far);
  emit_result(l, id, kOp, {so_far, operand(count - 1)});
}

void lower_mean_of(Lowering& l, ir::NodeId id) {
  const size_t rank = result_rank(l, id), count = node_at(l, id).inputs.size();
  const std::vector<int32_t> shape = shape_in(l, node_at(l, id).outputs[0], l.layouts.node_out[id]);
  TensorId sum = read(l, id, 0, rank);
  for (size_t slot = 1; slot < count; ++slot) {
    const TensorId next = temporary_float(l, shape);
    emit(l, Op::kAdd, {sum, read(l, id, slot, rank)}, {next});
    sum = next;
  }
  emit_result(l, id, Op::kMul, {sum, constant_float(l, 1.0f / static_cast<float>(count))});
}

void lower_sigmoid(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kLogistic, {x}, {}, fixed_for(l, x, 1.0f / 256, -128));
}
void lower_tanh(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kTanh, {x}, {}, fixed_for(l, x, 1.0f / 128, 0));
}

TensorId then(Lowering& l, Op op, TensorId a, TensorId b, Options options = {}) {
  const TensorId result = temporary_float(l, tensor_at(l, a).shape);
  emit(l, op, b == kAbsent ? std::vector<TensorId>{a} : std::vector<TensorId>{a, b}, {result},
       std::move(options));
  return result;
}

// The numbers between `low` and `high`: one of TFLite's own ranges, which are for floats, or two comparisons.
void lower_range(Lowering& l, ir::NodeId id, float low, float high) {
  constexpr float kInfinity = std::numeric_limits<float>::max();
  TensorId x = read(l, id, 0);
  if (const Type type = tensor_at(l, x).type; type == Type::kInt32 || type == Type::kInt64) {
    const auto bound = [&](float b) {
      return constant_scalar(l, static_cast<int32_t>(std::clamp<double>(b, INT32_MIN, INT32_MAX)));
    };
    const TensorId raised = typed(l, type, tensor_at(l, x).shape);
    emit(l, Op::kMaximum, {x, bound(low)}, {raised});
    return emit_result(l, id, Op::kMinimum, {raised, bound(high)});
  }
  if (low == 0 && high >= kInfinity) return emit_result(l, id, Op::kRelu, {x});
  if (low == 0 && high == 6) return emit_result(l, id, Op::kRelu6, {x});
  if (low == -1 && high == 1) return emit_result(l, id, Op::kReluN1To1, {x});
  if (high >= kInfinity) return emit_result(l, id, Op::kMaximum, {x, constant_float(l, low)});
  if (low > -kInfinity) x = then(l, Op::kMaximum, x, constant_float(l, low));
  emit_result(l, id, Op::kMinimum, {x, constant_float(l, high)});
}

void lower_relu(Lowering& l, ir::NodeId id) {
  lower_range(l, id, 0, std::numeric_limits<float>::infinity());
}

void lower_clip(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  float bounds[2] = {ir::float_attribute(node, "min", -std::numeric_limits<float>::infinity()),
                     ir::float_attribute(node, "max", std::numeric_limits<float>::infinity())};
  for (const size_t slot : {size_t{1}, size_t{2}}) {
    if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) continue;
    const auto bound = ir::scalar_constant(graph_of(l), node.inputs[slot]);
    if (!bound) return refuse(l, id, "its bounds are computed by the model");
    bounds[slot - 1] = static_cast<float>(*bound);
  }
  lower_range(l, id, bounds[0], bounds[1]);
}

void lower_reciprocal(Lowering& l, ir::NodeId id) {
  emit_result(l, id, Op::kDiv, {constant_float(l, 1), read(l, id, 0)});
}

void lower_prelu(Lowering& l, ir::NodeId id) {
  const size_t rank = result_rank(l, id);
  const TensorId x = read(l, id, 0), slope = read(l, id, 1, rank);
  // TFLite's alpha has no batch dimension.
  std::vector<int32_t> shape = tensor_at(l, slope).shape;
  if (shape.size() == rank && rank > 1 && shape[0] == 1) shape.erase(shape.begin());
  const Tensor alpha = tensor_at(l, slope);
  const TensorId fitted =
      alpha.data ? add_constant(l, alpha.type, shape, *alpha.data, "constants", alpha.quantization)
                 : reshaped(l, slope, shape);
  emit_result(l, id, Op::kPrelu, {x, fitted});
}

void lower_cast(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  const Type to = type_of(value_at(l, node_at(l, id).outputs[0]).dtype);
  emit_result(l, id, Op::kCast, {x},
              {{"in_data_type", static_cast<int64_t>(tensor_at(l, x).type)},
               {"out_data_type", static_cast<int64_t>(to)}});
}

// SELECT_V2 copies integers: both choices have the result's numbers.
void lower_where(Lowering& l, ir::NodeId id) {
  const size_t rank = result_rank(l, id);
  emit_result(l, id, Op::kSelectV2, {read(l, id, 0, rank), read_in(l, id, 1, rank), read_in(l, id, 2, rank)});
}

void lower_identity(Lowering& l, ir::NodeId id) {
  reshape_result(l, id, read(l, id, 0));
}

constexpr OpRow kRows[] = {
    {"Add", free_sides, lower_binary<Op::kAdd>},
    {"Sub", free_sides, lower_binary<Op::kSub>},
    {"Mul", free_sides, lower_binary<Op::kMul>},
    {"Div", free_sides, lower_binary<Op::kDiv>},
    {"Pow", free_sides, lower_binary<Op::kPow>},
    {"Equal", free_sides, lower_binary<Op::kEqual>},
    {"Less", free_sides, lower_binary<Op::kLess>},
    {"LessOrEqual", free_sides, lower_binary<Op::kLessEqual>},
    {"Greater", free_sides, lower_binary<Op::kGreater>},
    {"GreaterOrEqual", free_sides, lower_binary<Op::kGreaterEqual>},
    {"And", free_sides, lower_binary<Op::kLogicalAnd>},
    {"Or", free_sides, lower_binary<Op::kLogicalOr>},
    {"Not", free_sides, lower_unary<Op::kLogicalNot>},
    {"Max", free_sides, lower_variadic<Op::kMaximum>},
    {"Min", free_sides, lower_variadic<Op::kMinimum>},
    {"Sum", free_sides, lower_variadic<Op::kAdd>},
    {"Mean", free_sides, lower_mean_of},
    {"Relu", free_sides, lower_relu},
    {"Clip", free_sides, lower_clip},
    {"Sigmoid", free_sides, lower_sigmoid},
    {"Tanh", free_sides, lower_tanh},
    {"PRelu", free_sides, lower_prelu},
    {"Exp", free_sides, lower_unary<Op::kExp>},
    {"Log", free_sides, lower_unary<Op::kLog>},
    {"Sqrt", free_sides, lower_unary<Op::kSqrt>},
    {"Abs", free_sides, lower_unary<Op::kAbs>},
    {"Neg", free_sides, lower_unary<Op::kNeg>},
    {"Sign", free_sides, lower_unary<Op::kSign>},
    {"Floor", free_sides, lower_unary<Op::kFloor>},
    {"Ceil", free_sides, lower_unary<Op::kCeil>},
    {"Round", free_sides, lower_unary<Op::kRound>},
    {"Sin", free_sides, lower_unary<Op::kSin>},
    {"Cos", free_sides, lower_unary<Op::kCos>},
    {"Reciprocal", free_sides, lower_reciprocal},
    {"Cast", free_sides, lower_cast},
    {"Where", free_sides, lower_where},
    {"Identity", free_sides, lower_identity},
    {"Dropout", free_sides, lower_identity},
};

}  // namespace

std::span<const OpRow> pointwise_ops() {
  return kRows;
}

}  // namespace qc::tflite
