// See bodies.h.
#include "onnx_io/bodies.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "ir/names.h"

namespace qc::onnx_io {
namespace {

std::set<std::string> defined_names(const onnx::GraphProto& body) {
  std::set<std::string> names;
  for (const auto& input : body.input()) names.insert(input.name());
  for (const auto& tensor : body.initializer()) names.insert(tensor.name());
  for (const auto& tensor : body.sparse_initializer()) names.insert(tensor.values().name());
  for (const auto& node : body.node()) names.insert(node.output().begin(), node.output().end());
  return names;
}

using Visit = std::function<void(const onnx::GraphProto&)>;

void for_each_body(const onnx::AttributeProto& attribute, const Visit& visit) {
  if (attribute.has_g()) visit(attribute.g());
  for (const auto& body : attribute.graphs()) visit(body);
}

struct OuterNames {
  std::vector<std::set<std::string>> scopes;
  std::set<std::string> seen;
  std::vector<std::string> names;

  void read(const std::string& name) {
    const bool inner =
        std::any_of(scopes.begin(), scopes.end(), [&](const auto& scope) { return scope.contains(name); });
    if (!name.empty() && !inner && seen.insert(name).second) names.push_back(name);
  }
  void collect(const onnx::GraphProto& body) {
    scopes.push_back(defined_names(body));
    for (const auto& node : body.node()) {
      for (const auto& input : node.input()) read(input);
      for (const auto& attribute : node.attribute())
        for_each_body(attribute, [&](const onnx::GraphProto& inner) { collect(inner); });
    }
    for (const auto& output : body.output()) read(output.name());
    scopes.pop_back();
  }
};

// Calls visit for the bodies of this attribute, inner ones included.
void walk_deep(const onnx::AttributeProto& attribute, const Visit& visit) {
  for_each_body(attribute, [&](const onnx::GraphProto& body) {
    visit(body);
    for (const auto& inner : body.node())
      for (const auto& deeper : inner.attribute()) walk_deep(deeper, visit);
  });
}

void add_ops(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, std::set<std::string>& ops) {
  for (const auto& node : nodes)
    if (ir::standard_domain(node.domain())) ops.insert(node.op_type());
}

// Calls visit for every body of the node's opaque attributes, inner ones included.
void walk_bodies(const ir::Node& node, const Visit& visit) {
  for (const ir::Attribute& attribute : node.attributes) {
    const auto* opaque = std::get_if<ir::OpaqueAttribute>(&attribute.value);
    onnx::AttributeProto proto;
    if (opaque && proto.ParsePartialFromString(opaque->bytes)) walk_deep(proto, visit);
  }
}

}  // namespace

std::vector<std::string> outer_names(const onnx::AttributeProto& attribute) {
  OuterNames outer;
  for_each_body(attribute, [&](const onnx::GraphProto& body) { outer.collect(body); });
  return outer.names;
}

std::set<std::string> names_in_bodies(const ir::Graph& graph, ir::NodeId but_for) {
  std::set<std::string> names;
  for (const ir::Node& node : graph.nodes)
    if (!node.erased && (but_for == ir::kNone || &node != &ir::node_at(graph, but_for)))
      walk_bodies(node, [&](const onnx::GraphProto& body) { names.merge(defined_names(body)); });
  return names;
}

std::set<std::string> ops_in_bodies(const ir::Node& node) {
  std::set<std::string> ops;
  walk_bodies(node, [&](const onnx::GraphProto& body) { add_ops(body.node(), ops); });
  return ops;
}

BodyFloats floats_in_bodies(const ir::Node& node) {
  BodyFloats found;
  const auto add_tensor = [&](const onnx::TensorProto& tensor) {
    int64_t width = 0;
    switch (tensor.data_type()) {
      case onnx::TensorProto::FLOAT:
        width = sizeof(float);
        break;
      case onnx::TensorProto::DOUBLE:
        width = sizeof(double);
        break;
      case onnx::TensorProto::FLOAT16:
      case onnx::TensorProto::BFLOAT16:
        width = sizeof(uint16_t);
        break;
      default:
        return;
    }
    // As they are stored, whatever the dimensions say.
    const int64_t elements = static_cast<int64_t>(tensor.raw_data().size()) / width +
                             tensor.float_data_size() + tensor.double_data_size() + tensor.int32_data_size();
    found.elements += elements;
    found.bytes += elements * width;
  };
  walk_bodies(node, [&](const onnx::GraphProto& body) {
    for (const auto& tensor : body.initializer()) add_tensor(tensor);
    for (const auto& inner : body.node())
      for (const auto& attribute : inner.attribute()) {
        if (attribute.has_t()) add_tensor(attribute.t());
        found.elements += attribute.floats_size();
        found.bytes += int64_t{sizeof(float)} * attribute.floats_size();
      }
  });
  return found;
}

Function function_in(const std::string& serialized) {
  onnx::FunctionProto proto;
  proto.ParsePartialFromString(serialized);
  Function function{format("{}.{}", proto.domain(), proto.name()), {}};
  add_ops(proto.node(), function.ops);
  for (const auto& node : proto.node())
    for (const auto& attribute : node.attribute())
      walk_deep(attribute, [&](const onnx::GraphProto& body) { add_ops(body.node(), function.ops); });
  return function;
}

std::string with_opset(const std::string& serialized, int64_t version) {
  onnx::FunctionProto proto;
  proto.ParsePartialFromString(serialized);
  for (auto& import : *proto.mutable_opset_import())
    if (ir::standard_domain(import.domain())) import.set_version(version);
  return proto.SerializePartialAsString();
}

}  // namespace qc::onnx_io
