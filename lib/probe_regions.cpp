// See probe_regions.h.
#include "probe_regions.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/parallel.h"
#include "correct/bias_correction.h"

namespace qc {
namespace {

constexpr int kBits = 8;
constexpr int64_t kImages = 4;

struct Range {
  float least = 0, greatest = 0;
};

// Of the tapped values.
std::map<ir::ValueId, Range> ranges_in(simulate::Simulator& simulator,
                                       const std::vector<std::vector<ir::Tensor>>& inputs, int threads) {
  std::map<ir::ValueId, Range> ranges;
  std::mutex mutex;
  simulator.before = [&](ir::ValueId value, int64_t, std::span<float> tensor, std::span<const int64_t>) {
    if (tensor.empty()) return;
    const auto [least, greatest] = std::minmax_element(tensor.begin(), tensor.end());
    const std::lock_guard<std::mutex> lock(mutex);
    Range& range = ranges.try_emplace(value, Range{*least, *greatest}).first->second;
    range = {std::min(range.least, *least), std::max(range.greatest, *greatest)};
  };
  parallel_for(std::ssize(inputs), threads,
               [&](int64_t i, int worker) { simulator.runner->run(inputs[static_cast<size_t>(i)], worker); });
  simulator.before = {};
  return ranges;
}

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
  for (const int64_t image : correct::spread(answers.held_out.images, enough_images(source, kImages)))
    inputs.push_back(source.load(image));
  for (const auto& [value, range] : ranges_in(*simulator, inputs, threads))
    simulator->table[static_cast<size_t>(value)] = quant::asymmetric_params(
        static_cast<double>(range.least), static_cast<double>(range.greatest), kBits, false);
  return simulate::rounding_noise(*simulator, groups, inputs, answers.judged, threads);
}

}  // namespace qc
