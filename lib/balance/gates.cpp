// Equalization through SiLU and HardSwish, x g(x): the channel is multiplied before, the gate's own input is
// divided again by one Mul, and the layers behind take the factor back (for SwiGLU: I-LLM, Hu et al. 2024,
// arXiv:2405.17849). Exact whatever g is.
#include <algorithm>
#include <cmath>

#include "balance/balance.h"
#include "balance/chains.h"
#include "base/decibels.h"
#include "base/text.h"
#include "ir/edit.h"

namespace qc::balance {
namespace {

using ir::Channels;
using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr double kMostScale = 64;  // of a channel
// Predicted noise, without over with: a gate costs a Mul. Unasked, nothing is tried for less than 6 dB, as in
// norms.cpp.
constexpr double kWorthwhile = 2, kWorthwhileUnasked = 4;
constexpr double kHidden = 0.25;  // steps of the layer's own result may grow by this share

struct Gate {
  ir::Linear before;
  std::vector<ir::Linear> behind;
  ValueId x = kNone, result = kNone;
  NodeId curve = kNone;  // Sigmoid or HardSigmoid
};

std::optional<Gate> gate_of(const Graph& graph, const plan::Idiom& idiom) {
  const bool gated = idiom.kind == plan::IdiomKind::kSilu || idiom.kind == plan::IdiomKind::kHardSwish;
  if (!gated || idiom.nodes.size() != 2 || idiom.inputs.size() != 1) return std::nullopt;
  Gate gate;
  gate.x = idiom.inputs[0];
  gate.result = idiom.output;
  const NodeId maker = value_at(graph, gate.x).producer;
  const auto before = maker == kNone ? std::nullopt : linear_at(graph, maker);
  if (!before || before->channel_axis != 1 || is_output(graph, gate.x) || is_output(graph, gate.result) ||
      captured(graph, gate.x) || captured(graph, gate.result))
    return std::nullopt;
  gate.before = *before;
  const auto inside = [&](NodeId id) {
    return std::find(idiom.nodes.begin(), idiom.nodes.end(), id) != idiom.nodes.end();
  };
  for (const NodeId id : value_at(graph, gate.x).consumers)
    if (!inside(id)) return std::nullopt;
  for (const NodeId id : idiom.nodes)
    if (ir::is_one_of(node_at(graph, id), {"Sigmoid", "HardSigmoid"})) gate.curve = id;
  const NodeId product = value_at(graph, gate.result).producer;
  const auto& factors = node_at(graph, product).inputs;
  const bool plain = gate.curve != kNone && ir::standard_op(node_at(graph, product), "Mul") &&
                     std::count(factors.begin(), factors.end(), gate.x) == 1;
  if (!plain) return std::nullopt;
  for (const NodeId id : value_at(graph, gate.result).consumers) {
    const auto reader = linear_at(graph, id);
    if (!reader || reader->channel_axis != 1 || reader->in_channels != before->out_channels ||
        node_at(graph, id).inputs[0] != gate.result)
      return std::nullopt;
    gate.behind.push_back(*reader);
  }
  return gate.behind.empty() ? std::nullopt : std::optional(gate);
}

const plan::TensorStats* stats_of(const Seen& seen, ValueId value, int64_t channels) {
  const auto found = seen.stats.find(value);
  const bool known =
      found != seen.stats.end() && found->second.channel_max.size() == static_cast<size_t>(channels);
  return known ? &found->second : nullptr;
}

double range_of(const plan::TensorStats& stats, size_t channel) {
  return std::max(std::abs(static_cast<double>(stats.channel_max[channel])),
                  std::abs(static_cast<double>(stats.channel_min[channel])));
}

/// Every channel fills the tensor's range, as far as the layer's own result, which is rounded as well,
/// allows: where it is not known by channel it is bounded by x <= x g(x) + 1 for the positive side alone.
Channels scales_of(const Seen& seen, const Gate& gate, const plan::TensorStats& stats) {
  const auto own = seen.stats.find(gate.x);
  const double reach = own == seen.stats.end() ? INFINITY
                                               : std::max(std::abs(static_cast<double>(own->second.min)),
                                                          std::abs(static_cast<double>(own->second.max)));
  const plan::TensorStats* by_channel = stats_of(seen, gate.x, gate.before.out_channels);
  double most = 0;
  for (size_t c = 0; c < stats.channel_max.size(); ++c) most = std::max(most, range_of(stats, c));
  Channels scale(stats.channel_max.size(), 1.0);
  for (size_t c = 0; c < scale.size(); ++c) {
    const double range = range_of(stats, c);
    if (!(range > 0)) continue;
    const double room = by_channel && range_of(*by_channel, c) > 0
                            ? (1 + kHidden) * reach / range_of(*by_channel, c)
                            : kMostScale;
    scale[c] = std::clamp(std::min(most / range, room), 1.0, kMostScale);
  }
  return scale;
}

bool rewrite(Graph& graph, const Gate& gate, const Channels& scale) {
  const Channels zeros(scale.size(), 0.0);
  Channels back;
  for (const double s : scale) back.push_back(1 / s);
  const Graph kept = graph;
  bool good = fold_behind(graph, gate.before, scale, zeros);
  for (const ir::Linear& reader : gate.behind) good = good && fold_before(graph, reader, back, zeros);
  if (!good) {
    graph = kept;
    return false;
  }
  ir::Dims dims(gate.before.rank, 1);
  dims[1] = gate.before.out_channels;
  const std::string name = node_at(graph, gate.curve).name;
  const ValueId factors = ir::add_constant(
      graph, name + "/scale", ir::float_tensor(std::vector<float>(back.begin(), back.end()), dims));
  const ValueId plain = insert_node(graph, "Mul", {gate.x, factors}, {}, name + "/unscaled", gate.curve);
  copy_shape(graph, gate.x, plain);
  const auto& inputs = node_at(graph, gate.curve).inputs;
  const auto slot = static_cast<size_t>(std::find(inputs.begin(), inputs.end(), gate.x) - inputs.begin());
  ir::set_input(graph, gate.curve, slot, plain);
  return true;
}

}  // namespace

Done equalize_gates(Graph& graph, const Seen& seen) {
  const bool asked = seen.config.gate_equalization.value_or(false);
  const double worthwhile = asked ? kWorthwhile : kWorthwhileUnasked;
  Done done;
  for (const plan::Idiom& idiom : seen.idioms) {
    // HardSwish is one kernel in some formats, which the Mul inside would take apart.
    if (!asked && idiom.kind != plan::IdiomKind::kSilu) continue;
    const auto gate = gate_of(graph, idiom);
    const plan::TensorStats* stats = gate ? stats_of(seen, gate->result, gate->before.out_channels) : nullptr;
    if (!stats) continue;
    const Channels scale = scales_of(seen, *gate, *stats);
    Channels powers(scale.size(), 0.0), ranges, after;
    for (const ir::Linear& reader : gate->behind) {
      const Channels one = input_powers(graph, reader);
      for (size_t c = 0; c < powers.size(); ++c) powers[c] += one[c];
    }
    double noise = 0, noise_after = 0;
    for (size_t c = 0; c < scale.size(); ++c) {
      noise += powers[c];
      noise_after += powers[c] / (scale[c] * scale[c]);
      ranges.push_back(range_of(*stats, c));
      after.push_back(ranges.back() * scale[c]);
    }
    if (!(noise > worthwhile * noise_after) || !rewrite(graph, *gate, scale)) continue;
    done.sites.push_back(
        {node_at(graph, gate->before.node).name,
         format("ranges of its gated channels 1:{:.3g} -> 1:{:.3g}", spread_of(ranges), spread_of(after)),
         decibels(noise / noise_after)});
  }
  return done;
}

}  // namespace qc::balance
