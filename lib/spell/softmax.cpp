// See softmax.h.
#include "spell/softmax.h"

#include <algorithm>
#include <array>
#include <limits>

#include "ir/edit.h"
#include "plan/resize_plan.h"

namespace qc {
namespace {

constexpr std::array kProducts{"MatMul", "Gemm"};  // whose integer kernels hand out floats as well
constexpr std::array kBetween{"Add", "Sub", "Mul", "Div", "Reshape", "Squeeze", "Unsqueeze"};

bool on_integers(const plan::QuantizedModel& model, ir::NodeId id) {
  return model.plan.nodes[id].compute == plan::Compute::kInteger;
}

bool rounded(const plan::QuantizedModel& model, ir::ValueId v) {
  return v != ir::kNone && model.plan.values[v].quantized && !ir::value_at(model.graph, v).constant;
}

// The runtime joins a product of matrices in floats and an Add to a float Gemm, before it looks for integers.
bool would_be_gemm(const ir::Graph& graph, ir::ValueId product, ir::NodeId reader) {
  constexpr int64_t kMatrix = 2;
  return ir::standard_op(ir::node_at(graph, reader), "Add") && ir::rank_of(graph, product) <= kMatrix;
}

// The vector that is added right behind a product. As floats the writer gives it a rank that no Gemm has; as
// integers it would make one.
ir::ValueId added_vector(const plan::QuantizedModel& model, ir::NodeId id) {
  const ir::Node& node = ir::node_at(model.graph, id);
  const auto vector = std::ranges::find_if(node.inputs, [&](ir::ValueId v) {
    return model.weights.contains(v) && ir::rank_of(model.graph, v) == 1;
  });
  return ir::standard_op(node, "Add") && vector != node.inputs.end() ? *vector : ir::kNone;
}

// Takes the rounding away. False, and nothing has changed: no product behind it hands out floats.
bool release(plan::QuantizedModel& model, ir::ValueId v) {
  if (!rounded(model, v)) return false;
  const ir::NodeId maker = ir::value_at(model.graph, v).producer, reader = ir::sole_consumer(model.graph, v);
  if (maker == ir::kNone || reader == ir::kNone || !on_integers(model, maker)) return false;
  const ir::Node& node = ir::node_at(model.graph, maker);
  plan::NodeDecision& decision = model.plan.nodes[maker];
  if (ir::is_one_of(node, kProducts)) {
    if (would_be_gemm(model.graph, v, reader)) return false;
    decision.float_output = true;
  } else {
    const auto released = [&](ir::ValueId in) { return release(model, in); };
    const ir::ValueId vector = added_vector(model, maker);
    const bool shared = vector != ir::kNone && ir::sole_consumer(model.graph, vector) != maker;
    if (!ir::is_one_of(node, kBetween) || shared) return false;
    if (std::ranges::count_if(node.inputs, released) == 0) return false;
    model.weights.erase(vector);
    decision.compute = plan::Compute::kFloat;
    decision.reason = plan::Reason::kIsland;
  }
  model.plan.values[v].quantized = false;
  return true;
}

// The same floats, from a node that the runtime neither takes out nor passes roundings through.
void keep_apart(plan::QuantizedModel& model, ir::NodeId softmax) {
  const std::string name = ir::node_at(model.graph, softmax).name;
  const ir::ValueId scores = ir::node_at(model.graph, softmax).inputs[0];
  const ir::ValueId lowest =
      ir::add_constant(model.graph, name + "/lowest", ir::scalar(std::numeric_limits<float>::lowest()));
  const ir::ValueId apart =
      ir::insert_node(model.graph, "Max", {scores, lowest}, {}, name + "/apart", softmax);
  ir::copy_shape(model.graph, scores, apart);
  ir::set_input(model.graph, softmax, 0, apart);
  plan::resize_plan(model);
}

}  // namespace

void spell_softmaxes(plan::QuantizedModel& model) {
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    const bool joined = ir::standard_op(node, "Softmax") && !on_integers(model, id) &&
                        rounded(model, node.inputs[0]) && rounded(model, node.outputs[0]);
    if (joined && !release(model, node.inputs[0])) keep_apart(model, id);
  }
}

}  // namespace qc
