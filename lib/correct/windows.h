// A layer with weights as a matrix product: y = W p, where p is the patch of the input that one output
// position sees (padding as zeros). Conv, ConvTranspose, Gemm and MatMul differ only in the patch and in
// where the matrix lies in the weight tensor, so statistics and solvers know matrices alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace qc::correct {

/// `groups` matrices of rows x size. Convolutions over one or two dimensions.
struct Windows {
  enum class Form { kConv, kTranspose, kRows } form = Form::kRows;
  int64_t groups = 1, rows = 0, size = 0;  // rows: outputs of a group; size: length of its patch
  int64_t channels = 0;                    // inputs of a group
  int64_t first = 0, whole = 0;            // of a strip (strips_of): its first input, and all of the patch
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, pad[2] = {0, 0}, pad_end[2] = {0, 0};
  int64_t output_padding[2] = {0, 0};
  bool columns = false;  // the matrix lies transposed: [size, rows] (MatMul, Gemm without transB)
};

/// Nothing for what is no such product here: three spatial dimensions, padding that is not spelled out,
/// stacked matrices, a Gemm that scales or transposes its input.
std::optional<Windows> windows_of(const ir::Graph& graph, const ir::Node& node);

/// The same layer's patches cut into stretches of at most `most` elements, whole channels each: matrices side
/// by side, whose products add up to the layer's. One that fits is its own only strip.
std::vector<Windows> strips_of(const Windows& windows, int64_t most);

/// Where element `e` of row `r` of group `g` stands in the weight tensor.
int64_t weight_offset(const Windows& windows, int64_t g, int64_t r, int64_t e);

/// Output positions for an input of this shape, all images of a batch counted.
int64_t positions(const Windows& windows, std::span<const int64_t> dims);

/// Where the results of an output position lie in the layer's output, for an input of this shape: the offset
/// of the first channel, and how far each is from the one before.
struct ResultPlace {
  int64_t first = 0, step = 1;
};
ResultPlace result_place(const Windows& windows, std::span<const int64_t> dims, int64_t position);

/// Where the patches at the given positions (indices below positions()) lie in the input: for each position
/// and each element of the kernel (Gemm, MatMul: one) the offset in the first channel, -1 for padding. The
/// same for every group.
std::vector<int64_t> places_of(const Windows& windows, std::span<const int64_t> dims,
                               std::span<const int64_t> at);

/// The patches of group `g` at these places, each `stride` floats behind the one before.
void copy_patches(const Windows& windows, std::span<const float> tensor, std::span<const int64_t> dims,
                  int64_t g, std::span<const int64_t> places, float* patches, int64_t stride);

}  // namespace qc::correct
