// The table of operators: names, union numbers and fields of their options, as the TFLite schema numbers
// them.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "tflite/dialect.h"

namespace qc::tflite {
namespace {

using enum FieldKind;

constexpr OptionField kConv[] = {{"padding", 0, kByte},
                                 {"stride_w", 1, kInt},
                                 {"stride_h", 2, kInt},
                                 {"fused_activation_function", 3, kByte},
                                 {"dilation_w_factor", 4, kInt, 1},
                                 {"dilation_h_factor", 5, kInt, 1}};
constexpr OptionField kDepthwise[] = {{"padding", 0, kByte},
                                      {"stride_w", 1, kInt},
                                      {"stride_h", 2, kInt},
                                      {"depth_multiplier", 3, kInt},
                                      {"fused_activation_function", 4, kByte},
                                      {"dilation_w_factor", 5, kInt, 1},
                                      {"dilation_h_factor", 6, kInt, 1}};
constexpr OptionField kTransposeConv[] = {{"padding", 0, kByte},
                                          {"stride_w", 1, kInt},
                                          {"stride_h", 2, kInt},
                                          {"fused_activation_function", 3, kByte}};
constexpr OptionField kPool[] = {{"padding", 0, kByte},      {"stride_w", 1, kInt},
                                 {"stride_h", 2, kInt},      {"filter_width", 3, kInt},
                                 {"filter_height", 4, kInt}, {"fused_activation_function", 5, kByte}};
constexpr OptionField kFullyConnected[] = {{"fused_activation_function", 0, kByte},
                                           {"weights_format", 1, kByte},
                                           {"keep_num_dims", 2, kBool},
                                           {"asymmetric_quantize_inputs", 3, kBool}};
constexpr OptionField kActivation[] = {{"fused_activation_function", 0, kByte}};
constexpr OptionField kAxisActivation[] = {{"axis", 0, kInt}, {"fused_activation_function", 1, kByte}};
constexpr OptionField kSum[] = {{"fused_activation_function", 0, kByte}, {"pot_scale_int16", 1, kBool, 1}};
constexpr OptionField kBeta[] = {{"beta", 0, kFloat}};
constexpr OptionField kLrn[] = {
    {"radius", 0, kInt}, {"bias", 1, kFloat}, {"alpha", 2, kFloat}, {"beta", 3, kFloat}};
constexpr OptionField kBilinear[] = {{"align_corners", 2, kBool}, {"half_pixel_centers", 3, kBool}};
constexpr OptionField kNearest[] = {{"align_corners", 0, kBool}, {"half_pixel_centers", 1, kBool}};
constexpr OptionField kShape[] = {{"new_shape", 0, kInts}};
constexpr OptionField kBlock[] = {{"block_size", 0, kInt}};
constexpr OptionField kKeepDims[] = {{"keep_dims", 0, kBool}};
constexpr OptionField kSplits[] = {{"num_splits", 0, kInt}};
constexpr OptionField kTypes[] = {{"in_data_type", 0, kByte}, {"out_data_type", 1, kByte}};
constexpr OptionField kOutputType[] = {{"output_type", 0, kByte}};
constexpr OptionField kAxisBatch[] = {{"axis", 0, kInt}, {"batch_dims", 1, kInt}};
constexpr OptionField kStrided[] = {{"begin_mask", 0, kInt},
                                    {"end_mask", 1, kInt},
                                    {"ellipsis_mask", 2, kInt},
                                    {"new_axis_mask", 3, kInt},
                                    {"shrink_axis_mask", 4, kInt}};
constexpr OptionField kAlpha[] = {{"alpha", 0, kFloat}};
constexpr OptionField kMode[] = {{"mode", 0, kByte}};
constexpr OptionField kAxis[] = {{"axis", 0, kInt}};
constexpr OptionField kAdjoint[] = {{"adj_x", 0, kBool}, {"adj_y", 1, kBool}};
constexpr OptionField kCumulative[] = {{"exclusive", 0, kBool}, {"reverse", 1, kBool}};
constexpr OptionField kApproximate[] = {{"approximate", 0, kBool}};

constexpr OpInfo kOps[] = {
    {Op::kAdd, "ADD", 11, kSum},
    {Op::kAveragePool2d, "AVERAGE_POOL_2D", 5, kPool},
    {Op::kConcatenation, "CONCATENATION", 10, kAxisActivation},
    {Op::kConv2d, "CONV_2D", 1, kConv},
    {Op::kDepthwiseConv2d, "DEPTHWISE_CONV_2D", 2, kDepthwise},
    {Op::kDepthToSpace, "DEPTH_TO_SPACE", 94, kBlock},
    {Op::kDequantize, "DEQUANTIZE", 38, {}},
    {Op::kFloor, "FLOOR", 0, {}},
    {Op::kFullyConnected, "FULLY_CONNECTED", 8, kFullyConnected},
    {Op::kL2Normalization, "L2_NORMALIZATION", 12, kActivation},
    {Op::kLocalResponseNormalization, "LOCAL_RESPONSE_NORMALIZATION", 13, kLrn},
    {Op::kLogistic, "LOGISTIC", 0, {}},
    {Op::kMaxPool2d, "MAX_POOL_2D", 5, kPool},
    {Op::kMul, "MUL", 21, kActivation},
    {Op::kRelu, "RELU", 0, {}},
    {Op::kReluN1To1, "RELU_N1_TO_1", 0, {}},
    {Op::kRelu6, "RELU6", 0, {}},
    {Op::kReshape, "RESHAPE", 17, kShape},
    {Op::kResizeBilinear, "RESIZE_BILINEAR", 15, kBilinear},
    {Op::kSoftmax, "SOFTMAX", 9, kBeta},
    {Op::kSpaceToDepth, "SPACE_TO_DEPTH", 19, kBlock},
    {Op::kTanh, "TANH", 0, {}},
    {Op::kPad, "PAD", 22, {}},
    {Op::kGather, "GATHER", 23, kAxisBatch},
    {Op::kTranspose, "TRANSPOSE", 26, {}},
    {Op::kMean, "MEAN", 27, kKeepDims},
    {Op::kSub, "SUB", 28, kSum},
    {Op::kDiv, "DIV", 29, kActivation},
    {Op::kStridedSlice, "STRIDED_SLICE", 32, kStrided},
    {Op::kExp, "EXP", 33, {}},
    {Op::kTopKV2, "TOPK_V2", 34, {}},
    {Op::kSplit, "SPLIT", 35, kSplits},
    {Op::kLogSoftmax, "LOG_SOFTMAX", 36, {}},
    {Op::kCast, "CAST", 37, kTypes},
    {Op::kPrelu, "PRELU", 0, {}},
    {Op::kMaximum, "MAXIMUM", 39, {}},
    {Op::kArgMax, "ARG_MAX", 40, kOutputType},
    {Op::kMinimum, "MINIMUM", 39, {}},
    {Op::kLess, "LESS", 41, {}},
    {Op::kNeg, "NEG", 42, {}},
    {Op::kPadV2, "PADV2", 43, {}},
    {Op::kGreater, "GREATER", 44, {}},
    {Op::kGreaterEqual, "GREATER_EQUAL", 45, {}},
    {Op::kLessEqual, "LESS_EQUAL", 46, {}},
    {Op::kSlice, "SLICE", 48, {}},
    {Op::kSin, "SIN", 0, {}},
    {Op::kTransposeConv, "TRANSPOSE_CONV", 49, kTransposeConv},
    {Op::kTile, "TILE", 51, {}},
    {Op::kEqual, "EQUAL", 53, {}},
    {Op::kNotEqual, "NOT_EQUAL", 54, {}},
    {Op::kLog, "LOG", 0, {}},
    {Op::kSum, "SUM", 27, kKeepDims},
    {Op::kSqrt, "SQRT", 0, {}},
    {Op::kRsqrt, "RSQRT", 0, {}},
    {Op::kPow, "POW", 56, {}},
    {Op::kArgMin, "ARG_MIN", 57, kOutputType},
    {Op::kReduceProd, "REDUCE_PROD", 27, kKeepDims},
    {Op::kReduceMax, "REDUCE_MAX", 27, kKeepDims},
    {Op::kLogicalOr, "LOGICAL_OR", 60, {}},
    {Op::kOneHot, "ONE_HOT", 61, kAxis},
    {Op::kLogicalAnd, "LOGICAL_AND", 62, {}},
    {Op::kLogicalNot, "LOGICAL_NOT", 63, {}},
    {Op::kReduceMin, "REDUCE_MIN", 27, kKeepDims},
    {Op::kFloorDiv, "FLOOR_DIV", 65, {}},
    {Op::kSquare, "SQUARE", 66, {}},
    {Op::kFloorMod, "FLOOR_MOD", 72, {}},
    {Op::kResizeNearestNeighbor, "RESIZE_NEAREST_NEIGHBOR", 74, kNearest},
    {Op::kLeakyRelu, "LEAKY_RELU", 75, kAlpha},
    {Op::kSquaredDifference, "SQUARED_DIFFERENCE", 76, {}},
    {Op::kMirrorPad, "MIRROR_PAD", 77, kMode},
    {Op::kAbs, "ABS", 78, {}},
    {Op::kSplitV, "SPLIT_V", 79, kSplits},
    {Op::kCeil, "CEIL", 0, {}},
    {Op::kReverseV2, "REVERSE_V2", 81, {}},
    {Op::kGatherNd, "GATHER_ND", 83, {}},
    {Op::kCos, "COS", 84, {}},
    {Op::kElu, "ELU", 0, {}},
    {Op::kQuantize, "QUANTIZE", 89, {}},
    {Op::kRound, "ROUND", 0, {}},
    {Op::kHardSwish, "HARD_SWISH", 91, {}},
    {Op::kScatterNd, "SCATTER_ND", 97, {}},
    {Op::kSelectV2, "SELECT_V2", 98, {}},
    {Op::kBatchMatmul, "BATCH_MATMUL", 101, kAdjoint},
    {Op::kCumsum, "CUMSUM", 102, kCumulative},
    {Op::kBroadcastTo, "BROADCAST_TO", 104, {}},
    {Op::kGelu, "GELU", 116, kApproximate},
    {Op::kSign, "SIGN", 123, {}},
};

}  // namespace

const OpInfo& info_of(Op op) {
  const auto row =
      std::find_if(std::begin(kOps), std::end(kOps), [&](const OpInfo& r) { return r.op == op; });
  if (row == std::end(kOps))
    throw Error(Exit::kBug,
                {"tflite-writer", format("TFLite operator {}", static_cast<int>(op)),
                 "the table of operators has no row for it", "please report this with the model"});
  return *row;
}

std::span<const OpInfo> all_ops() {
  return kOps;
}

const char* name_of(Type type) {
  constexpr const char* kNames[] = {"float32", "float16", "int32", "uint8",     "int64",
                                    "string",  "bool",    "int16", "complex64", "int8"};
  return type == Type::kInt4 ? "int4" : kNames[static_cast<size_t>(type)];
}

int64_t size_of(Type type) {
  constexpr int64_t kSizes[] = {4, 2, 4, 1, 8, 0, 1, 2, 8, 1};
  return type == Type::kInt4 ? 1 : kSizes[static_cast<size_t>(type)];
}

int64_t int_option(const Operator& op, std::string_view name, int64_t fallback) {
  for (const auto& [key, value] : op.options)
    if (key == name) return std::get<int64_t>(value);
  return fallback;
}

std::string dump(const Model& model) {
  const auto show = [&](TensorId id) {
    if (id == kAbsent) return std::string("-");
    const Tensor& t = model.tensors[id];
    std::string text =
        format("{}:{}{}[{}]", t.name, t.data ? "const " : "", name_of(t.type), fmt::join(t.shape, ","));
    const Quantization& q = t.quantization;
    if (q.scales.size() == 1) text += format("({:.6g},{})", q.scales[0], q.zero_points[0]);
    if (q.scales.size() > 1) text += format("({} scales, axis {})", q.scales.size(), q.axis);
    return text;
  };
  std::string text = format("tflite {}\n", model.name);
  for (const TensorId id : model.inputs) text += format("input {}\n", show(id));
  for (const Operator& op : model.operators) {
    std::vector<std::string> in, out, options;
    for (const TensorId id : op.inputs) in.push_back(show(id));
    for (const TensorId id : op.outputs) out.push_back(show(id));
    for (const auto& [name, value] : op.options) {
      if (const auto* i = std::get_if<int64_t>(&value)) options.push_back(format("{}={}", name, *i));
      if (const auto* f = std::get_if<float>(&value)) options.push_back(format("{}={:.6g}", name, *f));
      if (const auto* v = std::get_if<std::vector<int32_t>>(&value))
        options.push_back(format("{}=[{}]", name, fmt::join(*v, ",")));
    }
    text += format("{} v{}({}) -> {} {{{}}}\n", info_of(op.op).name, op.version, join(in, ", "),
                   join(out, ", "), join(options, " "));
  }
  for (const TensorId id : model.outputs) text += format("output {}\n", show(id));
  return text;
}

}  // namespace qc::tflite
