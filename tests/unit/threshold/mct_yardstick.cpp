// See mct_yardstick.h.
#include "mct_yardstick.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace yardstick {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-11;

int levels_of(const Setup& setup) {
  return (1 << setup.bits) - (setup.narrow && setup.is_signed ? 1 : 0);
}

std::vector<double> linspace(double from, double to, int points) {
  std::vector<double> row;
  for (int i = 0; i < points; ++i) row.push_back(from + (to - from) * i / (points - 1));
  return row;
}

double power_of_two_above(double x) {
  return std::pow(2.0, std::ceil(std::log2(x)));
}

double smallest(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}
double largest(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

/// The threshold that clips nothing: the grid ends one step below it, so a positive maximum is expanded.
double start_of(const std::vector<double>& values, const Setup& setup) {
  const double half = std::pow(2.0, setup.bits - 1);
  const double expansion = setup.narrow ? 1.0 : half / (half - 1);
  return std::max(-smallest(values), largest(values) * expansion);
}

double tensor_error(const std::vector<double>& values, double threshold, const Setup& setup) {
  if (setup.error == Setup::kKl) {
    const Histogram histogram = histogram_of(values);
    const double low = setup.is_signed ? -threshold : 0;
    return kl_error(histogram, quantize_uniform(histogram.edges, {low, threshold}, setup.bits), low,
                    threshold, levels_of(setup));
  }
  return error_of(values, quantize_symmetric(values, threshold, setup), setup);
}

double tensor_error(const std::vector<double>& values, Range range, const Setup& setup) {
  if (setup.error == Setup::kKl) {
    const Histogram histogram = histogram_of(values);
    return kl_error(histogram, quantize_uniform(histogram.edges, range, setup.bits), range.min, range.max,
                    levels_of(setup));
  }
  return error_of(values, quantize_uniform(values, range, setup.bits), setup);
}

template <typename Parameter>
struct Best {
  Parameter parameter;
  double loss;
};

template <typename Parameter, typename Loss>
Best<Parameter> best_of(const std::vector<Parameter>& candidates, const Loss& loss) {
  Best<Parameter> best{candidates[0], loss(candidates[0])};
  for (size_t i = 1; i < candidates.size(); ++i) {
    const double next = loss(candidates[i]);
    if (next < best.loss) best = {candidates[i], next};
  }
  return best;
}

/// The walk that all iterative searches share: move every channel to the best of its candidates even if that
/// is worse, remember the best ever, stop when the mean gain over the channels is positive but tiny.
template <typename Parameter, typename Loss, typename Candidates>
std::vector<Parameter> iterate(std::vector<Parameter> current, int iterations, const Loss& loss,
                               const Candidates& candidates) {
  std::vector<Best<Parameter>> best;
  for (size_t c = 0; c < current.size(); ++c) best.push_back({current[c], loss(c, current[c])});
  for (int n = 0; n < iterations; ++n) {
    double gain = 0;
    for (size_t c = 0; c < current.size(); ++c) {
      const auto next = best_of(candidates(current[c], n), [&](const Parameter& p) { return loss(c, p); });
      current[c] = next.parameter;
      gain += best[c].loss - next.loss;
      if (next.loss < best[c].loss) best[c] = next;
    }
    gain /= static_cast<double>(current.size());
    if (0 < gain && gain < kTolerance) break;
  }
  std::vector<Parameter> result;
  for (const auto& b : best) result.push_back(b.parameter);
  return result;
}

template <typename Loss>
std::vector<double> iterate_thresholds(const std::vector<double>& start, int iterations, int narrow_every,
                                       const Loss& loss) {
  double alpha = 0.7, beta = 1.2;
  int narrowed_for = 0;
  return iterate(start, iterations, loss, [&](double threshold, int n) {
    for (; narrowed_for < n; ++narrowed_for) {
      if (narrowed_for % narrow_every != 0) continue;
      alpha = std::min(alpha * 1.02, 0.97);
      beta = std::max(beta * 0.98, 1.03);
    }
    return linspace(alpha * threshold, beta * threshold, 30);
  });
}

template <typename Loss>
std::vector<Range> iterate_ranges(const std::vector<Range>& start, int iterations, int points,
                                  const Loss& loss) {
  return iterate(start, iterations, loss, [&](const Range& range, int) {
    std::vector<Range> ranges;
    for (const double a : linspace(0.7, 1.2, points))
      for (const double b : linspace(0.7, 1.2, points)) ranges.push_back({a * range.min, b * range.max});
    return ranges;
  });
}

/// The p of the setup's error and d^p.
int power_of(const Setup& setup) {
  return setup.error == Setup::kMae ? 1 : setup.error == Setup::kLp ? setup.p : 2;
}
double power(double d, int p) {
  return p == 1 ? d : d * power(d, p - 1);
}

double histogram_error(const Histogram& histogram, const std::vector<double>& quantized, const Setup& setup) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    sum += power(std::abs(quantized[i] - histogram.edges[i]), power_of(setup)) * histogram.counts[i];
    count += histogram.counts[i];
  }
  return sum / count;
}

/// Probabilities with a little mass moved from non-empty to empty bins.
std::vector<double> smooth(std::vector<double> counts) {
  double total = 0, least = kInfinite, filled = 0;
  for (const double c : counts) {
    total += c;
    if (c > 0) least = std::min(least, c);
    filled += c > 0 ? 1 : 0;
  }
  const auto size = static_cast<double>(counts.size());
  const double term = least / total / (2.0 * size), reduction = term * (size - filled) / filled;
  for (double& c : counts) c = c > 0 ? c / total - reduction : term;
  return counts;
}

}  // namespace

double error_of(const std::vector<double>& values, const std::vector<double>& quantized, const Setup& setup) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i)
    sum += power(std::abs(values[i] - quantized[i]), power_of(setup));
  return sum / static_cast<double>(values.size());
}

Histogram histogram_of(const std::vector<double>& values) {
  double low = smallest(values), high = largest(values);
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  Histogram histogram{linspace(low, high, 2049), std::vector<double>(2048, 0.0)};
  for (const double value : values) {
    const auto bin = static_cast<size_t>((value - low) / (high - low) * 2048);
    histogram.counts[std::min<size_t>(bin, 2047)] += 1;
  }
  return histogram;
}

double kl_error(const Histogram& histogram, const std::vector<double>& quantized, double range_min,
                double range_max, int levels) {
  const std::vector<double>& edges = histogram.edges;
  const auto reaches_min = std::find_if(edges.begin(), edges.end(), [&](double e) { return e >= range_min; });
  const auto reaches_max = std::find_if(edges.begin(), edges.end(), [&](double e) { return e >= range_max; });
  if (range_max <= range_min || reaches_min == edges.end() || reaches_max == edges.begin()) return kInfinite;
  const auto first = std::max<int64_t>(reaches_min - edges.begin() - 1, 0),
             last = reaches_max - edges.begin() - 1;
  if (last - first < levels) return kInfinite;

  const std::vector<double> counts(histogram.counts.begin() + first, histogram.counts.begin() + last);
  std::map<double, std::pair<double, double>> by_level;  // mass and number of non-empty bins
  for (size_t i = 0; i < counts.size(); ++i) {
    auto& [mass, filled] = by_level[quantized[static_cast<size_t>(first) + i]];
    mass += counts[i];
    filled += counts[i] > 0 ? 1 : 0;
  }
  std::vector<double> spread(counts.size());
  double total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto& [mass, filled] = by_level[quantized[static_cast<size_t>(first) + i]];
    spread[i] = counts[i] > 0 ? mass / (filled + 1e-6) : 0;
    total += spread[i];
  }
  if (total == 0) return kInfinite;
  std::vector<double> clipped = counts;
  for (int64_t i = 0; i < first; ++i) clipped.front() += histogram.counts[i];
  for (size_t i = static_cast<size_t>(last); i < histogram.counts.size(); ++i)
    clipped.back() += histogram.counts[i];

  const std::vector<double> p = smooth(clipped), q = smooth(spread);
  double divergence = 0;
  for (size_t i = 0; i < p.size(); ++i) divergence += p[i] * std::log(p[i] / q[i]);
  return divergence;
}

std::vector<double> quantize_symmetric(const std::vector<double>& values, double threshold,
                                       const Setup& setup) {
  const bool narrow = setup.narrow && setup.is_signed;
  const double half = std::pow(2.0, setup.bits - (setup.is_signed ? 1 : 0));
  const double step = narrow ? threshold / (half - 1) : threshold / half;
  const double low = setup.is_signed ? -threshold : 0, high = narrow ? threshold : threshold - step;
  std::vector<double> quantized;
  for (const double value : values)
    quantized.push_back(step * std::nearbyint((std::clamp(value, low, high) - low) / step) + low);
  return quantized;
}

Range include_zero(Range range, int bits) {
  if (range.min > 0) return {0, range.max};
  if (range.max < 0) return {range.min, 0};
  const double step = (range.max - range.min) / (std::pow(2.0, bits) - 1);
  const double low = step * std::nearbyint(range.min / step);
  return {low, range.max - range.min + low};
}

std::vector<double> quantize_uniform(const std::vector<double>& values, Range range, int bits) {
  const Range fixed = include_zero(range, bits);
  const double step = (fixed.max - fixed.min) / (std::pow(2.0, bits) - 1);
  std::vector<double> quantized;
  for (const double value : values) {
    const double clipped = std::clamp(value, fixed.min, fixed.max);
    quantized.push_back(step * std::nearbyint((clipped - fixed.min) / step) + fixed.min);
  }
  return quantized;
}

std::vector<double> power_of_two_weights(const Channels& channels, const Setup& setup) {
  std::vector<double> thresholds;
  for (const auto& values : channels) {
    std::vector<double> candidates = {
        2 * power_of_two_above(std::max(start_of(values, setup), setup.min_threshold))};
    while (candidates.size() < 10) candidates.push_back(candidates.back() / 2);
    const auto best = best_of(candidates, [&](double t) { return tensor_error(values, t, setup); });
    thresholds.push_back(std::max(best.parameter, setup.min_threshold));
  }
  return thresholds;
}

std::vector<double> symmetric_weights(const Channels& channels, const Setup& setup, bool per_channel) {
  std::vector<double> start;
  for (const auto& values : channels) start.push_back(std::max(setup.min_threshold, start_of(values, setup)));
  auto thresholds =
      iterate_thresholds(start, per_channel ? 15 : 40, per_channel ? 3 : 5,
                         [&](size_t c, double t) { return tensor_error(channels[c], t, setup); });
  for (double& threshold : thresholds) threshold = std::max(threshold, setup.min_threshold);
  return thresholds;
}

std::vector<Range> uniform_weights(const Channels& channels, const Setup& setup, bool per_channel) {
  std::vector<Range> start;
  // get_tensor_max takes the larger of both sides here as well.
  for (const auto& values : channels)
    start.push_back({smallest(values), std::max(-smallest(values), largest(values))});
  return iterate_ranges(start, per_channel ? 10 : 30, 8, [&](size_t c, const Range& range) {
    return tensor_error(channels[c], range, setup);
  });
}

double symmetric_histogram_error(const Histogram& histogram, double threshold, const Setup& setup) {
  const std::vector<double> quantized = quantize_symmetric(histogram.edges, threshold, setup);
  if (setup.error == Setup::kKl)
    return kl_error(histogram, quantized, setup.is_signed ? -threshold : 0, threshold, levels_of(setup));
  return histogram_error(histogram, quantized, setup);
}

double uniform_histogram_error(const Histogram& histogram, Range range, const Setup& setup) {
  const std::vector<double> quantized = quantize_uniform(histogram.edges, range, setup.bits);
  if (setup.error == Setup::kKl)
    return kl_error(histogram, quantized, range.min, range.max, levels_of(setup));
  return histogram_error(histogram, quantized, setup);
}

double power_of_two_histogram(const Histogram& histogram, const Setup& setup) {
  double start = 0;
  for (const double edge : histogram.edges) start = std::max(start, std::abs(edge));
  std::vector<double> candidates = {2 * power_of_two_above(std::max(start, setup.min_threshold))};
  while (candidates.size() < 20) candidates.push_back(candidates.back() / 2);
  const auto best =
      best_of(candidates, [&](double t) { return symmetric_histogram_error(histogram, t, setup); });
  return std::max(best.parameter, setup.min_threshold);
}

double symmetric_histogram(const Histogram& histogram, const Setup& setup) {
  double start = setup.min_threshold;
  for (size_t i = 0; i < histogram.counts.size(); ++i)
    if (histogram.counts[i] > 0) start = std::max(start, std::abs(histogram.edges[i + 1]));
  const auto loss = [&](size_t, double t) { return symmetric_histogram_error(histogram, t, setup); };
  return std::max(iterate_thresholds({start}, 20, 4, loss)[0], setup.min_threshold);
}

Range uniform_histogram(const Histogram& histogram, const Setup& setup) {
  Range start{kInfinite, -kInfinite};
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 0) continue;
    start.min = std::min(start.min, histogram.edges[i]);
    start.max = std::max(start.max, histogram.edges[i + 1]);
  }
  const auto loss = [&](size_t, const Range& range) {
    return uniform_histogram_error(histogram, range, setup);
  };
  return iterate_ranges({start}, 30, 12, loss)[0];
}

std::vector<double> z_score_filter(const Histogram& histogram, double z_threshold) {
  double count = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    count += histogram.counts[i];
    sum += histogram.edges[i] * histogram.counts[i];
  }
  const double mean = sum / count;
  for (size_t i = 0; i < histogram.counts.size(); ++i)
    squares += std::pow(histogram.edges[i] - mean, 2) * histogram.counts[i];
  const double sigma = std::sqrt(squares / count);
  std::vector<double> counts = histogram.counts;
  for (size_t i = 0; i < counts.size(); ++i)
    if (std::abs(histogram.edges[i] - mean) / sigma > z_threshold) counts[i] = 0;
  return counts;
}

}  // namespace yardstick
