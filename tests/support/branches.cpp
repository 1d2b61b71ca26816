// See branches.h.
#include "support/branches.h"

#include <onnx/onnx_pb.h>

#include "ir/edit.h"
#include "onnx_io/onnx_io.h"

namespace qc::tiny {

ir::Attribute body(const std::string& name, const Branch& build) {
  ir::Graph g = graph(13, name);
  build(g);
  onnx::ModelProto model;
  model.ParseFromString(onnx_io::write(g));
  model.mutable_graph()->clear_input();
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  *attribute.mutable_g() = model.graph();
  return {name, ir::OpaqueAttribute{attribute.SerializeAsString()}};
}

Branch unary(const std::string& op, const std::string& read, const std::string& result) {
  return [=](ir::Graph& b) { output(b, node(b, op, {input(b, read, {1, 4})}, {}, Dims{1, 4}), result); };
}

ir::ValueId truth(ir::Graph& g, bool value) {
  return constant(g, ir::make_tensor(ir::DType::kBool, std::string(1, value ? '\1' : '\0'), {}));
}

ir::ValueId if_node(ir::Graph& g, ir::ValueId condition, const Branch& then_branch, const Branch& else_branch,
                    Dims dims) {
  const ir::ValueId y =
      node(g, "If", {condition}, {body("then_branch", then_branch), body("else_branch", else_branch)}, dims);
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  return y;
}

ir::Graph through_file(const ir::Graph& g) {
  Diagnostics diagnostics;
  return onnx_io::parse(onnx_io::write(g), {}, diagnostics);
}

}  // namespace qc::tiny
