// SmoothQuant (arXiv:2211.10438): channels behind a LayerNormalization are divided by s = max|x|^a /
// max|w|^(1-a) in its scale and shift, and the matrices behind it are multiplied. Exact, and costs nothing.
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

constexpr double kAlpha = 0.5;  // the paper's default
// Predicted noise, without over with. Asked for, a little is enough, as it adds no node (gates do:
// gates.cpp). Unasked, nothing is tried for less than 6 dB: less brought nothing, and a trial takes a
// calibration.
constexpr double kWorthwhile = 1.1, kWorthwhileUnasked = 4;

/// A constant vector along the last dimension, and where it stands.
struct Vector {
  NodeId node = kNone;
  size_t slot = 0;
};
/// What the normalized channels are multiplied with and shifted by last.
struct Norm {
  ValueId result = kNone;
  std::vector<Vector> vectors;
  int64_t channels = 0;
};

std::optional<size_t> vector_slot(const Graph& graph, const Node& node, int64_t channels) {
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const ir::Tensor* constant = float_constant(graph, node, slot);
    if (constant && constant->size() == channels && !constant->dims.empty() &&
        constant->dims.back() == channels)
      return slot;
  }
  return std::nullopt;
}

/// LayerNormalization over the last dimension, or the Mul and Add that end one which is spelled out.
std::optional<Norm> norm_at(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  Norm norm;
  if (node.outputs.empty() || node.outputs[0] == kNone) return std::nullopt;
  norm.result = node.outputs[0];
  if (ir::standard_op(node, "LayerNormalization")) {
    const ir::Tensor* scale = float_constant(graph, node, 1);
    const int64_t rank = rank_of(graph, node.inputs[0]), axis = ir::int_attribute(node, "axis", -1);
    if (!scale || scale->dims.size() != 1 || (axis != -1 && axis != rank - 1)) return std::nullopt;
    norm.channels = scale->size();
    norm.vectors.push_back({id, 1});
    if (node.inputs.size() < 3 || node.inputs[2] == kNone) return norm;
    const ir::Tensor* shift = float_constant(graph, node, 2);
    if (!shift || shift->dims != scale->dims) return std::nullopt;
    norm.vectors.push_back({id, 2});
    return norm;
  }
  if (!ir::standard_op(node, "Add") || node.inputs.size() != 2) return std::nullopt;
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const NodeId mul = producer_if(graph, node.inputs[slot], "Mul");
    const ir::Tensor* shift = float_constant(graph, node, 1 - slot);
    if (mul == kNone || !shift || shift->dims.empty() || shift->size() != shift->dims.back() ||
        sole_consumer(graph, node.inputs[slot]) != id)
      continue;
    norm.channels = shift->size();
    const auto scale = vector_slot(graph, node_at(graph, mul), norm.channels);
    if (!scale) continue;
    norm.vectors = {{mul, *scale}, {id, 1 - slot}};
    return norm;
  }
  return std::nullopt;
}

std::vector<ir::Linear> matrices_behind(const Graph& graph, const Norm& norm) {
  std::vector<ir::Linear> all;
  if (is_output(graph, norm.result) || captured(graph, norm.result)) return {};
  for (const NodeId id : value_at(graph, norm.result).consumers) {
    const auto linear = linear_at(graph, id);
    if (!linear || linear->channel_axis != -1 || linear->in_channels != norm.channels ||
        node_at(graph, id).inputs[0] != norm.result)
      return {};
    all.push_back(*linear);
  }
  return all;
}

bool rewrite(Graph& graph, const Norm& norm, const std::vector<ir::Linear>& behind, const Channels& scale) {
  const Channels zeros(scale.size(), 0.0);
  Channels back;
  for (const double s : scale) back.push_back(1 / s);
  const Graph kept = graph;
  for (const ir::Linear& reader : behind)
    if (!fold_before(graph, reader, back, zeros)) {
      graph = kept;
      return false;
    }
  for (const Vector& vector : norm.vectors) {
    const ir::Tensor old = *ir::constant_input(graph, node_at(graph, vector.node), vector.slot);
    const auto numbers = old.as<float>();
    std::vector<float> scaled;
    for (size_t c = 0; c < numbers.size(); ++c) scaled.push_back(static_cast<float>(numbers[c] * scale[c]));
    set_constant(graph, vector.node, vector.slot, ir::float_tensor(scaled, old.dims), "scaled");
  }
  return true;
}

/// Noise of rounding x and w alike, at the matrices' results: steps of x follow its largest channel, those of
/// w its largest weights.
double noise_of(const Channels& x, const Channels& w, const Channels& scale) {
  double most_x = 0, most_w = 0, power_x = 0, power_w = 0;
  for (size_t c = 0; c < x.size(); ++c) {
    const double a = x[c] * scale[c], b = w[c] / scale[c];
    most_x = std::max(most_x, a), most_w = std::max(most_w, b);
    power_x += a * a, power_w += b * b;
  }
  return most_x * most_x * power_w + most_w * most_w * power_x;
}

}  // namespace

Done equalize_norms(Graph& graph, const Seen& seen) {
  const bool asked = seen.config.norm_equalization.value_or(false);
  Done done;
  for (const NodeId id : ir::topological_order(graph)) {
    const auto norm = norm_at(graph, id);
    const auto found = norm ? seen.stats.find(norm->result) : seen.stats.end();
    if (found == seen.stats.end() || found->second.channel_max.size() != static_cast<size_t>(norm->channels))
      continue;
    const std::vector<ir::Linear> behind = matrices_behind(graph, *norm);
    if (behind.empty()) continue;
    Channels x, w(static_cast<size_t>(norm->channels), 0.0), scale(w.size(), 1.0), after;
    for (size_t c = 0; c < w.size(); ++c)
      x.push_back(std::max(std::abs(static_cast<double>(found->second.channel_max[c])),
                           std::abs(static_cast<double>(found->second.channel_min[c]))));
    for (const ir::Linear& reader : behind) {
      const Channels one =
          input_ranges(graph, reader, Channels(static_cast<size_t>(reader.out_channels), 1.0));
      for (size_t c = 0; c < w.size(); ++c) w[c] = std::max(w[c], one[c]);
    }
    for (size_t c = 0; c < w.size(); ++c)
      if (x[c] > 0 && w[c] > 0) scale[c] = std::pow(w[c], 1 - kAlpha) / std::pow(x[c], kAlpha);
    const double gain = noise_of(x, w, Channels(w.size(), 1.0)) / noise_of(x, w, scale);
    if (!(gain > (asked ? kWorthwhile : kWorthwhileUnasked)) || !rewrite(graph, *norm, behind, scale))
      continue;
    for (size_t c = 0; c < w.size(); ++c) after.push_back(x[c] * scale[c]);
    done.sites.push_back(
        {node_at(graph, id).name,
         format("ranges of its channels 1:{:.3g} -> 1:{:.3g}", spread_of(x), spread_of(after)),
         decibels(gain)});
  }
  return done;
}

}  // namespace qc::balance
