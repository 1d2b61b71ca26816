// See file_bytes.h. Field numbers: onnx.proto; wire format: protobuf's encoding guide.
#include "onnx_io/file_bytes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "ir/names.h"

namespace qc::onnx_io {
namespace {

using google::protobuf::internal::WireFormatLite;

void append_varint(std::string& bytes, uint64_t number) {
  for (; number >= 0x80; number >>= 7) bytes.push_back(static_cast<char>(number | 0x80));
  bytes.push_back(static_cast<char>(number));
}

// Tag and length of a length-delimited field.
void append_prefix(std::string& bytes, int field, int64_t length) {
  append_varint(bytes, WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  append_varint(bytes, static_cast<uint64_t>(length));
}

int64_t prefix_size(int field, int64_t length) {
  std::string prefix;
  append_prefix(prefix, field, length);
  return static_cast<int64_t>(prefix.size());
}

Entry make_entry(int field, const std::string& body, std::shared_ptr<const std::string> payload) {
  Entry entry;
  append_prefix(entry.head, field, static_cast<int64_t>(body.size() + (payload ? payload->size() : 0)));
  entry.head += body;
  entry.payload = std::move(payload);
  return entry;
}

onnx::TensorProto tensor_header(const std::string& name, const ir::Tensor& tensor) {
  onnx::TensorProto proto;
  for (const int64_t d : tensor.dims) proto.add_dims(d);
  proto.set_data_type(static_cast<int32_t>(tensor.dtype));
  if (!name.empty()) proto.set_name(name);
  return proto;
}

int64_t graph_size(const FileParts& parts) {
  int64_t size = static_cast<int64_t>(parts.graph_rest.size());
  for (const auto* entries : {&parts.nodes, &parts.initializers})
    for (const Entry& entry : *entries) size += entry.size();
  return size;
}

struct SetAttribute {
  onnx::AttributeProto& proto;

  void operator()(int64_t v) const { proto.set_i(v), proto.set_type(onnx::AttributeProto::INT); }
  void operator()(float v) const { proto.set_f(v), proto.set_type(onnx::AttributeProto::FLOAT); }
  void operator()(const std::string& v) const {
    proto.set_s(v), proto.set_type(onnx::AttributeProto::STRING);
  }
  void operator()(const std::vector<int64_t>& v) const {
    proto.mutable_ints()->Add(v.begin(), v.end());
    proto.set_type(onnx::AttributeProto::INTS);
  }
  void operator()(const std::vector<float>& v) const {
    proto.mutable_floats()->Add(v.begin(), v.end());
    proto.set_type(onnx::AttributeProto::FLOATS);
  }
  void operator()(const std::vector<std::string>& v) const {
    for (const std::string& s : v) proto.add_strings(s);
    proto.set_type(onnx::AttributeProto::STRINGS);
  }
  void operator()(const ir::Tensor& tensor) const {
    proto.set_type(onnx::AttributeProto::TENSOR);
    if (!tensor.opaque_proto.empty()) {
      proto.mutable_t()->ParsePartialFromString(tensor.opaque_proto);
      return;
    }
    *proto.mutable_t() = tensor_header("", tensor);
    proto.mutable_t()->set_raw_data(*tensor.bytes);
  }
  void operator()(const ir::OpaqueAttribute& v) const {
    const std::string name = proto.name();
    proto.ParsePartialFromString(v.bytes);
    proto.set_name(name);
  }
};

// The lowest IR version that may import this opset (onnx/helper.py, OP_SET_ID_VERSION_MAP), never below 4:
// from there on initializers need not be inputs.
int64_t ir_version_for(int64_t opset) {
  constexpr std::pair<int64_t, int64_t> kSteps[] = {{10, 5}, {11, 6},  {12, 7}, {15, 8},
                                                    {19, 9}, {21, 10}, {23, 11}};
  int64_t version = 4;
  for (const auto& [from, needed] : kSteps)
    if (opset >= from) version = needed;
  return version;
}

// Size of the assembled file.
int64_t assembled_size(const FileParts& parts) {
  const int64_t graph = graph_size(parts);
  return static_cast<int64_t>(parts.model_rest.size()) +
         prefix_size(onnx::ModelProto::kGraphFieldNumber, graph) + graph;
}

onnx::ValueInfoProto value_info_message(const ir::Value& value) {
  onnx::ValueInfoProto info;
  if (!value.extra.empty()) info.ParsePartialFromString(value.extra);
  info.set_name(value.name);
  if (value.dtype == ir::DType::kUndefined) return info;
  auto* type = info.mutable_type()->mutable_tensor_type();
  type->set_elem_type(static_cast<int32_t>(value.dtype));
  if (!value.has_shape) {
    type->clear_shape();
    return info;
  }
  if (type->shape().dim_size() != static_cast<int>(value.dims.size())) type->clear_shape();
  auto* shape = type->mutable_shape();
  for (size_t i = 0; i < value.dims.size(); ++i) {
    auto* dim =
        static_cast<int>(i) < shape->dim_size() ? shape->mutable_dim(static_cast<int>(i)) : shape->add_dim();
    if (value.dims[i] >= 0)
      dim->set_dim_value(value.dims[i]);
    else if (i < value.dim_params.size() && !value.dim_params[i].empty())
      dim->set_dim_param(value.dim_params[i]);
  }
  return info;
}

}  // namespace

Entry node_entry(const onnx::NodeProto& node) {
  return make_entry(onnx::GraphProto::kNodeFieldNumber, node.SerializePartialAsString(), nullptr);
}

Entry initializer_entry(const std::string& name, const ir::Tensor& tensor) {
  std::string body;
  if (!tensor.opaque_proto.empty()) {
    onnx::TensorProto only_name;  // concatenated messages are merged by every reader
    only_name.set_name(name);
    body = tensor.opaque_proto + only_name.SerializePartialAsString();
    return make_entry(onnx::GraphProto::kInitializerFieldNumber, body, nullptr);
  }
  body = tensor_header(name, tensor).SerializePartialAsString();
  append_prefix(body, onnx::TensorProto::kRawDataFieldNumber, static_cast<int64_t>(tensor.bytes->size()));
  return make_entry(onnx::GraphProto::kInitializerFieldNumber, body, tensor.bytes);
}

Entry external_entry(const std::string& name, const ir::Tensor& tensor, const std::string& location,
                     int64_t offset) {
  onnx::TensorProto proto = tensor_header(name, tensor);
  const std::pair<const char*, std::string> entries[] = {{"location", location},
                                                         {"offset", std::to_string(offset)},
                                                         {"length", std::to_string(tensor.bytes->size())}};
  for (const auto& [key, value] : entries) {
    auto* entry = proto.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  proto.set_data_location(onnx::TensorProto::EXTERNAL);
  return make_entry(onnx::GraphProto::kInitializerFieldNumber, proto.SerializePartialAsString(), nullptr);
}

std::string assemble(const FileParts& parts) {
  const int64_t size = assembled_size(parts);
  if (size > INT_MAX)
    throw Error(Exit::kOutput, {"too-large", "the model",
                                format("written as one file it would have {}, and ONNX files end at 2 GiB",
                                       human_bytes(static_cast<double>(size))),
                                "write the tensors as external data"});
  std::string bytes;
  bytes.reserve(static_cast<size_t>(size));
  bytes += parts.model_rest;
  append_prefix(bytes, onnx::ModelProto::kGraphFieldNumber, graph_size(parts));
  for (const auto* entries : {&parts.nodes, &parts.initializers})
    for (const Entry& entry : *entries) {
      bytes += entry.head;
      if (entry.payload) bytes += *entry.payload;
    }
  bytes += parts.graph_rest;
  return bytes;
}

onnx::NodeProto node_message(const ir::Node& node, const std::vector<std::string>& inputs,
                             const std::vector<std::string>& outputs, bool with_docs) {
  constexpr int kMetadataProps = 9;  // of newer versions of onnx.proto than ours
  onnx::NodeProto proto;
  if (!node.extra.empty()) proto.ParsePartialFromString(node.extra);
  if (!with_docs) proto.mutable_unknown_fields()->DeleteByNumber(kMetadataProps);
  for (const std::string& name : inputs) proto.add_input(name);
  for (const std::string& name : outputs) proto.add_output(name);
  proto.set_op_type(node.op_type);
  if (node.named_in_file) proto.set_name(node.name);
  if (!node.domain.empty()) proto.set_domain(node.domain);
  if (with_docs && !node.doc.empty()) proto.set_doc_string(node.doc);
  for (const ir::Attribute& attribute : node.attributes) {
    auto* added = proto.add_attribute();
    added->set_name(attribute.name);
    std::visit(SetAttribute{*added}, attribute.value);
  }
  return proto;
}

std::vector<std::string> value_names(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  std::vector<std::string> names;
  for (const ir::ValueId v : values) names.push_back(v == ir::kNone ? "" : ir::value_at(graph, v).name);
  return names;
}

std::string graph_rest(const ir::Graph& graph, const std::vector<ir::ValueId>& described, bool lean) {
  onnx::ModelProto model;
  if (!lean) model.ParsePartialFromString(graph.extra);
  onnx::GraphProto& proto = *model.mutable_graph();
  proto.set_name(graph.name);
  if (!lean && !graph.doc.empty()) proto.set_doc_string(graph.doc);
  const auto info = [&](ir::ValueId v) { return value_info_message(ir::value_at(graph, v)); };
  for (const ir::ValueId v : graph.inputs) *proto.add_input() = info(v);
  for (const ir::ValueId v : graph.outputs) *proto.add_output() = info(v);
  for (const ir::ValueId v : described) *proto.add_value_info() = info(v);
  return proto.SerializePartialAsString();
}

std::string model_rest(const ir::Graph& graph,
                       const std::vector<std::pair<std::string, std::string>>& metadata, bool lean) {
  onnx::ModelProto model;
  if (!lean) model.ParsePartialFromString(graph.extra);
  model.clear_graph();
  model.set_ir_version(std::max(graph.ir_version, ir_version_for(ir::opset(graph))));
  if (!graph.producer_name.empty()) model.set_producer_name(graph.producer_name);
  if (!graph.producer_version.empty()) model.set_producer_version(graph.producer_version);
  if (!graph.model_domain.empty()) model.set_domain(graph.model_domain);
  if (graph.model_version != 0) model.set_model_version(graph.model_version);
  if (!lean && !graph.model_doc.empty()) model.set_doc_string(graph.model_doc);
  for (const auto& [domain, version] : graph.opset_imports) {
    auto* import = model.add_opset_import();
    import->set_domain(domain);
    import->set_version(version);
  }
  for (const std::string& function : graph.functions) model.add_functions()->ParsePartialFromString(function);
  const auto add_entry = [&](const std::pair<std::string, std::string>& entry) {
    auto* added = model.add_metadata_props();
    added->set_key(entry.first);
    added->set_value(entry.second);
  };
  if (!lean) {
    for (const auto& entry : graph.metadata)  // each key once: a file of ours that is written anew has them
      if (std::none_of(metadata.begin(), metadata.end(),
                       [&](const auto& added) { return added.first == entry.first; }))
        add_entry(entry);
    std::for_each(metadata.begin(), metadata.end(), add_entry);
  }
  return model.SerializePartialAsString();
}

std::vector<ir::ValueId> values_to_describe(const ir::Graph& graph) {
  std::vector<bool> wanted(graph.values.size(), false);
  for (const ir::Node& node : graph.nodes) {
    if (node.erased) continue;
    const bool foreign = !ir::standard_domain(node.domain);
    for (const ir::ValueId v : node.outputs)
      if (v != ir::kNone && foreign) wanted[v] = true;
    for (const ir::ValueId v : node.captures)
      if (v != ir::kNone) wanted[v] = true;
  }
  std::vector<ir::ValueId> described;
  for (size_t v = 0; v < wanted.size(); ++v) {
    const ir::Value& value = graph.values[v];
    const auto id = static_cast<ir::ValueId>(v);
    const bool typed = value.dtype != ir::DType::kUndefined || !value.extra.empty();
    if (wanted[v] && typed && value.producer != ir::kNone && !ir::is_output(graph, id))
      described.push_back(id);
  }
  return described;
}

}  // namespace qc::onnx_io
