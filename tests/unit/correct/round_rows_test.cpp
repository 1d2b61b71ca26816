// Rounding by second-order statistics: no step loses against the one before, on any statistics.
#include "correct/round_rows.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <span>

using namespace qc::correct;

namespace {

struct Case {
  int64_t rows, size, patches;
  int bits;
  double noise;       // of the quantized inputs
  bool dead = false;  // a third of the inputs is always zero
};

Gram gram_of(const Case& c, std::mt19937& random) {
  std::normal_distribution<double> normal;
  const auto n = static_cast<size_t>(c.size);
  Gram gram{c.size,
            0,
            std::vector<double>(n * n),
            std::vector<double>(n * n),
            std::vector<double>(n),
            std::vector<double>(n)};
  std::vector<double> x(n), q(n);
  for (int64_t p = 0; p < c.patches; ++p) {
    const double common = normal(random);
    for (size_t i = 0; i < n; ++i) {
      x[i] = c.dead && i % 3 == 0 ? 0 : std::max(0.0, common + normal(random));
      q[i] = x[i] == 0 ? 0 : x[i] + c.noise * normal(random) + c.noise * common;
    }
    for (size_t i = 0; i < n; ++i) {
      gram.sum_float[i] += x[i];
      gram.sum_quantized[i] += q[i];
      for (size_t j = 0; j < n; ++j) {
        gram.quantized[i * n + j] += q[i] * q[j];
        gram.lost[i * n + j] += (x[i] - q[i]) * q[j];
      }
    }
    gram.samples += 1;
  }
  centre(gram);
  return gram;
}

Rows rows_of(const Case& c, std::mt19937& random) {
  std::normal_distribution<float> normal;
  Rows rows{c.rows, c.size, {}, {}, {}, {}, {}};
  const int32_t high = (1 << (c.bits - 1)) - 1;
  for (int64_t r = 0; r < c.rows; ++r) {
    float largest = 0;
    for (int64_t e = 0; e < c.size; ++e) {
      rows.weights.push_back(r == 1 ? 0.0f : normal(random));
      largest = std::max(largest, std::fabs(rows.weights.back()));
    }
    rows.scales.push_back(largest > 0 ? largest / static_cast<float>(high) : 1.0f);
    rows.smallest.push_back(0);
    rows.low.push_back(-high - 1);
    rows.high.push_back(high);
  }
  return rows;
}

double distance(const Rows& rows, const Rounded& rounded, int64_t r, const Gram& gram) {
  const auto n = static_cast<size_t>(rows.size);
  std::vector<double> value(n), weight(n);
  for (size_t e = 0; e < n; ++e) {
    const size_t at = static_cast<size_t>(r) * n + e;
    value[e] = static_cast<double>(rounded.integers[at]) * static_cast<double>(rounded.scales[r]);
    weight[e] = static_cast<double>(rows.weights[at]);
  }
  double sum = 0;  // |W x - Wq xq|^2 up to what does not depend on Wq
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      sum += value[i] * gram.quantized[i * n + j] * value[j] -
             2 * weight[i] * (gram.lost[i * n + j] + gram.quantized[i * n + j]) * value[j];
  return sum;
}

}  // namespace

TEST_CASE("no step of rounding loses against the one before, row by row") {
  std::mt19937 random(7);
  const Case c = GENERATE(Case{20, 40, 400, 4, 0.1, false}, Case{40, 150, 300, 4, 0.3, true},
                          Case{3, 9, 50, 8, 0.1, false}, Case{5, 64, 10, 3, 0.2, false},
                          Case{2, 70, 1, 2, 0.5, false}, Case{4, 6, 0, 4, 0, false});
  const bool scales = GENERATE(false, true);
  const double strength = GENERATE(0.0, 0.5, 1.0);
  CAPTURE(c.rows, c.size, c.patches, c.bits, scales, strength);
  const Rows rows = rows_of(c, random);
  const Gram gram = gram_of(c, random);
  const Rounded rounded = round_rows(rows, gram, {}, {false, strength, 3, scales}, 2);
  double nearest = 0, planes = 0, descended = 0;
  for (size_t r = 0; r < static_cast<size_t>(c.rows); ++r) {
    CHECK(rounded.planes[r] <= rounded.nearest[r]);
    CHECK(rounded.descended[r] <= rounded.planes[r]);
    nearest += rounded.nearest[r];
    planes += rounded.planes[r];
    descended += rounded.descended[r];
    CHECK(rounded.scales[r] > 0);
  }
  for (const int32_t q : rounded.integers) {
    CHECK(q >= rows.low[0]);
    CHECK(q <= rows.high[0]);
  }
  if (c.patches >= 300) {
    CHECK(planes < 0.8 * nearest);
    CHECK(descended < planes);
  }
}

TEST_CASE("rows of a codebook take its values alone, and no step loses against the one before") {
  std::mt19937 random(5);
  const Case c{12, 40, 400, 7, 0.2, false};
  const bool scales = GENERATE(false, true), per_row = GENERATE(false, true);
  CAPTURE(scales, per_row);
  Rows rows = rows_of(c, random);
  const std::vector<int32_t> book{-63, -31, -14, -5, 0, 6, 20, 63};
  rows.codebook_size = std::ssize(book);
  for (int64_t r = 0; r < (per_row ? c.rows : 1); ++r)
    for (const int32_t level : book) rows.codebook.push_back(level + (level != 0 && r == 2 ? 1 : 0));
  for (int64_t r = 0; r < c.rows; ++r) {
    rows.low[r] = rows.codebook_of(r).front();
    rows.high[r] = rows.codebook_of(r).back();
  }
  const Gram gram = gram_of(c, random);
  const Rounded rounded = round_rows(rows, gram, {}, {false, 0.5, 3, scales}, 2);
  double nearest = 0, descended = 0;
  for (int64_t r = 0; r < c.rows; ++r) {
    const auto at = static_cast<size_t>(r);
    CHECK(rounded.planes[at] <= rounded.nearest[at]);
    CHECK(rounded.descended[at] <= rounded.planes[at]);
    nearest += rounded.nearest[at];
    descended += rounded.descended[at];
    const std::span<const int32_t> own = rows.codebook_of(r);
    for (int64_t e = 0; e < c.size; ++e)
      CHECK(std::binary_search(own.begin(), own.end(), rounded.integers[r * c.size + e]));
  }
  CHECK(descended < 0.8 * nearest);
}

TEST_CASE("the thread count changes nothing, and another target is nearer to the float result") {
  std::mt19937 random(11);
  const Case c{70, 60, 500, 4, 0.4, false};
  const Rows rows = rows_of(c, random);
  const Gram held_out = gram_of({70, 60, 200, 4, 0.4, false}, random);
  Gram gram = gram_of(c, random);
  add(gram, held_out);
  const Rounded one = round_rows(rows, gram, held_out, {true, 0, 3, true}, 1),
                four = round_rows(rows, gram, held_out, {true, 0, 3, true}, 4);
  CHECK(one.integers == four.integers);
  CHECK(one.scales == four.scales);
  CHECK(one.trust.strength > 0.2);
  const Rounded plain = round_rows(rows, gram, held_out, {false, 0, 3, true}, 2);
  double targeted = 0, untargeted = 0;
  for (int64_t r = 0; r < c.rows; ++r) {
    targeted += distance(rows, one, r, held_out);
    untargeted += distance(rows, plain, r, held_out);
  }
  CHECK(targeted < untargeted);
}

TEST_CASE("weights make up for the error of what their result is added to, as far as inputs tell of it") {
  std::mt19937 random(12);
  const Case c{20, 30, 500, 8, 0.1, false};
  const Rows rows = rows_of(c, random);
  Gram held_out = gram_of({20, 30, 200, 8, 0.1, false}, random), gram = gram_of(c, random);
  const bool tells = GENERATE(true, false);  // an error that is a tenth of another layer's result, or chance
  const Rows other = rows_of(c, random);
  std::normal_distribution<double> normal;
  for (Gram* each : {&gram, &held_out}) {
    each->sum_skip.assign(20, 0);
    each->skip.assign(20 * 30, 0);
    for (size_t r = 0; r < 20; ++r)
      for (size_t j = 0; j < 30; ++j)
        for (size_t i = 0; i < 30; ++i)
          each->skip[r * 30 + j] +=
              0.1 * (tells ? static_cast<double>(other.weights[r * 30 + i]) : normal(random)) *
              each->quantized[i * 30 + j];
  }
  add(gram, held_out);
  const Rounded found = round_rows(rows, gram, held_out, {false, 0, 3, false}, 2);
  CHECK((found.trust.skip > 0.9) == tells);
  if (!tells) return;
  Gram alone = gram;
  alone.skip.clear();
  const Rounded without = round_rows(rows, alone, held_out, {false, 0, 3, false}, 2);
  double better = 0, worse = 0;
  for (int64_t r = 0; r < c.rows; ++r) {
    const auto error = [&](const Rounded& rounded) {  // distance() has W x as the aim
      double sum = distance(rows, rounded, r, held_out);
      for (size_t j = 0; j < 30; ++j)
        sum -= 2 * held_out.skip[static_cast<size_t>(r) * 30 + j] *
               static_cast<double>(rounded.integers[static_cast<size_t>(r) * 30 + j]) *
               static_cast<double>(rounded.scales[r]);
      return sum;
    };
    better += error(found);
    worse += error(without);
  }
  CHECK(better < worse);
}

TEST_CASE("no scale goes below what its bias needs, and none moves unasked") {
  std::mt19937 random(3);
  const Case c{12, 30, 200, 4, 0.1, false};
  Rows rows = rows_of(c, random);
  const Gram gram = gram_of(c, random);
  CHECK(round_rows(rows, gram, {}, {false, 0.5, 3, false}, 1).scales == rows.scales);
  for (size_t r = 0; r < rows.scales.size(); ++r) rows.smallest[r] = rows.scales[r];
  const Rounded rounded = round_rows(rows, gram, {}, {false, 0.5, 3, true}, 1);
  for (size_t r = 0; r < rows.scales.size(); ++r) CHECK(rounded.scales[r] >= rows.smallest[r]);
}

TEST_CASE(
    "rows with a scale for each block lose nothing, move each scale for the better, and stay in range") {
  std::mt19937 random(5);
  const Case c{10, 70, 400, 4, 0.1, false};
  const Gram gram = gram_of(c, random);
  const Rows whole = rows_of(c, random);
  Rows rows = whole;
  rows.block_size = 16;
  rows.scales.clear();
  rows.low.clear();
  rows.high.clear();
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t b = 0; b < rows.blocks(); ++b) {
      rows.scales.push_back(whole.scales[r] * (0.6f + 0.1f * static_cast<float>(b % 3)));
      rows.low.push_back(b % 2 ? -8 : -5);  // a zero point of its own
      rows.high.push_back(b % 2 ? 7 : 10);
    }
  const Rounded rounded = round_rows(rows, gram, {}, {false, 0, 3, false}, 2);
  REQUIRE(rounded.scales.size() == rows.scales.size());
  CHECK(rounded.scales != rows.scales);
  double nearest = 0, descended = 0;
  for (size_t r = 0; r < static_cast<size_t>(c.rows); ++r) {
    CHECK(rounded.descended[r] <= rounded.planes[r]);
    CHECK(rounded.planes[r] <= rounded.nearest[r]);
    nearest += rounded.nearest[r];
    descended += rounded.descended[r];
    for (size_t e = 0; e < static_cast<size_t>(c.size); ++e) {
      const size_t block = r * static_cast<size_t>(rows.blocks()) + e / 16;
      CHECK(rounded.integers[r * static_cast<size_t>(c.size) + e] >= rows.low[block]);
      CHECK(rounded.integers[r * static_cast<size_t>(c.size) + e] <= rows.high[block]);
    }
  }
  CHECK(descended < 0.6 * nearest);
  CHECK(round_rows(rows, gram, {}, {false, 0, 3, false}, 1).integers == rounded.integers);
}

TEST_CASE("what few images say of how inputs go together is trusted as far as other images confirm it") {
  constexpr size_t kSize = 120, kRows = 16;
  const Case fitted{kRows, kSize, 30, 4, 0.1, false};
  double by_trust = 0, by_care = 0;  // noise of the results on very many images
  for (const unsigned seed : {17U, 18U, 19U}) {
    std::mt19937 random(seed);
    const Rows rows = rows_of(fitted, random);
    const Gram held_out = gram_of({kRows, kSize, 30, 4, 0.1, false}, random),
               truth = gram_of({kRows, kSize, 5000, 4, 0.1, false}, random);
    Gram gram = gram_of(fitted, random);
    add(gram, held_out);
    const Rounded trusting = round_rows(rows, gram, {}, {false, 0, 3, false}, 1),
                  careful = round_rows(rows, gram, held_out, {false, 0, 3, false}, 1);
    for (size_t r = 0; r < kRows; ++r)
      for (const auto& [rounded, sum] : {std::pair{&trusting, &by_trust}, std::pair{&careful, &by_care}}) {
        std::vector<double> error(kSize);
        for (size_t e = 0; e < kSize; ++e)
          error[e] = static_cast<double>(rounded->integers[r * kSize + e]) *
                         static_cast<double>(rounded->scales[r]) -
                     static_cast<double>(rows.weights[r * kSize + e]);
        for (size_t i = 0; i < kSize; ++i)
          for (size_t j = 0; j < kSize; ++j) *sum += error[i] * truth.quantized[i * kSize + j] * error[j];
      }
  }
  CHECK(by_care < 0.95 * by_trust);
}
