// See measured_noise.h.
#include "search/measured_noise.h"

#include <algorithm>
#include <map>

#include "simulate/probe.h"

namespace qc {
namespace {

constexpr int64_t kProbeImages = 2;

// The attempt as it stands with nothing rounded but weights, and back again.
class WithoutRounding {
 public:
  explicit WithoutRounding(Attempt& attempt)
      : simulator_(*attempt.simulator), table_(simulator_.table), before_(simulator_.before) {
    std::fill(simulator_.table.begin(), simulator_.table.end(), std::nullopt);
  }
  WithoutRounding(const WithoutRounding&) = delete;
  WithoutRounding& operator=(const WithoutRounding&) = delete;
  ~WithoutRounding() {
    simulator_.table = std::move(table_);
    simulator_.before = std::move(before_);
  }

 private:
  simulate::Simulator& simulator_;
  simulate::ActivationTable table_;
  simulate::Hook before_;
};

simulate::Fidelity fidelity_now(Attempt& attempt, const PlacementScene& scene) {
  return simulate::fidelity_of(*attempt.simulator->runner, scene.source, scene.answers.held_out,
                               scene.answers.judged, scene.threads);
}

}  // namespace

simulate::Fidelity of_weights_uncorrected(Attempt& attempt, const PlacementScene& scene) {
  const WithoutRounding nothing(attempt);
  attempt.simulator->before = {};
  return fidelity_now(attempt, scene);
}

simulate::Fidelity of_weights(Attempt& attempt, const PlacementScene& scene, std::optional<double> sure) {
  const WithoutRounding nothing(attempt);
  const FloatAnswers& answers = scene.answers;
  std::optional<simulate::Fidelity> as_it_is;
  if (sure || answers.layers.empty()) as_it_is = fidelity_now(attempt, scene);
  if (as_it_is && (answers.layers.empty() || as_it_is->worst_db() >= *sure)) return *as_it_is;
  const auto deltas = correct::measure_bias_deltas(*attempt.simulator, answers.layers, answers.means,
                                                   scene.source, kCorrectionMemory, scene.threads);
  attempt.simulator->before = correct::adding(deltas, answers.layers);
  const simulate::Fidelity own = fidelity_now(attempt, scene);
  return !as_it_is || own.worst_db() > as_it_is->worst_db() ? own : *as_it_is;
}

select::MeasuredNoise measured_noise(Attempt& attempt, const simulate::Fidelity& weights_only,
                                     const PlacementScene& scene) {
  const FloatAnswers& answers = scene.answers;
  const plan::QuantPlan& plan = attempt.model.plan;
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (const ir::ValueId v : simulate::rounded_values(plan)) groups[plan.values[v].scale_group].push_back(v);
  select::MeasuredNoise noise;
  std::vector<std::vector<ir::ValueId>> members;
  for (const auto& [representative, values] : groups) {
    noise.values.push_back(representative);
    members.push_back(values);
    noise.members.push_back(values);
  }
  std::vector<std::vector<ir::Tensor>> inputs;
  for (const int64_t image :
       correct::spread(scene.split.calibration, enough_images(scene.source, kProbeImages)))
    inputs.push_back(scene.source.load(image));
  noise.ratios = simulate::rounding_noise(*attempt.simulator, members, inputs, answers.judged, scene.threads);
  const std::vector<double> bases = simulate::noise_ratios(weights_only.outputs),
                            totals = simulate::noise_ratios(attempt.fidelity.outputs);
  for (size_t o = 0; o < bases.size(); ++o) {
    const double base = bases[o], total = totals[o];
    double explained = 0;
    for (const std::vector<double>& ratio : noise.ratios) explained += ratio[o];
    const double scale = explained > 0 ? std::clamp((total - base) / explained, 0.1, 10.0) : 1.0;
    for (std::vector<double>& ratio : noise.ratios) ratio[o] *= scale;
    noise.base.push_back(base);
    noise.scales.push_back(scale);
  }
  return noise;
}

}  // namespace qc
