// /placement/max_float_share: everything on integers, but for the activations that cost the outputs most, as
// many as a share of all allows. For hardware whose floats are dear in memory rather than in time, which the
// search by time (refine_placement.h) does not ask about.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "search/refine_placement.h"

namespace qc {

/// `placed` is where the nodes of `first` run; `elements`, by ValueId: of the rounded values. Keeps `first`
/// where what the probes promise does not bring its worst output closer on held-out images.
Placed share_floats(const PlacementScene& scene, const std::vector<int64_t>& elements, double share,
                    const std::vector<bool>& placed, Attempt first,
                    const std::function<Attempt(const std::vector<bool>& integer)>& retry);

}  // namespace qc
