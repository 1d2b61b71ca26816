// What the roundings of an attempt cost at the outputs, each scale group by itself, and what its weights'
// integers cost without any: where a search for a placement begins.
#pragma once

#include <optional>

#include "search/attempt.h"
#include "search/placement_scene.h"
#include "select/refine.h"

namespace qc {

/// The outputs' fidelity when only weights are integers, for the price of one pass; biases uncorrected.
simulate::Fidelity of_weights_uncorrected(Attempt& attempt, const PlacementScene& scene);

/// The same with biases corrected for the weights alone: nearly what an attempt would come to that rounds no
/// activation. Measuring such biases takes a pass over the images. With `sure` (dB) the attempt's own biases,
/// which make up for its roundings as well, are tried first and kept where the worst output reaches that
/// much.
simulate::Fidelity of_weights(Attempt& attempt, const PlacementScene& scene, std::optional<double> sure);

/// Probes every scale group on a few images; the sums are then scaled to what the held-out images measured,
/// which know more images and how errors add up.
select::MeasuredNoise measured_noise(Attempt& attempt, const simulate::Fidelity& weights_only,
                                     const PlacementScene& scene);

}  // namespace qc
