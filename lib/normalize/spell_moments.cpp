// LayerNorm as Keras and TensorFlow spell it, x * scale + (beta - mean * scale), in the usual order: x less
// its mean, over its deviation, times gamma, plus beta. The runtime joins that one at load, and
// spell_layer_norm makes one op of it where the opset has it.
#include <numeric>

#include "normalize/edit.h"
#include "normalize/idioms.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  Moments moments;
  NodeId last = kNone;
};

constexpr int64_t kAxesAreInputs = 18;  // opset

std::optional<Match> match(const Graph& graph, NodeId id) {
  const auto found = moments_at(graph, id);
  return found ? std::optional(Match{*found, id}) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  const Moments& from = m.moments;
  const std::string name = node_at(graph, m.last).name;
  for (const NodeId id : from.nodes) absorb_origin(graph, m.last, id);
  const auto made = [&](const char* op, std::vector<ValueId> inputs, std::vector<ir::Attribute> attributes,
                        const char* suffix) {
    return insert_node(graph, op, std::move(inputs), std::move(attributes), name + suffix, m.last);
  };
  Dims axes(from.axes);
  std::iota(axes.begin(), axes.end(), -from.axes);
  const auto mean = [&](ValueId of, const char* suffix) {
    if (ir::opset(graph) < kAxesAreInputs) return made("ReduceMean", {of}, {{"axes", axes}}, suffix);
    const ValueId list = ir::add_constant(graph, name + suffix + "/axes", ir::int_tensor(axes));
    return made("ReduceMean", {of, list}, {}, suffix);
  };
  const auto number = [&](double value, const char* suffix) {
    return ir::add_constant(graph, name + suffix, ir::scalar(static_cast<float>(value)));
  };
  const ValueId centred = made("Sub", {from.x, mean(from.x, "/mean")}, {}, "/centred");
  const ValueId square = made("Pow", {centred, number(2, "/two")}, {}, "/square");
  const ValueId variance =
      made("Add", {mean(square, "/variance"), number(from.epsilon, "/epsilon")}, {}, "/shifted");
  ValueId normal = made("Div", {centred, made("Sqrt", {variance}, {}, "/deviation")}, {}, "/normal");
  if (from.gamma != kNone) normal = made("Mul", {normal, from.gamma}, {}, "/scaled");
  become(graph, m.last, "Add", {normal, from.beta}, {});
  return true;
}

}  // namespace

int spell_moments(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
