// See modes.h.
#include "spell/modes.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "ir/ops.h"
#include "plan/resize_plan.h"
#include "quantize/pairs.h"
#include "threshold/blocks.h"

namespace qc {
namespace {

using ir::DType;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;
using quant::QuantParams;

constexpr const char* kContrib = "com.microsoft";
constexpr int64_t kWorthIntegers = 128;  // elements

void import_contrib(ir::Graph& graph) {
  const bool known = std::any_of(graph.opset_imports.begin(), graph.opset_imports.end(),
                                 [](const auto& import) { return import.first == kContrib; });
  if (!known) graph.opset_imports.emplace_back(kContrib, 1);
}

// A node in float that makes one new value.
ValueId add_step(plan::QuantizedModel& model, const std::string& name, const char* op_type,
                 const std::vector<ValueId>& inputs, DType type, std::vector<ir::Attribute> attributes = {}) {
  const ValueId out = ir::add_value(model.graph, name, type);
  ir::Node node;
  node.name = name;
  node.op_type = op_type;
  node.inputs = inputs;
  node.outputs = {out};
  node.attributes = std::move(attributes);
  const NodeId id = ir::add_node(model.graph, std::move(node));
  resize_plan(model);
  model.plan.nodes[id].reason = plan::Reason::kOfMode;
  return out;
}

ValueId whole_numbers(plan::QuantizedModel& model, const std::string& name,
                      const std::vector<int64_t>& numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  return ir::add_constant(model.graph, name, ir::make_tensor(std::span<const int64_t>(numbers), {count}));
}

template <typename T>
std::vector<T> turned(std::span<const T> values, int64_t matrices, int64_t rows, int64_t columns) {
  std::vector<T> result(values.size());
  for (int64_t m = 0; m < matrices; ++m)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        result[(m * columns + c) * rows + r] = values[(m * rows + r) * columns + c];
  return result;
}

ir::Tensor bytes_tensor(const std::vector<int32_t>& integers, bool is_signed, std::vector<int64_t> dims) {
  QuantParams byte;
  byte.bits = 8;
  byte.is_signed = is_signed;
  return ir::make_tensor(is_signed ? DType::kInt8 : DType::kUint8, quant::pack(integers, byte),
                         std::move(dims));
}

// --- rounding at run time

using Rounded = std::map<ValueId, std::array<ValueId, 3>>;  // value -> integers, scale, zero point

const std::array<ValueId, 3>& rounded(plan::QuantizedModel& model, ValueId x, Rounded& all) {
  auto [place, added] = all.try_emplace(x);
  if (!added) return place->second;
  const std::string name = ir::value_at(model.graph, x).name;
  place->second = {ir::add_value(model.graph, name + "_q", DType::kUint8),
                   ir::add_value(model.graph, name + "_s", DType::kFloat),
                   ir::add_value(model.graph, name + "_z", DType::kUint8)};
  ir::Node node;
  node.name = name + "_q";
  node.op_type = "DynamicQuantizeLinear";
  node.inputs = {x};
  node.outputs.assign(place->second.begin(), place->second.end());
  const NodeId id = ir::add_node(model.graph, std::move(node));
  resize_plan(model);
  model.plan.nodes[id].reason = plan::Reason::kOfMode;
  return place->second;
}

ValueId scales_of(plan::QuantizedModel& model, const std::string& name, const QuantParams& params) {
  const std::vector<int64_t> dims = params.per_channel()
                                        ? std::vector<int64_t>{static_cast<int64_t>(params.scales.size())}
                                        : std::vector<int64_t>{};
  return ir::add_constant(model.graph, name + "_s",
                          ir::make_tensor(std::span<const float>(params.scales), dims));
}

// What nodes that read the same have in common.
struct Shared {
  Rounded inputs;
  std::map<std::pair<ValueId, bool>, ValueId> integers;  // of a weight, as it is or turned
  std::map<ValueId, ValueId> scales;                     // of a weight
};

// y = Cast(MatMulInteger(x_q, W)) * (x_s * W_s) [+ bias]; the node itself becomes the MatMulInteger.
void spell_product(plan::QuantizedModel& model, NodeId id, Shared& all) {
  const ir::Node node = ir::node_at(model.graph, id);
  const ValueId v = node.inputs[1], y = node.outputs[0];
  const plan::IntegerTensor weight = model.weights.at(v);
  const ValueId bias = node.inputs.size() > 2 ? node.inputs[2] : kNone;
  const std::array<ValueId, 3> x = rounded(model, node.inputs[0], all.inputs);
  const std::string& name = node.name;
  const bool is_signed = weight.params.is_signed;
  const bool turn = node.op_type == "Gemm" && ir::int_attribute(node, "transB", 0) != 0;
  const auto [constant, first] = all.integers.try_emplace({v, turn}, kNone);
  if (first) {
    std::vector<int64_t> dims = ir::value_at(model.graph, v).constant->dims;
    std::vector<int32_t> integers = weight.integers;
    if (turn) {
      integers = turned(std::span<const int32_t>(integers), 1, dims[0], dims[1]);
      std::swap(dims[0], dims[1]);
    }
    constant->second = ir::add_constant(model.graph, ir::value_at(model.graph, v).name + "_q",
                                        bytes_tensor(integers, is_signed, dims));
  }
  if (!all.scales.contains(v)) all.scales[v] = scales_of(model, name, weight.params);
  const bool centred = std::all_of(weight.params.zero_points.begin(), weight.params.zero_points.end(),
                                   [](int32_t z) { return z == 0; });
  const ValueId sums = ir::add_value(model.graph, name + "_i", DType::kInt32);
  ir::Node& integer = ir::node_at(model.graph, id);
  integer.op_type = "MatMulInteger";
  integer.attributes.clear();
  ir::set_input(model.graph, id, 0, x[0]);
  ir::set_input(model.graph, id, 1, constant->second);
  ir::set_input(model.graph, id, 2, x[2]);
  if (!centred) {
    std::vector<int64_t> zero_dims;
    if (weight.params.per_channel()) zero_dims = {static_cast<int64_t>(weight.params.scales.size())};
    ir::set_input(model.graph, id, 3,
                  ir::add_constant(model.graph, name + "_z",
                                   bytes_tensor(weight.params.zero_points, is_signed, zero_dims)));
  }
  ir::set_output(model.graph, id, 0, sums);
  model.plan.nodes[id].compute = Compute::kInteger;
  const ValueId scale = add_step(model, name + "_ss", "Mul", {x[1], all.scales.at(v)}, DType::kFloat);
  const ValueId floats = add_step(model, name + "_f", "Cast", {sums}, DType::kFloat, {{"to", int64_t{1}}});
  ValueId last = add_step(model, name + "_y", "Mul", {floats, scale}, DType::kFloat);
  if (bias != kNone) last = add_step(model, name + "_b", "Add", {last, bias}, DType::kFloat);
  ir::set_output(model.graph, ir::value_at(model.graph, last).producer, 0, y);
  resize_plan(model);
}

// One row of a recurrent layer's weight is what one gate of one unit reads. `bounded`: pairs of products
// cannot saturate.
plan::IntegerTensor rows_of(const ir::Tensor& weight, bool bounded, int threads) {
  const int64_t length = weight.dims.back(), count = weight.size() / length;
  threshold::BlockOptions options;
  options.bits = 8;
  options.size = length;
  threshold::Blocks blocks = threshold::in_blocks(weight.as<float>(), count, length, options, threads);
  plan::IntegerTensor rows;
  rows.params = {8, true, true, 0, std::move(blocks.scales), std::move(blocks.zero_points)};
  rows.integers = std::move(blocks.integers);
  const std::vector<int64_t> dims{count, length};
  if (bounded)
    quantize::bound_pairs(ir::make_tensor(weight.as<float>(), dims), {dims, 0}, false, HUGE_VAL, threads,
                          rows);
  return rows;
}

void spell_lstm(plan::QuantizedModel& model, NodeId id, bool bounded, int threads) {
  for (const size_t slot : {size_t{1}, size_t{2}}) {
    const ir::Tensor weight = *ir::value_at(model.graph, ir::node_at(model.graph, id).inputs[slot]).constant;
    const std::string name = ir::value_at(model.graph, ir::node_at(model.graph, id).inputs[slot]).name;
    const plan::IntegerTensor rows = rows_of(weight, bounded, threads);
    const std::vector<int32_t> integers =
        turned(std::span<const int32_t>(rows.integers), weight.dims[0], weight.dims[1], weight.dims[2]);
    const std::vector<int64_t> scale_dims{weight.dims[0], weight.dims[1]};
    const ValueId q =
        ir::add_constant(model.graph, name + "_q",
                         bytes_tensor(integers, true, {weight.dims[0], weight.dims[2], weight.dims[1]}));
    const ValueId s = ir::add_constant(
        model.graph, name + "_s", ir::make_tensor(std::span<const float>(rows.params.scales), scale_dims));
    const ValueId z =
        ir::add_constant(model.graph, name + "_z", bytes_tensor(rows.params.zero_points, true, scale_dims));
    ir::set_input(model.graph, id, slot, q);
    ir::set_input(model.graph, id, 6 + 2 * slot, s);
    ir::set_input(model.graph, id, 7 + 2 * slot, z);
  }
  ir::node_at(model.graph, id).op_type = "DynamicQuantizeLSTM";
  ir::node_at(model.graph, id).domain = kContrib;
  import_contrib(model.graph);
  resize_plan(model);
  model.plan.nodes[id].compute = Compute::kInteger;
}

// --- blocks

// Rows of output channels of a weight, and how it is stored.
struct Matrix {
  std::vector<float> rows;
  int64_t count = 0, length = 0;
  bool turned = false;  // stored as [length, count]
};

Matrix matrix_of(const ir::Tensor& weight, bool columns) {
  Matrix matrix;
  matrix.turned = columns;
  const std::span<const float> all = weight.as<float>();
  matrix.length = columns ? weight.dims[0] : weight.dims.back();
  matrix.count = weight.size() / std::max<int64_t>(1, matrix.length);
  matrix.rows =
      columns ? turned(all, 1, weight.dims[0], weight.dims[1]) : std::vector<float>(all.begin(), all.end());
  return matrix;
}

// A value that the runtime makes of the blocks once, at load: integers of one row a block, a scale for each,
// brought into shape. The writer packs them as it packs any weight.
ValueId unfolded(plan::QuantizedModel& model, const std::string& name, const threshold::Blocks& blocks,
                 bool columns, const std::vector<int64_t>& dims) {
  const int64_t count = blocks.rows * blocks.blocks, size = blocks.options.size;
  plan::IntegerTensor stored;
  stored.params.bits = blocks.options.bits;
  stored.params.is_signed = blocks.options.symmetric;
  stored.params.axis = 0;
  stored.params.scales = blocks.scales;
  stored.params.zero_points = blocks.zero_points;
  stored.integers = blocks.integers;
  const std::vector<int64_t> flat{count, size};
  const std::vector<float> floats = quant::dequantize(stored.integers, flat, stored.params);
  const ValueId constant =
      ir::add_constant(model.graph, name + "_blocks", ir::make_tensor(std::span<const float>(floats), flat));
  model.weights[constant] = std::move(stored);
  const int64_t padded = blocks.blocks * size;
  const bool cut = padded != blocks.length;
  const std::vector<int64_t> rows{blocks.rows, padded};
  ValueId v = add_step(model, name + "_rows", "Reshape",
                       {constant, whole_numbers(model, name + "_shape", cut || columns ? rows : dims)},
                       DType::kFloat);
  if (cut) {
    const ValueId from = whole_numbers(model, name + "_from", {0}),
                  to = whole_numbers(model, name + "_to", {blocks.length}),
                  axis = whole_numbers(model, name + "_axis", {1});
    v = add_step(model, name + "_cut", "Slice", {v, from, to, axis}, DType::kFloat);
  }
  if (columns)
    v = add_step(model, name + "_turned", "Transpose", {v}, DType::kFloat,
                 {{"perm", std::vector<int64_t>{1, 0}}});
  else if (cut && dims.size() != 2)
    v = add_step(model, name + "_whole", "Reshape", {v, whole_numbers(model, name + "_dims", dims)},
                 DType::kFloat);
  return v;
}

// --- blocks that stay packed

// Unsigned numbers of `bits` each, from the low bits up; every `count` of them begin a new byte.
std::string packed(const std::vector<int32_t>& numbers, size_t count, int bits, int32_t shift) {
  const size_t stride = (count * static_cast<size_t>(bits) + 7) / 8;
  std::string bytes(numbers.size() / count * stride, '\0');
  for (size_t i = 0; i < numbers.size(); ++i) {
    const size_t bit = i % count * static_cast<size_t>(bits);
    char& byte = bytes[i / count * stride + bit / 8];
    const auto number = static_cast<uint32_t>(numbers[i] + shift) << bit % 8;
    byte = static_cast<char>(static_cast<unsigned char>(byte) | number);
  }
  return bytes;
}

// Why a node's weights are unfolded at load, or "".
std::string why_unfolded(const plan::QuantizedModel& model, NodeId id) {
  const ir::Node& node = ir::node_at(model.graph, id);
  const bool product = ir::is_one_of(node, {"MatMul", "Gemm"});
  if (!product) return "there is such an op for MatMul and Gemm alone";
  const auto weight = model.weights.find(node.inputs[1]);
  if (weight == model.weights.end() || weight->second.params.block_size == 0) return "no blocks";
  if (weight->second.params.bits != 4 && weight->second.params.bits != 8) return "it takes 4 or 8 bits";
  if (ir::value_at(model.graph, node.inputs[1]).consumers.size() != 1)
    return "several nodes share the weight";
  const bool plain = node.op_type == "MatMul" || (ir::float_attribute(node, "alpha", 1) == 1.0f &&
                                                  ir::float_attribute(node, "beta", 1) == 1.0f &&
                                                  ir::int_attribute(node, "transA", 0) == 0);
  return plain ? "" : "alpha, beta or transA are not the plain ones";
}

// A matrix in blocks, row by row of output channels, whole blocks.
struct Stored {
  const plan::IntegerTensor& tensor;
  int64_t rows = 0, length = 0, blocks = 0;
  bool columns = false;  // the tensor is [length, rows]

  explicit Stored(const plan::IntegerTensor& stored, const std::vector<int64_t>& dims)
      : tensor(stored), columns(stored.params.axis == 1) {
    rows = dims[columns ? 1 : 0];
    length = dims[columns ? 0 : 1];
    blocks = (length + tensor.params.block_size - 1) / tensor.params.block_size;
  }
  int32_t at(int64_t row, int64_t k) const {
    return tensor.integers[columns ? k * rows + row : row * length + k];
  }
  int32_t zero_point(int64_t row, int64_t block) const {
    return tensor.params.zero_points[row * blocks + block];
  }
};

void spell_n_bits(plan::QuantizedModel& model, NodeId id) {
  const ValueId v = ir::node_at(model.graph, id).inputs[1];
  const plan::IntegerTensor tensor = model.weights.at(v);
  const Stored stored(tensor, ir::value_at(model.graph, v).constant->dims);
  const int bits = tensor.params.bits;
  const int64_t size = tensor.params.block_size;
  const int32_t shift = tensor.params.is_signed ? 1 << (bits - 1) : 0;
  std::vector<int32_t> whole;
  for (int64_t r = 0; r < stored.rows; ++r)
    for (int64_t k = 0; k < stored.blocks * size; ++k)
      whole.push_back(k < stored.length ? stored.at(r, k) : stored.zero_point(r, k / size));
  const std::string name = ir::value_at(model.graph, v).name;  // a copy: values move as others are added
  const ValueId bias =
      ir::node_at(model.graph, id).inputs.size() > 2 ? ir::node_at(model.graph, id).inputs[2] : kNone;
  const auto bytes_of = [&](const char* what, const std::string& bytes, std::vector<int64_t> dims) {
    return ir::add_constant(model.graph, name + what, ir::make_tensor(DType::kUint8, bytes, std::move(dims)));
  };
  const ValueId q = bytes_of("_q", packed(whole, static_cast<size_t>(size), bits, shift),
                             {stored.rows, stored.blocks, size * bits / 8});
  const ValueId s = ir::add_constant(
      model.graph, name + "_s",
      ir::make_tensor(std::span<const float>(tensor.params.scales), {stored.rows * stored.blocks}));
  ir::set_input(model.graph, id, 1, q);
  ir::set_input(model.graph, id, 2, s);
  if (std::any_of(tensor.params.zero_points.begin(), tensor.params.zero_points.end(),
                  [&](int32_t z) { return z + shift != 1 << (bits - 1); })) {
    const std::string zeros =
        packed(tensor.params.zero_points, static_cast<size_t>(stored.blocks), bits, shift);
    const auto count = static_cast<int64_t>(zeros.size());
    ir::set_input(model.graph, id, 3, bytes_of("_z", zeros, {count}));
  }
  if (bias != kNone) ir::set_input(model.graph, id, 5, bias);
  ir::Node& node = ir::node_at(model.graph, id);
  node.op_type = "MatMulNBits";
  node.domain = kContrib;
  node.attributes = {{"K", stored.length}, {"N", stored.rows}, {"bits", int64_t{bits}}, {"block_size", size}};
  import_contrib(model.graph);
  model.weights.erase(v);
  resize_plan(model);
}

// DequantizeLinear along the sum, [length, rows]: the form that runtimes join with the product.
void spell_blocked_dequantize(plan::QuantizedModel& model, NodeId id) {
  const ValueId v = ir::node_at(model.graph, id).inputs[1];
  const plan::IntegerTensor tensor = model.weights.at(v);
  const Stored stored(tensor, ir::value_at(model.graph, v).constant->dims);
  const std::vector<int64_t> dims{stored.length, stored.rows}, scale_dims{stored.blocks, stored.rows};
  std::vector<int32_t> integers, zeros;
  std::vector<float> scales;
  for (int64_t k = 0; k < stored.length; ++k)
    for (int64_t r = 0; r < stored.rows; ++r) integers.push_back(stored.at(r, k));
  for (int64_t b = 0; b < stored.blocks; ++b)
    for (int64_t r = 0; r < stored.rows; ++r) {
      zeros.push_back(stored.zero_point(r, b));
      scales.push_back(tensor.params.scales[r * stored.blocks + b]);
    }
  const bool is_signed = tensor.params.is_signed, half = tensor.params.bits == 4;
  const DType type =
      half ? (is_signed ? DType::kInt4 : DType::kUint4) : (is_signed ? DType::kInt8 : DType::kUint8);
  const std::string name = ir::value_at(model.graph, v).name;
  const ValueId q = ir::add_constant(model.graph, name + "_q",
                                     ir::make_tensor(type, quant::pack(integers, tensor.params), dims));
  const ValueId s =
      ir::add_constant(model.graph, name + "_s", ir::make_tensor(std::span<const float>(scales), scale_dims));
  const ValueId z = ir::add_constant(model.graph, name + "_z",
                                     ir::make_tensor(type, quant::pack(zeros, tensor.params), scale_dims));
  const ValueId floats = add_step(model, name + "_d", "DequantizeLinear", {q, s, z}, DType::kFloat,
                                  {{"axis", int64_t{0}}, {"block_size", tensor.params.block_size}});
  ir::set_input(model.graph, id, 1, floats);
  if (ir::node_at(model.graph, id).op_type == "Gemm")
    ir::set_attribute(ir::node_at(model.graph, id), "transB", 0);
  model.weights.erase(v);
  resize_plan(model);
}

// --- weights of ops without weight traits

struct StoredOperand {
  const char* domain;
  const char* op_type;
  size_t slot;
  size_t rank;
  bool columns;  // a scale for each of the last dimension, else for each run along it
};
constexpr StoredOperand kStored[] = {
    {"", "LSTM", 1, 3, false},   {"", "LSTM", 2, 3, false},
    {"", "GRU", 1, 3, false},    {"", "GRU", 2, 3, false},
    {"", "RNN", 1, 3, false},    {"", "RNN", 2, 3, false},
    {"", "Gather", 0, 2, false}, {kContrib, "Attention", 1, 2, true},
};

bool fits(const ir::Graph& graph, const ir::Node& node, const StoredOperand& row) {
  const bool same = node.op_type == row.op_type &&
                    (*row.domain ? node.domain == row.domain : ir::standard_op(node, row.op_type));
  const ir::Tensor* operand = same ? ir::constant_input(graph, node, row.slot) : nullptr;
  return operand && operand->dtype == DType::kFloat && operand->bytes && operand->dims.size() == row.rank &&
         operand->size() >= kWorthIntegers && operand->dims.back() > 1;
}

}  // namespace

void spell_dynamic(const std::vector<select::DynamicChoice>& choices, bool bounded, int threads,
                   plan::QuantizedModel& model) {
  Shared all;
  for (const NodeId id : ir::topological_order(model.graph)) {
    if (static_cast<size_t>(id) >= choices.size() || !choices[id].dynamic) continue;
    if (ir::node_at(model.graph, id).op_type == "LSTM")
      spell_lstm(model, id, bounded, threads);
    else if (model.weights.contains(
                 ir::node_at(model.graph, id).inputs.at(1)))  // else too small to be worth it
      spell_product(model, id, all);
  }
  ir::remove_dead(model.graph);
}

std::string spell_packed(std::span<const NodeId> nodes, bool standard_ops_only, plan::QuantizedModel& model) {
  int64_t kept = 0;
  std::map<std::string, int64_t> unfolded;
  for (const NodeId id : nodes) {
    if (!ir::weight_traits(model.graph, ir::node_at(model.graph, id))) continue;
    if (const std::string why = why_unfolded(model, id); !why.empty()) {
      ++unfolded[why];
      continue;
    }
    ++kept;
    if (standard_ops_only)
      spell_blocked_dequantize(model, id);
    else
      spell_n_bits(model, id);
  }
  ir::remove_dead(model.graph);
  std::vector<std::string> parts;
  if (kept > 0)
    parts.push_back(
        format("weights of {} layers stay packed at run time: less memory, and up to a fifth slower than "
               "float, for every run unpacks them",
               kept));
  for (const auto& [why, count] : unfolded)
    parts.push_back(format("{} of {} are unfolded at load: {}", kept > 0 ? "those" : "weights", count, why));
  return join(parts, "; ");
}

bool has_stored_operands(const ir::Graph& graph, const ir::Node& node) {
  return std::any_of(std::begin(kStored), std::end(kStored),
                     [&](const StoredOperand& row) { return fits(graph, node, row); });
}

void store_operands(const std::vector<NodeId>& nodes, plan::QuantizedModel& model, int threads) {
  for (const NodeId id : nodes)
    for (const StoredOperand& row : kStored) {
      if (!fits(model.graph, ir::node_at(model.graph, id), row)) continue;
      const ValueId v = ir::node_at(model.graph, id).inputs[row.slot];
      if (ir::value_at(model.graph, v).consumers.size() != 1 || model.weights.contains(v)) continue;
      const ir::Tensor weight = *ir::value_at(model.graph, v).constant;
      const Matrix matrix = matrix_of(weight, row.columns);
      threshold::BlockOptions options;
      options.bits = 8;
      options.size = matrix.length;
      const threshold::Blocks rows =
          threshold::in_blocks(matrix.rows, matrix.count, matrix.length, options, threads);
      const std::string name = ir::value_at(model.graph, v).name;  // a copy: values move as others are added
      ir::set_input(model.graph, id, row.slot, unfolded(model, name, rows, row.columns, weight.dims));
    }
  ir::remove_dead(model.graph);
  resize_plan(model);
}

}  // namespace qc
