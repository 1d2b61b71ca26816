// See functions.h. Done on messages, where a body inside a function is reached by the same walk as its nodes.
#include "onnx_io/functions.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "ir/names.h"
#include "onnx_io/file_bytes.h"
#include "onnx_io/onnx_io.h"

namespace qc::onnx_io {
namespace {

/// FunctionProto.attribute_proto, attributes with a value to fall back on: newer than ONNX 1.12, whose
/// messages keep it among the fields that they do not know.
constexpr int kAttributeProto = 11;

/// The names of one function's scope and of the scopes inside it as the graph around the call knows them.
struct Call {
  std::string prefix;
  std::map<std::string, std::string> given;  // formal input -> name outside, "" where it is left out
  std::map<std::string, onnx::AttributeProto> attributes;

  void rename(std::string& name) const {
    if (name.empty()) return;
    const auto found = given.find(name);
    name = found == given.end() ? prefix + name : found->second;
  }
};

void rename(const Call& call, google::protobuf::RepeatedPtrField<std::string>& names) {
  for (std::string& name : names) call.rename(name);
}

template <typename Named>
void rename(const Call& call, google::protobuf::RepeatedPtrField<Named>& list) {
  for (Named& one : list) call.rename(*one.mutable_name());
}

void settle(const Call& call, onnx::NodeProto& node);

void settle(const Call& call, onnx::GraphProto& body) {
  rename(call, *body.mutable_input());
  rename(call, *body.mutable_output());
  rename(call, *body.mutable_value_info());
  rename(call, *body.mutable_initializer());
  for (auto& sparse : *body.mutable_sparse_initializer())
    call.rename(*sparse.mutable_values()->mutable_name());
  for (auto& node : *body.mutable_node()) settle(call, node);
}

/// False where it refers to an attribute that the call does not give.
bool put_in(const Call& call, onnx::AttributeProto& attribute) {
  if (!attribute.has_ref_attr_name()) {
    if (attribute.has_g()) settle(call, *attribute.mutable_g());
    for (auto& body : *attribute.mutable_graphs()) settle(call, body);
    return true;
  }
  const auto found = call.attributes.find(attribute.ref_attr_name());
  if (found == call.attributes.end()) return false;
  const std::string name = attribute.name();
  attribute = found->second;
  attribute.set_name(name);
  return true;
}

void settle(const Call& call, onnx::NodeProto& node) {
  const std::string& own = node.name().empty() ? node.op_type() : node.name();
  node.set_name(call.prefix + own);
  rename(call, *node.mutable_input());
  rename(call, *node.mutable_output());
  auto& attributes = *node.mutable_attribute();
  attributes.erase(std::remove_if(attributes.begin(), attributes.end(),
                                  [&](onnx::AttributeProto& attribute) { return !put_in(call, attribute); }),
                   attributes.end());
}

/// The function of that name; nothing where there is none, or where there are two.
std::optional<onnx::FunctionProto> function_of(const ir::Graph& graph, const ir::Node& node) {
  std::optional<onnx::FunctionProto> found;
  for (const std::string& bytes : graph.functions) {
    onnx::FunctionProto function;
    if (!function.ParsePartialFromString(bytes)) continue;
    if (function.name() != node.op_type || function.domain() != node.domain) continue;
    if (found) return std::nullopt;
    found = std::move(function);
  }
  return found;
}

std::string plain_domain(const std::string& domain) {
  return ir::standard_domain(domain) ? "" : domain;
}

bool imports_agree(const ir::Graph& graph, const onnx::FunctionProto& function) {
  return std::all_of(function.opset_import().begin(), function.opset_import().end(), [&](const auto& wanted) {
    return std::all_of(graph.opset_imports.begin(), graph.opset_imports.end(), [&](const auto& has) {
      return has.first != plain_domain(wanted.domain()) || has.second == wanted.version();
    });
  });
}

std::map<std::string, onnx::AttributeProto> attributes_of(const onnx::FunctionProto& function,
                                                          const onnx::NodeProto& call) {
  std::map<std::string, onnx::AttributeProto> attributes;
  const auto& unknown = function.GetReflection()->GetUnknownFields(function);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const auto& field = unknown.field(i);
    onnx::AttributeProto attribute;
    if (field.number() == kAttributeProto &&
        field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
        attribute.ParsePartialFromString(field.length_delimited()))
      attributes[attribute.name()] = attribute;
  }
  for (const auto& attribute : call.attribute()) attributes[attribute.name()] = attribute;
  return attributes;
}

using Name = std::pair<std::string, std::string>;  // domain, name

void add_calls(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, std::set<Name>& calls);

void add_calls(const onnx::AttributeProto& attribute, std::set<Name>& calls) {
  if (attribute.has_g()) add_calls(attribute.g().node(), calls);
  for (const auto& body : attribute.graphs()) add_calls(body.node(), calls);
}

void add_calls(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, std::set<Name>& calls) {
  for (const auto& node : nodes) {
    calls.emplace(node.domain(), node.op_type());
    for (const auto& attribute : node.attribute()) add_calls(attribute, calls);
  }
}

/// By everything that is no function itself.
std::set<Name> calls_of(const ir::Graph& graph) {
  std::set<Name> calls;
  for (const ir::Node& node : graph.nodes) {
    if (node.erased) continue;
    calls.emplace(node.domain, node.op_type);
    for (const ir::Attribute& attribute : node.attributes) {
      const auto* opaque = std::get_if<ir::OpaqueAttribute>(&attribute.value);
      onnx::AttributeProto message;
      if (opaque && message.ParsePartialFromString(opaque->bytes)) add_calls(message, calls);
    }
  }
  return calls;
}

}  // namespace

void drop_uncalled_functions(ir::Graph& graph) {
  std::vector<onnx::FunctionProto> functions(graph.functions.size());
  for (size_t f = 0; f < functions.size(); ++f) functions[f].ParsePartialFromString(graph.functions[f]);
  std::set<Name> calls = calls_of(graph);
  for (size_t before = 0; before != calls.size();) {
    before = calls.size();
    for (const auto& function : functions)
      if (calls.contains({function.domain(), function.name()})) add_calls(function.node(), calls);
  }
  std::vector<std::string> kept;
  for (size_t f = 0; f < functions.size(); ++f)
    if (calls.contains({functions[f].domain(), functions[f].name()})) kept.push_back(graph.functions[f]);
  graph.functions = std::move(kept);
}

std::optional<ir::Graph> body_of_call(const ir::Graph& graph, const ir::Node& node) {
  if (ir::standard_op(node, node.op_type) || graph.functions.empty()) return std::nullopt;
  const std::optional<onnx::FunctionProto> function = function_of(graph, node);
  if (!function || !imports_agree(graph, *function)) return std::nullopt;
  const onnx::NodeProto message = node_message(node, value_names(graph, node.inputs), {}, false);
  if (message.input_size() > function->input_size()) return std::nullopt;

  Call call{node.name + "/", {}, attributes_of(*function, message)};
  for (int i = 0; i < function->input_size(); ++i)
    call.given[function->input(i)] = i < message.input_size() ? message.input(i) : "";
  onnx::AttributeProto body;
  body.set_name(node.name);
  onnx::GraphProto& inside = *body.mutable_g();
  *inside.mutable_node() = function->node();
  for (const std::string& output : function->output()) inside.add_output()->set_name(output);
  settle(call, inside);
  ir::Graph result = read_body({body.SerializePartialAsString()});
  for (const auto& import : function->opset_import())
    result.opset_imports.emplace_back(plain_domain(import.domain()), import.version());
  return result;
}

}  // namespace qc::onnx_io
