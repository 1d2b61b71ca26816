// What a narrow weight costs at the outputs, one weight at a time: this one narrow, all others wide, and
// everything behind it repaired by second-order correction, as it will be in the file. Sensitivities measured
// without that repair rank layers wrongly: errors of early layers are made up for downstream, those of the
// last are not (ptq-accuracy 0, 2.14). What stands before the narrow weight is the same in every probe and
// solved once.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "correct/second_order.h"
#include "simulate/fidelity.h"

namespace qc::correct {

struct ProbeImages {
  std::vector<int64_t> fitted, judged;  // disjoint where there are enough
};
/// Of `count` calibration images, evenly spread, two of three are fitted on.
ProbeImages probe_images(std::span<const int64_t> calibration, int64_t count);

/// By weight: noise over signal, summed over the outputs, that the narrow one adds to `wide`; never negative.
using Sensitivities = std::map<ir::ValueId, double>;

struct Probed {
  Sensitivities added;
  double wide = 0;  // noise over signal, summed over the outputs, of the wide network, corrected
};

/// The weights of `narrow` in place of those of `wide` (rounded to nearest, biases not corrected), those of
/// one element of `probes` together; `probed` is called after each. What several add together is shared out
/// among them by the noise of their own layers' results: enough for weights that are too small for a probe.
Probed probe_compensated(const plan::QuantizedModel& wide, const Weights& narrow,
                         const std::vector<std::vector<ir::ValueId>>& probes, run::RunnerFactory& runners,
                         const images::ImageSource& source, const ProbeImages& images,
                         const std::vector<simulate::Judged>& judged, SecondOrderOptions options,
                         const std::function<void()>& probed);

/// Without probes: the noise of each layer's own result by the statistics of its inputs. One pass.
Sensitivities estimate_from_statistics(const plan::QuantizedModel& wide, const Weights& narrow,
                                       run::RunnerFactory& runners, const images::ImageSource& source,
                                       const ProbeImages& images, SecondOrderOptions options);

}  // namespace qc::correct
