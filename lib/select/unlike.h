// Values of very unlike ranges that a Concat would put on one scale: boxes in pixels beside scores below 1,
// where 8 bits for the one leave less than 4 for the other.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/tensor_stats.h"
#include "target/target.h"

namespace qc::select {

struct UnlikeConcat {
  ir::NodeId node = ir::kNone;
  ir::ValueId widest = ir::kNone, narrowest = ir::kNone;  // of its inputs, by the largest magnitude seen
  double ratio = 0;                                       // of these two
  /// The Concat and what only moves its result, to be left in float together; empty where integer nodes
  /// compute with the joined values, which then need one scale whatever the Concat does.
  std::vector<ir::NodeId> may_float;
};

/// Concats among the integer nodes (`integer` by NodeId) whose inputs' ranges differ by more than 16 times,
/// in the order of the graph.
std::vector<UnlikeConcat> unlike_concats(const ir::Graph& graph, const target::TargetSpec& target,
                                         const plan::StatsTable& stats, const std::vector<bool>& integer);

/// One sentence for people.
std::string describe(const UnlikeConcat& concat, const ir::Graph& graph, bool in_float);

/// `integer` without those that may stay in float.
std::vector<bool> without_unlike_concats(const ir::Graph& graph, const target::TargetSpec& target,
                                         const plan::StatsTable& stats, std::vector<bool> integer);

/// A sentence for every Concat of unlike ranges that integers are to do with, at the end of a search: those
/// on integers `now`, and those that were left in float for it (`left`: they may be) beside integers.
/// `first`: the placement that it began with.
std::vector<std::string> unlike_notes(const ir::Graph& graph, const target::TargetSpec& target,
                                      const plan::StatsTable& stats, const std::vector<bool>& first,
                                      const std::vector<bool>& now, bool left);

}  // namespace qc::select
