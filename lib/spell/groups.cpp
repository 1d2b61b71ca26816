// See groups.h.
#include "spell/groups.h"

#include <algorithm>
#include <span>
#include <vector>

#include "ir/edit.h"
#include "ir/merged_groups.h"

namespace qc {
namespace {

// On integers, with weights of its own whose zero is 0.
bool can_merge(const plan::QuantizedModel& model, ir::NodeId id) {
  const ir::ValueId v = ir::node_at(model.graph, id).inputs[1];
  const auto stored = model.weights.find(v);
  return model.plan.nodes[id].compute == plan::Compute::kInteger && stored != model.weights.end() &&
         ir::sole_consumer(model.graph, v) == id && quant::takes_zeros(stored->second.params);
}

// [outputs, width, window] becomes [outputs, width * together, window]: the weights of each output stand at
// the place of its group among those that are one now.
template <typename T>
std::vector<T> spread(std::span<const T> from, const ir::Dims& dims, int64_t groups, int64_t together) {
  const int64_t per_output = dims[1] * dims[2] * dims[3], outputs_of_group = dims[0] / groups;
  std::vector<T> to(from.size() * static_cast<size_t>(together));
  for (int64_t o = 0; o < dims[0]; ++o) {
    const int64_t place = o / outputs_of_group % together;
    std::copy_n(from.begin() + o * per_output, per_output, to.begin() + (o * together + place) * per_output);
  }
  return to;
}

}  // namespace

void spell_groups(plan::QuantizedModel& model) {
  for (const auto& [id, groups] : ir::merged_groups(model.graph)) {
    if (!can_merge(model, id)) continue;
    ir::Node& node = ir::node_at(model.graph, id);
    const int64_t before = ir::int_attribute(node, "group", 1), together = before / groups;
    ir::Value& weight = ir::value_at(model.graph, node.inputs[1]);
    std::vector<int32_t>& integers = model.weights.at(node.inputs[1]).integers;
    const ir::Dims dims = weight.constant->dims;
    integers = spread(std::span<const int32_t>(integers), dims, before, together);
    weight.dims = {dims[0], dims[1] * together, dims[2], dims[3]};
    weight.constant =
        ir::float_tensor(spread(weight.constant->as<float>(), dims, before, together), weight.dims);
    ir::set_attribute(node, "group", groups);
  }
}

}  // namespace qc
