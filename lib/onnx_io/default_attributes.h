// Attributes that say what the standard takes for granted. Exporters write them at every node; in a small
// quantized model of many layers they are a few percent of the file.
#pragma once

#include "ir/graph.h"

namespace qc::onnx_io {

/// From this opset on the standard says what a missing attribute means for every op of the table.
inline constexpr int64_t kDefaultsOpset = 11;

/// Would the node mean the same without the attribute, by the operator's text in the ONNX standard?
/// kernel_shape counts as said: readers without shape inference want it.
bool says_the_default(const ir::Node& node, const ir::Attribute& attribute);

}  // namespace qc::onnx_io
