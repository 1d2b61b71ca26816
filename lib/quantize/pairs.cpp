// See pairs.h.
#include "quantize/pairs.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace qc::quantize {
namespace {

constexpr int kScaleSteps = 16;  // scales tried between the given one and the one that needs no more

struct Pair {
  size_t places[2];   // in the weight
  int64_t inputs[2];  // the largest that they are multiplied with
};

template <typename Each>
void for_each_pair(const PairWalk& walk, int64_t c, const Each& each) {
  const quant::ChannelLayout layout = quant::channel_layout(walk.dims, walk.channel_axis);
  const bool conv = walk.channel_axis == 0 && walk.dims.size() > 2;
  const int64_t terms = layout.outer * layout.inner, inputs = conv ? walk.dims[1] : terms;
  if (conv && inputs == 1) return;
  const int64_t positions = terms / inputs, first = conv ? c * walk.groups / layout.channels * inputs : 0;
  const auto place = [&](int64_t k) {
    if (conv) return static_cast<size_t>((c * inputs + k % inputs) * positions + k / inputs);
    return static_cast<size_t>((k / layout.inner * layout.channels + c) * layout.inner + k % layout.inner);
  };
  const auto input = [&](int64_t k) -> int64_t {
    const size_t i = static_cast<size_t>(first + k % inputs);
    return i < walk.largest_inputs.size() ? walk.largest_inputs[i] : 255;
  };
  for (int64_t k = 0; k + 1 < terms; k += 2) each(Pair{{place(k), place(k + 1)}, {input(k), input(k + 1)}});
}

int64_t sum_of(const Pair& pair, const std::vector<int32_t>& q) {
  const int32_t a = q[pair.places[0]], b = q[pair.places[1]];
  return (a < 0) == (b < 0) ? std::abs(a) * pair.inputs[0] + std::abs(b) * pair.inputs[1] : 0;
}

// Takes single steps from the pair until it fits, each where it adds the least error for what it takes off
// the sum. `in_steps` gives the value that an integer stands for.
template <typename InSteps>
void shrink(const Pair& pair, std::vector<int32_t>& q, const InSteps& in_steps) {
  while (sum_of(pair, q) > kPairLimit) {
    const auto price = [&](int side) {
      const double above = std::abs(q[pair.places[side]]) - std::fabs(in_steps(pair.places[side]));
      if (q[pair.places[side]] == 0 || pair.inputs[side] == 0) return HUGE_VAL;
      return (1 - 2 * above) / static_cast<double>(pair.inputs[side]);
    };
    int32_t& chosen = q[pair.places[price(0) <= price(1) ? 0 : 1]];
    chosen -= chosen < 0 ? -1 : 1;
  }
}

std::vector<size_t> places_of(const PairWalk& walk, int64_t c) {
  const quant::ChannelLayout layout = quant::channel_layout(walk.dims, walk.channel_axis);
  std::vector<size_t> places;
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t i = 0; i < layout.inner; ++i)
      places.push_back(static_cast<size_t>((o * layout.channels + c) * layout.inner + i));
  return places;
}

// By what a scale grows so that the pair fits without anything else.
double factor_that_suffices(int64_t largest) {
  return static_cast<double>(largest + 255) /
         (kPairLimit - 255);  // rounding may add half a step to each of the two
}

// Integers of a channel, as near as pairs allow, at the scale of least squared error between the given one
// and the one that leaves every pair small enough.
void bound_channel(const ir::Tensor& weight, const PairWalk& walk, int64_t c, int64_t largest,
                   bool keep_scale, plan::IntegerTensor& tensor) {
  const std::span<const float> w = weight.as<float>();
  const quant::QuantParams& params = tensor.params;
  const size_t at = params.per_channel() ? static_cast<size_t>(c) : 0;
  const double zero_point = params.zero_points[at], lowest = static_cast<double>(params.qmin()),
               highest = static_cast<double>(params.qmax());
  const std::vector<size_t> places = places_of(walk, c);
  std::vector<int32_t>& q = tensor.integers;
  std::vector<int32_t> best(places.size());
  double least = HUGE_VAL;
  float chosen = params.scales[at];
  for (int step = 0; step <= (keep_scale ? 0 : kScaleSteps); ++step) {
    const float scale = static_cast<float>(params.scales[at] *
                                           (1 + (factor_that_suffices(largest) - 1) * step / kScaleSteps));
    const auto in_steps = [&](size_t place) { return static_cast<double>(w[place]) / scale + zero_point; };
    for (const size_t place : places)
      q[place] = static_cast<int32_t>(std::clamp(std::nearbyint(in_steps(place)), lowest, highest));
    for_each_pair(walk, c, [&](const Pair& pair) { shrink(pair, q, in_steps); });
    double error = 0;
    for (const size_t place : places) {
      const double off = (in_steps(place) - q[place]) * scale;
      error += off * off;
    }
    if (error >= least) continue;
    least = error;
    chosen = scale;
    std::transform(places.begin(), places.end(), best.begin(), [&](size_t place) { return q[place]; });
  }
  for (size_t i = 0; i < places.size(); ++i) q[places[i]] = best[i];
  tensor.params.scales[at] = chosen;
}

}  // namespace

std::vector<int64_t> largest_pairs(const plan::IntegerTensor& tensor, const PairWalk& walk) {
  std::vector<int64_t> largest(
      static_cast<size_t>(quant::channel_layout(walk.dims, walk.channel_axis).channels), 0);
  if (!tensor.params.is_signed) return largest;
  for (size_t c = 0; c < largest.size(); ++c)
    for_each_pair(walk, static_cast<int64_t>(c), [&](const Pair& pair) {
      largest[c] = std::max(largest[c], sum_of(pair, tensor.integers));
    });
  return largest;
}

int64_t bound_pairs(const ir::Tensor& weight, const PairWalk& walk, bool keep_scales,
                    plan::IntegerTensor& tensor) {
  if (keep_scales && !tensor.params.codebook.empty()) return 0;
  const std::vector<int64_t> largest = largest_pairs(tensor, walk);
  std::vector<float>& scales = tensor.params.scales;
  const std::vector<float> given = scales;
  int64_t changed = 0;
  for (size_t c = 0; c < largest.size(); ++c) {
    if (largest[c] <= kPairLimit) continue;
    ++changed;
    if (tensor.params.codebook.empty()) {
      bound_channel(weight, walk, static_cast<int64_t>(c), largest[c],
                    keep_scales || !tensor.params.per_channel(), tensor);
      continue;
    }
    const size_t at = tensor.params.per_channel() ? c : 0;
    scales[at] = std::max(scales[at], static_cast<float>(given[at] * factor_that_suffices(largest[c])));
  }
  if (scales != given && !tensor.params.codebook.empty())
    tensor.integers = quant::quantize(weight.as<float>(), weight.dims, tensor.params);
  return changed;
}

}  // namespace qc::quantize
