// See refine.h.
#include "select/refine.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/decibels.h"

namespace qc::select {
namespace {

// From "a nanosecond is worth more than any noise" to "one percent of noise is worth a second", four steps a
// decade; step -1 is no weight at all.
constexpr int kSteps = 48;
// More cuts beside the goal, at most.
constexpr int kFinerCuts = 12;
// Noise that nobody can tell from none.
constexpr double kLeastNoise = 1e-9;

double lambda_of(int step) {
  return step < 0 ? 0 : std::pow(10.0, 1.0 + 10.0 * step / kSteps);
}

}  // namespace

bool is_rounded(const ir::Graph& graph, const MeasuredNoise& noise, size_t group,
                const std::vector<bool>& integer) {
  const auto rounded = [&](ir::ValueId v) { return is_rounded(graph, v, integer); };
  return rounded(noise.values[group]) || (noise.whole && std::ranges::any_of(noise.members[group], rounded));
}

std::vector<double> predicted_noise(const ir::Graph& graph, const MeasuredNoise& noise,
                                    const std::vector<bool>& integer) {
  std::vector<double> total = noise.base;
  for (size_t g = 0; g < noise.values.size(); ++g)
    if (is_rounded(graph, noise, g, integer))
      for (size_t o = 0; o < total.size(); ++o) total[o] += noise.ratios[g][o];
  return total;
}

double predicted_db(const ir::Graph& graph, const MeasuredNoise& noise, const std::vector<bool>& integer) {
  const std::vector<double> total = predicted_noise(graph, noise, integer);
  const double worst = total.empty() ? 0 : *std::max_element(total.begin(), total.end());
  return worst > 0 ? -decibels(worst) : kExactDb;
}

namespace {

// One optimum of the sweep, with what its lambda weighs.
struct Cut {
  double lambda = 0, noise = 0;  // the sum of what its roundings cost the outputs they cost most
  Refined refined;
};

// Steps of lambda are too wide apart where most nodes are worth the same: between the last placement that
// misses the goal and the first that reaches it, the lambda at which both are as good as each other finds
// whatever the sweep stepped over.
template <typename Solve>
void add_beside_goal(std::vector<Cut>& cuts, double goal_db, const Solve& at) {
  for (int tries = 0; tries < kFinerCuts; ++tries) {
    const auto reaches = [&](const Cut& cut) { return cut.refined.predicted_db >= goal_db; };
    const auto above = std::find_if(cuts.begin(), cuts.end(), reaches);
    if (above == cuts.begin() || above == cuts.end()) return;
    const Cut &low = *(above - 1), &high = *above;
    const double time = high.refined.time - low.refined.time, noise = low.noise - high.noise;
    if (time <= 0 || noise <= 0) return;
    Cut between = at(time / noise);
    if (between.refined.integer == low.refined.integer || between.refined.integer == high.refined.integer)
      return;
    cuts.insert(above, std::move(between));
  }
}

void add_noise(const MeasuredNoise& noise, size_t group, double cost, PlacementCosts& costs) {
  if (noise.whole)
    costs.groups.push_back({noise.members[group], cost});
  else
    costs.values[noise.values[group]].rounding += cost;
}

}  // namespace

std::vector<Refined> frontier(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                              const PlacementCosts& time, const MeasuredNoise& noise, const Goal& goal) {
  const auto most = [&](size_t group) {
    const std::vector<double>& ratios = noise.ratios[group];
    return ratios.empty() ? 0 : *std::max_element(ratios.begin(), ratios.end());
  };
  const auto at = [&](double lambda) {
    PlacementCosts costs = time;
    for (size_t g = 0; g < noise.values.size(); ++g) add_noise(noise, g, lambda * most(g), costs);
    Cut cut{lambda, 0, {}};
    Refined& refined = cut.refined;
    refined.integer = place(graph, capabilities, costs);
    refined.time = cost_of(graph, refined.integer, time);
    refined.predicted_db = predicted_db(graph, noise, refined.integer);
    refined.reaches_goal = refined.predicted_db >= goal.sqnr_db;
    for (size_t g = 0; g < noise.values.size(); ++g)
      if (is_rounded(graph, noise, g, refined.integer)) cut.noise += most(g);
    return cut;
  };
  // The cuts are nested (only costs of being on integers grow with lambda): between two equal ones all are
  // equal.
  std::vector<Cut> cuts{at(lambda_of(-1))};
  const Cut finest = at(lambda_of(kSteps));
  const std::function<void(int, const Refined&, int, const Refined&)> between =
      [&](int low, const Refined& below, int high, const Refined& above) {
        if (high - low < 2 || below.integer == above.integer) return;
        const int middle = (low + high) / 2;
        const Cut one = at(lambda_of(middle));
        between(low, below, middle, one.refined);
        cuts.push_back(one);
        between(middle, one.refined, high, above);
      };
  between(-1, Refined(cuts.front().refined), kSteps, finest.refined);
  cuts.push_back(finest);
  add_beside_goal(cuts, goal.sqnr_db, at);
  std::vector<Refined> found;
  for (Cut& cut : cuts) found.push_back(std::move(cut.refined));
  std::stable_sort(found.begin(), found.end(),
                   [](const Refined& a, const Refined& b) { return a.time < b.time; });
  std::vector<Refined> best;
  for (Refined& one : found) {
    if (!best.empty() && one.predicted_db <= best.back().predicted_db) continue;
    if (!best.empty() && one.time <= best.back().time) best.pop_back();
    best.push_back(std::move(one));
  }
  return best;
}

namespace {

// Nodes of a set that hang together, by the first one's place in topological order.
std::vector<std::vector<ir::NodeId>> regions_of(const ir::Graph& graph, std::vector<bool> open) {
  std::vector<std::vector<ir::NodeId>> regions;
  for (const ir::NodeId first : ir::topological_order(graph)) {
    if (!open[first]) continue;
    std::vector<ir::NodeId> region;
    const auto visit = [&](ir::NodeId n) {
      if (n == ir::kNone || !open[n]) return;
      open[n] = false;
      region.push_back(n);
    };
    visit(first);
    for (size_t i = 0; i < region.size(); ++i) {
      const ir::Node& node = ir::node_at(graph, region[i]);
      for (const ir::ValueId v : node.inputs)
        if (v != ir::kNone) visit(ir::value_at(graph, v).producer);
      for (const ir::ValueId v : node.outputs)
        if (v != ir::kNone)
          for (const ir::NodeId reader : ir::value_at(graph, v).consumers) visit(reader);
    }
    regions.push_back(std::move(region));
  }
  return regions;
}

}  // namespace

std::vector<bool> filled_up(const ir::Graph& graph, const PlacementCosts& time, const MeasuredNoise& noise,
                            std::vector<bool> integer, const std::vector<bool>& more, double least_db) {
  std::vector<bool> open(integer.size());
  for (size_t n = 0; n < open.size(); ++n) open[n] = more[n] && !integer[n];
  const auto with = [&](const std::vector<ir::NodeId>& region) {
    std::vector<bool> joined = integer;
    for (const ir::NodeId n : region) joined[n] = true;
    return joined;
  };
  const auto worst = [&](const std::vector<bool>& one) {
    const std::vector<double> ratios = predicted_noise(graph, noise, one);
    return ratios.empty() ? 0.0 : *std::max_element(ratios.begin(), ratios.end());
  };
  struct Offer {
    std::vector<ir::NodeId> region;
    double worth = 0;  // time saved for noise
  };
  std::vector<Offer> offers;
  const double now = cost_of(graph, integer, time), quiet = worst(integer);
  for (std::vector<ir::NodeId>& region : regions_of(graph, open)) {
    const std::vector<bool> joined = with(region);
    const double saved = now - cost_of(graph, joined, time), added = worst(joined) - quiet;
    if (saved > 0) offers.push_back({std::move(region), saved / std::max(added, kLeastNoise)});
  }
  std::ranges::stable_sort(offers, std::greater<>{}, &Offer::worth);
  for (const Offer& offer : offers) {
    std::vector<bool> joined = with(offer.region);
    if (predicted_db(graph, noise, joined) >= least_db &&
        cost_of(graph, joined, time) < cost_of(graph, integer, time))
      integer = std::move(joined);
  }
  return integer;
}

Refined choose(const std::vector<Refined>& frontier, const Goal& goal) {
  const Refined* least_noisy = &frontier.front();
  for (const Refined& one : frontier) {
    if (one.predicted_db >= goal.sqnr_db && one.time <= goal.time_limit) {
      Refined reaching = one;
      reaching.reaches_goal = true;
      return reaching;
    }
    if (one.time <= frontier.front().time * (1 + goal.time_slack)) least_noisy = &one;
  }
  Refined chosen = *least_noisy;
  chosen.reaches_goal = chosen.predicted_db >= goal.sqnr_db;
  return chosen;
}

}  // namespace qc::select
