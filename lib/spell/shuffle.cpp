// See shuffle.h.
#include "spell/shuffle.h"

#include <optional>
#include <span>
#include <vector>

#include "ir/channel_shuffle.h"
#include "ir/edit.h"
#include "plan/resize_plan.h"

namespace qc {
namespace {

bool on_integers(const plan::QuantizedModel& model, const ir::ChannelShuffle& shuffle) {
  return model.plan.nodes[shuffle.last].compute == plan::Compute::kInteger &&
         model.plan.values[shuffle.input].quantized;
}

// Of the input's channels, in the order of the result.
std::vector<int64_t> order_of(int64_t channels, int64_t groups) {
  std::vector<int64_t> order;
  for (int64_t within = 0; within < channels / groups; ++within)
    for (int64_t group = 0; group < groups; ++group) order.push_back(group * (channels / groups) + within);
  return order;
}

}  // namespace

void spell_shuffles(plan::QuantizedModel& model) {
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const std::optional<ir::ChannelShuffle> found = ir::channel_shuffle_at(model.graph, id);
    if (!found || !on_integers(model, *found)) continue;
    const int64_t channels = ir::value_at(model.graph, found->input).dims[1];
    const std::vector<int64_t> places = order_of(channels, found->groups);
    const ir::ValueId order = ir::add_constant(model.graph, ir::node_at(model.graph, id).name + "/order",
                                               ir::make_tensor(std::span<const int64_t>(places), {channels}));
    ir::Node& gather = ir::node_at(model.graph, id);
    gather.op_type = "Gather";
    gather.attributes.clear();
    ir::set_attribute(gather, "axis", int64_t{1});
    ir::set_input(model.graph, id, 0, found->input);
    ir::set_input(model.graph, id, 1, order);
  }
  ir::remove_dead(model.graph);
  plan::resize_plan(model);
}

}  // namespace qc
