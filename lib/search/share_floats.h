// /placement/max_float_share: everything on integers, but for the activations that cost the outputs most, as
// many as a share of all allows. For hardware whose floats are dear in memory rather than in time, which the
// search by time (refine_placement.h) does not ask about.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "search/refine_placement.h"

namespace qc {

/// `placed` is where the nodes of `first` run; `elements`, by ValueId: of the rounded values. Keeps `first`
/// where what the probes promise does not bring its worst output closer on held-out images.
Placed share_floats(const PlacementScene& scene, const std::vector<int64_t>& elements, double share,
                    const std::vector<bool>& placed, Attempt first,
                    const std::function<Attempt(const std::vector<bool>& integer)>& retry);

/// What rules that list widths leave to floats, on targets whose integers have one width alone.
struct ListedFloats {
  std::vector<std::vector<int>>
      lists;                        // by ValueId: the list that the value may follow to float; empty: none
  std::vector<int64_t> elements;    // by ValueId: of the values that `best` rounds
  int bits = 8;                     // of those
  double share = 1;                 // 0..1: of their elements, the most that may be float
  std::optional<double> goal_db;    // for the worst output: no more than reach it
  std::optional<double> most_time;  // over float's, by the cost table
};
/// As many listed results in float as these allow, those that the worst output gains most from for their
/// size; kept where it comes closer on held-out images. Adds what was tried to `corrections`, which they are
/// to the report's notes, and to the words on each node that is listed where its result is and why. `retry`
/// makes an attempt of a placement.
void float_listed(const PlacementScene& scene, const ListedFloats& listed, Attempt& best,
                  const std::function<Attempt(const std::vector<bool>& integer)>& retry,
                  std::vector<report::Correction>& corrections, report::Report& report);

}  // namespace qc
