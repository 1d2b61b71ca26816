// Data of the kinds that weights and activations have, and the statistics that calibration would take of
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/tensor_stats.h"

namespace distributions {

struct Distribution {
  std::string name;
  std::vector<float> (*draw)(size_t count, uint32_t seed);
};

const std::vector<Distribution>& all();

/// Counts on the grid that plan::Histogram describes, with at most so many bins.
qc::plan::TensorStats stats_of(const std::vector<float>& values, int bins = qc::plan::Histogram::kBins);

}  // namespace distributions
