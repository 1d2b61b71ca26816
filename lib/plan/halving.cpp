// See halving.h.
#include "plan/halving.h"

#include <algorithm>
#include <utility>

#include "ir/edit.h"

namespace qc::plan {

std::vector<bool> smallest_constants(const ir::Graph& graph) {
  constexpr double kSmallShare = 0.03;
  std::vector<std::pair<int64_t, size_t>> sizes;
  int64_t all = 0;
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (ir::is_read_float(graph.values[v])) {
      sizes.emplace_back(graph.values[v].constant->size(), v);
      all += sizes.back().first;
    }
  std::sort(sizes.begin(), sizes.end());
  std::vector<bool> small(graph.values.size(), false);
  double left = kSmallShare * static_cast<double>(all);
  for (const auto& [size, v] : sizes) {
    left -= static_cast<double>(size);
    if (left < 0) break;
    small[v] = true;
  }
  return small;
}

}  // namespace qc::plan
