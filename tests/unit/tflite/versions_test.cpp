// Operator versions, row by row, as LiteRT's own tflite/converter/tools/versioning/op_version.cc computes
// them.
#include <catch2/catch.hpp>

#include "tflite/dialect.h"

namespace qc::tflite {
namespace {

Tensor tensor(Type type, std::vector<int32_t> shape = {1, 4, 4, 8}, size_t scales = 1) {
  Tensor made;
  made.type = type;
  made.shape = std::move(shape);
  if (type == Type::kInt8 || type == Type::kInt16)
    made.quantization = {std::vector<float>(scales, 0.5f), std::vector<int64_t>(scales, 0), 0};
  return made;
}

struct Case {
  const char* what;
  Op op;
  std::vector<Tensor> inputs;
  Tensor output;
  Options options;
  int version;
};

TEST_CASE("the version of every use of an op") {
  const Tensor f = tensor(Type::kFloat32), i8 = tensor(Type::kInt8), i16 = tensor(Type::kInt16);
  const Tensor half = tensor(Type::kFloat16), i32 = tensor(Type::kInt32, {8});
  const Tensor wf = tensor(Type::kFloat32, {8, 3, 3, 8}), wi = tensor(Type::kInt8, {8, 3, 3, 8}),
               wc = tensor(Type::kInt8, {8, 3, 3, 8}, 8), grouped = tensor(Type::kInt8, {8, 3, 3, 2}, 8),
               deep = tensor(Type::kInt8, {1, 3, 3, 8}, 8);
  const Tensor f5 = tensor(Type::kFloat32, {1, 2, 3, 4, 5}), f6 = tensor(Type::kFloat32, {1, 2, 3, 4, 5, 6});
  const Tensor w4 = tensor(Type::kInt4, {8, 3, 3, 8});
  const Options dilated{{"dilation_w_factor", int64_t{2}}}, keep{{"keep_num_dims", int64_t{1}}},
      half_pixel{{"half_pixel_centers", int64_t{1}}}, aligned{{"align_corners", int64_t{1}}};
  const std::vector<Case> cases{
      {"conv float", Op::kConv2d, {f, wf, f}, f, {}, 1},
      {"conv int8", Op::kConv2d, {i8, wc, i32}, i8, {}, 3},
      {"conv int8 grouped", Op::kConv2d, {i8, grouped, i32}, i8, {}, 6},
      {"conv int16", Op::kConv2d, {i16, wc, i32}, i16, {}, 4},
      {"conv int4", Op::kConv2d, {i8, w4, i32}, i8, {}, 7},
      {"depthwise int4", Op::kDepthwiseConv2d, {i8, w4, i32}, i8, {}, 7},
      {"fc int4", Op::kFullyConnected, {i8, w4, i32}, i8, {}, 10},
      {"mul int16", Op::kMul, {i16, i16}, i16, {}, 4},
      {"fc int16", Op::kFullyConnected, {i16, wc, i32}, i16, {}, 1},
      {"depthwise int16", Op::kDepthwiseConv2d, {i16, deep, i32}, i16, {}, 5},
      {"gather_nd", Op::kGatherNd, {f, i32}, f, {}, 1},
      {"top_k int8", Op::kTopKV2, {i8, i32}, i8, {}, 2},
      {"l2 norm int8", Op::kL2Normalization, {i8}, i8, {}, 2},
      {"conv hybrid", Op::kConv2d, {f, wi, f}, f, {}, 2},
      {"conv hybrid per channel", Op::kConv2d, {f, wc, f}, f, {}, 5},
      {"depthwise float", Op::kDepthwiseConv2d, {f, wf, f}, f, {}, 1},
      {"depthwise float dilated", Op::kDepthwiseConv2d, {f, wf, f}, f, dilated, 2},
      {"depthwise int8 dilated", Op::kDepthwiseConv2d, {i8, deep, i32}, i8, dilated, 3},
      {"depthwise hybrid per channel", Op::kDepthwiseConv2d, {f, deep, f}, f, {}, 6},
      {"transposed conv with bias", Op::kTransposeConv, {i32, wf, f, f}, f, {}, 3},
      {"transposed conv int8", Op::kTransposeConv, {i32, wc, i8}, i8, {}, 2},
      {"fc float", Op::kFullyConnected, {f, wf, f}, f, {}, 1},
      {"fc float, no bias", Op::kFullyConnected, {f, wf}, f, {}, 6},
      {"fc float, dims kept", Op::kFullyConnected, {f, wf, f}, f, keep, 5},
      {"fc int8", Op::kFullyConnected, {i8, wc, i32}, i8, {}, 4},
      {"fc hybrid per channel", Op::kFullyConnected, {f, wc, f}, f, {}, 12},
      {"fc hybrid", Op::kFullyConnected, {f, wi, f}, f, {}, 3},
      {"bmm int8", Op::kBatchMatmul, {i8, i8}, i8, {}, 2},
      {"add float", Op::kAdd, {f, f}, f, {}, 1},
      {"add int8", Op::kAdd, {i8, i8}, i8, {}, 2},
      {"add int16", Op::kAdd, {i16, i16}, i16, {}, 3},
      {"mul int8, 0.5 * 0.5 / 0.5", Op::kMul, {i8, i8}, i8, {}, 2},
      {"sub in five dimensions", Op::kSub, {f5, f}, f5, {}, 3},
      {"pool int8", Op::kMaxPool2d, {i8}, i8, {}, 2},
      {"mean int8", Op::kMean, {i8, i32}, i8, {}, 2},
      {"softmax int8", Op::kSoftmax, {i8}, i8, {}, 2},
      {"concat int16", Op::kConcatenation, {i16, i16}, i16, {}, 3},
      {"relu int8", Op::kRelu, {i8}, i8, {}, 2},
      {"hard swish int8", Op::kHardSwish, {i8}, i8, {}, 1},
      {"leaky relu int8", Op::kLeakyRelu, {i8}, i8, {}, 1},
      {"prelu int8", Op::kPrelu, {i8, i8}, i8, {}, 1},
      {"gelu int8", Op::kGelu, {i8}, i8, {}, 2},
      {"reshape int8", Op::kReshape, {i8, i32}, i8, {}, 1},
      {"transpose int8", Op::kTranspose, {i8, i32}, i8, {}, 2},
      {"transpose of rank 5", Op::kTranspose, {f5, i32}, f5, {}, 4},
      {"transpose of rank 6", Op::kTranspose, {f6, i32}, f6, {}, 6},
      {"pad of rank 5", Op::kPad, {f5, i32}, f5, {}, 4},
      {"pad int8", Op::kPad, {i8, i32}, i8, {}, 2},
      {"split int8", Op::kSplit, {i32, i8}, i8, {}, 2},
      {"split_v int8", Op::kSplitV, {i8, i32, i32}, i8, {}, 2},
      {"slice of rank 5", Op::kSlice, {f5, i32, i32}, f5, {}, 5},
      {"bilinear, half pixels", Op::kResizeBilinear, {f, i32}, f, half_pixel, 3},
      {"bilinear int8", Op::kResizeBilinear, {i8, i32}, i8, {}, 2},
      {"nearest, aligned", Op::kResizeNearestNeighbor, {i8, i32}, i8, aligned, 3},
      {"tile int8", Op::kTile, {i8, i32}, i8, {}, 3},
      {"broadcast", Op::kBroadcastTo, {f, i32}, f, {}, 2},
      {"quantize", Op::kQuantize, {f}, i8, {}, 1},
      {"quantize to int16", Op::kQuantize, {f}, i16, {}, 2},
      {"dequantize", Op::kDequantize, {i8}, f, {}, 2},
      {"dequantize per channel", Op::kDequantize, {wc}, f, {}, 5},
      {"dequantize halves", Op::kDequantize, {half}, f, {}, 3},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Model model;
    Operator op;
    op.op = c.op;
    op.options = c.options;
    for (const Tensor& input : c.inputs) {
      op.inputs.push_back(static_cast<TensorId>(model.tensors.size()));
      model.tensors.push_back(input);
    }
    op.outputs = {static_cast<TensorId>(model.tensors.size())};
    model.tensors.push_back(c.output);
    CHECK(version_of(model, op).version == c.version);
  }
}

TEST_CASE("a MUL whose product outgrows its output needs a newer kernel") {
  Model model;
  model.tensors = {tensor(Type::kInt8), tensor(Type::kInt8), tensor(Type::kInt8)};
  model.tensors[2].quantization.scales = {0.25f};
  Operator op;
  op.op = Op::kMul;
  op.inputs = {0, 1};
  op.outputs = {2};
  CHECK(version_of(model, op).version == 3);
  CHECK(version_of(model, op).runtime == std::string("1.15.0"));
}

}  // namespace
}  // namespace qc::tflite
