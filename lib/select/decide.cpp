// See decide.h. Scale groups are found by union-find: an op that only moves integers ties its output to its
// input.
#include "select/decide.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "ir/ops.h"
#include "select/near_grids.h"

namespace qc::select {
namespace {

using plan::Compute;
using plan::Reason;

// Union-find whose representative is the lowest id, so that groups do not depend on the order of joins.
class Groups {
 public:
  explicit Groups(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }
  ir::ValueId find(ir::ValueId v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }
  void join(ir::ValueId a, ir::ValueId b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<ir::ValueId> parent_;
};

bool float_activation(const ir::Value& value) {
  return value.dtype == ir::DType::kFloat && !value.constant;
}

// True when every reader of the node's result is in float, so that an integer node may hand out floats.
bool only_float_readers(const ir::Graph& graph, const ir::Node& node, const std::vector<bool>& integer) {
  const ir::Value& out = ir::value_at(graph, node.outputs[0]);
  return std::none_of(out.consumers.begin(), out.consumers.end(),
                      [&](ir::NodeId reader) { return integer[reader]; });
}

// ONNX Runtime joins a product of matrices and the Add of any other matrix to a float Gemm at load, before it
// looks for integer kernels (a Gemm of an LSTM then ran with weights that were unfolded at every inference:
// 4.6 times float's time). Not where the product is rounded.
bool becomes_gemm(const ir::Graph& graph, const ir::Node& node) {
  const ir::Value& out = ir::value_at(graph, node.outputs[0]);
  return ir::standard_op(node, "MatMul") && out.has_shape && out.dims.size() <= 2 &&
         out.consumers.size() == 1 && ir::standard_op(ir::node_at(graph, out.consumers[0]), "Add");
}

plan::NodeDecision decision_for(const ir::Graph& graph, const ir::Node& node, const target::OpRule& rule,
                                const Capability& capability, bool integer, const std::vector<bool>& all,
                                const plan::NodeDecision& why_float) {
  plan::NodeDecision decision;
  decision.correct_bias = capability.correct_bias;
  if (integer) {
    decision.compute = Compute::kInteger;
    decision.reason = Reason::kTarget;
    decision.float_output =
        rule.float_output && only_float_readers(graph, node, all) && !becomes_gemm(graph, node);
    return decision;
  }
  // A float weight of a few elements is smaller than the nodes that would unfold it.
  constexpr int64_t kWorthwhile = 128;
  const ir::WeightTraits* traits = ir::weight_traits(graph, node);
  const bool fold =
      traits && rule.float_weights_int8 && !capability.float_weights &&
      ir::constant_input(graph, node, static_cast<size_t>(traits->weight_slot))->size() >= kWorthwhile;
  decision.compute = fold ? Compute::kFloatIntegerWeights : Compute::kFloat;
  decision.reason = capability.ability == Ability::kFloatOnly ? capability.reason : why_float.reason;
  decision.detail = capability.ability == Ability::kFloatOnly ? capability.detail : why_float.detail;
  return decision;
}

// A value is rounded when an integer node makes it or reads it as data, unless the maker's follower rounds
// instead or the maker hands out floats.
void mark_rounded(const ir::Graph& graph, const target::TargetSpec& target,
                  const std::vector<Capability>& capabilities, plan::QuantPlan& plan) {
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const plan::NodeDecision& decision = plan.nodes[id];
    if (decision.compute != Compute::kInteger) continue;
    const ir::Node& node = ir::node_at(graph, id);
    const bool follows = capabilities[id].ability == Ability::kFollows;
    const target::OpRule& rule = target::rule_for(target, ir::rule_name(graph, node), node.domain);
    for (const size_t slot : target::data_slots(rule, node.inputs.size())) {
      if (follows || slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) continue;
      if (float_activation(ir::value_at(graph, node.inputs[slot])))
        plan.values[node.inputs[slot]].quantized = true;
    }
    for (const ir::ValueId out : node.outputs)
      if (out != ir::kNone && !decision.float_output) plan.values[out].quantized = true;
    if (follows) plan.values[node.inputs[0]].quantized = false;
  }
}

// Nothing is rounded inside what the target computes as one.
void unmark_joined(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                   plan::QuantPlan& plan) {
  for (size_t v = 0; v < plan.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    const bool joined = !value.consumers.empty() &&
                        std::all_of(value.consumers.begin(), value.consumers.end(), [&](ir::NodeId reader) {
                          const std::vector<ir::ValueId>& of_reader = capabilities[reader].joined;
                          return std::find(of_reader.begin(), of_reader.end(), static_cast<ir::ValueId>(v)) !=
                                 of_reader.end();
                        });
    if (joined) plan.values[v].quantized = false;
  }
}

// Where the products of matrices have biases of their own, nothing is rounded in front of these.
void join_biases(const ir::Graph& graph, const target::TargetSpec& target, plan::QuantPlan& plan) {
  if (!target.bias_in_products) return;
  const auto on_integers = [&](ir::NodeId id) {
    const plan::NodeDecision& decision = plan.nodes[id];
    return decision.compute == Compute::kInteger && !decision.float_output;
  };
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(graph.nodes.size()); ++id) {
    const ir::NodeId add = ir::bias_add(graph, id);
    if (add == ir::kNone || !on_integers(id) || !on_integers(add)) continue;
    plan.nodes[add].bias = true;
    plan.values[ir::node_at(graph, id).outputs[0]].quantized = false;
  }
}

// An input that nothing else reads ends up on the output's grid anyway: rounded to it at once, it is rounded
// once.
void share_output_grid(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
                       const ir::Node& node, const std::vector<int>& group_sizes) {
  const plan::ValueDecision& output = plan.values[node.outputs[0]];
  for (const ir::ValueId v : node.inputs) {
    plan::ValueDecision& input = plan.values[v];
    const ir::Value& value = ir::value_at(graph, v);
    const bool alone = value.consumers.size() == 1 && value.producer != ir::kNone &&
                       !ir::is_output(graph, v) && input.quantized && group_sizes[input.scale_group] == 1;
    if (alone && output.quantized && input.params.bits == output.params.bits &&
        keeps_bounds(graph, target, value, input.params, output.params))
      input.params = output.params;
  }
}

}  // namespace

plan::QuantPlan outline(const ir::Graph& graph, const target::TargetSpec& target,
                        const std::vector<Capability>& capabilities, const std::vector<bool>& integer,
                        const std::vector<plan::NodeDecision>& why_float) {
  plan::QuantPlan plan;
  plan.nodes.resize(graph.nodes.size());
  plan.values.resize(graph.values.size());
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const size_t n = static_cast<size_t>(id);
    plan.nodes[n] =
        decision_for(graph, graph.nodes[n],
                     target::rule_for(target, ir::rule_name(graph, graph.nodes[n]), graph.nodes[n].domain),
                     capabilities[n], integer[n], integer, why_float[n]);
  }
  mark_rounded(graph, target, capabilities, plan);
  unmark_joined(graph, capabilities, plan);
  join_biases(graph, target, plan);

  Groups groups(graph.values.size());
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (plan.nodes[id].compute != Compute::kInteger) continue;
    const target::OpRule& rule = target::rule_for(target, ir::rule_name(graph, node), node.domain);
    for (const auto& [in, out] : rule.same_scale)
      if (plan.values[node.inputs[in]].quantized) groups.join(node.inputs[in], node.outputs[out]);
    if (rule.kind != target::OpKind::kMove && !rule.same_input_scale) continue;
    for (const size_t slot : target::data_slots(rule, node.inputs.size())) {
      if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone ||
          ir::value_at(graph, node.inputs[slot]).constant)
        continue;
      for (const ir::ValueId out : node.outputs)
        if (out != ir::kNone) groups.join(node.inputs[slot], out);
    }
  }
  for (size_t v = 0; v < plan.values.size(); ++v) {
    plan::ValueDecision& decision = plan.values[v];
    if (!decision.quantized) continue;
    decision.scale_group = groups.find(static_cast<ir::ValueId>(v));
    decision.reason = Reason::kTarget;
  }
  return plan;
}

std::vector<plan::StatRequest> requests(const plan::QuantPlan& plan, const ir::Graph& graph) {
  std::vector<int> channel_axes(plan.values.size(), -1);  // of what integer weights are multiplied with
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node& node = graph.nodes[n];
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (!traits || plan.nodes[n].compute != Compute::kInteger) continue;
    const size_t data = static_cast<size_t>(node.inputs[traits->data_slot]);
    channel_axes[data] = node.op_type == "MatMul" ? static_cast<int>(graph.values[data].dims.size()) - 1 : 1;
  }
  std::vector<plan::StatRequest> wanted;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized)
      wanted.push_back(
          {static_cast<ir::ValueId>(v), true, channel_axes[v] > 0, std::max(channel_axes[v], 0)});
  return wanted;
}

void decide(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
            const plan::Candidates& candidates) {
  for (size_t v = 0; v < plan.values.size(); ++v) {
    plan::ValueDecision& decision = plan.values[v];
    if (!decision.quantized) continue;
    const auto found = candidates.find(decision.scale_group);
    if (found == candidates.end() || found->second.empty())
      throw Error(Exit::kBug,
                  {"no-candidate", "value '" + graph.values[v].name + "'",
                   "it is to be rounded and has no parameters", "please report this with the model"});
    decision.params = found->second.front().params;
    decision.detail = found->second.front().note;
  }
  std::vector<int> group_sizes(plan.values.size());
  for (const plan::ValueDecision& value : plan.values)
    if (value.quantized) ++group_sizes[value.scale_group];
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {  // from the last on: a Concat may feed another
    const ir::Node& node = ir::node_at(graph, *id);
    if (plan.nodes[*id].compute == Compute::kInteger &&
        target::rule_for(target, ir::rule_name(graph, node), node.domain).copies_equal)
      share_output_grid(plan, graph, target, node, group_sizes);
  }
}

}  // namespace qc::select
