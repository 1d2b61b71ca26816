// See bias_correction.h.
#include "correct/bias_correction.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "ir/ops.h"
#include "simulate/simulate.h"

namespace qc::correct {
namespace {

// A layer whose bias can be corrected, and the value (bias included, activation not) where its error shows.
struct Layer {
  ir::NodeId node = ir::kNone;
  ir::ValueId result = ir::kNone;
  int axis = 1;  // of the result's channels; negative: from the end
};

std::vector<Layer> layers_of(const plan::QuantizedModel& model) {
  std::vector<Layer> layers;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = model.graph.nodes[static_cast<size_t>(id)];
    const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
    if (!traits || !model.weights.count(node.inputs[static_cast<size_t>(traits->weight_slot)])) continue;
    if (const auto place = ir::bias_place(model.graph, id)) layers.push_back({id, place->result, ir::output_axis(node)});
  }
  return layers;
}

quant::ChannelLayout layout_of(std::span<const int64_t> dims, int axis) {
  return quant::channel_layout(dims, axis < 0 ? axis + static_cast<int>(dims.size()) : axis);
}

std::vector<double> channel_means(std::span<const float> tensor, const quant::ChannelLayout& layout) {
  std::vector<double> means(static_cast<size_t>(layout.channels), 0.0);
  const float* x = tensor.data();
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c) {
      // Eight partial sums: vectorises, and is the same sum on every machine.
      double part[8] = {};
      int64_t i = 0;
      for (; i + 8 <= layout.inner; i += 8)
        for (int j = 0; j < 8; ++j) part[j] += x[i + j];
      for (; i < layout.inner; ++i) part[0] += x[i];
      x += layout.inner;
      means[static_cast<size_t>(c)] += ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    }
  for (double& mean : means) mean /= static_cast<double>(layout.outer * layout.inner);
  return means;
}

using Means = std::vector<std::vector<double>>;  // by image, by channel

// Where the runs of all images wait for each other. Runs meet the layers in the same order, because they execute the
// same session sequentially.
class MeetingPoint {
 public:
  explicit MeetingPoint(size_t runs) : runs_(runs), means_(runs) {}

  /// Called once by every run at each layer; returns the delta when all have arrived.
  std::vector<float> meet(size_t run, std::vector<double> means, const Means& expected) {
    std::unique_lock<std::mutex> lock(mutex_);
    means_[run] = std::move(means);
    if (++arrived_ == runs_) {
      delta_ = mean_difference(expected);
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
    } else {
      const int64_t round = round_;
      all_here_.wait(lock, [&] { return round_ != round || broken_; });
    }
    if (broken_) throw Error(Exit::kBug, {"lost-company", "bias correction", "another image of the group failed", ""});
    return delta_;
  }

  void break_up() {
    const std::lock_guard<std::mutex> lock(mutex_);
    broken_ = true;
    all_here_.notify_all();
  }

 private:
  std::vector<float> mean_difference(const Means& expected) const {
    std::vector<float> delta(means_[0].size());
    for (size_t c = 0; c < delta.size(); ++c) {
      double difference = 0;
      for (size_t r = 0; r < runs_; ++r) difference += expected[r][c] - means_[r][c];
      delta[c] = static_cast<float>(difference / static_cast<double>(runs_));
    }
    return delta;
  }

  size_t runs_;
  Means means_;
  std::vector<float> delta_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  size_t arrived_ = 0;
  int64_t round_ = 0;
  bool broken_ = false;
};

struct FloatMeans {
  std::vector<Means> by_layer;  // [layer][image][channel]
  int64_t largest = 0;          // elements of the largest result
};

FloatMeans float_means(const plan::QuantizedModel& model, const std::vector<Layer>& layers, run::RunnerFactory& runners,
                       const images::ImageSource& source, std::span<const int64_t> indices, int threads) {
  FloatMeans means;
  means.by_layer.assign(layers.size(), Means(indices.size()));
  std::mutex mutex;
  std::vector<run::Tap> taps;
  for (size_t l = 0; l < layers.size(); ++l)
    taps.push_back({layers[l].result, [&, l](int64_t slot, std::span<const float> tensor, std::span<const int64_t> dims) {
      means.by_layer[l][static_cast<size_t>(slot)] = channel_means(tensor, layout_of(dims, layers[l].axis));
      const std::lock_guard<std::mutex> lock(mutex);
      means.largest = std::max(means.largest, static_cast<int64_t>(tensor.size()));
    }, {}});
  const auto runner = runners.make(model.graph, std::move(taps), {});
  parallel_for(static_cast<int64_t>(indices.size()), threads, [&](int64_t i, int) { runner->run(source.load(indices[static_cast<size_t>(i)]), i); });
  return means;
}

void add_to_channels(std::span<float> tensor, const quant::ChannelLayout& layout, const std::vector<float>& delta) {
  float* x = tensor.data();
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c, x += layout.inner)
      for (int64_t i = 0; i < layout.inner; ++i) x[i] += delta[static_cast<size_t>(c)];
}

// Evenly spread over the indices.
std::vector<int64_t> spread(std::span<const int64_t> indices, int64_t count) {
  std::vector<int64_t> some;
  const int64_t size = static_cast<int64_t>(indices.size());
  for (int64_t i = 0; i < std::min(count, size); ++i) some.push_back(indices[static_cast<size_t>(i * size / std::min(count, size))]);
  return some;
}

}  // namespace

BiasDeltas measure_bias_deltas(const plan::QuantizedModel& model, run::RunnerFactory& runners, const images::ImageSource& source,
                               std::span<const int64_t> indices, const BiasOptions& options) {
  const std::vector<Layer> layers = layers_of(model);
  std::vector<int64_t> chosen = spread(indices, options.most_images);
  if (layers.empty() || chosen.empty()) return {};
  const FloatMeans expected = float_means(model, layers, runners, source, chosen, options.threads);

  // About three tensors of the largest size are alive in a run: input, output, and a branch.
  const int64_t fits = options.memory_limit / std::max<int64_t>(1, 12 * expected.largest);
  const size_t runs = static_cast<size_t>(std::clamp<int64_t>(fits, 1, static_cast<int64_t>(chosen.size())));
  // The float means of the first `runs` of the chosen images, which are spread as well as all of them.
  const std::vector<int64_t> used = spread(chosen, static_cast<int64_t>(runs));
  std::vector<size_t> row(used.size());
  for (size_t i = 0; i < used.size(); ++i) row[i] = static_cast<size_t>(std::find(chosen.begin(), chosen.end(), used[i]) - chosen.begin());

  BiasDeltas deltas;
  std::map<ir::ValueId, size_t> layer_at;
  for (size_t l = 0; l < layers.size(); ++l) layer_at[layers[l].result] = l;
  std::vector<Means> expected_used(layers.size());
  for (size_t l = 0; l < layers.size(); ++l)
    for (const size_t r : row) expected_used[l].push_back(expected.by_layer[l][r]);

  MeetingPoint meeting(used.size());
  const simulate::ActivationTable table = simulate::table_of(model.plan);
  std::vector<ir::ValueId> tapped = simulate::rounded_values(model.plan);
  for (const Layer& layer : layers)
    if (!model.plan.values[static_cast<size_t>(layer.result)].quantized) tapped.push_back(layer.result);
  const auto correct = [&](ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
    const auto at = layer_at.find(value);
    if (at == layer_at.end()) return;
    const Layer& layer = layers[at->second];
    const quant::ChannelLayout layout = layout_of(dims, layer.axis);
    const std::vector<float> delta = meeting.meet(static_cast<size_t>(slot), channel_means(tensor, layout), expected_used[at->second]);
    if (slot == 0) deltas[layer.node] = delta;
    add_to_channels(tensor, layout, delta);
  };
  const auto runner = runners.make(simulate::integer_valued_graph(model), simulate::rounding_taps(tapped, table, correct), {});
  // Runs wait inside the network, so each needs a thread of its own; the processors take turns among them.
  Progress progress("correcting", static_cast<int64_t>(layers.size()), "layers");
  parallel_for(static_cast<int64_t>(used.size()), static_cast<int>(used.size()), [&](int64_t i, int) {
    try {
      runner->run(source.load(used[static_cast<size_t>(i)]), i);
    } catch (...) {
      meeting.break_up();
      throw;
    }
  });
  progress.advance(static_cast<int64_t>(layers.size()));
  return deltas;
}

}  // namespace qc::correct
