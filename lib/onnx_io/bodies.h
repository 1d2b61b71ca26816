// Bodies of If, Loop and Scan: what they read from outside, by name. They stay bytes (ir::OpaqueAttribute),
// so this is all that the rest of the house ever needs to know of them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace onnx {
class AttributeProto;
}

namespace qc::onnx_io {

/// Names that the bodies in this attribute (and the bodies inside them) read and do not define, each once, in
/// the order of reading.
std::vector<std::string> outer_names(const onnx::AttributeProto& attribute);

/// Every value name that any body of the graph defines, but for those of one node: new names must keep clear
/// of them (ONNX forbids shadowing).
std::set<std::string> names_in_bodies(const ir::Graph& graph, ir::NodeId but_for = ir::kNone);

/// The op types of the standard domain inside the bodies of this node, each once, sorted.
std::set<std::string> ops_in_bodies(const ir::Node& node);

/// The float constants (float32, float16, bfloat16, double) that the bodies of this node hold.
struct BodyFloats {
  int64_t elements = 0, bytes = 0;
};
BodyFloats floats_in_bodies(const ir::Node& node);

/// A model-local function (Graph::functions), as far as raising the opset has to look into it.
struct Function {
  std::string name;           // "domain.name"
  std::set<std::string> ops;  // of the standard domain, bodies inside included
};
Function function_in(const std::string& serialized);
/// The same function with this version of the standard domain, if it imports that.
std::string with_opset(const std::string& serialized, int64_t version);

}  // namespace qc::onnx_io
