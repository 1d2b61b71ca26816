// Maximum flow by Dinic's algorithm (1970), for graphs of thousands of vertices that are mostly chains: those
// of networks. Boost's Boykov-Kolmogorov, made for images, did not end on a chain of 5,000 nodes.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace qc::select {

class MaxFlow {
 public:
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();

  explicit MaxFlow(size_t vertices) : arcs_of_(vertices) {}
  size_t add_vertex() {
    arcs_of_.emplace_back();
    return arcs_of_.size() - 1;
  }
  /// `capacity` >= 0 or kUnbounded. No path from source to sink may be unbounded throughout.
  void add_arc(size_t from, size_t to, double capacity);

  /// Saturates the network; by vertex: can it still be reached from the source? That is the source side of
  /// the minimum cut, of several the one with the fewest vertices. Exact but for the rounding of sums.
  std::vector<bool> source_side(size_t source, size_t sink);

 private:
  struct Arc {
    size_t to;
    double left;  // capacity that is not used; the arc against this one is its neighbour (index ^ 1)
  };

  bool measure_distances(size_t source, size_t sink);
  void block(size_t source, size_t sink);
  void push_along(std::vector<size_t>& path);

  std::vector<Arc> arcs_;
  std::vector<std::vector<size_t>> arcs_of_;
  std::vector<int> distance_;  // to the sink, in arcs with capacity left; -1: none leads there
  std::vector<size_t> next_;   // by vertex: the first arc that may still lead on in this phase
};

}  // namespace qc::select
