// ONNX -> Graph. Two passes over the nodes, so that the file's order does not matter; every problem found is
// reported at once. What the graph has no field for stays in the `extra` members, as bytes.
#include <fcntl.h>
#include <onnx/onnx_pb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "base/files.h"
#include "base/text.h"
#include "ir/names.h"
#include "onnx_io/bodies.h"
#include "onnx_io/looks_like.h"
#include "onnx_io/onnx_io.h"
#include "onnx_io/tensors.h"

namespace qc::onnx_io {
namespace {

using ir::kNone;
using ir::NodeId;
using ir::ValueId;

constexpr int64_t kOldestOpset = 7;
constexpr const char* kExportAgain = "export the model again";

std::string bytes_or_nothing(const google::protobuf::MessageLite& rest) {
  return rest.ByteSizeLong() == 0 ? std::string() : rest.SerializePartialAsString();
}

struct Reader {
  std::string place;  // the file, for problems that have no better place
  ExternalFiles files;
  Diagnostics& diagnostics;
  ir::Graph graph;
  std::unordered_map<std::string, ValueId> by_name;

  void problem(const char* code, std::string where, std::string cause, std::string remedy = kExportAgain) {
    diagnostics.error({code, std::move(where), std::move(cause), std::move(remedy)});
  }
  ir::Value& value(ValueId id) { return ir::value_at(graph, id); }

  // A new value, or kNone (and a problem) when the name is taken or missing.
  ValueId define(const std::string& name, const std::string& by) {
    if (name.empty()) return problem("unnamed-value", place, by + " has no name"), kNone;
    const auto id = static_cast<ValueId>(graph.values.size());
    if (!by_name.emplace(name, id).second)
      return problem("defined-twice", format("value '{}'", name), format("{} defines it a second time", by)),
             kNone;
    graph.values.emplace_back();
    graph.values.back().name = name;
    return id;
  }
  ValueId lookup(const std::string& name) const {
    const auto it = by_name.find(name);
    return it == by_name.end() ? kNone : it->second;
  }
};

// --- values

// What the message says beyond name, element type and dimensions.
std::string rest_of(onnx::ValueInfoProto info) {
  info.clear_name();
  if (info.type().has_tensor_type()) {
    auto* tensor = info.mutable_type()->mutable_tensor_type();
    tensor->clear_elem_type();
    bool denoted = false;
    for (auto& dim : *tensor->mutable_shape()->mutable_dim()) {
      dim.clear_value();
      denoted = denoted || dim.ByteSizeLong() > 0;
    }
    if (!denoted) tensor->clear_shape();
    if (tensor->ByteSizeLong() == 0) info.mutable_type()->clear_tensor_type();
  }
  if (info.has_type() && info.type().ByteSizeLong() == 0) info.clear_type();
  return bytes_or_nothing(info);
}

void take_value_info(const onnx::ValueInfoProto& info, ir::Value& value) {
  if (value.constant) return;  // the tensor itself knows better
  value.extra = rest_of(info);
  if (!info.type().has_tensor_type()) return;
  const auto& tensor = info.type().tensor_type();
  value.dtype = static_cast<ir::DType>(tensor.elem_type());
  value.has_shape = tensor.has_shape();
  value.dims.clear();
  value.dim_params.clear();
  bool named = false;
  for (const auto& dim : tensor.shape().dim()) {
    value.dims.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
    value.dim_params.push_back(dim.has_dim_param() ? dim.dim_param() : "");
    named = named || dim.has_dim_param();
  }
  if (!named) value.dim_params.clear();
}

void set_constant(Reader& reader, ValueId id, ir::Tensor tensor) {
  if (id == kNone) return;
  ir::Value& value = reader.value(id);
  value.dtype = tensor.dtype;
  value.has_shape = true;
  value.dims = tensor.dims;
  value.constant = std::move(tensor);
}

void read_initializers(Reader& reader, onnx::GraphProto& proto,
                       const std::unordered_set<std::string>& input_names) {
  for (auto& tensor : *proto.mutable_initializer()) {
    const std::string name = tensor.name();
    if (input_names.contains(name)) reader.graph.initializers_as_inputs.push_back(name);
    const std::string where = format("initializer '{}'", name);
    const ValueId id = reader.define(name, "an initializer");
    set_constant(reader, id, take_tensor(tensor, reader.files, where, reader.diagnostics));
  }
  // One that cannot be dense means the same as a Constant node with a sparse value, which is a node we can
  // carry.
  for (auto& sparse : *proto.mutable_sparse_initializer()) {
    const std::string& name = sparse.values().name();
    if (auto dense =
            dense_tensor(sparse, reader.files, format("initializer '{}'", name), reader.diagnostics)) {
      set_constant(reader, reader.define(name, "an initializer"), std::move(*dense));
      continue;
    }
    onnx::NodeProto* node = proto.add_node();
    node->set_op_type("Constant");
    node->add_output(sparse.values().name());
    auto* attribute = node->add_attribute();
    attribute->set_name("sparse_value");
    attribute->set_type(onnx::AttributeProto::SPARSE_TENSOR);
    attribute->mutable_sparse_tensor()->Swap(&sparse);
  }
}

void read_inputs(Reader& reader, const onnx::GraphProto& proto,
                 const std::unordered_set<std::string>& constants) {
  for (const auto& info : proto.input()) {
    if (constants.contains(info.name())) continue;
    const ValueId id = reader.define(info.name(), "a model input");
    if (id == kNone) continue;
    take_value_info(info, reader.value(id));
    reader.graph.inputs.push_back(id);
  }
}

// --- nodes

ir::AttributeValue take_attribute(Reader& reader, onnx::AttributeProto& proto, const std::string& where) {
  using A = onnx::AttributeProto;
  int type = proto.type();
  if (type == A::UNDEFINED && !proto.has_ref_attr_name()) {  // files before IR 3 leave the type out
    type = proto.has_f()          ? A::FLOAT
           : proto.has_i()        ? A::INT
           : proto.has_s()        ? A::STRING
           : proto.has_t()        ? A::TENSOR
           : proto.floats_size()  ? A::FLOATS
           : proto.ints_size()    ? A::INTS
           : proto.strings_size() ? A::STRINGS
                                  : A::UNDEFINED;
  }
  switch (type) {
    case A::FLOAT:
      return proto.f();
    case A::INT:
      return int64_t{proto.i()};
    case A::STRING:
      return proto.s();
    case A::TENSOR:
      return take_tensor(*proto.mutable_t(), reader.files, where, reader.diagnostics);
    case A::FLOATS:
      return std::vector<float>(proto.floats().begin(), proto.floats().end());
    case A::INTS:
      return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    case A::STRINGS:
      return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
    default:
      if (proto.has_g()) embed_external_data(*proto.mutable_g(), reader.files, where, reader.diagnostics);
      for (auto& body : *proto.mutable_graphs())
        embed_external_data(body, reader.files, where, reader.diagnostics);
      return ir::OpaqueAttribute{proto.SerializePartialAsString()};
  }
}

// The tensor of a Constant node, where its form is one that a tensor can hold.
std::optional<ir::Tensor> constant_of(Reader& reader, onnx::NodeProto& node, const std::string& where) {
  if (node.op_type() != "Constant" || !ir::standard_domain(node.domain()) || node.input_size() != 0 ||
      node.output_size() != 1 || node.attribute_size() != 1)
    return std::nullopt;
  auto& attribute = *node.mutable_attribute(0);
  const std::string& name = attribute.name();
  if (name == "value" && attribute.has_t())
    return take_tensor(*attribute.mutable_t(), reader.files, where, reader.diagnostics);
  if (name == "value_float") return ir::scalar(attribute.f());
  if (name == "value_int") return ir::scalar(int64_t{attribute.i()});
  if (name == "value_floats")
    return ir::make_tensor(std::vector<float>(attribute.floats().begin(), attribute.floats().end()),
                           {attribute.floats_size()});
  if (name == "value_ints")
    return ir::make_tensor(std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end()),
                           {attribute.ints_size()});
  if (name == "sparse_value" && attribute.has_sparse_tensor())
    return dense_tensor(attribute.sparse_tensor(), reader.files, where, reader.diagnostics);
  return std::nullopt;  // strings stay nodes
}

// Whether output names left empty at the end say nothing: elsewhere their number counts.
bool may_end_early(const onnx::NodeProto& node) {
  constexpr std::string_view kCounted[] = {"If", "Loop", "Scan", "SequenceMap", "Split"};
  return ir::standard_domain(node.domain()) &&
         std::find(std::begin(kCounted), std::end(kCounted), node.op_type()) == std::end(kCounted);
}

// The node without its inputs; its outputs become values. Constant nodes become constants instead.
void read_node(Reader& reader, onnx::NodeProto& proto, std::string name, bool named) {
  const std::string where = format("node '{}' ({})", name, proto.op_type());
  if (auto tensor = constant_of(reader, proto, where)) {
    set_constant(reader, reader.define(proto.output(0), where), std::move(*tensor));
    proto.clear_input();
    proto.clear_op_type();
    return;
  }
  const auto id = static_cast<NodeId>(reader.graph.nodes.size());
  ir::Node node;
  node.name = std::move(name);
  node.named_in_file = named;
  node.op_type = proto.op_type();
  node.domain = proto.domain();
  node.doc = proto.doc_string();
  for (auto& attribute : *proto.mutable_attribute())
    node.attributes.push_back({attribute.name(), take_attribute(reader, attribute, where)});
  for (const std::string& output : proto.output()) {
    const ValueId v = output.empty() ? kNone : reader.define(output, where);
    if (v != kNone) reader.value(v).producer = id;
    node.outputs.push_back(v);
  }
  if (may_end_early(proto))
    while (node.outputs.size() > 1 && node.outputs.back() == kNone) node.outputs.pop_back();
  reader.graph.nodes.push_back(std::move(node));
}

void link(Reader& reader, NodeId id, const onnx::NodeProto& proto) {
  ir::Node& node = ir::node_at(reader.graph, id);
  const auto read = [&](const std::string& name, std::vector<ValueId>& list) {
    const ValueId v = name.empty() ? kNone : reader.lookup(name);
    if (!name.empty() && v == kNone)
      return reader.problem("undefined-value", format("node '{}' ({})", node.name, node.op_type),
                            format("it reads '{}', which nothing defines", name));
    list.push_back(v);
    if (v != kNone) reader.value(v).consumers.push_back(id);
  };
  for (const std::string& input : proto.input()) read(input, node.inputs);
  for (const auto& attribute : proto.attribute())
    for (const std::string& name : outer_names(attribute))
      if (std::find(node.captures.begin(), node.captures.end(), reader.lookup(name)) == node.captures.end())
        read(name, node.captures);
}

void read_nodes(Reader& reader, onnx::GraphProto& proto) {
  std::unordered_set<std::string> given, taken;
  for (const auto& node : proto.node()) given.insert(node.name());
  std::vector<std::pair<NodeId, int>> kept;
  for (int i = 0; i < proto.node_size(); ++i) {
    auto& node = *proto.mutable_node(i);
    const bool named = !node.name().empty();
    const std::string base = named ? node.name() : format("{}_{}", node.op_type(), i);
    std::string name = base;
    for (int k = 1; named ? taken.contains(name) : (taken.contains(name) || given.contains(name)); ++k)
      name = format("{}_{}", base, k);
    taken.insert(name);
    const auto id = static_cast<NodeId>(reader.graph.nodes.size());
    read_node(reader, node, name, named);
    if (static_cast<NodeId>(reader.graph.nodes.size()) > id) kept.emplace_back(id, i);
  }
  for (const auto& [id, i] : kept) {
    auto& node = *proto.mutable_node(i);
    link(reader, id, node);
    for (auto* field : {node.mutable_input(), node.mutable_output()}) field->Clear();
    node.clear_attribute();
    node.clear_name();
    node.clear_op_type();
    node.clear_domain();
    node.clear_doc_string();
    ir::node_at(reader.graph, id).extra = bytes_or_nothing(node);
  }
}

// --- model

void read_graph(Reader& reader, onnx::GraphProto& proto) {
  std::unordered_set<std::string> inputs, constants;
  for (const auto& info : proto.input()) inputs.insert(info.name());
  for (const auto& tensor : proto.initializer()) constants.insert(tensor.name());
  for (const auto& tensor : proto.sparse_initializer()) constants.insert(tensor.values().name());
  reader.graph.name = proto.name();
  reader.graph.doc = proto.doc_string();
  read_inputs(reader, proto, constants);
  read_initializers(reader, proto, inputs);
  read_nodes(reader, proto);
  for (const auto& info : proto.value_info())
    if (const ValueId v = reader.lookup(info.name()); v != kNone) take_value_info(info, reader.value(v));
  for (const auto& info : proto.output()) {
    const ValueId v = reader.lookup(info.name());
    if (v == kNone) {
      reader.problem("undefined-value", format("model output '{}'", info.name()), "nothing produces it");
      continue;
    }
    if (!ir::is_input(reader.graph, v)) take_value_info(info, reader.value(v));
    reader.graph.outputs.push_back(v);
  }
  for (const auto clear : {&onnx::GraphProto::clear_node, &onnx::GraphProto::clear_initializer,
                           &onnx::GraphProto::clear_sparse_initializer, &onnx::GraphProto::clear_input,
                           &onnx::GraphProto::clear_output, &onnx::GraphProto::clear_value_info,
                           &onnx::GraphProto::clear_name, &onnx::GraphProto::clear_doc_string})
    (proto.*clear)();
}

void read_header(Reader& reader, onnx::ModelProto& model) {
  ir::Graph& graph = reader.graph;
  graph.ir_version = model.ir_version();
  graph.producer_name = model.producer_name();
  graph.producer_version = model.producer_version();
  graph.model_domain = model.domain();
  graph.model_version = model.model_version();
  graph.model_doc = model.doc_string();
  for (const auto& import : model.opset_import()) {
    const std::string domain = ir::standard_domain(import.domain()) ? "" : import.domain();
    const auto known = std::find_if(graph.opset_imports.begin(), graph.opset_imports.end(),
                                    [&](const auto& other) { return other.first == domain; });
    if (known == graph.opset_imports.end())
      graph.opset_imports.emplace_back(domain, import.version());
    else
      known->second = std::max(known->second, import.version());
  }
  for (const auto& entry : model.metadata_props()) graph.metadata.emplace_back(entry.key(), entry.value());
  for (const auto& function : model.functions())
    graph.functions.push_back(function.SerializePartialAsString());
  for (const auto clear : {&onnx::ModelProto::clear_ir_version, &onnx::ModelProto::clear_producer_name,
                           &onnx::ModelProto::clear_producer_version, &onnx::ModelProto::clear_domain,
                           &onnx::ModelProto::clear_model_version, &onnx::ModelProto::clear_doc_string,
                           &onnx::ModelProto::clear_opset_import, &onnx::ModelProto::clear_metadata_props,
                           &onnx::ModelProto::clear_functions})
    (model.*clear)();
  const int64_t version = ir::opset(graph);
  if (graph.opset_imports.empty() || (version != 0 && version < kOldestOpset))
    reader.problem(
        "old-opset", reader.place,
        format("it uses opset {}; qconvert reads {} and newer", std::max<int64_t>(version, 1), kOldestOpset),
        "export it for a newer opset, or raise it with onnx.version_converter");
}

ir::Graph to_graph(onnx::ModelProto model, size_t file_size, const std::string& place, ExternalFiles files,
                   Diagnostics& diagnostics) {
  Reader reader{place, std::move(files), diagnostics, {}, {}};
  read_header(reader, model);
  read_graph(reader, *model.mutable_graph());
  reader.graph.bytes_on_disk = static_cast<int64_t>(file_size) + reader.files.bytes_on_disk();
  reader.graph.external_files = reader.files.names();
  if (model.graph().ByteSizeLong() == 0) model.clear_graph();
  reader.graph.extra = bytes_or_nothing(model);
  diagnostics.throw_if_errors(Exit::kInput);
  ir::topological_order(reader.graph);  // throws for a cycle
  const auto& both = reader.graph.initializers_as_inputs;
  if (!both.empty() && reader.graph.ir_version >= 4)
    diagnostics.warning(
        {"constant-inputs", place,
         format("{} of its inputs have stored values ('{}', ...): they are taken as constants", both.size(),
                both.front()),
         "export the model without keep_initializers_as_inputs if they are not meant to be fed"});
  return std::move(reader.graph);
}

onnx::ModelProto load_proto(std::string_view bytes, const std::string& place) {
  const auto refuse = [&](const char* code, const std::string& cause, const std::string& remedy) {
    throw Error(Exit::kInput, {code, place, cause, remedy});
  };
  if (bytes.empty()) refuse("empty-file", "the file is empty", "export or copy the model again");
  if (bytes.size() > INT_MAX)
    refuse("too-large", "it is larger than 2 GiB, which the ONNX format does not allow for one file",
           "save it with external data (onnx.save_model(..., save_as_external_data=True))");
  onnx::ModelProto model;
  const bool parsed = model.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()));
  // Only what is no model is looked at for what it may be instead: every signature could stand in a model by
  // chance.
  if (const Guess guess = parsed && model.has_graph() ? Guess() : looks_like(bytes); !guess.what.empty())
    refuse("not-onnx", "this is " + guess.what + ", not an ONNX model", guess.remedy);
  if (!parsed) {
    const std::string cut = truncation(bytes);
    refuse("damaged", cut.empty() ? "it is not a valid ONNX file" : cut, "copy or export the model again");
  }
  if (!model.has_graph()) {
    refuse("no-graph", "it holds no graph: it is not an ONNX model, or only its beginning",
           "check that this is the model's file");
  }
  return model;
}

// The file's bytes without copying them, where the system can map it.
class FileView {
 public:
  explicit FileView(const std::filesystem::path& path) {
    const int fd = is_pipe(path) ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
      size_ = static_cast<size_t>(info.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (data_ == MAP_FAILED) data_ = nullptr;
    }
    if (fd >= 0) ::close(fd);
    if (!data_) copy_ = read_file(path);  // pipes, and every reason why it cannot be read
  }
  ~FileView() {
    if (data_) ::munmap(data_, size_);
  }
  FileView(const FileView&) = delete;
  FileView& operator=(const FileView&) = delete;
  std::string_view bytes() const {
    return data_ ? std::string_view(static_cast<const char*>(data_), size_) : copy_;
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
  std::string copy_;
};

}  // namespace

ir::Graph read(const std::filesystem::path& path, Diagnostics& diagnostics) {
  const std::filesystem::path parent = path.parent_path();
  std::optional<FileView> file(path);
  const size_t size = file->bytes().size();
  onnx::ModelProto model = load_proto(file->bytes(), path.string());
  file.reset();  // the message holds everything now
  std::error_code error;
  const std::filesystem::path linked = std::filesystem::is_symlink(path, error)
                                           ? std::filesystem::canonical(path, error).parent_path()
                                           : std::filesystem::path();
  return to_graph(std::move(model), size, path.string(), ExternalFiles(parent.empty() ? "." : parent, linked),
                  diagnostics);
}

ir::Graph parse(std::string_view bytes, const std::filesystem::path& folder, Diagnostics& diagnostics) {
  return to_graph(load_proto(bytes, "the model"), bytes.size(), "the model", ExternalFiles(folder),
                  diagnostics);
}

ir::Graph read_body(const ir::OpaqueAttribute& attribute) {
  onnx::AttributeProto proto;
  Diagnostics diagnostics;
  const bool parsed = proto.ParsePartialFromString(attribute.bytes) && proto.has_g();
  Reader reader{format("the body '{}'", proto.name()), ExternalFiles({}), diagnostics, {}, {}};
  if (!parsed) reader.problem("damaged", reader.place, "it is not a graph");
  for (const std::string& name : outer_names(proto))
    reader.graph.inputs.push_back(reader.define(name, "the world outside"));
  read_graph(reader, *proto.mutable_g());
  diagnostics.throw_if_errors(Exit::kInput);
  ir::topological_order(reader.graph);  // throws for a cycle
  return std::move(reader.graph);
}

ir::Graph parse(const plan::Written& file, Diagnostics& diagnostics) {
  ExternalFiles files{std::filesystem::path()};
  if (!file.external_name.empty()) files.add(file.external_name, file.external_bytes);
  return to_graph(load_proto(file.bytes, "the model"), file.bytes.size(), "the model", std::move(files),
                  diagnostics);
}

}  // namespace qc::onnx_io
