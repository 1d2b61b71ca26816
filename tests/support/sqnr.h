// How far numbers are from others, for tests that judge what a file computes.
#pragma once

#include <span>

#include "ir/tensor.h"

namespace qc::test {

/// 10 log10(sum expected^2 / sum (expected - found)^2) of float tensors; -1000 for other dims, or where a
/// number is not finite.
double sqnr_db(const ir::Tensor& expected, const ir::Tensor& found);
/// Of all tensors together, pair by pair.
double sqnr_db(std::span<const ir::Tensor> expected, std::span<const ir::Tensor> found);

}  // namespace qc::test
