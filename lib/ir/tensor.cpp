// See tensor.h.
#include "ir/tensor.h"

#include <cstring>

namespace qc::ir {
namespace {

template <typename T>
Tensor from_values(DType type, std::span<const T> values, std::vector<int64_t> dims) {
  std::string raw(values.size_bytes(), '\0');
  if (!values.empty()) std::memcpy(raw.data(), values.data(), raw.size());
  return make_tensor(type, std::move(raw), std::move(dims));
}

}  // namespace

int bits_of(DType type) {
  switch (type) {
    case DType::kUint4:
    case DType::kInt4:
      return 4;
    case DType::kUint8:
    case DType::kInt8:
    case DType::kBool:
      return 8;
    case DType::kUint16:
    case DType::kInt16:
    case DType::kFloat16:
    case DType::kBfloat16:
      return 16;
    case DType::kFloat:
    case DType::kInt32:
    case DType::kUint32:
      return 32;
    case DType::kInt64:
    case DType::kUint64:
    case DType::kDouble:
    case DType::kComplex64:
      return 64;
    case DType::kComplex128:
      return 128;
    default:
      return 0;
  }
}

const char* name_of(DType type) {
  switch (type) {
    case DType::kFloat:
      return "float32";
    case DType::kUint8:
      return "uint8";
    case DType::kInt8:
      return "int8";
    case DType::kUint16:
      return "uint16";
    case DType::kInt16:
      return "int16";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
    case DType::kString:
      return "string";
    case DType::kBool:
      return "bool";
    case DType::kFloat16:
      return "float16";
    case DType::kDouble:
      return "float64";
    case DType::kUint32:
      return "uint32";
    case DType::kUint64:
      return "uint64";
    case DType::kComplex64:
      return "complex64";
    case DType::kComplex128:
      return "complex128";
    case DType::kBfloat16:
      return "bfloat16";
    case DType::kUint4:
      return "uint4";
    case DType::kInt4:
      return "int4";
    default:
      return "unknown";
  }
}

int64_t element_count(std::span<const int64_t> dims) {
  int64_t count = 1;
  for (const int64_t d : dims) count *= d;
  return count;
}

Tensor make_tensor(DType type, std::string raw_bytes, std::vector<int64_t> dims) {
  return {type, std::move(dims), std::make_shared<const std::string>(std::move(raw_bytes)), {}};
}
Tensor make_tensor(std::span<const float> v, std::vector<int64_t> dims) {
  return from_values(DType::kFloat, v, std::move(dims));
}
Tensor make_tensor(std::span<const int64_t> v, std::vector<int64_t> dims) {
  return from_values(DType::kInt64, v, std::move(dims));
}
Tensor make_tensor(std::span<const int32_t> v, std::vector<int64_t> dims) {
  return from_values(DType::kInt32, v, std::move(dims));
}
Tensor make_tensor(std::span<const int8_t> v, std::vector<int64_t> dims) {
  return from_values(DType::kInt8, v, std::move(dims));
}
Tensor make_tensor(std::span<const uint8_t> v, std::vector<int64_t> dims) {
  return from_values(DType::kUint8, v, std::move(dims));
}
Tensor zeros(DType type, std::vector<int64_t> dims) {
  for (int64_t& dim : dims)
    if (dim < 0) dim = 1;
  const int64_t bytes = (element_count(dims) * bits_of(type) + 7) / 8;
  return make_tensor(type, std::string(static_cast<size_t>(bytes), '\0'), std::move(dims));
}

Tensor scalar(float value) {
  return make_tensor(std::span<const float>(&value, 1), {});
}
Tensor scalar(int64_t value) {
  return make_tensor(std::span<const int64_t>(&value, 1), {});
}

bool equal(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.dims != b.dims || a.opaque_proto != b.opaque_proto) return false;
  if (!a.bytes || !b.bytes) return a.bytes == b.bytes;
  return a.bytes == b.bytes || *a.bytes == *b.bytes;
}

}  // namespace qc::ir
