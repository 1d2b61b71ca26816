// MCT's own threshold searches, written as plainly as possible from their description (reference: Sony Model
// Compression Toolkit 2.4, quantization_params_generation): what qconvert's searches must never be worse
// than. Everything in double; nothing clever; no code shared with lib/threshold.
#pragma once

#include <functional>
#include <vector>

namespace yardstick {

struct Setup {
  enum Error { kMse, kMae, kLp, kKl } error = kMse;
  int bits = 8;
  bool is_signed = true;
  bool narrow = false;  // not in MCT: integers -qmax..qmax, threshold = qmax * step
  int p = 2;            // kLp
  double min_threshold = 1.0 / 65536;
};

struct Range {
  double min = 0, max = 0;
};

/// Edges of bins (one more than counts); MCT judges a bin by its left edge.
struct Histogram {
  std::vector<double> edges, counts;
};

using Channels = std::vector<std::vector<double>>;

/// Mean error of quantizing values, by the setup's error (not KL).
double error_of(const std::vector<double>& values, const std::vector<double>& quantized, const Setup& setup);
/// numpy-like histogram of 2048 bins.
Histogram histogram_of(const std::vector<double>& values);
/// MCT's divergence. Infinite where the range holds fewer bins than there are levels (MCT: falls to 0 for
/// tiny ranges).
double kl_error(const Histogram& histogram, const std::vector<double>& quantized_edges, double range_min,
                double range_max, int levels);

std::vector<double> quantize_symmetric(const std::vector<double>& values, double threshold,
                                       const Setup& setup);
std::vector<double> quantize_uniform(const std::vector<double>& values, Range range, int bits);
/// The range moved so that 0 is on the grid.
Range include_zero(Range range, int bits);

// Weights. One channel: as per tensor (40 or 30 iterations); per_channel: all together (15 or 10), as they
// share the early stop.
std::vector<double> power_of_two_weights(const Channels& channels, const Setup& setup);
std::vector<double> symmetric_weights(const Channels& channels, const Setup& setup, bool per_channel);
std::vector<Range> uniform_weights(const Channels& channels, const Setup& setup, bool per_channel);

// Activations. setup.is_signed says what signedness came to.
double power_of_two_histogram(const Histogram& histogram, const Setup& setup);
double symmetric_histogram(const Histogram& histogram, const Setup& setup);
Range uniform_histogram(const Histogram& histogram, const Setup& setup);
/// Counts without outliers.
std::vector<double> z_score_filter(const Histogram& histogram, double z_threshold);

/// MCT's error of a histogram quantized by a threshold or a range.
double symmetric_histogram_error(const Histogram& histogram, double threshold, const Setup& setup);
double uniform_histogram_error(const Histogram& histogram, Range range, const Setup& setup);

}  // namespace yardstick
