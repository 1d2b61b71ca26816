// See halving.h.
#include "search/halving.h"

namespace qc {

std::optional<size_t> fastest_that(size_t count, int tries, const std::function<bool(size_t)>& reaches) {
  std::optional<size_t> found;
  size_t low = 0, high = count;
  for (int n = 0; n < tries && low < high; ++n) {
    const size_t middle = low + (high - low) / 2;
    if (reaches(middle)) {
      found = middle;
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return found;
}

}  // namespace qc
