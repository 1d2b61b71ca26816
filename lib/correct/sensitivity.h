// What a narrow weight costs at the outputs, one weight at a time: this one narrow, all others wide, and
// everything behind it repaired by second-order correction, as it will be in the file. Sensitivities measured
// without that repair rank layers wrongly: errors of early layers are made up for downstream, those of the
// last are not (on MobileNetV1 0.75 the best mixture of widths by such sensitivities was 3 dB worse than 5 or
// 6 bits everywhere). What stands before the narrow weight is the same in every probe and solved once.
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
  Sensitivities local;  // noise over signal of each narrow one's own result, by the statistics of its inputs
  double wide = 0;      // noise over signal, summed over the outputs, of the wide network, corrected
};

/// The weights of `narrow` in place of those of `wide` (rounded to nearest, biases not corrected), those of
/// one element of `probes` together; `probed` is called after each. What several add together is shared out
/// among them by the noise of their own layers' results: enough for weights that are too small for a probe.
Probed probe_compensated(const plan::QuantizedModel& wide, const Weights& narrow,
                         const std::vector<std::vector<ir::ValueId>>& probes, run::RunnerFactory& runners,
                         const images::ImageSource& source, const ProbeImages& images,
                         const std::vector<simulate::Judged>& judged, SecondOrderOptions options,
                         const std::function<void()>& probed);

/// The mean of what was measured and of what the layers' own results say, scaled to the same sum. A layer
/// that is solved anew makes up for errors of others and may seem to add nothing, in a network where all
/// others are wide: residual networks went to 2 bits there (mobilenet_v2 0.35 at 4 bits on average: 14.6 dB
/// by probes alone, 18.3 by this mean; resnet20 18.8 and 23.0; mobilenet_v1 and squeezenet within 0.2 dB).
Sensitivities steadied(const Probed& probed);

/// Without probes: the noise of each layer's own result by the statistics of its inputs. One pass.
Sensitivities estimate_from_statistics(const plan::QuantizedModel& wide, const Weights& narrow,
                                       run::RunnerFactory& runners, const images::ImageSource& source,
                                       const ProbeImages& images, SecondOrderOptions options);

}  // namespace qc::correct
