// See lowering.h: how values become tensors. Conversions between orders and between numbers are made when
// somebody asks, once for each value.
#include "tflite/lowering.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "ir/ops.h"
#include "quant/narrow_floats.h"
#include "quant/quant_params.h"

namespace qc::tflite {
namespace {

std::vector<int32_t> narrow(std::span<const int64_t> dims) {
  return {dims.begin(), dims.end()};
}

std::string integer_bytes(const plan::IntegerTensor& tensor) {
  const int32_t shift = tensor.params.is_signed ? 0 : int32_t{1} << (tensor.params.bits - 1);
  std::string bytes;
  const size_t width = static_cast<size_t>(size_of(integer_type(tensor.params)));
  bytes.reserve(tensor.integers.size() * width);
  for (const int32_t q : tensor.integers) {
    const int32_t moved = q - shift;
    bytes.append(reinterpret_cast<const char*>(&moved), width);
  }
  return bytes;
}

ir::DType carrier(Type type) {  // an ONNX type as wide, for transposing
  return type == Type::kInt8    ? ir::DType::kInt8
         : type == Type::kInt16 ? ir::DType::kInt16
                                : ir::DType::kInt32;
}

// Two a byte, the first in the low half.
std::string in_nibbles(std::string_view bytes) {
  std::string packed((bytes.size() + 1) / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i)
    packed[i / 2] = static_cast<char>(packed[i / 2] | (bytes[i] & 0xf) << (i % 2 * 4));
  return packed;
}

// The dimension of `dims` that counts what dimension `axis` of `own` counts, the same elements in both: as
// long, and as far from one to the next.
int same_dimension(std::span<const int64_t> own, int axis, std::span<const int64_t> dims) {
  const auto step = [](std::span<const int64_t> of, size_t d) {
    return ir::element_count(of.subspan(d + 1));
  };
  const auto at = static_cast<size_t>(axis);
  size_t d = 0;
  while (d + 1 < dims.size() && (dims[d] != own[at] || step(dims, d) != step(own, at))) ++d;
  return static_cast<int>(d);
}

// The integers of a constant of shape `own`, seen as `dims`, with these in another order.
TensorId integer_constant(Lowering& l, const plan::IntegerTensor& integers, std::span<const int64_t> own,
                          std::span<const int64_t> dims, std::span<const int> order, const char* kind) {
  const Type type = integer_type(integers.params);
  const ir::Tensor moved =
      transposed(ir::make_tensor(carrier(type), integer_bytes(integers), {dims.begin(), dims.end()}), order);
  Quantization q = quantization_of(integers.params);
  if (integers.params.per_channel()) {
    const int axis = same_dimension(own, integers.params.axis, dims);
    q.axis = static_cast<int32_t>(std::find(order.begin(), order.end(), axis) - order.begin());
  }
  // Weights of convolutions and matrices; TRANSPOSE_CONV and the others know 8 bits.
  const bool rows = own.size() == 2 && (l.options.int4_rows || !integers.params.per_channel());
  const bool takes = kind[0] == 'w' && (node_at(l, l.current).op_type == "Conv" || rows);
  if (takes && l.options.int4 && integers.params.bits <= 4 && !computes_wide(l, l.current) &&
      (runs_on_integers(l, l.current) || l.options.form == Form::kDynamicRange))
    return add_constant(l, Type::kInt4, narrow(moved.dims), in_nibbles(*moved.bytes), kind, std::move(q));
  return add_constant(l, type, narrow(moved.dims), *moved.bytes, kind, std::move(q));
}

std::vector<int64_t> long_integers(const plan::IntegerTensor& tensor) {
  return {tensor.integers.begin(), tensor.integers.end()};
}

// As many scales as the weight has.
Quantization bias_quantization(const quant::QuantParams& params, const Tensor& weight) {
  Quantization q = quantization_of(params);
  if (weight.quantization.scales.size() == 1) q.scales.resize(1), q.zero_points.resize(1);
  return q;
}

// Of a node without one: zeros.
std::vector<float> bias_of(const Lowering& l, ir::NodeId id, int64_t length) {
  const ir::NodeId add = l.fused[id].bias_add;
  const ir::Node& node = node_at(l, add == ir::kNone ? id : add);
  const ir::Tensor* bias = nullptr;
  for (const size_t slot : add == ir::kNone ? std::vector<size_t>{2} : std::vector<size_t>{1, 0})
    if (const ir::Tensor* constant = ir::constant_input(graph_of(l), node, slot)) bias = constant;
  std::vector<float> values(length, 0.0f);
  if (bias)
    for (size_t c = 0; c < values.size(); ++c) values[c] = bias->as<float>()[bias->size() == 1 ? 0 : c];
  return values;
}

std::string rounded_bias(const std::vector<float>& values, const std::vector<float>& scales, bool wide) {
  const std::vector<int32_t> integers = quant::round_bias(values, scales);
  return wide ? bytes_of(std::vector<int64_t>(integers.begin(), integers.end())) : bytes_of(integers);
}

TensorId float_constant(Lowering& l, const ir::Tensor& tensor, const char* kind, bool halved) {
  constexpr int64_t kWorthHalving = 32;
  const auto fits = [](float f) { return std::fabs(f) <= quant::kLargestFloat16; };
  if (!halved || tensor.size() < std::max(kWorthHalving, l.least_halved) ||
      !std::ranges::all_of(tensor.as<float>(), fits))
    return add_constant(l, Type::kFloat32, narrow(tensor.dims), *tensor.bytes, kind);
  std::vector<uint16_t> halves;
  for (const float f : tensor.as<float>()) halves.push_back(quant::to_float16(f));
  const TensorId half = add_constant(l, Type::kFloat16, narrow(tensor.dims), bytes_of(halves), kind);
  const TensorId full = temporary_float(l, narrow(tensor.dims));
  emit(l, Op::kDequantize, {half}, {full});
  return full;
}

TensorId float_constant(Lowering& l, const ir::Tensor& tensor, const char* kind) {
  return float_constant(l, tensor, kind, l.options.form == Form::kFloat16);
}

// A float operand of an integer node that the plan left as it was (a bias that correction has changed): its
// own range in 8 bits.
TensorId rounded_constant(Lowering& l, const ir::Tensor& tensor, std::span<const int> order, bool wide) {
  const std::span<const float> values = tensor.as<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double largest = std::max({-static_cast<double>(*low), static_cast<double>(*high), 1e-30});
  const quant::QuantParams params = wide ? quant::symmetric_params(largest, 16, true, true)
                                         : quant::asymmetric_params(*low, *high, 8, true);
  const Type type = integer_type(params);
  const ir::Tensor moved = transposed(
      ir::make_tensor(carrier(type), integer_bytes({params, quant::quantize(values, tensor.dims, params)}),
                      tensor.dims),
      order);
  return add_constant(l, type, narrow(moved.dims), *moved.bytes, "constants", quantization_of(params));
}

// Constants that are no floats: indices become int32 where they fit.
TensorId plain_constant(Lowering& l, const ir::Tensor& tensor) {
  if (tensor.dtype != ir::DType::kInt64)
    return add_constant(l, type_of(tensor.dtype), narrow(tensor.dims), *tensor.bytes, "constants");
  std::vector<int32_t> values;
  for (const int64_t x : tensor.as<int64_t>())
    values.push_back(static_cast<int32_t>(std::clamp<int64_t>(x, INT32_MIN, INT32_MAX)));
  return add_constant(l, Type::kInt32, narrow(tensor.dims), bytes_of(values), "constants");
}

TensorId find_made(const Lowering& l, ir::ValueId v, bool last, Stage stage) {
  const auto found = l.made.find({v, last, stage});
  return found == l.made.end() ? kAbsent : found->second;
}

// Another order of a tensor that is there.
TensorId reordered(Lowering& l, ir::ValueId v, TensorId from, bool last) {
  const std::vector<int> order = channels_last(dims_of(l, v).size());
  std::vector<int32_t> forward(order.begin(), order.end()), inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int32_t>(i);
  if (moves_nothing(dims_of(l, v), order)) return reshaped(l, from, shape_in(l, v, last));
  const TensorId to = temporary(l, shape_in(l, v, last), from);
  emit(l, Op::kTranspose, {from, constant_ints(l, last ? forward : inverse)}, {to});
  return to;
}

// XNNPACK has no kernel for a depthwise convolution of floats with integers, and unpacks these once when they
// stand behind a DEQUANTIZE.
bool unfolds_depthwise(const Lowering& l, ir::NodeId id, TensorId weight) {
  return l.options.xnnpack && ir::is_depthwise(graph_of(l), node_at(l, id)) &&
         tensor_at(l, weight).type == Type::kInt8;
}

// A value that no operator makes: its node was refused, or is now.
TensorId placeholder(Lowering& l, ir::ValueId v, bool last) {
  if (l.problems.errors.empty())
    refuse(l, value_at(l, v).producer,
           format("TFLite's operators do not give its result '{}'", value_at(l, v).name));
  Tensor tensor;
  tensor.name = value_at(l, v).name;
  tensor.type = type_of(value_at(l, v).dtype);
  tensor.shape = shape_in(l, v, last);
  return add_tensor(l, std::move(tensor));
}

}  // namespace

// The plan's parameters as TFLite has them: signed, so unsigned zero points move by half the range.
Quantization quantization_of(const quant::QuantParams& params) {
  Quantization q;
  q.scales = params.scales;
  const int64_t shift = params.is_signed ? 0 : int64_t{1} << (params.bits - 1);
  for (const int32_t zero : params.zero_points) q.zero_points.push_back(zero - shift);
  q.axis = std::max(params.axis, 0);
  return q;
}

Type integer_type(const quant::QuantParams& params) {
  return params.bits > 16 ? Type::kInt32 : params.bits > 8 ? Type::kInt16 : Type::kInt8;
}

OutputRule same_as(TensorId tensor) {
  return {OutputRule::kSameAs, tensor, {}};
}
OutputRule fixed(float scale, int64_t zero_point) {
  return {OutputRule::kFixed, kAbsent, {{scale}, {zero_point}, 0}};
}

OutputRule fixed_for(const Lowering& l, TensorId x, float scale, int64_t zero_point) {
  return tensor_at(l, x).type == Type::kInt16 ? fixed(1.0f / 32768, 0) : fixed(scale, zero_point);
}

const ir::Graph& graph_of(const Lowering& l) {
  return l.source.graph;
}
const ir::Node& node_at(const Lowering& l, ir::NodeId id) {
  return ir::node_at(l.source.graph, id);
}
const ir::Value& value_at(const Lowering& l, ir::ValueId v) {
  return ir::value_at(l.source.graph, v);
}
const std::vector<int64_t>& dims_of(const Lowering& l, ir::ValueId v) {
  const ir::Value& value = value_at(l, v);
  return value.constant ? value.constant->dims : value.dims;
}
const Tensor& tensor_at(const Lowering& l, TensorId id) {
  return l.model.tensors[id];
}

bool runs_on_integers(const Lowering& l, ir::NodeId id) {
  const plan::NodeDecision& decision = l.source.plan.nodes[id];
  return l.options.form == Form::kInt8 && decision.compute == plan::Compute::kInteger &&
         !decision.float_output;
}

bool lacks(const Lowering& l, Op op) {
  return std::find(l.options.missing.begin(), l.options.missing.end(), op) != l.options.missing.end();
}

bool lacks(const Lowering& l, Op op, TensorId x) {
  const bool floats = tensor_at(l, x).type == Type::kFloat32;
  return lacks(l, op) ||
         (floats && std::ranges::find(l.options.never_float, op) != l.options.never_float.end());
}

bool computes_wide(const Lowering& l, ir::NodeId id) {
  return runs_on_integers(l, id) && l.source.plan.values[l.fused[id].result].params.bits > 8;
}

bool is_quantized(const Lowering& l, ir::ValueId v) {
  return l.options.form == Form::kInt8 && l.source.plan.values[v].quantized;
}

Type type_of(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::kInt32:
      return Type::kInt32;
    case ir::DType::kInt64:
      return Type::kInt64;
    case ir::DType::kBool:
      return Type::kBool;
    case ir::DType::kInt8:
      return Type::kInt8;
    case ir::DType::kUint8:
      return Type::kUint8;
    case ir::DType::kInt16:
      return Type::kInt16;
    default:
      return Type::kFloat32;
  }
}

std::vector<int32_t> shape_in(const Lowering& l, ir::ValueId v, bool last) {
  const std::vector<int64_t>& dims = dims_of(l, v);
  return narrow(last ? permuted(dims, channels_last(dims.size())) : dims);
}

int axis_in(int64_t axis, size_t rank, bool last) {
  if (axis < 0) axis += static_cast<int64_t>(rank);
  if (!last || rank < 3 || axis == 0) return static_cast<int>(axis);
  return axis == 1 ? static_cast<int>(rank) - 1 : static_cast<int>(axis) - 1;
}

std::optional<std::vector<int64_t>> integers_of(const Lowering& l, const ir::Node& node, size_t slot) {
  const ir::Tensor* tensor = ir::constant_input(graph_of(l), node, slot);
  if (!tensor) return std::nullopt;
  if (tensor->dtype == ir::DType::kInt64)
    return std::vector<int64_t>(tensor->as<int64_t>().begin(), tensor->as<int64_t>().end());
  if (tensor->dtype == ir::DType::kInt32)
    return std::vector<int64_t>(tensor->as<int32_t>().begin(), tensor->as<int32_t>().end());
  return std::nullopt;
}

TensorId read_as(Lowering& l, ir::ValueId v, bool last, bool integers) {
  if (dims_of(l, v).size() < 3) last = false;
  if (!is_quantized(l, v)) {
    if (const TensorId ready = find_made(l, v, last, Stage::kRaw); ready != kAbsent) return ready;
    const TensorId other = find_made(l, v, !last, Stage::kRaw);
    const TensorId made = other == kAbsent ? placeholder(l, v, last) : reordered(l, v, other, last);
    return l.made[{v, last, Stage::kRaw}] = made;
  }
  const Stage stage = integers ? Stage::kQuantized : Stage::kDequantized;
  if (const TensorId ready = find_made(l, v, last, stage); ready != kAbsent) return ready;
  TensorId made = kAbsent;
  if (!integers) {
    const TensorId quantized = read_as(l, v, last, true);
    made = temporary_float(l, shape_in(l, v, last));
    emit(l, Op::kDequantize, {quantized}, {made});
  } else if (const TensorId other = find_made(l, v, !last, stage); other != kAbsent) {
    made = reordered(l, v, other, last);
  } else {
    const bool raw_last = find_made(l, v, last, Stage::kRaw) == kAbsent;
    const bool order = raw_last ? !last : last;
    const TensorId raw = find_made(l, v, order, Stage::kRaw);
    Tensor tensor;
    const quant::QuantParams& params = l.source.plan.values[v].params;
    tensor.name = value_at(l, v).name + "_q";
    tensor.type = integer_type(params);
    tensor.shape = shape_in(l, v, order);
    tensor.quantization = quantization_of(params);
    const TensorId quantized = add_tensor(l, std::move(tensor));
    emit(l, Op::kQuantize, {raw == kAbsent ? placeholder(l, v, order) : raw}, {quantized});
    l.made[{v, order, Stage::kQuantized}] = quantized;
    if (order == last) return quantized;
    made = reordered(l, v, quantized, last);
  }
  return l.made[{v, last, stage}] = made;
}

TensorId read(Lowering& l, ir::NodeId id, size_t slot, size_t rank) {
  const ir::Node& node = node_at(l, id);
  const ir::ValueId v = slot < node.inputs.size() ? node.inputs[slot] : ir::kNone;
  if (v == ir::kNone) return kAbsent;
  const bool last = l.layouts.node_in[id];
  const ir::Value& value = value_at(l, v);
  if (!value.constant) return read_as(l, v, last, runs_on_integers(l, id));
  ir::Tensor tensor = *value.constant;
  if (tensor.dims.size() < rank) tensor.dims.insert(tensor.dims.begin(), rank - tensor.dims.size(), 1);
  std::vector<int> order = channels_last(tensor.dims.size());
  if (!last) std::sort(order.begin(), order.end());
  if (runs_on_integers(l, id) && l.source.weights.contains(v))
    return integer_constant(l, l.source.weights.at(v), value.constant->dims, tensor.dims, order, "constants");
  if (runs_on_integers(l, id) && tensor.dtype == ir::DType::kFloat)
    return rounded_constant(l, tensor, order, computes_wide(l, id));
  if (tensor.dtype == ir::DType::kFloat) return float_constant(l, transposed(tensor, order), "constants");
  return plain_constant(l, transposed(tensor, order));
}

TensorId read_weight(Lowering& l, ir::NodeId id, size_t slot, std::span<const int> order,
                     std::span<const int64_t> reshaped_dims) {
  const ir::ValueId v = node_at(l, id).inputs[slot];
  const ir::Tensor& constant = *value_at(l, v).constant;
  const std::vector<int64_t> dims = reshaped_dims.empty()
                                        ? constant.dims
                                        : std::vector<int64_t>(reshaped_dims.begin(), reshaped_dims.end());
  const plan::Compute compute = l.source.plan.nodes[id].compute;
  const bool integers = l.source.weights.contains(v) &&
                        (l.options.form == Form::kInt8 ||
                         (l.options.form == Form::kDynamicRange && compute != plan::Compute::kFloat));
  // LiteRT unfolds no integers of 16 bits that have a scale a channel, but floats of that width.
  const bool wide = integers && !runs_on_integers(l, id) && l.source.weights.at(v).params.bits > 8;
  if (!integers || wide || (l.options.form == Form::kInt8 && compute == plan::Compute::kFloat)) {
    ir::Tensor floats = constant;
    floats.dims = dims;
    return float_constant(l, transposed(floats, order), "weights", wide || l.options.form == Form::kFloat16);
  }
  const TensorId weight = integer_constant(l, l.source.weights.at(v), constant.dims, dims, order, "weights");
  const bool hybrid = l.options.form == Form::kDynamicRange && !unfolds_depthwise(l, id, weight);
  if (runs_on_integers(l, id) || hybrid) return weight;
  const TensorId unfolded = temporary_float(l, tensor_at(l, weight).shape);
  emit(l, Op::kDequantize, {weight}, {unfolded});
  return unfolded;
}

TensorId made_weight(Lowering& l, std::span<const int64_t> dims, std::span<const int> order,
                     const std::vector<float>& values) {
  const ir::Tensor tensor =
      ir::make_tensor(std::span<const float>(values), std::vector<int64_t>(dims.begin(), dims.end()));
  return float_constant(l, transposed(tensor, order), "weights");
}
TensorId made_weight(Lowering& l, std::span<const int64_t> dims, std::span<const int> order,
                     const plan::IntegerTensor& integers) {
  return integer_constant(l, integers, dims, dims, order, "weights");
}

TensorId read_bias(Lowering& l, ir::NodeId id, int64_t length, TensorId input, TensorId weight) {
  const ir::Node& node = node_at(l, id);
  const std::vector<int32_t> shape{static_cast<int32_t>(length)};
  const bool given = node.op_type != "MatMul" && node.inputs.size() > 2 && node.inputs[2] != ir::kNone;
  if (given && !ir::constant_input(graph_of(l), node, 2))
    refuse(l, id, "its bias is computed by the model, and TFLite's kernels want a constant");
  if (!runs_on_integers(l, id))
    return add_constant(l, Type::kFloat32, shape, bytes_of(bias_of(l, id, length)), "bias");
  const bool wide = tensor_at(l, input).type == Type::kInt16;  // whose sums have 64 bits
  const Type type = wide ? Type::kInt64 : Type::kInt32;
  const auto found = l.source.biases.find(id);
  if (found != l.source.biases.end() && found->second.integers.size() == static_cast<size_t>(length))
    return add_constant(l, type, shape,
                        wide ? bytes_of(long_integers(found->second)) : integer_bytes(found->second), "bias",
                        bias_quantization(found->second.params, tensor_at(l, weight)));
  Quantization q;
  for (const float scale : tensor_at(l, weight).quantization.scales) {
    q.scales.push_back(tensor_at(l, input).quantization.scales[0] * scale);
    q.zero_points.push_back(0);
  }
  const std::string bytes = l.fused[id].bias_add == ir::kNone
                                ? std::string(static_cast<size_t>(length * size_of(type)), '\0')
                                : rounded_bias(bias_of(l, id, length), q.scales, wide);
  return add_constant(l, type, shape, bytes, "bias", std::move(q));
}

TensorId add_tensor(Lowering& l, Tensor tensor) {
  if (tensor.node.empty() && l.current != ir::kNone) tensor.node = node_at(l, l.current).name;
  l.model.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(l.model.tensors.size()) - 1;
}

TensorId add_constant(Lowering& l, Type type, std::vector<int32_t> shape, std::string bytes, const char* kind,
                      Quantization quantization) {
  std::string key = format("{} {} {} ", static_cast<int>(type), fmt::join(shape, ","), quantization.axis);
  key.append(bytes_of(quantization.scales))
      .append(bytes_of(quantization.zero_points))
      .append("/")
      .append(bytes);
  const auto [place, fresh] = l.constants.try_emplace(content_hash(key) + std::to_string(key.size()), 0);
  if (!fresh) {
    const Tensor& there = tensor_at(l, place->second);
    if (there.type == type && there.shape == shape && there.quantization == quantization &&
        *there.data == bytes)
      return place->second;
  }
  Tensor tensor;
  tensor.name =
      kind[0] == 'c' ? "c" + std::to_string(l.model.tensors.size()) : node_at(l, l.current).name + "/" + kind;
  tensor.type = type;
  tensor.shape = std::move(shape);
  tensor.quantization = std::move(quantization);
  tensor.data = std::make_shared<const std::string>(std::move(bytes));
  tensor.kind = kind;
  return place->second = add_tensor(l, std::move(tensor));
}

TensorId constant_ints(Lowering& l, const std::vector<int32_t>& values) {
  return add_constant(l, Type::kInt32, {static_cast<int32_t>(values.size())}, bytes_of(values), "constants");
}
TensorId constant_scalar(Lowering& l, int32_t value) {
  return add_constant(l, Type::kInt32, {}, bytes_of(std::vector<int32_t>{value}), "constants");
}
TensorId constant_float(Lowering& l, float value) {
  return add_constant(l, Type::kFloat32, {}, bytes_of(std::vector<float>{value}), "constants");
}

TensorId constant_among(Lowering& l, TensorId like, double value) {
  const Type type = tensor_at(l, like).type;
  const Quantization numbers = tensor_at(l, like).quantization;
  const double most = type == Type::kInt8 ? 127 : 32767;
  const auto integer = static_cast<int32_t>(
      std::clamp(std::nearbyint(value / numbers.scales[0]) + static_cast<double>(numbers.zero_points[0]),
                 -most - 1, most));
  const std::string bytes(reinterpret_cast<const char*>(&integer), static_cast<size_t>(size_of(type)));
  return add_constant(l, type, {}, bytes, "constants", numbers);
}

Quantization planned_for(const Lowering& l, ir::NodeId id) {
  const ir::ValueId v = l.fused[id].result;
  if (!runs_on_integers(l, id) || !is_quantized(l, v)) return {};
  return quantization_of(l.source.plan.values[v].params);
}

TensorId read_in(Lowering& l, ir::NodeId id, size_t slot, size_t rank) {
  const Quantization wanted = planned_for(l, id);
  const ir::Tensor* constant = ir::constant_input(graph_of(l), node_at(l, id), slot);
  if (wanted.scales.empty()) return read(l, id, slot, rank);
  if (constant && constant->dtype == ir::DType::kFloat) {
    const ir::ValueId v = l.fused[id].result;
    const quant::QuantParams& params = l.source.plan.values[v].params;
    std::vector<int64_t> dims = constant->dims;
    if (dims.size() < rank) dims.insert(dims.begin(), rank - dims.size(), 1);
    std::vector<int> order = channels_last(dims.size());
    if (!l.layouts.node_in[id]) std::sort(order.begin(), order.end());
    const Type type = integer_type(params);
    const ir::Tensor moved = transposed(
        ir::make_tensor(carrier(type),
                        integer_bytes({params, quant::quantize(constant->as<float>(), dims, params)}), dims),
        order);
    return add_constant(l, type, narrow(moved.dims), *moved.bytes, "constants", wanted);
  }
  const TensorId x = read(l, id, slot, rank);
  if (tensor_at(l, x).quantization == wanted) return x;
  const TensorId rescaled = temporary(l, tensor_at(l, x).shape, x);
  l.model.tensors[rescaled].quantization = wanted;
  emit(l, Op::kQuantize, {x}, {rescaled});
  return rescaled;
}

TensorId reshaped(Lowering& l, TensorId from, std::vector<int32_t> shape) {
  if (tensor_at(l, from).shape == shape) return from;
  const TensorId to = temporary(l, shape, from);
  emit(l, Op::kReshape, {from, constant_ints(l, shape)}, {to}, {{"new_shape", shape}});
  return to;
}

void reshape_result(Lowering& l, ir::NodeId id, TensorId from) {
  const ir::ValueId v = l.fused[id].result;
  const std::vector<int32_t> shape = shape_in(l, v, l.layouts.node_out[id]);
  emit_result(l, id, Op::kReshape, {from, constant_ints(l, shape)}, {{"new_shape", shape}}, same_as(from));
}

void refuse(Lowering& l, ir::NodeId id, const std::string& why, const std::string& remedy) {
  const ir::Node& node = node_at(l, id);
  l.problems.error({"tflite-cannot", format("node '{}' ({})", node.name, node.op_type), why, remedy});
}

}  // namespace qc::tflite
