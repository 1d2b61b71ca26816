// QuantizedModel -> ONNX with QuantizeLinear/DequantizeLinear, in the form that stock ONNX Runtime fuses into
// integer kernels: rank-0 scales, zero points always present, nothing between a node and its Relu, int32
// biases behind DequantizeLinear without zero point. Weights of float nodes go through Cast and Mul, because
// the runtime folds those at load and keeps DequantizeLinear. Every entry is labelled when it is made.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/text.h"
#include "ir/edit.h"
#include "onnx_io/bodies.h"
#include "onnx_io/qdq_writer.h"

namespace qc::onnx_io {
namespace {

using ir::DType;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;
using quant::QuantParams;

constexpr int64_t kExternalBytes = 1024;  // smaller tensors stay in the file
// Names of values are shortened unasked where they take this many bytes and this part of the file.
constexpr int64_t kManyNames = 8 << 10, kShareOfNames = 20;

// A new name for the float side of a value whose own name means its dequantized side.
std::string float_name(Writer& w, const std::string& base) {
  std::string name = base + "_f";
  while (!w.names.insert(name).second) name += "_";
  return name;
}

// --- activations

// The stored type saturates by itself; a narrower range must be cut.
bool fills_type(const QuantParams& params) {
  const QuantParams stored = in_kernels(params);
  return params.qmin() == stored.qmin() && params.qmax() == stored.qmax();
}

// Behind the rounding, where it stands in no kernel's way; the runtime has no Clip for integers of 16 bits.
std::string clipped_integers(Writer& w, const std::string& integers, const QuantParams& params,
                             const std::string& label) {
  const std::string result = fresh_name(w, 'c');
  const auto bound = [&](int64_t q) {
    QuantParams scalar = in_kernels(params);
    scalar.zero_points = {static_cast<int32_t>(q)};
    return zero_point_name(w, scalar, label);
  };
  add_node(w, new_node("Clip"), {integers, bound(params.qmin()), bound(params.qmax())}, {result}, label);
  return result;
}

std::string clipped_floats(Writer& w, const std::string& input, const QuantParams& params,
                           const std::string& label) {
  const std::string result = fresh_name(w, 'c');
  const auto bound = [&](float x) { return shared_constant(w, 'c', ir::scalar(x), label); };
  add_node(w, new_node("Clip"), {input, bound(quant::range_min(params)), bound(quant::range_max(params))},
           {result}, label);
  return result;
}

void add_quantize(Writer& w, ValueId v, const std::string& label) {
  const QuantParams& params = w.decision(v).params;
  if (params.per_channel() || params.scales.size() != 1)
    bug("value '" + w.value(v).name + "'", "an activation needs one scale");
  if (!fills_type(params) && w.opset < kIntegerClipOpset)
    bug("the quantized model",
        format("{} bits need opset {}, the graph has {}", params.bits, kIntegerClipOpset, w.opset));
  const QuantParams stored = in_kernels(params);
  const bool wide = stored.bits > 8;
  const std::string scale = scale_name(w, stored, label), zero = zero_point_name(w, stored, label);
  const std::string floats =
      !fills_type(params) && wide ? clipped_floats(w, w.written_as.at(v), params, label) : w.written_as.at(v);
  std::string integers = fresh_name(w, 'q');
  add_node(w, linear_node(w, "QuantizeLinear", stored), {floats, scale, zero}, {integers}, label);
  if (!fills_type(params) && !wide) integers = clipped_integers(w, integers, params, label);
  w.quantized_as[v] = integers;
  if (w.options.qoperator && !floats_are_read(w, v)) return;
  add_node(w, linear_node(w, "DequantizeLinear", stored), {integers, scale, zero}, {w.read_as.at(v)}, label);
}

// Outputs of the model and values that bodies read keep their name on the dequantized side, so that everyone
// outside sees what the integers say. A model input keeps its name on the float side.
void name_activations(Writer& w) {
  const ir::Graph& graph = w.model.graph;
  for (ValueId v = 0; v < static_cast<ValueId>(graph.values.size()); ++v) {
    const ir::Value& value = w.value(v);
    if (value.constant) continue;
    w.written_as[v] = w.read_as[v] = w.name(v);
    const bool input = value.producer == kNone;
    const bool read = !value.consumers.empty() || (!input && ir::is_output(graph, v));
    if (!w.decision(v).quantized || !read) continue;
    if (!input && (ir::is_output(graph, v) || captured(w, v)))
      w.written_as[v] = float_name(w, w.name(v));
    else
      w.read_as[v] = fresh_name(w, 'd');
  }
}

bool has_pair(const Writer& w, ValueId v) {
  return w.written_as.at(v) != w.read_as.at(v);
}

// --- the graph

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
// alone whose input comes with a scale for each channel; here they are all equal. A grey picture has one
// channel, and a list of one scale is taken for a scalar: its rows have them then. 0: no dimension will do.
int64_t axis_of_equal_scales(const ir::Value& value) {
  if (!value.has_shape) return 0;
  for (size_t axis = 1; axis < value.dims.size(); ++axis)
    if (value.dims[axis] > 1) return static_cast<int64_t>(axis);
  return 0;
}

bool would_be_rounded(const Writer& w, NodeId id, size_t slot) {
  constexpr std::string_view kRounded[] = {"Conv", "ConvTranspose", "Gemm"};
  const ir::Node& node = w.node(id);
  if (slot != 0 || w.compute(id) == Compute::kInteger || w.opset < kPerAxisOpset) return false;
  if (std::none_of(std::begin(kRounded), std::end(kRounded),
                   [&](auto op) { return ir::standard_op(node, op); }))
    return false;
  const ir::Value& input = w.value(node.inputs[0]);
  return w.quantized_as.contains(node.inputs[0]) && w.value(node.inputs[1]).constant &&
         axis_of_equal_scales(input) > 0 && leads_to_quantize(w, id);
}

// A convolution whose weight is a result itself has no integer kernel, and the runtime would take one all the
// same where everything around it is rounded.
bool would_be_joined(const Writer& w, NodeId id, size_t slot) {
  const ir::Node& node = w.node(id);
  return slot == 1 && ir::standard_op(node, "Conv") && w.compute(id) != Compute::kInteger &&
         w.quantized_as.contains(node.inputs[0]) && w.quantized_as.contains(node.inputs[1]) &&
         leads_to_quantize(w, id);
}

// The same floats, from a node that the runtime neither takes out nor passes roundings through.
std::string read_apart(Writer& w, ValueId v, const std::string& label) {
  std::string name = fresh_name(w, 'd');
  add_node(
      w, new_node("Max"),
      {w.read_as.at(v), shared_constant(w, 'c', ir::scalar(std::numeric_limits<float>::lowest()), label)},
      {name}, label);
  return name;
}

const std::string& read_by_channel(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.read_by_channel[v];
  if (!name.empty()) return name;
  name = fresh_name(w, 'd');
  QuantParams params = in_kernels(w.decision(v).params);
  params.axis = static_cast<int>(axis_of_equal_scales(w.value(v)));
  const auto places = static_cast<size_t>(w.value(v).dims[params.axis]);
  params.scales.assign(places, params.scales[0]);
  params.zero_points.assign(places, params.zero_points[0]);
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
  if (would_be_joined(w, id, slot)) return read_apart(w, v, node.name);
  if (!w.value(v).constant)
    return would_be_rounded(w, id, slot) ? read_by_channel(w, v, node.name) : w.read_as.at(v);
  if (keeps_apart(w, id, slot)) return bias_of_full_rank(w, id, slot);
  if (w.model.narrow.contains(v)) return widened_constant(w, v, node.name);
  if (!w.model.weights.contains(v)) return w.name(v);
  return w.compute(id) == Compute::kInteger ? dequantized_constant(w, v, node.name)
                                            : unfolded_constant(w, v, node.name);
}

// The runtime moves the Transposes of its integer convolutions through a Resize, and its cubic kernel refuses
// channels that lie last where the picture shrinks or is smoothed.
bool would_lie_last(const Writer& w, NodeId id) {
  const ir::Node& node = w.node(id);
  if (!ir::standard_op(node, "Resize") || ir::string_attribute(node, "mode", "nearest") != "cubic")
    return false;
  const ir::Value &x = w.value(node.inputs[0]), &y = w.value(node.outputs[0]);
  if (!y.has_shape || std::none_of(w.model.plan.nodes.begin(), w.model.plan.nodes.end(),
                                   [](const auto& one) { return one.compute == Compute::kInteger; }))
    return false;
  return ir::int_attribute(node, "antialias", 0) != 0 || x.dims.size() != y.dims.size() ||
         !std::equal(x.dims.begin(), x.dims.end(), y.dims.begin(),
                     [](int64_t from, int64_t to) { return from > 0 && from <= to; });
}

// `made` as `v`, behind a Reshape to the shape that it has, through which no Transpose is moved.
void keep_in_place(Writer& w, const std::string& made, ValueId v, const std::string& label) {
  const ir::Tensor shape = ir::int_tensor(ir::Dims(w.value(v).dims.size(), 0));
  add_node(w, new_node("Reshape"), {made, shared_constant(w, 'c', shape, label)}, {w.written_as.at(v)},
           label);
}

void add_graph_node(Writer& w, NodeId id) {
  const ir::Node& node = w.node(id);
  if (as_qoperator(w, id)) return add_qoperator_node(w, id);
  if (inside_qoperator(w, id)) return;
  const size_t slots =
      w.model.biases.contains(id) ? std::max<size_t>(node.inputs.size(), 3) : node.inputs.size();
  std::vector<std::string> inputs, outputs;
  for (size_t slot = 0; slot < slots; ++slot) inputs.push_back(input_name(w, id, slot));
  for (const ValueId v : node.outputs) outputs.push_back(v == kNone ? "" : w.written_as.at(v));
  const bool apart = would_lie_last(w, id);
  if (apart) outputs[0] = fresh_name(w, 'd');
  add_node(w, node, inputs, outputs, node.name);
  if (apart) keep_in_place(w, outputs[0], node.outputs[0], node.name);
  for (const ValueId v : node.outputs)
    if (v != kNone && has_pair(w, v)) add_quantize(w, v, node.name);
}

// What the bytes of a constant in this slot are.
const char* kind_of(const Writer& w, const ir::Node& node, size_t slot) {
  constexpr std::string_view kWeighted[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"},
                             kAtRunTime[] = {"MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul"};
  if (ir::is_one_of(node, kWeighted)) return slot == 2 ? "bias" : "weights";
  if (std::ranges::find(kAtRunTime, node.op_type) != std::end(kAtRunTime))
    return slot == 1 ? "weights" : "scales";
  // The factor for what was rounded at run time and for the weight.
  const bool scale = ir::standard_op(node, "Mul") && std::ranges::any_of(node.inputs, [&](ValueId v) {
                       const NodeId maker = w.value(v).producer;
                       return maker != kNone && ir::standard_op(w.node(maker), "DynamicQuantizeLinear");
                     });
  return scale ? "scales" : "constants";
}

// Float constants that something still reads by their own name.
void add_float_constants(Writer& w) {
  const ir::Graph& graph = w.model.graph;
  for (ValueId v = 0; v < static_cast<ValueId>(graph.values.size()); ++v) {
    const ir::Value& value = w.value(v);
    if (!value.constant) continue;
    std::string label;
    const char* kind = "constants";
    bool needed = ir::is_output(graph, v) || captured(w, v);
    for (auto it = value.consumers.rbegin(); it != value.consumers.rend(); ++it) {
      if (inside_qoperator(w, *it)) continue;
      const ir::Node& node = w.node(*it);
      label = node.name;
      for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
        if (node.inputs[slot] != v) continue;
        needed = needed || !(w.model.weights.contains(v) || w.model.narrow.contains(v) ||
                             (slot == 2 && w.model.biases.contains(*it)) || keeps_apart(w, *it, slot));
        kind = kind_of(w, node, slot);
      }
    }
    if (needed) add_initializer(w, w.name(v), *value.constant, label, kind);
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
      written.external_bytes.resize(offset + outside, '\0');
    } else {
      w.parts.initializers.push_back(initializer_entry(name, tensor));
    }
    w.initializer_pieces[i].bytes = w.parts.initializers.back().size() + outside;
  }
  ir::Graph header = w.model.graph;  // constants are shared, so this copies no weights
  for (size_t v = 0; v < header.values.size(); ++v) {
    if (header.values[v].name == w.value_names[v]) continue;
    written.value_names.emplace_back(w.value_names[v], header.values[v].name);
    header.values[v].name = w.value_names[v];
  }
  const bool imported = std::any_of(header.opset_imports.begin(), header.opset_imports.end(),
                                    [](const auto& import) { return import.first == kContrib; });
  if (w.contrib && !imported) header.opset_imports.emplace_back(kContrib, 1);
  w.parts.graph_rest = graph_rest(header, values_to_describe(header), false);
  w.parts.model_rest = model_rest(header, metadata, false);
  written.bytes = assemble(w.parts);
  written.pieces = std::move(w.node_pieces);
  written.pieces.insert(written.pieces.end(), w.initializer_pieces.begin(), w.initializer_pieces.end());
  return written;
}

// --- names of values

// Others know it by its name: the world outside, or a body.
bool keeps_name(const Writer& w, ValueId v) {
  return ir::is_input(w.model.graph, v) || ir::is_output(w.model.graph, v) || captured(w, v);
}

void name_values(Writer& w, bool shortened) {
  const std::vector<ir::Value>& values = w.model.graph.values;
  w.names = names_in_bodies(w.model.graph);
  for (ValueId v = 0; v < static_cast<ValueId>(values.size()); ++v)
    if (!shortened || keeps_name(w, v)) w.names.insert(w.value(v).name);
  for (ValueId v = 0; v < static_cast<ValueId>(values.size()); ++v)
    w.value_names.push_back(!shortened || keeps_name(w, v) ? w.value(v).name : fresh_name(w, 'v'));
}

// Bytes of the names that could be shorter.
int64_t bytes_of_names(const plan::QuantizedModel& model, const QdqOptions& options) {
  const Writer w(model, options);
  int64_t bytes = 0;
  for (ValueId v = 0; v < static_cast<ValueId>(model.graph.values.size()); ++v) {
    const ir::Value& value = w.value(v);
    const bool written = value.constant ? !value.consumers.empty() : value.producer != kNone;
    if (written && !keeps_name(w, v))
      bytes += static_cast<int64_t>(value.name.size() * (1 + value.consumers.size()));
  }
  return bytes;
}

plan::Written written_as(const plan::QuantizedModel& model,
                         const std::vector<std::pair<std::string, std::string>>& metadata,
                         const QdqOptions& options, bool short_names) {
  Writer w(model, options);
  name_values(w, short_names);
  for (const ir::Node& node : model.graph.nodes) w.node_names.insert(node.name);
  name_activations(w);
  for (const ValueId v : model.graph.inputs)
    if (has_pair(w, v)) add_quantize(w, v, w.node(w.value(v).consumers.front()).name);
  for (const NodeId id : ir::topological_order(model.graph)) add_graph_node(w, id);
  add_float_constants(w);
  return finish(w, metadata);
}

}  // namespace

plan::Written write_qdq(const plan::QuantizedModel& model,
                        const std::vector<std::pair<std::string, std::string>>& metadata,
                        const QdqOptions& options) {
  if (model.plan.nodes.size() != model.graph.nodes.size() ||
      model.plan.values.size() != model.graph.values.size())
    bug("the quantized model", "its plan does not cover its graph");
  const bool may = !options.name_all_nodes && options.short_names.value_or(true);
  plan::Written written = written_as(model, metadata, options, may && options.short_names.has_value());
  if (!may || options.short_names) return written;
  const int64_t names = bytes_of_names(model, options);
  const auto size = static_cast<int64_t>(written.bytes.size() + written.external_bytes.size());
  if (names < kManyNames || names * kShareOfNames < size) return written;
  return written_as(model, metadata, options, true);
}

}  // namespace qc::onnx_io
