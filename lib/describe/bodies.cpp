// See bodies.h.
#include "describe/bodies.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "ir/edit.h"
#include "onnx_io/bodies.h"

namespace qc {
namespace {

// Of the file; less is not what a file's size depends on.
constexpr int64_t kWorthSaying = 100;

bool is_floats(ir::DType dtype) {
  return dtype == ir::DType::kFloat || dtype == ir::DType::kFloat16 || dtype == ir::DType::kBfloat16 ||
         dtype == ir::DType::kDouble;
}

// Bytes of the constants that this node's bodies read by name and no node does as an input. `seen`: counted
// for another node already.
int64_t read_by_bodies_alone(const ir::Graph& graph, const ir::Node& node, std::set<ir::ValueId>& seen) {
  int64_t bytes = 0;
  for (const ir::ValueId v : node.captures) {
    const ir::Value& value = ir::value_at(graph, v);
    if (!value.constant || !value.constant->bytes || !is_floats(value.constant->dtype)) continue;
    const bool elsewhere =
        ir::is_output(graph, v) || std::ranges::any_of(value.consumers, [&](ir::NodeId id) {
          const auto& inputs = ir::node_at(graph, id).inputs;
          return std::find(inputs.begin(), inputs.end(), v) != inputs.end();
        });
    if (!elsewhere && seen.insert(v).second) bytes += static_cast<int64_t>(value.constant->bytes->size());
  }
  return bytes;
}

// The model's inputs that a value follows from: by their numbers, or by nothing but their sizes.
struct Follows {
  std::set<ir::ValueId> numbers, sizes;
};

Follows follows_from(const ir::Graph& graph, ir::ValueId value) {
  Follows from;
  std::set<std::pair<ir::ValueId, bool>> seen;
  std::vector<std::pair<ir::ValueId, bool>> left{{value, false}};  // and whether a Shape stands between
  while (!left.empty()) {
    const auto [v, size_alone] = left.back();
    left.pop_back();
    if (v == ir::kNone || !seen.emplace(v, size_alone).second) continue;
    const ir::NodeId maker = ir::value_at(graph, v).producer;
    if (ir::is_input(graph, v)) (size_alone ? from.sizes : from.numbers).insert(v);
    if (maker == ir::kNone) continue;
    const ir::Node& node = ir::node_at(graph, maker);
    const bool shape = ir::standard_op(node, "Shape") || ir::standard_op(node, "Size");
    for (const auto* list : {&node.inputs, &node.captures})
      for (const ir::ValueId read : *list) left.emplace_back(read, size_alone || shape);
  }
  return from;
}

std::string names_of(const ir::Graph& graph, const std::set<ir::ValueId>& values) {
  std::vector<std::string> names;
  for (const ir::ValueId v : values) names.push_back("'" + ir::value_at(graph, v).name + "'");
  return (names.size() == 1 ? "input " : "inputs ") + join(names, ", ");
}

// Why the node keeps its bodies, and what would open them.
std::string reason_of(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "If") || node.inputs.empty())
    return format("what a {} repeats is not quantized", node.op_type);
  const Follows from = follows_from(graph, node.inputs[0]);
  if (!from.numbers.empty())
    return format(
        "which branch is taken depends on {}: where that is always the same, a model that has it as an "
        "initializer of this value is quantized",
        names_of(graph, from.numbers));
  const auto open = [&](ir::ValueId v) { return !ir::static_dims(graph, v); };
  if (std::ranges::any_of(from.sizes, open))
    return format("which branch is taken depends on sizes of {}: \"input_shapes\" in the config can fix them",
                  names_of(graph, from.sizes));
  return "which branch is taken is known when the model runs";
}

}  // namespace

std::string weights_in_bodies(const ir::Graph& graph, int64_t file_size) {
  int64_t bytes = 0, most = 0;
  const ir::Node* largest = nullptr;
  std::set<std::string> op_types;
  std::set<ir::ValueId> seen;
  for (const ir::Node& node : graph.nodes) {
    if (node.erased) continue;
    const int64_t own = onnx_io::floats_in_bodies(node).bytes + read_by_bodies_alone(graph, node, seen);
    if (own == 0) continue;
    op_types.insert(node.op_type);
    bytes += own;
    if (own > most) largest = &node;
    most = std::max(most, own);
  }
  if (!largest || bytes * kWorthSaying < file_size) return "";
  return format("{} of weights stay as they are in bodies of {} ({}node '{}'): {}",
                human_bytes(static_cast<double>(bytes)),
                join(std::vector<std::string>(op_types.begin(), op_types.end()), " and "),
                most < bytes ? "most of them in " : "", largest->name, reason_of(graph, *largest));
}

}  // namespace qc
