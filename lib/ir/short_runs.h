// Add, Mul, Sub and Div with a constant that is read along few elements at a time: a number for each of four
// channels that lie last, say. ONNX Runtime calls its kernel once for each such run, which takes 6 ns in
// float and 20 on integers however few elements it has (836 us for [1, 196, 196, 4] + [4], 18 us for the
// constant repeated to [196, 4]).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace qc::ir {

/// How the runtime goes through such a node.
struct ShortRuns {
  size_t slot = 0;             // of the constant
  int64_t length = 0;          // elements of a run, fewer than 64
  int64_t count = 0;           // runs; dimensions that are not known count as 1
  std::vector<int64_t> tiled;  // dimensions of the constant repeated so that runs are long, of the result's
                               // rank; empty where it would take more elements than runs are saved
  int64_t tiled_count = 0;     // runs then
};

/// nullopt: another node, operands that are not of one constant and a result's shape, or longer runs.
std::optional<ShortRuns> short_runs(const Graph& graph, const Node& node);

/// Elements of a constant of dimensions `from` repeated to `to`, which has as many dimensions or more, each
/// of `from` being 1 or that of `to`. int32_t or float.
template <typename T>
std::vector<T> repeated(std::span<const T> values, const std::vector<int64_t>& from,
                        const std::vector<int64_t>& to);

}  // namespace qc::ir
