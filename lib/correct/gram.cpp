// See gram.h.
#include "correct/gram.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "quant/vector_clones.h"

namespace qc::correct {
namespace {

constexpr int64_t kMany = 784, kSampled = 256;  // positions of an image (ptq-accuracy 0.8: nothing is lost)
constexpr int64_t kChunk = 1024;                // patches whose products are summed in single precision
constexpr int kTall = 6, kWide = 16;            // a tile that fits the registers of AVX2
constexpr int64_t kPanel = 48;                  // rows of a Gram matrix that a thread takes at a time

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

// tile = a^T b over the patches; a and b point at the tile's first element of the first patch.
QC_VECTOR_CLONES void tile_product(const float* a, const float* b, int64_t stride, int64_t patches,
                                   float* __restrict tile) {
  Lanes left[kTall] = {}, right[kTall] = {};
  for (int64_t p = 0; p < patches; ++p, a += stride, b += stride) {
    Lanes b_left, b_right;
    std::memcpy(&b_left, b, sizeof(Lanes));
    std::memcpy(&b_right, b + kLanes, sizeof(Lanes));
    for (int i = 0; i < kTall; ++i) {
      left[i] += a[i] * b_left;
      right[i] += a[i] * b_right;
    }
  }
  for (int i = 0; i < kTall; ++i) {
    std::memcpy(tile + i * kWide, &left[i], sizeof(Lanes));
    std::memcpy(tile + i * kWide + kLanes, &right[i], sizeof(Lanes));
  }
}

struct Chunk {
  int64_t stride = 0, patches = 0;      // stride: the patch's length, filled up with zeros to whole tiles
  std::vector<float> exact, quantized;  // kChunk x stride
};

int64_t padded(int64_t size) {
  return std::max((size + kTall - 1) / kTall * kTall, (size + kWide - 1) / kWide * kWide);
}

// Rows first.. of sum += left^T right. `half`: from the diagonal on only.
void add_panel(const Chunk& chunk, const std::vector<float>& left, const std::vector<float>& right,
               int64_t first, bool half, int64_t size, std::vector<double>& sum) {
  float tile[kTall * kWide];
  const int64_t begin = half ? first / kWide * kWide : 0;
  for (int64_t j = begin; j < size; j += kWide)
    for (int64_t i = first; i < std::min(first + kPanel, size); i += kTall) {
      tile_product(left.data() + i, right.data() + j, chunk.stride, chunk.patches, tile);
      for (int64_t r = 0; r < std::min<int64_t>(kTall, size - i); ++r)
        for (int64_t c = 0; c < std::min<int64_t>(kWide, size - j); ++c)
          sum[static_cast<size_t>((i + r) * size + j + c)] += static_cast<double>(tile[r * kWide + c]);
    }
}

void add_sums(const Chunk& chunk, const std::vector<float>& patches, std::vector<double>& sum) {
  for (int64_t p = 0; p < chunk.patches; ++p)
    for (size_t e = 0; e < sum.size(); ++e)
      sum[e] += static_cast<double>(patches[static_cast<size_t>(p * chunk.stride) + e]);
}

void add_chunk(const Chunk& chunk, int threads, Gram& gram) {
  if (chunk.patches == 0) return;
  const int64_t size = gram.size, panels = (size + kPanel - 1) / kPanel;
  parallel_for(2 * panels, threads, [&](int64_t index, int) {
    const int64_t first = index / 2 * kPanel;
    if (index % 2 == 0)
      add_panel(chunk, chunk.exact, chunk.quantized, first, false, size, gram.cross);
    else
      add_panel(chunk, chunk.quantized, chunk.quantized, first, true, size, gram.quantized);
  });
  add_sums(chunk, chunk.exact, gram.sum_float);
  add_sums(chunk, chunk.quantized, gram.sum_quantized);
  gram.samples += static_cast<double>(chunk.patches);
}

// Of each image, where its patches lie. What groups have in common.
struct Sample {
  std::vector<int64_t> places;
  size_t patches = 0;
};

std::vector<Sample> samples_of(const Windows& windows, std::span<const Pair> images,
                               const GatherOptions& options) {
  const auto count = static_cast<int64_t>(images.size());
  const int64_t most = options.most_patches > 0 ? (options.most_patches + count - 1) / count : INT64_MAX;
  std::vector<Sample> samples;
  for (size_t i = 0; i < images.size(); ++i) {
    const std::vector<int64_t> at =
        sampled(positions(windows, images[i].dims), most, mixed(options.seed) + (i << 20));
    samples.push_back({places_of(windows, images[i].dims, at), at.size()});
  }
  return samples;
}

Gram gather_group(const Windows& windows, std::span<const Pair> images, std::span<const Sample> samples,
                  int64_t g, int threads) {
  const auto size = static_cast<size_t>(windows.size);
  Gram gram{windows.size,
            0,
            std::vector<double>(size * size),
            std::vector<double>(size * size),
            std::vector<double>(size),
            std::vector<double>(size)};
  Chunk chunk;
  chunk.stride = padded(windows.size);
  chunk.exact.resize(static_cast<size_t>(kChunk * chunk.stride));
  chunk.quantized.resize(chunk.exact.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const Pair& image = images[i];
    const Sample& sample = samples[i];
    const size_t taps = sample.places.size() / std::max<size_t>(1, sample.patches);
    for (size_t done = 0; done < sample.patches;) {
      const size_t count = std::min(sample.patches - done, static_cast<size_t>(kChunk - chunk.patches));
      const auto places = std::span(sample.places).subspan(done * taps, count * taps);
      const int64_t first = chunk.patches * chunk.stride;
      copy_patches(windows, image.exact, image.dims, g, places, chunk.exact.data() + first, chunk.stride);
      copy_patches(windows, image.quantized, image.dims, g, places, chunk.quantized.data() + first,
                   chunk.stride);
      chunk.patches += static_cast<int64_t>(count);
      done += count;
      if (chunk.patches < kChunk) continue;
      add_chunk(chunk, threads, gram);
      chunk.patches = 0;
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
  std::vector<Gram> grams(static_cast<size_t>(windows.groups));
  if (windows.groups == 1) {
    grams[0] = gather_group(windows, images, samples, 0, options.threads);
    return grams;
  }
  parallel_for(windows.groups, options.threads, [&](int64_t g, int) {
    grams[static_cast<size_t>(g)] = gather_group(windows, images, samples, g, 1);
  });
  return grams;
}

void add(Gram& sum, const Gram& other) {
  const auto add_all = [](std::vector<double>& to, const std::vector<double>& from) {
    for (size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  };
  add_all(sum.quantized, other.quantized);
  add_all(sum.cross, other.cross);
  add_all(sum.sum_float, other.sum_float);
  add_all(sum.sum_quantized, other.sum_quantized);
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
      gram.cross[i * size + j] -= gram.sum_float[i] * mean;
    }
}

}  // namespace qc::correct
