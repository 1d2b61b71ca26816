// Conv, ConvTranspose, Gemm and MatMul seen as one thing: weights with an output-channel axis, an
// input-channel axis and a bias. Whatever is a scale and a shift for each channel before or after such a node
// can go into these numbers.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace qc::ir {

using Channels = std::vector<double>;

struct Linear {
  NodeId node = kNone;
  int64_t in_channels = 0, out_channels = 0;
  int64_t rank = 0;          // of its output; -1: unknown (MatMul)
  int64_t channel_axis = 1;  // of its input and output; -1: the last
  bool takes_bias = true;    // MatMul does not
};

/// nullopt unless weights (and bias, if there is one) are float constants; for Gemm alpha = beta = 1, transA
/// = 0.
std::optional<Linear> linear_at(const Graph& graph, NodeId node);
/// The one whose output is `value`, read by nobody but one node.
std::optional<Linear> linear_before(const Graph& graph, ValueId value);

/// A float constant as one number for each of `channels` along `axis` of a tensor of that rank; also from a
/// scalar. nullopt: it varies along another axis, or broadcasting would change the tensor's shape.
std::optional<Channels> channel_constant(const Graph& graph, ValueId value, int64_t channels, int64_t rank,
                                         int64_t axis);

struct ScaleShift {
  Channels scale, shift;
};
/// Add, Sub, Mul or Div of the operand in `slot` with a channel constant, as a map of that operand.
std::optional<ScaleShift> channel_map_at(const Graph& graph, NodeId node, size_t slot, int64_t channels,
                                         int64_t rank, int64_t axis);
/// A BatchNormalization that takes the mean and the variance of its input instead of the stored ones: since
/// opset 14 an attribute says so, before it more outputs than one, read or not.
bool normalizes_by_batch(const Node& batch_norm);
/// BatchNormalization in inference as scale and shift; nullopt for training mode, further outputs, or
/// parameters that are not constant or give no finite numbers.
std::optional<ScaleShift> batch_norm_at(const Graph& graph, NodeId node);

/// output := scale * output + shift. New numbers are computed in double and must be finite: false, and
/// nothing is changed, if one is not.
bool fold_behind(Graph& graph, const Linear& linear, const Channels& scale, const Channels& shift);
/// Makes the node compute what it would for the input scale * input + shift. The caller knows that no padding
/// mixes zeros into a shifted input.
bool fold_before(Graph& graph, const Linear& linear, const Channels& scale, const Channels& shift);

/// Largest |weight| of each output channel, input channels multiplied by `in_scale` before; of each input
/// channel, output channels multiplied by `out_scale` before.
Channels output_ranges(const Graph& graph, const Linear& linear, const Channels& in_scale);
Channels input_ranges(const Graph& graph, const Linear& linear, const Channels& out_scale);
/// Sum of the squared weights of each input channel.
Channels input_powers(const Graph& graph, const Linear& linear);

/// What the layer without its bias makes of an input that is `input` at every position: for each output
/// channel the sum over all weights of weight * input.
Channels weighted_sums(const Graph& graph, const Linear& linear, const Channels& input);

/// Explicit zero pads, or none: nothing but the input's own numbers enters the sums.
bool unpadded(const Node& node);

}  // namespace qc::ir
