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
QC_VECTOR_CLONES void tile_product(const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                                   int64_t patches, float* __restrict tile) {
  Lanes left[kTall] = {}, right[kTall] = {};
  for (int64_t p = 0; p < patches; ++p, a += a_stride, b += b_stride) {
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

// What lies one patch after the other: `count` numbers, filled up with zeros to whole tiles.
struct Lines {
  int64_t count = 0, stride = 0;
  std::vector<float> data;  // kChunk x stride
};

struct Chunk {
  int64_t patches = 0;
  Lines exact, quantized, skip;
};

int64_t padded(int64_t size) {
  return std::max((size + kTall - 1) / kTall * kTall, (size + kWide - 1) / kWide * kWide);
}

Lines lines_of(int64_t count) {
  const int64_t stride = padded(count);
  return {count, stride, std::vector<float>(static_cast<size_t>(kChunk * stride))};
}

// Rows first.. of sum += left^T right. `half`: from the diagonal on only.
void add_panel(const Lines& left, const Lines& right, int64_t patches, int64_t first, bool half,
               std::vector<double>& sum) {
  float tile[kTall * kWide];
  const int64_t begin = half ? first / kWide * kWide : 0, end = std::min(first + kPanel, left.count);
  for (int64_t j = begin; j < right.count; j += kWide)
    for (int64_t i = first; i < end; i += kTall) {
      tile_product(left.data.data() + i, left.stride, right.data.data() + j, right.stride, patches, tile);
      for (int64_t r = 0; r < std::min<int64_t>(kTall, left.count - i); ++r)
        for (int64_t c = 0; c < std::min<int64_t>(kWide, right.count - j); ++c)
          sum[static_cast<size_t>((i + r) * right.count + j + c)] += static_cast<double>(tile[r * kWide + c]);
    }
}

void add_sums(const Lines& lines, int64_t patches, std::vector<double>& sum) {
  for (int64_t p = 0; p < patches; ++p)
    for (size_t e = 0; e < sum.size(); ++e)
      sum[e] += static_cast<double>(lines.data[static_cast<size_t>(p * lines.stride) + e]);
}

void add_chunk(const Chunk& chunk, int threads, Gram& gram) {
  if (chunk.patches == 0) return;
  const auto panels = [](const Lines& lines) { return (lines.count + kPanel - 1) / kPanel; };
  const int64_t of_patches = panels(chunk.exact);
  parallel_for(2 * of_patches + panels(chunk.skip), threads, [&](int64_t index, int) {
    if (index >= 2 * of_patches)
      add_panel(chunk.skip, chunk.quantized, chunk.patches, (index - 2 * of_patches) * kPanel, false,
                gram.skip);
    else if (index % 2 == 0)
      add_panel(chunk.exact, chunk.quantized, chunk.patches, index / 2 * kPanel, false, gram.cross);
    else
      add_panel(chunk.quantized, chunk.quantized, chunk.patches, index / 2 * kPanel, true, gram.quantized);
  });
  add_sums(chunk.exact, chunk.patches, gram.sum_float);
  add_sums(chunk.quantized, chunk.patches, gram.sum_quantized);
  add_sums(chunk.skip, chunk.patches, gram.sum_skip);
  gram.samples += static_cast<double>(chunk.patches);
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
  Chunk chunk{0, lines_of(windows.size), lines_of(windows.size), lines_of(static_cast<int64_t>(rows))};
  for (size_t i = 0; i < images.size(); ++i) {
    const Pair& image = images[i];
    const Sample& sample = samples[i];
    const size_t taps = sample.places.size() / std::max<size_t>(1, sample.at.size());
    for (size_t done = 0; done < sample.at.size();) {
      const size_t count = std::min(sample.at.size() - done, static_cast<size_t>(kChunk - chunk.patches));
      const auto places = std::span(sample.places).subspan(done * taps, count * taps);
      const auto line_in = [&](Lines& lines) { return lines.data.data() + chunk.patches * lines.stride; };
      copy_patches(windows, image.exact, image.dims, g, places, line_in(chunk.exact), chunk.exact.stride);
      copy_patches(windows, image.quantized, image.dims, g, places, line_in(chunk.quantized),
                   chunk.quantized.stride);
      if (added)
        copy_skip_errors(windows, image, g, std::span(sample.at).subspan(done, count), line_in(chunk.skip),
                         chunk.skip.stride);
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
  // Where no image has been looked at, nothing is known of what results are added to.
  const auto add_all = [](std::vector<double>& to, const std::vector<double>& from) {
    for (size_t i = 0; i < from.size(); ++i) to[i] += from[i];
  };
  add_all(sum.quantized, other.quantized);
  add_all(sum.cross, other.cross);
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
      gram.cross[i * size + j] -= gram.sum_float[i] * mean;
    }
  for (size_t r = 0; r < gram.sum_skip.size(); ++r)
    for (size_t j = 0; j < size; ++j)
      gram.skip[r * size + j] -= gram.sum_skip[r] * gram.sum_quantized[j] / gram.samples;
}

}  // namespace qc::correct
