// Graph -> ONNX, as it stands.
#include <onnx/onnx_pb.h>

#include "onnx_io/file_bytes.h"
#include "onnx_io/onnx_io.h"

namespace qc::onnx_io {

std::string write(const ir::Graph& graph, bool for_runtime, std::span<const ir::ValueId> outside) {
  FileParts parts;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    onnx::NodeProto proto =
        node_message(node, value_names(graph, node.inputs), value_names(graph, node.outputs), !for_runtime);
    if (for_runtime) proto.set_name(node.name);  // the runtime's messages then name the node as ours do
    parts.nodes.push_back(node_entry(proto));
  }
  std::vector<bool> named_only(graph.values.size(), false);
  for (const ir::ValueId v : outside) named_only[v] = true;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    if (!value.constant) continue;
    parts.initializers.push_back(named_only[v] ? external_entry(value.name, *value.constant, "outside", 0)
                                               : initializer_entry(value.name, *value.constant));
  }
  parts.graph_rest = graph_rest(graph, values_to_describe(graph), for_runtime);
  parts.model_rest = model_rest(graph, {}, for_runtime);
  return assemble(parts);
}

}  // namespace qc::onnx_io
