// See gram.h.
#include "correct/gram.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/vector_clones.h"

namespace qc::correct {
namespace {

// An image of kMany or more positions gives kSampled of them. Neighbours say much the same: on MobileNetV1
// 0.75 at 4 bits, 1/4 and 1/16 of the positions left the logits within 0.04 dB.
constexpr int64_t kMany = 784, kSampled = 256;
constexpr int64_t kChunk = 1024;      // patches whose products are summed in single precision
constexpr int kTall = 4, kWide = 16;  // sums that fit the registers of AVX2
constexpr int64_t kPanel = 48;        // rows of a Gram matrix that a thread takes at a time
static_assert(kWide % kTall == 0 && kPanel % kWide == 0);

uint64_t mixed(uint64_t x) {  // the finalizer of splitmix64
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// One position out of each of so many stretches of equal length; `most` of them.
std::vector<int64_t> sampled(int64_t count, int64_t most, uint64_t seed) {
  const int64_t kept = std::min(most, patches_of_image(count));
  std::vector<int64_t> at;
  for (int64_t k = 0; k < kept; ++k) {
    const int64_t first = k * count / kept, length = (k + 1) * count / kept - first;
    const uint64_t draw = mixed(seed + static_cast<uint64_t>(k));
    at.push_back(first + static_cast<int64_t>(draw % static_cast<uint64_t>(length)));
  }
  return at;
}

// Lanes by name: left to itself the compiler vectorises the loop over patches, with a shuffle for every
// product.
using Lanes = float __attribute__((vector_size(32)));
constexpr int kLanes = sizeof(Lanes) / sizeof(float);
static_assert(kWide == 2 * kLanes);

// sums = a^T b over the patches; a and b point into stacks of kWide numbers a patch.
QC_VECTOR_CLONES void multiply(const float* a, const float* b, int64_t patches, float* __restrict sums) {
  Lanes left[kTall] = {}, right[kTall] = {};
  for (int64_t p = 0; p < patches; ++p, a += kWide, b += kWide) {
    Lanes b_left, b_right;
    std::memcpy(&b_left, b, sizeof(Lanes));
    std::memcpy(&b_right, b + kLanes, sizeof(Lanes));
    for (int i = 0; i < kTall; ++i) {
      left[i] += a[i] * b_left;
      right[i] += a[i] * b_right;
    }
  }
  for (int i = 0; i < kTall; ++i) {
    std::memcpy(sums + i * kWide, &left[i], sizeof(Lanes));
    std::memcpy(sums + i * kWide + kLanes, &right[i], sizeof(Lanes));
  }
}

// Of each patch `count` numbers, filled up with zeros to whole tiles of kWide. They come in patch by patch,
// and are multiplied tile by tile, each tile's patches one after the other in memory.
struct Lines {
  int64_t count = 0, stride = 0;
  std::vector<float> patches;  // kChunk x stride
  std::vector<float> tiles;    // stride / kWide x kChunk x kWide

  explicit Lines(int64_t numbers)
      : count(numbers),
        stride((numbers + kWide - 1) / kWide * kWide),
        patches(static_cast<size_t>(kChunk * stride)),
        tiles(patches.size()) {}

  float* patch(int64_t p) { return patches.data() + p * stride; }
  const float* element(int64_t e) const { return tiles.data() + e / kWide * kChunk * kWide + e % kWide; }
  int64_t panels() const { return (count + kPanel - 1) / kPanel; }

  void stack(int64_t tile, int64_t filled) {
    for (int64_t p = 0; p < filled; ++p)
      std::copy_n(patch(p) + tile * kWide, kWide, tiles.data() + (tile * kChunk + p) * kWide);
  }
};

struct Chunk {
  int64_t filled = 0;
  Lines lost, quantized, skip;
};

// Rows first.. of sum += left^T right. `half`: from the diagonal on only.
void add_panel(const Lines& left, const Lines& right, int64_t patches, int64_t first, bool half,
               std::vector<double>& sum) {
  float sums[kTall * kWide];
  const int64_t begin = half ? first : 0, end = std::min(first + kPanel, left.count);
  for (int64_t j = begin; j < right.count; j += kWide)
    for (int64_t i = first; i < end; i += kTall) {
      multiply(left.element(i), right.element(j), patches, sums);
      for (int64_t r = 0; r < std::min<int64_t>(kTall, left.count - i); ++r)
        for (int64_t c = 0; c < std::min<int64_t>(kWide, right.count - j); ++c)
          sum[(i + r) * right.count + j + c] += static_cast<double>(sums[r * kWide + c]);
    }
}

void add_sums(const Lines& lines, int64_t patches, std::vector<double>& sum) {
  for (int64_t p = 0; p < patches; ++p)
    for (size_t e = 0; e < sum.size(); ++e)
      sum[e] += static_cast<double>(lines.patches[static_cast<size_t>(p * lines.stride) + e]);
}

void add_chunk(Chunk& chunk, int threads, Gram& gram) {
  if (chunk.filled == 0) return;
  // The float network's patches have come in where its difference from the quantized one is wanted.
  add_sums(chunk.lost, chunk.filled, gram.sum_float);
  add_sums(chunk.quantized, chunk.filled, gram.sum_quantized);
  add_sums(chunk.skip, chunk.filled, gram.sum_skip);
  for (int64_t i = 0; i < chunk.filled * chunk.lost.stride; ++i)
    chunk.lost.patches[i] -= chunk.quantized.patches[i];
  const int64_t tiles = chunk.quantized.stride / kWide, of_skip = chunk.skip.stride / kWide;
  parallel_for(std::max(tiles, of_skip), threads, [&](int64_t tile, int) {
    if (tile < tiles) chunk.lost.stack(tile, chunk.filled);
    if (tile < tiles) chunk.quantized.stack(tile, chunk.filled);
    if (tile < of_skip) chunk.skip.stack(tile, chunk.filled);
  });
  const int64_t of_patches = chunk.quantized.panels();
  parallel_for(2 * of_patches + chunk.skip.panels(), threads, [&](int64_t index, int) {
    if (index >= 2 * of_patches)
      add_panel(chunk.skip, chunk.quantized, chunk.filled, (index - 2 * of_patches) * kPanel, false,
                gram.skip);
    else if (index % 2 == 0)
      add_panel(chunk.lost, chunk.quantized, chunk.filled, index / 2 * kPanel, false, gram.lost);
    else
      add_panel(chunk.quantized, chunk.quantized, chunk.filled, index / 2 * kPanel, true, gram.quantized);
  });
  gram.samples += static_cast<double>(chunk.filled);
  chunk.filled = 0;
}

// Of each image, where its patches lie. What groups have in common.
struct Sample {
  std::vector<int64_t> at;  // output positions
  std::vector<int64_t> places;
};

std::vector<Sample> samples_of(const Windows& windows, std::span<const Pair> images,
                               const GatherOptions& options) {
  const auto count = static_cast<int64_t>(images.size());
  const int64_t most = options.most_patches > 0 ? (options.most_patches + count - 1) / count : INT64_MAX;
  std::vector<Sample> samples;
  for (size_t i = 0; i < images.size(); ++i) {
    std::vector<int64_t> at =
        sampled(positions(windows, images[i].dims), most, mixed(options.seed) + (i << 20));
    std::vector<int64_t> places = places_of(windows, images[i].dims, at);
    samples.push_back({std::move(at), std::move(places)});
  }
  return samples;
}

// What the group's results are added to lacks, at these positions.
void copy_skip_errors(const Windows& windows, const Pair& image, int64_t g, std::span<const int64_t> at,
                      float* line, int64_t stride) {
  for (const int64_t position : at) {
    const ResultPlace place = result_place(windows, image.dims, position);
    for (int64_t r = 0; r < windows.rows; ++r) {
      const auto from = static_cast<size_t>(place.first + (g * windows.rows + r) * place.step);
      line[r] = image.skip_exact[from] - image.skip_quantized[from];
    }
    line += stride;
  }
}

Gram gather_group(const Windows& windows, std::span<const Pair> images, std::span<const Sample> samples,
                  int64_t g, int threads) {
  const auto size = static_cast<size_t>(windows.size);
  const bool added = !images.empty() && !images[0].skip_exact.empty();
  const auto rows = static_cast<size_t>(added ? windows.rows : 0);
  Gram gram{windows.size,
            0,
            std::vector<double>(size * size),
            std::vector<double>(size * size),
            std::vector<double>(size),
            std::vector<double>(size),
            std::vector<double>(rows * size),
            std::vector<double>(rows)};
  Chunk chunk{0, Lines(windows.size), Lines(windows.size), Lines(static_cast<int64_t>(rows))};
  for (size_t i = 0; i < images.size(); ++i) {
    const Pair& image = images[i];
    const Sample& sample = samples[i];
    const size_t taps = sample.places.size() / std::max<size_t>(1, sample.at.size());
    for (size_t done = 0; done < sample.at.size();) {
      const size_t count = std::min(sample.at.size() - done, static_cast<size_t>(kChunk - chunk.filled));
      const auto places = std::span(sample.places).subspan(done * taps, count * taps);
      copy_patches(windows, image.exact, image.dims, g, places, chunk.lost.patch(chunk.filled),
                   chunk.lost.stride);
      copy_patches(windows, image.quantized, image.dims, g, places, chunk.quantized.patch(chunk.filled),
                   chunk.quantized.stride);
      if (added)
        copy_skip_errors(windows, image, g, std::span(sample.at).subspan(done, count),
                         chunk.skip.patch(chunk.filled), chunk.skip.stride);
      chunk.filled += static_cast<int64_t>(count);
      done += count;
      if (chunk.filled == kChunk) add_chunk(chunk, threads, gram);
    }
  }
  add_chunk(chunk, threads, gram);
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < i; ++j) gram.quantized[i * size + j] = gram.quantized[j * size + i];
  return gram;
}

}  // namespace

int64_t patches_of_image(int64_t positions) {
  return positions >= kMany ? kSampled : positions;
}

std::vector<Gram> gather(const Windows& windows, std::span<const Pair> images, const GatherOptions& options) {
  const std::vector<Sample> samples = samples_of(windows, images, options);
  std::vector<Gram> grams(windows.groups);
  if (windows.groups == 1) {
    grams[0] = gather_group(windows, images, samples, 0, options.threads);
    return grams;
  }
  parallel_for(windows.groups, options.threads,
               [&](int64_t g, int) { grams[g] = gather_group(windows, images, samples, g, 1); });
  return grams;
}

void add(Gram& sum, const Gram& other) {
  // Where no image has been looked at, nothing is known of what results are added to.
  const auto add_all = [](std::vector<double>& to, const std::vector<double>& from) {
    for (size_t i = 0; i < from.size(); ++i) to[i] += from[i];
  };
  add_all(sum.quantized, other.quantized);
  add_all(sum.lost, other.lost);
  add_all(sum.sum_float, other.sum_float);
  add_all(sum.sum_quantized, other.sum_quantized);
  add_all(sum.skip, other.skip);
  add_all(sum.sum_skip, other.sum_skip);
  sum.samples += other.samples;
}

double apart(const Gram& a, const Gram& b) {
  const double by_a = 1 / std::max(a.samples, 1.0), by_b = 1 / std::max(b.samples, 1.0);
  double sum = 0;
  for (size_t i = 0; i < a.quantized.size(); ++i) {
    const double gap = by_a * a.quantized[i] - by_b * b.quantized[i];
    sum += gap * gap;
  }
  return sum;
}

void centre(Gram& gram) {
  if (gram.samples <= 0) return;
  const auto size = static_cast<size_t>(gram.size);
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < size; ++j) {
      const double mean = gram.sum_quantized[j] / gram.samples;
      gram.quantized[i * size + j] -= gram.sum_quantized[i] * mean;
      gram.lost[i * size + j] -= (gram.sum_float[i] - gram.sum_quantized[i]) * mean;
    }
  for (size_t r = 0; r < gram.sum_skip.size(); ++r)
    for (size_t j = 0; j < size; ++j)
      gram.skip[r * size + j] -= gram.sum_skip[r] * gram.sum_quantized[j] / gram.samples;
}

}  // namespace qc::correct
