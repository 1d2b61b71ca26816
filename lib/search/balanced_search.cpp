// See balanced_search.h.
#include "search/balanced_search.h"

#include <utility>

#include "calibrate/calibrate.h"
#include "prepare.h"
#include "search/place_for_narrow.h"
#include "search/places.h"
#include "select/decide.h"

namespace qc {
namespace {

template <typename T>
void append(std::vector<T>& list, const std::vector<T>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

}  // namespace

void take_statistics(const Scene& scene, const plan::QuantPlan& outline, Subject& subject) {
  if (!config::rounds_activations(scene.config)) return;
  subject.stats =
      calibrate::calibrate(subject.graph, scene.runners, scene.source, scene.split.calibration,
                           select::requests(outline, subject.graph),
                           {scene.threads, batch_size(subject.graph, scene.config)}, &subject.extremes);
}

bool balance(const Scene& scene, Balancing which, Subject& subject,
             std::vector<report::Correction>& corrections, report::Report& report, Stopwatch& watch) {
  Balanced balanced = balance_graph(scene, subject, which);
  append(corrections, balanced.corrections);
  append(report.notes, balanced.notes);
  if (balanced.changed) {
    subject = {std::move(balanced.graph), std::move(balanced.places), {}};
    take_statistics(scene, outline_of_fastest(subject.graph, subject.places, scene.config, scene.target),
                    subject);
  }
  watch.lap("balance");
  return balanced.changed;
}

SearchResult search_balanced(const Scene& scene, bool unasked_last, const WriteAll& write, Subject& subject,
                             SearchStart& start, std::vector<report::Correction>& corrections,
                             report::Report& report, Stopwatch& watch) {
  SearchResult found = search_model(scene, subject, start, write, report, watch);
  const auto go_on = [&](Balancing which) {
    const Subject before = subject;
    const size_t tried = corrections.size();
    if (!balance(scene, which, subject, corrections, report, watch)) return;
    SearchStart other = start_of(scene, subject);
    place_for_narrow(scene, subject, other, corrections);
    SearchResult balanced = search_model(scene, subject, other, write, report, watch);
    if (balanced.placed.best.fidelity.worst_db() > found.placed.best.fidelity.worst_db()) {
      start = std::move(other);
      found = std::move(balanced);
    } else {
      subject = before;
      for (size_t c = tried; c < corrections.size(); ++c) corrections[c].kept = false;
    }
  };
  if (wants_balanced_floats(scene, subject, found.placed.best)) go_on(Balancing::kFloats);
  if (unasked_last && misses_goal(found.placed.best, scene.config)) go_on(Balancing::kUnasked);
  append(corrections, found.corrections);
  append(report.notes, unlike_notes(scene, subject, found.placed.best.model.plan));
  return found;
}

}  // namespace qc
