// The model of TFLite's arithmetic held against LiteRT itself: every 8 bit operator with a kernel here, on
// random integers, at most one step apart; whole files by TensorFlow's converter where QCONVERT_TEST_DATA
// names them. One file holds all operators as branches of the same inputs, because starting the runtime is
// what takes long.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "base/files.h"
#include "base/text.h"
#include "support/tiny_tflite.h"
#include "tflite/execute.h"

namespace qc {
namespace {

using tiny_tflite::Builder;
using tiny_tflite::Model;
using wire_op = tflite::wire::BuiltinOperator;
using wire_options = tflite::wire::BuiltinOptions;
using tflite::wire::TensorType;
namespace wire = tflite::wire;
using Shape = std::vector<int32_t>;

// Outputs of the file in LiteRT, one string an output; `inputs` hold as many samples as they are long.
std::vector<std::string> run_litert(const std::string& model, const std::vector<std::string>& inputs,
                                    size_t outputs) {
  const TemporaryFile file(".tflite"), out(".out"), log(".log");
  write_file_atomically(file.path(), model);
  std::string command = format("node '{}/litert/run.mjs' '{}' --out '{}'", QCONVERT_TESTS,
                               file.path().string(), out.path().string());
  std::vector<std::unique_ptr<TemporaryFile>> kept;
  for (const std::string& input : inputs) {
    kept.push_back(std::make_unique<TemporaryFile>(".in"));
    write_file_atomically(kept.back()->path(), input);
    command += format(" '{}'", kept.back()->path().string());
  }
  const int status = std::system((command + format(" > '{}' 2>&1", log.path().string())).c_str());
  INFO(read_file(log.path()));
  REQUIRE(status == 0);
  std::vector<std::string> results;
  for (size_t i = 0; i < outputs; ++i) {
    const std::filesystem::path path = format("{}.{}", out.path().string(), i);
    results.push_back(read_file(path));
    std::filesystem::remove(path);
  }
  return results;
}

std::vector<std::string> run_ours(const std::string& bytes, const std::vector<std::string>& inputs,
                                  tflite::kernels::Rounding rounding) {
  const tflite::file::Model model = tflite::file::parse(bytes, "test.tflite");
  const tflite::file::Graph& graph = model.graphs[0];
  std::vector<std::string> results(graph.outputs.size());
  const auto tensor = [&](size_t i) { return graph.tensors[static_cast<size_t>(graph.inputs[i])]; };
  const auto bytes_of = [&](size_t i) {
    return static_cast<size_t>(ir::element_count(tensor(i).shape) * ir::bits_of(tensor(i).dtype) / 8);
  };
  for (size_t sample = 0; sample * bytes_of(0) < inputs[0].size(); ++sample) {
    std::vector<ir::Tensor> given;
    for (size_t i = 0; i < inputs.size(); ++i)
      given.push_back(ir::make_tensor(tensor(i).dtype, inputs[i].substr(sample * bytes_of(i), bytes_of(i)),
                                      tensor(i).shape));
    const std::vector<ir::Tensor> out = tflite::execute(model, given, rounding, "test.tflite");
    for (size_t i = 0; i < out.size(); ++i) results[i] += *out[i].bytes;
  }
  return results;
}

struct Difference {
  int64_t elements = 0, unequal = 0;
  double largest = 0;
};

Difference difference(const std::string& a, const std::string& b, ir::DType dtype) {
  Difference d;
  REQUIRE(a.size() == b.size());
  const auto count = [&](auto zero) {
    using T = decltype(zero);
    d.elements = static_cast<int64_t>(a.size() / sizeof(T));
    for (size_t i = 0; i < a.size(); i += sizeof(T)) {
      T x, y;
      std::memcpy(&x, a.data() + i, sizeof(T));
      std::memcpy(&y, b.data() + i, sizeof(T));
      const double apart = std::fabs(static_cast<double>(x) - static_cast<double>(y));
      d.unequal += apart != 0;
      if (!(apart <= d.largest)) d.largest = apart;
    }
  };
  if (dtype == ir::DType::kInt8)
    count(int8_t{});
  else if (dtype == ir::DType::kUint8)
    count(uint8_t{});
  else if (dtype == ir::DType::kInt32)
    count(int32_t{});
  else
    count(float{});
  return d;
}

// --- one file with every operator

constexpr float kScale = 0.05f;
constexpr int64_t kZero = 3;

struct Bench {
  Model model;
  int32_t x = 0, y = 0, matrix = 0;  // [1,8,10,6], the same, [1,12,16]
  std::vector<std::string> cases;

  int32_t ints(const std::vector<int32_t>& values, Shape shape) {
    return tiny_tflite::add(model, {format("i{}", model.tensors.size()),
                                    TensorType::INT32,
                                    std::move(shape),
                                    {},
                                    {},
                                    0,
                                    tiny_tflite::bytes_of(values)});
  }
  int32_t ints(const std::vector<int32_t>& values) {
    return ints(values, {static_cast<int32_t>(values.size())});
  }
  int32_t weights(const Shape& shape, int axis, float scale = 0.01f) {
    size_t count = 1;
    for (const int32_t dim : shape) count *= static_cast<size_t>(dim);
    const auto channels = axis < 0 ? size_t{1} : static_cast<size_t>(shape[static_cast<size_t>(axis)]);
    std::vector<float> scales;
    for (size_t i = 0; i < channels; ++i) scales.push_back(scale * (1 + 0.37f * static_cast<float>(i % 5)));
    const auto seed = static_cast<unsigned>(model.tensors.size());
    return tiny_tflite::add(
        model, {format("w{}", seed), TensorType::INT8, shape, scales, std::vector<int64_t>(channels, 0),
                std::max(axis, 0), tiny_tflite::bytes_of(tiny_tflite::random_int8(count, seed))});
  }
  int32_t bias(int32_t of_weights) {
    std::vector<float> scales = model.tensors[static_cast<size_t>(of_weights)].scales;
    const auto axis = static_cast<size_t>(model.tensors[static_cast<size_t>(of_weights)].axis);
    const auto channels = static_cast<size_t>(model.tensors[static_cast<size_t>(of_weights)].shape[axis]);
    for (float& scale : scales) scale *= kScale;
    std::vector<int32_t> values;
    for (size_t i = 0; i < channels; ++i) values.push_back(static_cast<int32_t>(i * 517 % 3000) - 1500);
    return tiny_tflite::add(model, {format("b{}", of_weights),
                                    TensorType::INT32,
                                    {static_cast<int32_t>(channels)},
                                    scales,
                                    std::vector<int64_t>(scales.size(), 0),
                                    0,
                                    tiny_tflite::bytes_of(values)});
  }
  int32_t result(Shape shape, float scale, int64_t zero, TensorType type = TensorType::INT8) {
    return tiny_tflite::add(model,
                            {format("r{}", model.tensors.size()), type, std::move(shape), {scale}, {zero}});
  }
  // The case's outputs become outputs of the file.
  void add(const std::string& name, wire_op op, int version, std::vector<int32_t> in,
           std::vector<int32_t> out, wire_options type = wire_options::NONE,
           std::function<flatbuffers::Offset<void>(Builder&)> options = {}) {
    for (const int32_t id : out) model.outputs.push_back(id), cases.push_back(name);
    tiny_tflite::add(model, {op, version, std::move(in), std::move(out), type, std::move(options)});
  }
};

// The options' table as a function that a case can hold: CONV_2D with OPTIONS(CreateConv2DOptions, padding,
// 1, 1).
#define OPTIONS(create, ...) [=](Builder& builder) { return wire::create(builder, ##__VA_ARGS__).Union(); }

constexpr auto kSame = wire::Padding::SAME;
constexpr auto kValid = wire::Padding::VALID;
constexpr auto kNone = wire::ActivationFunctionType::NONE;
constexpr auto kRelu = wire::ActivationFunctionType::RELU;
constexpr auto kRelu6 = wire::ActivationFunctionType::RELU6;

void add_windows(Bench& b) {
  const int32_t w = b.weights({5, 3, 3, 6}, 0), one = b.weights({5, 1, 1, 6}, -1),
                dw = b.weights({1, 3, 3, 6}, 3), wide = b.weights({1, 3, 3, 12}, 3),
                grouped = b.weights({4, 3, 3, 3}, 0), up = b.weights({4, 3, 3, 6}, 0);
  const auto conv = wire_options::Conv2DOptions;
  const auto depthwise = wire_options::DepthwiseConv2DOptions;
  b.add("conv same", wire_op::CONV_2D, 3, {b.x, w, b.bias(w)}, {b.result({1, 8, 10, 5}, 0.11f, -5)}, conv,
        OPTIONS(CreateConv2DOptions, kSame, 1, 1, kNone));
  b.add("conv valid stride relu6", wire_op::CONV_2D, 3, {b.x, w, b.bias(w)},
        {b.result({1, 3, 4, 5}, 0.03f, -128)}, conv, OPTIONS(CreateConv2DOptions, kValid, 2, 2, kRelu6));
  b.add("conv dilated relu", wire_op::CONV_2D, 3, {b.x, w, b.bias(w)}, {b.result({1, 8, 10, 5}, 0.08f, -100)},
        conv, OPTIONS(CreateConv2DOptions, kSame, 1, 1, kRelu, 2, 2));
  b.add("conv 1x1 per tensor", wire_op::CONV_2D, 3, {b.x, one, b.bias(one)},
        {b.result({1, 8, 10, 5}, 0.04f, 10)}, conv, OPTIONS(CreateConv2DOptions, kValid, 1, 1, kNone));
  b.add("conv grouped", wire_op::CONV_2D, 6, {b.x, grouped, b.bias(grouped)},
        {b.result({1, 8, 10, 4}, 0.07f, 0)}, conv, OPTIONS(CreateConv2DOptions, kSame, 1, 1, kNone));
  b.add("depthwise", wire_op::DEPTHWISE_CONV_2D, 3, {b.x, dw, b.bias(dw)}, {b.result({1, 4, 5, 6}, 0.05f, 7)},
        depthwise, OPTIONS(CreateDepthwiseConv2DOptions, kSame, 2, 2, 1, kNone));
  b.add("depthwise twice", wire_op::DEPTHWISE_CONV_2D, 3, {b.x, wide, b.bias(wide)},
        {b.result({1, 8, 10, 12}, 0.06f, -128)}, depthwise,
        OPTIONS(CreateDepthwiseConv2DOptions, kSame, 1, 1, 2, kRelu));
  b.add("transpose conv same", wire_op::TRANSPOSE_CONV, 3, {b.ints({1, 16, 20, 4}), up, b.x, b.bias(up)},
        {b.result({1, 16, 20, 4}, 0.07f, 4)}, wire_options::TransposeConvOptions,
        OPTIONS(CreateTransposeConvOptions, kSame, 2, 2));
  b.add("transpose conv valid", wire_op::TRANSPOSE_CONV, 3, {b.ints({1, 17, 21, 4}), up, b.x, b.bias(up)},
        {b.result({1, 17, 21, 4}, 0.07f, 4)}, wire_options::TransposeConvOptions,
        OPTIONS(CreateTransposeConvOptions, kValid, 2, 2));
  const auto pool = wire_options::Pool2DOptions;
  b.add("average pool same", wire_op::AVERAGE_POOL_2D, 2, {b.x}, {b.result({1, 8, 10, 6}, kScale, kZero)},
        pool, OPTIONS(CreatePool2DOptions, kSame, 1, 1, 3, 3, kNone));
  b.add("max pool relu", wire_op::MAX_POOL_2D, 2, {b.x}, {b.result({1, 4, 5, 6}, kScale, kZero)}, pool,
        OPTIONS(CreatePool2DOptions, kValid, 2, 2, 2, 2, kRelu));
}

void add_matrices(Bench& b) {
  const int32_t w = b.weights({7, 16}, 0), plain = b.weights({7, 16}, -1);
  const auto dense = wire_options::FullyConnectedOptions;
  b.add("dense per channel", wire_op::FULLY_CONNECTED, 5, {b.matrix, w, b.bias(w)},
        {b.result({1, 12, 7}, 0.12f, 9)}, dense,
        OPTIONS(CreateFullyConnectedOptions, kNone, wire::FullyConnectedOptionsWeightsFormat::DEFAULT, true));
  b.add("dense per tensor relu", wire_op::FULLY_CONNECTED, 4, {b.matrix, plain, b.bias(plain)},
        {b.result({12, 7}, 0.05f, -128)}, dense, OPTIONS(CreateFullyConnectedOptions, kRelu));
  b.add("dense without bias", wire_op::FULLY_CONNECTED, 6, {b.matrix, plain, -1},
        {b.result({12, 7}, 0.06f, 2)}, dense, OPTIONS(CreateFullyConnectedOptions, kNone));
  b.add("batch matmul", wire_op::BATCH_MATMUL, 2, {b.matrix, b.matrix}, {b.result({1, 12, 12}, 0.4f, -3)},
        wire_options::BatchMatMulOptions, OPTIONS(CreateBatchMatMulOptions, false, true));
}

void add_pointwise(Bench& b) {
  const Shape shape{1, 8, 10, 6};
  const int32_t row = b.weights({1, 1, 1, 6}, -1, 0.02f);
  b.add("add", wire_op::ADD, 2, {b.x, b.y}, {b.result(shape, 0.07f, -4)}, wire_options::AddOptions,
        OPTIONS(CreateAddOptions, kNone));
  b.add("add broadcast relu", wire_op::ADD, 2, {b.x, row}, {b.result(shape, 0.05f, -128)},
        wire_options::AddOptions, OPTIONS(CreateAddOptions, kRelu));
  b.add("sub", wire_op::SUB, 2, {b.x, b.y}, {b.result(shape, 0.06f, 11)}, wire_options::SubOptions,
        OPTIONS(CreateSubOptions, kNone));
  b.add("mul", wire_op::MUL, 2, {b.x, b.y}, {b.result(shape, 0.1f, 6)}, wire_options::MulOptions,
        OPTIONS(CreateMulOptions, kNone));
  b.add("mul broadcast", wire_op::MUL, 2, {b.x, row}, {b.result(shape, 0.09f, 0)}, wire_options::MulOptions,
        OPTIONS(CreateMulOptions, kNone));
  b.add("squared difference", wire_op::SQUARED_DIFFERENCE, 2, {b.x, b.y}, {b.result(shape, 0.3f, -128)},
        wire_options::SquaredDifferenceOptions, OPTIONS(CreateSquaredDifferenceOptions));
  b.add("maximum", wire_op::MAXIMUM, 2, {b.x, b.x}, {b.result(shape, kScale, kZero)},
        wire_options::MaximumMinimumOptions, OPTIONS(CreateMaximumMinimumOptions));
  b.add("prelu", wire_op::PRELU, 1, {b.x, b.weights({1, 1, 6}, -1, 0.005f)}, {b.result(shape, 0.045f, -10)});
  b.add("leaky relu", wire_op::LEAKY_RELU, 1, {b.x}, {b.result(shape, 0.06f, -50)},
        wire_options::LeakyReluOptions, OPTIONS(CreateLeakyReluOptions, 0.1f));
  b.add("relu", wire_op::RELU, 2, {b.x}, {b.result(shape, 0.024f, -128)});
  b.add("relu6", wire_op::RELU6, 2, {b.x}, {b.result(shape, 0.0235f, -128)});
  b.add("logistic", wire_op::LOGISTIC, 2, {b.x}, {b.result(shape, 1 / 256.0f, -128)});
  b.add("tanh", wire_op::TANH, 2, {b.x}, {b.result(shape, 1 / 128.0f, 0)});
  b.add("elu", wire_op::ELU, 1, {b.x}, {b.result(shape, 0.04f, -90)});
  b.add("gelu", wire_op::GELU, 2, {b.x}, {b.result(shape, 0.03f, -100)}, wire_options::GeluOptions,
        OPTIONS(CreateGeluOptions, false));
  b.add("hard swish", wire_op::HARD_SWISH, 1, {b.x}, {b.result(shape, 0.03f, -110)},
        wire_options::HardSwishOptions, OPTIONS(CreateHardSwishOptions));
  b.add("exp", wire_op::EXP, 2, {b.x}, {b.result(shape, 0.5f, -128)}, wire_options::ExpOptions,
        OPTIONS(CreateExpOptions));
  b.add("requantize", wire_op::QUANTIZE, 1, {b.x}, {b.result(shape, 0.08f, -20)},
        wire_options::QuantizeOptions, OPTIONS(CreateQuantizeOptions));
  b.add("to uint8", wire_op::QUANTIZE, 1, {b.x}, {b.result(shape, kScale, kZero + 128, TensorType::UINT8)},
        wire_options::QuantizeOptions, OPTIONS(CreateQuantizeOptions));
  const int32_t real = tiny_tflite::add(b.model, {"real", TensorType::FLOAT32, shape});
  b.add("dequantize", wire_op::DEQUANTIZE, 2, {b.x}, {real}, wire_options::DequantizeOptions,
        OPTIONS(CreateDequantizeOptions));
  b.add("quantize", wire_op::QUANTIZE, 1, {real}, {b.result(shape, 0.033f, 17)},
        wire_options::QuantizeOptions, OPTIONS(CreateQuantizeOptions));
}

void add_reductions(Bench& b) {
  b.add("mean", wire_op::MEAN, 2, {b.x, b.ints({1, 2})}, {b.result({1, 1, 1, 6}, 0.01f, 5)},
        wire_options::ReducerOptions, OPTIONS(CreateReducerOptions, true));
  b.add("mean of the last", wire_op::MEAN, 2, {b.matrix, b.ints({2})}, {b.result({1, 12}, 0.02f, -5)},
        wire_options::ReducerOptions, OPTIONS(CreateReducerOptions, false));
  b.add("sum", wire_op::SUM, 2, {b.matrix, b.ints({2})}, {b.result({1, 12}, 0.3f, -5)},
        wire_options::ReducerOptions, OPTIONS(CreateReducerOptions, false));
  b.add("reduce max", wire_op::REDUCE_MAX, 2, {b.x, b.ints({1, 2})}, {b.result({1, 6}, kScale, kZero)},
        wire_options::ReducerOptions, OPTIONS(CreateReducerOptions, false));
  b.add("softmax", wire_op::SOFTMAX, 2, {b.matrix}, {b.result({1, 12, 16}, 1 / 256.0f, -128)},
        wire_options::SoftmaxOptions, OPTIONS(CreateSoftmaxOptions, 1.0f));
  b.add("arg max", wire_op::ARG_MAX, 2, {b.matrix, b.ints({2}, {})},
        {tiny_tflite::add(b.model, {"arg", TensorType::INT32, {1, 12}})}, wire_options::ArgMaxOptions,
        OPTIONS(CreateArgMaxOptions, TensorType::INT32));
}

void add_shapes(Bench& b) {
  const auto like = [&](Shape shape) { return b.result(std::move(shape), kScale, kZero); };
  const auto reshape = [](Shape shape) -> std::function<flatbuffers::Offset<void>(Builder&)> {
    return [shape](Builder& builder) {
      return wire::CreateReshapeOptions(builder, builder.CreateVector(shape)).Union();
    };
  };
  b.add("reshape", wire_op::RESHAPE, 1, {b.x, b.ints({1, 80, 6})}, {like({1, 80, 6})},
        wire_options::ReshapeOptions, reshape({1, 80, 6}));
  b.add("transpose", wire_op::TRANSPOSE, 2, {b.x, b.ints({0, 3, 1, 2})}, {like({1, 6, 8, 10})},
        wire_options::TransposeOptions, OPTIONS(CreateTransposeOptions));
  b.add("slice", wire_op::SLICE, 2, {b.x, b.ints({0, 1, 2, 0}), b.ints({1, 5, -1, 4})}, {like({1, 5, 8, 4})},
        wire_options::SliceOptions, OPTIONS(CreateSliceOptions));
  b.add("strided slice", wire_op::STRIDED_SLICE, 2,
        {b.x, b.ints({0, 1, 0, 0}), b.ints({1, 8, 10, 6}), b.ints({1, 2, 3, 1})}, {like({1, 4, 4, 6})},
        wire_options::StridedSliceOptions, OPTIONS(CreateStridedSliceOptions, 1, 1));
  b.add("pad", wire_op::PAD, 2, {b.x, b.ints({0, 0, 1, 2, 0, 1, 0, 0}, {4, 2})}, {like({1, 11, 11, 6})},
        wire_options::PadOptions, OPTIONS(CreatePadOptions));
  b.add("mirror pad", wire_op::MIRROR_PAD, 2, {b.x, b.ints({0, 0, 1, 2, 2, 1, 0, 0}, {4, 2})},
        {like({1, 11, 13, 6})}, wire_options::MirrorPadOptions,
        OPTIONS(CreateMirrorPadOptions, wire::MirrorPadMode::REFLECT));
  b.add("concat", wire_op::CONCATENATION, 2, {b.x, b.x}, {like({1, 8, 10, 12})},
        wire_options::ConcatenationOptions, OPTIONS(CreateConcatenationOptions, 3));
  b.add("split", wire_op::SPLIT, 2, {b.ints({3}, {}), b.x}, {like({1, 8, 10, 3}), like({1, 8, 10, 3})},
        wire_options::SplitOptions, OPTIONS(CreateSplitOptions, 2));
  b.add("split v", wire_op::SPLIT_V, 2, {b.x, b.ints({2, 6}), b.ints({1}, {})},
        {like({1, 2, 10, 6}), like({1, 6, 10, 6})}, wire_options::SplitVOptions,
        OPTIONS(CreateSplitVOptions, 2));
  b.add("pack", wire_op::PACK, 2, {b.matrix, b.matrix}, {like({1, 2, 12, 16})}, wire_options::PackOptions,
        OPTIONS(CreatePackOptions, 2, 1));
  b.add("space to depth", wire_op::SPACE_TO_DEPTH, 2, {b.x}, {like({1, 4, 5, 24})},
        wire_options::SpaceToDepthOptions, OPTIONS(CreateSpaceToDepthOptions, 2));
  b.add("depth to space", wire_op::DEPTH_TO_SPACE, 2, {b.x}, {b.result({1, 8, 10, 6}, kScale, kZero)},
        wire_options::DepthToSpaceOptions, OPTIONS(CreateDepthToSpaceOptions, 1));
  b.add("gather", wire_op::GATHER, 2, {b.x, b.ints({3, 0, 3})}, {like({1, 3, 10, 6})},
        wire_options::GatherOptions, OPTIONS(CreateGatherOptions, 1));
  b.add("tile", wire_op::TILE, 3, {b.matrix, b.ints({1, 2, 1})}, {like({1, 24, 16})},
        wire_options::TileOptions, OPTIONS(CreateTileOptions));
  const auto bilinear = wire_options::ResizeBilinearOptions;
  const auto nearest = wire_options::ResizeNearestNeighborOptions;
  b.add("bilinear half pixel", wire_op::RESIZE_BILINEAR, 3, {b.x, b.ints({16, 15})}, {like({1, 16, 15, 6})},
        bilinear, OPTIONS(CreateResizeBilinearOptions, 0, 0, false, true));
  b.add("bilinear", wire_op::RESIZE_BILINEAR, 2, {b.x, b.ints({5, 13})}, {like({1, 5, 13, 6})}, bilinear,
        OPTIONS(CreateResizeBilinearOptions, 0, 0, false, false));
  b.add("bilinear align", wire_op::RESIZE_BILINEAR, 2, {b.x, b.ints({15, 19})}, {like({1, 15, 19, 6})},
        bilinear, OPTIONS(CreateResizeBilinearOptions, 0, 0, true, false));
  b.add("nearest", wire_op::RESIZE_NEAREST_NEIGHBOR, 2, {b.x, b.ints({16, 20})}, {like({1, 16, 20, 6})},
        nearest, OPTIONS(CreateResizeNearestNeighborOptions, false, false));
  b.add("nearest half pixel", wire_op::RESIZE_NEAREST_NEIGHBOR, 3, {b.x, b.ints({5, 13})},
        {like({1, 5, 13, 6})}, nearest, OPTIONS(CreateResizeNearestNeighborOptions, false, true));
}

TEST_CASE("every 8 bit operator computes what LiteRT computes") {
  Bench b;
  b.x = b.result({1, 8, 10, 6}, kScale, kZero);
  b.y = b.result({1, 8, 10, 6}, 0.03f, -7);
  b.matrix = b.result({1, 12, 16}, kScale, kZero);
  b.model.inputs = {b.x, b.y, b.matrix};
  add_windows(b);
  add_matrices(b);
  add_pointwise(b);
  add_reductions(b);
  add_shapes(b);
  constexpr size_t kSamples = 4;
  std::vector<std::string> inputs;
  for (const size_t size : {480, 480, 192})
    inputs.push_back(tiny_tflite::bytes_of(tiny_tflite::random_int8(
        kSamples * size, static_cast<unsigned>(size) + static_cast<unsigned>(inputs.size()), -128, 127)));
  const std::string bytes = tiny_tflite::write(b.model);
  const std::vector<std::string> theirs = run_litert(bytes, inputs, b.model.outputs.size());
  const tflite::file::Model read = tflite::file::parse(bytes, "test.tflite");
  for (const auto rounding : {tflite::kernels::Rounding::kSingle, tflite::kernels::Rounding::kDouble}) {
    const std::vector<std::string> ours = run_ours(bytes, inputs, rounding);
    for (size_t i = 0; i < b.cases.size(); ++i) {
      const ir::DType dtype = read.graphs[0].tensors[static_cast<size_t>(b.model.outputs[i])].dtype;
      const Difference d = difference(theirs[i], ours[i], dtype);
      INFO((rounding == tflite::kernels::Rounding::kSingle ? "once " : "twice ")
           << b.cases[i] << ": " << d.unequal << " of " << d.elements << " differ");
      const bool steps = dtype == ir::DType::kInt8 || dtype == ir::DType::kUint8;
      CHECK(d.largest <= (steps ? 1.0 : 1e-5));
      // XNNPACK's arithmetic is known to the bit (SUM runs on another kernel of TFLite's); of the other
      // rounding a step now and then is to be expected.
      const bool exact = rounding == tflite::kernels::Rounding::kSingle && steps && b.cases[i] != "sum";
      CHECK(d.unequal <= (exact ? 0 : d.elements / 4));
    }
  }
}

TEST_CASE("a whole network is the runtime's to the bit where it rounds once") {
  const std::string bytes = tiny_tflite::write(tiny_tflite::classifier());
  const std::vector<std::string> inputs{
      tiny_tflite::bytes_of(tiny_tflite::random_int8(20 * 192, 5, -128, 127))};
  const std::string theirs = run_litert(bytes, inputs, 1)[0];
  const Difference d =
      difference(theirs, run_ours(bytes, inputs, tflite::kernels::Rounding::kSingle)[0], ir::DType::kInt8);
  CHECK(d.elements == 200);
  CHECK(d.unequal == 0);
}

TEST_CASE("files by TensorFlow's converter compute what LiteRT computes") {
  const char* data = std::getenv("QCONVERT_TEST_DATA");
  if (!data) return;
  const struct {
    const char* name;
    size_t bytes_of_sample;
    ir::DType dtype;
    double largest;
  } cases[] = {{"resnet8_cifar10_int8", 3072, ir::DType::kInt8, 0},
               {"mobilenet_v1_0.25_128_uint8", 49152, ir::DType::kUint8, 2}};
  for (const auto& one : cases) {
    INFO(one.name);
    const std::string bytes = read_file(format("{}/models/reference-tflite/{}.tflite", data, one.name));
    const std::vector<std::string> inputs{
        tiny_tflite::bytes_of(tiny_tflite::random_int8(4 * one.bytes_of_sample, 9, -128, 127))};
    const Difference d =
        difference(run_litert(bytes, inputs, 1)[0],
                   run_ours(bytes, inputs, tflite::kernels::Rounding::kSingle)[0], one.dtype);
    CHECK(d.largest <= one.largest);
  }
}

TEST_CASE("a file that the runtime cannot allocate is a failure, whatever it returns") {
  Model model = tiny_tflite::classifier();
  model.ops[0].inputs.pop_back();  // CONV_2D without a bias, which TFLite refuses
  const TemporaryFile file(".tflite"), input(".in");
  write_file_atomically(file.path(), tiny_tflite::write(model));
  write_file_atomically(input.path(), tiny_tflite::bytes_of(tiny_tflite::random_int8(192, 5)));
  const std::string command = format("node '{}/litert/run.mjs' '{}' '{}' > /dev/null 2>&1", QCONVERT_TESTS,
                                     file.path().string(), input.path().string());
  CHECK(std::system(command.c_str()) != 0);
}

}  // namespace
}  // namespace qc
