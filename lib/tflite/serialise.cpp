// The TFLite graph as a flatbuffer, field by field. Whatever is equal is written once: data, vectors of
// shapes and zero points, quantization tables, options. The builder works from the end of the file to its
// start, so the bytes an entry adds are known the moment it is made: that is its label.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <map>

#include "base/text.h"
#include "tflite/tflite.h"
#include "tflite/wire.h"

namespace qc::tflite {
namespace {

using flatbuffers::Offset;
using flatbuffers::voffset_t;

constexpr int64_t kLargestFile = 2'000'000'000;  // offsets have 31 bits
constexpr int kAlignment = 16;

struct Writer {
  const Model& model;
  flatbuffers::FlatBufferBuilder fbb;
  std::vector<plan::Piece> pieces;
  size_t counted = 0;
  std::map<std::vector<int32_t>, Offset<flatbuffers::Vector<int32_t>>> ints;
  std::map<std::vector<float>, Offset<flatbuffers::Vector<float>>> floats;
  std::map<std::vector<int64_t>, Offset<flatbuffers::Vector<int64_t>>> longs;
  std::map<std::pair<std::vector<float>, std::pair<std::vector<int64_t>, int32_t>>,
           Offset<wire::QuantizationParameters>>
      quantizations;
  std::map<std::string, Offset<void>> options;
  std::vector<Offset<wire::Buffer>> buffers;
  std::map<std::string_view, uint32_t> data;  // constants by content

  explicit Writer(const Model& m) : model(m) {}
};

// What has been built since the last call belongs to this node.
void label(Writer& w, const std::string& node, const char* kind) {
  const size_t now = w.fbb.GetSize();
  if (now > w.counted) w.pieces.push_back({node, kind, static_cast<int64_t>(now - w.counted)});
  w.counted = now;
}

template <class T>
Offset<flatbuffers::Vector<T>> shared(Writer& w,
                                      std::map<std::vector<T>, Offset<flatbuffers::Vector<T>>>& made,
                                      const std::vector<T>& values) {
  const auto found = made.find(values);
  if (found != made.end()) return found->second;
  return made[values] = w.fbb.CreateVector(values);
}

uint32_t add_buffer(Writer& w, std::string_view bytes) {
  const auto found = w.data.find(bytes);
  if (found != w.data.end()) return found->second;
  w.fbb.ForceVectorAlignment(bytes.size(), 1, kAlignment);
  const auto data = w.fbb.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  w.buffers.push_back(wire::CreateBuffer(w.fbb, data));
  return w.data[bytes] = static_cast<uint32_t>(w.buffers.size()) - 1;
}

Offset<wire::QuantizationParameters> add_quantization(Writer& w, const Quantization& q) {
  if (q.scales.empty()) return 0;
  const auto key = std::make_pair(q.scales, std::make_pair(q.zero_points, q.axis));
  const auto found = w.quantizations.find(key);
  if (found != w.quantizations.end()) return found->second;
  const auto scales = shared(w, w.floats, q.scales);
  const auto zeros = shared(w, w.longs, q.zero_points);
  wire::QuantizationParametersBuilder builder(w.fbb);
  builder.add_scale(scales);
  builder.add_zero_point(zeros);
  builder.add_quantized_dimension(q.axis);
  return w.quantizations[key] = builder.Finish();
}

Offset<wire::Tensor> add_tensor(Writer& w, const Tensor& tensor) {
  uint32_t buffer = 0;
  if (tensor.data) {
    buffer = add_buffer(w, *tensor.data);
    label(w, tensor.node, tensor.kind);
  }
  const auto quantization = add_quantization(w, tensor.quantization);
  if (!quantization.IsNull()) label(w, tensor.node, "scales");
  const auto name = w.fbb.CreateString(tensor.name);
  const auto shape = shared(w, w.ints, tensor.shape);
  Offset<flatbuffers::Vector<int32_t>> signature = 0;
  if (tensor.batched) {
    std::vector<int32_t> open = tensor.shape;
    open.at(0) = -1;
    signature = shared(w, w.ints, open);
  }
  wire::TensorBuilder builder(w.fbb);
  builder.add_shape(shape);
  builder.add_type(static_cast<wire::TensorType>(tensor.type));
  builder.add_buffer(buffer);
  builder.add_name(name);
  if (!quantization.IsNull()) builder.add_quantization(quantization);
  if (tensor.batched) builder.add_shape_signature(signature);
  const auto made = builder.Finish();
  label(w, tensor.node, "graph");
  return made;
}

[[noreturn]] void bug(const std::string& place, const std::string& cause) {
  throw Error(Exit::kBug, {"tflite-writer", place, cause, "please report this with the model"});
}

void add_field(Writer& w, const OptionField& field, const OptionValue& value,
               Offset<flatbuffers::Vector<int32_t>> ints) {
  const auto slot = static_cast<voffset_t>(4 + 2 * field.index);
  const int64_t* number = std::get_if<int64_t>(&value);
  switch (field.kind) {
    case FieldKind::kByte:
      return w.fbb.AddElement<int8_t>(slot, static_cast<int8_t>(*number),
                                      static_cast<int8_t>(field.fallback));
    case FieldKind::kBool:
      return w.fbb.AddElement<uint8_t>(slot, static_cast<uint8_t>(*number),
                                       static_cast<uint8_t>(field.fallback));
    case FieldKind::kInt:
      return w.fbb.AddElement<int32_t>(slot, static_cast<int32_t>(*number), field.fallback);
    case FieldKind::kFloat:
      return w.fbb.AddElement<float>(slot, std::get<float>(value), 0.0f);
    case FieldKind::kInts:
      return w.fbb.AddOffset(slot, ints);
  }
}

Offset<void> add_options(Writer& w, const Operator& op, const OpInfo& info) {
  if (info.options_union == 0) return 0;
  std::string key = std::to_string(info.options_union);
  Offset<flatbuffers::Vector<int32_t>> ints = 0;
  for (const auto& [name, value] : op.options) {
    key += format(" {}=", name);
    if (const auto* i = std::get_if<int64_t>(&value)) key += std::to_string(*i);
    if (const auto* f = std::get_if<float>(&value)) key += format("{:a}", *f);
    if (const auto* v = std::get_if<std::vector<int32_t>>(&value)) {
      key += format("[{}]", fmt::join(*v, ","));
      ints = shared(w, w.ints, *v);
    }
  }
  const auto found = w.options.find(key);
  if (found != w.options.end()) return found->second;
  const auto start = w.fbb.StartTable();
  for (const auto& [name, value] : op.options) {
    const auto field = std::find_if(info.fields.begin(), info.fields.end(),
                                    [&, wanted = name](const OptionField& f) { return f.name == wanted; });
    if (field == info.fields.end()) bug(info.name, format("it has no option '{}'", name));
    add_field(w, *field, value, ints);
  }
  return w.options[key] = Offset<void>(w.fbb.EndTable(start));
}

// Operator codes: one entry for each op and version in use, by first use.
struct Codes {
  std::vector<std::pair<Op, int>> list;
  uint32_t of(Op op, int version) {
    const auto found = std::find(list.begin(), list.end(), std::make_pair(op, version));
    if (found != list.end()) return static_cast<uint32_t>(found - list.begin());
    list.emplace_back(op, version);
    return static_cast<uint32_t>(list.size()) - 1;
  }
};

Offset<wire::Operator> add_operator(Writer& w, const Operator& op, Codes& codes) {
  const OpInfo& info = info_of(op.op);
  const auto options = add_options(w, op, info);
  const auto inputs = shared(w, w.ints, op.inputs);
  const auto outputs = shared(w, w.ints, op.outputs);
  wire::OperatorBuilder builder(w.fbb);
  builder.add_opcode_index(codes.of(op.op, op.version));
  builder.add_inputs(inputs);
  builder.add_outputs(outputs);
  if (info.options_union != 0) {
    builder.add_builtin_options_type(static_cast<wire::BuiltinOptions>(info.options_union));
    builder.add_builtin_options(options);
  }
  const auto made = builder.Finish();
  label(w, op.node, "graph");
  return made;
}

Offset<wire::OperatorCode> add_code(Writer& w, Op op, int version) {
  constexpr int32_t kOldReaders = 127;  // they know one byte of the code
  const auto code = static_cast<int32_t>(op);
  wire::OperatorCodeBuilder builder(w.fbb);
  builder.add_deprecated_builtin_code(static_cast<int8_t>(std::min(code, kOldReaders)));
  builder.add_version(version);
  builder.add_builtin_code(static_cast<wire::BuiltinOperator>(code));
  return builder.Finish();
}

Offset<wire::SignatureDef> add_signature(Writer& w) {
  const auto entries = [&](const std::vector<std::string>& names, const std::vector<TensorId>& tensors) {
    std::vector<Offset<wire::TensorMap>> map;
    for (size_t i = 0; i < names.size(); ++i)
      map.push_back(wire::CreateTensorMap(w.fbb, w.fbb.CreateSharedString(names[i]),
                                          static_cast<uint32_t>(tensors[i])));
    return w.fbb.CreateVector(map);
  };
  const auto inputs = entries(w.model.input_names, w.model.inputs);
  const auto outputs = entries(w.model.output_names, w.model.outputs);
  const auto key = w.fbb.CreateString("serving_default");
  wire::SignatureDefBuilder builder(w.fbb);
  builder.add_inputs(inputs);
  builder.add_outputs(outputs);
  builder.add_signature_key(key);
  return builder.Finish();
}

// "2.9.0" as numbers, so that 2.10 is newer than 2.9.
std::array<int, 3> parts_of(const char* version) {
  std::array<int, 3> parts{};
  std::sscanf(version, "%d.%d.%d", &parts[0], &parts[1], &parts[2]);
  return parts;
}

std::string oldest_runtime(const Model& model) {
  std::string newest = "1.5.0";
  for (const Operator& op : model.operators) {
    const char* needed = version_of(model, op).runtime;
    if (parts_of(needed) > parts_of(newest.c_str())) newest = needed;
  }
  newest.resize(16, '\0');
  return newest;
}

Offset<wire::SubGraph> add_graph(Writer& w, Codes& codes) {
  std::vector<Offset<wire::Tensor>> tensors;
  for (const Tensor& tensor : w.model.tensors) tensors.push_back(add_tensor(w, tensor));
  std::vector<Offset<wire::Operator>> operators;
  for (const Operator& op : w.model.operators) operators.push_back(add_operator(w, op, codes));
  const auto tensor_list = w.fbb.CreateVector(tensors);
  const auto inputs = shared(w, w.ints, w.model.inputs);
  const auto outputs = shared(w, w.ints, w.model.outputs);
  const auto operator_list = w.fbb.CreateVector(operators);
  const auto name = w.fbb.CreateString(w.model.name);
  wire::SubGraphBuilder builder(w.fbb);
  builder.add_tensors(tensor_list);
  builder.add_inputs(inputs);
  builder.add_outputs(outputs);
  builder.add_operators(operator_list);
  builder.add_name(name);
  return builder.Finish();
}

void check_size(const Model& model) {
  int64_t bytes = 0;
  for (const Tensor& tensor : model.tensors)
    bytes += tensor.data ? static_cast<int64_t>(tensor.data->size()) : 0;
  if (bytes > kLargestFile)
    throw Error(Exit::kUnsupported, {"too-large", "the TFLite file",
                                     format("its constants are {}, and its offsets end at 2 GB",
                                            human_bytes(static_cast<double>(bytes))),
                                     "write int8 weights (/output/tflite/form int8 or dynamic_range)"});
}

}  // namespace

plan::Written serialise(const Model& model) {
  check_size(model);
  const std::string runtime_text = oldest_runtime(model);  // outlives the writer, which refers to it
  Writer w(model);
  w.buffers.push_back(wire::CreateBuffer(w.fbb));  // by agreement: of tensors without data
  Codes codes;
  const auto graph = add_graph(w, codes);
  const uint32_t runtime = add_buffer(w, runtime_text);
  const auto runtime_entry = wire::CreateMetadata(w.fbb, w.fbb.CreateString("min_runtime_version"), runtime);
  const auto metadata = w.fbb.CreateVector(std::vector<Offset<wire::Metadata>>{runtime_entry});
  std::vector<Offset<wire::OperatorCode>> code_list;
  for (const auto& [op, version] : codes.list) code_list.push_back(add_code(w, op, version));
  const auto code_table = w.fbb.CreateVector(code_list);
  const auto graphs = w.fbb.CreateVector(std::vector<Offset<wire::SubGraph>>{graph});
  const auto signatures = w.fbb.CreateVector(std::vector<Offset<wire::SignatureDef>>{add_signature(w)});
  const auto buffers = w.fbb.CreateVector(w.buffers);
  std::vector<std::string> described;
  for (const auto& [key, value] : model.metadata) described.push_back(key + "=" + value);
  const auto description = w.fbb.CreateString(join(described, " "));
  wire::ModelBuilder builder(w.fbb);
  builder.add_version(3);
  builder.add_operator_codes(code_table);
  builder.add_subgraphs(graphs);
  builder.add_description(description);
  builder.add_buffers(buffers);
  builder.add_metadata(metadata);
  builder.add_signature_defs(signatures);
  wire::FinishModelBuffer(w.fbb, builder.Finish());
  label(w, "", "graph");

  plan::Written written;
  written.bytes.assign(reinterpret_cast<const char*>(w.fbb.GetBufferPointer()), w.fbb.GetSize());
  written.pieces = std::move(w.pieces);
  flatbuffers::Verifier verifier(w.fbb.GetBufferPointer(), w.fbb.GetSize());
  if (!wire::VerifyModelBuffer(verifier)) bug("the TFLite file", "the flatbuffers verifier refuses it");
  return written;
}

}  // namespace qc::tflite
