// From the first plan to the model that will be written, on a float graph that is rebalanced on the way:
// before the search, and once more after it where what was found is not good enough. balance_graph() says
// which corrections help, search_model() finds the best model of one graph; what follows from a new graph,
// and which of two models stays, is decided here.
#pragma once

#include <vector>

#include "plan/quant_plan.h"
#include "report/report.h"
#include "search/balance_graph.h"
#include "search/search_model.h"
#include "stopwatch.h"
#include "subject.h"

namespace qc {

/// Exact statistics of every value that `outline` rounds, and where its extremes were seen: one pass over the
/// calibration images. Nothing happens where the config rounds no activation.
void take_statistics(const Scene& scene, const plan::QuantPlan& outline, Subject& subject);

/// The subject with the corrections that help it, its places and statistics those of its new graph; as it was
/// where none does. All that were tried go to `corrections`, why others were not to the report's notes. True:
/// the subject is another.
bool balance(const Scene& scene, Balancing which, Subject& subject,
             std::vector<report::Correction>& corrections, report::Report& report, Stopwatch& watch);

/// The best model of the subject, or of the subject balanced further: for weights that stand alone (kFloats),
/// and, with `unasked_last`, by what nobody asked for where a goal is missed. `subject`, `start` and what was
/// found belong together when it returns. `corrections` gets what was tried, none of it kept where the
/// unbalanced model is better.
SearchResult search_balanced(const Scene& scene, bool unasked_last, const WriteAll& write, Subject& subject,
                             SearchStart& start, std::vector<report::Correction>& corrections,
                             report::Report& report, Stopwatch& watch);

}  // namespace qc
