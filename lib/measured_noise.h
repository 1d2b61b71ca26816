// What the roundings of an attempt cost at the outputs, each scale group by itself, and what its weights'
// integers cost without any: where a search for a placement begins.
#pragma once

#include "attempt.h"
#include "placement_scene.h"
#include "select/refine.h"

namespace qc {

/// The outputs' fidelity when only weights are integers, for the price of one pass; biases uncorrected.
simulate::Fidelity of_weights_uncorrected(Attempt& attempt, const PlacementScene& scene);

/// The same, with biases: those that make up for the attempt's roundings, and where these need not suit
/// weights alone and it matters (`sure`: the worst output in dB from which on it does not), ones that were
/// measured for them. Nearly what an attempt without any rounding would come to.
simulate::Fidelity of_weights(Attempt& attempt, const PlacementScene& scene, double sure);

/// Probes every scale group on a few images; the sums are then scaled to what the held-out images measured,
/// which know more images and how errors add up.
select::MeasuredNoise measured_noise(Attempt& attempt, const simulate::Fidelity& weights_only,
                                     const PlacementScene& scene);

}  // namespace qc
