// A goal of accuracy that is missed where activations stay float: whose weights cost it, and what to write.
#pragma once

#include <string>

#include "config/core_config.h"
#include "search/attempt.h"
#include "search/placement_scene.h"

namespace qc {

struct Miss {
  std::string cause, remedy;  // "most of its error comes from the weights of 'fc1' (41 %), 'fc2' (22 %)"
};

/// `worst_db`: of the written file's worst output. Measures what each layer's weights cost alone, on two of
/// the held-out images.
Miss miss_in_floats(const PlacementScene& scene, const Attempt& best, const config::CoreConfig& config,
                    double worst_db, double goal_db);

}  // namespace qc
