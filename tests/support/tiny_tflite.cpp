#include "support/tiny_tflite.h"

#include <random>

namespace qc::tiny_tflite {
namespace {

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

flatbuffers::Offset<wire::Tensor> write_tensor(Builder& b, const Tensor& tensor, uint32_t buffer) {
  flatbuffers::Offset<wire::QuantizationParameters> params;
  if (!tensor.scales.empty()) {
    const auto scale = b.CreateVector(tensor.scales);
    const auto zero_point = b.CreateVector(tensor.zero_points);
    params = wire::CreateQuantizationParameters(b, 0, 0, scale, zero_point, wire::QuantizationDetails::NONE,
                                                0, tensor.axis);
  }
  const auto shape = b.CreateVector(tensor.shape);
  const auto name = b.CreateString(tensor.name);
  return wire::CreateTensor(b, shape, tensor.type, buffer, name, params);
}

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<wire::TensorMap>>> write_ports(
    Builder& b, const Model& model, const std::vector<int32_t>& ids) {
  std::vector<flatbuffers::Offset<wire::TensorMap>> ports;
  for (const int32_t id : ids)
    ports.push_back(
        wire::CreateTensorMapDirect(b, model.tensors[id].name.c_str(), static_cast<uint32_t>(id)));
  return b.CreateVector(ports);
}

}  // namespace

int32_t add(Model& model, Tensor tensor) {
  model.tensors.push_back(std::move(tensor));
  return static_cast<int32_t>(model.tensors.size()) - 1;
}
void add(Model& model, Op op) {
  model.ops.push_back(std::move(op));
}

std::string bytes_of(const std::vector<int8_t>& values) {
  return raw(values);
}
std::string bytes_of(const std::vector<int32_t>& values) {
  return raw(values);
}
std::string bytes_of(const std::vector<float>& values) {
  return raw(values);
}

std::vector<int8_t> random_int8(size_t count, unsigned seed, int low, int high) {
  std::mt19937 engine(seed);
  std::vector<int8_t> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(
        static_cast<int8_t>(low + static_cast<int>(engine() % static_cast<unsigned>(high - low + 1))));
  return values;
}

std::string write(const Model& model) {
  Builder b;
  std::vector<flatbuffers::Offset<wire::Buffer>> buffers{wire::CreateBuffer(b)};
  std::vector<flatbuffers::Offset<wire::Tensor>> tensors;
  for (const Tensor& tensor : model.tensors) {
    uint32_t buffer = 0;
    if (!tensor.data.empty()) {
      b.ForceVectorAlignment(tensor.data.size(), 1, 16);
      const auto data =
          b.CreateVector(reinterpret_cast<const uint8_t*>(tensor.data.data()), tensor.data.size());
      buffer = static_cast<uint32_t>(buffers.size());
      buffers.push_back(wire::CreateBuffer(b, data));
    }
    tensors.push_back(write_tensor(b, tensor, buffer));
  }
  std::vector<flatbuffers::Offset<wire::OperatorCode>> codes;
  std::vector<flatbuffers::Offset<wire::Operator>> ops;
  for (const Op& op : model.ops) {
    const auto number = static_cast<int32_t>(op.code);
    const auto inputs = b.CreateVector(op.inputs), outputs = b.CreateVector(op.outputs);
    const auto options = op.options ? op.options(b) : flatbuffers::Offset<void>();
    ops.push_back(wire::CreateOperator(b, static_cast<uint32_t>(codes.size()), inputs, outputs,
                                       op.options_type, options));
    codes.push_back(
        wire::CreateOperatorCode(b, static_cast<int8_t>(std::min(number, 127)), 0, op.version, op.code));
  }
  const auto graph =
      wire::CreateSubGraph(b, b.CreateVector(tensors), b.CreateVector(model.inputs),
                           b.CreateVector(model.outputs), b.CreateVector(ops), b.CreateString("main"));
  const auto inputs = write_ports(b, model, model.inputs), outputs = write_ports(b, model, model.outputs);
  const auto signature = wire::CreateSignatureDef(b, inputs, outputs, b.CreateString("serving_default"));
  const auto description = b.CreateString("a tiny model");
  const auto all_codes = b.CreateVector(codes);
  const auto graphs = b.CreateVector(&graph, 1);
  const auto all_buffers = b.CreateVector(buffers);
  const auto signatures = b.CreateVector(&signature, 1);
  wire::FinishModelBuffer(
      b, wire::CreateModel(b, 3, all_codes, graphs, description, all_buffers, 0, 0, signatures));
  return {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()};
}

Model classifier() {
  using wire::BuiltinOperator;
  using wire::TensorType;
  Model m;
  const int32_t image = add(m, {"image", TensorType::INT8, {1, 8, 8, 3}, {1 / 128.0f}, {0}});
  const int32_t filter = add(m, {"conv/filter",
                                 TensorType::INT8,
                                 {4, 3, 3, 3},
                                 {0.01f, 0.012f, 0.008f, 0.02f},
                                 {0, 0, 0, 0},
                                 0,
                                 bytes_of(random_int8(4 * 27, 1))});
  const int32_t bias = add(m, {"conv/bias",
                               TensorType::INT32,
                               {4},
                               {0.01f / 128, 0.012f / 128, 0.008f / 128, 0.02f / 128},
                               {0, 0, 0, 0},
                               0,
                               bytes_of(std::vector<int32_t>{100, -200, 3000, 0})});
  const int32_t conv = add(m, {"conv", TensorType::INT8, {1, 4, 4, 4}, {6 / 255.0f}, {-128}});
  add(m, {BuiltinOperator::CONV_2D,
          3,
          {image, filter, bias},
          {conv},
          wire::BuiltinOptions::Conv2DOptions,
          [](Builder& b) {
            return wire::CreateConv2DOptions(b, wire::Padding::SAME, 2, 2,
                                             wire::ActivationFunctionType::RELU6)
                .Union();
          }});
  const int32_t pool = add(m, {"pool", TensorType::INT8, {1, 2, 2, 4}, {6 / 255.0f}, {-128}});
  add(m, {BuiltinOperator::AVERAGE_POOL_2D,
          2,
          {conv},
          {pool},
          wire::BuiltinOptions::Pool2DOptions,
          [](Builder& b) { return wire::CreatePool2DOptions(b, wire::Padding::VALID, 2, 2, 2, 2).Union(); }});
  const int32_t shape =
      add(m, {"shape", TensorType::INT32, {2}, {}, {}, 0, bytes_of(std::vector<int32_t>{1, 16})});
  const int32_t flat = add(m, {"flat", TensorType::INT8, {1, 16}, {6 / 255.0f}, {-128}});
  add(m, {BuiltinOperator::RESHAPE,
          1,
          {pool, shape},
          {flat},
          wire::BuiltinOptions::ReshapeOptions,
          [](Builder& b) {
            return wire::CreateReshapeOptions(b, b.CreateVector(std::vector<int32_t>{1, 16})).Union();
          }});
  const int32_t weights =
      add(m, {"dense/weights", TensorType::INT8, {10, 16}, {0.015f}, {0}, 0, bytes_of(random_int8(160, 2))});
  const int32_t offsets = add(m, {"dense/bias",
                                  TensorType::INT32,
                                  {10},
                                  {0.015f * 6 / 255},
                                  {0},
                                  0,
                                  bytes_of(std::vector<int32_t>(10, 50))});
  const int32_t logits = add(m, {"logits", TensorType::INT8, {1, 10}, {0.1f}, {5}});
  add(m, {BuiltinOperator::FULLY_CONNECTED,
          4,
          {flat, weights, offsets},
          {logits},
          wire::BuiltinOptions::FullyConnectedOptions,
          [](Builder& b) { return wire::CreateFullyConnectedOptions(b).Union(); }});
  const int32_t scores = add(m, {"scores", TensorType::INT8, {1, 10}, {1 / 256.0f}, {-128}});
  add(m,
      {BuiltinOperator::SOFTMAX, 2, {logits}, {scores}, wire::BuiltinOptions::SoftmaxOptions, [](Builder& b) {
         return wire::CreateSoftmaxOptions(b, 1.0f).Union();
       }});
  m.inputs = {image};
  m.outputs = {scores};
  return m;
}

}  // namespace qc::tiny_tflite
