// What rounding one value costs at the outputs, measured: everything else in float (weights as their
// integers), one scale group after another, in one session.
#pragma once

#include <vector>

#include "simulate/fidelity.h"
#include "simulate/simulate.h"

namespace qc::simulate {

/// Noise power over signal power, by group and judged output.
using NoiseRatios = std::vector<std::vector<double>>;

/// `inputs`: the tensors of each probe image. The simulator's table is restored afterwards; hooks stay in
/// force.
NoiseRatios rounding_noise(Simulator& simulator, const std::vector<std::vector<ir::ValueId>>& groups,
                           const std::vector<std::vector<ir::Tensor>>& inputs,
                           const std::vector<Judged>& judged, int threads);

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
