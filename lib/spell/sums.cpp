// See sums.h.
#include "spell/sums.h"

#include <algorithm>

#include "ir/edit.h"
#include "normalize/idioms.h"

namespace qc {
namespace {

constexpr int64_t kFusedRank = 3;  // the runtime joins tokens, and neither matrices nor images

bool only_read_by(const ir::Graph& graph, ir::ValueId v, const std::vector<ir::NodeId>& nodes) {
  return !ir::is_output(graph, v) && !ir::captured(graph, v) &&
         std::ranges::all_of(ir::value_at(graph, v).consumers, [&](ir::NodeId reader) {
           return std::ranges::find(nodes, reader) != nodes.end();
         });
}

// The float Add that the runtime would join to the norm; kNone where there is none.
ir::NodeId skip_of(const plan::QuantizedModel& model, const plan::Idiom& norm) {
  const ir::ValueId sum = norm.inputs[0];
  const ir::NodeId add = ir::producer_if(model.graph, sum, "Add");
  if (add == ir::kNone || !only_read_by(model.graph, sum, norm.nodes)) return ir::kNone;
  const ir::Node& node = ir::node_at(model.graph, add);
  const bool in_float = model.plan.nodes[add].compute != plan::Compute::kInteger &&
                        !model.plan.values[sum].quantized && ir::is_float(model.graph, sum);
  const bool joined = ir::rank_of(model.graph, node.inputs[0]) == kFusedRank &&
                      ir::same_dims(model.graph, node.inputs[0], node.inputs[1]);
  return in_float && joined ? add : ir::kNone;
}

}  // namespace

void spell_sums(plan::QuantizedModel& model) {
  for (const plan::Idiom& idiom : normalize::recognise(model.graph)) {
    if (idiom.kind != plan::IdiomKind::kLayerNorm) continue;
    if (const ir::NodeId add = skip_of(model, idiom); add != ir::kNone)
      ir::node_at(model.graph, add).op_type = "Sum";
  }
}

}  // namespace qc
