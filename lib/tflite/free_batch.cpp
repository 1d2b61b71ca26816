// A batch of any size: the file starts with one of 1, and whoever resizes its inputs finds all operators
// follow. Rows of dimension 0 must stay apart all the way: then RESHAPE and SLICE, which hold sizes, may
// leave that of dimension 0 open.
#include <algorithm>
#include <cstring>
#include <map>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

// The model, and how far a batch of any size has come in it.
struct BatchTrace {
  Model& model;
  std::vector<bool> batched;  // by tensor: dimension 0 grows with the batch

  const Tensor& at(TensorId t) const { return model.tensors[t]; }
  bool is_batched(TensorId t) const { return t != kAbsent && batched[t]; }
};

std::vector<int32_t> numbers_of(const Tensor& tensor) {
  std::vector<int32_t> values(
      tensor.data && tensor.type == Type::kInt32 ? tensor.data->size() / sizeof(int32_t) : 0);
  if (!values.empty()) std::memcpy(values.data(), tensor.data->data(), values.size() * sizeof(int32_t));
  return values;
}

int64_t rank_of(const BatchTrace& trace, TensorId t) {
  return std::ssize(trace.at(t).shape);
}

// Elements meet those of the same place; what has no batch is the same for all.
bool by_element(const BatchTrace& trace, const Operator& op) {
  const int64_t rank = rank_of(trace, op.outputs[0]);
  return std::ranges::all_of(op.inputs, [&](TensorId t) {
    if (t == kAbsent) return true;
    const std::vector<int32_t>& shape = trace.at(t).shape;
    if (trace.is_batched(t)) return std::ssize(shape) == rank && shape[0] == trace.at(op.outputs[0]).shape[0];
    return std::ssize(shape) < rank || shape[0] == 1;
  });
}

// The first input alone, whose other dimensions are the operator's business.
bool by_first(const BatchTrace& trace, const Operator& op) {
  return trace.is_batched(op.inputs[0]) && rank_of(trace, op.inputs[0]) >= 2 &&
         std::none_of(op.inputs.begin() + 1, op.inputs.end(),
                      [&](TensorId t) { return trace.is_batched(t); });
}

bool by_row(const BatchTrace& trace, const Operator& op) {
  return by_first(trace, op) &&
         (rank_of(trace, op.inputs[0]) == 2 || int_option(op, "keep_num_dims", 0) != 0);
}

bool other_axis(const BatchTrace& trace, int64_t axis, TensorId of) {
  return axis != 0 && axis + rank_of(trace, of) != 0;
}

// None of the constants in `slot` is dimension 0.
bool along_others(const BatchTrace& trace, const Operator& op, size_t slot, size_t data = 0) {
  const std::vector<int32_t> axes = numbers_of(trace.at(op.inputs[slot]));
  return !axes.empty() &&
         std::ranges::all_of(axes, [&](int32_t axis) { return other_axis(trace, axis, op.inputs[data]); });
}

bool reduces(const BatchTrace& trace, const Operator& op) {
  return by_first(trace, op) && along_others(trace, op, 1);
}

bool splits(const BatchTrace& trace, const Operator& op) {
  const bool sized = op.op == Op::kSplitV;
  return trace.is_batched(op.inputs[sized ? 0 : 1]) && along_others(trace, op, sized ? 2 : 0, sized ? 0 : 1);
}

bool joins(const BatchTrace& trace, const Operator& op) {
  return std::ranges::all_of(op.inputs, [&](TensorId t) { return trace.is_batched(t); }) &&
         other_axis(trace, int_option(op, "axis", 0), op.inputs[0]);
}

bool reshapes(const BatchTrace& trace, const Operator& op) {
  return rank_of(trace, op.inputs[0]) > 0 && rank_of(trace, op.outputs[0]) > 0;
}

bool transposes(const BatchTrace& trace, const Operator& op) {
  const std::vector<int32_t> order = numbers_of(trace.at(op.inputs[1]));
  return !order.empty() && order[0] == 0;
}

bool slices(const BatchTrace& trace, const Operator& op) {
  const std::vector<int32_t> begin = numbers_of(trace.at(op.inputs[1])),
                             size = numbers_of(trace.at(op.inputs[2]));
  return by_first(trace, op) && !begin.empty() && !size.empty() && begin[0] == 0 &&
         size[0] == trace.at(op.inputs[0]).shape[0];
}

bool slices_in_steps(const BatchTrace& trace, const Operator& op) {
  const std::vector<int32_t> begin = numbers_of(trace.at(op.inputs[1])),
                             end = numbers_of(trace.at(op.inputs[2])),
                             step = numbers_of(trace.at(op.inputs[3]));
  const bool masked = int_option(op, "shrink_axis_mask", 0) != 0 || int_option(op, "new_axis_mask", 0) != 0 ||
                      int_option(op, "ellipsis_mask", 0) != 0;
  return by_first(trace, op) && !masked && !begin.empty() && !end.empty() && !step.empty() && begin[0] == 0 &&
         step[0] == 1 && end[0] >= trace.at(op.inputs[0]).shape[0];
}

// Pairs of what comes before and behind, or repetitions.
bool pads(const BatchTrace& trace, const Operator& op) {
  const std::vector<int32_t> around = numbers_of(trace.at(op.inputs[1]));
  return by_first(trace, op) && around.size() >= 2 && around[0] == 0 && around[1] == 0;
}
bool repeats(const BatchTrace& trace, const Operator& op) {
  const std::vector<int32_t> times = numbers_of(trace.at(op.inputs[1]));
  return by_first(trace, op) && !times.empty() && times[0] == 1;
}

bool multiplies(const BatchTrace& trace, const Operator& op) {
  return rank_of(trace, op.outputs[0]) > 2 && by_element(trace, op);
}

bool gathers(const BatchTrace& trace, const Operator& op) {
  const int64_t axis = int_option(op, "axis", 0);
  if (int_option(op, "batch_dims", 0) != 0) return false;
  if (trace.is_batched(op.inputs[1])) return !trace.is_batched(op.inputs[0]) && axis == 0;
  return other_axis(trace, axis, op.inputs[0]);
}

struct Row {
  bool (*follows)(const BatchTrace&, const Operator&);
  std::initializer_list<Op> ops;
};

// Operators whose results have the rows of their inputs. Those in no row hold the batch.
bool follows(const BatchTrace& trace, const Operator& op) {
  using enum Op;
  static const Row kRows[] = {
      {by_element, {kAdd,        kSub,        kMul,        kDiv,
                    kPow,        kMaximum,    kMinimum,    kSquaredDifference,
                    kFloorDiv,   kFloorMod,   kEqual,      kNotEqual,
                    kLess,       kLessEqual,  kGreater,    kGreaterEqual,
                    kLogicalAnd, kLogicalOr,  kLogicalNot, kSelectV2,
                    kQuantize,   kDequantize, kCast,       kFloor,
                    kCeil,       kRound,      kSign,       kAbs,
                    kNeg,        kExp,        kLog,        kSin,
                    kCos,        kSqrt,       kRsqrt,      kSquare,
                    kLogistic,   kTanh,       kRelu,       kReluN1To1,
                    kRelu6,      kLeakyRelu,  kElu,        kHardSwish,
                    kGelu}},
      {by_first,
       {kConv2d, kDepthwiseConv2d, kAveragePool2d, kMaxPool2d, kResizeBilinear, kResizeNearestNeighbor,
        kDepthToSpace, kSpaceToDepth, kLocalResponseNormalization, kL2Normalization, kPrelu, kSoftmax,
        kLogSoftmax, kTopKV2}},
      {by_row, {kFullyConnected}},
      {reduces, {kMean, kSum, kReduceMax, kReduceMin, kReduceProd, kArgMax, kArgMin, kCumsum, kReverseV2}},
      {splits, {kSplit, kSplitV}},
      {joins, {kConcatenation}},
      {reshapes, {kReshape}},
      {transposes, {kTranspose}},
      {slices, {kSlice}},
      {slices_in_steps, {kStridedSlice}},
      {pads, {kPad, kPadV2, kMirrorPad}},
      {repeats, {kTile}},
      {multiplies, {kBatchMatmul}},
      {gathers, {kGather}},
  };
  const auto* row = std::ranges::find_if(
      kRows, [&](const Row& r) { return std::ranges::find(r.ops, op.op) != r.ops.end(); });
  return row != std::end(kRows) && row->follows(trace, op);
}

// The constant in `slot` with -1 for dimension 0; one for all that read the same.
void leave_open(BatchTrace& trace, Operator& op, size_t slot, std::map<TensorId, TensorId>& made) {
  const TensorId old = op.inputs[slot];
  const auto [place, fresh] = made.try_emplace(old, kAbsent);
  if (fresh) {
    std::vector<int32_t> sizes = numbers_of(trace.at(old));
    sizes[0] = -1;
    Tensor open = trace.at(old);
    open.data = std::make_shared<const std::string>(reinterpret_cast<const char*>(sizes.data()),
                                                    sizes.size() * sizeof(int32_t));
    place->second = static_cast<TensorId>(trace.model.tensors.size());
    trace.model.tensors.push_back(std::move(open));
  }
  op.inputs[slot] = place->second;
}

void open_sizes(BatchTrace& trace, Operator& op, std::map<TensorId, TensorId>& made) {
  const auto mark = [&](TensorId t) { trace.model.tensors[t].batched = true; };
  switch (op.op) {
    case Op::kReshape:
      leave_open(trace, op, 1, made);
      for (auto& [name, value] : op.options)
        if (auto* sizes = std::get_if<std::vector<int32_t>>(&value)) sizes->at(0) = -1;
      return;
    case Op::kSlice:  // which LiteRT lets have no other shape than the file says
      leave_open(trace, op, 2, made);
      return mark(op.outputs[0]);
    case Op::kStridedSlice: {
      const int64_t mask = int_option(op, "end_mask", 0) | 1;
      std::erase_if(op.options, [](const auto& option) { return option.first == "end_mask"; });
      op.options.emplace_back("end_mask", mask);
      return mark(op.outputs[0]);
    }
    default:
      return;
  }
}

}  // namespace

std::string free_batch(Model& model, const std::vector<bool>& inputs) {
  BatchTrace trace{model, std::vector<bool>(model.tensors.size())};
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]) trace.batched[model.inputs[i]] = true;
  std::vector<Operator*> moving;
  for (Operator& op : model.operators) {
    if (std::ranges::none_of(op.inputs, [&](TensorId t) { return trace.is_batched(t); })) continue;
    if (!follows(trace, op))
      return format("{}{}", info_of(op.op).name, op.node.empty() ? "" : format(" of node '{}'", op.node));
    for (const TensorId t : op.outputs) trace.batched[t] = true;
    moving.push_back(&op);
  }
  std::map<TensorId, TensorId> made;
  for (Operator* op : moving) open_sizes(trace, *op, made);
  for (const std::vector<TensorId>* ports : {&model.inputs, &model.outputs})
    for (const TensorId t : *ports)
      if (trace.is_batched(t)) model.tensors[t].batched = true;
  return "";
}

}  // namespace qc::tflite
