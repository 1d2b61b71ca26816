// A constant tensor: type, shape, shared immutable bytes (row-major, little-endian, as ONNX raw_data).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace qc::ir {

/// Numbered as onnx.TensorProto.DataType, so that types we do not compute with ride along unchanged.
enum class DType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kUint4 = 21,
  kInt4 = 22,
};

/// Bits of one element: 4 for the packed types, 0 for strings and unknown types.
int bits_of(DType type);
/// "float32", "int8", ...: the names used in reports and dumps.
const char* name_of(DType type);

/// The product of all dimensions, which are known: 1 for a scalar.
int64_t element_count(std::span<const int64_t> dims);

struct Tensor {
  DType dtype = DType::kUndefined;
  std::vector<int64_t> dims;  // rank 0: a scalar
  std::shared_ptr<const std::string>
      bytes;                 // never null for a constant that was read; packed for 4-bit types
  std::string opaque_proto;  // strings and other types without raw bytes: the serialized TensorProto

  int64_t size() const { return element_count(dims); }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes->data()), bytes->size() / sizeof(T)};
  }
};

/// `values.size()` must equal the product of dims.
Tensor make_tensor(std::span<const float> values, std::vector<int64_t> dims);
Tensor make_tensor(std::span<const int64_t> values, std::vector<int64_t> dims);
Tensor make_tensor(std::span<const int32_t> values, std::vector<int64_t> dims);
Tensor make_tensor(std::span<const int8_t> values, std::vector<int64_t> dims);
Tensor make_tensor(std::span<const uint8_t> values, std::vector<int64_t> dims);
Tensor make_tensor(DType type, std::string raw_bytes, std::vector<int64_t> dims);
/// All bits zero; free dimensions are 1.
Tensor zeros(DType type, std::vector<int64_t> dims);
Tensor scalar(float value);
Tensor scalar(int64_t value);

/// float16 or bfloat16: runners take and give float32 for these.
constexpr bool is_half(DType type) {
  return type == DType::kFloat16 || type == DType::kBfloat16;
}

/// Same type, shape and bytes.
bool equal(const Tensor& a, const Tensor& b);

}  // namespace qc::ir
