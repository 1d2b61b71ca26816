// See graph.h.
#include "ir/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "ir/names.h"

namespace qc::ir {
namespace {

[[noreturn]] void broken(const std::string& place, const std::string& cause) {
  throw Error(Exit::kBug, {"broken-graph", place, cause, "please report this with the model"});
}

void link_consumer(Graph& graph, ValueId value, NodeId node) {
  if (value != kNone) value_at(graph, value).consumers.push_back(node);
}

void unlink_consumer(Graph& graph, ValueId value, NodeId node) {
  if (value == kNone) return;
  auto& consumers = value_at(graph, value).consumers;
  const auto it = std::find(consumers.begin(), consumers.end(), node);
  if (it != consumers.end()) consumers.erase(it);
}

template <typename Items>
std::string unique_name(const Items& items, std::string_view wanted) {
  // Linear scans are fine for a few names; generated names carry a counter that starts at the container's
  // size.
  const std::string base(wanted.empty() ? "unnamed" : wanted);
  const auto taken = [&](const std::string& name) {
    return std::any_of(items.begin(), items.end(), [&](const auto& item) { return item.name == name; });
  };
  if (!taken(base)) return base;
  for (size_t k = 1;; ++k) {
    std::string name = format("{}_{}", base, k);
    if (!taken(name)) return name;
  }
}

template <typename T>
T attribute_or(const Node& node, std::string_view name, T fallback) {
  const Attribute* attribute = find_attribute(node, name);
  if (!attribute) return fallback;
  const T* value = std::get_if<T>(&attribute->value);
  return value ? *value : fallback;
}

std::string show_dims(const Value& value) {
  if (!value.has_shape) return "?";
  std::vector<std::string> parts;
  for (size_t i = 0; i < value.dims.size(); ++i)
    parts.push_back(value.dims[i] >= 0 ? std::to_string(value.dims[i])
                    : i < value.dim_params.size() && !value.dim_params[i].empty() ? value.dim_params[i]
                                                                                  : "?");
  return "[" + join(parts, ",") + "]";
}

std::string show_attribute(const Attribute& attribute) {
  struct Show {
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(float v) const { return format("{:g}", v); }
    std::string operator()(const std::string& v) const { return "'" + v + "'"; }
    std::string operator()(const std::vector<int64_t>& v) const { return format("[{}]", fmt::join(v, ",")); }
    std::string operator()(const std::vector<float>& v) const { return format("[{}]", fmt::join(v, ",")); }
    std::string operator()(const std::vector<std::string>& v) const { return "[" + join(v, ",") + "]"; }
    std::string operator()(const Tensor& t) const {
      return format("{}[{}]", name_of(t.dtype), fmt::join(t.dims, ","));
    }
    std::string operator()(const OpaqueAttribute&) const { return "<body>"; }
  };
  return attribute.name + "=" + std::visit(Show{}, attribute.value);
}

}  // namespace

int64_t opset(const Graph& graph) {
  for (const auto& [domain, version] : graph.opset_imports)
    if (standard_domain(domain)) return version;
  return 0;
}

void set_opset(Graph& graph, int64_t version) {
  for (auto& [domain, current] : graph.opset_imports)
    if (standard_domain(domain)) {
      current = version;
      return;
    }
  graph.opset_imports.insert(graph.opset_imports.begin(), {"", version});
}

std::vector<NodeId> topological_order(const Graph& graph) {
  std::vector<int> waiting(graph.nodes.size(), 0);
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  size_t live = 0;
  const auto produced = [&](ValueId v) { return v != kNone && value_at(graph, v).producer != kNone; };
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    const Node& node = node_at(graph, id);
    if (node.erased) continue;
    ++live;
    for (const ValueId v : node.inputs) waiting[id] += produced(v);
    for (const ValueId v : node.captures) waiting[id] += produced(v);
    if (waiting[id] == 0) ready.push(id);
  }
  std::vector<NodeId> order;
  order.reserve(live);
  while (!ready.empty()) {
    const NodeId id = ready.top();
    ready.pop();
    order.push_back(id);
    for (const ValueId out : node_at(graph, id).outputs) {
      if (out == kNone) continue;
      for (const NodeId consumer : value_at(graph, out).consumers)
        if (--waiting[consumer] == 0) ready.push(consumer);
    }
  }
  if (order.size() != live)
    throw Error(Exit::kInput, {"cyclic-graph", "graph '" + graph.name + "'", "its nodes form a cycle",
                               "export the model again"});
  return order;
}

const Attribute* find_attribute(const Node& node, std::string_view name) {
  for (const Attribute& attribute : node.attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}
int64_t int_attribute(const Node& node, std::string_view name, int64_t fallback) {
  return attribute_or(node, name, fallback);
}
float float_attribute(const Node& node, std::string_view name, float fallback) {
  return attribute_or(node, name, fallback);
}
std::string string_attribute(const Node& node, std::string_view name, std::string_view fallback) {
  return attribute_or(node, name, std::string(fallback));
}
std::vector<int64_t> ints_attribute(const Node& node, std::string_view name, std::vector<int64_t> fallback) {
  return attribute_or(node, name, std::move(fallback));
}

const Tensor* constant_input(const Graph& graph, const Node& node, size_t slot) {
  if (slot >= node.inputs.size() || node.inputs[slot] == kNone) return nullptr;
  const auto& constant = value_at(graph, node.inputs[slot]).constant;
  return constant ? &*constant : nullptr;
}

std::optional<double> scalar_constant(const Graph& graph, ValueId value) {
  if (value == kNone) return std::nullopt;
  const auto& constant = value_at(graph, value).constant;
  if (!constant || constant->size() != 1 || !constant->bytes) return std::nullopt;
  switch (constant->dtype) {
    case DType::kFloat:
      return constant->as<float>()[0];
    case DType::kDouble:
      return constant->as<double>()[0];
    case DType::kInt64:
      return static_cast<double>(constant->as<int64_t>()[0]);
    case DType::kInt32:
      return constant->as<int32_t>()[0];
    case DType::kInt16:
      return constant->as<int16_t>()[0];
    case DType::kUint16:
      return constant->as<uint16_t>()[0];
    case DType::kInt8:
      return constant->as<int8_t>()[0];
    case DType::kUint8:
      return constant->as<uint8_t>()[0];
    default:
      return std::nullopt;
  }
}

bool is_output(const Graph& graph, ValueId value) {
  return std::find(graph.outputs.begin(), graph.outputs.end(), value) != graph.outputs.end();
}
bool is_input(const Graph& graph, ValueId value) {
  return std::find(graph.inputs.begin(), graph.inputs.end(), value) != graph.inputs.end();
}
ValueId find_value(const Graph& graph, std::string_view name) {
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].name == name) return static_cast<ValueId>(i);
  return kNone;
}
NodeId find_node(const Graph& graph, std::string_view name) {
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (!graph.nodes[i].erased && graph.nodes[i].name == name) return static_cast<NodeId>(i);
  return kNone;
}
bool standard_op(const Node& node, std::string_view op_type) {
  return node.op_type == op_type && standard_domain(node.domain);
}

ValueId add_value(Graph& graph, std::string_view wanted_name, DType dtype) {
  Value value;
  value.name = unique_name(graph.values, wanted_name);
  value.dtype = dtype;
  graph.values.push_back(std::move(value));
  return static_cast<ValueId>(graph.values.size() - 1);
}

ValueId add_constant(Graph& graph, std::string_view wanted_name, Tensor tensor) {
  const ValueId id = add_value(graph, wanted_name, tensor.dtype);
  Value& value = value_at(graph, id);
  value.has_shape = true;
  value.dims = tensor.dims;
  value.constant = std::move(tensor);
  return id;
}

NodeId add_node(Graph& graph, Node node) {
  node.name = unique_name(graph.nodes, node.name.empty() ? node.op_type : node.name);
  const NodeId id = static_cast<NodeId>(graph.nodes.size());
  for (const ValueId v : node.inputs) link_consumer(graph, v, id);
  for (const ValueId v : node.captures) link_consumer(graph, v, id);
  for (const ValueId v : node.outputs)
    if (v != kNone) value_at(graph, v).producer = id;
  graph.nodes.push_back(std::move(node));
  return id;
}

void set_input(Graph& graph, NodeId id, size_t slot, ValueId value) {
  Node& node = node_at(graph, id);
  if (slot >= node.inputs.size()) node.inputs.resize(slot + 1, kNone);
  unlink_consumer(graph, node.inputs[slot], id);
  node.inputs[slot] = value;
  link_consumer(graph, value, id);
}

void set_output(Graph& graph, NodeId id, size_t slot, ValueId value) {
  Node& node = node_at(graph, id);
  if (slot >= node.outputs.size()) node.outputs.resize(slot + 1, kNone);
  if (node.outputs[slot] != kNone) value_at(graph, node.outputs[slot]).producer = kNone;
  node.outputs[slot] = value;
  if (value != kNone) value_at(graph, value).producer = id;
}

bool replace_uses(Graph& graph, ValueId from, ValueId to, bool outputs) {
  bool all = true;
  const std::vector<NodeId> consumers = value_at(graph, from).consumers;
  for (const NodeId id : consumers) {
    const Node& node = node_at(graph, id);
    for (size_t slot = 0; slot < node.inputs.size(); ++slot)
      if (node.inputs[slot] == from) set_input(graph, id, slot, to);
    all = all && std::find(node.captures.begin(), node.captures.end(), from) == node.captures.end();
  }
  if (outputs) std::replace(graph.outputs.begin(), graph.outputs.end(), from, to);
  return all;
}

void erase_node(Graph& graph, NodeId id) {
  Node& node = node_at(graph, id);
  for (const ValueId v : node.inputs) unlink_consumer(graph, v, id);
  for (const ValueId v : node.captures) unlink_consumer(graph, v, id);
  for (const ValueId v : node.outputs)
    if (v != kNone && value_at(graph, v).producer == id) value_at(graph, v).producer = kNone;
  node.erased = true;
}

void set_attribute(Node& node, std::string_view name, AttributeValue value) {
  for (Attribute& attribute : node.attributes)
    if (attribute.name == name) {
      attribute.value = std::move(value);
      return;
    }
  node.attributes.push_back({std::string(name), std::move(value)});
}

void remove_attribute(Node& node, std::string_view name) {
  std::erase_if(node.attributes, [&](const Attribute& attribute) { return attribute.name == name; });
}

void remove_dead(Graph& graph) {
  std::vector<NodeId> order = topological_order(graph);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node& node = node_at(graph, *it);
    const bool read = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) {
      return v != kNone && (!value_at(graph, v).consumers.empty() || is_output(graph, v));
    });
    if (!read) erase_node(graph, *it);
  }
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (graph.values[v].constant && graph.values[v].consumers.empty() &&
        !is_output(graph, static_cast<ValueId>(v)))
      graph.values[v].constant.reset();
}

void verify(const Graph& graph) {
  const auto valid = [&](ValueId v) { return v >= 0 && v < static_cast<ValueId>(graph.values.size()); };
  std::vector<std::vector<NodeId>> consumers(graph.values.size());
  std::unordered_set<std::string> names;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    const Node& node = node_at(graph, id);
    if (node.erased) continue;
    if (!names.insert(node.name).second) broken("node '" + node.name + "'", "two nodes have this name");
    for (const auto* list : {&node.inputs, &node.captures})
      for (const ValueId v : *list) {
        if (v == kNone) continue;
        if (!valid(v)) broken("node '" + node.name + "'", "an input id is out of range");
        consumers[v].push_back(id);
      }
    for (const ValueId v : node.outputs) {
      if (v == kNone) continue;
      if (!valid(v)) broken("node '" + node.name + "'", "an output id is out of range");
      if (value_at(graph, v).producer != id)
        broken("value '" + value_at(graph, v).name + "'", "its producer is not the node that lists it");
    }
  }
  names.clear();
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const Value& value = graph.values[v];
    if (!names.insert(value.name).second) broken("value '" + value.name + "'", "two values have this name");
    std::vector<NodeId> listed = value.consumers;
    std::sort(listed.begin(), listed.end());
    if (listed != consumers[v])
      broken("value '" + value.name + "'", "its consumer list does not match the nodes");
    if (value.producer != kNone && node_at(graph, value.producer).erased)
      broken("value '" + value.name + "'", "its producer is erased");
    if (value.producer != kNone && value.constant)
      broken("value '" + value.name + "'", "it is a constant and has a producer");
    if (!listed.empty() && value.producer == kNone && !value.constant &&
        !is_input(graph, static_cast<ValueId>(v)))
      broken("value '" + value.name + "'", "it is read but nothing produces it");
  }
  for (const ValueId v : graph.outputs) {
    if (!valid(v)) broken("graph outputs", "an id is out of range");
    const Value& value = value_at(graph, v);
    if (value.producer == kNone && !value.constant && !is_input(graph, v))
      broken("output '" + value.name + "'", "nothing produces it");
  }
  topological_order(graph);
}

std::string shape_text(const Value& value) {
  if (!value.has_shape) return "";
  std::vector<std::string> dims;
  for (size_t i = 0; i < value.dims.size(); ++i) {
    const std::string symbol = i < value.dim_params.size() ? value.dim_params[i] : "";
    dims.push_back(value.dims[i] >= 0 ? std::to_string(value.dims[i]) : symbol.empty() ? "?" : symbol);
  }
  return "[" + join(dims, ",") + "]";
}

std::string dump(const Graph& graph) {
  std::string text = format("graph {} opset {}\n", graph.name, opset(graph));
  const auto show = [&](ValueId v) -> std::string {
    if (v == kNone) return "-";
    const Value& value = value_at(graph, v);
    return format("{}:{}{}{}", value.name, value.constant ? "const " : "", name_of(value.dtype),
                  show_dims(value));
  };
  for (const ValueId v : graph.inputs) text += "input  " + show(v) + "\n";
  for (const NodeId id : topological_order(graph)) {
    const Node& node = node_at(graph, id);
    std::vector<std::string> ins, outs, attributes;
    for (const ValueId v : node.inputs) ins.push_back(show(v));
    for (const ValueId v : node.outputs) outs.push_back(show(v));
    for (const Attribute& attribute : node.attributes) attributes.push_back(show_attribute(attribute));
    text += format("{} {}{}({}) -> {}", node.name, node.domain.empty() ? "" : node.domain + ".", node.op_type,
                   join(ins, ", "), join(outs, ", "));
    if (!attributes.empty()) text += " {" + join(attributes, " ") + "}";
    text += "\n";
  }
  for (const ValueId v : graph.outputs) text += "output " + show(v) + "\n";
  return text;
}

}  // namespace qc::ir
