// See spell_shuffle.h.
#include "spell_shuffle.h"

#include <optional>
#include <span>
#include <vector>

#include "ir/edit.h"

namespace qc {
namespace {

using ir::NodeId;
using ir::ValueId;

struct Shuffle {
  NodeId last = ir::kNone;
  ValueId input = ir::kNone;
  std::vector<int64_t> channels;  // of the input, in the order of the result
};

// The node of this op that makes `v`, on integers and for nobody else.
const ir::Node* maker_of(const plan::QuantizedModel& model, ValueId v, const char* op) {
  const ir::Value& value = ir::value_at(model.graph, v);
  if (value.producer == ir::kNone || value.consumers.size() != 1 || ir::is_output(model.graph, v))
    return nullptr;
  const ir::Node& node = ir::node_at(model.graph, value.producer);
  const bool integer =
      model.plan.nodes[static_cast<size_t>(value.producer)].compute == plan::Compute::kInteger;
  return integer && ir::standard_op(node, op) ? &node : nullptr;
}

std::optional<Shuffle> shuffle_at(const plan::QuantizedModel& model, NodeId id) {
  const ir::Node& last = ir::node_at(model.graph, id);
  if (last.erased || !ir::standard_op(last, "Reshape") ||
      model.plan.nodes[static_cast<size_t>(id)].compute != plan::Compute::kInteger)
    return std::nullopt;
  const ir::Node* turn = maker_of(model, last.inputs[0], "Transpose");
  if (!turn || ir::ints_attribute(*turn, "perm") != std::vector<int64_t>{0, 2, 1, 3, 4}) return std::nullopt;
  const ir::Node* first = maker_of(model, turn->inputs[0], "Reshape");
  if (!first) return std::nullopt;
  const std::vector<int64_t>&dims = ir::value_at(model.graph, first->inputs[0]).dims,
        &split = ir::value_at(model.graph, first->outputs[0]).dims,
        &joined = ir::value_at(model.graph, last.outputs[0]).dims;
  if (dims.size() != 4 || split.size() != 5 || joined != dims || split[1] <= 0 || split[2] <= 0 ||
      split[1] * split[2] != dims[1] || split[3] != dims[2] || split[4] != dims[3])
    return std::nullopt;
  Shuffle found{id, first->inputs[0], {}};
  for (int64_t within = 0; within < split[2]; ++within)
    for (int64_t group = 0; group < split[1]; ++group) found.channels.push_back(group * split[2] + within);
  return found;
}

}  // namespace

void spell_shuffles(plan::QuantizedModel& model) {
  for (const NodeId id : ir::topological_order(model.graph)) {
    const std::optional<Shuffle> found = shuffle_at(model, id);
    if (!found) continue;
    const auto count = static_cast<int64_t>(found->channels.size());
    const ValueId order =
        ir::add_constant(model.graph, ir::node_at(model.graph, id).name + "/order",
                         ir::make_tensor(std::span<const int64_t>(found->channels), {count}));
    ir::Node& gather = ir::node_at(model.graph, id);
    gather.op_type = "Gather";
    gather.attributes.clear();
    ir::set_attribute(gather, "axis", int64_t{1});
    ir::set_input(model.graph, id, 0, found->input);
    ir::set_input(model.graph, id, 1, order);
  }
  ir::remove_dead(model.graph);
  model.plan.nodes.resize(model.graph.nodes.size());
  model.plan.values.resize(model.graph.values.size());
}

}  // namespace qc
