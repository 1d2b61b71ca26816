// See pairs.h.
#include "quantize/pairs.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/parallel.h"
#include "base/vector_clones.h"

namespace qc::quantize {
namespace {

constexpr int kScaleSteps = 16;  // scales tried between the given one and the one that needs no more

// The terms of one output channel's sum in the order in which kernels take them, two by two; a last one
// without a partner is never in a pair.
struct Terms {
  std::vector<size_t> places;   // in the weight
  std::vector<int32_t> inputs;  // the largest that each is multiplied with
};

Terms terms_of(const PairWalk& walk, int64_t c) {
  const quant::ChannelLayout layout = quant::channel_layout(walk.dims, walk.channel_axis);
  const bool conv = walk.channel_axis == 0 && walk.dims.size() > 2;
  const int64_t count = layout.outer * layout.inner, inputs = conv ? walk.dims[1] : count;
  const int64_t positions = count / inputs, first = conv ? c * walk.groups / layout.channels * inputs : 0;
  Terms terms;
  terms.places.reserve(count);
  terms.inputs.reserve(count);
  for (int64_t at = 0; at < positions; ++at)
    for (int64_t i = 0; i < inputs; ++i) {
      terms.places.push_back(static_cast<size_t>(
          conv ? (c * inputs + i) * positions + at
               : (i / layout.inner * layout.channels + c) * layout.inner + i % layout.inner));
      const size_t input = static_cast<size_t>(first + i);
      terms.inputs.push_back(input < walk.largest_inputs.size() ? walk.largest_inputs[input] : 255);
    }
  return terms;
}

// Depthwise kernels sum in 32 bits.
bool in_pairs(const PairWalk& walk) {
  return walk.channel_axis != 0 || walk.dims.size() <= 2 || walk.dims[1] != 1;
}

// Of a pair of one sign; else 0. Below 2^24 for inputs of 8 bits and weights of 16 or fewer. Spelled so that
// compilers turn loops over it into vectors.
inline int32_t sum_of(int32_t a, int32_t input_a, int32_t b, int32_t input_b) {
  const int32_t sum = a * input_a + b * input_b, size = sum < 0 ? -sum : sum;
  return (a ^ b) < 0 ? 0 : size;
}

int32_t sum_of(const int32_t* q, const int32_t* inputs) {
  return sum_of(q[0], inputs[0], q[1], inputs[1]);
}

// Of every pair.
QC_VECTOR_CLONES void sums_of(const int32_t* __restrict q, const int32_t* __restrict inputs, int64_t pairs,
                              int32_t* __restrict sums) {
  for (int64_t p = 0; p < pairs; ++p)
    sums[p] = sum_of(q[2 * p], inputs[2 * p], q[2 * p + 1], inputs[2 * p + 1]);
}

// The largest sum of a pair of every output channel where channels are innermost: two rows make the pairs of
// all of them. `w`: [terms, channels]; `inputs`: one a term.
QC_VECTOR_CLONES void largest_in_rows(const int32_t* __restrict w, const int32_t* __restrict inputs,
                                      int64_t terms, int64_t channels, int64_t first, int64_t last,
                                      int32_t* __restrict largest) {
  for (int64_t i = 0; i + 1 < terms; i += 2) {
    const int32_t* row = w + i * channels;
    const int32_t* next = row + channels;
    for (int64_t c = first; c < last; ++c) {
      const int32_t pair = sum_of(row[c], inputs[i], next[c], inputs[i + 1]);
      largest[c] = largest[c] < pair ? pair : largest[c];
    }
  }
}

std::vector<int64_t> largest_by_rows(const plan::IntegerTensor& tensor, const PairWalk& walk, int threads) {
  constexpr int64_t kBlock = 64;  // channels
  const quant::ChannelLayout layout = quant::channel_layout(walk.dims, walk.channel_axis);
  std::vector<int32_t> inputs(layout.outer, 255);
  std::copy_n(walk.largest_inputs.begin(), std::min(walk.largest_inputs.size(), inputs.size()),
              inputs.begin());
  std::vector<int32_t> largest(layout.channels, 0);
  parallel_for((layout.channels + kBlock - 1) / kBlock, threads, [&](int64_t block, int) {
    largest_in_rows(tensor.integers.data(), inputs.data(), layout.outer, layout.channels, block * kBlock,
                    std::min(layout.channels, (block + 1) * kBlock), largest.data());
  });
  return {largest.begin(), largest.end()};
}

// The values that integers of one channel may take, ascending; empty: every one of the grid.
using Levels = std::span<const int32_t>;

// The next value in the direction of zero, in a codebook perhaps beyond it; q itself where there is none.
int32_t nearer_to_zero(int32_t q, Levels levels) {
  if (q == 0) return q;
  if (levels.empty()) return q < 0 ? q + 1 : q - 1;
  if (q < 0) {
    const auto above = std::upper_bound(levels.begin(), levels.end(), q);
    return above == levels.end() ? q : *above;
  }
  const auto at = std::lower_bound(levels.begin(), levels.end(), q);
  return at == levels.begin() ? q : *(at - 1);
}

// Takes steps from a pair until it fits, each where it adds the least error for what it takes off the sum. A
// codebook may hold nothing that fits. `exact`: the values that the integers stand for, in steps.
void shrink(const double* exact, const int32_t* inputs, Levels levels, int32_t* q) {
  while (sum_of(q, inputs) > kPairLimit) {
    const auto price = [&](int side) {
      const int32_t next = nearer_to_zero(q[side], levels);
      const int less = std::abs(q[side] - next);
      if (less == 0 || inputs[side] == 0) return HUGE_VAL;
      return (less - 2 * (std::abs(q[side]) - std::fabs(exact[side]))) / static_cast<double>(inputs[side]);
    };
    const double prices[] = {price(0), price(1)};
    if (std::isinf(prices[0]) && std::isinf(prices[1])) return;
    int32_t& chosen = q[prices[0] <= prices[1] ? 0 : 1];
    chosen = nearer_to_zero(chosen, levels);
  }
}

// By what a scale grows so that the pair fits without anything else.
double factor_that_suffices(int64_t largest) {
  return static_cast<double>(largest + 255) /
         (kPairLimit - 255);  // rounding may add half a step to each of the two
}

QC_VECTOR_CLONES void round_terms(const float* __restrict w, int64_t count, float scale, double zero_point,
                                  double lowest, double highest, double* __restrict exact,
                                  int32_t* __restrict q) {
  for (int64_t i = 0; i < count; ++i) {
    exact[i] = static_cast<double>(w[i]) / static_cast<double>(scale) + zero_point;
    const double rounded = std::nearbyint(exact[i]);
    q[i] = static_cast<int32_t>(rounded < lowest ? lowest : rounded > highest ? highest : rounded);
  }
}

// In eight partial sums: vectors, and the same sum on every machine.
QC_VECTOR_CLONES double squared_steps(const double* __restrict exact, const int32_t* __restrict q,
                                      int64_t count) {
  double part[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int j = 0; j < 8; ++j) part[j] += (exact[i + j] - q[i + j]) * (exact[i + j] - q[i + j]);
  for (; i < count; ++i) part[0] += (exact[i] - q[i]) * (exact[i] - q[i]);
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

double squared_error(const std::vector<double>& exact, const std::vector<int32_t>& q, float scale) {
  return squared_steps(exact.data(), q.data(), std::ssize(q)) * scale * scale;
}

// Integers of a channel, as near as pairs allow, at the scale of least squared error between the given one
// and the one that leaves every pair small enough. Returns that scale; nothing, and the integers as they
// were, where the squared error would grow by more than `most_growth`.
std::optional<float> bound_channel(const ir::Tensor& weight, const Terms& terms, int64_t c, int64_t largest,
                                   bool keep_scale, double most_growth, plan::IntegerTensor& tensor) {
  const quant::QuantParams& params = tensor.params;
  const Levels levels = quant::codebook_of(params, c);
  const size_t at = params.per_channel() ? static_cast<size_t>(c) : 0, count = terms.places.size();
  const std::span<const float> whole = weight.as<float>();
  std::vector<float> w(count);
  for (size_t i = 0; i < count; ++i) w[i] = whole[terms.places[i]];
  std::vector<double> exact(count);
  std::vector<int32_t> q(count), best(count), sums(count / 2);
  double least = HUGE_VAL;
  float chosen = params.scales[at];
  // What was solved for lies on its grid: rounding alone costs a twelfth of a step squared.
  double unbounded = static_cast<double>(count) * params.scales[at] * params.scales[at] / 12;
  for (int step = 0; step <= (keep_scale ? 0 : kScaleSteps); ++step) {
    const float scale = static_cast<float>(params.scales[at] *
                                           (1 + (factor_that_suffices(largest) - 1) * step / kScaleSteps));
    round_terms(w.data(), static_cast<int64_t>(count), scale, static_cast<double>(params.zero_points[at]),
                static_cast<double>(params.qmin()), static_cast<double>(params.qmax()), exact.data(),
                q.data());
    if (!levels.empty())
      std::ranges::transform(exact, q.begin(), [&](double v) { return quant::nearest_of(levels, v); });
    const double rounding = squared_error(exact, q, scale);
    if (step == 0) unbounded = std::max(unbounded, rounding);
    if (rounding >= least) continue;  // shrinking only adds to it
    sums_of(q.data(), terms.inputs.data(), std::ssize(sums), sums.data());
    for (size_t p = 0; p < sums.size(); ++p)
      if (sums[p] > kPairLimit) shrink(&exact[2 * p], &terms.inputs[2 * p], levels, &q[2 * p]);
    const double error = squared_error(exact, q, scale);
    if (error >= least) continue;
    least = error;
    chosen = scale;
    best = q;
  }
  if (least > most_growth * unbounded) return std::nullopt;
  for (size_t i = 0; i < count; ++i) tensor.integers[terms.places[i]] = best[i];
  return chosen;
}

}  // namespace

std::vector<int64_t> largest_pairs(const plan::IntegerTensor& tensor, const PairWalk& walk, int threads) {
  const quant::ChannelLayout layout = quant::channel_layout(walk.dims, walk.channel_axis);
  std::vector<int64_t> largest(layout.channels, 0);
  if (!tensor.params.is_signed || !in_pairs(walk)) return largest;
  if (walk.channel_axis != 0 && layout.inner == 1) return largest_by_rows(tensor, walk, threads);
  parallel_for(static_cast<int64_t>(largest.size()), threads, [&](int64_t c, int) {
    const Terms terms = terms_of(walk, c);
    int32_t most = 0;
    for (size_t i = 0; i + 1 < terms.places.size(); i += 2) {
      const int32_t q[] = {tensor.integers[terms.places[i]], tensor.integers[terms.places[i + 1]]};
      most = std::max(most, sum_of(q, &terms.inputs[i]));
    }
    largest[c] = most;
  });
  return largest;
}

int64_t bound_pairs(const ir::Tensor& weight, const PairWalk& walk, bool keep_scales, double most_growth,
                    int threads, plan::IntegerTensor& tensor) {
  const std::vector<int64_t> largest = largest_pairs(tensor, walk, threads);
  const bool keep_scale = keep_scales || !tensor.params.per_channel();
  std::vector<float> scales = tensor.params.scales;
  std::vector<char> rewritten(largest.size());
  parallel_for(static_cast<int64_t>(largest.size()), threads, [&](int64_t c, int) {
    const int64_t most = largest[c];
    if (most <= kPairLimit) return;
    const auto chosen = bound_channel(weight, terms_of(walk, c), c, most, keep_scale, most_growth, tensor);
    rewritten[c] = chosen.has_value();
    if (!keep_scale && chosen) scales[c] = *chosen;
  });
  tensor.params.scales = scales;
  return std::count(rewritten.begin(), rewritten.end(), 1);
}

}  // namespace qc::quantize
