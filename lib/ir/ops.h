// What the stages need to know about ops, one row each. Ops without a row have no weights and no bias.
#pragma once

#include <optional>
#include <string_view>

#include "ir/graph.h"

namespace qc::ir {

struct WeightTraits {
  std::string_view op_type;
  int data_slot;  // the activation that the weight multiplies
  int weight_slot;
};

/// Traits of a node of the standard domain that multiplies an activation by a *constant float* weight;
/// nullptr if the op is none of those or its weight is not constant here.
const WeightTraits* weight_traits(const Graph& graph, const Node& node);

/// The weight's dimension that runs along the output channels: Conv 0, ConvTranspose 1, Gemm 0 with transB
/// else 1, MatMul the last. -1 for a MatMul with a vector.
int output_channel_axis(const Graph& graph, const Node& node);

/// The output's dimension that holds the channels: 1 for Conv and ConvTranspose, the last for Gemm and MatMul
/// (as a negative index: -1).
int output_axis(const Node& node);

/// The node's bias as a constant: slot 2 of Conv and Gemm, or the constant vector of the Add that alone reads
/// a MatMul. `node` and `slot` say where it stands (slot kNone: there is none yet).
struct BiasPlace {
  NodeId node = kNone;
  int slot = kNone;
  ValueId result = kNone;  // the value that includes the bias
};
std::optional<BiasPlace> bias_place(const Graph& graph, NodeId node);
/// The Add of a constant vector that alone reads this product with a constant matrix; kNone for others.
NodeId bias_add(const Graph& graph, NodeId node);

/// A Conv of which each output channel reads one input channel.
bool is_depthwise(const Graph& graph, const Node& node);

/// What a target's rules may name the node by: its op type, or "Conv:depthwise" (target::rule_for).
std::string_view rule_name(const Graph& graph, const Node& node);

/// Multiply-accumulates of one run, from static shapes; 0 when unknown or when the op has none.
int64_t macs(const Graph& graph, const Node& node);

/// A Softmax over two to eight classes at many places: each takes LiteRT's kernel as long as a wide one, and
/// is spelled with other operators there.
bool is_narrow_softmax(const Graph& graph, const Node& node);

/// Elements of a value with static shape, free dimensions counted as 1; 0 when the shape is unknown.
int64_t elements(const Graph& graph, ValueId value);

}  // namespace qc::ir
