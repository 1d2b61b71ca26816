// See tiny_models.h. Random numbers are made by hand (a 64-bit linear congruential generator, Knuth's MMIX
// constants): the standard distributions differ between libraries, and golden numbers must not.
#include "support/tiny_models.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/text.h"

namespace qc::tiny {
namespace {

using ir::Graph;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;

const ir::Value& at(const Graph& g, ValueId v) {
  return ir::value_at(g, v);
}
ir::Value& at(Graph& g, ValueId v) {
  return ir::value_at(g, v);
}

bool any_of(const std::string& op, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return op == name; });
}

std::optional<Dims> broadcast(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    out[out.size() - 1 - i] = x == 1 ? y : y == 1 || x == y ? x : -1;
  }
  return out;
}

/// Spatial size after a sliding window (ONNX operators Conv, MaxPool; floor mode).
Dims windowed(const ir::Node& node, const Dims& x, int64_t channels, Dims kernel) {
  const size_t spatial = x.size() - 2;
  kernel = ir::ints_attribute(node, "kernel_shape", kernel);
  const Dims stride = ir::ints_attribute(node, "strides", Dims(spatial, 1));
  const Dims dilation = ir::ints_attribute(node, "dilations", Dims(spatial, 1));
  const Dims pads = ir::ints_attribute(node, "pads", Dims(2 * spatial, 0));
  const bool same = ir::string_attribute(node, "auto_pad", "NOTSET").starts_with("SAME");
  Dims out = {x[0], channels};
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t in = x[i + 2];
    const int64_t window = dilation[i] * (kernel[i] - 1) + 1;
    if (in < 0)
      out.push_back(-1);
    else if (same)
      out.push_back((in + stride[i] - 1) / stride[i]);
    else
      out.push_back((in + pads[i] + pads[i + spatial] - window) / stride[i] + 1);
  }
  return out;
}

std::optional<Dims> matmul_dims(const Dims& a, const Dims& b) {
  if (a.size() < 2 || b.size() < 2) return std::nullopt;
  auto out = broadcast(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2));
  out->push_back(a[a.size() - 2]);
  out->push_back(b.back());
  return out;
}

std::optional<Dims> reshape_dims(const Graph& g, const ir::Node& node, const Dims& x) {
  const ir::Tensor* target = ir::constant_input(g, node, 1);
  if (!target) return std::nullopt;
  Dims out(target->as<int64_t>().begin(), target->as<int64_t>().end());
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] == 0 && i < x.size()) out[i] = x[i];
  const auto rest = std::find(out.begin(), out.end(), -1);
  const bool known = std::find(x.begin(), x.end(), -1) == x.end();
  if (rest != out.end() && known) *rest = ir::element_count(x) / -ir::element_count(out);
  return out;
}

std::optional<Dims> reduced(const ir::Node& node, const Dims& x) {
  Dims axes = ir::ints_attribute(node, "axes");
  if (axes.empty()) return std::nullopt;
  Dims out = x;
  for (int64_t& axis : axes) out[axis < 0 ? axis + static_cast<int64_t>(x.size()) : axis] = 1;
  if (ir::int_attribute(node, "keepdims", 1) != 0) return out;
  Dims kept;
  for (size_t i = 0; i < x.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const auto hit = [&](int64_t axis) {
      return axis == index || axis + static_cast<int64_t>(x.size()) == index;
    };
    if (std::none_of(axes.begin(), axes.end(), hit)) kept.push_back(x[i]);
  }
  return kept;
}

std::optional<Dims> window_op_dims(const Graph& g, const ir::Node& node, const Dims& x) {
  if (x.size() < 3) return std::nullopt;
  if (node.op_type == "GlobalAveragePool" || node.op_type == "GlobalMaxPool") {
    Dims out(x.size(), 1);
    out[0] = x[0], out[1] = x[1];
    return out;
  }
  if (node.op_type != "Conv") return windowed(node, x, x[1], {});
  const Dims w = at(g, node.inputs[1]).dims;
  return windowed(node, x, w[0], Dims(w.begin() + 2, w.end()));
}

std::optional<Dims> conv_transpose_dims(const Graph& g, const ir::Node& node, const Dims& x) {
  const Dims w = at(g, node.inputs[1]).dims;
  const size_t spatial = x.size() - 2;
  const Dims stride = ir::ints_attribute(node, "strides", Dims(spatial, 1));
  const Dims pads = ir::ints_attribute(node, "pads", Dims(2 * spatial, 0));
  Dims out = {x[0], w[1] * ir::int_attribute(node, "group", 1)};
  for (size_t i = 0; i < spatial; ++i)
    out.push_back(x[i + 2] < 0 ? -1 : stride[i] * (x[i + 2] - 1) + w[i + 2] - pads[i] - pads[i + spatial]);
  return out;
}

std::optional<Dims> infer(const Graph& g, const ir::Node& node) {
  const std::string& op = node.op_type;
  for (const ValueId v : node.inputs)
    if (v != kNone && !at(g, v).has_shape) return std::nullopt;
  if (node.inputs.empty()) return std::nullopt;
  const Dims& x = at(g, node.inputs[0]).dims;
  if (any_of(op,
             {"Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Exp", "Sqrt", "Identity",
              "Dropout", "Softmax", "LeakyRelu", "BatchNormalization", "Cast", "Neg", "LayerNormalization"}))
    return x;
  if (any_of(op, {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"})) {
    std::optional<Dims> out = x;
    for (size_t i = 1; i < node.inputs.size(); ++i) out = broadcast(*out, at(g, node.inputs[i]).dims);
    return out;
  }
  if (any_of(op, {"Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}))
    return window_op_dims(g, node, x);
  if (op == "ConvTranspose") return conv_transpose_dims(g, node, x);
  if (op == "MatMul") return matmul_dims(x, at(g, node.inputs[1]).dims);
  if (op == "Gemm") {
    const Dims& w = at(g, node.inputs[1]).dims;
    return Dims{x[ir::int_attribute(node, "transA", 0) ? 1 : 0],
                w[ir::int_attribute(node, "transB", 0) ? 0 : 1]};
  }
  if (op == "Reshape") return reshape_dims(g, node, x);
  if (op == "ReduceMean") return reduced(node, x);
  if (op == "Shape") return Dims{static_cast<int64_t>(x.size())};
  if (op == "Flatten") {
    const auto axis = x.begin() + ir::int_attribute(node, "axis", 1);
    const auto product = [](auto from, auto to) {
      return std::find(from, to, -1) != to ? -1 : std::accumulate(from, to, int64_t{1}, std::multiplies<>());
    };
    return Dims{product(x.begin(), axis), product(axis, x.end())};
  }
  if (op == "Transpose") {
    Dims perm = ir::ints_attribute(node, "perm"), out;
    if (perm.empty()) return Dims(x.rbegin(), x.rend());
    for (const int64_t p : perm) out.push_back(x[p]);
    return out;
  }
  if (op == "Concat") {
    int64_t axis = ir::int_attribute(node, "axis", 0);
    if (axis < 0) axis += static_cast<int64_t>(x.size());
    Dims out = x;
    for (size_t i = 1; i < node.inputs.size(); ++i) out[axis] += at(g, node.inputs[i]).dims[axis];
    return out;
  }
  return std::nullopt;
}

void set_shape(ir::Value& value, Dims dims) {
  value.has_shape = true;
  value.dims = std::move(dims);
}

ir::Tensor scaled_weights(Dims dims, unsigned seed) {
  const float bound =
      1.0f / std::sqrt(static_cast<float>(ir::element_count(dims) / std::max<int64_t>(dims[0], 1)));
  return random_tensor(std::move(dims), seed, -bound, bound);
}

Attributes window_attributes(int64_t kernel, int64_t stride, int64_t pad, size_t spatial) {
  return {{"kernel_shape", Dims(spatial, kernel)},
          {"strides", Dims(spatial, stride)},
          {"pads", Dims(2 * spatial, pad)}};
}

ValueId any_conv(Graph& g, const char* op, ValueId x, Dims weight_dims, int64_t out_channels,
                 const ConvShape& shape, unsigned seed) {
  const size_t spatial = at(g, x).dims.size() - 2;
  weight_dims.insert(weight_dims.end(), spatial, shape.kernel);
  Attributes attributes = window_attributes(shape.kernel, shape.stride, shape.pad, spatial);
  attributes.push_back({"dilations", Dims(spatial, shape.dilation)});
  attributes.push_back({"group", shape.groups});
  std::vector<ValueId> inputs = {x, constant(g, scaled_weights(weight_dims, seed), "weight")};
  if (shape.bias)
    inputs.push_back(constant(g, random_tensor({out_channels}, seed + 100, -0.5f, 0.5f), "bias"));
  return node(g, op, inputs, std::move(attributes));
}

}  // namespace

Graph graph(int64_t opset, std::string name) {
  Graph g;
  g.name = std::move(name);
  g.ir_version = 8;
  g.opset_imports = {{"", opset}};
  return g;
}

ValueId input(Graph& g, const std::string& name, Dims dims, ir::DType dtype) {
  const ValueId id = ir::add_value(g, name, dtype);
  ir::Value& v = at(g, id);
  for (size_t i = 0; i < dims.size(); ++i) v.dim_params.push_back(dims[i] < 0 ? format("d{}", i) : "");
  set_shape(v, std::move(dims));
  g.inputs.push_back(id);
  return id;
}

ValueId output(Graph& g, ValueId v, const std::string& name) {
  if (!name.empty()) at(g, v).name = name;
  g.outputs.push_back(v);
  return v;
}

ir::Tensor random_tensor(Dims dims, unsigned seed, float low, float high) {
  std::vector<float> values(ir::element_count(dims));
  uint64_t state = 0x9e3779b97f4a7c15ULL * (seed + 1ULL);
  for (float& v : values) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    v = low + (high - low) * static_cast<float>(state >> 40) * 0x1p-24f;
  }
  return ir::make_tensor(std::span<const float>(values), std::move(dims));
}

ir::Tensor filled(Dims dims, float value) {
  const std::vector<float> values(ir::element_count(dims), value);
  return ir::make_tensor(std::span<const float>(values), std::move(dims));
}

ValueId constant(Graph& g, ir::Tensor tensor, const std::string& name) {
  return ir::add_constant(g, name, std::move(tensor));
}
ValueId constant(Graph& g, float scalar) {
  return ir::add_constant(g, "scalar", ir::scalar(scalar));
}
ValueId constant_f(Graph& g, std::vector<float> values, Dims dims) {
  if (dims.empty()) dims = {static_cast<int64_t>(values.size())};
  return ir::add_constant(g, "c", ir::make_tensor(std::span<const float>(values), std::move(dims)));
}
ValueId constant_i(Graph& g, std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return ir::add_constant(g, "i", ir::make_tensor(std::span<const int64_t>(values), {count}));
}

std::vector<ValueId> node_outputs(Graph& g, const std::string& op_type, std::vector<ValueId> inputs,
                                  Attributes attributes, size_t count) {
  ir::Node n;
  n.name = op_type;
  n.op_type = op_type;
  n.attributes = std::move(attributes);
  n.inputs = std::move(inputs);
  const ir::DType dtype =
      op_type == "Shape" || n.inputs.empty() ? ir::DType::kInt64 : at(g, n.inputs[0]).dtype;
  for (size_t i = 0; i < count; ++i) n.outputs.push_back(ir::add_value(g, op_type + "_out", dtype));
  return ir::node_at(g, ir::add_node(g, std::move(n))).outputs;
}

ValueId node(Graph& g, const std::string& op_type, std::vector<ValueId> inputs, Attributes attributes,
             std::optional<Dims> dims) {
  const ValueId out = node_outputs(g, op_type, std::move(inputs), std::move(attributes), 1)[0];
  if (!dims) dims = infer(g, g.nodes.back());
  if (dims) set_shape(at(g, out), *dims);
  return out;
}

ValueId conv(Graph& g, ValueId x, int64_t out_channels, ConvShape shape, unsigned seed) {
  return any_conv(g, "Conv", x, {out_channels, at(g, x).dims[1] / shape.groups}, out_channels, shape, seed);
}
ValueId conv_transpose(Graph& g, ValueId x, int64_t out_channels, ConvShape shape, unsigned seed) {
  return any_conv(g, "ConvTranspose", x, {at(g, x).dims[1], out_channels / shape.groups}, out_channels, shape,
                  seed);
}

ValueId batch_norm(Graph& g, ValueId x, unsigned seed) {
  const Dims c = {at(g, x).dims[1]};
  return node(
      g, "BatchNormalization",
      {x, constant(g, random_tensor(c, seed, 0.5f, 1.5f), "gamma"),
       constant(g, random_tensor(c, seed + 1), "beta"), constant(g, random_tensor(c, seed + 2), "mean"),
       constant(g, random_tensor(c, seed + 3, 0.5f, 1.5f), "var")},
      {{"epsilon", 1e-3f}});
}

ValueId gemm(Graph& g, ValueId x, int64_t out_features, unsigned seed) {
  return node(g, "Gemm",
              {x, constant(g, scaled_weights({out_features, at(g, x).dims[1]}, seed), "weight"),
               constant(g, random_tensor({out_features}, seed + 100, -0.5f, 0.5f), "bias")},
              {{"transB", int64_t{1}}});
}

ValueId relu(Graph& g, ValueId x) {
  return node(g, "Relu", {x});
}
ValueId clip(Graph& g, ValueId x, float low, float high) {
  if (ir::opset(g) >= 11) return node(g, "Clip", {x, constant(g, low), constant(g, high)}, {}, at(g, x).dims);
  return node(g, "Clip", {x}, {{"min", low}, {"max", high}});
}
ValueId add(Graph& g, ValueId a, ValueId b) {
  return node(g, "Add", {a, b});
}
ValueId mul(Graph& g, ValueId a, ValueId b) {
  return node(g, "Mul", {a, b});
}
ValueId sigmoid(Graph& g, ValueId x) {
  return node(g, "Sigmoid", {x});
}
ValueId softmax(Graph& g, ValueId x, int64_t axis) {
  return node(g, "Softmax", {x}, {{"axis", axis}});
}
ValueId max_pool(Graph& g, ValueId x, int64_t kernel, int64_t stride, int64_t pad) {
  return node(g, "MaxPool", {x}, window_attributes(kernel, stride, pad, at(g, x).dims.size() - 2));
}
ValueId average_pool(Graph& g, ValueId x, int64_t kernel, int64_t stride, int64_t pad) {
  return node(g, "AveragePool", {x}, window_attributes(kernel, stride, pad, at(g, x).dims.size() - 2));
}
ValueId global_average_pool(Graph& g, ValueId x) {
  return node(g, "GlobalAveragePool", {x});
}
ValueId concat(Graph& g, std::vector<ValueId> parts, int64_t axis) {
  return node(g, "Concat", std::move(parts), {{"axis", axis}});
}
ValueId reshape(Graph& g, ValueId x, Dims target) {
  return node(g, "Reshape", {x, constant_i(g, std::move(target))});
}
ValueId transpose(Graph& g, ValueId x, Dims perm) {
  return node(g, "Transpose", {x}, {{"perm", std::move(perm)}});
}
ValueId flatten(Graph& g, ValueId x, int64_t axis) {
  return node(g, "Flatten", {x}, {{"axis", axis}});
}
ValueId matmul(Graph& g, ValueId a, ValueId b) {
  return node(g, "MatMul", {a, b});
}

std::string ops(const Graph& g) {
  std::vector<std::string> names;
  for (const NodeId id : ir::topological_order(g)) names.push_back(ir::node_at(g, id).op_type);
  return join(names, " ");
}

const ir::Node& producer(const Graph& g, ValueId v) {
  const NodeId id = at(g, v).producer;
  if (id == kNone)
    throw Error(Exit::kBug,
                {"no-producer", "value '" + at(g, v).name + "'", "nothing produces it", "mend the test"});
  return ir::node_at(g, id);
}
const ir::Value& value(const Graph& g, ValueId id) {
  return at(g, id);
}

NodeId only(const Graph& g, const std::string& op_type) {
  NodeId found = kNone;
  int count = 0;
  for (const NodeId id : ir::topological_order(g))
    if (ir::node_at(g, id).op_type == op_type) found = id, ++count;
  if (count != 1)
    throw Error(Exit::kBug, {"not-one", "graph '" + g.name + "'",
                             format("{} {} nodes, not one", count, op_type), "mend the test"});
  return found;
}

}  // namespace qc::tiny
