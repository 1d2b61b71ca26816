// A scale for every stretch of a weight along the sum: few bits stay usable where a scale covers 16 to 256
// numbers instead of a whole channel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qc::threshold {

struct BlockOptions {
  int bits = 4;           // 2..8
  int64_t size = 32;      // elements of a row that share a scale
  bool symmetric = true;  // false: unsigned with a zero point
  bool search = true;     // false: the range of the block, nearest steps
};

/// A matrix of rows (output channels) in blocks. Rows are padded with the zero point to whole blocks.
struct Blocks {
  BlockOptions options;
  int64_t rows = 0, length = 0, blocks = 0;  // blocks of one row
  std::vector<int32_t> integers;             // rows x blocks x size
  std::vector<float> scales;                 // rows x blocks
  std::vector<int32_t> zero_points;          // 0 if symmetric
  double error = 0, signal = 0;              // sums of squares
};

/// `matrix`: rows x length. The search looks for the scale (and zero point) with the least squared error in
/// each block: a grid of ranges from the block's own downwards, each fitted to the integers it leads to by
/// least squares (alternating as in HQQ, Badri and Shaji 2023, with the exponent 2, for which the fit is
/// exact). Never worse than without it. The result does not depend on `threads`.
Blocks in_blocks(std::span<const float> matrix, int64_t rows, int64_t length, const BlockOptions& options,
                 int threads);

}  // namespace qc::threshold
