// See reductions.h.
#include "spell/reductions.h"

#include <algorithm>
#include <optional>

#include "ir/edit.h"
#include "ir/ops.h"
#include "plan/resize_plan.h"

namespace qc {
namespace {

constexpr int64_t kWorthwhile = 16384;  // elements; below, two nodes more cost what they save

// The axes of a float ReduceL2 over much, where they are the last ones.
std::optional<ir::Dims> last_axes(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "ReduceL2") || !ir::is_float(graph, node.inputs[0])) return std::nullopt;
  if (ir::elements(graph, node.inputs[0]) < kWorthwhile) return std::nullopt;
  const int64_t rank = ir::rank_of(graph, node.inputs[0]);
  std::optional<ir::Dims> axes = ir::list_operand(graph, node, "axes", 1);
  if (!axes || axes->empty() || rank < 0) return std::nullopt;
  for (int64_t& axis : *axes) axis = axis < 0 ? axis : axis - rank;
  std::ranges::sort(*axes);
  return axes->front() == -std::ssize(*axes) ? axes : std::nullopt;
}

}  // namespace

void spell_reductions(plan::QuantizedModel& model) {
  ir::Graph& graph = model.graph;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const std::optional<ir::Dims> axes = last_axes(graph, ir::node_at(graph, id));
    if (!axes) continue;
    const std::string name = ir::node_at(graph, id).name;
    const ir::ValueId x = ir::node_at(graph, id).inputs[0];
    const int64_t keepdims = ir::int_attribute(ir::node_at(graph, id), "keepdims", 1);
    const ir::ValueId list = ir::add_constant(graph, name + "/axes", ir::int_tensor(*axes));
    const ir::ValueId square = ir::insert_node(graph, "Mul", {x, x}, {}, name + "/square", id);
    ir::copy_shape(graph, x, square);
    const ir::ValueId sum =
        ir::insert_node(graph, "ReduceSum", {square, list}, {{"keepdims", keepdims}}, name + "/sum", id);
    ir::copy_shape(graph, ir::node_at(graph, id).outputs[0], sum);
    ir::become(graph, id, "Sqrt", {sum}, {});
    plan::resize_plan(model);
    model.plan.nodes[ir::value_at(graph, square).producer].reason = plan::Reason::kIsland;
  }
  ir::remove_dead(graph);
}

}  // namespace qc
