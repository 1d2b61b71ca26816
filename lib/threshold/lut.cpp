// See lut.h. Between two neighbouring centres a < b every value goes to the nearer one, so its cost depends
// on a and b alone: the least cost of m centres from 0 outwards follows from that of m - 1, on each side of
// 0, and the two sides share the number of centres. Costs come from moments over half steps, because the
// border between two integers lies on a multiple of 1/2.
#include "threshold/lut.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "threshold/choose.h"

namespace qc::threshold {
namespace {

constexpr int32_t kSafe = 63;  // 2 * 255 * 63 < 2^15
constexpr int kSafeBits = 6;
constexpr double kNever = std::numeric_limits<double>::infinity();

// One side of 0: values >= 0 (the other side mirrored), centres 0..reach.
class Side {
 public:
  Side(std::span<const double> x, std::span<const double> weight, double sign, int32_t reach)
      : reach_(reach), count_(static_cast<size_t>(2 * reach + 2)), sum_(count_), squares_(count_) {
    weight_.resize(count_);
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = sign * x[i];
      if (!(v > 0)) continue;
      // Slot s holds (s / 2, (s + 1) / 2]: a value on a border costs the same on both sides of it.
      const auto slot =
          static_cast<size_t>(std::clamp(std::ceil(2 * v) - 1, 0.0, static_cast<double>(count_ - 1)));
      weight_[slot] += weight[i];
      sum_[slot] += weight[i] * v;
      squares_[slot] += weight[i] * v * v;
    }
    for (std::vector<double>* moments : {&weight_, &sum_, &squares_}) {
      moments->insert(moments->begin(), 0.0);
      for (size_t s = 1; s < moments->size(); ++s) (*moments)[s] += (*moments)[s - 1];
    }
  }

  /// cost(m): the least cost with m centres beyond 0.
  double cost(size_t m) const { return least_[std::min(m, least_.size() - 1)]; }

  void solve(int most) {
    const auto n = static_cast<size_t>(reach_) + 1;
    std::vector<double> best(n, kNever);
    best[0] = 0;
    least_ = {best[0] + beyond(0)};
    from_.clear();
    last_ = {0};
    for (int m = 1; m <= std::min(most, reach_); ++m) {
      std::vector<double> next(n, kNever);
      std::vector<int32_t> from(n, 0);
      for (int32_t b = 1; b <= reach_; ++b)
        for (int32_t a = 0; a < b; ++a) {
          if (best[a] == kNever) continue;
          const double cost = best[a] + between(a, b);
          if (cost < next[b]) {
            next[b] = cost;
            from[b] = a;
          }
        }
      int32_t last = 1;
      double least = kNever;
      for (int32_t b = 1; b <= reach_; ++b)
        if (const double cost = next[b] + beyond(b); cost < least) least = cost, last = b;
      least_.push_back(least);
      last_.push_back(last);
      from_.push_back(std::move(from));
      best = std::move(next);
    }
  }

  /// The centres beyond 0 of the best choice of m, ascending.
  std::vector<int32_t> centres(size_t m) const {
    std::vector<int32_t> found;
    m = std::min(m, last_.size() - 1);
    for (int32_t at = last_[m]; m > 0; at = from_[m - 1][at], --m) found.insert(found.begin(), at);
    return found;
  }

 private:
  // Sum of weight * (x - centre)^2 over slots begin..end.
  double part(int32_t centre, size_t begin, size_t end) const {
    const double c = centre;
    const double w = weight_[end] - weight_[begin], s = sum_[end] - sum_[begin],
                 q = squares_[end] - squares_[begin];
    return std::max(0.0, q - 2 * c * s + c * c * w);
  }
  double between(int32_t a, int32_t b) const {
    const auto border = static_cast<size_t>(a) + static_cast<size_t>(b);  // (a + b) / 2 in half steps
    return part(a, 2 * static_cast<size_t>(a), border) + part(b, border, 2 * static_cast<size_t>(b));
  }
  double beyond(int32_t last) const { return part(last, 2 * static_cast<size_t>(last), count_); }

  int32_t reach_;
  size_t count_;
  std::vector<double> weight_, sum_, squares_;  // before each slot, after the constructor
  std::vector<double> least_;                   // by number of centres
  std::vector<int32_t> last_;
  std::vector<std::vector<int32_t>> from_;  // [m - 1][centre] -> the one before it
};

// The smallest threshold that clips nothing of a channel on the 8-bit grid that a codebook's entries lie on.
double threshold_of(std::span<const float> values, const quant::ChannelLayout& layout, int64_t channel,
                    const LutOptions& options, int32_t high, int32_t low) {
  if (options.threshold) return *options.threshold;
  double needed = options.min_threshold;
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t i = 0; i < layout.inner; ++i) {
      const auto v = static_cast<double>(values[(o * layout.channels + channel) * layout.inner + i]);
      needed = std::max({needed, v * -low / high, -v});
    }
  return needed;
}

}  // namespace

std::vector<int32_t> best_centres(std::span<const double> x, std::span<const double> weight, int32_t low,
                                  int32_t high, int count) {
  Side below(x, weight, -1, -low), above(x, weight, 1, high);
  below.solve(count - 1);
  above.solve(count - 1);
  const auto others = static_cast<size_t>(count - 1);
  size_t best = 0;
  const auto cost = [&](size_t m) { return below.cost(m) + above.cost(others - m); };
  for (size_t m = 1; m <= others; ++m)
    if (cost(m) < cost(best)) best = m;
  std::vector<int32_t> centres{0};
  for (const int32_t c : below.centres(best)) centres.insert(centres.begin(), -c);
  for (const int32_t c : above.centres(others - best)) centres.push_back(c);
  return centres;
}

Chosen search_lut(std::span<const float> values, std::span<const int64_t> dims, int axis,
                  const LutOptions& options) {
  quant::ChannelLayout layout = quant::channel_layout(dims, axis);
  if (axis < 0) layout = {1, 1, static_cast<int64_t>(values.size())};
  Chosen chosen;
  quant::QuantParams& params = chosen.params;
  params.bits = 8;
  params.is_signed = true;
  params.narrow_range = options.narrow_range && !options.power_of_two;
  params.axis = axis < 0 ? -1 : axis;
  params.index_bits = options.bits;
  const bool safe = options.safe_pairs && options.bits <= kSafeBits && !options.power_of_two;
  const int32_t high = safe ? kSafe : static_cast<int32_t>(params.qmax()),
                low = safe ? -kSafe : static_cast<int32_t>(params.qmin());
  for (int64_t c = 0; c < layout.channels; ++c) {
    double threshold = threshold_of(values, layout, c, options, high, low);
    if (options.power_of_two) threshold = power_of_two_above(threshold);
    params.scales.push_back(
        quant::symmetric_params(threshold, safe ? 7 : 8, true, safe || params.narrow_range).scales[0]);
    params.zero_points.push_back(0);
  }
  const bool one_book = !options.per_channel_book || axis < 0;
  std::vector<double> x,
      weight;  // in steps of the channel; a step of a channel with a larger scale costs more
  for (int64_t c = 0; c < layout.channels; ++c) {
    const auto scale = static_cast<double>(params.scales[c]);
    for (int64_t o = 0; o < layout.outer; ++o)
      for (int64_t i = 0; i < layout.inner; ++i) {
        x.push_back(static_cast<double>(values[(o * layout.channels + c) * layout.inner + i]) / scale);
        weight.push_back(scale * scale);
      }
    if (one_book && c + 1 < layout.channels) continue;
    std::vector<int32_t> centres = best_centres(x, weight, low, high, 1 << options.bits);
    centres.resize(size_t{1} << options.bits, centres.back());
    params.codebook.insert(params.codebook.end(), centres.begin(), centres.end());
    x.clear();
    weight.clear();
  }
  const std::vector<float> rounded = quant::dequantize(quant::quantize(values, dims, params), dims, params);
  for (size_t i = 0; i < values.size(); ++i)
    chosen.error += std::pow(static_cast<double>(values[i]) - static_cast<double>(rounded[i]), 2);
  if (!values.empty()) chosen.error /= static_cast<double>(values.size());
  return chosen;
}

}  // namespace qc::threshold
