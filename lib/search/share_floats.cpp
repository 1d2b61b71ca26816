// See share_floats.h.
#include "search/share_floats.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "search/measured_noise.h"
#include "search/spend_results.h"
#include "select/float_share.h"

namespace qc {
Placed share_floats(const PlacementScene& scene, const std::vector<int64_t>& elements, double share,
                    const std::vector<bool>& placed, Attempt first,
                    const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  Placed found{std::move(first), {}, {}, {}};
  const int64_t all = std::accumulate(elements.begin(), elements.end(), int64_t{0});
  const auto most = static_cast<int64_t>(std::floor(share * static_cast<double>(all)));
  if (most <= 0 || scene.answers.judged.empty()) return found;
  const simulate::Fidelity weights_only = of_weights(found.best, scene, {});
  found.probed = placed;
  found.noise = measured_noise(found.best, weights_only, scene);
  const std::vector<bool> chosen =
      select::spend_float_share(scene.graph, scene.capabilities, *found.noise, elements, placed, most);
  if (chosen == placed) return found;
  const double before = found.best.fidelity.worst_db();
  Attempt tried = retry(chosen);
  const bool better = tried.fidelity.worst_db() > before;
  const double part = static_cast<double>(select::floating_elements(scene.graph, elements, placed, chosen)) /
                      static_cast<double>(all);
  const report::Correction line{format("{} of the activations in float", human_share(part)),
                                better,
                                before,
                                tried.fidelity.worst_db(),
                                {}};
  if (better) found.best = std::move(tried);
  found.best.corrections.push_back(line);
  return found;
}

namespace {

constexpr int kRounds = 3, kShares = 2, kHalvings = 6;
constexpr size_t kNamed = 5;    // results in a note
constexpr double kAimDb = 0.5;  // above a goal: noises add up only roughly

double worst_share(const select::MeasuredNoise& noise, size_t group) {
  double share = 0;
  for (size_t o = 0; o < noise.base.size(); ++o) {
    double all = 0;
    for (const std::vector<double>& ratios : noise.ratios) all += ratios[o];
    if (all > 0) share = std::max(share, noise.ratios[group][o] / all);
  }
  return share;
}

// In the words on the nodes that make the groups' values; returns the names of those in float now.
std::vector<std::string> explain(const PlacementScene& scene, const ListedFloats& listed,
                                 const select::MeasuredNoise& noise, const std::vector<bool>& start,
                                 const std::vector<bool>& integer, plan::QuantPlan& plan) {
  std::vector<std::string> names;
  const auto all =
      static_cast<double>(std::accumulate(listed.elements.begin(), listed.elements.end(), int64_t{0}));
  for (size_t g = 0; g < noise.values.size(); ++g) {
    const ir::ValueId v = noise.values[g];
    const auto id = static_cast<size_t>(v);
    const ir::NodeId maker = scene.graph.values[id].producer;
    if (maker == ir::kNone || listed.lists[id].empty() || !select::is_rounded(scene.graph, v, start))
      continue;
    const bool rounded = select::is_rounded(scene.graph, v, integer);
    plan.nodes[maker].detail =
        width_reason(rounded ? format("{} bits", listed.bits) : "float", listed.lists[id], listed.bits,
                     worst_share(noise, g), static_cast<double>(listed.elements[id]) / all);
    if (!rounded) names.push_back("'" + ir::node_at(scene.graph, maker).name + "'");
  }
  return names;
}

}  // namespace

void float_listed(const PlacementScene& scene, const ListedFloats& listed, Attempt& best,
                  const std::function<Attempt(const std::vector<bool>& integer)>& retry,
                  std::vector<report::Correction>& corrections, report::Report& report) {
  const std::vector<bool> start = integer_nodes(best.model.plan);
  if (scene.answers.judged.empty()) return;
  const simulate::Fidelity weights_only = of_weights(best, scene, {});
  const select::MeasuredNoise noise = measured_noise(best, weights_only, scene);
  select::ShareLimits limits;
  for (const ir::ValueId v : noise.values) limits.open.push_back(!listed.lists[v].empty());
  if (std::ranges::count(limits.open, true) == 0) return;
  const auto all =
      static_cast<double>(std::accumulate(listed.elements.begin(), listed.elements.end(), int64_t{0}));
  const auto in_time = [&](int64_t most) {
    std::vector<bool> chosen;
    for (int halving = 0; halving < kHalvings; ++halving, most /= 2) {
      chosen = select::spend_float_share(scene.graph, scene.capabilities, noise, listed.elements, start, most,
                                         limits);
      const std::optional<double> time = time_ratio(scene, chosen);
      if (!listed.most_time || !time || *time <= *listed.most_time) return chosen;
    }
    return start;
  };
  double aim = listed.goal_db.value_or(0) + kAimDb;
  std::vector<bool> last = start, kept = start;
  double share = listed.share;
  for (int round = 0; round < (listed.goal_db ? kRounds : kShares); ++round) {
    if (listed.goal_db && best.fidelity.worst_db() >= *listed.goal_db) break;
    if (listed.goal_db) limits.enough_db = aim;
    std::vector<bool> chosen = in_time(static_cast<int64_t>(std::floor(share * all)));
    if (chosen == last) break;
    last = std::move(chosen);
    Attempt tried = retry(last);
    const double after = tried.fidelity.worst_db(), was = best.fidelity.worst_db();
    const auto part =
        static_cast<double>(select::floating_elements(scene.graph, listed.elements, start, last));
    corrections.push_back(
        {format("{} of the activations in float, by activation_n_bits", human_share(part / all)),
         after > was,
         was,
         after,
         {}});
    if (after > was) {
      best = std::move(tried);
      kept = last;
      if (!listed.goal_db) break;
    }
    if (listed.goal_db)
      aim += std::max(1.0, *listed.goal_db - after);
    else
      share /= 2;  // fewer may be surer
  }
  std::vector<std::string> names = explain(scene, listed, noise, start, kept, best.model.plan);
  if (names.empty()) return;
  const size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
  names.resize(names.size() - more);
  report.notes.push_back(format("results in float, by activation_n_bits: {}{}", join(names, ", "),
                                more > 0 ? format(" and {} more", more) : ""));
}

}  // namespace qc
