// See raise_rules.h.
#include "onnx_io/raise_rules.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/text.h"

namespace qc::onnx_io {
namespace {

using ir::DType;
using ir::Graph;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;

constexpr const char* kDone = "";

ValueId input(const Graph& g, NodeId id, size_t slot) {
  const auto& inputs = ir::node_at(g, id).inputs;
  return slot < inputs.size() ? inputs[slot] : kNone;
}

ValueId int_constant(Graph& g, NodeId id, const char* what, std::vector<int64_t> numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  return ir::add_constant(g, ir::node_at(g, id).name + "_" + what,
                          ir::make_tensor(std::span<const int64_t>(numbers), {count}));
}

// A new node beside `like`, written with a name if that one has one.
NodeId add_beside(Graph& g, NodeId like, const char* op_type, std::vector<ValueId> inputs,
                  std::vector<ValueId> outputs, std::vector<ir::Attribute> attributes = {}) {
  ir::Node node;
  node.name = ir::node_at(g, like).name + "_" + op_type;
  node.op_type = op_type;
  node.attributes = std::move(attributes);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.origin = ir::node_at(g, like).origin;
  node.named_in_file = ir::node_at(g, like).named_in_file;
  return ir::add_node(g, std::move(node));
}

// The integers of an attribute become the 1-D input in this slot; without the attribute nothing happens.
std::string ints_to_input(Graph& g, NodeId id, const char* name, size_t slot) {
  const ir::Attribute* attribute = ir::find_attribute(ir::node_at(g, id), name);
  if (!attribute) return kDone;
  const auto* numbers = std::get_if<std::vector<int64_t>>(&attribute->value);
  if (!numbers) return format("its attribute '{}' is no list of integers", name);
  const ValueId constant = int_constant(g, id, name, *numbers);
  ir::set_input(g, id, slot, constant);
  ir::remove_attribute(ir::node_at(g, id), name);
  return kDone;
}

// Element type of a value; where the file says nothing, float32 unless the model works with other floats too.
DType element_type(const Graph& g, ValueId v) {
  const DType stated = v == kNone ? DType::kUndefined : ir::value_at(g, v).dtype;
  if (stated != DType::kUndefined) return stated;
  const bool mixed = std::any_of(g.values.begin(), g.values.end(), [](const ir::Value& other) {
    return other.dtype == DType::kFloat16 || other.dtype == DType::kDouble || other.dtype == DType::kBfloat16;
  });
  return mixed ? DType::kUndefined : DType::kFloat;
}

// A float attribute becomes a scalar input of the data's own type.
std::string float_to_input(Graph& g, NodeId id, const char* name, size_t slot, float neutral) {
  const float number = ir::float_attribute(ir::node_at(g, id), name, neutral);
  ir::remove_attribute(ir::node_at(g, id), name);
  if (number == neutral) return kDone;
  const DType type = element_type(g, input(g, id, 0));
  if (type != DType::kFloat && type != DType::kDouble)
    return format("its attribute '{}' would have to become an input of type {}", name, ir::name_of(type));
  const double wide = number;
  ir::Tensor tensor =
      type == DType::kFloat
          ? ir::scalar(number)
          : ir::make_tensor(type, std::string(reinterpret_cast<const char*>(&wide), sizeof(wide)), {});
  ir::set_input(g, id, slot, ir::add_constant(g, ir::node_at(g, id).name + "_" + name, std::move(tensor)));
  return kDone;
}

// --- opset 9, 10

std::string batch_normalization_9(Graph& g, NodeId id) {
  if (ir::int_attribute(ir::node_at(g, id), "spatial", 1) == 0)
    return "it normalizes every position by itself (spatial=0)";
  ir::remove_attribute(ir::node_at(g, id), "spatial");
  return kDone;
}

std::string refuse_scan(Graph&, NodeId) {
  return "Scan works differently since opset 9";
}

std::string upsample_9(Graph& g, NodeId id) {
  const ir::Attribute* attribute = ir::find_attribute(ir::node_at(g, id), "scales");
  const auto* scales = attribute ? std::get_if<std::vector<float>>(&attribute->value) : nullptr;
  if (!scales) return "it has no scales";
  ir::Tensor tensor =
      ir::make_tensor(std::span<const float>(*scales), {static_cast<int64_t>(scales->size())});
  ir::set_input(g, id, 1, ir::add_constant(g, ir::node_at(g, id).name + "_scales", std::move(tensor)));
  ir::remove_attribute(ir::node_at(g, id), "scales");
  return kDone;
}

// The mask became boolean; gone if nobody reads it.
std::string dropout_10(Graph& g, NodeId id) {
  const ValueId mask = ir::node_at(g, id).outputs.size() > 1 ? ir::node_at(g, id).outputs[1] : kNone;
  if (mask == kNone) return kDone;
  if (!ir::value_at(g, mask).consumers.empty() || ir::is_output(g, mask)) return "its mask is used";
  ir::value_at(g, mask).producer = kNone;
  ir::node_at(g, id).outputs.resize(1);
  return kDone;
}

std::string slice_10(Graph& g, NodeId id) {
  for (const auto& [name, slot] : {std::pair("starts", 1), {"ends", 2}, {"axes", 3}})
    if (std::string why = ints_to_input(g, id, name, static_cast<size_t>(slot)); !why.empty()) return why;
  return kDone;
}

std::string top_k_10(Graph& g, NodeId id) {
  const int64_t k = ir::int_attribute(ir::node_at(g, id), "k", -1);
  if (k < 0) return "it has no k";
  ir::remove_attribute(ir::node_at(g, id), "k");
  ir::set_input(g, id, 1, int_constant(g, id, "k", {k}));
  return kDone;
}

std::string upsample_10(Graph& g, NodeId id) {
  ir::node_at(g, id).op_type = "Resize";
  return kDone;
}

// --- opset 11, 12

std::string clip_11(Graph& g, NodeId id) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const std::string why = float_to_input(g, id, "min", 1, -kLargest);
  return why.empty() ? float_to_input(g, id, "max", 2, kLargest) : why;
}

std::string pad_11(Graph& g, NodeId id) {
  const std::string why = ints_to_input(g, id, "pads", 1);
  return why.empty() ? float_to_input(g, id, "value", 2, 0.0f) : why;
}

// Resize of opset 10 had no coordinate modes. What ONNX Runtime computes there: asymmetric coordinates;
// nearest takes the pixel below when it enlarges and the pixel above when it shrinks (upsamplebase.h,
// NearestMode::SIMPLE).
std::string resize_11(Graph& g, NodeId id) {
  const bool nearest = ir::string_attribute(ir::node_at(g, id), "mode", "nearest") == "nearest";
  const ir::Tensor* scales = ir::constant_input(g, ir::node_at(g, id), 1);
  bool shrinks = false, grows = false;
  if (nearest && scales && scales->dtype == DType::kFloat) {
    for (const float s : scales->as<float>()) {
      shrinks = shrinks || s < 1;
      grows = grows || s > 1;
    }
  }
  if (shrinks && grows) return "it shrinks one dimension and enlarges another";
  const ValueId scale_input = input(g, id, 1);
  const ValueId roi =
      ir::add_constant(g, ir::node_at(g, id).name + "_roi", ir::make_tensor(std::span<const float>(), {0}));
  ir::set_input(g, id, 2, scale_input);
  ir::set_input(g, id, 1, roi);
  ir::set_attribute(ir::node_at(g, id), "coordinate_transformation_mode", std::string("asymmetric"));
  if (nearest) ir::set_attribute(ir::node_at(g, id), "nearest_mode", std::string(shrinks ? "ceil" : "floor"));
  return kDone;
}

std::string scatter_11(Graph& g, NodeId id) {
  ir::node_at(g, id).op_type = "ScatterElements";
  return kDone;
}

std::string dropout_12(Graph& g, NodeId id) {
  ir::remove_attribute(ir::node_at(g, id), "ratio");  // without training_mode it changes nothing
  return kDone;
}

// --- opset 13

std::string axes_to_input(Graph& g, NodeId id) {
  return ints_to_input(g, id, "axes", 1);
}
std::string split_13(Graph& g, NodeId id) {
  return ints_to_input(g, id, "split", 1);
}

std::string resize_13(Graph& g, NodeId id) {
  const bool gone = ir::string_attribute(ir::node_at(g, id), "coordinate_transformation_mode", "") ==
                    "tf_half_pixel_for_nn";
  return gone ? "tf_half_pixel_for_nn does not exist any more" : kDone;
}

// The shape of a value as an input for Reshape: a constant where at most one dimension is free.
ValueId shape_of(Graph& g, NodeId id, ValueId v) {
  const ir::Value& x = ir::value_at(g, v);
  if (x.has_shape && std::count(x.dims.begin(), x.dims.end(), -1) <= 1 &&
      std::find(x.dims.begin(), x.dims.end(), 0) == x.dims.end())
    return int_constant(g, id, "shape", x.dims);
  const ValueId shape = ir::add_value(g, ir::node_at(g, id).name + "_shape", DType::kInt64);
  add_beside(g, id, "Shape", {v}, {shape});
  return shape;
}

// Before 13: the input seen as a matrix, rows of the dimensions before `axis`, columns of the rest; a row
// sums to 1. Since 13: along one dimension. The same when at most one dimension from `axis` on is not 1.
std::string softmax_13(Graph& g, NodeId id) {
  const int64_t stated = ir::int_attribute(ir::node_at(g, id), "axis", 1);
  const ValueId x = input(g, id, 0), y = ir::node_at(g, id).outputs.at(0);
  if (x == kNone || y == kNone) return "it has no input or output";
  const std::vector<int64_t> dims = ir::value_at(g, x).dims;
  const auto rank = static_cast<int64_t>(dims.size());
  const bool ranked = ir::value_at(g, x).has_shape && stated <= rank && stated >= -rank;
  if (!ranked && stated == -1) return kDone;
  if (ranked && rank > 0) {
    const int64_t axis = std::min(stated < 0 ? stated + rank : stated, rank - 1);
    int64_t wide = 0, where = rank - 1;
    for (int64_t d = axis; d < rank; ++d)
      if (dims[d] != 1) ++wide, where = d;
    if (wide <= 1 && stated != rank) {
      ir::set_attribute(ir::node_at(g, id), "axis", where);
      return kDone;
    }
  }
  const DType type = ir::value_at(g, y).dtype;
  const ValueId shape = shape_of(g, id, x);
  const ValueId rows = ir::add_value(g, ir::node_at(g, id).name + "_rows", type);
  add_beside(g, id, "Flatten", {x}, {rows}, {{"axis", stated}});
  const ValueId result = ir::add_value(g, ir::node_at(g, id).name + "_matrix", type);
  ir::set_input(g, id, 0, rows);
  ir::set_output(g, id, 0, result);
  ir::set_attribute(ir::node_at(g, id), "axis", int64_t{-1});
  add_beside(g, id, "Reshape", {result, shape}, {y});
  return kDone;
}

// --- opset 14 to 21

// Before 14 more than one output meant training: statistics of the batch instead of the stored ones. Since
// then an attribute says so, there are three outputs, and their variance is another.
std::string batch_normalization_14(Graph& g, NodeId id) {
  std::vector<ValueId>& outputs = ir::node_at(g, id).outputs;
  const auto named = [](ValueId v) { return v != kNone; };
  if (std::count_if(outputs.begin(), outputs.end(), named) <= 1) return kDone;
  if (std::any_of(outputs.begin() + 1, outputs.end(), [&](ValueId v) {
        return named(v) && (!ir::value_at(g, v).consumers.empty() || ir::is_output(g, v));
      }))
    return "its statistics of the batch are used";
  constexpr size_t kOutputs = 3;
  for (size_t slot = kOutputs; slot < outputs.size(); ++slot)
    if (named(outputs[slot])) ir::value_at(g, outputs[slot]).producer = kNone;
  outputs.resize(kOutputs, kNone);
  ir::set_attribute(ir::node_at(g, id), "training_mode", int64_t{1});
  return kDone;
}

std::string roi_align_16(Graph& g, NodeId id) {
  ir::set_attribute(ir::node_at(g, id), "coordinate_transformation_mode", std::string("output_half_pixel"));
  return kDone;
}

std::string split_18(Graph& g, NodeId id) {
  const auto parts = static_cast<int64_t>(ir::node_at(g, id).outputs.size());
  if (input(g, id, 1) == kNone) ir::set_attribute(ir::node_at(g, id), "num_outputs", parts);
  return kDone;
}

std::string grid_sample_20(Graph& g, NodeId id) {
  const std::string mode = ir::string_attribute(ir::node_at(g, id), "mode", "bilinear");
  if (mode == "bilinear") ir::set_attribute(ir::node_at(g, id), "mode", std::string("linear"));
  if (mode == "bicubic") ir::set_attribute(ir::node_at(g, id), "mode", std::string("cubic"));
  return kDone;
}

std::string refuse_dft(Graph&, NodeId) {
  return "the axis of DFT became an input in opset 20";
}
std::string refuse_group(Graph&, NodeId) {
  return "scale and bias of GroupNormalization changed in opset 21";
}

constexpr RaiseStep kSteps[] = {
    {"BatchNormalization", 9, batch_normalization_9},
    {"Scan", 9, refuse_scan},
    {"Upsample", 9, upsample_9},
    {"Dropout", 10, dropout_10},
    {"Slice", 10, slice_10},
    {"TopK", 10, top_k_10},
    {"Upsample", 10, upsample_10},
    {"Clip", 11, clip_11},
    {"Pad", 11, pad_11},
    {"Resize", 11, resize_11},
    {"Scatter", 11, scatter_11},
    {"Dropout", 12, dropout_12},
    {"Hardmax", 13, softmax_13},
    {"LogSoftmax", 13, softmax_13},
    {"ReduceSum", 13, axes_to_input},
    {"Resize", 13, resize_13},
    {"Softmax", 13, softmax_13},
    {"Split", 13, split_13},
    {"Squeeze", 13, axes_to_input},
    {"Unsqueeze", 13, axes_to_input},
    {"BatchNormalization", 14, batch_normalization_14},
    {"RoiAlign", 16, roi_align_16},
    {"ReduceL1", 18, axes_to_input},
    {"ReduceL2", 18, axes_to_input},
    {"ReduceLogSum", 18, axes_to_input},
    {"ReduceLogSumExp", 18, axes_to_input},
    {"ReduceMax", 18, axes_to_input},
    {"ReduceMean", 18, axes_to_input},
    {"ReduceMin", 18, axes_to_input},
    {"ReduceProd", 18, axes_to_input},
    {"ReduceSumSquare", 18, axes_to_input},
    {"Split", 18, split_18},
    {"DFT", 20, refuse_dft},
    {"GridSample", 20, grid_sample_20},
    {"GroupNormalization", 21, refuse_group},
};

// clang-format off
constexpr std::string_view kOps[] = {
    "Abs", "Acos", "Acosh", "Add", "AffineGrid", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh",
    "AveragePool", "BatchNormalization", "Bernoulli", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr",
    "BitwiseXor", "BlackmanWindow", "Cast", "CastLike", "Ceil", "Celu", "CenterCropPad", "Clip", "Col2Im",
    "Compress", "Concat", "ConcatFromSequence", "Constant", "ConstantOfShape", "Conv", "ConvInteger",
    "ConvTranspose", "Cos", "Cosh", "CumSum", "DFT", "DeformConv", "DepthToSpace", "DequantizeLinear", "Det",
    "Div", "Dropout", "DynamicQuantizeLinear", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "EyeLike",
    "Flatten", "Floor", "GRU", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool",
    "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample", "GroupNormalization",
    "HammingWindow", "HannWindow", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "If", "ImageDecoder",
    "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LSTM", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "Loop", "LpNormalization", "LpPool", "MatMul", "MatMulInteger", "Max",
    "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean", "MeanVarianceNormalization", "MelWeightMatrix", "Min",
    "Mish", "Mod", "Mul", "Multinomial", "Neg", "NegativeLogLikelihoodLoss", "NonMaxSuppression", "NonZero",
    "Not", "OneHot", "Optional", "OptionalGetElement", "OptionalHasElement", "Or", "PRelu", "Pad", "Pow",
    "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RNN", "RandomNormal", "RandomNormalLike",
    "RandomUniform", "RandomUniformLike", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "RegexFullMatch", "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign", "Round", "STFT", "Scan",
    "Scatter", "ScatterElements", "ScatterND", "Selu", "SequenceAt", "SequenceConstruct", "SequenceEmpty",
    "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "Shape", "Shrink", "Sigmoid", "Sign",
    "Sin", "Sinh", "Size", "Slice", "Softmax", "SoftmaxCrossEntropyLoss", "Softplus", "Softsign",
    "SpaceToDepth", "Split", "SplitToSequence", "Sqrt", "Squeeze", "StringConcat", "StringNormalizer",
    "StringSplit", "Sub", "Sum", "Tan", "Tanh", "TfIdfVectorizer", "ThresholdedRelu", "Tile", "TopK",
    "Transpose", "Trilu", "Unique", "Unsqueeze", "Upsample", "Where", "Xor",
};
// clang-format on

}  // namespace

std::span<const RaiseStep> raise_steps() {
  return kSteps;
}

bool known_op(std::string_view op_type) {
  return std::binary_search(std::begin(kOps), std::end(kOps), op_type);
}

}  // namespace qc::onnx_io
