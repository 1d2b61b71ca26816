// See read.h. The flatbuffers verifier vouches for offsets; indices, sizes and lists that ought to be there
// are checked here, in one pass that collects every fault.
#include "tflite/read.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "tflite/claims.h"
#include "tflite/wire.h"

namespace qc::tflite::file {
namespace {

constexpr const char* kWriteAgain = "the file is damaged: write it again with its converter";
constexpr size_t kMostProblems = 20;  // of a file that is nonsense throughout, the first ones are enough

struct TypeRow {
  wire::TensorType type;
  ir::DType dtype;
};
constexpr TypeRow kTypes[] = {
    {wire::TensorType::FLOAT32, ir::DType::kFloat},
    {wire::TensorType::FLOAT16, ir::DType::kFloat16},
    {wire::TensorType::INT32, ir::DType::kInt32},
    {wire::TensorType::UINT8, ir::DType::kUint8},
    {wire::TensorType::INT64, ir::DType::kInt64},
    {wire::TensorType::STRING, ir::DType::kString},
    {wire::TensorType::BOOL, ir::DType::kBool},
    {wire::TensorType::INT16, ir::DType::kInt16},
    {wire::TensorType::INT8, ir::DType::kInt8},
    {wire::TensorType::FLOAT64, ir::DType::kDouble},
    {wire::TensorType::COMPLEX64, ir::DType::kComplex64},
    {wire::TensorType::COMPLEX128, ir::DType::kComplex128},
    {wire::TensorType::UINT64, ir::DType::kUint64},
    {wire::TensorType::UINT32, ir::DType::kUint32},
    {wire::TensorType::UINT16, ir::DType::kUint16},
    {wire::TensorType::INT4, ir::DType::kInt4},
    {wire::TensorType::BFLOAT16, ir::DType::kBfloat16},
    {wire::TensorType::UINT4, ir::DType::kUint4},
};

std::string text_of(const flatbuffers::String* text) {
  return text ? text->str() : "";
}

// Copied first: the verifier lets 8 byte numbers stand on 4 byte addresses.
template <typename To, typename From>
std::vector<To> list_of(const flatbuffers::Vector<From>* from) {
  if (!from || from->size() == 0) return {};
  std::vector<From> raw(from->size());
  std::memcpy(raw.data(), from->Data(), raw.size() * sizeof(From));
  return {raw.begin(), raw.end()};
}

// The elements of a list that may be missing.
template <typename Vector>
flatbuffers::uoffset_t size_of(const Vector* list) {
  return list ? list->size() : 0;
}

struct Reader {
  const wire::Model& wire;
  std::string place;
  Model model;
  Diagnostics diagnostics;

  void problem(const char* code, const std::string& where, std::string cause) {
    if (diagnostics.errors.size() < kMostProblems)
      diagnostics.error({code, format("{}: {}", place, where), std::move(cause), kWriteAgain});
  }
};

// --- buffers

void read_buffers(Reader& reader) {
  const std::string_view bytes = *reader.model.bytes;
  for (flatbuffers::uoffset_t i = 0; i < size_of(reader.wire.buffers()); ++i) {
    const wire::Buffer& buffer = *reader.wire.buffers()->Get(i);
    std::string_view data;
    if (buffer.offset() > 1) {
      if (buffer.size() > bytes.size() || buffer.offset() > bytes.size() - buffer.size())
        reader.problem(
            "buffer-outside", format("buffer {}", i),
            format("{} bytes from {} on, but the file has {}", buffer.size(), buffer.offset(), bytes.size()));
      else
        data = bytes.substr(buffer.offset(), buffer.size());
    } else if (buffer.data()) {
      data = {reinterpret_cast<const char*>(buffer.data()->data()), buffer.data()->size()};
    }
    reader.model.buffers.push_back(data);
  }
  if (!reader.model.buffers.empty() && !reader.model.buffers[0].empty())
    reader.problem("buffer-zero", "buffer 0", "it has data, but it stands for 'no data'");
}

// --- tensors

// Bytes of a tensor's data, or -1 where type or shape do not say.
int64_t bytes_wanted(const Tensor& tensor) {
  const int64_t bits = ir::bits_of(tensor.dtype);
  int64_t count = 1;
  for (const int64_t dim : tensor.shape) {
    if (dim < 0) return -1;
    if (__builtin_mul_overflow(count, dim, &count)) return -1;
  }
  int64_t total = 0;
  if (bits == 0 || __builtin_mul_overflow(count, bits, &total)) return -1;
  return total / 8 + (total % 8 != 0);
}

void read_quantization(Reader& reader, const wire::QuantizationParameters* from, Tensor& tensor,
                       const std::string& where) {
  if (!from) return;
  tensor.other_quantization = from->details_type() != wire::QuantizationDetails::NONE;
  if (tensor.other_quantization) return;
  tensor.scales = list_of<float>(from->scale());
  tensor.zero_points = list_of<int64_t>(from->zero_point());
  tensor.axis = from->quantized_dimension();
  const size_t scales = tensor.scales.size();
  if (scales == 0) return tensor.zero_points.clear();  // ranges alone, which say nothing at run time
  if (tensor.zero_points.size() != scales)
    reader.problem("zero-points", where,
                   format("{} scales with {} zero points", scales, tensor.zero_points.size()));
  if (scales == 1) return;
  const auto rank = static_cast<int64_t>(tensor.dims.size());
  if (tensor.axis < 0 || tensor.axis >= rank || tensor.dims[tensor.axis] != static_cast<int64_t>(scales))
    reader.problem(
        "scales", where,
        format("{} scales along dimension {} of [{}]", scales, tensor.axis, fmt::join(tensor.dims, ",")));
}

Tensor read_tensor(Reader& reader, const wire::Tensor& from, const std::string& where) {
  Tensor tensor;
  tensor.name = text_of(from.name());
  const auto row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                [&](const TypeRow& r) { return r.type == from.type(); });
  if (row != std::end(kTypes)) tensor.dtype = row->dtype;
  tensor.type = wire::EnumNameTensorType(from.type());
  if (tensor.type.empty()) tensor.type = format("type {}", static_cast<int>(from.type()));
  tensor.shape = tensor.dims = list_of<int64_t>(from.shape());
  if (std::any_of(tensor.dims.begin(), tensor.dims.end(), [](int64_t dim) { return dim < 0; }))
    reader.problem("shape", where, format("shape [{}] has a negative size", fmt::join(tensor.dims, ",")));
  if (size_of(from.shape_signature()) > 0) {
    if (from.shape_signature()->size() != tensor.dims.size())
      reader.problem("shape", where, "shape and shape signature have different ranks");
    tensor.dims = list_of<int64_t>(from.shape_signature());
  }
  tensor.sparse = from.sparsity() != nullptr;
  tensor.variable = from.is_variable();
  read_quantization(reader, from.quantization(), tensor, where);
  tensor.buffer = from.buffer();
  if (tensor.buffer >= std::max<size_t>(1, reader.model.buffers.size())) {
    reader.problem("buffer", where,
                   format("it names buffer {} of {}", tensor.buffer, reader.model.buffers.size()));
    tensor.buffer = 0;
  }
  if (tensor.buffer == 0) return tensor;
  tensor.data = reader.model.buffers[tensor.buffer];
  const int64_t wanted = bytes_wanted(tensor);
  if (!tensor.data.empty() && !tensor.sparse && wanted >= 0 &&
      wanted != static_cast<int64_t>(tensor.data.size()))
    reader.problem("data-size", where,
                   format("{} [{}] takes {} bytes, its buffer holds {}", tensor.type,
                          fmt::join(tensor.dims, ","), wanted, tensor.data.size()));
  return tensor;
}

// --- operators

// One field of an options table; nothing where the file leaves it out.
void read_option(const flatbuffers::Table& table, const flatbuffers::TypeTable& type, size_t field,
                 Operator& op) {
  const auto slot = flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(field));
  if (!table.CheckField(slot)) return;
  const flatbuffers::TypeCode& code = type.type_codes[field];
  const char* name = type.names[field];
  if (code.is_repeating) {
    if (code.base_type == flatbuffers::ET_INT)
      op.options.emplace_back(name,
                              list_of<int64_t>(table.GetPointer<const flatbuffers::Vector<int32_t>*>(slot)));
  } else if (code.base_type == flatbuffers::ET_BOOL) {
    op.options.emplace_back(name, int64_t{table.GetField<uint8_t>(slot, 0) != 0});
  } else if (code.base_type == flatbuffers::ET_INT) {
    op.options.emplace_back(name, int64_t{table.GetField<int32_t>(slot, 0)});
  } else if (code.base_type == flatbuffers::ET_FLOAT) {
    op.options.emplace_back(name, double{table.GetField<float>(slot, 0)});
  } else if (code.base_type == flatbuffers::ET_CHAR) {
    const int64_t value = table.GetField<int8_t>(slot, 0);
    const flatbuffers::TypeTable* names =
        code.sequence_ref >= 0 ? type.type_refs[code.sequence_ref]() : nullptr;
    const bool named = names && names->names && !names->values && value >= 0 &&
                       value < static_cast<int64_t>(names->num_elems);
    if (named)
      op.options.emplace_back(name, std::string(names->names[value]));
    else
      op.options.emplace_back(name, value);
  }
}

void read_options(const wire::Operator& from, Operator& op) {
  if (!from.builtin_options()) return;
  const flatbuffers::TypeTable& members = *wire::BuiltinOptionsTypeTable();
  const auto chosen = static_cast<int64_t>(from.builtin_options_type());
  const auto& table = *static_cast<const flatbuffers::Table*>(from.builtin_options());
  for (size_t i = 0; i < members.num_elems; ++i) {
    if (members.values[i] != chosen || members.type_codes[i].sequence_ref < 0) continue;
    const flatbuffers::TypeTable& type = *members.type_refs[members.type_codes[i].sequence_ref]();
    for (size_t field = 0; field < type.num_elems; ++field) read_option(table, type, field, op);
  }
}

std::vector<TensorId> read_ids(Reader& reader, const flatbuffers::Vector<int32_t>* from, size_t tensors,
                               TensorId lowest, const std::string& where) {
  std::vector<TensorId> ids = list_of<TensorId>(from);
  for (TensorId& id : ids) {
    if (id >= lowest && id < static_cast<int64_t>(tensors)) continue;
    reader.problem("tensor-index", where, format("it names tensor {} of {}", id, tensors));
    id = kAbsent;
  }
  return ids;
}

Operator read_operator(Reader& reader, const wire::Operator& from, size_t tensors, const std::string& where) {
  Operator op;
  if (from.opcode_index() >= size_of(reader.wire.operator_codes())) {
    reader.problem("operator-code", where,
                   format("it names operator code {} of {}", from.opcode_index(),
                          size_of(reader.wire.operator_codes())));
    return op;
  }
  const wire::OperatorCode& code = *reader.wire.operator_codes()->Get(from.opcode_index());
  const int32_t number =
      std::max<int32_t>(code.deprecated_builtin_code(), static_cast<int32_t>(code.builtin_code()));
  op.op = wire::EnumNameBuiltinOperator(static_cast<wire::BuiltinOperator>(number));
  if (op.op.empty()) op.op = format("operator {}", number);
  if (number == static_cast<int32_t>(wire::BuiltinOperator::CUSTOM))
    op.op += ":" + text_of(code.custom_code());
  op.version = code.version();
  op.inputs = read_ids(reader, from.inputs(), tensors, kAbsent, where + ", inputs");
  op.outputs = read_ids(reader, from.outputs(), tensors, 0, where + ", outputs");
  read_options(from, op);
  return op;
}

Graph read_graph(Reader& reader, const wire::SubGraph& from, const std::string& where) {
  Graph graph;
  graph.name = text_of(from.name());
  for (flatbuffers::uoffset_t i = 0; i < size_of(from.tensors()); ++i) {
    const wire::Tensor& tensor = *from.tensors()->Get(i);
    graph.tensors.push_back(
        read_tensor(reader, tensor, format("{}tensor {} '{}'", where, i, text_of(tensor.name()))));
  }
  const size_t tensors = graph.tensors.size();
  for (flatbuffers::uoffset_t i = 0; i < size_of(from.operators()); ++i)
    graph.operators.push_back(
        read_operator(reader, *from.operators()->Get(i), tensors, format("{}operator {}", where, i)));
  graph.inputs = read_ids(reader, from.inputs(), tensors, 0, where + "inputs");
  graph.outputs = read_ids(reader, from.outputs(), tensors, 0, where + "outputs");
  return graph;
}

// --- the rest

std::vector<std::pair<std::string, TensorId>> read_ports(
    Reader& reader, const flatbuffers::Vector<flatbuffers::Offset<wire::TensorMap>>* from, size_t tensors,
    const std::string& where) {
  std::vector<std::pair<std::string, TensorId>> ports;
  for (flatbuffers::uoffset_t i = 0; i < size_of(from); ++i) {
    const wire::TensorMap& port = *from->Get(i);
    if (port.tensor_index() >= tensors)
      reader.problem("tensor-index", where, format("it names tensor {} of {}", port.tensor_index(), tensors));
    else
      ports.emplace_back(text_of(port.name()), static_cast<TensorId>(port.tensor_index()));
  }
  return ports;
}

void read_signatures(Reader& reader) {
  for (flatbuffers::uoffset_t i = 0; i < size_of(reader.wire.signature_defs()); ++i) {
    const wire::SignatureDef& from = *reader.wire.signature_defs()->Get(i);
    Signature signature;
    signature.key = text_of(from.signature_key());
    signature.graph = from.subgraph_index();
    const std::string where = format("signature '{}'", signature.key);
    if (signature.graph >= reader.model.graphs.size()) {
      reader.problem("graph-index", where,
                     format("it names graph {} of {}", signature.graph, reader.model.graphs.size()));
      continue;
    }
    const size_t tensors = reader.model.graphs[signature.graph].tensors.size();
    signature.inputs = read_ports(reader, from.inputs(), tensors, where);
    signature.outputs = read_ports(reader, from.outputs(), tensors, where);
    reader.model.signatures.push_back(std::move(signature));
  }
}

void read_metadata(Reader& reader) {
  for (flatbuffers::uoffset_t i = 0; i < size_of(reader.wire.metadata()); ++i) {
    const wire::Metadata& entry = *reader.wire.metadata()->Get(i);
    const std::string name = text_of(entry.name());
    if (entry.buffer() >= reader.model.buffers.size())
      reader.problem("buffer", format("metadata '{}'", name),
                     format("it names buffer {} of {}", entry.buffer(), reader.model.buffers.size()));
    else
      reader.model.metadata.emplace_back(name, reader.model.buffers[entry.buffer()]);
  }
}

template <typename T>
const T* option(const Operator& op, std::string_view name) {
  const auto found = std::find_if(op.options.begin(), op.options.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == op.options.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

Model parse(std::string bytes, const std::string& place) {
  const auto kept = std::make_shared<const std::string>(std::move(bytes));
  Reader reader{verified_model(*kept, place), place, {}, {}};
  reader.model.bytes = kept;
  reader.model.description = text_of(reader.wire.description());
  read_buffers(reader);
  for (flatbuffers::uoffset_t i = 0; i < size_of(reader.wire.subgraphs()); ++i)
    reader.model.graphs.push_back(
        read_graph(reader, *reader.wire.subgraphs()->Get(i), i == 0 ? "" : format("graph {}, ", i)));
  if (reader.model.graphs.empty() || reader.model.graphs[0].tensors.empty())
    reader.problem("no-graph", "graphs", "there is no graph with tensors in it");
  read_signatures(reader);
  read_metadata(reader);
  reader.diagnostics.throw_if_errors(Exit::kInput);
  reader.model.claims = claims_of(reader.wire, reader.model);
  return std::move(reader.model);
}

Model read(const std::filesystem::path& path) {
  return parse(read_file(path), path.string());
}

bool looks_like_tflite(std::string_view bytes) {
  return bytes.size() >= 8 && bytes.substr(4, 4) == wire::ModelIdentifier();
}

int64_t int_option(const Operator& op, std::string_view name, int64_t fallback) {
  const auto* value = option<int64_t>(op, name);
  return value ? *value : fallback;
}

double float_option(const Operator& op, std::string_view name, double fallback) {
  const auto* value = option<double>(op, name);
  return value ? *value : fallback;
}

std::string text_option(const Operator& op, std::string_view name, const char* fallback) {
  const auto* value = option<std::string>(op, name);
  return value ? *value : fallback;
}

}  // namespace qc::tflite::file
