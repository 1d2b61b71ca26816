// Which layers really round their activations at run time: all that this makes faster, unless the outputs
// suffer. Ranges that a few large elements stretch (residual streams of transformers) leave the rest of a
// tensor a handful of steps, and that is seen only by running the model.
#pragma once

#include <vector>

#include "plan/quantized_model.h"
#include "run/runner.h"
#include "select/dynamic.h"

namespace qc {

/// Takes back the choices of MatMul and Gemm layers, the costliest first, until the worst output of `model`
/// (integer weights) is within `goal_db` of the float model on `inputs`. Those then say why. What each costs
/// is probed alone, all in one session, and only where the whole misses the goal. Layers that read one value
/// stay or go together. `choices`: by NodeId.
void settle_dynamic(const plan::QuantizedModel& model, const std::vector<std::vector<ir::Tensor>>& inputs,
                    run::RunnerFactory& runners, double goal_db, int threads,
                    std::vector<select::DynamicChoice>& choices);

}  // namespace qc
