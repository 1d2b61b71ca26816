// See dynamic.h.
#include "select/dynamic.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "ir/ops.h"

namespace qc::select {
namespace {

constexpr double kPasses = 2;  // DynamicQuantizeLinear reads its input twice

bool constant_matrix(const ir::Graph& graph, const ir::Node& node, size_t slot, size_t rank) {
  const ir::Tensor* weight = ir::constant_input(graph, node, slot);
  return weight && weight->dtype == ir::DType::kFloat && weight->dims.size() == rank && weight->size() > 0;
}

DynamicChoice product(const ir::Graph& graph, const ir::Node& node, ir::NodeId id,
                      const PlacementCosts& time) {
  if (!ir::constant_input(graph, node, 1)) return {};  // a product of activations: nothing to store
  if (!constant_matrix(graph, node, 1, 2)) return {false, "its weight is not a constant matrix"};
  if (node.op_type == "Gemm") {
    const bool plain = ir::float_attribute(node, "alpha", 1) == 1.0f &&
                       ir::float_attribute(node, "beta", 1) == 1.0f &&
                       ir::int_attribute(node, "transA", 0) == 0;
    if (!plain) return {false, "alpha, beta or transA are not the plain ones"};
  }
  const NodeCost& cost = time.nodes[id];
  if (cost.integer == 0 && cost.floating == 0) return {false, "the target or keep_float has it in float"};
  const double dynamic = cost.integer + kPasses * time.values[node.inputs[0]].quantize;
  const std::string figures =
      format("by the target's costs {:.3g} us rounded at run time, {:.3g} us in float", dynamic / 1000,
             cost.floating / 1000);
  return {dynamic < cost.floating, figures};
}

}  // namespace

DynamicChoice dynamic_choice(const ir::Graph& graph, ir::NodeId id, const PlacementCosts& time,
                             bool standard_ops_only) {
  const ir::Node& node = ir::node_at(graph, id);
  if (ir::is_one_of(node, {"MatMul", "Gemm"})) return product(graph, node, id, time);
  if (ir::is_one_of(node, {"Conv", "ConvTranspose"}))
    return {false,
            "the runtime's integer convolution without a known range takes 6 to 8 times as long as float"};
  if (ir::is_one_of(node, {"GRU", "RNN"}))
    return {false, "the runtime has no kernel for it that rounds at run time"};
  if (!ir::standard_op(node, "LSTM")) return {};
  if (standard_ops_only) return {false, "that takes an op of com.microsoft, and standard_ops_only is set"};
  const bool weights = constant_matrix(graph, node, 1, 3) && constant_matrix(graph, node, 2, 3);
  const bool plain = node.attributes.size() ==
                     static_cast<size_t>(std::count_if(node.attributes.begin(), node.attributes.end(),
                                                       [](const ir::Attribute& a) {
                                                         return a.name != "layout" && a.name != "activations";
                                                       }));
  if (!weights || !plain)
    return {false, "its weights are not constants, or its activations or layout are unusual"};
  return {true, "DynamicQuantizeLSTM"};
}

double saved_at_run_time(const ir::Graph& graph, const std::vector<bool>& at_run_time,
                         const PlacementCosts& time) {
  double saved = 0;
  std::set<ir::ValueId> rounded;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const auto n = static_cast<size_t>(id);
    if (!at_run_time[n]) continue;
    const bool recurrent = ir::standard_op(graph.nodes[n], "LSTM");  // its entry has the rounding in it
    const NodeCost& cost = (recurrent ? time.without_choice : time.nodes)[n];
    saved += cost.floating - cost.integer;
    const ir::ValueId input = graph.nodes[n].inputs[0];
    if (!recurrent && rounded.insert(input).second) saved -= kPasses * time.values[input].quantize;
  }
  const double in_float = time.elsewhere + cost_of(graph, std::vector<bool>(graph.nodes.size()), time);
  return in_float > 0 ? saved / in_float : 0;
}

}  // namespace qc::select
