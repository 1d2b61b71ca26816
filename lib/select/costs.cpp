// See costs.h.
#include "select/costs.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "base/text.h"
#include "ir/merged_groups.h"
#include "ir/ops.h"
#include "ir/pixel_shuffle.h"
#include "ir/short_runs.h"

namespace qc::select {
namespace {

using target::kVector, target::CostTerm, target::CostTerms;

const target::OpCost* find_entry(const target::TargetSpec& target, const std::string& key) {
  const auto found = target.costs.find(key);
  return found != target.costs.end() ? &found->second : nullptr;
}

// The entry of "Conv:depthwise" itself, or that of all "Conv" where the target does not tell them apart.
const target::OpCost* own_entry(const target::TargetSpec& target, const std::string& key) {
  const target::OpCost* found = find_entry(target, key);
  return found ? found : find_entry(target, key.substr(0, key.find(':')));
}

// Without a table integers win wherever the target has a kernel, and where not all can be had, those that do
// most of the work: in the proportions that any processor has, roughly, between products and memory.
target::OpCost untold() {
  target::OpCost cost;
  cost.floating[static_cast<size_t>(CostTerm::kNode)] = 1;
  cost.floating[static_cast<size_t>(CostTerm::kMac)] = 0.02;
  cost.floating[static_cast<size_t>(CostTerm::kInput)] = 0.1;
  cost.floating[static_cast<size_t>(CostTerm::kOutput)] = 0.1;
  return cost;
}

const target::OpCost& cost_entry(const target::TargetSpec& target, const std::string& key) {
  static const target::OpCost kUntold = untold(), kFree;
  if (target.costs.empty()) return key.find("uantizeLinear") != std::string::npos ? kFree : kUntold;
  const target::OpCost *own = own_entry(target, key), *fallback = find_entry(target, "*");
  return own ? *own : fallback ? *fallback : kFree;
}

// A convolution's weight, when its sizes are known.
const ir::Tensor* image_kernel(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "Conv")) return nullptr;
  const ir::Tensor* weight = ir::constant_input(graph, node, 1);
  return weight && weight->dims.size() >= 3 ? weight : nullptr;
}

int64_t window_of(const ir::Tensor& kernel) {
  return std::accumulate(kernel.dims.begin() + 2, kernel.dims.end(), int64_t{1}, std::multiplies<>());
}

// What a layout passes on its way: ops of one tensor, element by element, and those that join tensors.
constexpr std::array kPassesLayout{"Add",       "Clip",    "Concat",  "Elu", "HardSigmoid", "HardSwish",
                                   "LeakyRelu", "Max",     "MaxPool", "Min", "Mul",         "PRelu",
                                   "Relu",      "Sigmoid", "Sub",     "Tanh"};

// Integer pooling is fast in the layout of integer convolutions, which reaches it from the one before it.
// kNone: there is none.
ir::NodeId convolution_before(const ir::Graph& graph, const ir::Node& node) {
  std::vector<ir::ValueId> open(node.inputs.begin(), node.inputs.end());
  for (size_t i = 0; i < open.size() && i < graph.values.size(); ++i) {
    const ir::NodeId maker = open[i] == ir::kNone ? ir::kNone : ir::value_at(graph, open[i]).producer;
    if (maker == ir::kNone) continue;
    const ir::Node& before = ir::node_at(graph, maker);
    if (ir::standard_op(before, "Conv")) return maker;
    if (std::any_of(kPassesLayout.begin(), kPassesLayout.end(),
                    [&](const char* op) { return ir::standard_op(before, op); }))
      open.insert(open.end(), before.inputs.begin(), before.inputs.end());
  }
  return ir::kNone;
}

bool any_above(const ir::Node& node, const char* attribute, int64_t bound) {
  const std::vector<int64_t> numbers = ir::ints_attribute(node, attribute);
  return std::any_of(numbers.begin(), numbers.end(), [&](int64_t n) { return n > bound; });
}

// What runtimes have kernels for: with several results of a channel it is a convolution in groups to them.
bool one_channel_each(const ir::Graph& graph, const ir::Node& node, const ir::Tensor& kernel) {
  return ir::is_depthwise(graph, node) && kernel.dims[0] == ir::int_attribute(node, "group", 1);
}

bool along_last_axis(const ir::Graph& graph, const ir::Node& node) {
  const int64_t rank = std::ssize(ir::value_at(graph, node.outputs[0]).dims);
  const int64_t axis = ir::int_attribute(node, "axis", -1);
  return rank == 0 || axis == -1 || axis == rank - 1;
}

// Kernels of their own: depthwise and pointwise convolutions, products of two activations, interpolation,
// probabilities of few classes or along an axis whose elements lie apart, larger images that are written
// pixel by pixel, and pooling that begins outside of the image and goes in steps, which frameworks with
// paddings of their own pad first.
std::string cost_key(const target::TargetSpec& target, const ir::Graph& graph, const ir::Node& node) {
  if (ir::standard_op(node, "MaxPool")) {
    const bool padded = any_above(node, "pads", 0) && any_above(node, "strides", 1);
    if (padded && find_entry(target, "MaxPool:padded")) return "MaxPool:padded";
    return convolution_before(graph, node) != ir::kNone ? "MaxPool" : "MaxPool:planar";
  }
  if (ir::standard_op(node, "Resize") && ir::string_attribute(node, "mode", "nearest") != "nearest")
    return "Resize:" + ir::string_attribute(node, "mode", "");
  if (ir::is_narrow_softmax(graph, node) && find_entry(target, "Softmax:narrow")) return "Softmax:narrow";
  if (ir::is_one_of(node, {"Softmax", "LogSoftmax"}) && !along_last_axis(graph, node)) return "Softmax:inner";
  if (ir::standard_op(node, "MatMul") && !ir::constant_input(graph, node, 1)) return "MatMul:activations";
  if (find_entry(target, "DepthToSpace:pixels") &&
      ir::pixel_shuffle_at(graph, ir::value_at(graph, node.outputs[0]).producer))
    return "DepthToSpace:pixels";
  const ir::Tensor* kernel = image_kernel(graph, node);
  if (!kernel) return node.op_type;
  if (one_channel_each(graph, node, *kernel)) return std::string(ir::rule_name(graph, node));
  return window_of(*kernel) == 1 ? "Conv:pointwise" : "Conv";
}

double whole_vectors(double channels) {
  return std::ceil(channels / kVector) * kVector;
}

double& at(CostTerms& table, CostTerm term) {
  return table[static_cast<size_t>(term)];
}

// In `groups`, as which it is written: the kernel has zeros between those that are one.
void add_convolution(const ir::Graph& graph, const ir::Node& node, ir::Tensor kernel, int64_t groups,
                     CostTerms& work) {
  kernel.dims[1] *= ir::int_attribute(node, "group", 1) / groups;
  const bool depthwise = one_channel_each(graph, node, kernel);
  const double window = static_cast<double>(window_of(kernel)), outputs = static_cast<double>(kernel.dims[0]),
               positions = at(work, CostTerm::kOutput) / outputs;
  const int64_t per_group = kernel.dims[0] / groups,
                beyond = (depthwise ? kernel.dims[0] : per_group) % kVector;
  const int64_t inputs = kernel.dims[1] * groups;
  const bool first = inputs < target::kBlock;  // images have a kernel of their own
  at(work, CostTerm::kWeight) = static_cast<double>(kernel.size());
  if (kernel.dims[0] % target::kBlock != 0 || (!first && inputs % target::kBlock != 0))
    at(work, CostTerm::kLoose) = positions * static_cast<double>(kernel.size());
  if (window > 1)
    at(work, CostTerm::kPatch) = positions * window * (depthwise ? 1.0 : static_cast<double>(groups));
  if (depthwise) {
    at(work, CostTerm::kMac) = positions * window * (outputs - static_cast<double>(beyond));
    at(work, CostTerm::kTail) = positions * window * static_cast<double>(beyond);
    return;
  }
  const double each = static_cast<double>(groups);
  if (kernel.dims[1] < kVector) at(work, CostTerm::kThin) = positions * static_cast<double>(kernel.size());
  at(work, CostTerm::kMac) = positions * window * static_cast<double>(kernel.dims[1]) *
                             whole_vectors(static_cast<double>(per_group)) * each;
  at(work, CostTerm::kTail) = positions * static_cast<double>(beyond) * each;
  at(work, CostTerm::kStep) = positions * window * whole_vectors(static_cast<double>(per_group)) * each;
}

void add_transposed(const ir::Graph& graph, const ir::Node& node, CostTerms& work) {
  const ir::Tensor* kernel = ir::constant_input(graph, node, 1);
  if (!kernel || kernel->dims.size() < 3) return;
  const double inputs = static_cast<double>(kernel->dims[0]),
               products = at(work, CostTerm::kInput) * static_cast<double>(window_of(*kernel)) *
                          whole_vectors(static_cast<double>(kernel->dims[1]));
  at(work, CostTerm::kWeight) = static_cast<double>(kernel->size());
  at(work, CostTerm::kMac) = products;
  at(work, CostTerm::kStep) = products / inputs * static_cast<double>(ir::int_attribute(node, "group", 1));
  const double unrounded = at(work, CostTerm::kInput) / inputs * static_cast<double>(kernel->size());
  at(work, CostTerm::kLoose) = unrounded;
  at(work, CostTerm::kPatch) = unrounded / inputs * static_cast<double>(ir::int_attribute(node, "group", 1));
}

// Gates of all steps at once for the inputs, then step by step for what was remembered.
void add_recurrent(const ir::Graph& graph, const ir::Node& node, CostTerms& work) {
  const ir::Tensor *inputs = ir::constant_input(graph, node, 1), *state = ir::constant_input(graph, node, 2);
  const std::vector<int64_t>& dims = ir::value_at(graph, node.inputs[0]).dims;
  if (!inputs || !state || dims.size() != 3 || dims[2] <= 0) return;
  const int64_t steps = dims[ir::int_attribute(node, "layout", 0) == 0 ? 0 : 1];
  at(work, CostTerm::kMac) = at(work, CostTerm::kInput) / static_cast<double>(dims[2]) *
                             static_cast<double>(inputs->size() + state->size());
  at(work, CostTerm::kWeight) = static_cast<double>(std::max<int64_t>(0, steps) * state->size());
}

void add_product(const ir::Graph& graph, const ir::Node& node, CostTerms& work) {
  const ir::Value& out = ir::value_at(graph, node.outputs[0]);
  const double macs = static_cast<double>(ir::macs(graph, node));
  if (out.dims.empty() || out.dims.back() <= 0) return;
  const double columns = static_cast<double>(out.dims.back());
  at(work, CostTerm::kMac) = macs / columns * whole_vectors(columns);
  at(work, CostTerm::kTail) =
      at(work, CostTerm::kOutput) / columns * static_cast<double>(out.dims.back() % kVector);
  if (const ir::Tensor* weight = ir::constant_input(graph, node, 1))
    at(work, CostTerm::kWeight) = static_cast<double>(weight->size());
}

// Of the first output; 0 where it is no image.
double positions_of(const ir::Graph& graph, const ir::Node& node) {
  const std::vector<int64_t>& dims = ir::value_at(graph, node.outputs[0]).dims;
  if (dims.size() != 4 || dims[1] <= 0) return 0;
  return static_cast<double>(ir::elements(graph, node.outputs[0])) / static_cast<double>(dims[1]);
}

void add_pooling(const ir::Graph& graph, const ir::Node& node, CostTerms& work) {
  double window = 1;
  for (const int64_t size : ir::ints_attribute(node, "kernel_shape")) window *= static_cast<double>(size);
  at(work, CostTerm::kMac) = at(work, CostTerm::kOutput) * window;
  at(work, CostTerm::kPiece) = positions_of(graph, node) * window;
}

constexpr std::array kInPieces{"Concat", "DepthToSpace", "Pad", "Resize", "Slice", "SpaceToDepth", "Split"};

void add_pieces(const ir::Graph& graph, const ir::Node& node, CostTerms& work) {
  const bool joins = ir::standard_op(node, "Concat");
  at(work, CostTerm::kPiece) =
      positions_of(graph, node) * (joins ? static_cast<double>(node.inputs.size()) : 1);
}

// A constant that is not written repeated is read run by run.
void add_runs(const ir::Graph& graph, const ir::Node& node, CostTerms& work) {
  const std::optional<ir::ShortRuns> runs = ir::short_runs(graph, node);
  if (runs && runs->tiled.empty() && runs->length < target::kShort)
    at(work, CostTerm::kPiece) = static_cast<double>(runs->count);
}

double time_of(const CostTerms& each, const CostTerms& work) {
  return std::inner_product(each.begin(), each.end(), work.begin(), 0.0);
}

CostTerms conversion_of(int64_t elements) {
  CostTerms work{};
  at(work, CostTerm::kNode) = 1;
  at(work, CostTerm::kInput) = at(work, CostTerm::kOutput) = static_cast<double>(elements);
  at(work, CostTerm::kFar) = static_cast<double>(std::max<int64_t>(0, 2 * elements - target::kNear));
  return work;
}

// The float convolution that does this Add on its way out, where the target's do: it writes whole blocks of
// channels, and only the Add reads them. kNone where there is none.
ir::NodeId convolution_that_adds(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "Add")) return ir::kNone;
  const std::vector<int64_t>& dims = ir::value_at(graph, node.outputs[0]).dims;
  for (auto v = node.inputs.rbegin(); v != node.inputs.rend(); ++v) {
    const ir::Value& value = ir::value_at(graph, *v);
    if (value.producer == ir::kNone || value.consumers.size() != 1 || value.dims != dims ||
        dims.size() != 4 || dims[1] % target::kBlock != 0 || ir::is_output(graph, *v))
      continue;
    if (ir::standard_op(ir::node_at(graph, value.producer), "Conv")) return value.producer;
  }
  return ir::kNone;
}

// Integer pooling is slow behind a convolution in float, as the layout that it is fast in does not reach it.
void add_pooling_pair(const ir::Graph& graph, ir::NodeId id, const target::TargetSpec& target,
                      const CostTerms& work, PlacementCosts& costs) {
  const ir::Node& node = ir::node_at(graph, id);
  const target::OpCost *planar = find_entry(target, "MaxPool:planar"), *own = find_entry(target, "MaxPool");
  const ir::NodeId before = ir::standard_op(node, "MaxPool") ? convolution_before(graph, node) : ir::kNone;
  if (!planar || !own || before == ir::kNone) return;
  const double slower = time_of(planar->integer, work) - time_of(own->integer, work);
  costs.pairs.push_back({before, id, std::max(0.0, slower)});
}

// And pooling in float before integer readers is integer pooling: the runtime rounds before it, where there
// are more elements but no values that were not there.
double of_pooling_rounded_before(const ir::Graph& graph, ir::ValueId v, const target::TargetSpec& target) {
  const ir::Value& value = ir::value_at(graph, v);
  const target::OpCost *planar = find_entry(target, "MaxPool:planar"), *own = find_entry(target, "MaxPool");
  if (!planar || !own || value.producer == ir::kNone || ir::is_output(graph, v)) return 0;
  const ir::Node& node = ir::node_at(graph, value.producer);
  if (!ir::standard_op(node, "MaxPool")) return 0;
  const CostTerms work = work_of(graph, node);
  return std::max(0.0, time_of(planar->integer, work) - time_of(own->floating, work));
}

// The Mul of x * Sigmoid(x) that reads this Sigmoid and nobody else does; kNone for others.
ir::NodeId gate_of(const ir::Graph& graph, const ir::Node& sigmoid) {
  if (!ir::standard_op(sigmoid, "Sigmoid")) return ir::kNone;
  const ir::Value& value = ir::value_at(graph, sigmoid.outputs[0]);
  if (value.consumers.size() != 1 || ir::is_output(graph, sigmoid.outputs[0])) return ir::kNone;
  const ir::Node& node = ir::node_at(graph, value.consumers[0]);
  const bool gates = ir::standard_op(node, "Mul") && std::find(node.inputs.begin(), node.inputs.end(),
                                                               sigmoid.inputs[0]) != node.inputs.end();
  return gates ? value.consumers[0] : ir::kNone;
}

// In float the runtime makes one kernel of both, unless x comes from integers, which each of them then has
// turned to floats for itself.
void add_gate(const ir::Graph& graph, ir::NodeId id, const target::TargetSpec& target, const CostTerms& work,
              PlacementCosts& costs, double& floating) {
  const target::OpCost* joined = find_entry(target, "Mul:gate");
  const ir::Node& node = ir::node_at(graph, id);
  if (!joined) return;
  if (const ir::NodeId gate = gate_of(graph, node); gate != ir::kNone) {
    costs.pairs.push_back({id, gate, floating});
    floating = 0;
    return;
  }
  for (const ir::ValueId v : node.inputs) {
    const ir::NodeId maker = v == ir::kNone ? ir::kNone : ir::value_at(graph, v).producer;
    if (maker == ir::kNone || gate_of(graph, ir::node_at(graph, maker)) != id) continue;
    const ir::Node& sigmoid = ir::node_at(graph, maker);
    const double apart = floating + time_of(cost_entry(target, "Sigmoid").floating, work),
                 together = std::min(apart, time_of(joined->floating, work));
    const ir::NodeId before = ir::value_at(graph, sigmoid.inputs[0]).producer;
    if (before != ir::kNone) costs.pairs.push_back({id, before, apart - together});
    floating = together;
    return;
  }
}

// More than anything else costs, noise included: nobody has measured what it is to round between the two.
constexpr double kNeverApart = 1e15;

// An Add that a product of matrices does by the way: for nothing, and in the same place, unless a rule has
// put one of them into another.
bool is_bias(const ir::Graph& graph, ir::NodeId id, const target::TargetSpec& target,
             const std::vector<Capability>& capabilities, const NodeCost& own, PlacementCosts& costs) {
  const ir::Node& node = ir::node_at(graph, id);
  if (!target.bias_in_products || !ir::standard_op(node, "Add")) return false;
  for (const ir::ValueId v : node.inputs) {
    const ir::NodeId maker = v == ir::kNone ? ir::kNone : ir::value_at(graph, v).producer;
    if (maker == ir::kNone || ir::bias_add(graph, maker) != id) continue;
    const auto free = [&](ir::NodeId n) { return capabilities[n].ability != Ability::kFloatOnly; };
    if (free(id) != free(maker)) return false;
    const bool ruled = capabilities[id].pinned || capabilities[maker].pinned;
    if (free(id)) {
      costs.pairs.push_back({id, maker, ruled ? own.floating : kNeverApart});
      costs.pairs.push_back({maker, id, ruled ? own.integer : kNeverApart});
    }
    return true;
  }
  return false;
}

// Nanoseconds of a processor as fast as all of them together; each counts by its weight, whatever its own
// speed.
PlacementCosts weighted_mean(const ir::Graph& graph, const std::vector<ProcessorCosts>& each,
                             const std::vector<double>& weights) {
  PlacementCosts mean;
  mean.nodes.resize(each[0].time.nodes.size());
  mean.without_choice.resize(each[0].time.without_choice.size());
  mean.values.resize(each[0].time.values.size());
  mean.pairs = each[0].time.pairs;
  for (PairCost& pair : mean.pairs) pair.apart = 0;
  const std::vector<bool> nowhere(mean.nodes.size());
  std::vector<double> in_float;
  for (const ProcessorCosts& one : each)
    in_float.push_back(std::max(one.time.elsewhere + cost_of(graph, nowhere, one.time), 1e-9));
  const double unit = std::accumulate(in_float.begin(), in_float.end(), 0.0) /
                      static_cast<double>(each.size()) / std::accumulate(weights.begin(), weights.end(), 0.0);
  for (size_t p = 0; p < each.size(); ++p) {
    const PlacementCosts& own = each[p].time;
    const double share = unit * weights[p] / in_float[p];
    mean.elsewhere += share * own.elsewhere;
    for (size_t n = 0; n < mean.nodes.size(); ++n) {
      mean.nodes[n].integer += share * own.nodes[n].integer;
      mean.nodes[n].floating += share * own.nodes[n].floating;
    }
    for (size_t n = 0; n < mean.without_choice.size(); ++n) {
      mean.without_choice[n].integer += share * own.without_choice[n].integer;
      mean.without_choice[n].floating += share * own.without_choice[n].floating;
    }
    for (size_t v = 0; v < mean.values.size(); ++v) {
      mean.values[v].quantize += share * own.values[v].quantize;
      mean.values[v].dequantize += share * own.values[v].dequantize;
      mean.values[v].rounding += share * own.values[v].rounding;
    }
    for (size_t i = 0; i < mean.pairs.size(); ++i) mean.pairs[i].apart += share * own.pairs[i].apart;
  }
  return mean;
}

}  // namespace

CostTerms work_of(const ir::Graph& sized, const ir::Node& node, std::optional<int64_t> groups) {
  CostTerms work{};
  int64_t input = 0, output = 0;
  for (const ir::ValueId v : node.outputs)
    if (v != ir::kNone) output += ir::elements(sized, v);
  for (const ir::ValueId v : node.inputs)
    if (v != ir::kNone && !ir::value_at(sized, v).constant) input = std::max(input, ir::elements(sized, v));
  at(work, CostTerm::kNode) = 1;
  at(work, CostTerm::kInput) = static_cast<double>(input);
  at(work, CostTerm::kOutput) = static_cast<double>(output);
  at(work, CostTerm::kFar) = static_cast<double>(std::max<int64_t>(0, input + output - target::kNear));
  if (const ir::Tensor* kernel = image_kernel(sized, node))
    add_convolution(sized, node, *kernel, groups.value_or(ir::int_attribute(node, "group", 1)), work);
  else if (ir::is_one_of(node, {"Gemm", "MatMul"}))
    add_product(sized, node, work);
  else if (ir::standard_op(node, "ConvTranspose"))
    add_transposed(sized, node, work);
  else if (ir::is_one_of(node, {"LSTM", "GRU", "RNN"}))
    add_recurrent(sized, node, work);
  else if (ir::is_one_of(node, {"MaxPool", "AveragePool"}))
    add_pooling(sized, node, work);
  else if (ir::is_one_of(node, {"Add", "Mul"}))
    add_runs(sized, node, work);
  else if (std::any_of(kInPieces.begin(), kInPieces.end(),
                       [&](const char* op) { return ir::standard_op(node, op); }))
    add_pieces(sized, node, work);
  return work;
}

PlacementCosts time_costs(const ir::Graph& sized, const std::vector<Capability>& capabilities,
                          const target::TargetSpec& target) {
  PlacementCosts costs;
  costs.nodes.resize(sized.nodes.size());
  costs.without_choice.resize(sized.nodes.size());
  costs.values.resize(sized.values.size());
  const target::OpCost* merged = find_entry(target, "Conv:merged");
  const std::map<ir::NodeId, int64_t> merging =
      merged ? ir::merged_groups(sized) : std::map<ir::NodeId, int64_t>{};
  for (const ir::NodeId id : ir::topological_order(sized)) {
    const size_t n = static_cast<size_t>(id);
    const ir::Node& node = sized.nodes[n];
    if (capabilities[n].ability == Ability::kFollows) continue;  // they cost nothing on either side
    const CostTerms work = work_of(sized, node);
    const target::OpCost& entry = cost_entry(target, cost_key(target, sized, node));
    double floating = time_of(entry.floating, work);
    const target::OpCost* on_the_way = find_entry(target, "Add:on_the_way");
    if (const ir::NodeId adds = on_the_way ? convolution_that_adds(sized, node) : ir::kNone;
        adds != ir::kNone) {
      const double joined = std::min(floating, time_of(on_the_way->floating, work));
      costs.pairs.push_back({id, adds, floating - joined});
      floating = joined;
    }
    add_pooling_pair(sized, id, target, work, costs);
    add_gate(sized, id, target, work, costs, floating);
    const auto wide = merging.find(id);
    const double integer =
        wide == merging.end()
            ? time_of(entry.integer, work)
            : time_of(window_of(*image_kernel(sized, node)) > 1 ? merged->integer : entry.integer,
                      work_of(sized, node, wide->second));
    NodeCost own{integer, floating};
    if (is_bias(sized, id, target, capabilities, own, costs)) own = {};
    const bool no_choice = capabilities[n].ability == Ability::kFloatOnly;
    if (no_choice) costs.elsewhere += own.floating;
    (no_choice ? costs.without_choice : costs.nodes)[n] = own;
  }
  for (size_t v = 0; v < sized.values.size(); ++v) {
    const ir::Value& value = sized.values[v];
    if (value.constant || value.dtype != ir::DType::kFloat) continue;
    const std::string form = value.dims.size() == 4 ? ":4d" : "";
    const CostTerms work = conversion_of(ir::elements(sized, static_cast<ir::ValueId>(v)));
    costs.values[v] = {time_of(cost_entry(target, "QuantizeLinear" + form).floating, work) +
                           of_pooling_rounded_before(sized, static_cast<ir::ValueId>(v), target),
                       time_of(cost_entry(target, "DequantizeLinear" + form).floating, work)};
    // An integer kernel that can hand out floats needs no conversion behind it.
    if (value.producer != ir::kNone && target::rule_for(target, ir::node_at(sized, value.producer).op_type,
                                                        ir::node_at(sized, value.producer).domain)
                                           .float_output)
      costs.values[v].dequantize = 0;
  }
  return costs;
}

std::vector<ProcessorCosts> time_costs_on_each(const ir::Graph& sized,
                                               const std::vector<Capability>& capabilities,
                                               const target::TargetSpec& target) {
  if (target.costs_on.empty()) return {{"", time_costs(sized, capabilities, target)}};
  std::vector<ProcessorCosts> each;
  for (const auto& [processor, costs] : target.costs_on)
    each.push_back({processor, time_costs(sized, capabilities, target::on_processor(target, processor))});
  return each;
}

double time_ratio(const ir::Graph& graph, const std::vector<bool>& integer, const PlacementCosts& time) {
  const double in_float = time.elsewhere + cost_of(graph, std::vector<bool>(integer.size()), time);
  return in_float > 0 ? (time.elsewhere + cost_of(graph, integer, time)) / in_float : 1;
}

double slowest_ratio(const ir::Graph& graph, const std::vector<bool>& integer,
                     const std::vector<ProcessorCosts>& each) {
  double slowest = 0;
  for (const ProcessorCosts& one : each) slowest = std::max(slowest, time_ratio(graph, integer, one.time));
  return slowest;
}

PlacementCosts costs_for_all(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                             const std::vector<ProcessorCosts>& each, double limit) {
  constexpr int kSteps = 4;  // each makes the slow processor count for twice as much against the others
  if (each.size() == 1) return each[0].time;
  std::vector<double> weights(each.size(), 1.0);
  for (int step = 0;; ++step) {
    PlacementCosts mean = weighted_mean(graph, each, weights);
    if (step == kSteps) return mean;
    const std::vector<bool> fastest = place(graph, capabilities, mean);
    size_t slow = 0;
    double slowest = 0;
    for (size_t p = 0; p < each.size(); ++p)
      if (const double ratio = time_ratio(graph, fastest, each[p].time); ratio > slowest) {
        slow = p;
        slowest = ratio;
      }
    if (slowest <= limit) return mean;
    weights[slow] *= 2;
  }
}

std::string describe_unpriced(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                              const target::TargetSpec& target) {
  if (target.costs.empty())
    return format("the target {} has no cost table: integers are placed wherever it has a kernel",
                  target.name);
  std::map<std::string, int> counts;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (capabilities[id].ability != Ability::kInteger) continue;
    if (!own_entry(target, cost_key(target, graph, node))) ++counts[node.op_type];
  }
  std::vector<std::string> parts;
  for (const auto& [op, count] : counts) parts.push_back(format("{} {}", count, op));
  if (parts.empty()) return {};
  return format("ops without an entry in the target's cost table, taken to cost {}: {}",
                target.costs.contains("*") ? "what its entry '*' says" : "nothing on either side",
                join(parts, ", "));
}

}  // namespace qc::select
