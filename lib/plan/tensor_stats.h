// Paper 1, for all that choose scales: what calibration saw. One TensorStats a requested value; mergeable,
// exact, and independent of the order in which images arrive, so that the thread count cannot change a byte
// of the output.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "ir/graph.h"

namespace qc::plan {

/// Counts on an absolute grid: bin i covers [(first_bin + i) * 2^exponent, (first_bin + i + 1) * 2^exponent).
/// The width is the smallest power of two for which [min, max] of everything seen fits in kBins bins, so
/// counts are exact and the result does not depend on order (range doubling merges bins 2i and 2i+1 of the
/// absolute grid).
struct Histogram {
  static constexpr int kBins = 2048;
  int exponent = 0;
  int64_t first_bin = 0;
  std::vector<uint64_t> counts;  // empty: nothing seen

  double width() const;
  double left_edge(size_t bin) const;
  double center(size_t bin) const;
};

struct TensorStats {
  uint64_t count = 0;      // elements seen
  float min = 0, max = 0;  // over everything seen, in the value's own units; 0 where nothing was
  Histogram histogram;     // empty counts when not asked for
  // Per channel (axis 1 of NCHW and N x C, last axis otherwise), empty when not asked for; over at most 32
  // runs, spread evenly:
  std::vector<double> channel_mean;
  std::vector<float> channel_min, channel_max;
};

/// Adds what `other` saw to `stats` (values that share one scale). Exact: both grids are absolute. Channels
/// are dropped.
void merge(TensorStats& stats, const TensorStats& other);

/// What a stage wants to know about a value.
struct StatRequest {
  ir::ValueId value = ir::kNone;
  bool histogram = true;
  bool per_channel = false;
  int channel_axis = 1;
};

/// By value; std::map so that every walk over it is in the same order.
using StatsTable = std::map<ir::ValueId, TensorStats>;

}  // namespace qc::plan
