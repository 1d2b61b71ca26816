// What names in a graph say: whose op a node is, and which of the file's nodes it stands for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace qc::ir {

/// ONNX's own domain, which has two names: "" and "ai.onnx".
bool standard_domain(std::string_view domain);

/// Names of the file's nodes that this one stands for; its own where no rewrite has made it.
std::vector<std::string> origin_of(const Node& node);

}  // namespace qc::ir
