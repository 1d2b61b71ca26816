// See operand_params.h.
#include "quant/operand_params.h"

#include <algorithm>

namespace qc::quant {

QuantParams operand_params(std::span<const float> values, int bits, bool is_signed, bool symmetric) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double largest = std::max(-static_cast<double>(*low), static_cast<double>(*high));
  return symmetric ? symmetric_params(largest > 0 ? largest : 1, bits, true, true)
                   : asymmetric_params(*low, *high, bits, is_signed);
}

}  // namespace qc::quant
