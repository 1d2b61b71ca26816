// Graph -> ONNX, as it stands.
#include <onnx/onnx_pb.h>

#include "onnx_io/file_bytes.h"
#include "onnx_io/onnx_io.h"

namespace qc::onnx_io {

std::string write(const ir::Graph& graph, bool for_runtime) {
  FileParts parts;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = graph.nodes[static_cast<size_t>(id)];
    onnx::NodeProto proto =
        node_message(node, value_names(graph, node.inputs), value_names(graph, node.outputs));
    if (for_runtime) {
      proto.set_name(node.name);  // the runtime's messages then name the node as ours do
      proto.clear_doc_string();
    }
    parts.nodes.push_back(node_entry(proto));
  }
  for (const ir::Value& value : graph.values)
    if (value.constant) parts.initializers.push_back(initializer_entry(value.name, *value.constant));
  parts.graph_rest = graph_rest(graph, values_to_describe(graph), for_runtime);
  parts.model_rest = model_rest(graph, {}, for_runtime);
  return assemble(parts);
}

}  // namespace qc::onnx_io
