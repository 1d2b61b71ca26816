// See rewrite.h. A region is a set of nodes that only move whole channels (ChannelShuffle, Split, Concat). It
// has sources, the values that enter it, and sinks, those that leave it. Channels of a source that leave in
// the same sinks travel together: the source makes them side by side, a Split cuts it into such pieces, a
// Concat of pieces is a sink. In ShuffleNet, where half of the channels wait while the other half is worked
// on, this also saves carrying those that wait from unit to unit.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "tflite/rewrite.h"

namespace qc::tflite {
namespace {

using plan::Compute;
using Order = std::vector<int64_t>;  // new channel -> old channel

struct Channel {
  size_t source = 0;
  int64_t index = 0;
};

struct Region {
  std::set<ir::NodeId> nodes;
  std::vector<ir::ValueId> sources, sinks;
  std::map<ir::ValueId, std::vector<Channel>> channels;  // of every value in it
};

struct Piece {
  size_t source = 0;
  std::vector<size_t> sinks;
  std::vector<int64_t> channels;  // of the source, as it was
  ir::ValueId value = ir::kNone;
};

// What a node has to change when channels pass it in another order. One node, one change: a depthwise
// convolution between a sink and a source would need two that agree.
struct Permutation {
  ir::NodeId node;
  bool outputs, inputs;
  const Order* order;
};
using Permutations = std::vector<Permutation>;

bool moves_channels(const plan::QuantizedModel& model, ir::NodeId id) {
  if (id == ir::kNone) return false;
  const ir::Node& node = ir::node_at(model.graph, id);
  if (node.erased || !node.domain.empty()) return false;
  if (node.op_type == "ChannelShuffle") return true;
  if (node.op_type != "Split" && node.op_type != "Concat") return false;
  const size_t rank = ir::value_at(model.graph, node.outputs[0]).dims.size();
  const int64_t axis = ir::int_attribute(node, "axis", 0);
  const bool activations = std::none_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId v) {
    return node.op_type == "Concat" && ir::value_at(model.graph, v).constant;
  });
  const bool whole = std::find(node.outputs.begin(), node.outputs.end(), ir::kNone) == node.outputs.end();
  return rank >= 3 && activations && whole && (axis == 1 || axis + static_cast<int64_t>(rank) == 1);
}

// The values a mover reads: a Split's sizes are no value that moves.
std::vector<ir::ValueId> read_by(const ir::Node& node) {
  return node.op_type == "Concat" ? node.inputs : std::vector<ir::ValueId>{node.inputs[0]};
}

void grow(const plan::QuantizedModel& model, ir::NodeId from, Region& region) {
  std::vector<ir::NodeId> open{from};
  while (!open.empty()) {
    const ir::NodeId id = open.back();
    open.pop_back();
    if (!moves_channels(model, id) || !region.nodes.insert(id).second) continue;
    for (const ir::ValueId v : read_by(ir::node_at(model.graph, id))) {
      open.push_back(ir::value_at(model.graph, v).producer);
      for (const ir::NodeId reader : ir::value_at(model.graph, v).consumers) open.push_back(reader);
    }
    for (const ir::ValueId v : ir::node_at(model.graph, id).outputs)
      for (const ir::NodeId reader : ir::value_at(model.graph, v).consumers) open.push_back(reader);
  }
}

bool leaves(const plan::QuantizedModel& model, const Region& region, ir::ValueId v) {
  const std::vector<ir::NodeId>& readers = ir::value_at(model.graph, v).consumers;
  return ir::is_output(model.graph, v) || std::any_of(readers.begin(), readers.end(), [&](ir::NodeId reader) {
           return !region.nodes.contains(reader);
         });
}

std::vector<Channel> after_shuffle(const std::vector<Channel>& before, int64_t groups) {
  std::vector<Channel> after;
  const size_t each = before.size() / static_cast<size_t>(groups);
  for (size_t k = 0; k < each; ++k)
    for (size_t group = 0; group < static_cast<size_t>(groups); ++group)
      after.push_back(before[group * each + k]);
  return after;
}

// Follows every channel through the region.
void trace(const plan::QuantizedModel& model, const std::vector<ir::NodeId>& order, Region& region) {
  for (const ir::NodeId id : order) {
    if (!region.nodes.contains(id)) continue;
    const ir::Node& node = ir::node_at(model.graph, id);
    std::vector<Channel> in;
    for (const ir::ValueId v : read_by(node)) {
      const auto [place, enters] = region.channels.try_emplace(v);
      if (enters) {
        for (int64_t c = 0; c < ir::value_at(model.graph, v).dims[1]; ++c)
          place->second.push_back({region.sources.size(), c});
        region.sources.push_back(v);
        if (leaves(model, region, v)) region.sinks.push_back(v);
      }
      in.insert(in.end(), place->second.begin(), place->second.end());
    }
    if (node.op_type == "ChannelShuffle") in = after_shuffle(in, ir::int_attribute(node, "groups", 1));
    auto next = in.begin();
    for (const ir::ValueId v : node.outputs) {
      const auto end = next + ir::value_at(model.graph, v).dims[1];
      region.channels[v] = {next, end};
      next = end;
      if (leaves(model, region, v)) region.sinks.push_back(v);
    }
  }
}

bool acts_alone_on_channels(const ir::Node& node) {  // each channel by itself, no constants by channel
  constexpr std::string_view kOps[] = {"Relu", "LeakyRelu",   "Clip",    "Sigmoid", "Tanh",       "HardSwish",
                                       "Elu",  "HardSigmoid", "MaxPool", "Gelu",    "AveragePool"};
  return node.outputs.size() == 1 &&
         std::any_of(std::begin(kOps), std::end(kOps), [&](auto op) { return ir::standard_op(node, op); });
}

bool permutable_conv(const plan::QuantizedModel& model, const ir::Node& node) {
  return ir::standard_op(node, "Conv") && ir::constant_input(model.graph, node, 1) &&
         (node.inputs.size() < 3 || node.inputs[2] == ir::kNone || ir::constant_input(model.graph, node, 2));
}

bool is_depthwise(const plan::QuantizedModel& model, const ir::Node& node) {
  const std::vector<int64_t>& dims = ir::constant_input(model.graph, node, 1)->dims;
  return dims[1] == 1 && ir::int_attribute(node, "group", 1) == dims[0];
}

bool take(const plan::QuantizedModel& model, const Region& region, ir::ValueId v, const Order& order,
          Permutations& all);

// The reader gets the channels of `v` in the new order.
bool reader_takes(const plan::QuantizedModel& model, const Region& region, ir::NodeId reader, ir::ValueId v,
                  const Order& order, Permutations& all) {
  const ir::Node& node = ir::node_at(model.graph, reader);
  if (node.inputs[0] != v || std::count(node.inputs.begin(), node.inputs.end(), v) != 1) return false;
  if (acts_alone_on_channels(node)) return take(model, region, node.outputs[0], order, all);
  if (!permutable_conv(model, node)) return false;
  if (is_depthwise(model, node)) {
    all.push_back({reader, true, false, &order});
    return take(model, region, node.outputs[0], order, all);
  }
  all.push_back({reader, false, true, &order});
  return ir::int_attribute(node, "group", 1) == 1;
}

// All readers outside the region do.
bool take(const plan::QuantizedModel& model, const Region& region, ir::ValueId v, const Order& order,
          Permutations& all) {
  if (ir::is_output(model.graph, v)) return false;
  for (const ir::NodeId reader : ir::value_at(model.graph, v).consumers)
    if (!region.nodes.contains(reader) && !reader_takes(model, region, reader, v, order, all)) return false;
  return region.channels.contains(v) ||
         std::none_of(ir::value_at(model.graph, v).consumers.begin(),
                      ir::value_at(model.graph, v).consumers.end(),
                      [&](ir::NodeId reader) { return region.nodes.contains(reader); });
}

// Whoever makes `v` makes its channels in the new order.
bool give(const plan::QuantizedModel& model, ir::ValueId v, const Order& order, Permutations& all) {
  const ir::NodeId maker = ir::value_at(model.graph, v).producer;
  if (maker == ir::kNone) return false;
  const ir::Node& node = ir::node_at(model.graph, maker);
  const auto alone = [&] { return only_reader(model, node.inputs[0]) != ir::kNone; };
  if (acts_alone_on_channels(node)) return alone() && give(model, node.inputs[0], order, all);
  if (!permutable_conv(model, node)) return false;
  all.push_back({maker, true, false, &order});
  if (is_depthwise(model, node)) return alone() && give(model, node.inputs[0], order, all);
  return ir::int_attribute(node, "group", 1) == 1;
}

// A node may change its inputs once and its outputs once.
bool agree(const Permutations& all) {
  std::set<std::pair<ir::NodeId, bool>> seen;
  return std::all_of(all.begin(), all.end(), [&](const Permutation& p) {
    return seen.insert({p.node, p.outputs}).second;
  });
}

// Pieces of all sources, those of one source together; empty when a channel enters a sink twice.
std::vector<Piece> pieces_of(const Region& region) {
  std::vector<std::map<int64_t, std::vector<size_t>>> met(region.sources.size());
  for (size_t s = 0; s < region.sinks.size(); ++s)
    for (const Channel& c : region.channels.at(region.sinks[s])) {
      std::vector<size_t>& sinks = met[c.source][c.index];
      if (!sinks.empty() && sinks.back() == s) return {};
      sinks.push_back(s);
    }
  std::vector<Piece> pieces;
  for (size_t source = 0; source < met.size(); ++source) {
    const size_t first = pieces.size();
    const auto count = static_cast<int64_t>(region.channels.at(region.sources[source]).size());
    for (int64_t c = 0; c < count; ++c) {
      const std::vector<size_t>& sinks = met[source][c];
      const auto there = std::find_if(pieces.begin() + static_cast<std::ptrdiff_t>(first), pieces.end(),
                                      [&](const Piece& p) { return p.sinks == sinks; });
      if (there == pieces.end())
        pieces.push_back({source, sinks, {c}});
      else
        there->channels.push_back(c);
    }
  }
  return pieces;
}

Order order_of_source(const std::vector<Piece>& pieces, size_t source) {
  Order order;
  for (const Piece& piece : pieces)
    if (piece.source == source) order.insert(order.end(), piece.channels.begin(), piece.channels.end());
  return order;
}

// Where the channels stood in the sink that now arrive piece by piece.
Order order_of_sink(const std::vector<Piece>& pieces, const Region& region, size_t sink) {
  const std::vector<Channel>& old = region.channels.at(region.sinks[sink]);
  std::map<std::pair<size_t, int64_t>, int64_t> stood;
  for (size_t k = 0; k < old.size(); ++k) stood[{old[k].source, old[k].index}] = static_cast<int64_t>(k);
  Order order;
  for (const Piece& piece : pieces)
    if (std::find(piece.sinks.begin(), piece.sinks.end(), sink) != piece.sinks.end())
      for (const int64_t c : piece.channels) order.push_back(stood.at({piece.source, c}));
  return order;
}

ir::ValueId add_piece(plan::QuantizedModel& model, ir::ValueId source, int64_t channels) {
  const std::string name = ir::value_at(model.graph, source).name + "/channels";
  const ir::ValueId v = ir::add_value(model.graph, name, ir::value_at(model.graph, source).dtype);
  ir::Value& value = ir::value_at(model.graph, v);
  value.has_shape = true;
  value.dims = ir::value_at(model.graph, source).dims;
  value.dims[1] = channels;
  model.plan.values.resize(model.graph.values.size());
  model.plan.values[v] = model.plan.values[source];
  return v;
}

void add_mover(plan::QuantizedModel& model, const std::string& name, const char* op, ir::NodeId like,
               std::vector<ir::ValueId> inputs, std::vector<ir::ValueId> outputs, bool integers) {
  ir::Node node;
  node.name = name;
  node.op_type = op;
  node.attributes = {{"axis", int64_t{1}}};
  node.inputs = std::move(inputs);
  const ir::NodeId id = ir::add_node(model.graph, std::move(node));
  for (size_t slot = 0; slot < outputs.size(); ++slot) ir::set_output(model.graph, id, slot, outputs[slot]);
  model.plan.nodes.resize(model.graph.nodes.size());
  plan::NodeDecision& decision = model.plan.nodes[id];
  decision = model.plan.nodes[like];
  decision.compute = integers ? Compute::kInteger : Compute::kFloat;
}

// Region nodes go; one Split a source and one Concat a sink take their place.
void rebuild(plan::QuantizedModel& model, const Region& region, std::vector<Piece>& pieces) {
  const auto quantized = [&](ir::ValueId v) { return model.plan.values[v].quantized; };
  const ir::NodeId like = *region.nodes.begin();
  for (const ir::NodeId id : region.nodes) ir::erase_node(model.graph, id);
  for (size_t source = 0; source < region.sources.size(); ++source) {
    const ir::ValueId v = region.sources[source];
    std::vector<Piece*> own;
    for (Piece& piece : pieces)
      if (piece.source == source) own.push_back(&piece);
    if (own.size() == 1) {
      own[0]->value = v;
      continue;
    }
    std::vector<ir::ValueId> parts;
    for (Piece* piece : own)
      parts.push_back(piece->value = add_piece(model, v, static_cast<int64_t>(piece->channels.size())));
    add_mover(model, ir::value_at(model.graph, v).name + "/split", "Split", like, {v}, parts, quantized(v));
  }
  for (size_t sink = 0; sink < region.sinks.size(); ++sink) {
    const ir::ValueId v = region.sinks[sink];
    if (std::find(region.sources.begin(), region.sources.end(), v) != region.sources.end()) continue;
    std::vector<ir::ValueId> parts;
    bool integers = quantized(v);
    for (const Piece& piece : pieces)
      if (std::find(piece.sinks.begin(), piece.sinks.end(), sink) != piece.sinks.end()) {
        parts.push_back(piece.value);
        integers = integers && quantized(piece.value);
      }
    add_mover(model, ir::value_at(model.graph, v).name + "/concat", "Concat", like, parts, {v}, integers);
  }
}

void route(plan::QuantizedModel& model, Region& region) {
  trace(model, ir::topological_order(model.graph), region);
  std::vector<Piece> pieces = pieces_of(region);
  if (pieces.empty()) return;
  std::vector<Order> given(region.sources.size()), taken(region.sinks.size());
  Permutations all;
  for (size_t source = 0; source < given.size(); ++source) {
    given[source] = order_of_source(pieces, source);
    if (!give(model, region.sources[source], given[source], all)) return;
  }
  for (size_t sink = 0; sink < taken.size(); ++sink) {
    taken[sink] = order_of_sink(pieces, region, sink);
    if (!take(model, region, region.sinks[sink], taken[sink], all)) return;
  }
  if (!agree(all)) return;
  for (const Permutation& p : all) permute_weights(model, p.node, p.inputs ? 1 : 0, *p.order);
  rebuild(model, region, pieces);
}

}  // namespace

void route_channels(plan::QuantizedModel& model) {
  std::set<ir::NodeId> seen;
  const auto count = static_cast<ir::NodeId>(model.graph.nodes.size());  // of those that may be shuffles
  for (ir::NodeId id = 0; id < count; ++id) {
    if (ir::node_at(model.graph, id).erased || ir::node_at(model.graph, id).op_type != "ChannelShuffle" ||
        seen.contains(id))
      continue;
    Region region;
    grow(model, id, region);
    seen.insert(region.nodes.begin(), region.nodes.end());
    route(model, region);
  }
}

}  // namespace qc::tflite
