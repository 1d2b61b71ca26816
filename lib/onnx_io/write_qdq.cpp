// QuantizedModel -> ONNX with QuantizeLinear/DequantizeLinear, in the form that stock ONNX Runtime fuses into
// integer kernels: rank-0 scales, zero points always present, nothing between a node and its Relu, int32
// biases behind DequantizeLinear without zero point. Weights of float nodes go through Cast and Mul, because
// the runtime folds those at load and keeps DequantizeLinear. Every entry is labelled when it is made.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "onnx_io/bodies.h"
#include "onnx_io/file_bytes.h"
#include "onnx_io/onnx_io.h"

namespace qc::onnx_io {
namespace {

using ir::DType;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;
using quant::QuantParams;

constexpr const char* kContrib = "com.microsoft";  // has 16-bit Q/DQ at every opset
constexpr int64_t kWideTypesOpset = 21;            // standard Q/DQ of 16 and 4 bits
constexpr int64_t kOldestLinear = 10;
constexpr int64_t kPerAxisOpset = 13;
constexpr int64_t kClipInputsOpset = 11;
constexpr int64_t kExternalBytes = 1024;  // smaller tensors stay in the file

DType stored_type(const QuantParams& params) {
  if (params.bits > 16) return DType::kInt32;
  if (params.bits > 8) return params.is_signed ? DType::kInt16 : DType::kUint16;
  if (params.bits > 4) return params.is_signed ? DType::kInt8 : DType::kUint8;
  return params.is_signed ? DType::kInt4 : DType::kUint4;
}

// Activations under 8 bits are stored in 8: the width is made by a Clip, the kernels stay.
QuantParams activation_storage(QuantParams params) {
  params.bits = params.bits > 8 ? 16 : 8;
  return params;
}

[[noreturn]] void bug(const std::string& place, const std::string& cause) {
  throw Error(Exit::kBug, {"qdq-writer", place, cause, "please report this with the model"});
}

struct Writer {
  const plan::QuantizedModel& model;
  const QdqOptions& options;
  int64_t opset;
  FileParts parts;
  std::vector<std::pair<std::string, ir::Tensor>>
      initializers;  // written last: they may go into a second file
  std::vector<plan::Piece> node_pieces, initializer_pieces;
  std::map<char, int64_t> counts;                  // of names made for each letter
  std::set<std::string> names;                     // every value name in the file
  std::set<std::string> node_names;                // as far as new nodes get names as well
  std::map<std::string, std::string> shared;       // type, shape and bytes of a small constant -> its name
  std::map<ValueId, std::string> read_as;          // what readers of an activation read
  std::map<ValueId, std::string> quantized_as;     // the integers of an activation
  std::map<ValueId, std::string> read_by_channel;  // the same floats, from a scale for each channel
  std::map<ValueId, std::string> written_as;       // what its producer writes
  std::map<ValueId, std::string> integers, dequantized, unfolded;  // of constants, as far as written
  bool contrib = false;

  Writer(const plan::QuantizedModel& m, const QdqOptions& o)
      : model(m), options(o), opset(ir::opset(m.graph)) {}
  const ir::Value& value(ValueId v) const { return model.graph.values[static_cast<size_t>(v)]; }
  const ir::Node& node(NodeId id) const { return model.graph.nodes[static_cast<size_t>(id)]; }
  Compute compute(NodeId id) const { return model.plan.nodes[static_cast<size_t>(id)].compute; }
  const plan::ValueDecision& decision(ValueId v) const { return model.plan.values[static_cast<size_t>(v)]; }
};

// Names of new values are a letter and a number: they stand in the file three times each, and in a small
// model that is more than the integers' own overhead. The letters: q quantized, d dequantized, s scale, z
// zero point, b bias.
std::string fresh_name(Writer& w, char letter) {
  int64_t& count = w.counts[letter];
  std::string name;
  do name = letter + std::to_string(count++);
  while (!w.names.insert(name).second);
  return name;
}

// A new name for the float side of a value whose own name means its dequantized side.
std::string float_name(Writer& w, const std::string& base) {
  std::string name = base + "_f";
  while (!w.names.insert(name).second) name += "_";
  return name;
}

bool captured(const Writer& w, ValueId v) {
  return std::any_of(w.value(v).consumers.begin(), w.value(v).consumers.end(), [&](NodeId id) {
    const auto& captures = w.node(id).captures;
    return std::find(captures.begin(), captures.end(), v) != captures.end();
  });
}

// --- entries -----------------------------------------------------------------------------------

void add_initializer(Writer& w, const std::string& name, ir::Tensor tensor, const std::string& label,
                     const char* kind) {
  w.initializers.emplace_back(name, std::move(tensor));
  w.initializer_pieces.push_back({label, kind, 0});
}

// Scales and zero points repeat all over a model: one initializer for equal content.
std::string shared_constant(Writer& w, char letter, ir::Tensor tensor, const std::string& label) {
  const std::string key =
      format("{} {} ", static_cast<int>(tensor.dtype), fmt::join(tensor.dims, ",")) + *tensor.bytes;
  std::string& name = w.shared[key];
  if (name.empty()) {
    name = fresh_name(w, letter);
    add_initializer(w, name, std::move(tensor), label, "scales");
  }
  return name;
}

void add_node(Writer& w, ir::Node node, const std::vector<std::string>& inputs,
              const std::vector<std::string>& outputs, const std::string& label) {
  if (w.options.name_all_nodes) {
    if (node.name.empty()) {
      node.name = outputs.front();
      while (!w.node_names.insert(node.name).second) node.name += "_";
    }
    node.named_in_file = true;
  }
  w.parts.nodes.push_back(node_entry(node_message(node, inputs, outputs)));
  w.node_pieces.push_back({label, "graph", w.parts.nodes.back().size()});
}

ir::Node new_node(const char* op_type, std::vector<ir::Attribute> attributes = {}) {
  ir::Node node;
  node.op_type = op_type;
  node.attributes = std::move(attributes);
  return node;
}

// QuantizeLinear or DequantizeLinear for this type, in the domain that knows it.
ir::Node linear_node(Writer& w, const char* op_type, const QuantParams& params) {
  ir::Node node = new_node(op_type);
  if (params.per_channel() && w.opset < kPerAxisOpset)
    bug("the quantized model",
        format("per-channel parameters need opset {}, the graph has {}", kPerAxisOpset, w.opset));
  if (params.per_channel() && params.axis != 1) node.attributes.push_back({"axis", int64_t{params.axis}});
  if (w.opset < kOldestLinear)
    bug("the quantized model", format("Q/DQ need opset {}, the graph has {}", kOldestLinear, w.opset));
  const DType type = stored_type(params);
  const bool wide = type != DType::kInt8 && type != DType::kUint8 && type != DType::kInt32;
  if (wide && w.opset < kWideTypesOpset) {
    node.domain = kContrib;
    w.contrib = true;
  }
  return node;
}

// --- parameters --------------------------------------------------------------------------------

std::vector<int64_t> parameter_dims(const QuantParams& params) {
  return params.per_channel() ? std::vector<int64_t>{static_cast<int64_t>(params.scales.size())}
                              : std::vector<int64_t>{};
}

std::string scale_name(Writer& w, const QuantParams& params, const std::string& label) {
  return shared_constant(
      w, 's', ir::make_tensor(std::span<const float>(params.scales), parameter_dims(params)), label);
}

std::string zero_point_name(Writer& w, const QuantParams& params, const std::string& label) {
  const std::string bytes = quant::pack(params.zero_points, params);
  return shared_constant(w, 'z', ir::make_tensor(stored_type(params), bytes, parameter_dims(params)), label);
}

// --- constants ---------------------------------------------------------------------------------

// The initializer that holds the integers. A body that reads the constant by name still finds its floats
// there.
const std::string& integer_initializer(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.integers[v];
  if (!name.empty()) return name;
  const plan::IntegerTensor& tensor = w.model.weights.at(v);
  if (tensor.params.bits <= 4 && w.opset < kWideTypesOpset)
    bug("constant '" + w.value(v).name + "'", format("4-bit tensors need opset {}", kWideTypesOpset));
  const bool name_taken = captured(w, v) || ir::is_output(w.model.graph, v);
  name = name_taken ? fresh_name(w, 'q') : w.value(v).name;
  ir::Tensor packed = ir::make_tensor(stored_type(tensor.params), quant::pack(tensor.integers, tensor.params),
                                      w.value(v).constant->dims);
  add_initializer(w, name, std::move(packed), label, "weights");
  return name;
}

const std::string& dequantized_constant(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.dequantized[v];
  if (!name.empty()) return name;
  const QuantParams& params = w.model.weights.at(v).params;
  const std::string& integers = integer_initializer(w, v, label);
  name = fresh_name(w, 'd');
  ir::Node node = linear_node(w, "DequantizeLinear", params);
  add_node(w, std::move(node), {integers, scale_name(w, params, label), zero_point_name(w, params, label)},
           {name}, label);
  return name;
}

// Float parameters shaped so that they broadcast along the axis: [C, 1, 1, 1] for axis 0 of rank 4.
std::string broadcast_constant(Writer& w, char letter, std::span<const float> values,
                               const QuantParams& params, size_t rank, const std::string& label) {
  std::vector<int64_t> dims;
  if (params.per_channel()) {
    dims.assign(rank - static_cast<size_t>(params.axis), 1);
    dims[0] = static_cast<int64_t>(values.size());
  }
  return shared_constant(w, letter, ir::make_tensor(values, std::move(dims)), label);
}

const std::string& unfolded_constant(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.unfolded[v];
  if (!name.empty()) return name;
  const QuantParams& params = w.model.weights.at(v).params;
  const size_t rank = w.value(v).constant->dims.size();
  std::string current = fresh_name(w, 'c');
  add_node(w, new_node("Cast", {{"to", int64_t{onnx::TensorProto::FLOAT}}}),
           {integer_initializer(w, v, label)}, {current}, label);
  if (std::any_of(params.zero_points.begin(), params.zero_points.end(), [](int32_t z) { return z != 0; })) {
    const std::vector<float> zeros(params.zero_points.begin(), params.zero_points.end());
    const std::string shifted = fresh_name(w, 'c');
    add_node(w, new_node("Sub"), {current, broadcast_constant(w, 'z', zeros, params, rank, label)}, {shifted},
             label);
    current = shifted;
  }
  name = fresh_name(w, 'd');
  add_node(w, new_node("Mul"), {current, broadcast_constant(w, 's', params.scales, params, rank, label)},
           {name}, label);
  return name;
}

std::string dequantized_bias(Writer& w, NodeId id, const plan::IntegerTensor& bias) {
  const ir::Node& node = w.node(id);
  const ValueId v = node.inputs.size() > 2 ? node.inputs[2] : kNone;
  const int64_t count = static_cast<int64_t>(bias.integers.size());
  // Gemm takes [1, N] as well: the vector means the same and has the axis that the scales run along.
  const bool vector = bias.params.per_channel() || v == kNone;
  const std::vector<int64_t> dims = vector ? std::vector<int64_t>{count} : w.value(v).constant->dims;
  const std::string name = fresh_name(w, 'b'), result = fresh_name(w, 'd');
  add_initializer(w, name, ir::make_tensor(DType::kInt32, quant::pack(bias.integers, bias.params), dims),
                  node.name, "bias");
  add_node(w, linear_node(w, "DequantizeLinear", bias.params), {name, scale_name(w, bias.params, node.name)},
           {result}, node.name);
  return result;
}

// --- activations -------------------------------------------------------------------------------

// The stored type saturates by itself; a range narrower than the type must be cut before.
std::string clipped(Writer& w, const std::string& input, const QuantParams& params,
                    const std::string& label) {
  const QuantParams stored = activation_storage(params);
  if (params.qmin() == stored.qmin() && params.qmax() == stored.qmax()) return input;
  const std::string result = fresh_name(w, 'c');
  const float low = quant::range_min(params), high = quant::range_max(params);
  if (w.opset >= kClipInputsOpset)
    add_node(w, new_node("Clip"),
             {input, shared_constant(w, 'c', ir::scalar(low), label),
              shared_constant(w, 'c', ir::scalar(high), label)},
             {result}, label);
  else
    add_node(w, new_node("Clip", {{"min", low}, {"max", high}}), {input}, {result}, label);
  return result;
}

void add_quantize(Writer& w, ValueId v, const std::string& label) {
  const QuantParams& params = w.decision(v).params;
  if (params.per_channel() || params.scales.size() != 1)
    bug("value '" + w.value(v).name + "'", "an activation needs one scale");
  const QuantParams stored = activation_storage(params);
  const std::string scale = scale_name(w, stored, label), zero = zero_point_name(w, stored, label);
  const std::string integers = fresh_name(w, 'q');
  add_node(w, linear_node(w, "QuantizeLinear", stored),
           {clipped(w, w.written_as.at(v), params, label), scale, zero}, {integers}, label);
  w.quantized_as[v] = integers;
  add_node(w, linear_node(w, "DequantizeLinear", stored), {integers, scale, zero}, {w.read_as.at(v)}, label);
}

// Outputs of the model and values that bodies read keep their name on the dequantized side, so that everyone
// outside sees what the integers say. A model input keeps its name on the float side.
void name_activations(Writer& w) {
  const ir::Graph& graph = w.model.graph;
  for (ValueId v = 0; v < static_cast<ValueId>(graph.values.size()); ++v) {
    const ir::Value& value = w.value(v);
    if (value.constant) continue;
    w.written_as[v] = w.read_as[v] = value.name;
    const bool input = value.producer == kNone;
    const bool read = !value.consumers.empty() || (!input && ir::is_output(graph, v));
    if (!w.decision(v).quantized || !read) continue;
    if (!input && (ir::is_output(graph, v) || captured(w, v)))
      w.written_as[v] = float_name(w, value.name);
    else
      w.read_as[v] = fresh_name(w, 'd');
  }
}

bool has_pair(const Writer& w, ValueId v) {
  return w.written_as.at(v) != w.read_as.at(v);
}

// --- the graph ---------------------------------------------------------------------------------

// The runtime joins MatMul and the Add of a vector to a Gemm at load, before it looks for integer kernels,
// and has none for a Gemm whose bias is float: such a MatMul would run in float behind DequantizeLinear. It
// leaves a bias of the result's rank alone, which adds up to the same. (ViT tiny, one thread: 76 ms as a
// vector, 33 ms of rank 3, 56 ms in float.)
bool keeps_apart(const Writer& w, NodeId id, size_t slot) {
  const ir::Node& node = w.node(id);
  if (!ir::standard_op(node, "Add") || node.inputs.size() != 2 || slot > 1) return false;
  const ValueId v = node.inputs[slot], product = node.inputs[1 - slot];
  if (v == kNone || product == kNone || !w.value(v).constant || w.model.weights.contains(v)) return false;
  const ir::Value& result = w.value(product);
  if (result.producer == kNone || w.decision(product).quantized) return false;
  const bool integer =
      ir::standard_op(w.node(result.producer), "MatMul") && w.compute(result.producer) == Compute::kInteger;
  return integer && result.has_shape && result.dims.size() > 2 && w.value(v).dims.size() == 1;
}

std::string bias_of_full_rank(Writer& w, NodeId id, size_t slot) {
  const ir::Node& node = w.node(id);
  ir::Tensor bias = *w.value(node.inputs[slot]).constant;
  bias.dims.insert(bias.dims.begin(), w.value(node.inputs[1 - slot]).dims.size() - 1, 1);
  const std::string name = fresh_name(w, 'b');
  add_initializer(w, name, std::move(bias), node.name, "bias");
  return name;
}

// Does the node's result reach a QuantizeLinear with at most a Relu or Clip on the way?
bool leads_to_quantize(const Writer& w, NodeId id) {
  ValueId v = w.node(id).outputs[0];
  while (!has_pair(w, v)) {
    const std::vector<NodeId>& readers = w.value(v).consumers;
    if (readers.size() != 1 || ir::is_output(w.model.graph, v)) return false;
    const ir::Node& reader = w.node(readers[0]);
    if (!ir::standard_op(reader, "Relu") && !ir::standard_op(reader, "Clip")) return false;
    v = reader.outputs[0];
  }
  return true;
}

// Between integers of one scale, the runtime rounds float weights itself at load, with one scale for the
// whole tensor, whatever the file says (seen with 1.30: 2 dB on a segmentation network). It leaves a node
// alone whose input comes with a scale for each channel; here they are all equal.
bool would_be_rounded(const Writer& w, NodeId id, size_t slot) {
  constexpr std::string_view kRounded[] = {"Conv", "ConvTranspose", "Gemm"};
  const ir::Node& node = w.node(id);
  if (slot != 0 || w.compute(id) == Compute::kInteger || w.opset < kPerAxisOpset) return false;
  if (std::none_of(std::begin(kRounded), std::end(kRounded),
                   [&](auto op) { return ir::standard_op(node, op); }))
    return false;
  const ir::Value& input = w.value(node.inputs[0]);
  return w.quantized_as.contains(node.inputs[0]) && input.has_shape && input.dims.size() > 1 &&
         input.dims[1] > 1 && leads_to_quantize(w, id);
}

const std::string& read_by_channel(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.read_by_channel[v];
  if (!name.empty()) return name;
  name = fresh_name(w, 'd');
  QuantParams params = activation_storage(w.decision(v).params);
  const auto channels = static_cast<size_t>(w.value(v).dims[1]);
  params.axis = 1;
  params.scales.assign(channels, params.scales[0]);
  params.zero_points.assign(channels, params.zero_points[0]);
  add_node(w, linear_node(w, "DequantizeLinear", params),
           {w.quantized_as.at(v), scale_name(w, params, label), zero_point_name(w, params, label)}, {name},
           label);
  return name;
}

std::string input_name(Writer& w, NodeId id, size_t slot) {
  const ir::Node& node = w.node(id);
  const auto bias = w.model.biases.find(id);
  if (slot == 2 && bias != w.model.biases.end()) return dequantized_bias(w, id, bias->second);
  const ValueId v = slot < node.inputs.size() ? node.inputs[slot] : kNone;
  if (v == kNone) return "";
  if (!w.value(v).constant)
    return would_be_rounded(w, id, slot) ? read_by_channel(w, v, node.name) : w.read_as.at(v);
  if (keeps_apart(w, id, slot)) return bias_of_full_rank(w, id, slot);
  if (!w.model.weights.contains(v)) return w.value(v).name;
  return w.compute(id) == Compute::kInteger ? dequantized_constant(w, v, node.name)
                                            : unfolded_constant(w, v, node.name);
}

void add_graph_node(Writer& w, NodeId id) {
  const ir::Node& node = w.node(id);
  const size_t slots =
      w.model.biases.contains(id) ? std::max<size_t>(node.inputs.size(), 3) : node.inputs.size();
  std::vector<std::string> inputs, outputs;
  for (size_t slot = 0; slot < slots; ++slot) inputs.push_back(input_name(w, id, slot));
  for (const ValueId v : node.outputs) outputs.push_back(v == kNone ? "" : w.written_as.at(v));
  add_node(w, node, inputs, outputs, node.name);
  for (const ValueId v : node.outputs)
    if (v != kNone && has_pair(w, v)) add_quantize(w, v, node.name);
}

// Float constants that something still reads by their own name.
void add_float_constants(Writer& w) {
  constexpr std::string_view kWeighted[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
  const ir::Graph& graph = w.model.graph;
  for (ValueId v = 0; v < static_cast<ValueId>(graph.values.size()); ++v) {
    const ir::Value& value = w.value(v);
    if (!value.constant) continue;
    std::string label;
    const char* kind = "constants";
    bool needed = ir::is_output(graph, v) || captured(w, v);
    for (auto it = value.consumers.rbegin(); it != value.consumers.rend(); ++it) {
      const ir::Node& node = w.node(*it);
      label = node.name;
      const bool weighted = std::any_of(std::begin(kWeighted), std::end(kWeighted),
                                        [&](auto op) { return ir::standard_op(node, op); });
      for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
        if (node.inputs[slot] != v) continue;
        needed = needed || !(w.model.weights.contains(v) || (slot == 2 && w.model.biases.contains(*it)) ||
                             keeps_apart(w, *it, slot));
        kind = !weighted ? "constants" : slot == 2 ? "bias" : "weights";
      }
    }
    if (needed) add_initializer(w, value.name, *value.constant, label, kind);
  }
}

plan::Written finish(Writer& w, const std::vector<std::pair<std::string, std::string>>& metadata) {
  constexpr int64_t kAlign = 64;
  plan::Written written;
  int64_t total = 0;
  for (const auto& [name, tensor] : w.initializers) total += static_cast<int64_t>(tensor.bytes->size());
  const bool external = total > w.options.external_above;
  if (external) written.external_name = w.options.external_name;
  for (size_t i = 0; i < w.initializers.size(); ++i) {
    const auto& [name, tensor] = w.initializers[i];
    const int64_t size = static_cast<int64_t>(tensor.bytes->size());
    int64_t outside = 0;
    if (external && size >= kExternalBytes) {
      outside = size + (kAlign - size % kAlign) % kAlign;
      const auto offset = static_cast<int64_t>(written.external_bytes.size());
      w.parts.initializers.push_back(external_entry(name, tensor, w.options.external_name, offset));
      written.external_bytes += *tensor.bytes;
      written.external_bytes.resize(static_cast<size_t>(offset + outside), '\0');
    } else {
      w.parts.initializers.push_back(initializer_entry(name, tensor));
    }
    w.initializer_pieces[i].bytes = w.parts.initializers.back().size() + outside;
  }
  ir::Graph header = w.model.graph;  // constants are shared, so this copies no weights
  const bool imported = std::any_of(header.opset_imports.begin(), header.opset_imports.end(),
                                    [](const auto& import) { return import.first == kContrib; });
  if (w.contrib && !imported) header.opset_imports.emplace_back(kContrib, 1);
  std::vector<ValueId> described = values_to_describe(w.model.graph);
  w.parts.graph_rest = graph_rest(header, described, false);
  w.parts.model_rest = model_rest(header, metadata, false);
  written.bytes = assemble(w.parts);
  written.pieces = std::move(w.node_pieces);
  written.pieces.insert(written.pieces.end(), w.initializer_pieces.begin(), w.initializer_pieces.end());
  return written;
}

}  // namespace

plan::Written write_qdq(const plan::QuantizedModel& model,
                        const std::vector<std::pair<std::string, std::string>>& metadata,
                        const QdqOptions& options) {
  Writer w(model, options);
  if (model.plan.nodes.size() != model.graph.nodes.size() ||
      model.plan.values.size() != model.graph.values.size())
    bug("the quantized model", "its plan does not cover its graph");
  w.names = names_in_bodies(model.graph);
  for (const ir::Value& value : model.graph.values) w.names.insert(value.name);
  for (const ir::Node& node : model.graph.nodes) w.node_names.insert(node.name);
  name_activations(w);
  for (const ValueId v : model.graph.inputs)
    if (has_pair(w, v)) add_quantize(w, v, w.node(w.value(v).consumers.front()).name);
  for (const NodeId id : ir::topological_order(model.graph)) add_graph_node(w, id);
  add_float_constants(w);
  return finish(w, metadata);
}

}  // namespace qc::onnx_io
