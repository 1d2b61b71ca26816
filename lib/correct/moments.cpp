// See moments.h.
#include "correct/moments.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/parallel.h"
#include "correct/lock_step.h"
#include "ir/linear.h"
#include "ir/ops.h"

namespace qc::correct {
namespace {

struct Sums {
  std::vector<double> sum, square;
  double count = 0;
};

Sums sums_of(std::span<const float> tensor, const quant::ChannelLayout& layout) {
  Sums sums;
  sums.sum.assign(layout.channels, 0.0);
  sums.square = sums.sum;
  sums.count = static_cast<double>(layout.outer * layout.inner);
  const float* x = tensor.data();
  for (int64_t o = 0; o < layout.outer; ++o)
    for (size_t c = 0; c < sums.sum.size(); ++c)
      for (int64_t i = 0; i < layout.inner; ++i, ++x) {
        sums.sum[c] += static_cast<double>(*x);
        sums.square[c] += static_cast<double>(*x) * static_cast<double>(*x);
      }
  return sums;
}

/// In the order of images, so that the sums do not depend on threads.
Sums total(const std::vector<Sums>& by_image) {
  Sums all = by_image.at(0);
  for (size_t i = 1; i < by_image.size(); ++i) {
    for (size_t c = 0; c < all.sum.size(); ++c) {
      all.sum[c] += by_image[i].sum.at(c);
      all.square[c] += by_image[i].square.at(c);
    }
    all.count += by_image[i].count;
  }
  return all;
}

Rescale rescale_of(const Sums& wanted, const Sums& seen) {
  constexpr double kMost = 2;
  Rescale rescale;
  const auto moments = [](const Sums& s, size_t c) {
    const double mean = s.sum[c] / s.count;
    return std::pair(mean, std::sqrt(std::max(0.0, s.square[c] / s.count - mean * mean)));
  };
  for (size_t c = 0; c < seen.sum.size(); ++c) {
    const auto [mean, deviation] = moments(wanted, c);
    const auto [mean_seen, deviation_seen] = moments(seen, c);
    const bool spread = deviation > 0 && deviation_seen > 0;
    const double gain = spread ? std::clamp(deviation / deviation_seen, 1 / kMost, kMost) : 1.0;
    rescale.gain.push_back(static_cast<float>(gain));
    rescale.shift.push_back(static_cast<float>(mean - gain * mean_seen));
  }
  return rescale;
}

void apply(std::span<float> tensor, const quant::ChannelLayout& layout, const Rescale& rescale) {
  float* x = tensor.data();
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c, x += layout.inner) {
      const float gain = rescale.gain[c], shift = rescale.shift[c];
      for (int64_t i = 0; i < layout.inner; ++i) x[i] = gain * x[i] + shift;
    }
}

}  // namespace

Rescales measure_rescales(simulate::Simulator& simulator, simulate::FloatModel& model,
                          const std::vector<Layer>& layers, const images::ImageSource& source,
                          std::span<const int64_t> indices, int64_t memory_limit, int threads) {
  if (layers.empty() || indices.empty()) return {};
  const std::map<ir::ValueId, size_t> layer_at = layers_by_result(layers);
  std::vector<std::vector<Sums>> wanted(layers.size(), std::vector<Sums>(indices.size()));
  std::mutex mutex;
  int64_t largest = 1;
  model.hook = [&](ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
    const auto at = layer_at.find(value);
    if (at == layer_at.end()) return;
    wanted[at->second][slot] = sums_of(tensor, layout_of(dims, layers[at->second].axis));
    const std::lock_guard<std::mutex> lock(mutex);
    largest = std::max(largest, static_cast<int64_t>(tensor.size()));
  };
  const auto images = static_cast<int64_t>(indices.size());
  parallel_for(images, threads, [&](int64_t i, int) { model.runner->run(source.load(indices[i]), i); });
  model.hook = {};

  // About three tensors of the largest size are alive in a run.
  const int64_t runs = std::clamp<int64_t>(memory_limit / (12 * largest), 1, images);
  LockStep step(runs, threads);
  std::vector<Sums> seen(runs);
  Rescales rescales;
  simulator.before = [&](ir::ValueId value, int64_t slot, std::span<float> tensor,
                         std::span<const int64_t> dims) {
    const auto at = layer_at.find(value);
    if (at == layer_at.end()) return;
    const Layer& layer = layers[at->second];
    const quant::ChannelLayout layout = layout_of(dims, layer.axis);
    Sums own = sums_of(tensor, layout);
    step.meet(
        static_cast<int64_t>(at->second), [&] { seen[slot] = std::move(own); },
        [&] {
          std::vector<Sums> expected = wanted[at->second];
          expected.resize(runs);
          rescales[layer.node] = rescale_of(total(expected), total(seen));
        });
    apply(tensor, layout, rescales.at(layer.node));
  };
  step.go([&](int64_t run) { simulator.runner->run(source.load(indices[run]), run); });
  simulator.before = {};
  return rescales;
}

BiasDeltas measure_input_shifts(simulate::Simulator& simulator, const plan::QuantizedModel& model,
                                const std::vector<Layer>& layers, const images::ImageSource& source,
                                std::span<const int64_t> indices, double threshold, int threads) {
  std::map<ir::ValueId, int> axis_of;  // of the layers' inputs
  for (const Layer& layer : layers) {
    const ir::Node& node = ir::node_at(model.graph, layer.node);
    axis_of[node.inputs[0]] = layer.axis;
  }
  using ByImage = std::map<ir::ValueId, std::vector<Sums>>;
  ByImage before, after;
  for (const auto& [value, axis] : axis_of) {
    before[value].resize(indices.size());
    after[value].resize(indices.size());
  }
  const auto collect = [&](ByImage& sums) {
    return [&](ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
      const auto at = axis_of.find(value);
      if (at != axis_of.end()) sums.at(value)[slot] = sums_of(tensor, layout_of(dims, at->second));
    };
  };
  simulator.before = collect(before);
  simulator.after = collect(after);
  parallel_for(static_cast<int64_t>(indices.size()), threads,
               [&](int64_t i, int) { simulator.runner->run(source.load(indices[i]), i); });
  simulator.before = simulator.after = {};

  BiasDeltas deltas;
  for (const Layer& layer : layers) {
    const ir::Node& node = ir::node_at(model.graph, layer.node);
    const auto linear = ir::linear_at(model.graph, layer.node);
    const ir::ValueId x = node.inputs[0];
    if (!linear || before.at(x).at(0).sum.size() != static_cast<size_t>(linear->in_channels) ||
        after.at(x).at(0).sum.empty())
      continue;
    const Sums was = total(before.at(x)), is = total(after.at(x));
    ir::Channels shift;
    for (size_t c = 0; c < was.sum.size(); ++c) {
      const double mean = was.sum[c] / was.count, d = is.sum[c] / is.count - mean;
      shift.push_back(100 * std::abs(d) < threshold * std::abs(mean) ? 0.0 : -d);
    }
    const ir::Channels sums = ir::weighted_sums(model.graph, *linear, shift);
    deltas[layer.node].assign(sums.begin(), sums.end());
  }
  return deltas;
}

}  // namespace qc::correct
