// Cross-layer equalization: Nagel et al., arXiv:1906.04721, for weights with one scale a tensor; the same by
// ranges of results where weights have a scale for each channel (then only the results' common scale is left
// to gain from); by the next layers' input channels, for such weights behind activations that stay float;
// bounds that differ by channel, made equal; and MCT's form, by deviations.
#include <algorithm>
#include <cmath>
#include <map>

#include "balance/balance.h"
#include "balance/chains.h"
#include "base/decibels.h"
#include "base/text.h"
#include "ir/edit.h"

namespace qc::balance {
namespace {

using ir::Channels;
using ir::Graph;
using ir::NodeId;

constexpr int kMostSweeps = 40;
constexpr double kSettled = 1e-3;       // largest |log| of a factor in the last sweep
constexpr double kMostScale = 1 << 20;  // of a channel, either way

/// What each channel may be multiplied by.
struct Limits {
  Channels low, high;
};

std::optional<Channels> seen_ranges(const Seen& seen, const Chain& chain) {
  const auto found = seen.stats.find(chain.result);
  if (found == seen.stats.end()) return std::nullopt;
  const plan::TensorStats& stats = found->second;
  if (stats.channel_max.size() != static_cast<size_t>(chain.before.out_channels)) return std::nullopt;
  Channels ranges;
  for (size_t c = 0; c < stats.channel_max.size(); ++c)
    ranges.push_back(std::max(std::abs(static_cast<double>(stats.channel_max[c])),
                              std::abs(static_cast<double>(stats.channel_min[c]))));
  return ranges;
}

/// A Clip has one bound for all: scaled by itself, a channel would meet it elsewhere, if only on images that
/// calibration has not seen.
Limits limits_of(const Chain& chain) {
  const auto channels = static_cast<size_t>(chain.before.out_channels);
  const double most = chain.clip == ir::kNone ? kMostScale : 1;
  return {Channels(channels, 1 / most), Channels(channels, most)};
}

/// Factors found so far, of inputs and outputs of every layer.
struct Scales {
  std::map<NodeId, Channels> in, out;
  Channels& of(std::map<NodeId, Channels>& side, const ir::Linear& linear, int64_t channels) {
    return side.try_emplace(linear.node, static_cast<size_t>(channels), 1.0).first->second;
  }
};

Channels ranges_before(const Graph& graph, const Chain& chain, Scales& scales) {
  Channels ranges =
      output_ranges(graph, chain.before, scales.of(scales.in, chain.before, chain.before.in_channels));
  const Channels& out = scales.of(scales.out, chain.before, chain.before.out_channels);
  for (size_t c = 0; c < ranges.size(); ++c) ranges[c] *= out[c];
  return ranges;
}

Channels ranges_behind(const Graph& graph, const Chain& chain, Scales& scales) {
  Channels most(chain.before.out_channels, 0.0);
  for (const ir::Linear& reader : chain.behind) {
    const Channels ranges = input_ranges(graph, reader, scales.of(scales.out, reader, reader.out_channels));
    const Channels& in = scales.of(scales.in, reader, reader.in_channels);
    for (size_t c = 0; c < most.size(); ++c) most[c] = std::max(most[c], ranges[c] * in[c]);
  }
  return most;
}

/// One step for one chain: both sides' ranges meet in the middle. Returns the largest |log| of a factor.
double meet(const Graph& graph, const Chain& chain, const Limits& limits, Channels& total, Scales& scales) {
  const Channels before = ranges_before(graph, chain, scales), behind = ranges_behind(graph, chain, scales);
  Channels& out = scales.of(scales.out, chain.before, chain.before.out_channels);
  double largest = 0;
  for (size_t c = 0; c < total.size(); ++c) {
    if (!(before[c] > 0) || !(behind[c] > 0)) continue;
    const double wanted = std::sqrt(behind[c] / before[c]);
    const double factor = std::clamp(total[c] * wanted, limits.low[c], limits.high[c]) / total[c];
    total[c] *= factor;
    out[c] *= factor;
    for (const ir::Linear& reader : chain.behind)
      scales.of(scales.in, reader, reader.in_channels)[c] /= factor;
    largest = std::max(largest, std::abs(std::log(factor)));
  }
  return largest;
}

Done equalize(Graph& graph, const std::vector<Chain>& all) {
  std::vector<Limits> limits;
  std::vector<Channels> totals;
  for (const Chain& chain : all) {
    limits.push_back(limits_of(chain));
    totals.emplace_back(static_cast<size_t>(chain.before.out_channels), 1.0);
  }
  Scales scales;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double largest = 0;
    for (size_t i = 0; i < all.size(); ++i)
      largest = std::max(largest, meet(graph, all[i], limits[i], totals[i], scales));
    if (largest < kSettled) break;
  }
  Done done;
  Scales none;
  for (size_t i = 0; i < all.size(); ++i) {
    if (spread_of(totals[i]) < 1.1) continue;  // nothing that a step would notice
    const double before = spread_of(ranges_before(graph, all[i], none));
    if (!scale_channels(graph, all[i], totals[i])) continue;
    Scales fresh;
    done.sites.push_back({node_at(graph, all[i].before.node).name,
                          format("weight ranges of its channels 1:{:.3g} -> 1:{:.3g}", before,
                                 spread_of(ranges_before(graph, all[i], fresh))),
                          {}});
  }
  return done;
}

Channels inverses(const Channels& ranges) {
  Channels result;
  for (const double r : ranges) result.push_back(r > 0 ? 1 / r : 0);
  return result;
}

/// Layers that compute in float with integer weights, of which several input channels share a scale.
std::vector<ir::Linear> with_shared_scales(const Graph& graph, const Seen& seen,
                                           const std::vector<ir::Linear>& layers) {
  std::vector<ir::Linear> found;
  for (const ir::Linear& layer : layers) {
    const bool depthwise = ir::int_attribute(node_at(graph, layer.node), "group", 1) == layer.in_channels;
    const plan::Compute compute = seen.plan.nodes[layer.node].compute;
    if (!depthwise && compute == plan::Compute::kFloatIntegerWeights) found.push_back(layer);
  }
  return found;
}

/// What to divide input channels by for the largest weight of each to be alike, where each output channel has
/// a scale of its own. Both sides move half the way at a time (Ruiz, RAL-TR-2001-034): one after the other, a
/// chance of the largest column would decide.
Channels column_scales(const Graph& graph, const std::vector<ir::Linear>& layers, const Limits& limits) {
  constexpr int kSteps = 8;
  Channels scale(limits.low.size(), 1.0);
  std::vector<Channels> rows;
  for (const ir::Linear& layer : layers) rows.emplace_back(static_cast<size_t>(layer.out_channels), 1.0);
  for (int step = 0; step < kSteps; ++step) {
    const Channels by_column = inverses(scale);
    Channels most(scale.size(), 0.0);
    for (size_t l = 0; l < layers.size(); ++l) {
      const Channels columns = input_ranges(graph, layers[l], inverses(rows[l])),
                     ranges = output_ranges(graph, layers[l], by_column);
      for (size_t c = 0; c < most.size(); ++c) most[c] = std::max(most[c], columns[c]);
      for (size_t o = 0; o < ranges.size(); ++o) rows[l][o] = std::sqrt(rows[l][o] * ranges[o]);
    }
    for (size_t c = 0; c < scale.size(); ++c)
      if (most[c] > 0) scale[c] = std::sqrt(scale[c] * most[c]);
  }
  const double largest = *std::max_element(scale.begin(), scale.end());
  for (size_t c = 0; c < scale.size(); ++c)
    scale[c] = std::clamp(scale[c] / largest, limits.low[c], limits.high[c]);
  return scale;
}

/// The noise of rounding that these layers add to their results, by what an input channel carries: steps are
/// as large as the largest weight of an output channel.
struct ColumnNoise {
  double before = 0;  // of a channel that carries 1
  Channels after;     // the same behind its scale
};

ColumnNoise noise_of_columns(const Graph& graph, const std::vector<ir::Linear>& layers,
                             const Channels& scale) {
  const Channels ones(scale.size(), 1.0);
  ColumnNoise noise;
  double finer = 0;
  for (const ir::Linear& layer : layers) {
    const Channels rows = output_ranges(graph, layer, ones),
                   rows_after = output_ranges(graph, layer, inverses(scale));
    for (size_t o = 0; o < rows.size(); ++o) {
      if (!(rows[o] > 0)) continue;
      noise.before += 1;
      finer += (rows_after[o] / rows[o]) * (rows_after[o] / rows[o]);
    }
  }
  for (const double s : scale) noise.after.push_back(finer * s * s);
  return noise;
}

/// By how much it falls.
double gain_of_columns(const ColumnNoise& noise, const Channels& deviation) {
  double before = 0, after = 0;
  for (size_t c = 0; c < deviation.size(); ++c) {
    before += noise.before * deviation[c] * deviation[c];
    after += noise.after[c] * deviation[c] * deviation[c];
  }
  return after > 0 ? before / after : 1;
}

/// No deviations gain more: a mean of ratios is below the largest.
double most_gain_of_columns(const ColumnNoise& noise) {
  double most = 1;
  for (const double after : noise.after)
    if (after > 0) most = std::max(most, noise.before / after);
  return most;
}

bool same_bounds(const Channels& bounds) {
  return spread_of(bounds) < 1 + 1e-6;
}

}  // namespace

Done equalize_bounds(Graph& graph, const Seen&) {
  Done done;
  for (const Chain& chain : chains(graph)) {
    if (chain.least == ir::kNone || chain.relu == ir::kNone) continue;
    double logs = 0;
    for (const double b : chain.bounds) logs += std::log(b) / static_cast<double>(chain.bounds.size());
    const double bound = same_bounds(chain.bounds) ? chain.bounds[0] : std::exp(logs);
    Channels scale;
    for (const double b : chain.bounds) scale.push_back(bound / b);
    if (!same_bounds(chain.bounds) && !scale_channels(graph, chain, scale)) continue;
    become_clip(graph, chain, bound);
    done.sites.push_back({node_at(graph, chain.before.node).name,
                          format("bounds of its channels 1:{:.3g} -> one", spread_of(chain.bounds)),
                          {}});
  }
  return done;
}

Done equalize_weights(Graph& graph, const Seen&) {
  return equalize(graph, chains(graph));
}

Done equalize_weights_bounded(Graph& graph, const Seen&) {
  std::vector<Chain> all = chains(graph);
  if (std::none_of(all.begin(), all.end(), [](const Chain& chain) { return chain.clip != ir::kNone; }))
    return {};
  for (Chain& chain : all)
    if (chain.clip != ir::kNone) split_clip(graph, chain);
  return equalize(graph, chains(graph));
}

Done equalize_columns(Graph& graph, const Seen& seen) {
  // Of the predicted noise, 6 dB: what ordinary layers have to gain is not worth another search.
  constexpr double kWorthwhile = 4, kNoticed = 1.1;
  const bool asked = seen.config.cross_layer_equalization.value_or(false);
  struct Columns {
    Chain chain;
    Channels scale;
    ColumnNoise noise;
  };
  std::vector<Columns> all;
  std::vector<ir::ValueId> results;
  for (Chain& chain : chains(graph)) {
    if (chain.clip != ir::kNone) continue;
    std::vector<ir::Linear> layers = with_shared_scales(graph, seen, chain.behind);
    if (layers.empty()) continue;
    Channels scale = column_scales(graph, layers, limits_of(chain));
    if (spread_of(scale) < kNoticed) continue;
    ColumnNoise noise = noise_of_columns(graph, layers, scale);
    if (!asked && most_gain_of_columns(noise) < kWorthwhile) continue;  // so nothing need be run
    results.push_back(chain.result);
    all.push_back({std::move(chain), std::move(scale), std::move(noise)});
  }
  if (all.empty()) return {};
  const auto deviations = seen.deviations(results);
  Done done;
  for (const auto& [chain, scale, noise] : all) {
    const Channels& deviation = deviations.at(chain.result);
    const double gain = deviation.size() == scale.size() ? gain_of_columns(noise, deviation) : 1;
    if (!asked && gain < kWorthwhile) continue;
    if (!scale_channels(graph, chain, scale)) continue;
    done.sites.push_back(
        {node_at(graph, chain.before.node).name,
         format("weights of its channels in the next layers 1:{:.3g} -> alike", spread_of(scale)),
         decibels(gain)});
  }
  return done;
}

Done equalize_results(Graph& graph, const Seen& seen) {
  // Of the predicted noise. Unasked, nothing is tried for less than 6 dB: measured, such chains bring next to
  // nothing, and every trial takes a calibration.
  const double worthwhile = seen.config.cross_layer_equalization.value_or(false) ? 2 : 4;
  Done done;
  for (const Chain& chain : chains(graph)) {
    const auto ranges = seen_ranges(seen, chain);
    if (!ranges) continue;
    Scales none;
    const Channels behind = ranges_behind(graph, chain, none);
    const Limits limits = limits_of(chain);
    Channels powers(behind.size(), 0.0), scale(behind.size(), 1.0);
    for (const ir::Linear& reader : chain.behind) {
      const Channels one = input_powers(graph, reader);
      for (size_t c = 0; c < powers.size(); ++c) powers[c] += one[c];
    }
    double most = 0, most_after = 0, noise = 0, noise_after = 0;
    for (size_t c = 0; c < scale.size(); ++c) {
      const double range = (*ranges)[c];
      if (!(range > 0) || !(behind[c] > 0)) continue;
      scale[c] = std::clamp(std::sqrt(behind[c] / range), limits.low[c], limits.high[c]);
      most = std::max(most, range);
      most_after = std::max(most_after, range * scale[c]);
      noise += powers[c];
      noise_after += powers[c] / (scale[c] * scale[c]);
    }
    if (!(most > 0) || !(noise_after > 0)) continue;
    // Rounding noise of the result as the layers behind it see it: steps are as large as the largest channel.
    const double gain = most * most * noise / (most_after * most_after * noise_after);
    if (gain < worthwhile || !scale_channels(graph, chain, scale)) continue;
    Channels after = *ranges;
    for (size_t c = 0; c < after.size(); ++c) after[c] *= scale[c];
    done.sites.push_back(
        {node_at(graph, chain.before.node).name,
         format("ranges of its result's channels 1:{:.3g} -> 1:{:.3g}", spread_of(*ranges), spread_of(after)),
         decibels(gain)});
  }
  return done;
}

Done equalize_deviations(Graph& graph, const Seen& seen) {
  std::vector<Chain> all;
  std::vector<ir::ValueId> results;
  for (Chain& chain : chains(graph)) {
    if (chain.relu == ir::kNone || chain.clip != ir::kNone || chain.least != ir::kNone) continue;
    results.push_back(node_at(graph, chain.relu).outputs[0]);
    all.push_back(std::move(chain));
  }
  if (all.empty()) return {};
  const auto deviations = seen.deviations(results);
  Done done;
  for (size_t i = 0; i < all.size(); ++i) {
    const Channels& deviation = deviations.at(results[i]);
    if (deviation.size() != static_cast<size_t>(all[i].before.out_channels)) continue;
    Channels scale;
    for (const double d : deviation) scale.push_back(d > 1 ? std::max(1 / d, 1 / kMostScale) : 1.0);
    const bool changes = std::any_of(scale.begin(), scale.end(), [](double s) { return s < 1; });
    if (!changes || !scale_channels(graph, all[i], scale)) continue;
    done.sites.push_back({node_at(graph, all[i].before.node).name,
                          format("largest deviation of its channels {:.3g} -> at most 1",
                                 *std::max_element(deviation.begin(), deviation.end())),
                          {}});
  }
  return done;
}

Done bound_to_power_of_two(Graph& graph, const Seen&) {
  constexpr double kBound = 8;  // as MCT has it, whatever the bound was
  Done done;
  for (const Chain& chain : chains(graph)) {
    if (chain.clip == ir::kNone || std::exp2(std::round(std::log2(chain.bound))) == chain.bound) continue;
    const Channels scale(chain.before.out_channels, kBound / chain.bound);
    if (!scale_channels(graph, chain, scale)) continue;
    const ir::Node& clip = node_at(graph, chain.clip);
    const ir::ValueId high =
        ir::add_constant(graph, clip.name + "/high", ir::scalar(static_cast<float>(kBound)));
    ir::set_input(graph, chain.clip, 2, high);
    done.sites.push_back(
        {node_at(graph, chain.before.node).name, format("bound {:g} -> {:g}", chain.bound, kBound), {}});
  }
  return done;
}

}  // namespace qc::balance
