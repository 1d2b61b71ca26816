// See cut_off.h.
#include "search/cut_off.h"

#include <algorithm>
#include <map>

#include "quant/quant_params.h"
#include "simulate/simulate.h"

namespace qc {
namespace {

constexpr double kFar = 0.1;  // of the range's length, beyond its end

void weigh(simulate::Power& power, double weight) {
  power.signal *= weight;
  power.noise *= weight;
  for (simulate::Power& part : power.parts) weigh(part, weight);
}

}  // namespace

std::vector<int64_t> images_cut_off(const plan::QuantPlan& plan, const plan::StatsTable& stats,
                                    const calibrate::ExtremesTable& extremes, int64_t most) {
  std::map<int64_t, double> furthest;  // by image, in ranges
  for (const ir::ValueId v : simulate::rounded_values(plan)) {
    const auto seen = stats.find(v);
    const auto at = extremes.find(v);
    if (seen == stats.end() || at == extremes.end()) continue;
    const quant::QuantParams& params = plan.values[v].params;
    const auto low = static_cast<double>(quant::range_min(params)),
               high = static_cast<double>(quant::range_max(params));
    const auto beyond = [&](int64_t image, double distance) {
      if (image >= 0 && distance > kFar * (high - low))
        furthest[image] = std::max(furthest[image], distance / (high - low));
    };
    beyond(at->second.least, low - static_cast<double>(seen->second.min));
    beyond(at->second.largest, static_cast<double>(seen->second.max) - high);
  }
  std::vector<int64_t> images;
  for (const auto& [image, distance] : furthest) images.push_back(image);
  std::stable_sort(images.begin(), images.end(),
                   [&](int64_t a, int64_t b) { return furthest[a] > furthest[b]; });
  images.resize(std::min(images.size(), static_cast<size_t>(most)));
  return images;
}

double calibration_db(const FloatAnswers& answers, const images::ImageSource& source, int threads,
                      const Attempt& attempt) {
  if (answers.cut_off.images.empty() || attempt.fidelity.images == 0) return attempt.fidelity.worst_db();
  simulate::Fidelity all =
      simulate::fidelity_of(*attempt.simulator->runner, source, answers.cut_off, answers.judged, threads);
  simulate::Fidelity others = attempt.fidelity;
  const double weight =
      static_cast<double>(std::ssize(answers.calibration) - all.images) / static_cast<double>(others.images);
  for (simulate::Power& power : others.outputs) weigh(power, weight);
  simulate::add(all, others);
  return all.worst_db();
}

}  // namespace qc
