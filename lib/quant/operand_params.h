// Parameters of constants that integer nodes read beside activations.
#pragma once

#include <span>

#include "quant/quant_params.h"

namespace qc::quant {

/// Per-tensor parameters over the whole range of `values` (at least one): constant operands are stored like
/// activations, without a search. `symmetric`: narrow range, zero point 0.
QuantParams operand_params(std::span<const float> values, int bits, bool is_signed, bool symmetric);

}  // namespace qc::quant
