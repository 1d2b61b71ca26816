// See tensor_stats.h.
#include "plan/tensor_stats.h"

#include <algorithm>
#include <cmath>

namespace qc::plan {

double Histogram::width() const {
  return std::ldexp(1.0, exponent);
}
double Histogram::left_edge(size_t bin) const {
  return static_cast<double>(first_bin + static_cast<int64_t>(bin)) * width();
}
double Histogram::center(size_t bin) const {
  return left_edge(bin) + 0.5 * width();
}

namespace {

// The same counts on a grid 2^(exponent - from.exponent) times coarser.
Histogram coarsened(const Histogram& from, int exponent) {
  if (exponent == from.exponent) return from;
  Histogram to;
  to.exponent = exponent;
  const int shift = exponent - from.exponent;
  to.first_bin = from.first_bin >> shift;
  const int64_t last = (from.first_bin + static_cast<int64_t>(from.counts.size()) - 1) >> shift;
  to.counts.assign(last - to.first_bin + 1, 0);
  for (size_t i = 0; i < from.counts.size(); ++i)
    to.counts[((from.first_bin + static_cast<int64_t>(i)) >> shift) - to.first_bin] += from.counts[i];
  return to;
}

int64_t end_bin(const Histogram& h) {
  return h.first_bin + static_cast<int64_t>(h.counts.size());
}

}  // namespace

void merge(TensorStats& stats, const TensorStats& other) {
  if (other.count == 0) return;
  if (stats.count == 0) {
    stats = other;
    stats.channel_mean.clear(), stats.channel_min.clear(), stats.channel_max.clear();
    return;
  }
  stats.count += other.count;
  stats.min = std::min(stats.min, other.min);
  stats.max = std::max(stats.max, other.max);
  stats.channel_mean.clear(), stats.channel_min.clear(), stats.channel_max.clear();
  if (stats.histogram.counts.empty() || other.histogram.counts.empty()) return;
  Histogram a = stats.histogram, b = other.histogram;
  for (int exponent = std::max(a.exponent, b.exponent);; ++exponent) {
    a = coarsened(a, exponent);
    b = coarsened(b, exponent);
    const int64_t first = std::min(a.first_bin, b.first_bin), end = std::max(end_bin(a), end_bin(b));
    if (end - first > Histogram::kBins) continue;
    Histogram sum;
    sum.exponent = exponent;
    sum.first_bin = first;
    sum.counts.assign(end - first, 0);
    for (const Histogram* h : {&a, &b})
      for (size_t i = 0; i < h->counts.size(); ++i)
        sum.counts[static_cast<size_t>(h->first_bin - first) + i] += h->counts[i];
    stats.histogram = std::move(sum);
    return;
  }
}

}  // namespace qc::plan
