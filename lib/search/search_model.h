// From statistics to the model that will be written: a first plan and its integers, then the searches that
// make more of it, each on what the one before it left. In a corridor because a graph that was balanced
// goes this way once more.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "plan/candidates.h"
#include "plan/quant_plan.h"
#include "report/report.h"
#include "search/attempt.h"
#include "search/complete_plan.h"
#include "search/refine_placement.h"
#include "search/width_study.h"
#include "stopwatch.h"
#include "subject.h"

namespace qc {

/// What is known before anything is tried.
struct SearchStart {
  std::vector<bool> placed;  // by NodeId: on integers in the plan
  plan::QuantPlan plan;      // complete
  plan::Candidates activations, weights;
  FloatAnswers answers;
};
/// Every rounded value and every weight gets parameters, and the float model is asked.
SearchStart start_of(const Scene& scene, const Subject& subject);
/// A sentence for every Concat of unlike ranges that the plan which was found has to do with.
std::vector<std::string> unlike_notes(const Scene& scene, const Subject& subject,
                                      const plan::QuantPlan& found);

/// A model in every format that is asked for, in memory.
using WriteAll = std::function<std::vector<plan::Written>(const plan::QuantizedModel&)>;
/// What widths are searched in. Borrows its arguments.
BudgetScene budget_scene(const Scene& scene, const Subject& subject, const SearchStart& start,
                         WriteAll write);
/// The same for a plan that a search has come to: where its nodes run, and its ranges.
struct PlannedAs {
  std::vector<bool> placed;  // by NodeId
  plan::QuantPlan plan;
  RangeChoice ranges;
};
BudgetScene budget_scene(const Scene& scene, const Subject& subject, const SearchStart& start,
                         const PlannedAs& planned, WriteAll write);
/// By ValueId, of the values that a plan rounds; 0 for others.
std::vector<int64_t> elements_of(const Scene& scene, const Subject& subject, const plan::QuantPlan& plan);
/// What plans are made from. Borrows its arguments.
PlanScene plan_scene(const Scene& scene, const Subject& subject);
/// What placements are searched in. Borrows its arguments.
PlacementScene placement_scene(const Scene& scene, const Subject& subject, const SearchStart& start);
/// The same with other goals than the config's.
PlacementScene placement_scene(const Scene& scene, const Subject& subject, const SearchStart& start,
                               const config::PlacementGoals& goals);

struct SearchResult {
  Placed placed;                                // the best attempt, and how its placement came about
  std::vector<report::Correction> corrections;  // of the plan that it was made from
};
/// The best attempt: one within the budgets where there are any; else the start's, with other ranges and
/// other placements where these bring the outputs closer to float.
SearchResult search_model(const Scene& scene, const Subject& subject, const SearchStart& start,
                          const WriteAll& write, report::Report& report, Stopwatch& watch);

}  // namespace qc
