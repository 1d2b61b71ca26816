// Parameters of constants that integer nodes read beside activations.
#pragma once

#include <span>

#include "quant/quant_params.h"

namespace qc::quant {

/// Per-tensor parameters over the whole range of `values` (at least one): constant operands are stored like
/// activations. Of the grids that spend at least half of the integers on that range the finest, or one that
/// halves the squared error of the different values: strides of 8, 16 and 32 lie on 1/4, not on 32/255.
/// `symmetric`: signed, narrow range, zero point 0, whatever `is_signed` says.
QuantParams operand_params(std::span<const float> values, int bits, bool is_signed, bool symmetric);

}  // namespace qc::quant
