// See inspect.h.
#include "inspect.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "config/core_config.h"
#include "describe/bodies.h"
#include "ir/names.h"
#include "ir/ops.h"
#include "model_resources.h"
#include "normalize/idioms.h"
#include "normalize/normalize.h"
#include "normalize/rewrites.h"
#include "onnx_io/bodies.h"
#include "onnx_io/onnx_io.h"
#include "plan/quant_plan.h"
#include "prepare.h"
#include "proof/verdict.h"
#include "quantized_nodes.h"
#include "run/ort_runner.h"
#include "select/capability.h"
#include "target/target.h"
#include "target_of.h"

namespace qc {
namespace {

const ir::Value& value_of(const ir::Graph& graph, ir::ValueId id) {
  return ir::value_at(graph, id);
}
const ir::Node& node_of(const ir::Graph& graph, ir::NodeId id) {
  return ir::node_at(graph, id);
}

std::string op_text(const ir::Node& node) {
  return ir::standard_domain(node.domain) ? node.op_type : node.domain + "." + node.op_type;
}

report::Port port(const ir::Graph& graph, ir::ValueId id) {
  const ir::Value& value = value_of(graph, id);
  return {value.name, ir::name_of(value.dtype), value.has_shape ? ir::shape_text(value) : "?"};
}

int64_t bytes_of(int64_t elements, int64_t bits) {
  return (elements * bits + 7) / 8;
}

// --- activations

// The values that take most room, the largest first. `quantized`: the same values on the target.
std::vector<report::Activation> largest_activations(const Taken& stored, const Taken& quantized) {
  constexpr size_t kLargest = 5;
  std::map<ir::ValueId, int64_t> bytes;
  for (const TakenValue& value : quantized.values) bytes[value.value] = value.bytes;
  std::vector<report::Activation> values;
  for (const TakenValue& value : stored.values) {
    const auto on_target = bytes.find(value.value);
    values.push_back(
        {value.node, value.shape, value.bytes, on_target == bytes.end() ? value.bytes : on_target->second});
  }
  std::stable_sort(values.begin(), values.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  values.resize(std::min(values.size(), kLargest));
  return values;
}

// --- what the target could do

struct Fate {
  bool integer = false;
  std::string reason;
};

// By the file's node names. Asked of the rewritten graph, because that is what a conversion quantizes: a
// BatchNormalization behind a Conv has become part of it.
std::map<std::string, Fate> fates(const ir::Graph& rewritten, const target::TargetSpec& target) {
  const std::vector<select::Capability> all =
      select::capabilities(rewritten, target, {}, normalize::recognise(rewritten));
  std::map<std::string, Fate> fates;
  for (const ir::NodeId id : ir::topological_order(rewritten)) {
    const ir::Node& node = node_of(rewritten, id);
    const select::Capability& ability = all[id];
    Fate fate{ability.ability != select::Ability::kFloatOnly, ""};
    if (!fate.integer) {
      fate.reason = ability.detail.empty() ? plan::reason_text(ability.reason) : ability.detail;
      while (!fate.reason.empty() && fate.reason.back() == '.') fate.reason.pop_back();
    }
    fates[node.name] = fate;
    for (const std::string& origin : node.origin) {
      if (origin != node.name)  // the first of several is the one with weights
        fates.try_emplace(origin,
                          Fate{fate.integer, fate.integer ? "becomes part of " + node.name : fate.reason});
    }
  }
  return fates;
}

// As a conversion with a config that says nothing would.
ir::Graph rewritten(const ir::Graph& graph, const target::TargetSpec& target, const run::ModelCodec& codec,
                    std::vector<std::string>& notes) {
  ir::Graph copy = graph;
  run::OrtRunnerFactory runners(codec);
  Diagnostics diagnostics;
  try {
    normalize::Options options;
    options.bodies = opened_bodies();
    options.sub_pixel = sub_pixel_of({}, target);
    normalize::normalize(copy, runners, options, diagnostics);
    run::infer_shapes(copy, codec);
    return copy;
  } catch (const Error& error) {
    notes.push_back("the float rewrites were not tried: " + error.problems.front().cause);
    return graph;
  }
}

// Which kernels the runtime has for the nodes of a quantized file, whoever wrote it.
void add_kernels(const ir::Graph& graph, const run::ModelCodec& codec, report::Inspection& found) {
  try {
    const std::string bytes = onnx_io::write(graph, true);
    const ir::Graph kernels = run::optimized_graph({bytes, "", ""}, codec);
    plan::QuantizedModel model;
    model.graph = graph;
    const std::vector<proof::Verdict> verdicts = proof::verdicts(model, graph, kernels);
    const std::vector<ir::NodeId> order = ir::topological_order(graph);
    for (size_t i = 0; i < order.size(); ++i) {
      const proof::Verdict& verdict = verdicts[order[i]];
      found.nodes[i].kernel = verdict.kernel + (verdict.integer ? "" : " (float)");
      found.nodes[i].integer_kernel = verdict.integer;
    }
  } catch (const Error& error) {
    found.notes.push_back("kernels are unknown: " + error.problems.front().cause);
  }
}

// --- the rows

// Constants that a node is the first to read, those that are unpacked on the way and those in its bodies
// counted to it.
void add_constants(const ir::Graph& graph, const std::vector<Stored>& stored, const ir::Node& node,
                   std::set<ir::ValueId>& seen, report::InspectedNode& row) {
  const onnx_io::BodyFloats in_bodies = onnx_io::floats_in_bodies(node);
  row.parameters += in_bodies.elements;
  row.constant_bytes += in_bodies.bytes;
  std::vector<ir::ValueId> read = node.inputs;
  read.insert(read.end(), node.captures.begin(), node.captures.end());
  for (const ir::ValueId id : read) {
    if (id == ir::kNone) continue;
    const ir::Value& value = value_of(graph, id);
    if (!seen.insert(id).second) continue;
    if (value.constant) {
      const int64_t bits = ir::bits_of(value.constant->dtype);
      row.constant_bytes += bytes_of(value.constant->size(), bits);
      const bool number =
          bits > 0 && value.constant->dtype != ir::DType::kInt64 && value.constant->dtype != ir::DType::kBool;
      row.parameters += number ? value.constant->size() : 0;
    } else if (value.producer != ir::kNone && stored[id].bits > 0) {
      // Scales and tables are no parameters of the network, and words hold many of them.
      const int64_t before = row.parameters;
      add_constants(graph, stored, node_of(graph, value.producer), seen, row);
      row.parameters = before + elements_of_one(value).value_or(row.parameters - before);
    }
  }
}

// Its constants with the weight as integers and a float32 scale for each channel.
int64_t quantized_bytes(const ir::Graph& graph, const ir::Node& node, const report::InspectedNode& row,
                        const target::TargetSpec& target) {
  const ir::WeightTraits* traits = ir::weight_traits(graph, node);
  if (!traits || row.constant_bytes == 0) return row.constant_bytes;
  if (!row.could_be_integer &&
      !target::rule_for(target, ir::rule_name(graph, node), node.domain).float_weights_int8)
    return row.constant_bytes;
  const ir::Tensor& weight = *ir::constant_input(graph, node, traits->weight_slot);
  const int axis = ir::output_channel_axis(graph, node);
  const int64_t scales = target.weights.per_channel && axis >= 0 ? weight.dims[axis] : 1;
  const int64_t saved = bytes_of(weight.size(), ir::bits_of(weight.dtype)) -
                        bytes_of(weight.size(), target.weights.bits) - 4 * scales;
  return std::max<int64_t>(0, row.constant_bytes - saved);
}

// What constants take on the target, by the name of the node: `rewritten` has those that a conversion writes.
std::map<std::string, int64_t> constants_on(const ir::Graph& rewritten, const target::TargetSpec& target,
                                            const std::map<std::string, Fate>& fates) {
  std::map<std::string, int64_t> bytes;
  std::set<ir::ValueId> seen;
  const std::vector<Stored> nothing_unpacked(rewritten.values.size());
  for (const ir::NodeId id : ir::topological_order(rewritten)) {
    const ir::Node& node = node_of(rewritten, id);
    report::InspectedNode row;
    add_constants(rewritten, nothing_unpacked, node, seen, row);
    row.could_be_integer = fates.at(node.name).integer;
    bytes[node.name] = quantized_bytes(rewritten, node, row, target);
  }
  return bytes;
}

// What functions multiply and add, by the nodes that call them: known where they are taken apart.
std::map<std::string, int64_t> macs_of_calls(const ir::Graph& graph, const run::ModelCodec& codec) {
  std::map<std::string, int64_t> macs;
  ir::Graph opened = graph;
  if (normalize::inline_functions(opened, opened_bodies()) == 0) return macs;
  try {
    run::infer_shapes(opened, codec);
  } catch (const Error&) {  // said of the graph itself
  }
  for (const ir::NodeId id : ir::topological_order(opened)) {
    const ir::Node& node = node_of(opened, id);
    if (node.origin.empty() || !elements_of_one(value_of(opened, node.outputs.at(0)))) continue;
    if (const int64_t own = macs_of(opened, node); own > 0) macs[node.origin.front()] += own;
  }
  return macs;
}

std::vector<report::InspectedNode> rows_of(const ir::Graph& graph, const std::vector<ir::NodeId>& order,
                                           const std::map<std::string, Fate>& fates,
                                           const std::map<std::string, int64_t>& on_target,
                                           const std::map<std::string, int64_t>& of_calls, bool quantized) {
  std::vector<report::InspectedNode> rows;
  std::set<ir::ValueId> seen;
  const std::vector<Stored> stored = quantized ? stored_as(graph) : std::vector<Stored>(graph.values.size());
  for (const ir::NodeId id : order) {
    const ir::Node& node = node_of(graph, id);
    report::InspectedNode row;
    row.node = node.name;
    row.op_type = op_text(node);
    if (!node.outputs.empty() && node.outputs[0] != ir::kNone)
      row.output_shape = ir::shape_text(value_of(graph, node.outputs[0]));
    const bool fixed = !node.outputs.empty() && node.outputs[0] != ir::kNone &&
                       elements_of_one(value_of(graph, node.outputs[0])).has_value();
    if (const int64_t macs = macs_of(graph, node); macs > 0 && fixed) row.macs = macs;
    if (const auto called = of_calls.find(node.name); called != of_calls.end()) row.macs = called->second;
    // What unpacks a weight belongs to the node that reads it.
    row.unpacks = quantized && unpacks_constants(stored, node);
    if (!row.unpacks) add_constants(graph, stored, node, seen, row);
    // A scale and a zero point are no parameters of the network.
    if (ir::standard_op(node, "QuantizeLinear") || ir::standard_op(node, "DequantizeLinear"))
      row.parameters = 0;
    if (quantized) {
      row.weight_params = weight_params(graph, stored, node);
      row.output_params = output_params(graph, node);
      row.quantized_bytes = row.constant_bytes;
    } else {
      const auto fate = fates.find(node.name);
      row.could_be_integer = fate != fates.end() && fate->second.integer;
      row.reason = fate == fates.end() ? "folded away before quantization" : fate->second.reason;
      const auto bytes = on_target.find(node.name);
      row.quantized_bytes = bytes == on_target.end() ? 0 : bytes->second;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::pair<std::string, int64_t>> histogram(const std::vector<report::InspectedNode>& rows) {
  std::map<std::string, int64_t> counts;
  for (const report::InspectedNode& row : rows) ++counts[row.op_type];
  std::vector<std::pair<std::string, int64_t>> ordered(counts.begin(), counts.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return ordered;
}

// How often a body is run, and which, is known when the model runs.
bool bodies_multiply(const ir::Graph& graph) {
  return std::ranges::any_of(graph.nodes, [](const ir::Node& node) {
    return !node.erased && std::ranges::any_of(onnx_io::ops_in_bodies(node), [](const std::string& op) {
      return op == "Conv" || op == "ConvTranspose" || op == "Gemm" || op == "MatMul";
    });
  });
}

// Nothing when a node multiplies and adds an unknown number of times.
std::optional<int64_t> total_macs(const ir::Graph& graph, const std::vector<ir::NodeId>& order,
                                  const std::vector<report::InspectedNode>& rows) {
  if (bodies_multiply(graph)) return std::nullopt;
  int64_t total = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].macs && multiplies(node_of(graph, order[i]))) return std::nullopt;
    total += rows[i].macs.value_or(0);
  }
  return total;
}

int64_t sum_of(const std::map<std::string, int64_t>& bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), int64_t{0},
                         [](int64_t sum, const auto& one) { return sum + one.second; });
}

// As a conversion with "placement": "full" uses the target: what shares in its budget are of.
target::TargetSpec with_all_integers(const std::string& target) {
  config::CoreConfig config;
  config.target = target;
  config.placement = config::Placement::kFull;
  return target_of(config);
}

}  // namespace

report::Inspection inspect(const std::filesystem::path& model, const std::string& target_name) {
  const target::TargetSpec target = target::load(target_name);
  Diagnostics diagnostics;
  ir::Graph graph = onnx_io::read(model, diagnostics);
  normalize::check_arities(graph);
  report::Inspection found;
  for (const Problem& warning : diagnostics.warnings)
    found.notes.push_back(warning.place + ": " + warning.cause);
  const run::ModelCodec codec = onnx_codec();
  try {
    run::infer_shapes(graph, codec);
  } catch (const Error& error) {
    found.notes.push_back("shapes are those of the file alone: " + error.problems.front().cause);
  }
  found.model = model.string();
  found.file_size = graph.bytes_on_disk;
  found.opset = ir::opset(graph);
  found.ir_version = graph.ir_version;
  found.producer = graph.producer_name + (graph.producer_version.empty() ? "" : " " + graph.producer_version);
  found.weights_alone = onnx_io::has_narrow_weights_of_ours(graph);
  found.quantized = found.weights_alone || is_quantized(graph);
  for (const ir::ValueId id : graph.inputs) found.inputs.push_back(port(graph, id));
  for (const ir::ValueId id : graph.outputs) found.outputs.push_back(port(graph, id));
  const auto said = [](const Problem& warning) { return warning.code == "constant-inputs"; };
  if (!graph.initializers_as_inputs.empty() &&
      std::none_of(diagnostics.warnings.begin(), diagnostics.warnings.end(), said)) {
    found.notes.push_back(format("{} initializers are inputs as well; a conversion makes them constants",
                                 graph.initializers_as_inputs.size()));
  }

  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  run::OrtRunnerFactory runners(codec);
  Taken taken, on_target;
  std::map<std::string, Fate> by_name;
  std::map<std::string, int64_t> constants;
  if (found.quantized) {
    taken = taken_as_stored(graph, target, runners);
    if (bodies_multiply(graph)) taken.bops = std::nullopt;
  } else {
    found.target = target.name;
    found.target_description = target.description;
    const ir::Graph measured = rewritten(graph, target, codec, found.notes);
    by_name = fates(measured, target);
    if (std::string kept = weights_in_bodies(measured, found.file_size); !kept.empty())
      found.notes.push_back(std::move(kept));
    constants = constants_on(measured, target, by_name);
    taken = taken_as_stored(measured, target, runners);
    on_target = taken_on(measured, with_all_integers(target_name));
    if (bodies_multiply(measured)) taken.bops = on_target.bops = std::nullopt;
    found.on_target = {sum_of(constants), on_target.activations, on_target.bops};
  }
  found.nodes = rows_of(graph, order, by_name, constants, macs_of_calls(graph, codec), found.quantized);
  found.ops = histogram(found.nodes);
  if (found.quantized) add_kernels(graph, codec, found);
  found.macs = total_macs(graph, order, found.nodes);
  int64_t bytes = 0;
  for (const report::InspectedNode& node : found.nodes) bytes += node.constant_bytes;
  found.as_stored = {bytes, taken.activations, taken.bops};
  found.peak_node = taken.fullest;
  found.largest = largest_activations(taken, on_target);
  return found;
}

}  // namespace qc
