// Tools that the kernels share; see kernels.h.
#include "tflite/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace qc::tflite::kernels {
namespace {

template <typename T>
void widen(const Value& value, std::vector<int64_t>& to) {
  for (const T x : value.as<T>()) to.push_back(x);
}

// Two a byte, the first in the low half.
void widen_4_bits(const Value& value, std::vector<int64_t>& to) {
  for (int64_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<unsigned char>(value.bytes[i / 2]);
    const int half = i % 2 == 0 ? byte & 0xf : byte >> 4;
    to.push_back(half < 8 ? half : half - 16);
  }
}

template <typename T>
void narrow(Value& value, std::span<const int32_t> from) {
  std::transform(from.begin(), from.end(), value.out<T>().begin(),
                 [](int32_t x) { return static_cast<T>(x); });
}

}  // namespace

void refuse(const Call& call, const std::string& cause) {
  throw Error(
      Exit::kUnsupported,
      {"tflite-arithmetic", call.place, cause,
       "run this file in LiteRT itself; the model of its arithmetic covers int8, int16x8 and float files"});
}

void require(const Call& call, bool holds, const char* what) {
  if (!holds)
    throw Error(Exit::kInput, {"tflite-shapes", call.place, what,
                               "the file is damaged: write it again with its converter"});
}

void require_inputs(const Call& call, size_t count) {
  require(call, call.in.size() >= count && !call.out.empty(), "inputs or outputs are missing");
  for (size_t i = 0; i < count; ++i)
    require(call, call.in[i] != nullptr, "an input that it needs is not given");
}

bool is_8_bit(const Value& value) {
  return value.dtype() == ir::DType::kInt8 || value.dtype() == ir::DType::kUint8;
}
bool is_narrow(const Value& value) {
  return is_8_bit(value) || value.dtype() == ir::DType::kInt4;
}
bool is_float(const Value& value) {
  return value.dtype() == ir::DType::kFloat;
}

bool all_8_bit(const Call& call, size_t inputs) {
  const auto good = [](const Value& value) { return is_8_bit(value) && !value.about->scales.empty(); };
  for (size_t i = 0; i < inputs; ++i) {
    if (!good(*call.in[i])) return false;
  }
  return good(*call.out[0]);
}

std::vector<int16_t> centered(const Value& value) {
  std::vector<int16_t> result(value.size());
  const auto zero = static_cast<int16_t>(value.zero_point());
  const auto shift = [&](auto from) {
    std::transform(from.begin(), from.end(), result.begin(),
                   [&](auto q) { return static_cast<int16_t>(q - zero); });
  };
  if (value.dtype() == ir::DType::kInt4) {
    shift(integers(value));
    return result;
  }
  value.dtype() == ir::DType::kInt8 ? shift(value.as<int8_t>()) : shift(value.as<uint8_t>());
  return result;
}

std::vector<int64_t> integers(const Value& value) {
  std::vector<int64_t> result;
  result.reserve(value.size());
  switch (value.dtype()) {
    case ir::DType::kInt8:
      widen<int8_t>(value, result);
      break;
    case ir::DType::kUint8:
    case ir::DType::kBool:
      widen<uint8_t>(value, result);
      break;
    case ir::DType::kInt16:
      widen<int16_t>(value, result);
      break;
    case ir::DType::kInt32:
      widen<int32_t>(value, result);
      break;
    case ir::DType::kInt64:
      widen<int64_t>(value, result);
      break;
    case ir::DType::kInt4:
      widen_4_bits(value, result);
      break;
    default:
      break;
  }
  return result;
}

std::vector<double> numbers(const Call& call, const Value& value) {
  std::vector<double> result;
  if (is_float(value)) {
    const auto floats = value.as<float>();
    result.assign(floats.begin(), floats.end());
  } else {
    const std::vector<int64_t> stored = integers(value);
    result.assign(stored.begin(), stored.end());
  }
  require(call, std::ssize(result) == value.size(), "a type that is not known here");
  return result;
}

std::vector<float> reals_of(const Value& value) {
  const file::Tensor& about = *value.about;
  const std::vector<int64_t> q = integers(value);
  if (about.scales.empty()) return {};
  int64_t inner = 1;
  if (about.scales.size() > 1) {
    for (size_t i = static_cast<size_t>(about.axis) + 1; i < about.shape.size(); ++i) inner *= about.shape[i];
  }
  std::vector<float> reals(q.size());
  for (size_t i = 0; i < reals.size(); ++i) {
    const size_t channel =
        static_cast<size_t>(static_cast<int64_t>(i) / std::max<int64_t>(1, inner)) % about.scales.size();
    reals[i] = about.scales[channel] * static_cast<float>(q[i] - about.zero_points[channel]);
  }
  return reals;
}

int64_t lowest(const Value& value) {
  return value.dtype() == ir::DType::kInt8 ? -128 : value.dtype() == ir::DType::kInt16 ? -32768 : 0;
}
int64_t highest(const Value& value) {
  return value.dtype() == ir::DType::kInt8 ? 127 : value.dtype() == ir::DType::kInt16 ? 32767 : 255;
}

void store(Value& value, std::span<const int32_t> from) {
  switch (value.dtype()) {
    case ir::DType::kInt8:
      return narrow<int8_t>(value, from);
    case ir::DType::kUint8:
    case ir::DType::kBool:
      return narrow<uint8_t>(value, from);
    case ir::DType::kInt16:
      return narrow<int16_t>(value, from);
    case ir::DType::kInt32:
      return narrow<int32_t>(value, from);
    case ir::DType::kInt64:
      return narrow<int64_t>(value, from);
    default:
      return;
  }
}

Bounds integer_bounds(const Call& call) {
  const Value& out = *call.out[0];
  const std::string fused = file::text_option(call.op, "fused_activation_function", "NONE");
  const auto integer = [&](float real) {
    constexpr float kFar = 1e6f;  // beyond any 8 bits, whatever the scale
    return out.zero_point() + static_cast<int32_t>(std::clamp(std::round(real / out.scale()), -kFar, kFar));
  };
  Bounds bounds{static_cast<int32_t>(lowest(out)), static_cast<int32_t>(highest(out))};
  if (fused == "NONE") return bounds;
  if (fused != "RELU" && fused != "RELU6" && fused != "RELU_N1_TO_1")
    refuse(call, "fused activation " + fused);
  bounds.low = std::max(bounds.low, integer(fused == "RELU_N1_TO_1" ? -1.0f : 0.0f));
  if (fused == "RELU6") bounds.high = std::min(bounds.high, integer(6.0f));
  if (fused == "RELU_N1_TO_1") bounds.high = std::min(bounds.high, integer(1.0f));
  return bounds;
}

FloatBounds float_bounds(const Call& call) {
  constexpr float kFree = std::numeric_limits<float>::infinity();
  const std::string fused = file::text_option(call.op, "fused_activation_function", "NONE");
  if (fused == "RELU") return {0, kFree};
  if (fused == "RELU6") return {0, 6};
  if (fused == "RELU_N1_TO_1") return {-1, 1};
  if (fused != "NONE") refuse(call, "fused activation " + fused);
  return {-kFree, kFree};
}

int64_t whole(float x) {
  constexpr float kFar = 1e6f;
  return std::isnan(x) ? 0 : static_cast<int64_t>(std::clamp(std::round(x), -kFar, kFar));
}

int32_t within(int64_t integer, int32_t zero_point, Bounds bounds) {
  return static_cast<int32_t>(std::clamp<int64_t>(integer + zero_point, bounds.low, bounds.high));
}

size_t axis_of(const Call& call, int64_t axis, size_t rank) {
  const auto limit = static_cast<int64_t>(rank);
  require(call, axis >= -limit && axis < limit, "its axis is outside the rank");
  return static_cast<size_t>(axis < 0 ? axis + limit : axis);
}

std::vector<int64_t> strides_of(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::vector<int64_t> broadcast_index(const Call& call, const Value& value) {
  const auto &out = call.out[0]->shape(), &in = value.shape();
  require(call, in.size() <= out.size(), "its shapes do not fit");
  const std::vector<int64_t> dense = strides_of(in);
  std::vector<int64_t> strides(out.size(), 0), counter(out.size(), 0);
  for (size_t i = 1; i <= in.size(); ++i) {
    const int64_t size = in[in.size() - i];
    require(call, size == 1 || size == out[out.size() - i], "its shapes do not fit");
    if (size != 1) strides[out.size() - i] = dense[in.size() - i];
  }
  std::vector<int64_t> index(call.out[0]->size());
  int64_t at = 0;
  for (int64_t& entry : index) {
    entry = at;
    for (size_t d = out.size(); d-- > 0;) {
      at += strides[d];
      if (++counter[d] < out[d]) break;
      at -= strides[d] * out[d];
      counter[d] = 0;
    }
  }
  return index;
}

void copy_strided(const char* from, std::span<const int64_t> from_strides, char* to,
                  std::span<const int64_t> to_strides, std::span<const int64_t> shape, size_t width) {
  const auto step = static_cast<int64_t>(width);
  if (shape.empty()) {
    std::copy_n(from, width, to);
    return;
  }
  if (shape.size() == 1) {
    for (int64_t i = 0; i < shape[0]; ++i)
      std::copy_n(from + i * from_strides[0] * step, width, to + i * to_strides[0] * step);
    return;
  }
  for (int64_t i = 0; i < shape[0]; ++i)
    copy_strided(from + i * from_strides[0] * step, from_strides.subspan(1), to + i * to_strides[0] * step,
                 to_strides.subspan(1), shape.subspan(1), width);
}

}  // namespace qc::tflite::kernels
