// A width for every weight, under the budgets of /target_resource_utilization: what each width costs in bytes
// (as written) and at the outputs (probed), the best sum within the budget, and a few candidates really built
// and measured. Beside pipeline.cpp because a candidate is a whole attempt, and attempts see many rooms.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "attempt.h"
#include "budget/frontier.h"
#include "budget/resources.h"
#include "config/core_config.h"
#include "plan/candidates.h"
#include "plan/idioms.h"
#include "plan/quantized_model.h"
#include "report/report.h"
#include "report/width_frontier.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc {

struct BudgetScene {
  const ir::Graph& graph;
  ir::Graph sized;       // the same with the shapes of a real run
  plan::QuantPlan plan;  // the widths of results are chosen here as well
  const target::TargetSpec& target;
  const std::vector<plan::Idiom>& idioms;
  const std::vector<select::Capability>& capabilities;  // by NodeId
  const config::CoreConfig& config;
  const std::vector<config::NodeSettings>& rules;  // by NodeId
  const FloatAnswers& answers;
  run::RunnerFactory& runners;
  const images::ImageSource& source;
  int threads;
  /// The model in every format that is asked for, in memory.
  std::function<std::vector<plan::Written>(const plan::QuantizedModel&)> write;
  /// Ranges of the plan's values by these rules, and the same plan with such ranges.
  std::function<plan::Candidates(const std::vector<config::NodeSettings>& rules)> ranges_by;
  std::function<plan::QuantPlan(const plan::Candidates& activations)> plan_by;
};

/// A weight whose width is searched for. One that several nodes read is one item.
struct WidthItem {
  ir::ValueId weight = ir::kNone;
  std::vector<ir::NodeId> nodes;
  std::string name;            // of the first node
  std::vector<int64_t> bytes;  // by width, as widths()
  double products = 0;         // times the bits of its input: bit operations for each bit of the weight
  double sensitivity = 0;      // noise over signal at the outputs that kProbed bits add
  double probed = 0;           // the same by probes alone
};

/// Widths that are searched over, ascending; the last is the full one.
std::vector<int> widths(const config::CoreConfig& config, const target::TargetSpec& target);

/// What was found out about a model before any budget is spent.
struct WidthStudy {
  std::vector<WidthItem> items;              // in topological order
  std::vector<plan::Candidates> candidates;  // by width
  int64_t other_bytes = 0;                   // constants that are no items
  double other_bops = 0;
  double wide_noise = 0;    // at the outputs with every item at full width
  double result_noise = 0;  // what results of other widths than the target's own add to that
  std::optional<budget::Schedule> schedule;
  std::optional<budget::Peak> peak;     // of activations; nothing: sizes are unknown
  std::vector<std::string> peak_names;  // what is alive there, the largest first
  int64_t full_bytes() const;
  double full_bops() const;
};

/// The attempt to write: of several choices of widths, told apart on few images, the best that fits,
/// corrected with all of them. Results get widths as well where the target has several and a budget is for
/// them; they are in scene.plan from then on. Fills report.frontier and report.notes. Throws Error(kBudget)
/// where no choice of widths is within the budgets: the least that can be reached and what is in the way.
Attempt within_budget(BudgetScene& scene, const plan::Candidates& weights, report::Report& report);

/// The choices of every item: bytes, predicted noise, bit operations (by widths()).
std::vector<budget::Item> weight_problem(const BudgetScene& scene, const WidthStudy& study);
/// The scene's plan with every weight at full width, rounded to nearest.
plan::QuantizedModel quantized_at_full_width(const BudgetScene& scene, const WidthStudy& study);

/// Budgets from narrow to wide, what is best for each and the uniform widths, all built and measured. The
/// file names are for the caller to fill in.
report::WidthFrontier measured_frontier(const BudgetScene& scene, const plan::Candidates& weights);

}  // namespace qc
