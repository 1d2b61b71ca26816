// A TFLite graph as plain data: what the file will say, in file order, with no decisions left. Lowering makes
// it, tidying shrinks it, the writer serialises it, the dump shows it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace qc::tflite {

using TensorId = int32_t;                // index into Model::tensors
inline constexpr TensorId kAbsent = -1;  // an optional input left out

/// Numbered as TensorType of the TFLite schema.
enum class Type : int8_t {
  kFloat32 = 0,
  kFloat16 = 1,
  kInt32 = 2,
  kUint8 = 3,
  kInt64 = 4,
  kBool = 6,
  kInt16 = 7,
  kInt8 = 9,
  kInt4 = 17,  // two a byte, the first in the low half
};
const char* name_of(Type type);
int64_t size_of(Type type);  // bytes of an element; 1 for int4, which only constants are

/// real = scale * (q - zero_point); one scale, or one for each index of dimension `axis`.
struct Quantization {
  std::vector<float> scales;  // empty: not quantized
  std::vector<int64_t> zero_points;
  int32_t axis = 0;
  bool operator==(const Quantization&) const = default;
};

struct Tensor {
  std::string name;
  Type type = Type::kFloat32;
  std::vector<int32_t> shape;
  Quantization quantization;
  std::shared_ptr<const std::string> data;  // little-endian, row-major; null: computed at run time
  bool batched = false;                     // the file says that dimension 0 may have any size
  std::string node;                         // the ONNX node whose bytes these are; "" for none
  const char* kind = "graph";               // of the data's bytes: "weights", "bias", "constants"
};

/// Numbered as BuiltinOperator of the TFLite schema.
enum class Op : int32_t {
  kAdd = 0,
  kAveragePool2d = 1,
  kConcatenation = 2,
  kConv2d = 3,
  kDepthwiseConv2d = 4,
  kDepthToSpace = 5,
  kDequantize = 6,
  kFloor = 8,
  kFullyConnected = 9,
  kL2Normalization = 11,
  kLocalResponseNormalization = 13,
  kLogistic = 14,
  kMaxPool2d = 17,
  kMul = 18,
  kRelu = 19,
  kReluN1To1 = 20,
  kRelu6 = 21,
  kReshape = 22,
  kResizeBilinear = 23,
  kSoftmax = 25,
  kSpaceToDepth = 26,
  kTanh = 28,
  kPad = 34,
  kGather = 36,
  kTranspose = 39,
  kMean = 40,
  kSub = 41,
  kDiv = 42,
  kStridedSlice = 45,
  kExp = 47,
  kTopKV2 = 48,
  kSplit = 49,
  kLogSoftmax = 50,
  kCast = 53,
  kPrelu = 54,
  kMaximum = 55,
  kArgMax = 56,
  kMinimum = 57,
  kLess = 58,
  kNeg = 59,
  kPadV2 = 60,
  kGreater = 61,
  kGreaterEqual = 62,
  kLessEqual = 63,
  kSlice = 65,
  kSin = 66,
  kTransposeConv = 67,
  kTile = 69,
  kEqual = 71,
  kNotEqual = 72,
  kLog = 73,
  kSum = 74,
  kSqrt = 75,
  kRsqrt = 76,
  kPow = 78,
  kArgMin = 79,
  kReduceProd = 81,
  kReduceMax = 82,
  kLogicalOr = 84,
  kOneHot = 85,
  kLogicalAnd = 86,
  kLogicalNot = 87,
  kReduceMin = 89,
  kFloorDiv = 90,
  kSquare = 92,
  kFloorMod = 95,
  kResizeNearestNeighbor = 97,
  kLeakyRelu = 98,
  kSquaredDifference = 99,
  kMirrorPad = 100,
  kAbs = 101,
  kSplitV = 102,
  kCeil = 104,
  kReverseV2 = 105,
  kGatherNd = 107,
  kCos = 108,
  kElu = 111,
  kQuantize = 114,
  kRound = 116,
  kHardSwish = 117,
  kScatterNd = 122,
  kSelectV2 = 123,
  kBatchMatmul = 126,
  kCumsum = 128,
  kBroadcastTo = 130,
  kGelu = 150,
  kSign = 158,
};

enum class Activation : int8_t { kNone = 0, kRelu = 1, kReluN1To1 = 2, kRelu6 = 3 };
enum class Padding : int8_t { kSame = 0, kValid = 1 };

using OptionValue = std::variant<int64_t, float, std::vector<int32_t>>;
using Options = std::vector<std::pair<std::string_view, OptionValue>>;  // by field name, as OpInfo::fields

struct Operator {
  Op op = Op::kAdd;
  std::vector<TensorId> inputs, outputs;
  Options options;
  int version = 1;
  std::string node;  // the ONNX node it came from
};

struct Model {
  std::string name;
  std::deque<Tensor> tensors;       // references stay valid while others are added
  std::vector<Operator> operators;  // in order of execution
  std::vector<TensorId> inputs, outputs;
  std::vector<std::string> input_names, output_names;  // of the signature: the ONNX names
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string holds_batch;  // the operator for which a batch that might be free is 1; "": none
};

// --- the table of operators

/// How a field of an options table is stored.
enum class FieldKind : uint8_t { kByte, kInt, kFloat, kBool, kInts };
struct OptionField {
  std::string_view name;
  int index;  // in the options table: its vtable slot
  FieldKind kind;
  int fallback = 0;  // what the schema says for a field that is not written
};
struct OpInfo {
  Op op;
  const char* name;   // as LiteRT prints it
  int options_union;  // type number in the BuiltinOptions union; 0: none
  std::span<const OptionField> fields;
};
/// Throws Error(kBug) for an op without a row.
const OpInfo& info_of(Op op);
/// Every row, by number.
std::span<const OpInfo> all_ops();

/// An option by name, or the fallback.
int64_t int_option(const Operator& op, std::string_view name, int64_t fallback);

/// The version that the runtime wants for exactly this use of the op, and the oldest runtime that knows it.
struct OpVersion {
  int version = 1;
  const char* runtime = "1.5.0";
};
OpVersion version_of(const Model& model, const Operator& op);

/// Stable text, one line a tensor that the file starts with and one an operator: golden tests, --dump tflite.
std::string dump(const Model& model);

}  // namespace qc::tflite
