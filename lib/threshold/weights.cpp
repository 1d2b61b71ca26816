// The search for weights, from the values themselves: one channel after the other, on all threads.
//
// A channel of zeros tells nothing about its scale; any scale keeps it exact, but the int32 scale of a bias
// is (input scale) * (weight scale), so a tiny one would overflow the bias and a huge one would erase it. It
// takes the median scale of the other channels, or 2^-16 where all are zero.
#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "threshold/choose.h"
#include "threshold/samples.h"
#include "threshold/sweep.h"
#include "threshold/symmetric.h"

namespace qc::threshold {
namespace {

constexpr int kHalvings = 10;      // power-of-two candidates for weights: as many as MCT tries
constexpr int64_t kGathered = 16;  // channels gathered together: one cache line of a row

struct Channel {
  float scale = 0;  // 0: all values are 0
  int64_t low = 0;
  double error = 0;  // summed over the values; KL: the divergence
};

std::vector<Grid> candidates_of(std::span<const float> values, const Extent& extent, const Family& family,
                                const Options& options, double threshold) {
  if (options.quantizer == Quantizer::kPowerOfTwo)
    return power_of_two_grids(family, options, threshold, kHalvings);
  std::vector<Grid> grids = {
      covering_grid(family, static_cast<double>(extent.min), static_cast<double>(extent.max))};
  const int p = error_power(options);
  if (options.quantizer == Quantizer::kSymmetric && p <= kSweptPower) {
    for (const double scale : deepest_scales(values, extent, family, p))
      grids.push_back({scale, family.low_min, family.low_min + family.span});
  } else {
    const Samples samples = value_samples(values);
    for (const ScoredGrid& found : deepest(samples, family, p)) grids.push_back(found.grid);
  }
  return grids;
}

Channel search_channel(std::span<const float> values, const Options& options) {
  const Extent extent = extent_of(values);
  const auto min = static_cast<double>(extent.min), max = static_cast<double>(extent.max);
  const Family family = family_of(options, options.signedness != Signedness::kUnsigned, min, max);
  const double covering = covering_scale(family, min, max);
  if (!(covering > 0)) return {0, family.low_max, 0};
  const double threshold = covering * family.threshold_steps;  // MCT's start value, which does not clip +max
  const int p = error_power(options);
  const auto error = [&](const Grid& grid) { return exact_error(values, grid, p); };
  ScoredGrid found;
  if (!searched(options)) {
    found.grid = unclipped_grid(family, options, min, max, threshold);
    found.error = error(found.grid);
  } else if (options.method == Method::kKl) {
    found = choose_divergence(kl_histogram(values), family, options, min, max, threshold, kHalvings);
  } else {
    const double resolution =
        static_cast<double>(values.size()) * power(kFloatResolution * std::max(-min, max), p);
    found = choose(candidates_of(values, extent, family, options, threshold), family, resolution, error);
  }
  // A lone value is exact by many scales; biases are counted in steps of it, so that the least is best.
  if (values.size() == 1 && options.quantizer != Quantizer::kPowerOfTwo) {
    const Grid finest = unclipped_grid(family, options, min, max, threshold);
    if (finest.scale < found.grid.scale && error(finest) <= found.error) found.grid = finest;
  }
  return {storable_scale(family, found.grid.scale), found.grid.low, found.error};
}

/// Searches channels first..first + count, copied together from a tensor where they are interleaved.
void search_gathered(std::span<const float> values, const quant::ChannelLayout& layout, int64_t first,
                     int64_t count, const Options& options, std::span<Channel> channels) {
  const int64_t size = layout.outer * layout.inner;
  std::vector<float> gathered(count * size);
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < count; ++c) {
      const float* from = values.data() + (o * layout.channels + first + c) * layout.inner;
      std::copy(from, from + layout.inner, gathered.data() + c * size + o * layout.inner);
    }
  for (int64_t c = 0; c < count; ++c)
    channels[first + c] = search_channel(std::span<const float>(gathered).subspan(c * size, size), options);
}

std::vector<Channel> search_channels(std::span<const float> values, const quant::ChannelLayout& layout,
                                     const Options& options, int threads) {
  std::vector<Channel> channels(layout.channels);
  if (layout.outer == 1) {
    const auto size = static_cast<size_t>(layout.inner);
    parallel_for(layout.channels, threads, [&](int64_t c, int) {
      channels[c] = search_channel(values.subspan(static_cast<size_t>(c) * size, size), options);
    });
    return channels;
  }
  const int64_t together = layout.inner < kGathered ? kGathered : 1;
  parallel_for((layout.channels + together - 1) / together, threads, [&](int64_t block, int) {
    const int64_t first = block * together;
    search_gathered(values, layout, first, std::min(together, layout.channels - first), options, channels);
  });
  return channels;
}

// For channels of nothing but zeros. Their biases are counted in steps of it: where all channels are such,
// steps far below any activation's.
float median_scale(const std::vector<Channel>& channels) {
  std::vector<float> scales;
  for (const Channel& channel : channels)
    if (channel.scale > 0) scales.push_back(channel.scale);
  if (scales.empty()) return 0x1p-16f;
  const auto middle = scales.begin() + static_cast<std::ptrdiff_t>((scales.size() - 1) / 2);
  std::nth_element(scales.begin(), middle, scales.end());
  return *middle;
}

}  // namespace

Chosen search(std::span<const float> values, std::span<const int64_t> dims, int axis, const Options& options,
              int threads) {
  quant::ChannelLayout layout = quant::channel_layout(dims, axis);
  if (axis < 0) layout = {1, 1, static_cast<int64_t>(values.size())};
  const std::vector<Channel> channels = search_channels(values, layout, options, threads);

  const bool uniform = options.quantizer == Quantizer::kUniform;
  const bool is_signed = uniform ? options.signed_integers : options.signedness != Signedness::kUnsigned;
  Chosen chosen;
  chosen.params.bits = options.bits;
  chosen.params.axis = axis < 0 ? -1 : axis;
  chosen.params.is_signed = is_signed;
  chosen.params.narrow_range = !uniform && options.narrow_range && is_signed;
  const float median = median_scale(channels);
  double error = 0;
  for (const Channel& channel : channels) {
    append(chosen.params, channel.scale > 0 ? channel.scale : median, channel.low);
    error += channel.error;
  }
  const bool divergence = options.method == Method::kKl && searched(options);
  const size_t summed = divergence ? channels.size() : values.size();
  if (summed > 0) chosen.error = error / static_cast<double>(summed);
  return chosen;
}

}  // namespace qc::threshold
