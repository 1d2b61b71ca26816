// See calibrate.h. Histograms, minima and maxima do not depend on the order of images, so every worker has
// its own and they are merged at the end. Sums of channels do depend on it (floating point), so each image's
// sums wait until all earlier images have been added.
#include "calibrate/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/text.h"
#include "calibrate/histogram.h"
#include "quant/quant_params.h"

namespace qc::calibrate {
namespace {

constexpr int64_t kChannelRuns = 32;  // whose channels are looked at: means and extremes settle early
constexpr size_t kLanes = 8;

struct ChannelSums {
  std::vector<double> sum;
  std::vector<float> min, max;
  int64_t per_channel = 0;  // elements in each channel
};

// What one worker has seen of one value.
struct Seen {
  uint64_t count = 0;
  float min = std::numeric_limits<float>::infinity(), max = -std::numeric_limits<float>::infinity();
  Extremes extremes;
  StreamingHistogram histogram;
};

// The extremes of two ranges; of images that hold the same, the first.
void join(Seen& seen, float min, float max, const Extremes& at) {
  if (min < seen.min || (min == seen.min && at.least < seen.extremes.least)) {
    seen.min = min;
    seen.extremes.least = at.least;
  }
  if (max > seen.max || (max == seen.max && at.largest < seen.extremes.largest)) {
    seen.max = max;
    seen.extremes.largest = at.largest;
  }
}

ChannelSums channel_sums(std::span<const float> tensor, std::span<const int64_t> dims, int axis) {
  const quant::ChannelLayout layout = quant::channel_layout(dims, axis);
  ChannelSums sums;
  sums.sum.assign(layout.channels, 0.0);
  sums.min.assign(layout.channels, std::numeric_limits<float>::infinity());
  sums.max.assign(layout.channels, -std::numeric_limits<float>::infinity());
  sums.per_channel = layout.outer * layout.inner;
  const float* x = tensor.data();
  for (int64_t o = 0; o < layout.outer; ++o)
    for (int64_t c = 0; c < layout.channels; ++c) {
      float low = sums.min[c], high = sums.max[c];
      // Lane by lane, which compilers turn into vectors; the lanes are added in a fixed order.
      std::array<double, kLanes> lanes{};
      std::array<float, kLanes> lows, highs;
      lows.fill(low);
      highs.fill(high);
      int64_t i = 0;
      for (; i + static_cast<int64_t>(kLanes) <= layout.inner; i += kLanes, x += kLanes)
        for (size_t l = 0; l < kLanes; ++l) {
          lanes[l] += x[l];
          lows[l] = x[l] < lows[l] ? x[l] : lows[l];
          highs[l] = x[l] > highs[l] ? x[l] : highs[l];
        }
      double sum = std::accumulate(lanes.begin(), lanes.end(), 0.0);
      low = *std::min_element(lows.begin(), lows.end());
      high = *std::max_element(highs.begin(), highs.end());
      for (; i < layout.inner; ++i, ++x) {
        sum += *x;
        low = std::min(low, *x);
        high = std::max(high, *x);
      }
      sums.sum[c] += sum;
      sums.min[c] = low;
      sums.max[c] = high;
    }
  return sums;
}

// Adds each image's channel sums in image order.
class OrderedSums {
 public:
  explicit OrderedSums(size_t values) : totals_(values) {}

  void add(int64_t image, std::vector<ChannelSums> sums) {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.emplace(image, std::move(sums));
    for (auto it = waiting_.find(next_); it != waiting_.end(); it = waiting_.find(next_)) {
      for (size_t r = 0; r < totals_.size(); ++r) add_to(totals_[r], it->second[r]);
      waiting_.erase(it);
      ++next_;
    }
  }
  const ChannelSums& total(size_t request) const { return totals_[request]; }

 private:
  static void add_to(ChannelSums& total, const ChannelSums& one) {
    if (total.sum.empty()) {
      total = one;
      return;
    }
    for (size_t c = 0; c < std::min(total.sum.size(), one.sum.size()); ++c) {
      total.sum[c] += one.sum[c];
      total.min[c] = std::min(total.min[c], one.min[c]);
      total.max[c] = std::max(total.max[c], one.max[c]);
    }
    total.per_channel += one.per_channel;
  }

  std::mutex mutex_;
  int64_t next_ = 0;
  std::map<int64_t, std::vector<ChannelSums>> waiting_;
  std::vector<ChannelSums> totals_;
};

std::string place_of(const ir::Graph& graph, ir::ValueId value) {
  const ir::Value& v = ir::value_at(graph, value);
  if (v.producer == ir::kNone) return "input '" + v.name + "'";
  const ir::Node& node = ir::node_at(graph, v.producer);
  return format("node '{}' ({})", node.name, node.op_type);
}

// A first dimension that counts points or nodes is no batch that others could be added to.
void check_single(const images::ImageSource& source, int64_t image, const std::vector<ir::Tensor>& tensors) {
  for (const ir::Tensor& tensor : tensors)
    if (tensor.dims[0] != 1)
      throw Error(Exit::kInput,
                  {"batch-shape", source.name(image),
                   format("it holds {} at once, which cannot be joined to a batch", tensor.dims[0]),
                   "set /representative_dataset/batch_size to 1"});
}

// Joins the inputs of several images along the first dimension.
std::vector<ir::Tensor> load_batch(const images::ImageSource& source, std::span<const int64_t> indices) {
  std::vector<ir::Tensor> joined = source.load(indices[0]);
  if (indices.size() == 1) return joined;
  check_single(source, indices[0], joined);
  std::vector<std::string> bytes;
  for (const ir::Tensor& tensor : joined) bytes.push_back(*tensor.bytes);
  for (size_t k = 1; k < indices.size(); ++k) {
    const std::vector<ir::Tensor> next = source.load(indices[k]);
    check_single(source, indices[k], next);
    for (size_t i = 0; i < joined.size(); ++i) {
      if (!std::equal(next[i].dims.begin() + 1, next[i].dims.end(), joined[i].dims.begin() + 1,
                      joined[i].dims.end()))
        throw Error(Exit::kInput, {"batch-shape", source.name(indices[k]),
                                   "its shape differs from the one before it in the batch",
                                   "set /representative_dataset/batch_size to 1"});
      joined[i].dims[0] += next[i].dims[0];
      bytes[i] += *next[i].bytes;
    }
  }
  for (size_t i = 0; i < joined.size(); ++i)
    joined[i] = ir::make_tensor(joined[i].dtype, std::move(bytes[i]), joined[i].dims);
  return joined;
}

bool has_nan(const ir::Tensor& tensor) {
  if (tensor.dtype != ir::DType::kFloat) return false;
  const auto values = tensor.as<float>();
  return std::any_of(values.begin(), values.end(), [](float x) { return std::isnan(x); });
}

}  // namespace

Error not_finite(const ir::Graph& graph, run::RunnerFactory& runners, const images::ImageSource& source,
                 std::span<const int64_t> images) {
  std::vector<ir::ValueId> values = graph.inputs;
  for (const ir::NodeId node : ir::topological_order(graph))
    for (const ir::ValueId value : ir::node_at(graph, node).outputs)
      if (value != ir::kNone) values.push_back(value);
  std::erase_if(values,
                [&](ir::ValueId value) { return ir::value_at(graph, value).dtype != ir::DType::kFloat; });
  size_t blamed = values.size();  // position in graph order; the runtime's own order is another one
  std::vector<run::Tap> taps;
  for (size_t i = 0; i < values.size(); ++i)
    taps.push_back({values[i],
                    [&blamed, i](int64_t, std::span<const float> tensor, std::span<const int64_t>) {
                      if (!tensor.empty() && !range_of(tensor).finite) blamed = std::min(blamed, i);
                    },
                    {}});
  const auto runner = runners.make(graph, std::move(taps), {});
  int64_t image = images[0];
  for (size_t i = 0; i < images.size() && blamed == values.size(); ++i) {
    image = images[i];
    runner->run(source.load(image));
  }
  return {Exit::kInput,
          {"not-finite", blamed < values.size() ? place_of(graph, values[blamed]) : "the model",
           format("it gives NaN or infinity on {} '{}'", images::unit_of(source), source.name(image)),
           source.picture() ? "check preprocess.mean and preprocess.std against what the model was trained "
                              "with, and that image"
                            : "check the numbers in that file against what the model was trained with"}};
}

plan::StatsTable calibrate(const ir::Graph& graph, run::RunnerFactory& runners,
                           const images::ImageSource& source, std::span<const int64_t> indices,
                           std::span<const plan::StatRequest> requests, const Options& options,
                           ExtremesTable* extremes) {
  const int64_t batch = std::max<int64_t>(1, options.batch_size);
  const int64_t runs = (static_cast<int64_t>(indices.size()) + batch - 1) / batch;
  const size_t workers = static_cast<size_t>(std::max(1, options.threads));
  std::vector<std::vector<Seen>> seen(workers, std::vector<Seen>(requests.size()));
  std::vector<std::vector<ChannelSums>> sums(workers);
  const bool any_channels =
      std::any_of(requests.begin(), requests.end(), [](const auto& r) { return r.per_channel; });
  const int64_t channel_step = any_channels ? (runs + kChannelRuns - 1) / kChannelRuns : runs + 1;
  OrderedSums ordered(requests.size());
  std::vector<int64_t> image(workers, -1);     // this worker's run
  std::vector<char> channels(workers, false);  // this worker's run is one of kChannelRuns
  std::vector<char> broken(workers, false);    // this worker's run met NaN or infinity

  std::vector<run::Tap> taps;
  for (size_t r = 0; r < requests.size(); ++r) {
    const plan::StatRequest& request = requests[r];
    taps.push_back({request.value,
                    [&, r](int64_t slot, std::span<const float> tensor, std::span<const int64_t> dims) {
                      if (tensor.empty()) return;
                      const size_t worker = static_cast<size_t>(slot);
                      Seen& s = seen[worker][r];
                      const Range range = requests[r].histogram ? s.histogram.add(tensor) : range_of(tensor);
                      if (!range.finite) {
                        broken[worker] = true;
                        return;
                      }
                      s.count += tensor.size();
                      join(s, range.min, range.max, {image[worker], image[worker]});
                      if (requests[r].per_channel && channels[worker])
                        sums[worker][r] = channel_sums(tensor, dims, requests[r].channel_axis);
                    },
                    {},
                    [&, r](int64_t slot) { return !requests[r].per_channel || !channels[slot]; }});
  }
  run::RunnerOptions often;
  often.keep_memory = true;
  often.runs = (runs + static_cast<int64_t>(workers) - 1) / static_cast<int64_t>(workers);
  const auto runner = runners.make(graph, std::move(taps), often);
  Progress progress("calibrating", static_cast<int64_t>(indices.size()), images::unit_of(source) + "s");
  parallel_for(runs, options.threads, [&](int64_t i, int worker) {
    const int64_t first = i * batch;
    const auto these =
        indices.subspan(first, std::min<int64_t>(batch, static_cast<int64_t>(indices.size()) - first));
    const bool looked_at = any_channels && i % channel_step == 0;
    channels[worker] = looked_at;
    image[worker] = these.front();
    sums[worker].assign(requests.size(), {});
    const std::vector<ir::Tensor> inputs = load_batch(source, these);
    const std::vector<ir::Tensor> outputs = runner->run(inputs, worker);
    if (broken[worker] || std::any_of(outputs.begin(), outputs.end(), has_nan))
      throw not_finite(graph, runners, source, these);
    if (looked_at) ordered.add(i / channel_step, std::move(sums[worker]));
    progress.advance(static_cast<int64_t>(these.size()));
  });

  plan::StatsTable table;
  for (size_t r = 0; r < requests.size(); ++r) {
    plan::TensorStats stats;
    StreamingHistogram histogram;
    Seen all;
    for (size_t w = 0; w < workers; ++w) {
      stats.count += seen[w][r].count;
      join(all, seen[w][r].min, seen[w][r].max, seen[w][r].extremes);
      histogram.merge(seen[w][r].histogram);
    }
    if (stats.count > 0) {
      stats.min = all.min;
      stats.max = all.max;
    }
    stats.histogram = histogram.result();
    const ChannelSums& total = ordered.total(r);
    for (const double sum : total.sum)
      stats.channel_mean.push_back(sum / static_cast<double>(total.per_channel));
    stats.channel_min = total.min;
    stats.channel_max = total.max;
    table.emplace(requests[r].value, std::move(stats));
    if (extremes) (*extremes)[requests[r].value] = all.extremes;
  }
  return table;
}

Split split_images(int64_t count, int64_t held_out) {
  Split split;
  const int64_t apart = count < 10 ? 0 : std::min(held_out, count / 5);
  for (int64_t i = 0; i < count; ++i) {
    // Image i is held out when the evenly spaced count of held-out images steps up at i.
    const bool out = apart > 0 && (i + 1) * apart / count > i * apart / count;
    (out ? split.held_out : split.calibration).push_back(i);
  }
  if (apart == 0) split.held_out = split.calibration;
  return split;
}

}  // namespace qc::calibrate
