// The model as qconvert thinks of it: nodes and values in two vectors, edges as integer ids, constants as
// shared immutable bytes. Names are kept for people and for the file; nothing inside looks things up by name.
// Ops we do not understand are ordinary nodes: their attributes ride along as bytes and are written back
// unchanged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/tensor.h"

namespace qc::ir {

using NodeId = int32_t;               // index into Graph::nodes
using ValueId = int32_t;              // index into Graph::values
inline constexpr int32_t kNone = -1;  // no node / an omitted optional input or output

/// A serialized onnx.AttributeProto: graphs (If, Loop, Scan bodies), sparse tensors and the like.
struct OpaqueAttribute {
  std::string bytes;
};

using AttributeValue = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                                    std::vector<std::string>, Tensor, OpaqueAttribute>;

struct Attribute {
  std::string name;
  AttributeValue value;
};

struct Node {
  std::string name;  // unique; made at load where the file had none
  std::string op_type;
  std::string domain;                 // "" is the standard ONNX domain
  std::vector<Attribute> attributes;  // in file order
  std::vector<ValueId> inputs;        // kNone: optional input left out
  std::vector<ValueId> outputs;       // kNone: optional output left out
  std::vector<ValueId> captures;      // outer values that the bodies in opaque attributes read by name
  std::vector<std::string> origin;    // names of the file's nodes that this one came from; empty: itself
  std::string doc;
  bool named_in_file = false;  // false: the name was made at load and is not written back
  bool erased = false;
  std::string extra;  // serialized NodeProto of fields we have no place for (newer ONNX); written back
};

struct Value {
  std::string name;  // unique
  DType dtype = DType::kUndefined;
  bool has_shape = false;               // false: rank unknown, dims empty
  std::vector<int64_t> dims;            // -1: not fixed (see dim_params)
  std::vector<std::string> dim_params;  // same length as dims or empty; symbolic names ("batch"), "" if none
  std::optional<Tensor> constant;       // an initializer
  NodeId producer = kNone;              // kNone: graph input, initializer, or nothing
  std::vector<NodeId>
      consumers;  // a node stands here once per input slot that reads the value, captures included
  std::string
      extra;  // serialized ValueInfoProto of what is not said above (denotations, sequence types, docs)
};

struct Graph {
  std::string name;
  std::string doc;
  std::vector<Node> nodes;  // ids are stable; erased ones stay as holes. Use topological_order() to walk.
  std::vector<Value> values;
  std::vector<ValueId> inputs;  // true inputs only; initializers that are also inputs are constants
  std::vector<ValueId> outputs;
  std::vector<std::pair<std::string, int64_t>> opset_imports;  // (domain, version); "" is the standard one
  int64_t ir_version = 0;
  std::string producer_name, producer_version, model_domain, model_doc;
  int64_t model_version = 0;
  std::vector<std::pair<std::string, std::string>> metadata;  // metadata_props, in file order
  std::vector<std::string> functions;                         // serialized FunctionProtos
  std::vector<std::string> initializers_as_inputs;  // names that the file listed as inputs too (IR 3 style)
  int64_t bytes_on_disk = 0;                // of the file it was read from, external data files included
  std::vector<std::string> external_files;  // of external data, as the file names them, in order of names
  std::string
      extra;  // serialized ModelProto of fields we have no place for (training, annotations, newer ONNX)
};

/// What an id stands for. kNone stands for nothing and must not be asked for.
inline const Value& value_at(const Graph& graph, ValueId id) {
  return graph.values[id];
}
inline Value& value_at(Graph& graph, ValueId id) {
  return graph.values[id];
}
inline const Node& node_at(const Graph& graph, NodeId id) {
  return graph.nodes[id];
}
inline Node& node_at(Graph& graph, NodeId id) {
  return graph.nodes[id];
}

/// Version of the standard domain (0 if the graph imports none).
int64_t opset(const Graph& graph);
void set_opset(Graph& graph, int64_t version);

// --- reading
/// Live nodes, producers before consumers; among the ready ones the lowest id first, so the order is
/// reproducible. Throws Error(kInput) when the graph has a cycle.
std::vector<NodeId> topological_order(const Graph& graph);

/// nullptr where the node has none of that name.
const Attribute* find_attribute(const Node& node, std::string_view name);
/// The attribute's value; `fallback`, the default of the op's schema, where it is absent or of another type.
int64_t int_attribute(const Node& node, std::string_view name, int64_t fallback);
float float_attribute(const Node& node, std::string_view name, float fallback);
std::string string_attribute(const Node& node, std::string_view name, std::string_view fallback);
std::vector<int64_t> ints_attribute(const Node& node, std::string_view name,
                                    std::vector<int64_t> fallback = {});

/// The constant that feeds input `slot`, or nullptr (no such input, or not constant).
const Tensor* constant_input(const Graph& graph, const Node& node, size_t slot);
/// The element of a constant of exactly one, float, double or integer of 8 to 64 bits with a sign, 8 or 16
/// without; nothing for others (float16).
std::optional<double> scalar_constant(const Graph& graph, ValueId value);

/// Among the graph's own outputs and true inputs; a walk over their list.
bool is_output(const Graph& graph, ValueId value);
bool is_input(const Graph& graph, ValueId value);
/// For names that people gave: a walk over all of them.
ValueId find_value(const Graph& graph, std::string_view name);  // kNone if absent
NodeId find_node(const Graph& graph, std::string_view name);    // kNone if absent; erased nodes are not found
/// True for the standard ONNX domain ("" or "ai.onnx").
bool standard_op(const Node& node, std::string_view op_type);
/// True for one of these ops of the standard domain: is_one_of(node, {"Relu", "Clip"}), or a table of names.
inline bool is_one_of(const Node& node, std::initializer_list<const char*> op_types) {
  return std::ranges::any_of(op_types, [&](const char* op) { return standard_op(node, op); });
}
template <typename Names>
bool is_one_of(const Node& node, const Names& op_types) {
  return std::ranges::any_of(op_types, [&](std::string_view op) { return standard_op(node, op); });
}

// --- changing: these keep producers and consumers right
/// A value of unknown shape that nothing makes yet, and an initializer. References to other values end here.
ValueId add_value(Graph& graph, std::string_view wanted_name, DType dtype);       // name made unique
ValueId add_constant(Graph& graph, std::string_view wanted_name, Tensor tensor);  // name made unique
/// Adds the node (name made unique) and links its inputs, captures and outputs.
NodeId add_node(Graph& graph, Node node);
void set_input(Graph& graph, NodeId node, size_t slot,
               ValueId value);  // grows the input list with kNone if needed
/// Every reader of `from` (graph outputs too when `outputs` is set) reads `to` instead. Captured values are
/// named inside opaque bodies: those readers keep `from`, and false is returned.
bool replace_uses(Graph& graph, ValueId from, ValueId to, bool outputs = false);
/// Unlinks and marks erased. Its outputs keep existing without a producer.
void erase_node(Graph& graph, NodeId node);
void set_attribute(Node& node, std::string_view name, AttributeValue value);
void remove_attribute(Node& node, std::string_view name);
/// Removes nodes whose outputs nobody reads, then constants nobody reads (their bytes are released).
void remove_dead(Graph& graph);

/// The inverse of removing a producer and giving its output to another: makes `node` produce `value` in
/// output slot `slot` (used when a rewrite must keep a graph output's name).
void set_output(Graph& graph, NodeId node, size_t slot, ValueId value);

// --- checking and showing
/// Throws Error(kBug) naming the first broken invariant: dangling ids, a producer that does not list the
/// value, a consumer list that does not match, duplicate names, an output without producer. Called between
/// stages.
void verify(const Graph& graph);

/// "[1,3,224,224]", a free dimension by its symbol or "?"; "" when the shape is unknown.
std::string shape_text(const Value& value);
/// One line a node in topological order: stable text for golden tests and `--dump`.
std::string dump(const Graph& graph);

}  // namespace qc::ir
