// Scales for blocks: never worse than the block's own range, on what weights look like.
#include "threshold/blocks.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "base/decibels.h"

using namespace qc::threshold;

namespace {

std::vector<float> matrix_of(int64_t rows, int64_t length, float lean, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(lean, 1.0f);
  std::vector<float> matrix(static_cast<size_t>(rows * length));
  for (float& x : matrix) x = normal(random);
  return matrix;
}

double gain_db(const std::vector<float>& matrix, int64_t rows, int64_t length, BlockOptions options) {
  const Blocks found = in_blocks(matrix, rows, length, options, 2);
  options.search = false;
  return qc::decibels(in_blocks(matrix, rows, length, options, 1).error / found.error);
}

}  // namespace

TEST_CASE("a searched block is nearer than its range rounded to nearest, at every width") {
  const int bits = GENERATE(2, 3, 4, 5, 6, 8);
  const bool symmetric = GENERATE(true, false);
  const int64_t size = GENERATE(16, 32, 128);
  CAPTURE(bits, symmetric, size);
  const std::vector<float> matrix = matrix_of(12, 300, symmetric ? 0.0f : 0.7f, 5);
  const double gain = gain_db(matrix, 12, 300, {bits, size, symmetric, true});
  CHECK(gain >= 0);
  if (bits == 4 && symmetric && size == 32) CHECK(gain > 1);
}

TEST_CASE("the last block is as long as the row leaves it, and a zero point helps where numbers lean") {
  const std::vector<float> matrix = matrix_of(3, 70, 2.0f, 9);
  const Blocks even = in_blocks(matrix, 3, 70, {4, 32, true, true}, 1),
               shifted = in_blocks(matrix, 3, 70, {4, 32, false, true}, 1);
  CHECK(even.blocks == 3);
  CHECK(even.scales.size() == 9);
  CHECK(shifted.error < 0.5 * even.error);
  for (const int32_t q : shifted.integers) {
    CHECK(q >= 0);
    CHECK(q <= 15);
  }
}

TEST_CASE("zeros and numbers near the end of float32 keep a scale that is one") {
  const std::vector<float> matrix{0, 0, 0, 0, 1e-40f, -1e-40f, 3e38f, -3e38f};
  const Blocks blocks = in_blocks(matrix, 2, 4, {4, 2, true, true}, 1);
  for (const float scale : blocks.scales) {
    CHECK(scale > 0);
    CHECK(std::isfinite(scale));
  }
}
