// Rounding of a layer's weights by second-order statistics instead of to the nearest integer: the row q that
// minimises (q - t)^T H (q - t) on the grid, H the Gram matrix of the layer's quantized inputs (Optimal Brain
// Compression, Frantar and Alistarh 2022, arXiv:2208.11580). Three steps, none of which can lose against the
// one before, row by row:
// - nearest;
// - nearest plane (GPTQ, Frantar et al. 2022, arXiv:2210.17323, which is Babai's algorithm, Chen et al. 2025,
//   arXiv:2507.18553): one element after the other, the error of each made up for by those that are still
//   free; rows of the Cholesky factor say how;
// - coordinate descent in the same quadratic form (QuantEase, Behdin et al. 2023, arXiv:2309.01885; COMQ,
//   Zhang et al. 2024, arXiv:2403.07134).
// Where a row has several scales (blocks), each is then fitted to the integers found, in turn with descent.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "correct/gram.h"

namespace qc::correct {

/// One group of a layer: rows x size, row-major.
struct Rows {
  int64_t rows = 0, size = 0;
  std::vector<float> weights;      // of the float network
  std::vector<float> scales;       // by row, or rows x blocks; integers start from these
  std::vector<float> smallest;     // by row: no scale goes below (its bias would overflow)
  std::vector<int32_t> low, high;  // as scales: range of the integers, zero point taken off
  int64_t block_size = 0;          // not 0: elements of a row that share a scale
  // Not empty: only these integers, ascending, for all rows or as many for each; low and high are their ends.
  std::vector<int32_t> codebook = {};
  int64_t codebook_size = 0;  // of one

  /// Of a row; empty without one.
  std::span<const int32_t> codebook_of(int64_t row) const;
  int64_t blocks() const { return block_size == 0 ? 1 : (size + block_size - 1) / block_size; }
};

/// How far statistics are followed.
struct Trust {
  double strength = 0;  // of the re-target, 0..1
  double skip = 0;      // of making up for the errors of what the result is added to, 0..1
  double shrink = 0;    // part that is taken off the terms between unlike inputs, 0..1
};

struct RoundOptions {
  bool retarget_auto = true;     // strength out of {0, .25, .5, .75, 1}, by the error on `held_out`
  double retarget_strength = 0;  // else this; 0..1
  int64_t sweeps = 3;            // of coordinate descent
  bool scale_search = false;     // tries a smaller scale for each row, and fits it to the integers found
  std::optional<Trust> trust =
      std::nullopt;           // of an earlier run on much the same statistics; else found by `held_out`
  bool nearest_only = false;  // re-target and round to nearest, losses 0: enough for wide weights, and quick
};

struct Rounded {
  std::vector<int32_t> integers;  // rows x size, zero point taken off
  std::vector<float> scales;      // as those of the rows
  Trust trust;                    // that was used
  // By row, of the target in the damped quadratic form: nearest >= planes >= descended.
  std::vector<double> nearest, planes, descended;
};

/// `all`: centred Gram of every image, `held_out`: of those that choose the strength (samples 0: none, then
/// automatic means 1/2). Never fails: singular statistics are damped, dead inputs keep their weights.
Rounded round_rows(const Rows& rows, const Gram& all, const Gram& held_out, const RoundOptions& options,
                   int threads);

}  // namespace qc::correct
