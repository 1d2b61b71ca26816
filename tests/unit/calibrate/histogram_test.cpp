// The streaming histogram: exact, the same whatever the order, mergeable.
#include "calibrate/histogram.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

using namespace qc;
using calibrate::Range;
using calibrate::StreamingHistogram;

namespace {

std::vector<float> mixture(unsigned seed, size_t count, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.2f, scale);
  std::vector<float> values(count);
  for (float& v : values) v = std::max(normal(random), -0.278f);
  return values;
}

void add(StreamingHistogram& histogram, const std::vector<float>& values) {
  histogram.add(values);
}

bool same(const plan::Histogram& a, const plan::Histogram& b) {
  return a.exponent == b.exponent && a.first_bin == b.first_bin && a.counts == b.counts;
}

}  // namespace

TEST_CASE("range_of finds extremes at every position and every length") {
  for (const size_t size : {1, 2, 31, 32, 33, 100, 257})
    for (size_t at = 0; at < size; at += 7) {
      std::vector<float> values(size, 0.5f);
      values[at] = -3;
      values[(at + size / 2) % size] = size > 1 ? 7 : -3;
      const Range range = calibrate::range_of(values);
      CHECK(range.min == *std::min_element(values.begin(), values.end()));
      CHECK(range.max == *std::max_element(values.begin(), values.end()));
      CHECK(range.finite);
    }
}

TEST_CASE("range_of sees NaN and infinity at every position") {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), infinity, -infinity})
    for (size_t at = 0; at < 70; ++at) {
      std::vector<float> values(70, 1.0f);
      values[at] = bad;
      CHECK_FALSE(calibrate::range_of(values).finite);
    }
}

TEST_CASE("every element is counted in the bin that covers it") {
  const std::vector<float> values = mixture(1, 20000, 1.5f);
  StreamingHistogram streaming;
  add(streaming, values);
  const plan::Histogram h = streaming.result();
  REQUIRE(h.counts.size() <= plan::Histogram::kBins);
  std::vector<uint64_t> expected(h.counts.size(), 0);
  for (const float v : values)
    ++expected.at(static_cast<size_t>(std::floor(v / h.width()) - static_cast<double>(h.first_bin)));
  CHECK(h.counts == expected);
  CHECK(h.counts.front() > 0);
  CHECK(h.counts.back() > 0);
}

TEST_CASE("values behind a rectifier are counted in the bins that cover them, zeros as well") {
  for (const float floor : {0.0f, -0.25f, 0.25f}) {
    std::vector<float> values = mixture(2, 20'001, 1.5f);
    for (float& v : values) v = std::max(v, floor);
    StreamingHistogram streaming;
    streaming.add(values);  // at once, as a tensor is
    const plan::Histogram h = streaming.result();
    std::vector<uint64_t> expected(h.counts.size(), 0);
    for (const float v : values)
      ++expected.at(static_cast<size_t>(std::floor(v / h.width()) - static_cast<double>(h.first_bin)));
    CHECK(h.counts == expected);
  }
}

TEST_CASE("a long tensor of one value does not overflow, and one that widens as it goes loses nothing") {
  StreamingHistogram constant;
  add(constant, std::vector<float>(700'001, 6.0f));
  CHECK(constant.result().counts == std::vector<uint64_t>{700'001});

  // Zeros may be counted by themselves: what is left of a piece is then of any length.
  std::vector<float> few_zeros(700'000, 6.0f);
  for (size_t i = 0; i < few_zeros.size(); i += 1024) few_zeros[i] = 0.0f;
  StreamingHistogram with_zeros;
  add(with_zeros, few_zeros);
  CHECK(with_zeros.result().counts.front() == 684);
  CHECK(with_zeros.result().counts.back() == 700'000 - 684);

  std::vector<float> widening(300'000);
  for (size_t i = 0; i < widening.size(); ++i)
    widening[i] = std::ldexp(i % 3 == 0 ? -1.25f : 1.0f, static_cast<int>(i / 20'000) - 7);
  StreamingHistogram streaming, sorted;
  const Range range = streaming.add(widening);
  CHECK(range.min == -1.25f * 128);
  CHECK(range.max == 128.0f);
  CHECK(streaming.count() == widening.size());
  std::sort(widening.begin(), widening.end());
  add(sorted, widening);
  CHECK(same(streaming.result(), sorted.result()));
}

TEST_CASE("a long tensor with NaN says so") {
  for (const size_t at : {size_t{0}, size_t{5000}, size_t{19'999}}) {
    std::vector<float> values = mixture(1, 20'000, 1.0f);
    values[at] = std::nanf("");
    StreamingHistogram streaming;
    CHECK_FALSE(streaming.add(values).finite);
  }
}

TEST_CASE("the order of tensors does not change the histogram") {
  std::vector<std::vector<float>> tensors;
  for (unsigned i = 0; i < 12; ++i)
    tensors.push_back(mixture(i, 100 + 900 * i, 0.01f * static_cast<float>(1 << i)));
  StreamingHistogram forward, backward;
  for (const auto& t : tensors) add(forward, t);
  std::reverse(tensors.begin(), tensors.end());
  for (const auto& t : tensors) add(backward, t);
  CHECK(same(forward.result(), backward.result()));
  CHECK(forward.min() == backward.min());
}

TEST_CASE("merging two workers equals one worker") {
  StreamingHistogram one, left, right;
  for (unsigned i = 0; i < 10; ++i) {
    const std::vector<float> t = mixture(i, 5000, 0.1f * static_cast<float>(i + 1));
    add(one, t);
    add(i % 2 ? left : right, t);
  }
  left.merge(right);
  CHECK(same(one.result(), left.result()));
  StreamingHistogram fresh;
  fresh.merge(one);
  CHECK(same(one.result(), fresh.result()));
}

TEST_CASE("constants, zeros and narrow ranges far from zero have a histogram") {
  for (const auto& values : {std::vector<float>(10, 0.0f), std::vector<float>(10, -4.25f),
                             std::vector<float>{1000.0f, 1000.1f, 1000.05f}}) {
    StreamingHistogram streaming;
    add(streaming, values);
    const plan::Histogram h = streaming.result();
    uint64_t total = 0;
    for (const uint64_t c : h.counts) total += c;
    CHECK(total == values.size());
    CHECK(h.left_edge(0) <= values[0]);
  }
}

TEST_CASE("joined statistics of two values equal those of one value that saw both") {
  const std::vector<float> a = mixture(3, 4000, 0.3f), b = mixture(4, 4000, 5.0f);
  StreamingHistogram both, ha, hb;
  add(both, a), add(both, b), add(ha, a), add(hb, b);
  plan::TensorStats sa{a.size(), ha.min(), ha.max(), ha.result(), {}, {}, {}},
      sb{b.size(), hb.min(), hb.max(), hb.result(), {}, {}, {}};
  plan::merge(sa, sb);
  CHECK(same(sa.histogram, both.result()));
  CHECK(sa.count == 8000);
}
