// See probe_regions.h.
#include "probe_regions.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace qc {
namespace {

constexpr int kBits = 8;

struct Range {
  float least = 0, greatest = 0;
};

// Of the tapped values, in one run.
std::map<ir::ValueId, Range> ranges_in(simulate::Simulator& simulator, const std::vector<ir::Tensor>& input) {
  std::map<ir::ValueId, Range> ranges;
  std::mutex mutex;
  simulator.before = [&](ir::ValueId value, int64_t, std::span<float> tensor, std::span<const int64_t>) {
    if (tensor.empty()) return;
    const auto [least, greatest] = std::minmax_element(tensor.begin(), tensor.end());
    const std::lock_guard<std::mutex> lock(mutex);
    ranges[value] = {*least, *greatest};
  };
  simulator.runner->run(input, 0);
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
  const std::vector<ir::Tensor> input = source.load(answers.held_out.images.at(0));
  for (const auto& [value, range] : ranges_in(*simulator, input))
    simulator->table[static_cast<size_t>(value)] =
        quant::asymmetric_params(static_cast<double>(range.least), static_cast<double>(range.greatest), kBits,
                                 false);
  return simulate::rounding_noise(*simulator, groups, {input}, answers.judged, threads);
}

}  // namespace qc
