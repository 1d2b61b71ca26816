// One choice for each item, so that the sum of costs is least while sums of bytes (and of a second resource)
// stay within budgets: the multiple-choice knapsack (Kellerer, Pferschy and Pisinger, "Knapsack Problems",
// 2004, chapter 11). For bytes alone the whole frontier is found exactly by dominance (Nemhauser and Ullmann
// 1969): item by item, only sums are kept that nothing smaller is as good as.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace qc::budget {

struct Choice {
  int64_t bytes = 0;
  double cost = 0;   // at least 0, finite
  double extra = 0;  // of the second resource
};
struct Item {
  std::vector<Choice> choices;  // at least one
};

struct Sum {
  int64_t bytes = 0;
  double cost = 0, extra = 0;
  std::vector<size_t> picks;  // by item
};

/// Sums of these picks, in the items' order.
Sum sum_of(const std::vector<Item>& items, std::vector<size_t> picks);

/// Every sum that no other beats in bytes and cost, the smallest first. Exact while an item leaves at most
/// `most` sums; beyond, bytes are counted in coarser steps, rounded up: loss() says how coarse.
class Frontier {
 public:
  explicit Frontier(const std::vector<Item>& items, size_t most = 200'000);

  /// The cheapest within `bytes`; nothing: not even the smallest fits.
  std::optional<Sum> within(int64_t bytes) const;
  size_t size() const { return steps_.back().size(); }
  /// Point `i`, 0 the smallest.
  Sum at(size_t i) const;
  /// The most that a sum of the frontier may miss in bytes, for all items together; 0: exact.
  int64_t loss() const { return loss_; }

 private:
  struct Step {
    int64_t bytes;  // as counted: never less than it is
    double cost;
    uint32_t parent;
    uint32_t pick;
  };
  const std::vector<Item> items_;
  std::vector<std::vector<Step>> steps_;  // after each item; [0]: nothing yet
  int64_t loss_ = 0;
};

struct Limits {
  std::optional<int64_t> bytes;
  std::optional<double> extra;
};

struct Solution {
  Sum sum;
  double bound = 0;  // no sum within the limits costs less; equal to sum.cost: proven best
};

/// One limit: exact. Both: the second enters the cost with a price that is searched for (Lagrange); the best
/// sum met that is within both, and the bound that the prices prove. Nothing: no sum fits that was found;
/// then `least_extra_within` says what the second limit could be.
std::optional<Solution> solve(const std::vector<Item>& items, const Limits& limits);

/// The least of the second resource within `bytes`; nothing: not even the smallest fits.
std::optional<double> least_extra_within(const std::vector<Item>& items, std::optional<int64_t> bytes);

}  // namespace qc::budget
