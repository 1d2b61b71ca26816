// Ops that work by position: gathering and scattering by index tables, running sums, the largest of a row,
// triangles. In ONNX's order of dimensions, because that is what their indices mean.
#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

const std::vector<int64_t>& in_dims(const Lowering& l, ir::NodeId id, size_t slot = 0) {
  return dims_of(l, node_at(l, id).inputs[slot]);
}

TensorId apply(Lowering& l, Op op, std::vector<TensorId> inputs, Type type, const std::vector<int32_t>& shape,
               Options options = {}) {
  const TensorId result = typed(l, type, shape);
  emit(l, op, std::move(inputs), {result}, std::move(options));
  return result;
}

// Indices as int32 and counted from the front; `lengths`: one for all, or one for each of the last dimension.
TensorId indices_of(Lowering& l, ir::NodeId id, size_t slot, const std::vector<int32_t>& lengths) {
  const ir::Node& node = node_at(l, id);
  if (auto values = integers_of(l, node, slot)) {
    std::vector<int32_t> counted;
    for (size_t i = 0; i < values->size(); ++i) {
      const int32_t length = lengths[i % lengths.size()];
      counted.push_back(static_cast<int32_t>((*values)[i] < 0 ? (*values)[i] + length : (*values)[i]));
    }
    const std::vector<int64_t>& dims = in_dims(l, id, slot);
    return add_constant(l, Type::kInt32, {dims.begin(), dims.end()}, bytes_of(counted), "constants");
  }
  const TensorId given = cast(l, read(l, id, slot), Type::kInt32);
  const std::vector<int32_t> shape = tensor_at(l, given).shape;
  const TensorId length = lengths.size() == 1 ? constant_scalar(l, lengths[0]) : constant_ints(l, lengths);
  const TensorId wrapped = apply(l, Op::kAdd, {given, length}, Type::kInt32, shape);
  const TensorId below = apply(l, Op::kLess, {given, constant_scalar(l, 0)}, Type::kBool, shape);
  return apply(l, Op::kSelectV2, {below, wrapped, given}, Type::kInt32, shape);
}

std::vector<int32_t> leading(const std::vector<int64_t>& dims, int64_t count) {
  return {dims.begin(), dims.begin() + count};
}

void lower_gather_nd(Lowering& l, ir::NodeId id) {
  if (ir::int_attribute(node_at(l, id), "batch_dims", 0) != 0)
    return refuse(l, id, "TFLite's GATHER_ND has no batch_dims", "export the model with batch_dims=0 there");
  const std::vector<int64_t>&data = in_dims(l, id), &index = in_dims(l, id, 1);
  if (index.empty()) return refuse(l, id, "its indices are a scalar");
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kGatherNd, {x, indices_of(l, id, 1, leading(data, index.back()))}, {}, same_as(x));
}

// result[.., i, ..] = data[.., index[.., i, ..], ..]: a GATHER from the flat data.
void lower_gather_elements(Lowering& l, ir::NodeId id) {
  const std::vector<int64_t>&data = in_dims(l, id), &index = in_dims(l, id, 1);
  int64_t axis = ir::int_attribute(node_at(l, id), "axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(data.size());
  std::vector<int64_t> strides(data.size(), 1);
  for (size_t d = data.size() - 1; d-- > 0;) strides[d] = strides[d + 1] * data[d + 1];
  const auto at = static_cast<size_t>(axis);
  std::vector<int32_t> base(ir::element_count(index));
  for (size_t i = 0; i < base.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t sum = 0;
    for (size_t d = index.size(); d-- > 0; rest /= index[d])
      if (d != at) sum += rest % index[d] * strides[d];
    base[i] = static_cast<int32_t>(sum);
  }
  const TensorId x = read(l, id, 0), along = indices_of(l, id, 1, {static_cast<int32_t>(data[at])});
  const std::vector<int32_t> shape(index.begin(), index.end());
  const TensorId rows =
      apply(l, Op::kMul, {along, constant_scalar(l, static_cast<int32_t>(strides[at]))}, Type::kInt32, shape);
  const TensorId places = add_constant(l, Type::kInt32, shape, bytes_of(base), "constants");
  const TensorId flat = reshaped(l, x, {static_cast<int32_t>(ir::element_count(data))});
  emit_result(l, id, Op::kGather, {flat, apply(l, Op::kAdd, {rows, places}, Type::kInt32, shape)},
              {{"axis", int64_t{0}}}, same_as(flat));
}

// SCATTER_ND fills with zeros: a second one marks what it wrote, the rest is the data's.
void lower_scatter_nd(Lowering& l, ir::NodeId id) {
  if (ir::string_attribute(node_at(l, id), "reduction", "none") != "none")
    return refuse(l, id, "TFLite's SCATTER_ND has no reduction",
                  "export the model with reduction=none there");
  const std::vector<int64_t>&data = in_dims(l, id), &index = in_dims(l, id, 1), &updates = in_dims(l, id, 2);
  if (index.empty()) return refuse(l, id, "its indices are a scalar");
  const TensorId x = read(l, id, 0), places = indices_of(l, id, 1, leading(data, index.back()));
  const std::vector<int32_t> shape(data.begin(), data.end());
  const TensorId size = constant_ints(l, shape);
  const Type type = tensor_at(l, x).type;
  const TensorId written = apply(l, Op::kScatterNd, {places, read(l, id, 2), size}, type, shape);
  const std::vector<int32_t> ones(ir::element_count(updates), 1);
  const TensorId marks =
      add_constant(l, Type::kInt32, {updates.begin(), updates.end()}, bytes_of(ones), "constants");
  const TensorId count = apply(l, Op::kScatterNd, {places, marks, size}, Type::kInt32, shape);
  const TensorId there = apply(l, Op::kGreater, {count, constant_scalar(l, 0)}, Type::kBool, shape);
  emit_result(l, id, Op::kSelectV2, {there, written, x});
}

void lower_one_hot(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const auto depth = ir::constant_input(graph_of(l), node, 1)
                         ? ir::scalar_constant(graph_of(l), node.inputs[1])
                         : std::nullopt;
  const ir::Tensor* values = ir::constant_input(graph_of(l), node, 2);
  if (!depth || !values || values->size() != 2)
    return refuse(l, id, "its depth or values are computed by the model");
  const auto classes = static_cast<int32_t>(*depth);
  const Type type = type_of(values->dtype);
  const size_t width = values->bytes->size() / 2;
  const auto value = [&](size_t i) {
    return add_constant(l, type, {}, values->bytes->substr(i * width, width), "constants");
  };
  const int64_t axis = ir::int_attribute(node, "axis", -1);
  const auto rank = static_cast<int64_t>(in_dims(l, id).size());
  emit_result(l, id, Op::kOneHot,
              {indices_of(l, id, 0, {classes}), constant_scalar(l, classes), value(1), value(0)},
              {{"axis", axis < 0 ? axis + rank + 1 : axis}});
}

// The k largest along the last dimension; TFLite counts in int32.
void lower_top_k(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const std::vector<int64_t>& dims = in_dims(l, id);
  const auto rank = static_cast<int64_t>(dims.size());
  int64_t axis = ir::int_attribute(node, "axis", -1);
  if (axis < 0) axis += rank;
  const auto k = integers_of(l, node, 1);
  if (!k || k->empty()) return refuse(l, id, "its k is computed by the model");
  if (axis != rank - 1)
    return refuse(l, id, "TFLite's TOPK_V2 works along the last dimension",
                  "put a Transpose in front of it in the model");
  const bool smallest = ir::int_attribute(node, "largest", 1) == 0;
  TensorId x = read(l, id, 0);
  const std::vector<int32_t> in = tensor_at(l, x).shape;
  if (smallest) x = apply(l, Op::kNeg, {x}, tensor_at(l, x).type, in);
  std::vector<int32_t> shape = in;
  shape.back() = static_cast<int32_t>((*k)[0]);
  const auto wanted = [&](size_t slot) {
    return slot < node.outputs.size() && node.outputs[slot] != ir::kNone;
  };
  const TensorId values = wanted(0) && !smallest ? declare(l, id) : typed(l, tensor_at(l, x).type, shape);
  const TensorId indices = typed(l, Type::kInt32, shape);
  emit(l, Op::kTopKV2, {x, constant_scalar(l, shape.back())}, {values, indices});
  if (wanted(0) && smallest) emit(l, Op::kNeg, {values}, {declare(l, id)});
  if (wanted(1)) cast_into(l, indices, declare(l, id, 1));
}

void lower_cumsum(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const auto axis = integers_of(l, node, 1);
  if (!axis || axis->empty()) return refuse(l, id, "its axis is computed by the model");
  const auto rank = static_cast<int64_t>(in_dims(l, id).size());
  const int64_t at = (*axis)[0] < 0 ? (*axis)[0] + rank : (*axis)[0];
  emit_result(l, id, Op::kCumsum, {read(l, id, 0), constant_scalar(l, static_cast<int32_t>(at))},
              {{"exclusive", ir::int_attribute(node, "exclusive", 0)},
               {"reverse", ir::int_attribute(node, "reverse", 0)}});
}

// What stands above or below a diagonal stays; the mask is a constant.
void lower_trilu(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const std::vector<int64_t>& dims = in_dims(l, id);
  const auto diagonal = node.inputs.size() > 1 && node.inputs[1] != ir::kNone
                            ? integers_of(l, node, 1)
                            : std::optional(std::vector<int64_t>{0});
  if (!diagonal || diagonal->empty()) return refuse(l, id, "its diagonal is computed by the model");
  const bool upper = ir::int_attribute(node, "upper", 1) != 0;
  const int64_t rows = dims[dims.size() - 2], columns = dims.back();
  std::string mask;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      mask += static_cast<char>(upper ? c - r >= (*diagonal)[0] : c - r <= (*diagonal)[0]);
  std::vector<int32_t> shape(dims.size(), 1);
  shape[dims.size() - 2] = static_cast<int32_t>(rows);
  shape.back() = static_cast<int32_t>(columns);
  const TensorId x = read(l, id, 0);
  if (tensor_at(l, x).type != Type::kFloat32) return refuse(l, id, "it works on integers");
  const TensorId kept = add_constant(l, Type::kBool, shape, std::move(mask), "constants");
  emit_result(l, id, Op::kSelectV2, {kept, x, constant_float(l, 0)});
}

// Integers: the divisor's sign, as TFLite's. Floats (fmod=1): the dividend's.
void lower_mod(Lowering& l, ir::NodeId id) {
  const size_t rank = dims_of(l, node_at(l, id).outputs[0]).size();
  const TensorId a = read(l, id, 0, rank), b = read(l, id, 1, rank);
  const bool fmod = ir::int_attribute(node_at(l, id), "fmod", 0) != 0;
  if (!fmod) return emit_result(l, id, Op::kFloorMod, {a, b});
  if (tensor_at(l, a).type != Type::kFloat32)
    return refuse(l, id, "fmod=1 on integers has no counterpart in TFLite",
                  "export the model with fmod=0 there");
  const auto size = [&](TensorId x) {
    return apply(l, Op::kAbs, {x}, Type::kFloat32, tensor_at(l, x).shape);
  };
  const std::vector<int32_t> shape = shape_in(l, node_at(l, id).outputs[0], l.layouts.node_out[id]);
  const TensorId rest = apply(l, Op::kFloorMod, {size(a), size(b)}, Type::kFloat32, shape);
  emit_result(l, id, Op::kMul, {rest, apply(l, Op::kSign, {a}, Type::kFloat32, tensor_at(l, a).shape)});
}

void lower_xor(Lowering& l, ir::NodeId id) {
  const size_t rank = dims_of(l, node_at(l, id).outputs[0]).size();
  emit_result(l, id, Op::kNotEqual, {read(l, id, 0, rank), read(l, id, 1, rank)});
}
void lower_is_nan(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kNotEqual, {x, x});
}

void lower_reverse_sequence(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const auto lengths = integers_of(l, node, 1);
  const int64_t axis = ir::int_attribute(node, "time_axis", 0);
  const int64_t full = in_dims(l, id)[axis];
  const bool whole =
      lengths && std::all_of(lengths->begin(), lengths->end(), [&](int64_t n) { return n == full; });
  if (!whole) return refuse(l, id, "its sequences are not all of the full length");
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kReverseV2, {x, constant_ints(l, {static_cast<int32_t>(axis)})}, {}, same_as(x));
}

constexpr OpRow kRows[] = {
    {"GatherND", original_sides, lower_gather_nd},
    {"GatherElements", original_sides, lower_gather_elements},
    {"ScatterND", original_sides, lower_scatter_nd},
    {"OneHot", original_sides, lower_one_hot},
    {"TopK", original_sides, lower_top_k},
    {"CumSum", original_sides, lower_cumsum},
    {"Trilu", original_sides, lower_trilu},
    {"Mod", free_sides, lower_mod},
    {"Xor", free_sides, lower_xor},
    {"IsNaN", free_sides, lower_is_nan},
    {"ReverseSequence", original_sides, lower_reverse_sequence},
};

}  // namespace

std::span<const OpRow> index_ops() {
  return kRows;
}

}  // namespace qc::tflite
