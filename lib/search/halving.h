// A search among placements that are ordered by time, where each look at one costs an attempt.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>

namespace qc {

/// Of `count` candidates, the fastest first, the first one found that `reaches`, by halving, with at most
/// `tries` calls: whatever reaches it makes the slower ones needless, whatever does not the faster ones.
/// Nothing where none of those tried does.
std::optional<size_t> fastest_that(size_t count, int tries, const std::function<bool(size_t)>& reaches);

}  // namespace qc
