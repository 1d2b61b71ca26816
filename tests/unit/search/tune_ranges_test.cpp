// Ranges that clip nothing: one attempt for all groups, kept where the worst output comes clearly closer.
#include "search/tune_ranges.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <stdexcept>

#include "threshold/candidates.h"

using namespace qc;

namespace {

plan::Candidate range(float scale, const char* note) {
  plan::Candidate candidate;
  candidate.params.scales = {scale};
  candidate.params.zero_points = {0};
  candidate.note = note;
  return candidate;
}

Attempt at(double db) {
  Attempt attempt;
  attempt.fidelity.outputs = {{std::pow(10.0, db / 10), 1.0}};
  return attempt;
}

double held_out_db(const Attempt& attempt) {
  return attempt.fidelity.worst_db();
}

}  // namespace

TEST_CASE("ranges that clip nothing are taken together, and kept where that is clearly closer") {
  plan::Candidates activations;
  activations[3] = {range(1, ""), range(1, "range by MSE"), range(2, threshold::kWholeRange)};
  activations[5] = {range(1, ""), range(1, threshold::kWholeRange)};  // clips nothing as it is
  for (const auto& [after, kept] : {std::pair{30.9, false}, std::pair{31.5, true}}) {
    RangeChoice asked;
    const TunedRanges tuned = whole_ranges(
        activations, at(30),
        [&](const RangeChoice& choice) {
          asked = choice;
          return at(after);
        },
        held_out_db);
    CHECK(asked == RangeChoice{{3, 2}});
    CHECK(tuned.choice.empty() == !kept);
    CHECK(tuned.best.fidelity.worst_db() == Approx(kept ? after : 30));
    REQUIRE(tuned.correction);
    CHECK(tuned.correction->kept == kept);
  }
  activations.erase(3);
  const TunedRanges none = whole_ranges(
      activations, at(30),
      [](const RangeChoice&) -> Attempt { throw std::runtime_error("there is nothing to try"); },
      held_out_db);
  CHECK_FALSE(none.correction);
}

TEST_CASE("ranges that clip nothing are judged by rare images too") {
  plan::Candidates activations;
  activations[3] = {range(1, ""), range(2, threshold::kWholeRange)};
  const auto with_rare = [](const Attempt& attempt) {
    return attempt.fidelity.worst_db() > 29.5 ? 25.0 : 28.0;
  };
  const auto retry = [](const RangeChoice&) { return at(29); };
  CHECK(whole_ranges(activations, at(30), retry, with_rare).choice == RangeChoice{{3, 1}});
  CHECK(whole_ranges(activations, at(30), retry, held_out_db).choice.empty());

  config::CoreConfig config;
  CHECK(wants_whole_ranges(config, false, at(30), with_rare));
  CHECK_FALSE(wants_whole_ranges(config, false, at(30), held_out_db));
  CHECK(wants_whole_ranges(config, true, at(30), held_out_db));
  config.correction.range_search = false;
  CHECK_FALSE(wants_whole_ranges(config, false, at(30), with_rare));
}
