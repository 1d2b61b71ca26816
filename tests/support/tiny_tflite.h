// Small TFLite files built in code, straight on the schema and without the house's writer: the reader and the
// model of the arithmetic are tried on these, so that a fault that writer and reader share cannot hide.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tflite/wire.h"

namespace qc::tiny_tflite {

namespace wire = tflite::wire;
using Builder = flatbuffers::FlatBufferBuilder;

struct Tensor {
  std::string name;
  wire::TensorType type = wire::TensorType::INT8;
  std::vector<int32_t> shape{};
  std::vector<float> scales{};
  std::vector<int64_t> zero_points{};  // as many as scales
  int32_t axis = 0;
  std::string data{};  // empty: computed at run time
};

struct Op {
  wire::BuiltinOperator code = wire::BuiltinOperator::ADD;
  int version = 1;
  std::vector<int32_t> inputs, outputs;
  wire::BuiltinOptions options_type = wire::BuiltinOptions::NONE;
  std::function<flatbuffers::Offset<void>(Builder&)> options{};
};

struct Model {
  std::vector<Tensor> tensors;
  std::vector<Op> ops;
  std::vector<int32_t> inputs, outputs;
};

/// Appends and returns the index.
int32_t add(Model& model, Tensor tensor);
void add(Model& model, Op op);

std::string bytes_of(const std::vector<int8_t>& values);
std::string bytes_of(const std::vector<int32_t>& values);
std::string bytes_of(const std::vector<float>& values);

/// The same integers on every machine for the same seed.
std::vector<int8_t> random_int8(size_t count, unsigned seed, int low = -127, int high = 127);

/// The file, with a signature whose ports have the tensors' names.
std::string write(const Model& model);

/// A CONV_2D with RELU6, an AVERAGE_POOL_2D, a RESHAPE, a FULLY_CONNECTED and a SOFTMAX on int8 [1,8,8,3]: 10
/// classes.
Model classifier();

}  // namespace qc::tiny_tflite
