// See lowering.h: operators and their results, appended to the model. Apart from how values are read
// (lowering.cpp), because every op passes here whatever it reads.
#include <algorithm>

#include "tflite/lowering.h"

namespace qc::tflite {

TensorId temporary(Lowering& l, std::vector<int32_t> shape, TensorId like) {
  Tensor tensor;
  tensor.name = "t" + std::to_string(l.model.tensors.size());
  tensor.type = tensor_at(l, like).type;
  tensor.quantization = tensor_at(l, like).quantization;
  tensor.shape = std::move(shape);
  return add_tensor(l, std::move(tensor));
}

TensorId temporary_float(Lowering& l, std::vector<int32_t> shape) {
  Tensor tensor;
  tensor.name = "t" + std::to_string(l.model.tensors.size());
  tensor.shape = std::move(shape);
  return add_tensor(l, std::move(tensor));
}

TensorId typed(Lowering& l, Type type, std::vector<int32_t> shape) {
  const TensorId made = temporary_float(l, std::move(shape));
  l.model.tensors[made].type = type;
  return made;
}

void cast_into(Lowering& l, TensorId x, TensorId result) {
  emit(l, Op::kCast, {x}, {result},
       {{"in_data_type", static_cast<int64_t>(tensor_at(l, x).type)},
        {"out_data_type", static_cast<int64_t>(tensor_at(l, result).type)}});
}

TensorId cast(Lowering& l, TensorId x, Type to) {
  if (tensor_at(l, x).type == to) return x;
  const TensorId made = typed(l, to, tensor_at(l, x).shape);
  cast_into(l, x, made);
  return made;
}

namespace {

// LiteRT has arithmetic of 64-bit integers for some ops, and for none between them and those of 32 bits,
// which all constants are: on the way there are 32. Others want one type of all that they join.
bool computes_narrow(const Lowering& l, Op op, const std::vector<TensorId>& inputs) {
  constexpr Op kArithmetic[] = {Op::kAdd,       Op::kSub,     Op::kMul,         Op::kDiv,      Op::kFloorMod,
                                Op::kMaximum,   Op::kMinimum, Op::kEqual,       Op::kNotEqual, Op::kLess,
                                Op::kLessEqual, Op::kGreater, Op::kGreaterEqual};
  constexpr Op kJoining[] = {Op::kConcatenation, Op::kSelectV2};
  const auto reads = [&](Type type) {
    return std::ranges::any_of(inputs, [&](TensorId t) { return tensor_at(l, t).type == type; });
  };
  return reads(Type::kInt64) &&
         (std::ranges::find(kArithmetic, op) != std::end(kArithmetic) ||
          (std::ranges::find(kJoining, op) != std::end(kJoining) && reads(Type::kInt32)));
}

}  // namespace

void emit(Lowering& l, Op op, std::vector<TensorId> inputs, std::vector<TensorId> outputs, Options options) {
  if (computes_narrow(l, op, inputs)) {
    for (TensorId& input : inputs)
      if (tensor_at(l, input).type == Type::kInt64) input = cast(l, input, Type::kInt32);
    const TensorId result = outputs[0];
    const bool widens = tensor_at(l, result).type == Type::kInt64;
    if (widens) outputs[0] = typed(l, Type::kInt32, tensor_at(l, result).shape);
    emit(l, op, std::move(inputs), outputs, std::move(options));
    if (widens) cast_into(l, outputs[0], result);
    return;
  }
  // On int16 sums may have any scales, not only powers of two. An operator that is emitted anew has it
  // already.
  const bool said = std::any_of(options.begin(), options.end(),
                                [](const auto& option) { return option.first == "pot_scale_int16"; });
  if ((op == Op::kAdd || op == Op::kSub) && !said && tensor_at(l, outputs[0]).type == Type::kInt16)
    options.emplace_back("pot_scale_int16", int64_t{0});
  Operator made;
  made.op = op;
  made.inputs = std::move(inputs);
  made.outputs = std::move(outputs);
  made.options = std::move(options);
  if (l.current != ir::kNone) made.node = node_at(l, l.current).name;
  l.model.operators.push_back(std::move(made));
}

TensorId declare(Lowering& l, ir::NodeId id, size_t slot) {
  const ir::ValueId v = slot == 0 ? l.fused[id].result : node_at(l, id).outputs[slot];
  const bool last = l.layouts.node_out[id] && dims_of(l, v).size() >= 3;
  Tensor tensor;
  tensor.name = value_at(l, v).name;
  tensor.type = type_of(value_at(l, v).dtype);
  tensor.shape = shape_in(l, v, last);
  const bool integers = runs_on_integers(l, id) && is_quantized(l, v);
  if (integers) {
    const quant::QuantParams& params = l.source.plan.values[v].params;
    tensor.type = integer_type(params);
    tensor.quantization = quantization_of(params);
  }
  Fused& fused = l.fused[id];
  const TensorId made = add_tensor(l, tensor);
  l.made[{v, last, integers ? Stage::kQuantized : Stage::kRaw}] = made;
  if (slot != 0 || (!fused.low && !fused.high)) return made;
  fused.cut = made;
  return fused.uncut = temporary(l, tensor.shape, made);
}

void emit_result(Lowering& l, ir::NodeId id, Op op, std::vector<TensorId> inputs, Options options,
                 const OutputRule& rule, const std::vector<int32_t>& shape) {
  const auto fields = info_of(op).fields;
  const Activation activation = l.fused[id].activation;
  const bool fuses = std::any_of(fields.begin(), fields.end(),
                                 [](const OptionField& f) { return f.name == "fused_activation_function"; });
  if (fuses && activation != Activation::kNone)
    options.emplace_back("fused_activation_function", static_cast<int64_t>(activation));
  const TensorId result = declare(l, id);
  const std::vector<int32_t> wanted_shape = tensor_at(l, result).shape;
  const Quantization planned = tensor_at(l, result).quantization;
  const Quantization made =
      rule.kind == OutputRule::kSameAs ? tensor_at(l, rule.tensor).quantization : rule.quantization;
  const bool rescale = rule.kind != OutputRule::kFree && !planned.scales.empty() && planned != made;
  const bool reshape = !shape.empty() && shape != wanted_shape;
  TensorId next = result;  // the tensors from the result backwards
  if (reshape) next = temporary(l, shape, result);
  const TensorId rescaled = next;
  if (rescale) {
    next = temporary(l, tensor_at(l, rescaled).shape, result);
    l.model.tensors[next].quantization = made;
  }
  emit(l, op, std::move(inputs), {next}, std::move(options));
  if (rescale) emit(l, Op::kQuantize, {next}, {rescaled});
  if (reshape)
    emit(l, Op::kReshape, {rescaled, constant_ints(l, wanted_shape)}, {result},
         {{"new_shape", wanted_shape}});
}

namespace {

// From one quantization to another, or to none where the plan leaves a value unrounded.
void requantize(Lowering& l, TensorId from, TensorId to) {
  emit(l, tensor_at(l, to).quantization.scales.empty() ? Op::kDequantize : Op::kQuantize, {from}, {to});
}

}  // namespace

void emit_results(Lowering& l, ir::NodeId id, Op op, std::vector<TensorId> inputs, Options options,
                  TensorId x) {
  const std::vector<ir::ValueId>& values = node_at(l, id).outputs;
  std::vector<TensorId> made;
  std::vector<std::pair<TensorId, TensorId>> rescaled;
  for (size_t slot = 0; slot < values.size(); ++slot) {
    const TensorId result = declare(l, id, slot);
    made.push_back(result);
    if (tensor_at(l, result).quantization == tensor_at(l, x).quantization) continue;
    made.back() = temporary(l, tensor_at(l, result).shape, x);
    rescaled.emplace_back(made.back(), result);
  }
  emit(l, op, std::move(inputs), std::move(made), std::move(options));
  for (const auto& [from, to] : rescaled) requantize(l, from, to);
}

void emit_result_at(Lowering& l, ir::NodeId id, size_t slot, Op op, std::vector<TensorId> inputs,
                    TensorId x) {
  const TensorId result = declare(l, id, slot);
  if (tensor_at(l, result).quantization == tensor_at(l, x).quantization)
    return emit(l, op, std::move(inputs), {result});
  const TensorId made = temporary(l, tensor_at(l, result).shape, x);
  emit(l, op, std::move(inputs), {made});
  requantize(l, made, result);
}

}  // namespace qc::tflite
