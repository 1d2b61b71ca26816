// Operator versions: what LiteRT computes for each use of an op (its op_version table), as rows read from the
// top; the first that holds counts. A version too high is refused by older runtimes, one too low can be
// silently wrong (FULLY_CONNECTED on floats with a scale for each channel).
#include <algorithm>
#include <cstdio>

#include "tflite/dialect.h"

namespace qc::tflite {
namespace {

// What the rows ask about one use of an op.
struct Use {
  Type data = Type::kFloat32;         // of the activation
  Type weight = Type::kFloat32;       // of the second input, where there is one
  size_t rank = 0;                    // of the activation
  bool per_channel = false;           // the second input has a scale for each channel
  bool constant_per_channel = false;  // the first input has
  bool bias = false;                  // a third input
  bool grouped = false;               // CONV_2D whose weight sees a part of the channels
  bool dilated = false, keep_dims = false, half_pixel = false, aligned = false, broadcast = false;
  bool large_product = false;  // MUL: s1 s2 / s_out >= 1
  constexpr bool integer() const { return data == Type::kInt8 || data == Type::kUint8; }
  constexpr bool wide() const { return data == Type::kInt16; }
  constexpr bool int4() const { return weight == Type::kInt4; }
  constexpr bool hybrid() const { return data == Type::kFloat32 && weight == Type::kInt8; }
};

using Predicate = bool (*)(const Use&);
struct Row {
  Op op;
  Predicate holds;
  OpVersion version;
};

constexpr bool always(const Use&) {
  return true;
}
constexpr bool i8(const Use& u) {
  return u.integer();
}
constexpr bool i16(const Use& u) {
  return u.wide();
}

constexpr bool int4(const Use& u) {
  return u.int4();
}

constexpr Row kRows[] = {
    {Op::kConv2d, int4, {7, "2.11.0"}},
    {Op::kDepthwiseConv2d, int4, {7, "2.11.0"}},
    {Op::kFullyConnected, [](const Use& u) { return u.int4() && u.wide(); }, {13, "2.18.0"}},
    {Op::kFullyConnected, int4, {10, "2.11.0"}},
    {Op::kConv2d, [](const Use& u) { return u.grouped; }, {6, "2.9.0"}},
    {Op::kConv2d, i16, {4, "2.3.0"}},
    {Op::kConv2d, i8, {3, "1.14.0"}},
    {Op::kConv2d, [](const Use& u) { return u.hybrid() && u.per_channel; }, {5, "2.4.0"}},
    {Op::kConv2d, [](const Use& u) { return u.hybrid(); }, {2, "1.14.0"}},
    {Op::kDepthwiseConv2d, i16, {5, "2.3.0"}},
    {Op::kDepthwiseConv2d, i8, {3, "1.14.0"}},
    {Op::kDepthwiseConv2d, [](const Use& u) { return u.hybrid() && u.per_channel; }, {6, "2.3.0"}},
    {Op::kDepthwiseConv2d, [](const Use& u) { return u.hybrid(); }, {4, "2.2.0"}},
    {Op::kDepthwiseConv2d, [](const Use& u) { return u.dilated; }, {2, "1.12.0"}},
    {Op::kTransposeConv, [](const Use& u) { return u.bias; }, {3, "2.3.0"}},
    {Op::kTransposeConv, i8, {2, "2.2.0"}},
    {Op::kFullyConnected, [](const Use& u) { return u.hybrid() && u.per_channel; }, {12, "2.17.0"}},
    {Op::kFullyConnected, [](const Use& u) { return u.hybrid(); }, {3, "1.14.0"}},
    {Op::kFullyConnected, [](const Use& u) { return !u.bias; }, {6, "2.1.0"}},
    {Op::kFullyConnected, [](const Use& u) { return u.keep_dims; }, {5, "2.0.0"}},
    {Op::kFullyConnected, i8, {4, "1.14.0"}},
    {Op::kBatchMatmul, i16, {3, "2.4.0"}},
    {Op::kBatchMatmul, i8, {2, "2.3.0"}},
    {Op::kBatchMatmul, always, {1, "2.3.0"}},
    {Op::kAdd, i16, {3, "2.4.0"}},
    {Op::kSub, i16, {5, "2.4.0"}},
    {Op::kSub, i8, {2, "1.14.0"}},
    {Op::kSub, [](const Use& u) { return u.broadcast && u.rank > 4; }, {3, "2.3.0"}},
    {Op::kMul, i16, {4, "2.3.0"}},
    {Op::kMul, [](const Use& u) { return u.integer() && u.large_product; }, {3, "1.15.0"}},
    {Op::kDiv, [](const Use& u) { return u.broadcast && u.rank > 4; }, {2, "2.3.0"}},
    {Op::kMaximum, i16, {4, "2.3.0"}},
    {Op::kMaximum, i8, {2, "1.14.0"}},
    {Op::kMaximum, [](const Use& u) { return u.broadcast && u.rank > 4; }, {3, "2.3.0"}},
    {Op::kMinimum, i16, {4, "2.3.0"}},
    {Op::kMinimum, i8, {2, "1.14.0"}},
    {Op::kMinimum, [](const Use& u) { return u.broadcast && u.rank > 4; }, {3, "2.3.0"}},
    {Op::kSum, i16, {1, "1.10.0"}},
    {Op::kSum, i8, {2, "1.15.0"}},
    {Op::kPad, [](const Use& u) { return u.rank > 4; }, {4, "2.6.0"}},
    {Op::kPadV2, [](const Use& u) { return u.rank > 4; }, {4, "2.6.0"}},
    {Op::kRelu, i16, {3, "2.5.0"}},
    {Op::kRelu, i8, {2, "2.1.0"}},
    {Op::kLeakyRelu, i16, {2, "2.3.0"}},
    {Op::kGelu, i8, {2, "2.9.0"}},
    {Op::kGelu, always, {1, "2.9.0"}},
    {Op::kTranspose, [](const Use& u) { return u.rank > 6; }, {8, "2.18.0"}},
    {Op::kTranspose, [](const Use& u) { return u.rank == 6; }, {6, "2.12.0"}},
    {Op::kTranspose, [](const Use& u) { return u.rank == 5; }, {4, "1.15.0"}},
    {Op::kTranspose, i16, {5, "2.4.0"}},
    {Op::kSplit, i16, {4, "2.3.0"}},
    {Op::kSplitV, i8, {2, "2.3.0"}},
    {Op::kSplitV, always, {1, "1.13.0"}},
    {Op::kSlice, [](const Use& u) { return u.rank > 4; }, {5, "2.5.0"}},
    {Op::kSlice, i16, {4, "2.4.0"}},
    {Op::kStridedSlice, [](const Use& u) { return u.rank > 4; }, {4, "2.2.0"}},
    {Op::kStridedSlice, i16, {1, "1.6.0"}},
    {Op::kGather, i16, {4, "2.4.0"}},
    {Op::kResizeBilinear, i16, {4, "2.5.0"}},
    {Op::kResizeBilinear, [](const Use& u) { return u.half_pixel; }, {3, "2.2.0"}},
    {Op::kResizeNearestNeighbor, i16, {4, "2.4.0"}},
    {Op::kResizeNearestNeighbor, [](const Use& u) { return u.half_pixel || u.aligned; }, {3, "2.3.0"}},
    {Op::kTile, i8, {3, "2.8.0"}},
    {Op::kBroadcastTo, i8, {3, "2.5.0"}},
    {Op::kBroadcastTo, i16, {3, "2.5.0"}},
    {Op::kBroadcastTo, always, {2, "2.5.0"}},
    {Op::kQuantize, [](const Use& u) { return u.wide(); }, {2, "1.15.0"}},
    {Op::kQuantize, always, {1, "1.14.0"}},
    {Op::kDequantize, [](const Use& u) { return u.constant_per_channel; }, {5, "2.7.0"}},
    {Op::kDequantize, [](const Use& u) { return u.data == Type::kFloat16 || u.wide(); }, {3, "1.15.0"}},
    {Op::kHardSwish, always, {1, "1.15.0"}},
    {Op::kSelectV2, always, {1, "2.2.0"}},
    {Op::kElu, always, {1, "1.14.0"}},
    {Op::kSign, always, {1, "2.12.0"}},
    {Op::kCumsum, always, {1, "2.4.0"}},
    {Op::kGatherNd, i16, {3, "2.5.0"}},
    {Op::kGatherNd, always, {1, "1.14.0"}},
    {Op::kScatterNd, always, {1, "1.15.0"}},
    {Op::kOneHot, always, {1, "1.11.0"}},
    {Op::kFloorDiv, [](const Use& u) { return u.data == Type::kFloat32; }, {2, "1.14.0"}},
    {Op::kFloorDiv, always, {1, "1.13.0"}},
    {Op::kFloorMod, always, {1, "1.13.0"}},
    {Op::kReverseV2, i8, {3, "2.5.0"}},
    {Op::kReverseV2, always, {1, "1.14.0"}},
};

// Ops whose versions are 1 for float, 2 for int8 and 3 for int16, with the runtime that int16 needs.
struct Plain {
  Op op;
  const char* wide;
};
constexpr Plain kPlain[] = {
    {Op::kAdd, "2.4.0"},
    {Op::kMul, "2.3.0"},
    {Op::kAveragePool2d, "2.3.0"},
    {Op::kMaxPool2d, "2.3.0"},
    {Op::kMean, "2.4.0"},
    {Op::kReduceMax, "2.5.0"},
    {Op::kReduceMin, "2.5.0"},
    {Op::kRelu6, "2.5.0"},
    {Op::kConcatenation, "2.3.0"},
    {Op::kSoftmax, "2.3.0"},
    {Op::kLogistic, "2.3.0"},
    {Op::kTanh, "2.3.0"},
    {Op::kPad, "2.4.0"},
    {Op::kPadV2, "2.4.0"},
    {Op::kTranspose, "2.4.0"},
    {Op::kSplit, "2.3.0"},
    {Op::kSlice, "2.4.0"},
    {Op::kStridedSlice, "1.14.0"},
    {Op::kGather, "2.4.0"},
    {Op::kResizeBilinear, "2.5.0"},
    {Op::kResizeNearestNeighbor, "2.4.0"},
    {Op::kMirrorPad, "2.12.0"},
    {Op::kExp, "2.12.0"},
    {Op::kLog, "2.15.0"},
    {Op::kSqrt, "2.21.0"},
    {Op::kRsqrt, "2.15.0"},
    {Op::kAbs, "2.5.0"},
    {Op::kSquaredDifference, "2.5.0"},
    {Op::kSpaceToDepth, "1.14.0"},
    {Op::kDepthToSpace, "1.14.0"},
    {Op::kLogSoftmax, "1.14.0"},
    {Op::kL2Normalization, "1.14.0"},
    {Op::kTopKV2, "2.13.0"},
    {Op::kArgMax, "1.14.0"},
    {Op::kArgMin, "1.14.0"},
    {Op::kDequantize, "1.15.0"},
    {Op::kEqual, "1.14.0"},
    {Op::kNotEqual, "1.14.0"},
    {Op::kGreater, "1.14.0"},
    {Op::kGreaterEqual, "1.14.0"},
    {Op::kLess, "1.14.0"},
    {Op::kLessEqual, "1.14.0"},
};

Use use_of(const Model& model, const Operator& op) {
  const auto tensor = [&](size_t slot) -> const Tensor* {
    return slot < op.inputs.size() && op.inputs[slot] != kAbsent ? &model.tensors[op.inputs[slot]] : nullptr;
  };
  Use use;
  const size_t data = op.op == Op::kTransposeConv ? 2 : op.op == Op::kSplit || op.op == Op::kSelectV2 ? 1 : 0;
  if (const Tensor* x = tensor(data)) {
    use.data = x->type;
    use.rank = x->shape.size();
    use.constant_per_channel = x->quantization.scales.size() > 1;
    const Tensor* w = tensor(1);
    if (w) {
      use.weight = w->type;
      use.per_channel = w->quantization.scales.size() > 1;
      use.broadcast = w->shape != x->shape;
      use.grouped =
          op.op == Op::kConv2d && w->shape.size() == 4 && x->shape.size() == 4 && w->shape[3] != x->shape[3];
      const Quantization& out = model.tensors[op.outputs[0]].quantization;
      use.large_product = op.op == Op::kMul && x->quantization.scales.size() == 1 &&
                          w->quantization.scales.size() == 1 && out.scales.size() == 1 &&
                          x->quantization.scales[0] * w->quantization.scales[0] / out.scales[0] >= 1;
    }
  }
  // QUANTIZE goes by the wider side.
  if (op.op == Op::kQuantize && model.tensors[op.outputs[0]].type == Type::kInt16) use.data = Type::kInt16;
  use.bias = op.op == Op::kTransposeConv ? op.inputs.size() > 3 : tensor(2) != nullptr;
  use.dilated = int_option(op, "dilation_w_factor", 1) > 1 || int_option(op, "dilation_h_factor", 1) > 1;
  use.keep_dims = int_option(op, "keep_num_dims", 0) != 0;
  use.half_pixel = int_option(op, "half_pixel_centers", 0) != 0;
  use.aligned = int_option(op, "align_corners", 0) != 0;
  return use;
}

}  // namespace

OpVersion version_of(const Model& model, const Operator& op) {
  const Use use = use_of(model, op);
  for (const Row& row : kRows)
    if (row.op == op.op && row.holds(use)) return row.version;
  for (const Plain& row : kPlain) {
    if (row.op != op.op) continue;
    if (use.wide()) return {3, row.wide};
    if (use.integer()) return {2, "1.14.0"};
  }
  return {};
}

}  // namespace qc::tflite
