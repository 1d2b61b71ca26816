// Where channels stand. ONNX has them second, TFLite's convolutions last; a TRANSPOSE between the two copies
// a tensor. Every value of rank 3 and up and every node gets one of the two orders, by one minimum cut over
// the whole graph, so that the bytes transposed are as few as they can be.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace qc::tflite {

/// Which order a side of a node asks for.
enum class Side {
  kOriginal,  // the dimensions as ONNX has them
  kLast,      // channels last: 0, 2, ..., rank-1, 1
  kFree,      // either; both sides of the node alike where both are free
};

/// What a node asks of its activations and gives to its results.
struct NodeSides {
  Side in = Side::kOriginal;
  Side out = Side::kOriginal;
  bool tied = true;  // free sides are the same; false: free sides are chosen apart
};

struct LayoutOptions {
  bool keep_io = false;        // inputs and outputs of the graph keep ONNX's order
  std::vector<int64_t> width;  // bytes of an element, by ValueId; 4 where it is short
};

/// true: channels last.
struct Layouts {
  std::vector<bool> node_in, node_out;  // by NodeId
  std::vector<bool> value;              // by ValueId: as its producer (or the graph's input) has it
};

/// The order in which channels-last has the dimensions of a rank; the identity below rank 3.
std::vector<int> channels_last(size_t rank);
/// result[i] = dims[order[i]]
std::vector<int64_t> permuted(std::span<const int64_t> dims, std::span<const int> order);
/// True when the permutation moves nothing but dimensions of size 1: the bytes stay as they are.
bool moves_nothing(std::span<const int64_t> dims, std::span<const int> order);
/// Row-major bytes of `tensor` in another order of its dimensions.
ir::Tensor transposed(const ir::Tensor& tensor, std::span<const int> order);

/// `sides` by NodeId; every live value needs a static shape.
Layouts assign_layouts(const ir::Graph& graph, const std::vector<NodeSides>& sides,
                       const LayoutOptions& options);

}  // namespace qc::tflite
