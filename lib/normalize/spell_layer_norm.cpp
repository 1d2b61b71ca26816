// LayerNorm taken apart (ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul, Add) as one
// LayerNormalization, where the opset has it (17). Older files keep their nodes: ONNX Runtime joins them
// itself at load, and recognise() reports them. One over channels that do not lie last (ConvNeXt's
// LayerNorm2d) stands between two Transposes: three passes over the picture instead of nine (10 to 30 % of
// such a block's time), and a .tflite, whose channels lie last, has no Transpose at all.
#include "normalize/edit.h"
#include "normalize/idioms.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  LayerNorm norm;
  Dims normalized;  // sizes of the normalized axes
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  if (ir::opset(graph) < 17) return std::nullopt;
  const auto norm = layer_norm_at(graph, id);
  if (!norm || norm->idiom.nodes.size() == 1) return std::nullopt;
  const ir::Value& x = value_at(graph, norm->idiom.inputs[0]);
  const auto count = static_cast<size_t>(-norm->axis);
  if (x.dtype != ir::DType::kFloat || !x.has_shape || x.dims.size() < count) return std::nullopt;
  Match m{*norm, norm->over_channels ? Dims{x.dims[1]}
                                     : Dims(x.dims.end() - static_cast<std::ptrdiff_t>(count), x.dims.end())};
  for (const int64_t d : m.normalized)
    if (d < 1) return std::nullopt;
  return m;
}

// The normalization of channels that lie last, with the Transposes around it.
void normalize_channels(Graph& graph, NodeId last, std::vector<ValueId> inputs,
                        const std::vector<ir::Attribute>& attributes) {
  const auto rank = static_cast<size_t>(rank_of(graph, inputs[0]));
  Dims there(rank), back(rank);
  for (size_t d = 0; d < rank; ++d) {
    there[d] = static_cast<int64_t>(d == 0 ? 0 : d + 1 < rank ? d + 1 : 1);
    back[there[d]] = static_cast<int64_t>(d);
  }
  const std::string name = node_at(graph, last).name;
  inputs[0] = insert_node(graph, "Transpose", {inputs[0]}, {{"perm", there}}, name + "/channels_last", last);
  const ValueId made =
      insert_node(graph, "LayerNormalization", std::move(inputs), attributes, name + "/normalized", last);
  become(graph, last, "Transpose", {made}, {{"perm", back}});
}

bool transform(Graph& graph, const Match& m) {
  const NodeId last = value_at(graph, m.norm.idiom.output).producer;
  for (const NodeId id : m.norm.idiom.nodes)
    if (id != last) absorb_origin(graph, last, id);
  const std::string name = node_at(graph, last).name;
  const auto parameter = [&](ValueId value, const char* suffix) {
    if (value == kNone) {
      const std::vector<float> ones(ir::element_count(m.normalized), 1.0f);
      return ir::add_constant(graph, name + suffix, float_tensor(ones, m.normalized));
    }
    ir::Tensor tensor = *value_at(graph, value).constant;
    if (tensor.dims == m.normalized) return value;
    tensor.dims = m.normalized;  // leading ones dropped
    return ir::add_constant(graph, value_at(graph, value).name, std::move(tensor));
  };
  std::vector<ValueId> inputs = {m.norm.idiom.inputs[0], parameter(m.norm.gamma, "/scale")};
  if (m.norm.beta != kNone) inputs.push_back(parameter(m.norm.beta, "/bias"));
  const std::vector<ir::Attribute> attributes{{"axis", m.norm.axis}, {"epsilon", m.norm.epsilon}};
  if (m.norm.over_channels)
    normalize_channels(graph, last, std::move(inputs), attributes);
  else
    become(graph, last, "LayerNormalization", inputs, attributes);
  return true;
}

}  // namespace

int spell_layer_norm(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
