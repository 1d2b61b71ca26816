// Shift-negative correction (HPTQ, arXiv:2109.09113; MCT): a result with a small negative lobe (SiLU,
// HardSwish, GELU, ELU, PReLU) wastes almost half of a symmetric grid. The result is shifted up by S, rounded
// without a sign, and the layers behind it subtract S times the sum of their weights. What makes the result
// is not rounded itself, so that there is one rounding, behind the shift. Layers are chosen by the error that
// their histogram says each grid leaves.
#include <algorithm>
#include <cmath>

#include "balance/balance.h"
#include "base/decibels.h"
#include "base/text.h"
#include "ir/edit.h"
#include "ir/linear.h"

namespace qc::balance {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// An op, or an idiom spelled as several nodes, whose result has a bounded or small negative part.
struct Curve {
  std::vector<NodeId> nodes;
  ValueId result = kNone;
};

std::vector<Curve> curves(const Graph& graph, const Seen& seen) {
  constexpr std::string_view kOps[] = {"PRelu",     "LeakyRelu", "Elu",   "Selu",
                                       "HardSwish", "Gelu",      "Swish", "Mish"};
  std::vector<Curve> all;
  for (const plan::Idiom& idiom : seen.idioms) {
    using plan::IdiomKind;
    const bool fits = idiom.kind == IdiomKind::kSilu || idiom.kind == IdiomKind::kHardSwish ||
                      idiom.kind == IdiomKind::kGelu || idiom.kind == IdiomKind::kGeluTanh;
    const bool alive = std::none_of(idiom.nodes.begin(), idiom.nodes.end(),
                                    [&](NodeId id) { return node_at(graph, id).erased; });
    if (fits && alive) all.push_back({idiom.nodes, idiom.output});
  }
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& node = node_at(graph, id);
    const bool listed = std::any_of(all.begin(), all.end(), [&](const Curve& curve) {
      return std::find(curve.nodes.begin(), curve.nodes.end(), id) != curve.nodes.end();
    });
    if (!listed && std::any_of(std::begin(kOps), std::end(kOps),
                               [&](std::string_view op) { return ir::standard_op(node, op); }))
      all.push_back({{id}, node.outputs[0]});
  }
  return all;
}

/// Layers that read the value, directly or through nodes that a shift passes.
bool collect_readers(const Graph& graph, ValueId value, std::vector<ir::Linear>& readers) {
  if (is_output(graph, value) || captured(graph, value) || value_at(graph, value).consumers.empty())
    return false;
  for (const NodeId id : value_at(graph, value).consumers) {
    const Node& node = node_at(graph, id);
    if (const auto linear = linear_at(graph, id)) {
      const bool pads = !unpadded(node);
      const bool taken = node.inputs[0] == value && linear->takes_bias &&
                         (!pads || (ir::standard_op(node, "Conv") &&
                                    ir::string_attribute(node, "auto_pad", "NOTSET") == "NOTSET"));
      if (!taken) return false;
      if (std::none_of(readers.begin(), readers.end(), [&](const auto& r) { return r.node == id; }))
        readers.push_back(*linear);
      continue;
    }
    constexpr std::string_view kPassing[] = {"Reshape",   "Flatten",           "Squeeze",
                                             "Transpose", "GlobalAveragePool", "MaxPool"};
    const bool pass = node.inputs[0] == value &&
                      std::any_of(std::begin(kPassing), std::end(kPassing),
                                  [&](std::string_view op) { return ir::standard_op(node, op); });
    const bool pool = ir::standard_op(node, "AveragePool") &&
                      (ir::int_attribute(node, "count_include_pad", 0) == 0) &&
                      ir::int_attribute(node, "ceil_mode", 0) == 0;
    if ((!pass && !pool) || node.outputs.size() != 1 || !collect_readers(graph, node.outputs[0], readers))
      return false;
  }
  return true;
}

/// A grid of 2^bits steps: k * step for k in [low, low + 2^bits).
struct Grid {
  double step = 0;
  int64_t low = 0, levels = 256;
};

/// Mean squared error of rounding what the histogram counted, plus `shift`.
double error_of(const plan::Histogram& histogram, double shift, const Grid& grid) {
  double sum = 0, count = 0;
  for (size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    if (histogram.counts[bin] == 0) continue;
    const double x = histogram.center(bin) + shift, n = static_cast<double>(histogram.counts[bin]);
    const double q = std::clamp(std::nearbyint(x / grid.step), static_cast<double>(grid.low),
                                static_cast<double>(grid.low + grid.levels - 1));
    // Inside a bin values are spread evenly; bins wider than a step say no more than this about it.
    sum += n * (x - q * grid.step) * (x - q * grid.step);
    count += n;
  }
  return count > 0 ? sum / count : 0;
}

struct Choice {
  double shift = 0, threshold = 0, error = 0;
};

/// MCT's shift: the smallest step of the unsigned grid that lifts the least value to zero.
Choice by_minimum(const plan::TensorStats& stats, double threshold, int64_t levels) {
  const double step = threshold / static_cast<double>(levels);
  const double shift = step * std::ceil(-static_cast<double>(stats.min) / step);
  return {shift, threshold, error_of(stats.histogram, shift, {step, 0, levels})};
}

/// The range searched again for that shift, out of a few between half and twice of what it was.
Choice by_range(const plan::TensorStats& stats, double threshold, int64_t levels) {
  constexpr int kSteps = 60;
  Choice best = by_minimum(stats, threshold, levels);
  for (int i = 0; i <= kSteps; ++i) {
    const Choice one = by_minimum(stats, threshold * (0.5 + 1.5 * i / kSteps), levels);
    if (one.error < best.error) best = one;
  }
  return best;
}

/// MCT's search: both ranges, every step.
Choice by_search(const plan::TensorStats& stats, double threshold, int64_t levels) {
  Choice best = by_minimum(stats, threshold, levels);
  const double most = -2 * static_cast<double>(stats.min);  // higher shifts only lose range
  for (const double range : {threshold, 2 * threshold}) {
    const double step = range / static_cast<double>(levels);
    for (int64_t k = 0; k < levels && static_cast<double>(k) * step <= most; ++k) {
      const double shift = static_cast<double>(k) * step;
      const double error = error_of(stats.histogram, shift, {step, 0, levels});
      if (error < best.error) best = {shift, range, error};
    }
  }
  return best;
}

Choice chosen(const Seen& seen, const plan::TensorStats& stats, double threshold, int64_t levels) {
  if (seen.config.shift_negative_params_search) return by_search(stats, threshold, levels);
  if (seen.config.shift_negative_threshold_recalculation) return by_range(stats, threshold, levels);
  return by_minimum(stats, threshold, levels);
}

/// What lies between the curve and the rounded, shifted result is not rounded: in float where the target lets
/// nodes run there, else as a part of the Add, which the target computes along with it (as MCT, whose fused
/// groups take the Add in).
config::NodeSettings unrounded(const Seen& seen) {
  config::NodeSettings settings;
  if (!seen.target.float_islands) {
    settings.part_of_reader = true;
    return settings;
  }
  settings.integer = false;
  settings.placed_by = "shift_negative_activation_correction";
  return settings;
}

/// The zeros around a padded convolution's input are S from now on: a Pad of its own.
void pad_with(Graph& graph, const ir::Linear& reader, double shift, const Seen& seen, Done& done) {
  const Node& node = node_at(graph, reader.node);
  const ir::Dims pads = ir::ints_attribute(node, "pads");
  const size_t spatial = pads.size() / 2;
  ir::Dims all(2 * (spatial + 2), 0);
  for (size_t i = 0; i < spatial; ++i) {
    all[2 + i] = pads[i];
    all[spatial + 4 + i] = pads[spatial + i];
  }
  const std::string name = node.name;
  const ValueId amounts = ir::add_constant(graph, name + "/pads", ir::int_tensor(all)),
                value = ir::add_constant(graph, name + "/pad_value", ir::scalar(static_cast<float>(shift)));
  const ValueId padded =
      insert_node(graph, "Pad", {node.inputs[0], amounts, value}, {}, name + "/pad", reader.node);
  ir::set_input(graph, reader.node, 0, padded);
  ir::set_attribute(node_at(graph, reader.node), "pads", ir::Dims(pads.size(), 0));
  if (seen.target.float_islands) done.settings[value_at(graph, padded).producer] = unrounded(seen);
}

void rewrite(Graph& graph, const Curve& curve, const std::vector<ir::Linear>& readers, double shift,
             const Seen& seen, Done& done) {
  const NodeId maker = value_at(graph, curve.result).producer;
  const std::string name = node_at(graph, maker).name;
  const float rounded = static_cast<float>(shift);
  const ValueId constant = ir::add_constant(graph, name + "/shift", ir::scalar(rounded));
  const std::vector<NodeId> consumers = value_at(graph, curve.result).consumers;
  const ValueId shifted = insert_node(graph, "Add", {curve.result, constant}, {}, name + "/shifted", maker);
  copy_shape(graph, curve.result, shifted);
  for (const NodeId id : consumers) {
    const auto inputs = node_at(graph, id).inputs;
    for (size_t slot = 0; slot < inputs.size(); ++slot)
      if (inputs[slot] == curve.result) ir::set_input(graph, id, slot, shifted);
  }
  for (const ir::Linear& reader : readers) {
    const auto channels = static_cast<size_t>(reader.in_channels);
    const bool pads = !unpadded(node_at(graph, reader.node));
    fold_before(graph, reader, ir::Channels(channels, 1.0),
                ir::Channels(channels, -static_cast<double>(rounded)));
    if (pads) pad_with(graph, reader, rounded, seen, done);
  }
  for (const NodeId id : curve.nodes) done.settings[id] = unrounded(seen);
  if (seen.target.float_islands) done.settings[value_at(graph, shifted).producer] = unrounded(seen);
}

}  // namespace

Done shift_negative(Graph& graph, const Seen& seen) {
  Done done;
  int64_t same = 0, no_add = 0;
  const bool adds = target::rule_for(seen.target, "Add").kind == target::OpKind::kCompute;
  if (seen.target.activations.symmetric)
    return done;  // one type, no zero point: no grid without a sign to shift to
  for (const Curve& curve : curves(graph, seen)) {
    const NodeId maker = value_at(graph, curve.result).producer;
    const config::NodeSettings rule = seen.rules.empty() ? config::NodeSettings() : seen.rules[maker];
    const auto found = seen.stats.find(curve.result);
    const plan::ValueDecision& decision = seen.plan.values[curve.result];
    if (!rule.shift_negative_activation_correction.value_or(true) || found == seen.stats.end() ||
        !decision.quantized || decision.params.scales.size() != 1 || !(found->second.min < 0))
      continue;
    const int64_t middle = decision.params.is_signed ? 0 : int64_t{1} << (decision.params.bits - 1);
    if (decision.params.zero_points[0] != middle) {  // the grid is shifted already
      ++same;
      continue;
    }
    const int64_t levels = int64_t{1} << decision.params.bits;
    const double step = decision.params.scales[0], threshold = step * 0.5 * static_cast<double>(levels);
    const double ratio = rule.shift_negative_ratio.value_or(seen.config.shift_negative_ratio);
    if (-static_cast<double>(found->second.min) > ratio * threshold) continue;
    const Choice choice = chosen(seen, found->second, threshold, levels);
    const double signed_error = error_of(found->second.histogram, 0, {step, -levels / 2, levels});
    std::vector<ir::Linear> readers;
    if (!(choice.error < signed_error) || !(choice.shift > 0) ||
        !collect_readers(graph, curve.result, readers))
      continue;
    if (!seen.target.float_islands && !adds) {
      ++no_add;
      continue;
    }
    rewrite(graph, curve, readers, choice.shift, seen, done);
    const NodeId add = value_at(graph, curve.result).consumers[0];
    if (!seen.config.shift_negative_threshold_recalculation) {
      done.settings[add].activation_range = {0.0, choice.threshold};
      done.settings[add].range_of_one_width = true;
    }
    done.sites.push_back({node_at(graph, maker).name,
                          format("least value {:.3g}, shifted by {:.3g}", found->second.min, choice.shift),
                          decibels(signed_error / std::max(choice.error, 1e-300))});
  }
  if (no_add > 0)
    done.note = format(
        "shift-negative correction is left out for {} results: the target has no Add that could shift them",
        no_add);
  if (same > 0)
    done.note = format(
        "shift-negative correction has nothing to do for {} results with a negative part: the target's zero "
        "points do the same",
        same);
  return done;
}

}  // namespace qc::balance
