// The threshold search: from what calibration saw (histograms) or from the weights themselves to quantization
// parameters. Methods, quantizers and their errors as in MCT (its qparams_search.py and error_functions.py),
// found exactly where MCT iterates: never a larger error than MCT's own search on the same data, for widths
// up to 10 bits; wider ones are not searched but take the whole range, because their steps are finer than a
// histogram's bins.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "plan/tensor_stats.h"
#include "quant/quant_params.h"

namespace qc::threshold {

enum class Method { kNoClipping, kMse, kMae, kLp, kKl };
enum class Quantizer { kPowerOfTwo, kSymmetric, kUniform };
enum class Signedness { kAuto, kSigned, kUnsigned };

struct Options {
  Method method = Method::kMse;
  Quantizer quantizer = Quantizer::kUniform;
  int bits = 8;
  bool narrow_range = false;  // symmetric signed: integers in -qmax..qmax
  Signedness signedness = Signedness::kAuto;
  /// kUniform only: type of the integers. The ranges are the same; the zero point differs.
  bool signed_integers = false;
  /// Histograms: what lies further from the mean, in standard deviations, is left out (MCT's z_threshold).
  double z_threshold = std::numeric_limits<double>::infinity();
  double min_threshold = 1.0 / 65536;
  int p = 2;  // kLp
};

struct Chosen {
  quant::QuantParams params;
  double error =
      0;  // of the method, per element (NOCLIPPING: squared; KL: the divergence, mean over channels)
};

/// Activation parameters from a histogram (bin centres; prefix sums make one candidate O(levels)).
/// Nothing seen, nothing but zeros, or nothing that the quantizer can hold: scale 2^-bits, so that biases
/// behind it stay fine; zero point qmin for kUniform, else 0.
/// Statistics without a histogram: [min, max] without clipping. Without negative values kUniform always has
/// zero point qmin.
Chosen search(const plan::TensorStats& stats, const Options& options);

/// Weight parameters, per tensor (axis < 0) or per channel along `axis`, from the values themselves (finite).
/// Channels are shared out among `threads` threads (at least 1); the result does not depend on how many.
/// Weights are signed unless kUnsigned is asked for. A channel of zeros takes the median scale of the others
/// (2^-16 where all are zero).
Chosen search(std::span<const float> values, std::span<const int64_t> dims, int axis, const Options& options,
              int threads);

}  // namespace qc::threshold
