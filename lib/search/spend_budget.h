// A width for every weight, under the budgets of /target_resource_utilization: what each width costs in bytes
// (as written) and at the outputs (probed), the best sum within the budget, and a few candidates really built
// and measured. In a corridor because a candidate is a whole attempt, and attempts see many rooms.
#pragma once

#include "plan/candidates.h"
#include "report/report.h"
#include "report/width_frontier.h"
#include "search/width_study.h"

namespace qc {

/// The attempt to write: of several choices of widths, told apart on few images, the best that fits,
/// corrected with all of them. Results get widths as well where the target has several and a budget is for
/// them; they are in scene.plan from then on. Fills report.frontier and report.notes. Throws Error(kBudget)
/// where no choice of widths is within the budgets: the least that can be reached and what is in the way.
Attempt within_budget(BudgetScene& scene, const plan::Candidates& weights, report::Report& report);

/// Budgets from narrow to wide, what is best for each and the uniform widths, all built and measured. The
/// file names are for the caller to fill in. Throws Error(kBudget) where no layer's width is open.
report::WidthFrontier measured_frontier(const BudgetScene& scene, const plan::Candidates& weights);

}  // namespace qc
