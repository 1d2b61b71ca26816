// Pad and Resize that list axes (opset 18) list all of them afterwards. ONNX Runtime turns the lists of those
// between integer convolutions to their layout without a look at the axes, and then reads past them (seen in
// 1.30 and 1.32).
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

ValueId add_list(Graph& graph, const std::string& name, const Dims& list) {
  return ir::add_constant(graph, name, ir::int_tensor(list));
}

bool list_all_of_pad(Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (node.inputs.size() < 4 || node.inputs[3] == kNone) return false;
  const int64_t rank = rank_of(graph, node.inputs[0]);
  const auto pads = rank < 0 ? std::nullopt : ir::full_pads(graph, node, static_cast<size_t>(rank));
  if (!pads) return false;
  ir::set_input(graph, id, 1, add_list(graph, node.name + "/pads", *pads));
  ir::set_input(graph, id, 3, kNone);
  node_at(graph, id).inputs.resize(3);
  return true;
}

// The places of an attribute `axes` among all; nullopt: there is none, or it does not fit.
std::optional<Dims> listed_axes(const Graph& graph, const Node& node) {
  Dims axes = ir::ints_attribute(node, "axes");
  const int64_t rank = rank_of(graph, node.inputs[0]);
  if (axes.empty() || rank < 0) return std::nullopt;
  for (int64_t& axis : axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return std::nullopt;
  }
  return axes;
}

bool list_all_of_resize(Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const auto axes = listed_axes(graph, node);
  const bool region = node.inputs.size() > 1 && node.inputs[1] != kNone;
  if (!axes || region || ir::string_attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch")
    return false;
  const auto rank = static_cast<size_t>(rank_of(graph, node.inputs[0]));
  const std::string name = node.name;
  if (const ir::Tensor* scales = ir::float_constant(graph, node, 2); scales && scales->size() > 0) {
    if (scales->size() != std::ssize(*axes)) return false;
    std::vector<float> all(rank, 1.0f);
    for (size_t i = 0; i < axes->size(); ++i) all[axes->at(i)] = scales->as<float>()[i];
    const auto count = static_cast<int64_t>(rank);
    ir::set_input(
        graph, id, 2,
        ir::add_constant(graph, name + "/scales", ir::make_tensor(std::span<const float>(all), {count})));
  } else {
    const auto sizes = ir::int_constant(graph, node, 3);
    auto all = ir::static_dims(graph, node.inputs[0]);
    if (!sizes || !all || sizes->size() != axes->size()) return false;
    for (size_t i = 0; i < axes->size(); ++i) all->at(static_cast<size_t>(axes->at(i))) = sizes->at(i);
    ir::set_input(graph, id, 3, add_list(graph, name + "/sizes", *all));
  }
  ir::remove_attribute(node_at(graph, id), "axes");
  return true;
}

}  // namespace

int all_axes(Graph& graph) {
  int count = 0;
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& node = node_at(graph, id);
    if (ir::standard_op(node, "Pad")) count += list_all_of_pad(graph, id);
    if (ir::standard_op(node, "Resize")) count += list_all_of_resize(graph, id);
  }
  return count;
}

}  // namespace qc::normalize
