// See requantize.h.
#include "tflite/requantize.h"

#include <algorithm>

namespace qc::tflite::kernels {

int32_t Requantizer::operator()(int32_t sum, int64_t channel) const {
  const auto at = static_cast<size_t>(channel);
  if (!bias.empty()) sum = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(bias[at]));
  const size_t of = scales.size() == 1 ? 0 : at;
  const int32_t scaled = rounding == Rounding::kSingle ? multiply_float(sum, scales[of])
                                                       : multiply(sum, multipliers[of], rounding);
  const int64_t result = int64_t{scaled} + zero_point;
  return static_cast<int32_t>(std::clamp<int64_t>(result, bounds.low, bounds.high));
}

Requantizer weighted_requantizer(const Call& call, const Value& x, const Value& weights, const Value* bias,
                                 int64_t channels) {
  const Value& out = *call.out[0];
  const bool types =
      is_8_bit(x) && is_narrow(weights) && is_8_bit(out) && (!bias || bias->dtype() == ir::DType::kInt32);
  if (!types)
    refuse(call,
           x.about->type + " with " + weights.about->type + " weights and " + out.about->type + " results");
  const std::vector<float>& scales = weights.about->scales;
  require(call, !x.about->scales.empty() && !scales.empty() && !out.about->scales.empty(),
          "a scale is missing");
  require(call, scales.size() == 1 || scales.size() == static_cast<size_t>(channels),
          "its weights' scales do not fit its channels");
  const auto& zeros = weights.about->zero_points;
  require(call,
          scales.size() == 1 || std::all_of(zeros.begin(), zeros.end(), [](int64_t z) { return z == 0; }),
          "its weights have zero points");
  Requantizer result{{}, {}, {}, out.zero_point(), integer_bounds(call), call.rounding};
  const bool one_product =
      call.op.op == "FULLY_CONNECTED" && scales.size() == 1;  // rounds s_in * s_w to float first
  for (const float scale : scales) {
    const double product = one_product ? double{x.scale() * scale} : double{x.scale()} * double{scale};
    result.scales.push_back(x.scale() * scale / out.scale());
    result.multipliers.push_back(multiplier_of(product / double{out.scale()}));
  }
  if (bias) {
    const auto values = bias->as<int32_t>();
    require(call, values.size() == static_cast<size_t>(channels), "its bias has another size");
    result.bias.assign(values.begin(), values.end());
  }
  return result;
}

}  // namespace qc::tflite::kernels
