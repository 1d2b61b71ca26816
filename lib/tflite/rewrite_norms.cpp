// GroupNormalization as exporters spell it: a Reshape that makes one channel of a group, an
// InstanceNormalization, a Reshape back, and a factor and a summand for each channel. Here it is one node
// again: its channels may stand last like those of the convolutions around it.
#include <algorithm>

#include "ir/edit.h"
#include "tflite/rewrite.h"

namespace qc::tflite {
namespace {

const plan::ValueDecision& planned(const plan::QuantizedModel& model, ir::ValueId v) {
  return model.plan.values[v];
}

// The node of this op that makes `v` for one reader alone, or kNone.
ir::NodeId maker_of(const plan::QuantizedModel& model, ir::ValueId v, const char* op_type) {
  const ir::NodeId maker = ir::value_at(model.graph, v).producer;
  return maker != ir::kNone && ir::standard_op(ir::node_at(model.graph, maker), op_type) &&
                 only_reader(model, v) != ir::kNone
             ? maker
             : ir::kNone;
}

struct GroupNorm {
  ir::NodeId norm = ir::kNone;  // the InstanceNormalization
  ir::ValueId input = ir::kNone;
  int64_t groups = 0, channels = 0;
};

// That ends in Reshape `last`.
std::optional<GroupNorm> group_norm_at(const plan::QuantizedModel& model, ir::NodeId last) {
  const ir::Node& back = ir::node_at(model.graph, last);
  if (back.erased || !ir::standard_op(back, "Reshape")) return std::nullopt;
  const ir::NodeId norm = maker_of(model, back.inputs[0], "InstanceNormalization");
  if (norm == ir::kNone) return std::nullopt;
  const std::vector<ir::ValueId>& inputs = ir::node_at(model.graph, norm).inputs;
  const ir::NodeId apart = maker_of(model, inputs[0], "Reshape");
  if (apart == ir::kNone) return std::nullopt;
  const ir::ValueId x = ir::node_at(model.graph, apart).inputs[0], y = back.outputs[0], rows = inputs[0];
  const std::vector<int64_t>&dims = ir::value_at(model.graph, x).dims,
        &grouped = ir::value_at(model.graph, rows).dims;
  if (dims.size() < 3 || ir::value_at(model.graph, y).dims != dims || grouped.size() != 3 ||
      grouped[0] != dims[0] || grouped[1] <= 0 || dims[1] % grouped[1] != 0)
    return std::nullopt;
  for (const size_t slot : {size_t{1}, size_t{2}})
    if (!ir::constant_input(model.graph, ir::node_at(model.graph, norm), slot)) return std::nullopt;
  const ir::ValueId inside = back.inputs[0];
  if (planned(model, inside).quantized &&
      !(planned(model, y).quantized && planned(model, y).params == planned(model, inside).params))
    return std::nullopt;
  return GroupNorm{norm, x, grouped[1], dims[1]};
}

// One value a channel.
std::vector<float> by_channel(const plan::QuantizedModel& model, const GroupNorm& found, size_t slot) {
  const auto given = ir::constant_input(model.graph, ir::node_at(model.graph, found.norm), slot)->as<float>();
  std::vector<float> values;
  for (int64_t c = 0; c < found.channels; ++c) values.push_back(given[c * found.groups / found.channels]);
  return values;
}

// The constants of a Mul or Add that alone reads `v` and computes it channel by channel in float; nothing
// where there is none.
std::optional<std::vector<float>> for_channels(const plan::QuantizedModel& model, ir::ValueId v,
                                               const char* op_type) {
  const ir::NodeId id = planned(model, v).quantized ? ir::kNone : only_reader(model, v);
  if (id == ir::kNone || !ir::standard_op(ir::node_at(model.graph, id), op_type) ||
      model.plan.nodes[id].compute == plan::Compute::kInteger)
    return std::nullopt;
  const ir::Node& node = ir::node_at(model.graph, id);
  const ir::Tensor* constant = ir::constant_input(model.graph, node, node.inputs[0] == v ? 1 : 0);
  const std::vector<int64_t>& dims = ir::value_at(model.graph, v).dims;
  if (!constant || constant->dtype != ir::DType::kFloat ||
      ir::value_at(model.graph, node.outputs[0]).dims != dims || constant->size() != dims[1])
    return std::nullopt;
  const auto behind = std::ssize(dims) - 2;  // dimensions of 1 behind that of the channels
  const auto& own = constant->dims;
  if (std::ssize(own) < behind + 1 || own[own.size() - static_cast<size_t>(behind) - 1] != dims[1])
    return std::nullopt;
  return std::vector<float>(constant->as<float>().begin(), constant->as<float>().end());
}

ir::ValueId constant_of(plan::QuantizedModel& model, const std::string& name,
                        const std::vector<float>& values) {
  const ir::ValueId made = ir::add_constant(
      model.graph, name, ir::make_tensor(std::span<const float>(values), {std::ssize(values)}));
  model.plan.values.resize(model.graph.values.size());
  return made;
}

}  // namespace

void join_group_norms(plan::QuantizedModel& model) {
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(model.graph.nodes.size()); ++id) {
    const std::optional<GroupNorm> found = group_norm_at(model, id);
    if (!found) continue;
    std::vector<float> scale = by_channel(model, *found, 1), shift = by_channel(model, *found, 2);
    ir::NodeId last = id;
    if (const auto factors = for_channels(model, ir::node_at(model.graph, last).outputs[0], "Mul")) {
      last = only_reader(model, ir::node_at(model.graph, last).outputs[0]);
      for (size_t c = 0; c < scale.size(); ++c) scale[c] *= (*factors)[c], shift[c] *= (*factors)[c];
    }
    if (const auto summands = for_channels(model, ir::node_at(model.graph, last).outputs[0], "Add")) {
      last = only_reader(model, ir::node_at(model.graph, last).outputs[0]);
      for (size_t c = 0; c < shift.size(); ++c) shift[c] += (*summands)[c];
    }
    const float epsilon = ir::float_attribute(ir::node_at(model.graph, found->norm), "epsilon", 1e-5f);
    const std::string name = ir::node_at(model.graph, last).name;
    const ir::ValueId factors = constant_of(model, name + "/scale", scale),
                      summands = constant_of(model, name + "/shift", shift);
    become(model, last, "GroupNormalization", {found->input, factors, summands},
           {{"num_groups", found->groups}, {"epsilon", epsilon}});
    model.plan.nodes[last].compute = plan::Compute::kFloat;
  }
}

}  // namespace qc::tflite
