// FusedConv and FusedGemm, which ONNX Runtime's optimizer writes into files that it saves, as Conv or Gemm
// and what was joined to them: a sum, an activation. The runtime joins them again where that pays; here they
// are two ops that everything else knows.
#include <algorithm>
#include <array>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

// What activation_params (FusedConv), or activation_alpha and activation_beta (FusedGemm), are of each
// activation.
struct Joined {
  std::string_view activation;
  std::array<const char*, 2> parameters;
};
constexpr Joined kJoined[] = {
    {"Relu", {}},
    {"Tanh", {}},
    {"Sigmoid", {}},
    {"LeakyRelu", {"alpha"}},
    {"HardSigmoid", {"alpha", "beta"}},
    {"Clip", {"min", "max"}},
};

struct Match {
  NodeId node;
  std::string_view op_type;
  const Joined* joined;  // nullptr: nothing was
  std::vector<float> parameters;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const bool conv = node.op_type == "FusedConv", gemm = node.op_type == "FusedGemm";
  if (node.domain != "com.microsoft" || (!conv && !gemm) || node.inputs.size() < 2) return std::nullopt;
  Match m{id, conv ? "Conv" : "Gemm", nullptr, {}};
  const std::string activation = ir::string_attribute(node, "activation", "");
  if (!activation.empty()) {
    m.joined = std::find_if(std::begin(kJoined), std::end(kJoined),
                            [&](const Joined& one) { return one.activation == activation; });
    if (m.joined == std::end(kJoined)) return std::nullopt;
  }
  const auto wanted =
      static_cast<size_t>(m.joined ? std::count_if(m.joined->parameters.begin(), m.joined->parameters.end(),
                                                   [](const char* name) { return name != nullptr; })
                                   : 0);
  if (conv) {
    if (const ir::Attribute* given = ir::find_attribute(node, "activation_params"))
      if (const auto* floats = std::get_if<std::vector<float>>(&given->value)) m.parameters = *floats;
  } else {
    for (const char* name : {"activation_alpha", "activation_beta"})
      if (ir::find_attribute(node, name)) m.parameters.push_back(ir::float_attribute(node, name, 0));
  }
  if (m.parameters.size() < wanted) return std::nullopt;
  return m;
}

bool transform(Graph& graph, const Match& m) {
  const Node fused = node_at(graph, m.node);
  node_at(graph, m.node).domain.clear();
  std::vector<ir::Attribute> attributes = fused.attributes;
  std::erase_if(attributes, [](const ir::Attribute& a) { return a.name.starts_with("activation"); });
  std::vector<ValueId> inputs(fused.inputs.begin(),
                              fused.inputs.begin() + std::min<ptrdiff_t>(3, std::ssize(fused.inputs)));
  while (inputs.back() == kNone) inputs.pop_back();
  const bool sums = fused.inputs.size() > 3 && fused.inputs[3] != kNone;
  if (!m.joined && !sums) {
    ir::become(graph, m.node, m.op_type, inputs, attributes);
    return true;
  }
  ValueId v = insert_node(graph, m.op_type, inputs, attributes, fused.name + "/product", m.node);
  if (!m.joined) {
    ir::become(graph, m.node, "Add", {v, fused.inputs[3]}, {});
    return true;
  }
  if (sums) v = insert_node(graph, "Add", {v, fused.inputs[3]}, {}, fused.name + "/sum", m.node);
  std::vector<ValueId> operands{v};
  std::vector<ir::Attribute> settings;
  const bool bounds_are_inputs = m.joined->activation == "Clip" && ir::opset(graph) >= 11;
  for (size_t i = 0; i < m.joined->parameters.size() && m.joined->parameters[i]; ++i) {
    const char* name = m.joined->parameters[i];
    if (bounds_are_inputs)
      operands.push_back(
          ir::add_constant(graph, fused.name + "/" + name, float_tensor({m.parameters[i]}, {})));
    else
      settings.push_back({name, m.parameters[i]});
  }
  ir::become(graph, m.node, m.joined->activation, operands, settings);
  return true;
}

}  // namespace

int split_fused(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
