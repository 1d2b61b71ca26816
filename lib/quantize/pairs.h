// Pairs of products that some kernels add in 16 bits: x86 without VNNI sums u8 * s8 two by two with
// saturation (VPMADDUBSW), so that large neighbours of one sign lose what exceeds 32767. Where no pair can
// get that far, a file gives the same results on every processor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"

namespace qc::quantize {

/// How a kernel walks the sum of one output channel, and how large what it multiplies can be.
struct PairWalk {
  std::vector<int64_t> dims;  // of the weight
  int channel_axis = 0;  // output channels; Conv [O, I/g, ...] where it is 0 and there are more than 2 dims
  int64_t groups = 1;    // of a Conv
  /// The largest unsigned 8-bit input of each input channel; empty: 255.
  std::vector<int32_t> largest_inputs = {};
};

/// The largest sum of a pair of products of one sign, for each output channel of a signed integer weight.
/// Kernels take the terms two by two from the first: Conv weights with the input channels innermost, Gemm and
/// MatMul weights along K. Depthwise kernels and those of unsigned weights sum in 32 bits: 0.
std::vector<int64_t> largest_pairs(const plan::IntegerTensor& tensor, const PairWalk& walk, int threads);

constexpr int64_t kPairLimit = 32767;

/// Rewrites integers and scales of the channels that exceed kPairLimit, each the way that leaves the least
/// squared error: a larger scale, smaller integers in the pairs that exceed it, or both. Integers of a
/// codebook stay in it, and so may exceed the limit where it holds large values alone. Per-tensor scales stay
/// as they are, with `keep_scales` all of them. A channel whose squared error would grow by more than
/// `most_growth` keeps its pairs. Returns how many channels were rewritten.
int64_t bound_pairs(const ir::Tensor& weight, const PairWalk& walk, bool keep_scales, double most_growth,
                    int threads, plan::IntegerTensor& tensor);

}  // namespace qc::quantize
