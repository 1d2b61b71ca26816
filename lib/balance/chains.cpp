// See chains.h.
#include "balance/chains.h"

#include <algorithm>
#include <cmath>

#include "ir/edit.h"

namespace qc::balance {
namespace {

using ir::Channels;
using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// [N, C, 1, ...] to [N, C]: the channels stay where they are.
bool drops_ones(const Graph& graph, const Node& node) {
  if (!ir::is_one_of(node, {"Reshape", "Flatten", "Squeeze"})) return false;
  const ir::Value& in = value_at(graph, node.inputs[0]);
  const ir::Value& out = value_at(graph, node.outputs[0]);
  if (!in.has_shape || !out.has_shape || in.dims.size() < 2 || out.dims.size() != 2) return false;
  return in.dims[1] > 0 && in.dims[1] == out.dims[1] &&
         std::all_of(in.dims.begin() + 2, in.dims.end(), [](int64_t d) { return d == 1; });
}

std::optional<double> clip_from_zero(const Graph& graph, const Node& node) {
  if (!ir::standard_op(node, "Clip") || node.inputs.size() < 3 || node.inputs[1] == kNone ||
      node.inputs[2] == kNone)
    return std::nullopt;
  const auto low = ir::scalar_constant(graph, node.inputs[1]),
             high = ir::scalar_constant(graph, node.inputs[2]);
  return low && high && *low == 0 && *high > 0 ? high : std::nullopt;
}

/// Takes the node into the chain if factors of channels pass it.
bool pass(const Graph& graph, NodeId id, ValueId from, Chain& chain) {
  const Node& node = node_at(graph, id);
  const bool by_channel = chain.before.channel_axis == 1;
  if (ir::is_one_of(node, {"Relu", "LeakyRelu"})) {
    if (node.op_type == "Relu") chain.relu = id;
    return true;
  }
  if (ir::is_one_of(node, {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}))
    return by_channel;
  if (ir::standard_op(node, "PRelu")) return node.inputs[0] == from && float_constant(graph, node, 1);
  if (drops_ones(graph, node)) return by_channel;
  if (const auto bound = clip_from_zero(graph, node); bound && chain.clip == kNone && chain.least == kNone) {
    chain.clip = id;
    chain.bound = *bound;
    return true;
  }
  if (!ir::standard_op(node, "Min") || node.inputs.size() != 2 || chain.clip != kNone ||
      chain.least != kNone || chain.before.rank < 1)
    return false;
  const size_t slot = node.inputs[0] == from ? 1 : 0;
  const auto bounds = channel_constant(graph, node.inputs[slot], chain.before.out_channels, chain.before.rank,
                                       chain.before.channel_axis);
  if (!bounds || std::any_of(bounds->begin(), bounds->end(), [](double b) { return !(b > 0); })) return false;
  chain.least = id;
  chain.bounds = *bounds;
  return true;
}

/// All readers of the value, if they are layers that multiply its channels.
std::vector<ir::Linear> readers(const Graph& graph, ValueId value, int64_t channels) {
  std::vector<ir::Linear> all;
  for (const NodeId id : value_at(graph, value).consumers) {
    const auto linear = linear_at(graph, id);
    if (!linear || node_at(graph, id).inputs[0] != value || linear->in_channels != channels) return {};
    if (std::count(node_at(graph, id).inputs.begin(), node_at(graph, id).inputs.end(), value) != 1) return {};
    all.push_back(*linear);
  }
  return all;
}

std::optional<Chain> chain_from(const Graph& graph, NodeId id) {
  const auto first = linear_at(graph, id);
  if (!first) return std::nullopt;
  Chain chain;
  chain.before = *first;
  ValueId value = node_at(graph, id).outputs[0];
  constexpr int kLongest = 8;
  for (int step = 0; step < kLongest; ++step) {
    if (is_output(graph, value) || captured(graph, value)) return std::nullopt;
    chain.behind = readers(graph, value, chain.before.out_channels);
    if (!chain.behind.empty()) {
      chain.result = value;
      // Layers over other dimensions (MatMul on images) do not multiply these channels.
      const bool alike = std::all_of(chain.behind.begin(), chain.behind.end(), [&](const ir::Linear& reader) {
        return (reader.channel_axis == 1 && first->channel_axis == 1) || reader.rank == 2 ||
               (reader.channel_axis == -1 && first->channel_axis == -1);
      });
      return alike ? std::optional(chain) : std::nullopt;
    }
    const NodeId next = sole_consumer(graph, value);
    if (next == kNone || !pass(graph, next, value, chain)) return std::nullopt;
    chain.between.push_back(next);
    value = node_at(graph, next).outputs[0];
  }
  return std::nullopt;
}

Channels inverse(const Channels& scale) {
  Channels result;
  for (const double s : scale) result.push_back(1 / s);
  return result;
}

ir::Tensor bounds_tensor(const Chain& chain, const Channels& bounds) {
  ir::Dims dims(chain.before.rank, 1);
  dims[chain.before.channel_axis < 0 ? dims.size() - 1 : static_cast<size_t>(chain.before.channel_axis)] =
      chain.before.out_channels;
  return ir::float_tensor(std::vector<float>(bounds.begin(), bounds.end()), dims);
}

}  // namespace

std::vector<Chain> chains(const Graph& graph) {
  std::vector<Chain> all;
  for (const NodeId id : ir::topological_order(graph))
    if (auto chain = chain_from(graph, id)) all.push_back(std::move(*chain));
  return all;
}

bool scale_channels(Graph& graph, const Chain& chain, const Channels& scale) {
  const Channels zeros(scale.size(), 0.0), back = inverse(scale);
  const Graph kept = graph;
  bool good = fold_behind(graph, chain.before, scale, zeros);
  for (const ir::Linear& reader : chain.behind) good = good && fold_before(graph, reader, back, zeros);
  if (!good) {
    graph = kept;
    return false;
  }
  if (chain.least == kNone) return true;
  Channels bounds = chain.bounds;
  for (size_t c = 0; c < bounds.size(); ++c) bounds[c] *= scale[c];
  const Node& least = node_at(graph, chain.least);
  const size_t slot = ir::constant_input(graph, least, 0) ? 0 : 1;
  set_constant(graph, chain.least, slot, bounds_tensor(chain, bounds), least.name + "/bounds");
  return true;
}

void become_clip(Graph& graph, const Chain& chain, double bound) {
  const bool min_first = std::find(chain.between.begin(), chain.between.end(), chain.least) <
                         std::find(chain.between.begin(), chain.between.end(), chain.relu);
  const NodeId keeper = min_first ? chain.least : chain.relu, other = min_first ? chain.relu : chain.least;
  const auto data_of = [&](NodeId id) {
    const Node& node = node_at(graph, id);
    return node.inputs[ir::constant_input(graph, node, 0) ? 1 : 0];
  };
  const std::string name = node_at(graph, keeper).name;
  const ValueId low = ir::add_constant(graph, name + "/low", ir::scalar(0.0f)),
                high = ir::add_constant(graph, name + "/high", ir::scalar(static_cast<float>(bound)));
  bypass(graph, other, data_of(other));
  become(graph, keeper, "Clip", {data_of(keeper), low, high}, {});
}

void split_clip(Graph& graph, Chain& chain) {
  const std::string name = node_at(graph, chain.clip).name;
  const ValueId x = node_at(graph, chain.clip).inputs[0];
  const ValueId positive = insert_node(graph, "Relu", {x}, {}, name + "/positive", chain.clip);
  copy_shape(graph, x, positive);
  chain.bounds.assign(chain.before.out_channels, chain.bound);
  const ValueId bounds = ir::add_constant(graph, name + "/bounds", bounds_tensor(chain, chain.bounds));
  become(graph, chain.clip, "Min", {positive, bounds}, {});
  chain.relu = value_at(graph, positive).producer;
  chain.least = chain.clip;
  chain.clip = kNone;
}

double spread_of(const Channels& ranges) {
  double least = INFINITY, most = 0;
  for (const double r : ranges) {
    if (!(r > 0)) continue;
    least = std::min(least, r);
    most = std::max(most, r);
  }
  return most > 0 ? most / least : 1;
}

}  // namespace qc::balance
