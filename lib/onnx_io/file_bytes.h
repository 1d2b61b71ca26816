// The written file, put together from submessages: nodes and initializers as wire bytes of their own. Written
// by hand for two reasons: protobuf would hold every weight twice more (message and stream), and each byte
// must be known to belong to one node or initializer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace onnx {
class NodeProto;
class ValueInfoProto;
}  // namespace onnx

namespace qc::onnx_io {

/// One entry of a repeated field of GraphProto: tag, length and body. A tensor's bytes stay shared until
/// assemble().
struct Entry {
  std::string head;
  std::shared_ptr<const std::string> payload;  // follows the head; null: nothing
  int64_t size() const { return static_cast<int64_t>(head.size() + (payload ? payload->size() : 0)); }
};

/// As GraphProto::node and GraphProto::initializer.
Entry node_entry(const onnx::NodeProto& node);
Entry initializer_entry(const std::string& name, const ir::Tensor& tensor);
/// The tensor's bytes stand at `offset` of the file `location`.
Entry external_entry(const std::string& name, const ir::Tensor& tensor, const std::string& location,
                     int64_t offset);

struct FileParts {
  std::vector<Entry> nodes, initializers;
  std::string graph_rest;  // serialized GraphProto without nodes and initializers
  std::string model_rest;  // serialized ModelProto without the graph
};

/// Throws Error(kOutput) beyond the 2 GiB that protobuf can hold.
std::string assemble(const FileParts& parts);

// --- graph -> messages

/// Attributes, name (if it stands in the file); `inputs` and `outputs` by name, "" for those left out.
/// `with_docs`: also what exporters note about a node's origin, which may be most of a small file.
onnx::NodeProto node_message(const ir::Node& node, const std::vector<std::string>& inputs,
                             const std::vector<std::string>& outputs, bool with_docs);
/// "" for kNone.
std::vector<std::string> value_names(const ir::Graph& graph, const std::vector<ir::ValueId>& values);
/// Name, inputs, outputs, value_info of `described`; `lean`: no docs, no extras.
std::string graph_rest(const ir::Graph& graph, const std::vector<ir::ValueId>& described, bool lean);
/// Header, opsets, functions and metadata (the graph's own, then `metadata`); `lean`: no docs, metadata,
/// extras.
std::string model_rest(const ir::Graph& graph,
                       const std::vector<std::pair<std::string, std::string>>& metadata, bool lean);
/// Values whose type a reader of the file cannot work out: outputs of ops outside the standard domain, and
/// values that bodies read.
std::vector<ir::ValueId> values_to_describe(const ir::Graph& graph);

}  // namespace qc::onnx_io
