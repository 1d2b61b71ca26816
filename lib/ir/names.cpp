// See names.h.
#include "ir/names.h"

namespace qc::ir {

bool standard_domain(std::string_view domain) {
  return domain.empty() || domain == "ai.onnx";
}

std::vector<std::string> origin_of(const Node& node) {
  return node.origin.empty() ? std::vector<std::string>{node.name} : node.origin;
}

}  // namespace qc::ir
