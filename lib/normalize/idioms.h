// Recognising functions spelled as several nodes; the result type is plan::Idiom. Used by rewrites here, and
// by the corridors, which hand the list to planning and report it.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"
#include "plan/idioms.h"

namespace qc::normalize {

/// The opset that has Gelu.
constexpr int64_t kGeluOpset = 20;

/// Every idiom of the graph, in topological order of its last node; no node belongs to two.
std::vector<plan::Idiom> recognise(const ir::Graph& graph);

/// The idiom that ends in this node, or nullopt.
std::optional<plan::Idiom> hard_swish_at(const ir::Graph& graph, ir::NodeId last);
std::optional<plan::Idiom> gelu_at(const ir::Graph& graph, ir::NodeId last);  // both kinds

/// LayerNorm with what its rewrite needs besides the group.
struct LayerNorm {
  plan::Idiom idiom;
  int64_t axis = -1;           // first normalized axis; negative, counted from the end
  bool over_channels = false;  // along dimension 1 of three or more instead; `axis` is -1, as it is behind a
                               // Transpose
  float epsilon = 0;
  ir::ValueId gamma = ir::kNone, beta = ir::kNone;  // constants as the file has them
};
/// The one whose division by the standard deviation is this node; scale and shift behind it are taken along.
std::optional<LayerNorm> layer_norm_at(const ir::Graph& graph, ir::NodeId division);

/// LayerNorm as Keras and TensorFlow spell it: x * scale + (beta - mean * scale), scale = gamma / deviation.
struct Moments {
  ir::ValueId x = ir::kNone, gamma = ir::kNone, beta = ir::kNone;  // gamma may be missing
  int64_t axes = 0;                                                // so many of the last
  double epsilon = 0;
  std::vector<ir::NodeId> nodes;  // of the deviation
};
/// The one that ends in this Add.
std::optional<Moments> moments_at(const ir::Graph& graph, ir::NodeId last);

}  // namespace qc::normalize
