// See model_resources.h.
#include "model_resources.h"

#include <functional>
#include <map>

#include "adopt/adopt.h"
#include "adopt/unfold.h"
#include "base/error.h"
#include "budget/resources.h"
#include "ir/edit.h"
#include "normalize/idioms.h"
#include "normalize/rewrites.h"
#include "quantized_nodes.h"
#include "search/activation_memory.h"
#include "search/attempt.h"
#include "select/capability.h"
#include "select/decide.h"
#include "target_of.h"

namespace qc {
namespace {

using Bits = std::function<int(ir::ValueId)>;
using WeightBits = std::function<int(ir::NodeId, ir::ValueId)>;

// --- activations

// Sums of integer products and what becomes of them before they are scaled: one kernel does all of it.
bool are_sums(const ir::Graph& graph, ir::ValueId v) {
  const ir::Value& value = ir::value_at(graph, v);
  if (value.producer == ir::kNone || ir::sole_consumer(graph, v) == ir::kNone) return false;
  const ir::Node& maker = ir::node_at(graph, value.producer);
  if (maker.op_type == "MatMulInteger" || maker.op_type == "ConvInteger") return true;
  return ir::standard_op(maker, "Cast") && are_sums(graph, maker.inputs[0]);
}

// Scales and zero points that DynamicQuantizeLinear makes take next to nothing, and stay.
void add_activations(const ir::Graph& graph, const std::vector<select::Capability>& capabilities,
                     const Bits& bits_of, Taken& taken) {
  const auto inside = [&](ir::ValueId v) { return is_inside(graph, capabilities, v) || are_sums(graph, v); };
  const auto bytes_of = [&](ir::ValueId v) -> std::optional<int64_t> {
    const std::optional<int64_t> elements = elements_of_one(ir::value_at(graph, v));
    if (!elements) return std::nullopt;
    return (*elements * bits_of(v) + 7) / 8;
  };
  // A size that is not known is as good as none in the list, but not in the sum.
  bool known = true;
  const auto bytes_or_none = [&](ir::ValueId v) -> std::optional<int64_t> {
    const std::optional<int64_t> bytes = bytes_of(v);
    known = known && bytes;
    return bytes.value_or(0);
  };
  const std::optional<budget::MemoryGraph> memory = budget::memory_graph(graph, bytes_or_none, inside);
  for (const budget::MemoryGraph::Tensor& tensor : memory->tensors) {
    const ir::Value& value = ir::value_at(graph, static_cast<ir::ValueId>(tensor.value));
    if (tensor.bytes > 0)
      taken.values.push_back({static_cast<ir::ValueId>(tensor.value),
                              value.producer == ir::kNone ? "" : ir::node_at(graph, value.producer).name,
                              ir::shape_text(value), tensor.bytes});
  }
  if (!known) return;
  const budget::Peak peak = budget::walk(*memory, budget::schedule(*memory).order);
  taken.activations = peak.bytes;
  if (peak.op < memory->ops.size()) taken.fullest = memory->ops[peak.op].name;
}

// --- operations

std::optional<double> bops_of(const ir::Graph& graph, const Bits& data_bits, const WeightBits& weight_bits) {
  double bops = 0;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (!multiplies(node)) continue;
    const Operands operands = operands_of(node);
    if (operands.data == ir::kNone || operands.weight == ir::kNone ||
        !ir::value_at(graph, operands.weight).constant)
      continue;
    if (!elements_of_one(ir::value_at(graph, node.outputs[0]))) return std::nullopt;
    // The op rounds what it reads.
    const bool rounds = node.op_type == "DynamicQuantizeMatMul";
    bops += static_cast<double>(macs_of(graph, node)) * (rounds ? 8 : data_bits(operands.data)) *
            weight_bits(id, operands.weight);
  }
  return bops;
}

// --- what the file says

struct AsFloat {
  ir::Graph graph;
  std::map<std::string, int> activations, weights;  // bits by name of the value
};

// MatMulNBits has its bits in an attribute, and its float weight another name.
void name_packed(const ir::Graph& graph, std::map<std::string, int>& bits) {
  for (const ir::Node& node : graph.nodes)
    if (!node.erased && node.op_type == "MatMulNBits")
      bits[ir::value_at(graph, node.inputs[1]).name + "_float"] =
          static_cast<int>(ir::int_attribute(node, "bits", 4));
}

// The float model behind the file, and beside it the widths of what is rounded.
AsFloat as_float(const ir::Graph& graph, run::RunnerFactory& runners) {
  AsFloat made{graph, {}, {}};
  const std::vector<Stored> stored = stored_as(graph);
  for (size_t v = 0; v < stored.size(); ++v)
    if (stored[v].bits > 0) made.weights[graph.values[v].name] = stored[v].bits;
  name_packed(graph, made.weights);
  normalize::fold_constants(made.graph, runners, {"QuantizeLinear", "DequantizeLinear"});
  ir::remove_dead(made.graph);
  const adopt::FileGrids found = adopt::strip(made.graph);
  for (const auto& [name, params] : found.activations) made.activations[name] = params.bits;
  for (const auto& [name, params] : found.weights) {
    const auto [place, added] = made.weights.try_emplace(name, params.bits);
    if (!added) place->second = std::min(place->second, params.bits);
  }
  adopt::unfold_matmuls(made.graph);
  normalize::fold_constants(made.graph, runners);
  ir::remove_dead(made.graph);
  return made;
}

AsFloat as_float_or_as_is(const ir::Graph& graph, run::RunnerFactory& runners) {
  try {
    return as_float(graph, runners);
  } catch (const Error&) {
    return {graph, {}, {}};
  }
}

}  // namespace

std::optional<int64_t> elements_of_one(const ir::Value& value) {
  if (!value.has_shape || ir::bits_of(value.dtype) == 0) return std::nullopt;
  int64_t count = 1;
  for (size_t i = 0; i < value.dims.size(); ++i) {
    if (value.dims[i] < 0 && i > 0) return std::nullopt;
    count *= value.dims[i] < 0 ? 1 : value.dims[i];
  }
  return count;
}

Taken taken_as_stored(const ir::Graph& graph, const target::TargetSpec& target, run::RunnerFactory& runners) {
  const AsFloat plain = as_float_or_as_is(graph, runners);
  const auto bits_in = [&](const std::map<std::string, int>& known) {
    return [&plain, &known](ir::ValueId v) {
      const ir::Value& value = ir::value_at(plain.graph, v);
      const auto found = known.find(value.name);
      if (found != known.end()) return found->second;
      return ir::bits_of(value.constant ? value.constant->dtype : value.dtype);
    };
  };
  Taken taken;
  add_activations(plain.graph,
                  select::capabilities(plain.graph, target, {}, normalize::recognise(plain.graph)),
                  bits_in(plain.activations), taken);
  const Bits weights = bits_in(plain.weights);
  taken.bops =
      bops_of(plain.graph, bits_in(plain.activations), [&](ir::NodeId, ir::ValueId v) { return weights(v); });
  return taken;
}

Taken taken_on(const ir::Graph& graph, const target::TargetSpec& target) {
  const std::vector<select::Capability> capabilities =
      select::capabilities(graph, target, {}, normalize::recognise(graph));
  const std::vector<bool> integer = wherever_possible(capabilities);
  const plan::QuantPlan plan =
      select::outline(graph, target, capabilities, integer, reasons_in_float(integer, integer));
  const auto own_bits = [&](ir::ValueId v) {
    const ir::Value& value = ir::value_at(graph, v);
    return ir::bits_of(value.constant ? value.constant->dtype : value.dtype);
  };
  const Bits data_bits = [&](ir::ValueId v) {
    return plan.values[v].quantized ? target.activations.bits : own_bits(v);
  };
  const WeightBits weight_bits = [&](ir::NodeId node, ir::ValueId v) {
    const plan::NodeDecision& decision = plan.nodes[node];
    return decision.compute == plan::Compute::kFloat ? own_bits(v) : target.weights.bits;
  };
  Taken taken;
  add_activations(graph, capabilities, data_bits, taken);
  taken.bops = bops_of(graph, data_bits, weight_bits);
  return taken;
}

}  // namespace qc
