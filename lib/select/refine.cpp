// See refine.h.
#include "select/refine.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace qc::select {
namespace {

bool rounded(const ir::Graph& graph, ir::ValueId v, const std::vector<bool>& integer) {
  const ir::Value& value = graph.values[static_cast<size_t>(v)];
  const auto is_integer = [&](ir::NodeId n) { return n != ir::kNone && integer[static_cast<size_t>(n)]; };
  return is_integer(value.producer) ||
         std::any_of(value.consumers.begin(), value.consumers.end(), is_integer);
}

double predicted_db(const ir::Graph& graph, const MeasuredNoise& noise, const std::vector<bool>& integer) {
  std::vector<double> total = noise.base;
  for (size_t g = 0; g < noise.values.size(); ++g)
    if (rounded(graph, noise.values[g], integer))
      for (size_t o = 0; o < total.size(); ++o) total[o] += noise.ratios[g][o];
  const double worst = total.empty() ? 0 : *std::max_element(total.begin(), total.end());
  return worst > 0 ? -10 * std::log10(worst) : 200;
}

}  // namespace

Refined refine(const ir::Graph& graph, const std::vector<Capability>& capabilities,
               const PlacementCosts& time, const MeasuredNoise& noise, const Goal& goal) {
  const auto at = [&](double lambda) {
    PlacementCosts costs = time;
    for (size_t g = 0; g < noise.values.size(); ++g) {
      const std::vector<double>& ratios = noise.ratios[g];
      if (!ratios.empty())
        costs.values[static_cast<size_t>(noise.values[g])].rounding +=
            lambda * *std::max_element(ratios.begin(), ratios.end());
    }
    Refined refined;
    refined.integer = place(graph, capabilities, costs);
    refined.time = cost_of(graph, refined.integer, time);
    refined.predicted_db = predicted_db(graph, noise, refined.integer);
    refined.reaches_goal = refined.predicted_db >= goal.sqnr_db;
    return refined;
  };
  const Refined fastest = at(0);
  Refined least_noisy = fastest;
  std::optional<Refined> reaching;
  // From "a nanosecond is worth more than any noise" to "one percent of noise is worth a second", four steps
  // a decade.
  constexpr int kSteps = 48;
  for (int step = -1; step <= kSteps; ++step) {
    const Refined tried = step < 0 ? fastest : at(std::pow(10.0, 1.0 + 10.0 * step / kSteps));
    if (tried.time <= fastest.time * (1 + goal.time_slack) && tried.predicted_db > least_noisy.predicted_db)
      least_noisy = tried;
    if (tried.reaches_goal && tried.time <= goal.time_limit && (!reaching || tried.time < reaching->time))
      reaching = tried;
  }
  return reaching ? *reaching : least_noisy;
}

}  // namespace qc::select
