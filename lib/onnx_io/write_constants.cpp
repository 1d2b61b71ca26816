// Constants of a quantized file: scales, integers, and the few nodes that turn them into what readers want.
// Weights below 8 bits are packed; standard ops unpack them, which the runtime evaluates once, at load.
#include <onnx/onnx_pb.h>

#include "base/text.h"
#include "onnx_io/default_attributes.h"
#include "onnx_io/qdq_writer.h"
#include "quant/narrow_floats.h"

namespace qc::onnx_io {

using ir::DType;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using quant::QuantParams;

namespace {

DType stored_type(const QuantParams& params) {
  if (params.bits > 16) return DType::kInt32;
  if (params.bits > 8) return params.is_signed ? DType::kInt16 : DType::kUint16;
  return params.is_signed ? DType::kInt8 : DType::kUint8;
}

std::vector<int64_t> parameter_dims(const QuantParams& params) {
  return params.per_channel() ? std::vector<int64_t>{static_cast<int64_t>(params.scales.size())}
                              : std::vector<int64_t>{};
}

}  // namespace

void bug(const std::string& place, const std::string& cause) {
  throw Error(Exit::kBug, {"qdq-writer", place, cause, "please report this with the model"});
}

QuantParams in_kernels(QuantParams params) {
  params.bits = params.bits > 16 ? 32 : params.bits > 8 ? 16 : 8;
  return params;
}

std::string fresh_name(Writer& w, char letter) {
  int64_t& count = w.counts[letter];
  std::string name;
  do name = letter + std::to_string(count++);
  while (!w.names.insert(name).second);
  return name;
}

bool captured(const Writer& w, ValueId v) {
  return std::any_of(w.value(v).consumers.begin(), w.value(v).consumers.end(), [&](NodeId id) {
    const auto& captures = w.node(id).captures;
    return std::find(captures.begin(), captures.end(), v) != captures.end();
  });
}

// --- entries

void add_initializer(Writer& w, const std::string& name, ir::Tensor tensor, const std::string& label,
                     const char* kind) {
  w.initializers.emplace_back(name, std::move(tensor));
  w.initializer_pieces.push_back({label, kind, 0});
}

std::string shared_constant(Writer& w, char letter, ir::Tensor tensor, const std::string& label,
                            const char* kind) {
  const std::string key =
      format("{} {} ", static_cast<int>(tensor.dtype), fmt::join(tensor.dims, ",")) + *tensor.bytes;
  std::string& name = w.shared[key];
  if (name.empty()) {
    name = fresh_name(w, letter);
    add_initializer(w, name, std::move(tensor), label, kind);
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
  if (w.opset >= kDefaultsOpset)
    std::erase_if(node.attributes, [&](const ir::Attribute& a) { return says_the_default(node, a); });
  w.parts.nodes.push_back(node_entry(node_message(node, inputs, outputs, false)));
  w.node_pieces.push_back({label, "graph", w.parts.nodes.back().size()});
}

ir::Node new_node(const char* op_type, std::vector<ir::Attribute> attributes) {
  ir::Node node;
  node.op_type = op_type;
  node.attributes = std::move(attributes);
  return node;
}

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

// --- parameters

std::string scale_name(Writer& w, const QuantParams& params, const std::string& label) {
  return shared_constant(
      w, 's', ir::make_tensor(std::span<const float>(params.scales), parameter_dims(params)), label);
}

std::string zero_point_name(Writer& w, const QuantParams& params, const std::string& label) {
  const std::string bytes = quant::pack(params.zero_points, in_kernels(params));
  return shared_constant(w, 'z', ir::make_tensor(stored_type(params), bytes, parameter_dims(params)), label);
}

// --- constants

namespace {

// The initializer's name is that of the weight, unless a body still finds the floats there.
std::string constant_name(Writer& w, ValueId v) {
  return captured(w, v) || ir::is_output(w.model.graph, v) ? fresh_name(w, 'q') : w.name(v);
}

// Adds a node whose result is new and returns the result's name.
std::string step(Writer& w, const char* op_type, const std::vector<std::string>& inputs,
                 const std::string& label, std::vector<ir::Attribute> attributes = {}) {
  std::string result = fresh_name(w, 'w');
  add_node(w, new_node(op_type, std::move(attributes)), inputs, {result}, label);
  return result;
}

std::string helper(Writer& w, ir::Tensor tensor, const std::string& label) {
  return shared_constant(w, 'c', std::move(tensor), label, "constants");
}

std::string whole_numbers(Writer& w, std::vector<int64_t> values, const std::string& label) {
  const auto count = static_cast<int64_t>(values.size());
  return helper(w, ir::make_tensor(std::span<const int64_t>(values), {count}), label);
}

std::string unsigned_words(Writer& w, const std::vector<int32_t>& values, std::vector<int64_t> dims,
                           const std::string& label) {
  std::string bytes(values.size() * 8, '\0');
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t b = 0; b < 4; ++b)
      bytes[i * 8 + b] = static_cast<char>(static_cast<uint32_t>(values[i]) >> (8 * b));
  return helper(w, ir::make_tensor(DType::kUint64, bytes, std::move(dims)), label);
}

// What the integer of each bit pattern is, in the kernels' type: a codebook, or the integers in order.
ir::Tensor meanings(const QuantParams& params) {
  std::vector<int32_t> values = params.codebook;
  if (values.empty())
    for (int32_t pattern = 0; pattern < (1 << params.bits); ++pattern)
      values.push_back(params.is_signed && pattern > params.qmax() ? pattern - (1 << params.bits) : pattern);
  return ir::make_tensor(stored_type(params), quant::pack(values, in_kernels(params)),
                         {static_cast<int64_t>(values.size())});
}

std::string packed_words(Writer& w, ValueId v, const plan::IntegerTensor& tensor, const std::string& label) {
  const QuantParams& params = tensor.params;
  const std::string name = constant_name(w, v);
  const std::string bytes =
      params.codebook.empty()
          ? quant::pack_words(tensor.integers, params.bits)
          : quant::pack_words(quant::codebook_indices(tensor.integers, w.value(v).constant->dims, params),
                              params.index_bits);
  const auto words = static_cast<int64_t>(bytes.size() / 8);
  add_initializer(w, name, ir::make_tensor(DType::kUint64, bytes, {words, 1}), label, "weights");
  return name;
}

// Where the codebook of each channel begins, shaped so that it broadcasts over the indices.
std::string codebook_offsets(Writer& w, const QuantParams& params, size_t rank, const std::string& label) {
  std::vector<int64_t> offsets, dims(rank - static_cast<size_t>(params.axis), 1);
  for (size_t at = 0; at < params.codebook.size(); at += size_t{1} << params.index_bits)
    offsets.push_back(static_cast<int64_t>(at));
  dims[0] = static_cast<int64_t>(offsets.size());
  return helper(w, ir::make_tensor(std::span<const int64_t>(offsets), std::move(dims)), label);
}

// Words of 64 bits, as many values in each as fit: BitShift and Mod take them apart, Gather looks up what
// each means. Only ops and types that every runtime since opset 11 has.
std::string unpacked_words(Writer& w, ValueId v, const plan::IntegerTensor& tensor,
                           const std::string& label) {
  const QuantParams& params = tensor.params;
  const std::vector<int64_t>& dims = w.value(v).constant->dims;
  const auto count = static_cast<int64_t>(tensor.integers.size());
  const int64_t in_word = quant::values_in_word(params.stored_bits());
  std::vector<int32_t> shifts;
  for (int32_t i = 0; i < in_word; ++i) shifts.push_back(i * params.stored_bits());
  const std::string shifted =
      step(w, "BitShift", {packed_words(w, v, tensor, label), unsigned_words(w, shifts, {in_word}, label)},
           label, {{"direction", std::string("RIGHT")}});
  const std::string patterns =
      step(w, "Mod", {shifted, unsigned_words(w, {1 << params.stored_bits()}, {}, label)}, label);
  std::string indices = step(w, "Cast", {patterns}, label, {{"to", int64_t{onnx::TensorProto::INT64}}});
  if (count % in_word != 0) {
    const std::string flat = step(w, "Reshape", {indices, whole_numbers(w, {-1}, label)}, label);
    indices = step(w, "Slice", {flat, whole_numbers(w, {0}, label), whole_numbers(w, {count}, label)}, label);
  }
  indices = step(w, "Reshape", {indices, whole_numbers(w, dims, label)}, label);
  if (params.codebook_per_channel())
    indices = step(w, "Add", {indices, codebook_offsets(w, params, dims.size(), label)}, label);
  return step(w, "Gather", {helper(w, meanings(params), label), indices}, label);
}

// The standard's own 4-bit type, where the file's opset has it.
std::string unpacked_nibbles(Writer& w, ValueId v, const plan::IntegerTensor& tensor,
                             const std::string& label) {
  const DType type = tensor.params.is_signed ? DType::kInt4 : DType::kUint4;
  const std::string packed = constant_name(w, v);
  add_initializer(
      w, packed,
      ir::make_tensor(type, quant::pack(tensor.integers, tensor.params), w.value(v).constant->dims), label,
      "weights");
  return step(w, "Cast", {packed}, label, {{"to", static_cast<int64_t>(stored_type(tensor.params))}});
}

enum class Form { kWhole, kNibbles, kWords };

// Packed only where that saves more bytes than the nodes that unpack take.
Form form_of(const Writer& w, const plan::IntegerTensor& tensor) {
  constexpr int64_t kWordsCost = 300, kNibblesCost = 50;  // bytes of nodes and helpers
  const auto count = static_cast<int64_t>(tensor.integers.size());
  const int bits = tensor.params.stored_bits();
  const int64_t book = static_cast<int64_t>(tensor.params.codebook.size());
  if (bits >= 8) return Form::kWhole;
  if (bits == 4 && book == 0 && w.opset >= kWideTypesOpset)
    return count / 2 > kNibblesCost ? Form::kNibbles : Form::kWhole;
  const int64_t packed = count / quant::values_in_word(bits) * 8 + book;
  return w.opset >= kPerAxisOpset && count - packed > kWordsCost ? Form::kWords : Form::kWhole;
}

}  // namespace

const std::string& integer_value(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.integers[v];
  if (!name.empty()) return name;
  const plan::IntegerTensor& tensor = w.model.weights.at(v);
  switch (form_of(w, tensor)) {
    case Form::kNibbles:
      return name = unpacked_nibbles(w, v, tensor, label);
    case Form::kWords:
      return name = unpacked_words(w, v, tensor, label);
    default:
      name = constant_name(w, v);
      add_initializer(
          w, name,
          ir::make_tensor(stored_type(tensor.params), quant::pack(tensor.integers, in_kernels(tensor.params)),
                          w.value(v).constant->dims),
          label, "weights");
      return name;
  }
}

const std::string& dequantized_constant(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.dequantized[v];
  if (!name.empty()) return name;
  const QuantParams& params = w.model.weights.at(v).params;
  const std::string& integers = integer_value(w, v, label);
  name = fresh_name(w, 'd');
  ir::Node node = linear_node(w, "DequantizeLinear", params);
  add_node(w, std::move(node), {integers, scale_name(w, params, label), zero_point_name(w, params, label)},
           {name}, label);
  return name;
}

namespace {

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

// One number a block, channel by channel -> one an element of the constant. `flat`: the numbers, as channels
// x blocks, or blocks x channels where channels come last.
std::string spread_blocks(Writer& w, const std::string& flat, const std::vector<int64_t>& dims,
                          const QuantParams& params, const std::string& label) {
  const quant::ChannelLayout layout = quant::channel_layout(dims, params.axis);
  const bool last = layout.outer > 1;
  const int64_t length = layout.outer * layout.inner, blocks = quant::scales_in_channel(layout, params);
  const int64_t padded = blocks * params.block_size, at = last ? 0 : 1;
  const auto shape = [&](int64_t along, int64_t within) {
    return last ? std::vector<int64_t>{along, within, layout.channels}
                : std::vector<int64_t>{layout.channels, along, within};
  };
  std::string v = step(w, "Reshape", {flat, whole_numbers(w, shape(blocks, 1), label)}, label);
  v = step(w, "Expand", {v, whole_numbers(w, shape(blocks, params.block_size), label)}, label);
  if (padded != length) {
    std::vector<int64_t> rows{layout.channels, layout.channels};
    rows[at] = padded;
    v = step(w, "Reshape", {v, whole_numbers(w, rows, label)}, label);
    v = step(
        w, "Slice",
        {v, whole_numbers(w, {0}, label), whole_numbers(w, {length}, label), whole_numbers(w, {at}, label)},
        label);
  }
  return step(w, "Reshape", {v, whole_numbers(w, dims, label)}, label);
}

template <typename T>
std::vector<T> blocks_as_stored(const std::vector<T>& values, const std::vector<int64_t>& dims,
                                const QuantParams& params) {
  const quant::ChannelLayout layout = quant::channel_layout(dims, params.axis);
  if (layout.outer == 1) return values;
  const auto channels = static_cast<size_t>(layout.channels), blocks = values.size() / channels;
  std::vector<T> turned(values.size());
  for (size_t c = 0; c < channels; ++c)
    for (size_t b = 0; b < blocks; ++b) turned[b * channels + c] = values[c * blocks + b];
  return turned;
}

std::string cast_to_float(Writer& w, const std::string& from, const std::string& label) {
  return step(w, "Cast", {from}, label, {{"to", int64_t{onnx::TensorProto::FLOAT}}});
}

// A scale, and a zero point of one byte, for each block.
std::string unfolded_blocks(Writer& w, ValueId v, const std::string& label) {
  const QuantParams& params = w.model.weights.at(v).params;
  const std::vector<int64_t>& dims = w.value(v).constant->dims;
  const auto count = static_cast<int64_t>(params.scales.size());
  std::string current = cast_to_float(w, integer_value(w, v, label), label);
  if (std::any_of(params.zero_points.begin(), params.zero_points.end(), [](int32_t z) { return z != 0; })) {
    const std::string zeros = shared_constant(
        w, 'z',
        ir::make_tensor(stored_type(params),
                        quant::pack(blocks_as_stored(params.zero_points, dims, params), in_kernels(params)),
                        {count}),
        label);
    current = step(w, "Sub", {current, spread_blocks(w, cast_to_float(w, zeros, label), dims, params, label)},
                   label);
  }
  const std::vector<float> scales = blocks_as_stored(params.scales, dims, params);
  const std::string flat =
      shared_constant(w, 's', ir::make_tensor(std::span<const float>(scales), {count}), label);
  const std::string result = fresh_name(w, 'd');
  add_node(w, new_node("Mul"), {current, spread_blocks(w, flat, dims, params, label)}, {result}, label);
  return result;
}

}  // namespace

const std::string& unfolded_constant(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.unfolded[v];
  if (!name.empty()) return name;
  const QuantParams& params = w.model.weights.at(v).params;
  if (params.block_size > 0) return name = unfolded_blocks(w, v, label);
  const size_t rank = w.value(v).constant->dims.size();
  std::string current = fresh_name(w, 'c');
  add_node(w, new_node("Cast", {{"to", int64_t{onnx::TensorProto::FLOAT}}}), {integer_value(w, v, label)},
           {current}, label);
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

namespace {

ir::Tensor narrowed(const ir::Tensor& tensor, DType type) {
  std::string bytes = quant::narrow_bytes(tensor.as<float>(), type == DType::kBfloat16);
  return ir::make_tensor(type, std::move(bytes), tensor.dims);
}

}  // namespace

const std::string& widened_constant(Writer& w, ValueId v, const std::string& label) {
  std::string& name = w.widened[v];
  if (!name.empty()) return name;
  add_initializer(w, w.name(v), narrowed(*w.value(v).constant, w.model.narrow.at(v)), label, "weights");
  return name = step(w, "Cast", {w.name(v)}, label, {{"to", int64_t{onnx::TensorProto::FLOAT}}});
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

}  // namespace qc::onnx_io
