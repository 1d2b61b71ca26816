// What probes and layers' own statistics say together.
#include "correct/sensitivity.h"

#include <catch2/catch.hpp>

namespace qc::correct {
namespace {

double sum(const Sensitivities& all) {
  double total = 0;
  for (const auto& [weight, one] : all) total += one;
  return total;
}

TEST_CASE("a layer whose probe seemed to add nothing keeps half of what its own result says") {
  const Probed probed{{{1, 0.0}, {2, 6.0}, {3, 6.0}}, {{1, 1.0}, {2, 1.0}, {3, 2.0}}, 0};
  const Sensitivities mean = steadied(probed);
  CHECK(mean.at(1) == Approx(1.5));  // (0 + 12 / 4) / 2
  CHECK(mean.at(2) == Approx(4.5));
  CHECK(mean.at(3) == Approx(6));
  CHECK(sum(mean) == Approx(sum(probed.added)));
}

TEST_CASE("weights without statistics keep what was probed, and scales are of the others") {
  const Probed probed{{{1, 5.0}, {2, 2.0}, {3, 4.0}}, {{2, 10.0}, {3, 20.0}}, 0};
  const Sensitivities mean = steadied(probed);
  CHECK(mean.at(1) == Approx(5));
  CHECK(mean.at(2) == Approx(2));
  CHECK(mean.at(3) == Approx(4));
  CHECK(steadied({{{1, 5.0}}, {}, 0}) == Sensitivities{{1, 5.0}});
}

}  // namespace
}  // namespace qc::correct
