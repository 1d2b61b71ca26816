// Few looks at placements that are ordered by time.
#include "search/halving.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace qc;

TEST_CASE("the fastest that reaches a goal is found by halving, in as many tries as there may be") {
  for (size_t count = 0; count < 9; ++count)
    for (size_t first = 0; first <= count; ++first) {
      CAPTURE(count, first);
      std::vector<size_t> seen;
      const auto reaches = [&](size_t n) {
        seen.push_back(n);
        return n >= first;
      };
      const auto found = fastest_that(count, 4, reaches);
      CHECK(found.has_value() == (first < count));
      if (found) CHECK(*found == first);
      CHECK(seen.size() <= 4);
    }
  int looks = 0;
  const auto found = fastest_that(100, 2, [&](size_t) { return ++looks > 0; });
  CHECK(found == 25);  // not the best, but better than none
  CHECK(looks == 2);
  CHECK_FALSE(fastest_that(5, 2, [](size_t) { return false; }));
}
