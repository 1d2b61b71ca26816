// Widths for results and weights together, so that the noise they add up to is least while bytes of results
// alive at any moment, bytes of weights, both together, and bit operations stay within limits (MCT's mixed
// precision, its resource_utilization_calculator.py and linear_programming.py: a row for every cut, and a
// product of two widths for every layer).
//
// Results alone are a knapsack at every moment; moments share few values, so that solving the fullest first
// and widening afterwards comes close, and the exact answer for any single moment is a bound. Total bytes
// couple results and weights by one number, how much the results get: it is swept. Bit operations are given a
// price; at a price, results and weights take turns.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "budget/frontier.h"

namespace qc::budget {

struct Width {
  int bits = 8;
  double cost = 0;  // at least 0, finite
};
/// What has one width: values that share a scale.
struct WidthGroup {
  std::vector<Width> widths;  // at least one, ascending
};

/// What is alive while one op runs.
struct Moment {
  int64_t fixed = 0;                                // bytes of what has no choice
  std::vector<std::pair<size_t, int64_t>> tensors;  // group and elements
};

/// Bytes at the fullest moment, each tensor in whole bytes; `picks` by group.
int64_t fullest(const std::vector<WidthGroup>& groups, const std::vector<Moment>& moments,
                const std::vector<size_t>& picks);

struct GroupPicks {
  std::vector<size_t> picks;   // by group
  double cost = 0, bound = 0;  // no picks within the limit cost less than the bound
};
/// The cheapest that is found; nothing: even the narrowest are too many bytes at some moment.
std::optional<GroupPicks> widths_within(const std::vector<WidthGroup>& groups,
                                        const std::vector<Moment>& moments, int64_t bytes);

/// Multiplications of one layer. What has no choice has its bits here.
struct Products {
  double count = 0;
  std::optional<size_t> group, weight;
  double group_bits = 8, weight_bits = 8;
};

struct JointProblem {
  std::vector<WidthGroup> groups;
  std::vector<Moment> moments;
  std::vector<Item> weights;     // choices as `weight_bits`; `extra` is not looked at
  std::vector<int> weight_bits;  // ascending
  std::vector<Products> products;
  std::optional<int64_t> group_bytes, weight_bytes, total_bytes;
  std::optional<double> bops;
};

struct JointPicks {
  std::vector<size_t> groups, weights;
  double cost = 0;
};
/// Bit operations: count * bits of the results * bits of the weights, summed over the layers.
double bops_of(const JointProblem& problem, const JointPicks& picks);
/// The cheapest that is found within all limits; nothing where none was.
std::optional<JointPicks> solve(const JointProblem& problem);

}  // namespace qc::budget
