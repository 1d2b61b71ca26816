// How single ops changed between opsets, as rewrites of one node. What is not here did not change in a way
// that a model can notice (wider types, negative axes, attributes with the old behaviour as default): the
// changelog of the ONNX operators, versions 7 to 21.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace qc::onnx_io {

/// Newest opset that these tables speak about.
inline constexpr int64_t kNewestRaised = 21;

/// Rewrites the node so that it means at `version` what it meant right before. Returns why it cannot, or "".
using RaiseRule = std::string (*)(ir::Graph& graph, ir::NodeId node);

struct RaiseStep {
  std::string_view op_type;
  int64_t version;  // the opset in which the op changed
  RaiseRule rule;
};

/// In ascending order of versions for each op; an op may get another name on the way (Upsample -> Resize).
std::span<const RaiseStep> raise_steps();

/// True for the ops of the standard domain up to kNewestRaised.
bool known_op(std::string_view op_type);

}  // namespace qc::onnx_io
