// See bias_correction.h.
#include "correct/bias_correction.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "base/parallel.h"
#include "correct/lock_step.h"
#include "ir/linear.h"
#include "ir/ops.h"

namespace qc::correct {
namespace {

std::vector<double> channel_means(std::span<const float> tensor, const quant::ChannelLayout& layout) {
  std::vector<double> means(layout.channels, 0.0);
  const float* x = tensor.data();
  const size_t channels = means.size();
  if (layout.inner == 1) {
    for (int64_t o = 0; o < layout.outer; ++o, x += channels)
      for (size_t c = 0; c < channels; ++c) means[c] += x[c];
    for (double& mean : means) mean /= static_cast<double>(layout.outer);
    return means;
  }
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c) {
      // Eight partial sums: vectorises, and is the same sum on every machine.
      double part[8] = {};
      int64_t i = 0;
      for (; i + 8 <= layout.inner; i += 8)
        for (int j = 0; j < 8; ++j) part[j] += x[i + j];
      for (; i < layout.inner; ++i) part[0] += x[i];
      x += layout.inner;
      means[c] += ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    }
  for (double& mean : means) mean /= static_cast<double>(layout.outer * layout.inner);
  return means;
}

using Means = std::vector<std::vector<double>>;  // by image, by channel

// What is missing on average, over all images.
std::vector<float> mean_difference(const Means& means, const Means& expected) {
  std::vector<float> delta(means[0].size());
  for (size_t c = 0; c < delta.size(); ++c) {
    double difference = 0;
    for (size_t r = 0; r < means.size(); ++r) difference += expected[r][c] - means[r][c];
    delta[c] = static_cast<float>(difference / static_cast<double>(means.size()));
  }
  return delta;
}

void add_to_channels(std::span<float> tensor, const quant::ChannelLayout& layout,
                     const std::vector<float>& delta) {
  float* x = tensor.data();
  if (layout.inner == 1) {
    const float* shift = delta.data();
    for (int64_t o = 0; o < layout.outer; ++o, x += layout.channels)
      for (int64_t c = 0; c < layout.channels; ++c) x[c] += shift[c];
    return;
  }
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c, x += layout.inner) {
      // Read once: it might lie in the tensor, for all the compiler knows.
      const float shift = delta[c];
      for (int64_t i = 0; i < layout.inner; ++i) x[i] += shift;
    }
}

}  // namespace

quant::ChannelLayout layout_of(std::span<const int64_t> dims, int axis) {
  return quant::channel_layout(dims, axis < 0 ? axis + static_cast<int>(dims.size()) : axis);
}

std::map<ir::ValueId, size_t> layers_by_result(const std::vector<Layer>& layers) {
  std::map<ir::ValueId, size_t> at;
  for (size_t l = 0; l < layers.size(); ++l) at[layers[l].result] = l;
  return at;
}

std::vector<int64_t> spread(std::span<const int64_t> indices, int64_t count) {
  const int64_t size = static_cast<int64_t>(indices.size());
  count = std::min(count, size);
  std::vector<int64_t> some;
  for (int64_t i = 0; i < count; ++i) some.push_back(indices[i * size / count]);
  return some;
}

std::vector<Layer> correctable_layers(const ir::Graph& graph, const plan::QuantPlan& plan) {
  std::vector<Layer> layers;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const plan::NodeDecision& decision = plan.nodes[id];
    if (decision.compute == plan::Compute::kFloat || !decision.correct_bias ||
        !ir::weight_traits(graph, node))
      continue;
    if (const auto place = ir::bias_place(graph, id))
      layers.push_back({id, place->result, ir::output_axis(node)});
  }
  return layers;
}

FloatMeans float_means(simulate::FloatModel& model, const std::vector<Layer>& layers,
                       const images::ImageSource& source, std::span<const int64_t> indices, int threads) {
  FloatMeans means;
  means.images.assign(indices.begin(), indices.end());
  means.by_layer.assign(layers.size(), Means(indices.size()));
  const std::map<ir::ValueId, size_t> layer_at = layers_by_result(layers);
  std::mutex mutex;
  model.hook = [&](ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
    const auto at = layer_at.find(value);
    if (at == layer_at.end()) return;
    means.by_layer[at->second][slot] = channel_means(tensor, layout_of(dims, layers[at->second].axis));
    const std::lock_guard<std::mutex> lock(mutex);
    means.largest = std::max(means.largest, static_cast<int64_t>(tensor.size()));
  };
  parallel_for(static_cast<int64_t>(indices.size()), threads,
               [&](int64_t i, int) { model.runner->run(source.load(indices[i]), i); });
  model.hook = {};
  return means;
}

BiasDeltas measure_bias_deltas(simulate::Simulator& simulator, const std::vector<Layer>& layers,
                               const FloatMeans& expected, const images::ImageSource& source,
                               int64_t memory_limit, int threads) {
  if (layers.empty() || expected.images.empty()) return {};
  // About three tensors of the largest size are alive in a run: input, output, and a branch.
  const int64_t fits = memory_limit / std::max<int64_t>(1, 12 * expected.largest);
  std::vector<int64_t> rows(expected.images.size());
  std::iota(rows.begin(), rows.end(), 0);
  rows = spread(rows, std::clamp<int64_t>(fits, 1, static_cast<int64_t>(rows.size())));
  std::vector<Means> means(layers.size());
  for (size_t l = 0; l < layers.size(); ++l)
    for (const int64_t row : rows) means[l].push_back(expected.by_layer[l][row]);

  BiasDeltas deltas;
  LockStep steps(std::ssize(rows), threads);
  Means here(rows.size());  // at the layer where all runs stand
  const std::map<ir::ValueId, size_t> layer_at = layers_by_result(layers);
  simulator.before = [&](ir::ValueId value, int64_t slot, std::span<float> tensor,
                         std::span<const int64_t> dims) {
    const auto at = layer_at.find(value);
    if (at == layer_at.end()) return;
    const Layer& layer = layers[at->second];
    const quant::ChannelLayout layout = layout_of(dims, layer.axis);
    here[slot] = channel_means(tensor, layout);
    steps.meet(
        value, [] {}, [&] { deltas[layer.node] = mean_difference(here, means[at->second]); });
    add_to_channels(tensor, layout, deltas.at(layer.node));
  };
  steps.go([&](int64_t run) {
    const int64_t row = rows[run];
    simulator.runner->run(source.load(expected.images[row]), run);
  });
  simulator.before = {};
  return deltas;
}

BiasDeltas deltas_by_float_means(const ir::Graph& graph, const ir::Graph& rounded,
                                 const std::vector<Layer>& layers, const std::vector<Layer>& inputs,
                                 const FloatMeans& means) {
  BiasDeltas deltas;
  for (const Layer& layer : layers) {
    const auto before = ir::linear_at(graph, layer.node), after = ir::linear_at(rounded, layer.node);
    const ir::ValueId x = ir::node_at(graph, layer.node).inputs[0];
    const auto input =
        std::find_if(inputs.begin(), inputs.end(), [&](const Layer& one) { return one.result == x; });
    if (!before || !after || input == inputs.end()) continue;
    ir::Channels mean(before->in_channels, 0.0);
    bool known = true;
    for (const std::vector<double>& image : means.by_layer[input - inputs.begin()]) {
      known = known && image.size() == mean.size();
      for (size_t c = 0; known && c < mean.size(); ++c)
        mean[c] += image[c] / static_cast<double>(means.images.size());
    }
    if (!known) continue;  // an op between ranks hands on other channels
    const ir::Channels was = ir::weighted_sums(graph, *before, mean),
                       is = ir::weighted_sums(rounded, *after, mean);
    for (size_t c = 0; c < was.size(); ++c) deltas[layer.node].push_back(static_cast<float>(was[c] - is[c]));
  }
  return deltas;
}

simulate::Hook adding(const BiasDeltas& deltas, const std::vector<Layer>& layers) {
  struct Shift {
    std::vector<float> delta;
    int axis;
  };
  std::map<ir::ValueId, Shift> by_value;
  for (const Layer& layer : layers)
    if (const auto found = deltas.find(layer.node); found != deltas.end())
      by_value[layer.result] = {found->second, layer.axis};
  return [shifts = std::move(by_value)](ir::ValueId value, int64_t, std::span<float> tensor,
                                        std::span<const int64_t> dims) {
    const auto at = shifts.find(value);
    if (at != shifts.end()) add_to_channels(tensor, layout_of(dims, at->second.axis), at->second.delta);
  };
}

}  // namespace qc::correct
