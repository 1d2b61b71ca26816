// See probe_regions.h.
#include "search/probe_regions.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "correct/bias_correction.h"

namespace qc {
namespace {

constexpr int kBits = 8;
// Where pictures are few, one is enough and regions beyond their number are probed together: it would take
// longer than everything else.
constexpr int64_t kImages = 2, kOneOf = 8;

struct Range {
  float least = 0, greatest = 0;
};

// Of tapped values, while nothing is rounded.
class Ranges {
 public:
  explicit Ranges(size_t values) : ranges_(values) {}

  void see(ir::ValueId value, std::span<const float> tensor) {
    if (tensor.empty()) return;
    const auto [least, greatest] = std::minmax_element(tensor.begin(), tensor.end());
    const std::lock_guard<std::mutex> lock(mutex_);
    std::optional<Range>& range = ranges_[value];
    if (!range) range = Range{*least, *greatest};
    range = Range{std::min(range->least, *least), std::max(range->greatest, *greatest)};
  }

  simulate::ActivationTable grids() const {
    simulate::ActivationTable table(ranges_.size());
    for (size_t v = 0; v < table.size(); ++v)
      if (const std::optional<Range>& range = ranges_[v])
        table[v] = quant::asymmetric_params(static_cast<double>(range->least),
                                            static_cast<double>(range->greatest), kBits, false);
    return table;
  }

 private:
  std::mutex mutex_;
  std::vector<std::optional<Range>> ranges_;  // by value
};

}  // namespace

simulate::NoiseRatios noise_of_unplanned(const Attempt& best,
                                         const std::vector<std::vector<ir::ValueId>>& groups,
                                         const FloatAnswers& answers, run::RunnerFactory& runners,
                                         const images::ImageSource& source, int threads) {
  std::vector<ir::ValueId> values;
  for (const std::vector<ir::ValueId>& group : groups)
    values.insert(values.end(), group.begin(), group.end());
  const auto simulator = simulate::make_simulator(best.model, runners, values, answers.judged);
  std::fill(simulator->table.begin(), simulator->table.end(), std::nullopt);
  std::vector<std::vector<ir::Tensor>> inputs;
  const int64_t most = std::clamp<int64_t>(std::ssize(answers.calibration) / kOneOf, 1, kImages);
  for (const int64_t image : correct::spread(answers.held_out.images, enough_images(source, most)))
    inputs.push_back(source.load(image));
  Ranges ranges(simulator->table.size());
  simulator->before = [&](ir::ValueId value, int64_t, std::span<float> tensor, std::span<const int64_t>) {
    ranges.see(value, tensor);
  };
  simulate::ProbeOptions options;
  options.alone = answers.calibration.size();
  options.settle = [&] {
    simulator->before = {};
    simulator->table = ranges.grids();
  };
  return simulate::rounding_noise(*simulator, groups, inputs, answers.judged, threads, options);
}

}  // namespace qc
