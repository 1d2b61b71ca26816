// See tune_ranges.h.
#include "search/tune_ranges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/decibels.h"
#include "base/text.h"
#include "simulate/probe.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

// The first of the images tell which groups matter, all of them which range.
constexpr int64_t kProbeImages = 4, kOrderImages = 2;
// Groups that are looked at: those that cause kMostNoise of all, at most kMostGroups; kAtOnce of them, and
// the next ones if the outputs came closer by kWorthwhileDb.
constexpr double kMostNoise = 0.95, kWorthwhileDb = 0.3;
constexpr size_t kMostGroups = 32, kAtOnce = 16;
constexpr double kClearly = 0.9;  // of the noise: less is no accident of the images
constexpr double kClearlyDb = 1;  // less may be the held-out images' chance
// Few rare images say less, and searched ranges leave more to corrections of weights behind them.
constexpr double kByRareDb = 1.5;
constexpr double kSameGrid = 0.02;  // relative; scales that were made to round alike differ by less

struct Group {
  ir::ValueId representative = ir::kNone;
  std::vector<ir::ValueId> values;
};

// Groups whose grid is their own: what is copied into a Concat takes that of the result.
std::vector<Group> groups_of(const plan::QuantPlan& plan, const plan::Candidates& activations) {
  std::map<ir::ValueId, Group> groups;
  for (const ir::ValueId v : simulate::rounded_values(plan)) {
    const plan::ValueDecision& decision = plan.values[v];
    const auto candidates = activations.find(decision.scale_group);
    if (candidates == activations.end() || candidates->second.size() < 2) continue;
    const double own = static_cast<double>(candidates->second[0].params.scales[0]);
    if (std::abs(static_cast<double>(decision.params.scales[0]) - own) > kSameGrid * own) continue;
    Group& group = groups[decision.scale_group];
    group.representative = decision.scale_group;
    group.values.push_back(v);
  }
  std::vector<Group> list;
  for (auto& [representative, group] : groups) list.push_back(std::move(group));
  return list;
}

// Outputs count by their own noise: the worst ones rule.
double sum_of(const std::vector<double>& ratios) {
  return std::accumulate(ratios.begin(), ratios.end(), 0.0);
}

// The groups that cause most of the noise, the worst first.
std::vector<size_t> worst_first(const simulate::NoiseRatios& noise) {
  std::vector<size_t> order(noise.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sum_of(noise[a]) > sum_of(noise[b]); });
  double all = 0, taken = 0;
  for (const std::vector<double>& ratios : noise) all += sum_of(ratios);
  size_t count = 0;
  while (count < std::min(order.size(), kMostGroups) && taken < kMostNoise * all)
    taken += sum_of(noise[order[count++]]);
  order.resize(count);
  return order;
}

bool same_grid(const quant::QuantParams& a, const quant::QuantParams& b) {
  return a.scales == b.scales && a.zero_points == b.zero_points;
}

// What is probed and where that gets to.
struct RangeScene {
  const FloatAnswers& answers;
  const plan::Candidates& activations;
  const std::vector<Group>& groups;
  const std::vector<std::vector<ir::Tensor>>& inputs;
  int threads;
};

struct Trial {
  size_t group = 0, candidate = 0;
};

std::vector<Trial> trials_of(const RangeScene& scene, std::span<const size_t> groups) {
  std::vector<Trial> trials;
  for (const size_t g : groups) {
    const std::vector<plan::Candidate>& candidates = scene.activations.at(scene.groups[g].representative);
    for (size_t c = 0; c < candidates.size(); ++c) {
      const auto equal = [&](const plan::Candidate& other) {
        return same_grid(other.params, candidates[c].params);
      };
      if (std::none_of(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(c), equal))
        trials.push_back({g, c});
    }
  }
  return trials;
}

// The candidates of these groups that clearly cost less than the first; added to `choice`, and told.
std::vector<report::Correction::Layer> choose(const RangeScene& scene, std::span<const size_t> groups,
                                              simulate::Simulator& simulator, const ir::Graph& graph,
                                              RangeChoice& choice) {
  const std::vector<Trial> trials = trials_of(scene, groups);
  std::vector<simulate::RangeProbe> probes;
  for (const Trial& trial : trials) {
    const Group& group = scene.groups[trial.group];
    probes.push_back({group.values, scene.activations.at(group.representative)[trial.candidate].params});
  }
  const simulate::NoiseRatios noise =
      simulate::range_noise(simulator, probes, scene.inputs, scene.answers.judged, scene.threads);
  std::vector<report::Correction::Layer> chosen;
  for (size_t t = 0; t < trials.size();) {
    const size_t group = trials[t].group;
    const double first = sum_of(noise[t]);  // each group's first trial is its first candidate
    double least = kClearly * first;
    size_t best = 0;
    for (; t < trials.size() && trials[t].group == group; ++t)
      if (sum_of(noise[t]) < least) {
        least = sum_of(noise[t]);
        best = trials[t].candidate;
      }
    if (best == 0) continue;
    const ir::ValueId v = scene.groups[group].representative;
    choice[v] = best;
    chosen.push_back({ir::value_at(graph, v).name, scene.activations.at(v)[best].note,
                      decibels(first / std::max(least, 1e-300))});
  }
  return chosen;
}

}  // namespace

void put_first(const RangeChoice& choice, plan::Candidates& activations) {
  for (const auto& [representative, candidate] : choice) {
    const auto found = activations.find(representative);
    if (found != activations.end() && candidate < found->second.size())
      std::swap(found->second[0], found->second[candidate]);
  }
}

bool wants_tuned_ranges(const config::CoreConfig& config, bool full, const Attempt& first) {
  return config.correction.range_search.value_or(full && first.fidelity.worst_db() < kUsableDb);
}

bool wants_whole_ranges(const config::CoreConfig& config, bool full, const Attempt& first,
                        const std::function<double(const Attempt&)>& whole_db) {
  if (has_narrow_weights(first.model) ||  // there an attempt takes long, and weights are what costs
      config.quantization.activation_error_method == config::ErrorMethod::kNoClipping)
    return false;
  if (const std::optional<bool>& asked = config.correction.range_search) return *asked;
  return full || misses_goal(first, config) || first.fidelity.worst_db() - whole_db(first) >= kClearlyDb;
}

TunedRanges whole_ranges(const plan::Candidates& activations, Attempt first,
                         const std::function<Attempt(const RangeChoice& choice)>& retry,
                         const std::function<double(const Attempt&)>& whole_db) {
  TunedRanges tuned{std::move(first), {}, {}};
  RangeChoice choice;
  for (const auto& [representative, candidates] : activations)
    for (size_t c = 1; c < candidates.size(); ++c)
      if (candidates[c].note == threshold::kWholeRange &&
          !same_grid(candidates[c].params, candidates[0].params))
        choice[representative] = c;
  if (choice.empty()) return tuned;
  Attempt other = retry(choice);
  const double before = whole_db(tuned.best), after = whole_db(other);
  const double held_out = other.fidelity.worst_db() - tuned.best.fidelity.worst_db();
  const bool better = held_out >= kClearlyDb || after - before >= kByRareDb;
  tuned.correction = report::Correction{"ranges that clip nothing", better, before, after, {}};
  if (!better) return tuned;
  tuned.best = std::move(other);
  tuned.choice = std::move(choice);
  return tuned;
}

TunedRanges tune_ranges(const FloatAnswers& answers, const images::ImageSource& source,
                        const plan::Candidates& activations, int threads, Attempt first,
                        const std::function<Attempt(const RangeChoice& choice)>& retry) {
  TunedRanges tuned{std::move(first), {}, {}};
  const std::vector<Group> groups = groups_of(tuned.best.model.plan, activations);
  if (groups.empty() || answers.judged.empty()) return tuned;
  std::vector<std::vector<ir::Tensor>> inputs;
  for (const int64_t image : correct::spread(answers.calibration, enough_images(source, kProbeImages)))
    inputs.push_back(source.load(image));
  std::vector<std::vector<ir::ValueId>> members;
  for (const Group& group : groups) members.push_back(group.values);
  const RangeScene scene{answers, activations, groups, inputs, threads};
  const std::vector<std::vector<ir::Tensor>> some(
      inputs.begin(), inputs.begin() + std::min<std::ptrdiff_t>(kOrderImages, std::ssize(inputs)));
  const std::vector<size_t> order =
      worst_first(simulate::rounding_noise(*tuned.best.simulator, members, some, answers.judged, threads));

  tuned.correction = report::Correction{"ranges by what the outputs lose",
                                        false,
                                        tuned.best.fidelity.worst_db(),
                                        tuned.best.fidelity.worst_db(),
                                        {}};
  for (size_t begin = 0; begin < order.size(); begin += kAtOnce) {
    RangeChoice choice = tuned.choice;
    const size_t count = std::min(kAtOnce, order.size() - begin);
    std::vector<report::Correction::Layer> chosen =
        choose(scene, {order.data() + begin, count}, *tuned.best.simulator, tuned.best.model.graph, choice);
    if (choice == tuned.choice) break;
    Attempt other = retry(choice);
    const double gain = other.fidelity.worst_db() - tuned.best.fidelity.worst_db();
    if (begin == 0 || gain > 0) tuned.correction->after_db = other.fidelity.worst_db();
    if (gain <= 0) break;
    tuned.correction->kept = true;
    tuned.correction->layers.insert(tuned.correction->layers.end(), chosen.begin(), chosen.end());
    tuned.best = std::move(other);
    tuned.choice = std::move(choice);
    if (gain < kWorthwhileDb) break;
  }
  return tuned;
}

}  // namespace qc
