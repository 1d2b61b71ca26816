// See wide.h.
#include "tflite/wide.h"

#include <algorithm>
#include <cmath>

namespace qc::tflite::kernels {
namespace {

bool is_quantized(const Value& value) {
  return !value.about->scales.empty() && !is_float(value);
}

// The same tensor in float32.
file::Tensor float_twin(const file::Tensor& of) {
  file::Tensor twin = of;
  twin.type = "FLOAT32";
  twin.dtype = ir::DType::kFloat;
  twin.scales.clear();
  twin.zero_points.clear();
  twin.data = {};
  return twin;
}

std::string bytes_of(const std::vector<float>& reals) {
  return {reinterpret_cast<const char*>(reals.data()), reals.size() * sizeof(float)};
}

void round_to(Value& out, std::span<const float> reals) {
  const double scale = out.scale();
  const auto low = static_cast<double>(lowest(out)), high = static_cast<double>(highest(out));
  std::vector<int32_t> integers;
  integers.reserve(reals.size());
  for (const float x : reals) {
    const double q = std::round(static_cast<double>(x) / scale) + out.zero_point();
    integers.push_back(std::isnan(x) ? out.zero_point() : static_cast<int32_t>(std::clamp(q, low, high)));
  }
  store(out, integers);
}

}  // namespace

bool computes_wide(const Call& call, bool moves) {
  if (moves || call.op.op == "DEQUANTIZE" || call.op.op == "CAST") return false;
  const auto wide = [](const Value* value) {
    return value && value->dtype() == ir::DType::kInt16 && is_quantized(*value);
  };
  return std::any_of(call.in.begin(), call.in.end(), wide) ||
         std::any_of(call.out.begin(), call.out.end(), wide);
}

void run_wide(const Call& call, Kernel kernel) {
  // Twins first, all of them, so that none moves while the kernel looks at it.
  std::vector<file::Tensor> abouts;
  std::vector<Value> twins;
  abouts.reserve(call.in.size() + call.out.size());
  twins.reserve(call.in.size() + call.out.size());
  const auto twin_of = [&](const Value& value) {
    abouts.push_back(float_twin(*value.about));
    twins.push_back({&abouts.back(), {}, {}});
    return &twins.back();
  };
  Call real{call.op, call.place, call.in, call.out, call.rounding};
  for (const Value*& input : real.in) {
    if (!input || !is_quantized(*input)) continue;
    Value* twin = twin_of(*input);
    twin->own = bytes_of(reals_of(*input));
    twin->bytes = twin->own;
    input = twin;
  }
  for (Value*& output : real.out) {
    if (!is_quantized(*output)) continue;
    const auto size = static_cast<size_t>(output->size());
    output = twin_of(*output);
    output->own = std::string(size * sizeof(float), '\0');
  }
  if (call.op.op == "QUANTIZE") {
    require_inputs(real, 1);
    if (!is_float(*real.in[0])) refuse(call, "quantizing from " + call.in[0]->about->type);
    require(call, real.in[0]->bytes.size() == real.out[0]->own.size(), "its output has another size");
    real.out[0]->own.assign(real.in[0]->bytes);
  } else {
    kernel(real);
  }
  for (size_t i = 0; i < call.out.size(); ++i)
    if (real.out[i] != call.out[i]) round_to(*call.out[i], real.out[i]->out<float>());
}

}  // namespace qc::tflite::kernels
