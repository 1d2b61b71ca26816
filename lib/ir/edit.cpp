// See edit.h.
#include "ir/edit.h"

#include <algorithm>
#include <utility>

#include "ir/names.h"

namespace qc::ir {
namespace {

bool other_outputs_unused(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin() + 1, node.outputs.end(), [&](ValueId v) {
    return v == kNone || (value_at(graph, v).consumers.empty() && !is_output(graph, v));
  });
}

}  // namespace

bool captured(const Graph& graph, ValueId value) {
  const auto& consumers = value_at(graph, value).consumers;
  return std::any_of(consumers.begin(), consumers.end(), [&](NodeId id) {
    const auto& captures = node_at(graph, id).captures;
    return std::find(captures.begin(), captures.end(), value) != captures.end();
  });
}

NodeId sole_consumer(const Graph& graph, ValueId value) {
  const auto& consumers = value_at(graph, value).consumers;
  if (consumers.size() != 1 || is_output(graph, value) || captured(graph, value)) return kNone;
  return consumers.front();
}

NodeId producer_if(const Graph& graph, ValueId value, std::string_view op_type) {
  if (value == kNone) return kNone;
  const NodeId id = value_at(graph, value).producer;
  return id != kNone && standard_op(node_at(graph, id), op_type) ? id : kNone;
}

int64_t rank_of(const Graph& graph, ValueId value) {
  const Value& v = value_at(graph, value);
  return v.has_shape ? static_cast<int64_t>(v.dims.size()) : -1;
}

std::optional<Dims> static_dims(const Graph& graph, ValueId value) {
  const Value& v = value_at(graph, value);
  if (!v.has_shape || std::any_of(v.dims.begin(), v.dims.end(), [](int64_t d) { return d < 0; }))
    return std::nullopt;
  return v.dims;
}

bool same_dims(const Graph& graph, ValueId a, ValueId b, int unknown) {
  const Value& x = value_at(graph, a);
  const Value& y = value_at(graph, b);
  if (!x.has_shape || !y.has_shape || x.dims.size() != y.dims.size()) return false;
  const auto symbol = [](const Value& v, size_t i) {
    return i < v.dim_params.size() ? v.dim_params[i] : std::string();
  };
  for (size_t i = 0; i < x.dims.size(); ++i) {
    if (x.dims[i] >= 0 && y.dims[i] >= 0) {
      if (x.dims[i] != y.dims[i]) return false;
    } else if (x.dims[i] >= 0 || y.dims[i] >= 0 || symbol(x, i).empty() || symbol(x, i) != symbol(y, i)) {
      if (--unknown < 0) return false;
    }
  }
  return true;
}

bool is_float(const Graph& graph, ValueId value) {
  return value_at(graph, value).dtype == DType::kFloat;
}

const Tensor* float_constant(const Graph& graph, const Node& node, size_t slot) {
  const Tensor* tensor = constant_input(graph, node, slot);
  return tensor && tensor->dtype == DType::kFloat && tensor->bytes ? tensor : nullptr;
}

std::optional<Dims> int_constant(const Graph& graph, const Node& node, size_t slot) {
  const Tensor* tensor = constant_input(graph, node, slot);
  if (!tensor || !tensor->bytes || tensor->dims.size() > 1) return std::nullopt;
  if (tensor->dtype == DType::kInt64) {
    const auto numbers = tensor->as<int64_t>();
    return Dims(numbers.begin(), numbers.end());
  }
  if (tensor->dtype != DType::kInt32) return std::nullopt;
  const auto numbers = tensor->as<int32_t>();
  return Dims(numbers.begin(), numbers.end());
}

std::optional<Dims> list_operand(const Graph& graph, const Node& node, std::string_view name, size_t slot) {
  if (const Attribute* attribute = find_attribute(node, name)) {
    const auto* list = std::get_if<Dims>(&attribute->value);
    return list ? std::optional(*list) : std::nullopt;
  }
  return int_constant(graph, node, slot);
}

std::optional<Dims> full_pads(const Graph& graph, const Node& pad, size_t rank) {
  const auto listed = list_operand(graph, pad, "pads", 1);
  if (!listed) return std::nullopt;
  if (pad.inputs.size() < 4 || pad.inputs[3] == kNone)
    return listed->size() == 2 * rank ? listed : std::nullopt;
  const auto axes = int_constant(graph, pad, 3);
  if (!axes || listed->size() != 2 * axes->size()) return std::nullopt;
  Dims pads(2 * rank, 0);
  for (size_t i = 0; i < axes->size(); ++i) {
    const int64_t axis = axes->at(i) < 0 ? axes->at(i) + static_cast<int64_t>(rank) : axes->at(i);
    if (axis < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
    pads[axis] = listed->at(i);
    pads[static_cast<size_t>(axis) + rank] = listed->at(i + axes->size());
  }
  return pads;
}

void absorb_origin(Graph& graph, NodeId keeper, NodeId swallowed) {
  std::vector<std::string> names = origin_of(node_at(graph, keeper));
  for (const std::string& name : origin_of(node_at(graph, swallowed)))
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  node_at(graph, keeper).origin = std::move(names);
}

bool can_bypass(const Graph& graph, NodeId id, ValueId source) {
  const Node& node = node_at(graph, id);
  const ValueId out = node.outputs[0];
  if (!other_outputs_unused(graph, node) || captured(graph, out)) return false;
  if (!is_output(graph, out)) return true;
  return value_at(graph, source).producer != kNone && !is_output(graph, source) && !captured(graph, source);
}

void bypass(Graph& graph, NodeId id, ValueId source) {
  const ValueId out = node_at(graph, id).outputs[0];
  erase_node(graph, id);
  if (!is_output(graph, out)) {
    replace_uses(graph, out, source);
    return;
  }
  const NodeId producer = value_at(graph, source).producer;
  const auto& outputs = node_at(graph, producer).outputs;
  const auto slot = std::find(outputs.begin(), outputs.end(), source) - outputs.begin();
  absorb_origin(graph, producer, id);
  set_output(graph, producer, static_cast<size_t>(slot), out);
  replace_uses(graph, source, out);
}

void take_over(Graph& graph, NodeId keeper, NodeId last) {
  const ValueId out = node_at(graph, last).outputs[0];
  absorb_origin(graph, keeper, last);
  erase_node(graph, last);
  set_output(graph, keeper, 0, out);
}

void set_constant(Graph& graph, NodeId id, size_t slot, Tensor tensor, std::string_view name_if_new) {
  const Node& node = node_at(graph, id);
  const ValueId old = slot < node.inputs.size() ? node.inputs[slot] : kNone;
  const bool known = old != kNone && value_at(graph, old).constant;
  if (known && equal(*value_at(graph, old).constant, tensor)) return;  // others may share it
  if (known && sole_consumer(graph, old) == id) return make_constant(graph, old, std::move(tensor));
  const std::string name(old != kNone ? value_at(graph, old).name : std::string(name_if_new));
  set_input(graph, id, slot, add_constant(graph, name, std::move(tensor)));
}

void make_constant(Graph& graph, ValueId id, Tensor tensor) {
  const NodeId producer = value_at(graph, id).producer;
  if (producer != kNone) {
    const auto& outputs = node_at(graph, producer).outputs;
    const auto slot = std::find(outputs.begin(), outputs.end(), id) - outputs.begin();
    set_output(graph, producer, static_cast<size_t>(slot), kNone);
  }
  Value& value = value_at(graph, id);
  value.dtype = tensor.dtype;
  value.has_shape = true;
  value.dims = tensor.dims;
  value.dim_params.clear();
  value.constant = std::move(tensor);
}

ValueId insert_node(Graph& graph, std::string_view op_type, std::vector<ValueId> inputs,
                    std::vector<Attribute> attributes, std::string_view name, NodeId origin) {
  Node node;
  node.name = name;
  node.op_type = op_type;
  node.attributes = std::move(attributes);
  node.origin = origin_of(node_at(graph, origin));
  node.named_in_file = node_at(graph, origin).named_in_file;
  const ValueId out = add_value(graph, name, value_at(graph, inputs[0]).dtype);
  node.inputs = std::move(inputs);
  node.outputs = {out};
  add_node(graph, std::move(node));
  return out;
}

void become(Graph& graph, NodeId id, std::string_view op_type, std::vector<ValueId> inputs,
            std::vector<Attribute> attributes) {
  for (size_t slot = 0; slot < node_at(graph, id).inputs.size(); ++slot) set_input(graph, id, slot, kNone);
  for (size_t slot = 0; slot < inputs.size(); ++slot) set_input(graph, id, slot, inputs[slot]);
  Node& node = node_at(graph, id);
  node.inputs.resize(inputs.size());
  node.op_type = op_type;
  node.attributes = std::move(attributes);
}

void copy_shape(Graph& graph, ValueId from, ValueId to) {
  const Value& source = value_at(graph, from);
  Value& target = value_at(graph, to);
  target.has_shape = source.has_shape;
  target.dims = source.dims;
  target.dim_params = source.dim_params;
}

Tensor float_tensor(const std::vector<float>& values, Dims dims) {
  return make_tensor(std::span<const float>(values), std::move(dims));
}
Tensor int_tensor(const Dims& values) {
  return make_tensor(std::span<const int64_t>(values), {static_cast<int64_t>(values.size())});
}

bool is_read_float(const Value& value) {
  return value.constant && value.constant->dtype == DType::kFloat && value.constant->bytes &&
         !value.consumers.empty();
}

}  // namespace qc::ir
