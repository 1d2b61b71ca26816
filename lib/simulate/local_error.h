// The error at every tapped value, from a spread of its elements: which layers hurt most, without keeping
// activations.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "simulate/fidelity.h"
#include "simulate/simulate.h"

namespace qc::simulate {

/// Elements of each value on each image (slot), at most kSampled of them, evenly spread.
struct Samples {
  static constexpr size_t kSampled = 2048;
  std::map<std::pair<ir::ValueId, int64_t>, std::vector<float>> by_value;
  std::mutex mutex;
};

/// A hook that collects; works for both models.
Hook sampling(Samples& samples);

/// SQNR in dB of each value that both have seen, pooled over the images.
std::map<ir::ValueId, double> local_sqnr_db(const Samples& reference, const Samples& quantized);

}  // namespace qc::simulate
