// Pairs of products: weights with the output channels last are walked by rows, and must say what those of the
// same numbers with the channels first say.
#include "quantize/pairs.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace qc;

namespace {

// [terms, channels], or the same numbers as [channels, terms].
plan::IntegerTensor weight_of(int64_t terms, int64_t channels, bool channels_last, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> rows(static_cast<size_t>(terms * channels));
  for (int32_t& q : rows) q = static_cast<int32_t>(random() % 256) - 128;
  plan::IntegerTensor tensor;
  tensor.params = {8, true, false, channels_last ? 1 : 0, {}, {}};
  tensor.params.scales.assign(static_cast<size_t>(channels), 0.01f);
  tensor.params.zero_points.assign(static_cast<size_t>(channels), 0);
  tensor.integers = rows;
  if (channels_last) return tensor;
  for (int64_t t = 0; t < terms; ++t)
    for (int64_t c = 0; c < channels; ++c) tensor.integers[c * terms + t] = rows[t * channels + c];
  return tensor;
}

}  // namespace

TEST_CASE("pairs of a weight are the same wherever its channels lie") {
  for (const int64_t terms : {1, 2, 7, 64})
    for (const int64_t channels : {1, 3, 64, 130})
      for (const bool bounded : {false, true}) {
        quantize::PairWalk last{{terms, channels}, 1, 1}, first{{channels, terms}, 0, 1};
        if (bounded)
          for (int64_t t = 0; t + 1 < terms; ++t)  // the last one's input is not known: 255
            last.largest_inputs.push_back(static_cast<int32_t>(37 * t % 256));
        first.largest_inputs = last.largest_inputs;
        const auto rows = weight_of(terms, channels, true, 3), columns = weight_of(terms, channels, false, 3);
        const std::vector<int64_t> expected = quantize::largest_pairs(columns, first, 1);
        CHECK(quantize::largest_pairs(rows, last, 1) == expected);
        CHECK(quantize::largest_pairs(rows, last, 3) == expected);
        CHECK(expected.size() == static_cast<size_t>(channels));
      }
}

TEST_CASE("bounding pairs leaves none above the limit, and the same integers wherever channels lie") {
  constexpr int64_t kTerms = 48, kChannels = 70;
  auto rows = weight_of(kTerms, kChannels, true, 5), columns = weight_of(kTerms, kChannels, false, 5);
  const auto floats = [](const plan::IntegerTensor& tensor, std::vector<int64_t> dims) {
    return ir::make_tensor(std::span<const float>(quant::dequantize(tensor.integers, dims, tensor.params)),
                           dims);
  };
  const quantize::PairWalk last{{kTerms, kChannels}, 1, 1}, first{{kChannels, kTerms}, 0, 1};
  const ir::Tensor by_rows = floats(rows, last.dims), by_columns = floats(columns, first.dims);
  CHECK(quantize::bound_pairs(by_rows, last, false, HUGE_VAL, 2, rows) ==
        quantize::bound_pairs(by_columns, first, false, HUGE_VAL, 1, columns));
  CHECK(rows.params.scales == columns.params.scales);
  for (const int64_t largest : quantize::largest_pairs(rows, last, 1)) CHECK(largest <= quantize::kPairLimit);
  for (int64_t t = 0; t < kTerms; ++t)
    for (int64_t c = 0; c < kChannels; ++c)
      REQUIRE(rows.integers[t * kChannels + c] == columns.integers[c * kTerms + t]);
}

TEST_CASE("a channel that would lose two bits keeps its pairs where that was not asked for") {
  constexpr int64_t kTerms = 48, kChannels = 5;
  plan::IntegerTensor tensor = weight_of(kTerms, kChannels, true, 5);
  tensor.params.axis = -1;  // one scale, which no channel may change
  tensor.params.scales = {0.01f};
  tensor.params.zero_points = {0};
  const quantize::PairWalk walk{{kTerms, kChannels}, 1, 1};
  const ir::Tensor exact = ir::make_tensor(
      std::span<const float>(quant::dequantize(tensor.integers, walk.dims, tensor.params)), walk.dims);
  const std::vector<int32_t> before = tensor.integers;
  CHECK(quantize::bound_pairs(exact, walk, false, 16, 1, tensor) == 0);
  CHECK(tensor.integers == before);
  CHECK(quantize::bound_pairs(exact, walk, false, HUGE_VAL, 1, tensor) == kChannels);
}
