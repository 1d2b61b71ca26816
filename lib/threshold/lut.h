// Weights that may take any few values of an 8-bit grid: one codebook for a tensor (or each channel), found
// exactly. MCT's LUT quantizers (lut_kmeans_params.py) cluster with k-means from random starts and round the
// centres afterwards; here the centres are chosen among the integers that a file can hold, by dynamic
// programming.
#pragma once

#include <optional>

#include "threshold/threshold.h"

namespace qc::threshold {

struct LutOptions {
  int bits = 4;                   // 2..7: the codebook has 2^bits values
  bool power_of_two = false;      // ranges are powers of two
  bool narrow_range = false;      // values -127..127, else -128..127
  bool per_channel_book = false;  // a codebook for each channel along `axis`
  double min_threshold = 1.0 / 65536;
  std::optional<double> threshold = {};  // instead of the largest absolute value
  /// Values -63..63 of twice the step: sums of pairs of products with uint8 cannot leave 16 bits (x86
  /// without VNNI). For up to 6 bits, where such steps are fine enough.
  bool safe_pairs = false;
};

/// Codebook parameters of least squared error for the ranges that clip nothing (per channel along `axis`, or
/// of the tensor): params.bits is 8, params.codebook ascending with 0 in it. The error is the mean over the
/// elements. O(elements + 256^2 * 2^bits); no randomness, no threads.
Chosen search_lut(std::span<const float> values, std::span<const int64_t> dims, int axis,
                  const LutOptions& options);

/// The 1-D k-means behind it: `count` of the integers low..high, 0 among them, so that the sum of weight *
/// (x - nearest)^2 is least. Ascending; fewer when fewer give error 0.
std::vector<int32_t> best_centres(std::span<const double> x, std::span<const double> weight, int32_t low,
                                  int32_t high, int count);

}  // namespace qc::threshold
