// Any TFLite file as plain structs, whoever wrote it: operators, tensors, quantization, buffers, and whose
// every byte of the file is. What is read has been checked, so that nobody behind this needs to: indices lie
// inside their lists, data has the size that its tensor's type and shape ask for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/tensor.h"

namespace qc::tflite::file {

using TensorId = int32_t;  // index into Graph::tensors
inline constexpr TensorId kAbsent = -1;

struct Tensor {
  std::string name;
  std::string type;  // as the schema calls it: "INT8", "FLOAT32"; "type 77" if it does not know
  ir::DType dtype = ir::DType::kUndefined;  // undefined: a type without a counterpart in ONNX
  std::vector<int64_t> dims;                // -1: not fixed
  std::vector<int64_t> shape;               // as dims, but what a runtime starts with: 1 where not fixed
  std::vector<float> scales;                // empty: not quantized; one, or one an index of dimension `axis`
  std::vector<int64_t> zero_points;         // as many as scales
  int64_t axis = 0;
  bool other_quantization = false;  // blockwise or custom: scales say nothing
  bool sparse = false, variable = false;
  uint32_t buffer = 0;    // index into Model::buffers; 0: none
  std::string_view data;  // little-endian, row-major; empty: computed at run time
};

using OptionValue = std::variant<int64_t, double, std::vector<int64_t>, std::string>;

struct Operator {
  std::string op;  // "CONV_2D"; "CUSTOM:name"; "operator 205" if the schema has no name for it
  int version = 1;
  std::vector<TensorId> inputs, outputs;  // inputs may be kAbsent
  // By the schema's field names, those that the file states: what it leaves out has the schema's default.
  std::vector<std::pair<std::string, OptionValue>> options;
};

struct Graph {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<TensorId> inputs, outputs;
  std::vector<Operator> operators;  // in order of execution
};

struct Signature {
  std::string key;
  uint32_t graph = 0;
  std::vector<std::pair<std::string, TensorId>> inputs, outputs;
};

/// A run of the file's bytes and what it is for. `tensor`: index in the first graph that owns it, or kAbsent.
struct Claim {
  std::string kind;  // "weights", "bias", "constants", "scales", "zero points", "ranges", "names", "shapes",
                     // "metadata", "graph" (tables and lists of operators), "padding" (alignment, and what
                     // nobody refers to)
  TensorId tensor = kAbsent;
  int64_t bytes = 0;
};

struct Model {
  std::shared_ptr<const std::string> bytes;  // the file; every string_view above points into it
  std::string description;
  std::vector<Graph> graphs;  // at least one; the first is the model
  std::vector<Signature> signatures;
  std::vector<std::pair<std::string, std::string_view>> metadata;
  std::vector<std::string_view> buffers;
  std::vector<Claim> claims;  // one a (kind, tensor), sums to bytes->size()
};

/// Throws Error(kInput) naming file, tensor or operator, the cause and a remedy; all faults of a readable
/// file at once.
Model read(const std::filesystem::path& path);
/// The same from bytes; `place` stands for the file in problems.
Model parse(std::string bytes, const std::string& place);

/// Whether bytes 4 to 7 say that this is a TFLite file.
bool looks_like_tflite(std::string_view bytes);

/// An option of an operator, or what the schema says where the file does not.
int64_t int_option(const Operator& op, std::string_view name, int64_t fallback = 0);
double float_option(const Operator& op, std::string_view name, double fallback = 0);
/// A field of an enumeration, by the schema's name for its value: "SAME", "RELU6".
std::string text_option(const Operator& op, std::string_view name, const char* fallback = "");

}  // namespace qc::tflite::file
