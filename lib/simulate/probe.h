// What rounding one value costs at the outputs, measured: everything else in float (weights as their
// integers), one scale group after another, in one session.
#pragma once

#include <functional>
#include <vector>

#include "simulate/fidelity.h"
#include "simulate/simulate.h"

namespace qc::simulate {

/// Noise power over signal power, by group and judged output (or part of one that counts: noise_ratios()).
using NoiseRatios = std::vector<std::vector<double>>;

struct ProbeOptions {
  size_t alone = 64;  // groups up to which every one is probed by itself; of more, neighbours together first
  /// Called when everything has run with nothing rounded, before the probes: grids that were not known before
  /// may then be put into the simulator's table, and its hooks be changed.
  std::function<void()> settle = {};
};

/// `inputs`: the tensors of each probe image. The simulator's table is left as it was, or as settle() left
/// it; hooks stay in force.
NoiseRatios rounding_noise(Simulator& simulator, const std::vector<std::vector<ir::ValueId>>& groups,
                           const std::vector<std::vector<ir::Tensor>>& inputs,
                           const std::vector<Judged>& judged, int threads, const ProbeOptions& options = {});

/// Values rounded together, on a grid that need not be the plan's.
struct RangeProbe {
  std::vector<ir::ValueId> values;
  quant::QuantParams params;
};

/// The same for other grids than the plan's, by probe and judged output; each is probed by itself.
NoiseRatios range_noise(Simulator& simulator, const std::vector<RangeProbe>& probes,
                        const std::vector<std::vector<ir::Tensor>>& inputs, const std::vector<Judged>& judged,
                        int threads);

}  // namespace qc::simulate
