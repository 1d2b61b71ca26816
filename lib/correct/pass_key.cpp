// The name of a pass (see kept.h): everything that reaches the sessions or the solver, as numbers in one
// fixed order. Large tensors go in as hashes of their own, so that no copy of them is made.
#include <bit>
#include <type_traits>

#include "base/text.h"
#include "correct/kept.h"
#include "correct/second_order.h"

namespace qc::correct {
namespace {

class Key {
 public:
  void add_bytes(std::string_view bytes) { text_ += format("{}:{} ", bytes.size(), content_hash(bytes)); }
  template <typename T>
  void add(const std::vector<T>& list) {
    static_assert(std::is_arithmetic_v<T> || std::is_same_v<T, Trust>, "padding would be hashed");
    add_bytes({reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T)});
  }
  // Numbers of the same kind.
  template <typename... T>
  void add_integers(T... numbers) {
    ((text_ += format("{} ", static_cast<int64_t>(numbers))), ...);
  }
  void add(double number) { add_integers(std::bit_cast<int64_t>(number)); }
  std::string hash() const { return content_hash(text_); }

 private:
  std::string text_;
};

void add(Key& key, const ir::Tensor& tensor) {
  key.add_integers(tensor.dtype);
  key.add(tensor.dims);
  key.add_bytes(tensor.bytes ? *tensor.bytes : std::string());
  key.add_bytes(tensor.opaque_proto);
}

struct AddAttribute {
  Key& key;
  void operator()(int64_t value) const { key.add_integers(value); }
  void operator()(float value) const { key.add(static_cast<double>(value)); }
  void operator()(const std::string& value) const { key.add_bytes(value); }
  void operator()(const std::vector<int64_t>& value) const { key.add(value); }
  void operator()(const std::vector<float>& value) const { key.add(value); }
  void operator()(const std::vector<std::string>& value) const {
    key.add_integers(value.size());
    for (const std::string& text : value) key.add_bytes(text);
  }
  void operator()(const ir::Tensor& value) const { add(key, value); }
  void operator()(const ir::OpaqueAttribute& value) const { key.add_bytes(value.bytes); }
};

void add(Key& key, const ir::Graph& graph) {
  for (const auto& [domain, version] : graph.opset_imports) {
    key.add_bytes(domain);
    key.add_integers(version);
  }
  key.add(graph.inputs);
  key.add(graph.outputs);
  for (const std::string& function : graph.functions) key.add_bytes(function);
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    key.add_integers(id);
    key.add_bytes(node.op_type);
    key.add_bytes(node.domain);
    key.add(node.inputs);
    key.add(node.outputs);
    key.add(node.captures);
    key.add_integers(node.attributes.size());
    for (const ir::Attribute& attribute : node.attributes) {
      key.add_bytes(attribute.name);
      key.add_integers(attribute.value.index());
      std::visit(AddAttribute{key}, attribute.value);
    }
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    key.add_integers(value.dtype, value.has_shape, value.constant.has_value());
    key.add(value.dims);
    if (value.constant) add(key, *value.constant);
  }
}

void add(Key& key, const quant::QuantParams& params) {
  key.add_integers(params.bits, params.is_signed, params.narrow_range, params.axis, params.index_bits,
                   params.block_size);
  key.add(params.scales);
  key.add(params.zero_points);
  key.add(params.codebook);
}

void add(Key& key, const plan::QuantPlan& plan) {
  for (const plan::NodeDecision& node : plan.nodes)
    key.add_integers(node.compute, node.float_output, node.correct_bias);
  for (const plan::ValueDecision& value : plan.values) {
    key.add_integers(value.quantized, value.scale_group);
    if (value.quantized) add(key, value.params);
  }
}

template <typename Id>
void add(Key& key, const std::map<Id, plan::IntegerTensor>& tensors) {
  key.add_integers(tensors.size());
  for (const auto& [id, tensor] : tensors) {
    key.add_integers(id);
    add(key, tensor.params);
    key.add(tensor.integers);
  }
}

template <typename Id, typename T>
void add(Key& key, const std::map<Id, std::vector<T>>& lists) {
  key.add_integers(lists.size());
  for (const auto& [id, list] : lists) {
    key.add_integers(id);
    key.add(list);
  }
}

}  // namespace

std::string pass_key(const plan::QuantizedModel& model, std::span<const int64_t> runs,
                     const SecondOrderOptions& options, const Besides& besides) {
  Key key;
  add(key, model.graph);
  add(key, model.plan);
  add(key, model.weights);
  add(key, model.biases);
  for (const auto& [value, type] : model.narrow) key.add_integers(value, type);
  key.add(std::vector<int64_t>(runs.begin(), runs.end()));
  const RoundOptions& rounding = options.rounding;
  key.add_integers(rounding.retarget_auto, rounding.sweeps, rounding.scale_search, rounding.nearest_only,
                   rounding.trust.has_value(), options.only_narrow, options.quick, options.longest_patch,
                   std::bit_cast<int64_t>(options.seed));
  key.add(rounding.retarget_strength);
  if (rounding.trust) key.add(std::vector<Trust>{*rounding.trust});
  add(key, besides.known.weights);
  add(key, besides.known.deltas);
  add(key, besides.others);
  add(key, besides.trusts);
  return key.hash();
}

}  // namespace qc::correct
