// TFLite's operators as functions on plain values: a model of what a runtime computes, to judge a file
// without one. 8 bit integers are exact by their kernels' formulas; float32 is computed in the obvious way;
// 16 bit integers are computed in float32 and rounded (wide.h). Private to this room.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tflite/arithmetic.h"
#include "tflite/read.h"

namespace qc::tflite::kernels {

/// A tensor while the model runs. `about` holds type, shape and scales; `bytes` as many as those ask for.
struct Value {
  const file::Tensor* about = nullptr;
  std::string own;         // of a value that was computed
  std::string_view bytes;  // of `own`, or of the file

  const std::vector<int64_t>& shape() const { return about->shape; }
  int64_t size() const { return ir::element_count(about->shape); }
  ir::DType dtype() const { return about->dtype; }
  float scale() const { return about->scales.empty() ? 1.0f : about->scales[0]; }
  int32_t zero_point() const {
    return about->zero_points.empty() ? 0 : static_cast<int32_t>(about->zero_points[0]);
  }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  /// For kernels to write; only of values that are computed.
  template <typename T>
  std::span<T> out() {
    return {reinterpret_cast<T*>(own.data()), own.size() / sizeof(T)};
  }
};

struct Call {
  const file::Operator& op;
  std::string place;             // "model.tflite: operator 3 (CONV_2D)"
  std::vector<const Value*> in;  // null: not given
  std::vector<Value*> out;       // shapes are the file's, bytes are zeros
  Rounding rounding = Rounding::kDouble;
};

using Kernel = void (*)(const Call&);
struct KernelRow {
  std::string_view op;
  Kernel run;
};
/// The tables of the files; an op stands in one of them.
std::span<const KernelRow> window_kernels();
std::span<const KernelRow> matrix_kernels();
std::span<const KernelRow> binary_kernels();
std::span<const KernelRow> unary_kernels();
std::span<const KernelRow> logic_kernels();
std::span<const KernelRow> reduction_kernels();
std::span<const KernelRow> shape_kernels();
std::span<const KernelRow> resize_kernels();

// --- tools for kernels

/// Throws Error(kUnsupported) naming the operator.
[[noreturn]] void refuse(const Call& call, const std::string& cause);
/// Throws Error(kInput): the file's shapes do not fit the operator.
void require(const Call& call, bool holds, const char* what);
/// At least `count` inputs that are given, and one output.
void require_inputs(const Call& call, size_t count);

bool is_8_bit(const Value& value);
/// Weights of 8 bits or of 4.
bool is_narrow(const Value& value);
bool is_float(const Value& value);
/// Type and quantization are what integer kernels of 8 bits take: a scale for each.
bool all_8_bit(const Call& call, size_t inputs);

/// q - zero_point of a value of 8 or 4 bits, per tensor.
std::vector<int16_t> centered(const Value& value);
/// Integers of any integer type.
std::vector<int64_t> integers(const Value& value);
/// Floats or integers as they are stored, whatever they mean; refuses values of other types.
std::vector<double> numbers(const Call& call, const Value& value);
/// What quantized integers mean, with a scale for each channel or one for all; empty for other types.
std::vector<float> reals_of(const Value& value);
int64_t lowest(const Value& value);
int64_t highest(const Value& value);
/// Writes integers that fit into the type.
void store(Value& value, std::span<const int32_t> integers);

struct Bounds {
  int32_t low = 0, high = 0;
};
/// Of the output's integers, with the fused activation.
Bounds integer_bounds(const Call& call);
/// round(x), halves away from 0, within what any 8 bits can need; 0 for what is not a number.
int64_t whole(float x);
/// integer + zero_point, held within the bounds.
int32_t within(int64_t integer, int32_t zero_point, Bounds bounds);
struct FloatBounds {
  float low = 0, high = 0;
};
FloatBounds float_bounds(const Call& call);

/// Axis counted from the front; requires it to be within the rank.
size_t axis_of(const Call& call, int64_t axis, size_t rank);
std::vector<int64_t> strides_of(std::span<const int64_t> shape);
/// For every element of the output where it stands in the value; dimensions of size 1 repeat.
std::vector<int64_t> broadcast_index(const Call& call, const Value& value);

/// Copies `shape` elements of `width` bytes between two arrays of any strides (in elements; 0 repeats).
void copy_strided(const char* from, std::span<const int64_t> from_strides, char* to,
                  std::span<const int64_t> to_strides, std::span<const int64_t> shape, size_t width);

}  // namespace qc::tflite::kernels
