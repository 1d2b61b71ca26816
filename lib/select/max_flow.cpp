// See max_flow.h.
#include "select/max_flow.h"

#include <algorithm>

namespace qc::select {

void MaxFlow::add_arc(size_t from, size_t to, double capacity) {
  arcs_of_[from].push_back(arcs_.size());
  arcs_.push_back({to, capacity});
  arcs_of_[to].push_back(arcs_.size());
  arcs_.push_back({from, 0});
}

bool MaxFlow::measure_distances(size_t source, size_t sink) {
  distance_.assign(arcs_of_.size(), -1);
  distance_[sink] = 0;
  std::vector<size_t> wave{sink};
  for (size_t i = 0; i < wave.size(); ++i) {
    for (const size_t a : arcs_of_[wave[i]]) {
      const size_t from = arcs_[a].to;
      if (arcs_[a ^ 1].left <= 0 || distance_[from] >= 0) continue;
      distance_[from] = distance_[wave[i]] + 1;
      wave.push_back(from);
    }
  }
  return distance_[source] >= 0;
}

// As much as the narrowest arc takes; the path is left up to the first arc that is full now.
void MaxFlow::push_along(std::vector<size_t>& path) {
  double amount = kUnbounded;
  for (const size_t a : path) amount = std::min(amount, arcs_[a].left);
  size_t kept = path.size();
  for (size_t i = path.size(); i-- > 0;) {
    arcs_[path[i]].left -= amount;
    arcs_[path[i] ^ 1].left += amount;
    if (arcs_[path[i]].left <= 0) kept = i;
  }
  path.resize(kept);
}

// Fills every shortest path. Without recursion: paths are as long as networks are deep.
void MaxFlow::block(size_t source, size_t sink) {
  next_.assign(arcs_of_.size(), 0);
  std::vector<size_t> path;
  for (;;) {
    const size_t at = path.empty() ? source : arcs_[path.back()].to;
    if (at == sink) {
      push_along(path);
      continue;
    }
    size_t& next = next_[at];
    while (next < arcs_of_[at].size()) {
      const Arc& arc = arcs_[arcs_of_[at][next]];
      if (arc.left > 0 && distance_[arc.to] == distance_[at] - 1 && distance_[arc.to] >= 0) break;
      ++next;
    }
    if (next < arcs_of_[at].size()) {
      path.push_back(arcs_of_[at][next]);
    } else if (path.empty()) {
      return;
    } else {
      path.pop_back();
      ++next_[path.empty() ? source : arcs_[path.back()].to];
    }
  }
}

std::vector<bool> MaxFlow::source_side(size_t source, size_t sink) {
  while (measure_distances(source, sink)) block(source, sink);
  std::vector<bool> side(arcs_of_.size());
  std::vector<size_t> open{source};
  side[source] = true;
  while (!open.empty()) {
    const size_t at = open.back();
    open.pop_back();
    for (const size_t a : arcs_of_[at]) {
      if (arcs_[a].left <= 0 || side[arcs_[a].to]) continue;
      side[arcs_[a].to] = true;
      open.push_back(arcs_[a].to);
    }
  }
  return side;
}

}  // namespace qc::select
