// See histogram.h. The inner loops are plain so that the compiler vectorises them (vector_clones.h). Powers
// of two scale exactly and floor is exact, so every CPU counts alike.
#include "calibrate/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/vector_clones.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define QC_X86_KERNELS
#endif

namespace qc::calibrate {
namespace {

constexpr int kBins = plan::Histogram::kBins;
// A tensor is counted piece by piece: a piece, its bin numbers and the tables stay in the first cache (32
// KiB) together. Several tables side by side, as consecutive equal values must not wait for each other; 16
// bits a counter, so they are emptied into the 64-bit counts before one can overflow.
constexpr int kTables = 4;
constexpr int kPiece = 1024;
constexpr int kPiecesAtOnce =
    65535 / (kPiece / kTables + kTables - 1);  // the first table has what is left over
static_assert(kPiece % kTables == 0);
constexpr int kAtOnce = 16;        // bin numbers that the widest kernel writes, also where fewer are left
constexpr int64_t kDirect = 4096;  // below, clearing and summing the tables costs more than it saves

QC_VECTOR_CLONES void range_loop(const float* x, int64_t n, float* lo, float* hi, float* not_finite) {
  constexpr int kLanes = 32;
  float low[kLanes], high[kLanes], bad[kLanes];
  for (int j = 0; j < kLanes; ++j) low[j] = high[j] = x[0], bad[j] = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) {
      const float v = x[i + j];
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
      bad[j] += v * 0.0f;  // stays 0 unless v is infinite or not a number
    }
  for (; i < n; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
    bad[0] += x[i] * 0.0f;
  }
  for (int j = 0; j < kLanes; ++j) {
    *lo = std::min(*lo, low[j]);
    *hi = std::max(*hi, high[j]);
    *not_finite += bad[j];
  }
}

// Bin numbers of a block, relative to `first`. Floor spelled as truncation and a step down: the compiler
// vectorises conversions, but not calls of floor.
QC_VECTOR_CLONES void bin_loop(const float* __restrict x, int n, float inverse_width, int32_t first,
                               uint16_t* __restrict bins) {
  for (int i = 0; i < n; ++i) {
    const float v = x[i] * inverse_width;
    const int32_t whole = static_cast<int32_t>(v);
    bins[i] = static_cast<uint16_t>(whole - (static_cast<float>(whole) > v ? 1 : 0) - first);
  }
}

#ifdef QC_X86_KERNELS
// The range of a piece, and its bin numbers but those of bin `zero`, `others` of them: in one go, as that
// loads each value once. Numbers of values outside the histogram's range mean nothing. Compilers have no
// such loop.
[[gnu::target("avx512f")]] Range number_but_zero(const float* x, int n, float inverse_width, int32_t first,
                                                 int32_t zero, uint16_t* bins, int& others) {
  constexpr __mmask16 kAll = 0xffff;  // headers of g++ warn of what they leave undefined without a mask
  const __m512 scale = _mm512_set1_ps(inverse_width), nothing = _mm512_setzero_ps();
  const __m512i origin = _mm512_set1_epi32(first), left_out = _mm512_set1_epi32(zero);
  __m512 low = _mm512_set1_ps(x[0]), high = low, bad = nothing;
  int count = 0;
  for (int i = 0; i < n; i += kAtOnce) {
    const auto here = static_cast<__mmask16>(n - i >= kAtOnce ? 0xffff : (1 << (n - i)) - 1);
    const __m512 v = _mm512_mask_loadu_ps(low, here, x + i);
    low = _mm512_maskz_min_ps(kAll, low, v);
    high = _mm512_maskz_max_ps(kAll, high, v);
    bad = _mm512_add_ps(bad, _mm512_mul_ps(v, nothing));  // stays 0 unless v is infinite or not a number
    const __m512i bin =
        _mm512_sub_epi32(_mm512_maskz_cvt_roundps_epi32(kAll, _mm512_mul_ps(v, scale),
                                                        _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC),
                         origin);
    const __mmask16 kept = _mm512_mask_cmpneq_epi32_mask(here, bin, left_out);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + count),
                        _mm512_maskz_cvtepi32_epi16(kAll, _mm512_maskz_compress_epi32(kept, bin)));
    count += __builtin_popcount(kept);
  }
  others = count;
  std::array<float, kAtOnce> lows, highs, bads;
  _mm512_storeu_ps(lows.data(), low);
  _mm512_storeu_ps(highs.data(), high);
  _mm512_storeu_ps(bads.data(), bad);
  return {*std::min_element(lows.begin(), lows.end()), *std::max_element(highs.begin(), highs.end()),
          std::all_of(bads.begin(), bads.end(), [](float b) { return b == 0.0f; })};
}
bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") != 0;
  return has;
}
#else
Range number_but_zero(const float*, int, float, int32_t, int32_t, uint16_t*, int&) {
  return {};
}
constexpr bool has_avx512() {
  return false;
}
#endif

// Loops that read a piece after the other leave the processor no time to fetch the next one by itself.
void fetch(std::span<const float> piece) {
  constexpr size_t kLine = 64 / sizeof(float);
  for (size_t i = 0; i < piece.size(); i += kLine) __builtin_prefetch(piece.data() + i);
}

// Smallest exponent for which [min, max] spans at most kBins bins and bin numbers fit a float's 24 bits
// exactly.
int exponent_for(float min, float max) {
  const float largest = std::max(std::fabs(min), std::fabs(max));
  if (largest == 0.0f) return -120;
  int exponent = std::max(std::ilogb(largest) - 22, -120);
  const double span = static_cast<double>(max) - min;
  if (span > 0) exponent = std::max(exponent, std::ilogb(span / kBins) - 1);
  while (std::floor(std::ldexp(static_cast<double>(max), -exponent)) -
             std::floor(std::ldexp(static_cast<double>(min), -exponent)) >=
         kBins)
    ++exponent;
  return exponent;
}

int64_t bin_of(float value, int exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(static_cast<double>(value), -exponent)));
}

}  // namespace

class StreamingHistogram::Tables {
 public:
  void count(const uint16_t* bins, int n) {
    uint16_t* const t = counters_.data();
    int i = 0;
    // Four bin numbers in one load, as loads and stores are what this loop is made of. The tables are summed,
    // so it does not matter which number is the first in memory.
    for (; i + kTables <= n; i += kTables) {
      uint64_t four;
      static_assert(sizeof(four) == kTables * sizeof(*bins));
      std::memcpy(&four, bins + i, sizeof(four));
      ++t[four & 0xffff];
      ++t[kBins + (four >> 16 & 0xffff)];
      ++t[2 * kBins + (four >> 32 & 0xffff)];
      ++t[3 * kBins + (four >> 48)];
    }
    for (; i < n; ++i) ++t[bins[i]];
    ++pieces_;
  }
  bool full() const { return pieces_ == kPiecesAtOnce; }
  void empty_into(std::span<uint64_t> counts) {
    if (pieces_ == 0) return;
    for (size_t b = 0; b < kBins; ++b)
      for (size_t t = 0; t < kTables; ++t) counts[b] += counters_[t * kBins + b];
    counters_.fill(0);
    pieces_ = 0;
  }

 private:
  std::array<uint16_t, size_t{kTables} * kBins> counters_{};
  int pieces_ = 0;
};

Range range_of(std::span<const float> values) {
  if (values.empty()) return {};
  Range range{values[0], values[0], true};
  float not_finite = 0;
  range_loop(values.data(), static_cast<int64_t>(values.size()), &range.min, &range.max, &not_finite);
  range.finite = not_finite == 0.0f;
  return range;
}

void StreamingHistogram::make_room(float min, float max) {
  const bool fresh = counts_.empty();
  const float low = fresh ? min : std::min(min, min_), high = fresh ? max : std::max(max, max_);
  const int exponent = fresh ? exponent_for(low, high) : std::max(exponent_, exponent_for(low, high));
  const int64_t first = bin_of(low, exponent);
  const bool fits =
      !fresh && exponent == exponent_ && first >= first_ && bin_of(high, exponent) < first_ + kBins;
  min_ = low;
  max_ = high;
  if (fits) return;
  std::vector<uint64_t> counts(kBins, 0);
  const int halvings = std::min(exponent - exponent_, 62);  // more leave 0 or -1 as well, and are undefined
  for (int64_t i = 0; i < static_cast<int64_t>(counts_.size()); ++i)
    if (counts_[i] != 0) counts[((first_ + i) >> halvings) - first] += counts_[i];
  counts_ = std::move(counts);
  exponent_ = exponent;
  first_ = first;
}

void StreamingHistogram::add_few(std::span<const float> values) {
  std::array<uint16_t, kPiece> bins;
  while (!values.empty()) {
    const int n = static_cast<int>(std::min<size_t>(kPiece, values.size()));
    bin_loop(values.data(), n, std::ldexp(1.0f, -exponent_), static_cast<int32_t>(first_), bins.data());
    for (int i = 0; i < n; ++i) ++counts_[bins[i]];
    values = values.subspan(n);
  }
}

Range StreamingHistogram::add(std::span<const float> values) {
  if (values.size() < kDirect) {
    const Range range = range_of(values);
    if (values.empty() || !range.finite) return range;
    make_room(range.min, range.max);
    add_few(values);
    return range;
  }
  Range whole{values[0], values[0], true};
  Tables tables;
  std::array<uint16_t, kPiece + kAtOnce> bins;
  for (; !values.empty() && whole.finite; values = values.subspan(std::min<size_t>(kPiece, values.size()))) {
    const auto piece = values.first(std::min<size_t>(kPiece, values.size()));
    fetch(values.subspan(piece.size(), std::min<size_t>(kPiece, values.size() - piece.size())));
    int count = 0;
    const Range range = number_bins(piece, bins.data(), count, tables);
    whole = {std::min(whole.min, range.min), std::max(whole.max, range.max), range.finite};
    if (!range.finite) break;
    tables.count(bins.data(), count);
    if (tables.full()) tables.empty_into(counts_);
  }
  tables.empty_into(counts_);
  return whole;
}

Range StreamingHistogram::number_bins(std::span<const float> piece, uint16_t* bins, int& count,
                                      Tables& tables) {
  const int n = static_cast<int>(piece.size());
  const int64_t zero = -first_;
  const auto fits = [&](const Range& range) {
    return !counts_.empty() && range.min >= min_ && range.max <= max_;
  };
  if (has_avx512() && !counts_.empty() && zero >= 0 && zero < kBins) {
    const Range range =
        number_but_zero(piece.data(), n, std::ldexp(1.0f, -exponent_), static_cast<int32_t>(first_),
                        static_cast<int32_t>(zero), bins, count);
    if (fits(range) && range.finite) {
      counts_[zero] += static_cast<uint64_t>(n - count);
      return range;
    }
  }
  const Range range = range_of(piece);
  if (!range.finite) return range;
  if (!fits(range)) {
    tables.empty_into(counts_);
    make_room(range.min, range.max);
  }
  bin_loop(piece.data(), n, std::ldexp(1.0f, -exponent_), static_cast<int32_t>(first_), bins);
  count = n;
  return range;
}

void StreamingHistogram::merge(const StreamingHistogram& other) {
  if (other.empty()) return;
  make_room(other.min_, other.max_);
  // make_room's exponent is at least the other's: its grid is the one of a wider range.
  for (int64_t i = 0; i < kBins; ++i)
    if (other.counts_[i] != 0)
      counts_[((other.first_ + i) >> (exponent_ - other.exponent_)) - first_] += other.counts_[i];
}

uint64_t StreamingHistogram::count() const {
  uint64_t total = 0;
  for (const uint64_t c : counts_) total += c;
  return total;
}

plan::Histogram StreamingHistogram::result() const {
  plan::Histogram histogram;
  if (counts_.empty()) return histogram;
  histogram.exponent = exponent_;
  histogram.first_bin = bin_of(min_, exponent_);
  const auto begin = counts_.begin() + (histogram.first_bin - first_);
  histogram.counts.assign(begin, begin + (bin_of(max_, exponent_) - histogram.first_bin + 1));
  return histogram;
}

}  // namespace qc::calibrate
