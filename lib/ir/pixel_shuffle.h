// DepthToSpace between convolutions. ONNX Runtime keeps images between integer convolutions with the channels
// last, where it has no DepthToSpace: it turns the image, moves its elements one by one (0.75 ns each) and
// turns it back. As Reshape, Transpose, Reshape of the image with the channels last, whole pixels are copied,
// a tenth of the time.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/graph.h"

namespace qc::ir {

struct PixelShuffle {
  NodeId maker = kNone;                         // the convolution before it
  int64_t block = 0;                            // pixels that one becomes, along each side
  int64_t channels = 0, height = 0, width = 0;  // of the result; of the input
  bool by_channel = false;  // the pixels of a result's channel lie together in the input (CRD), not those
                            // channels that make a pixel (DCR): the maker's outputs want another order
};

/// Behind a convolution, with at most a Relu or Clip between, and of sizes that are known but for the batch;
/// nullopt for others, for results of few channels, which gain nothing, and where somebody else reads what
/// would come in another order.
std::optional<PixelShuffle> pixel_shuffle_at(const Graph& graph, NodeId id);

}  // namespace qc::ir
