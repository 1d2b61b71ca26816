// What graphs and written files answer to a few inputs, and how far apart two of them are: for steps on the
// model as it goes into the file, which no simulation knows.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "run/runner.h"

namespace qc {

using Runs = std::vector<std::vector<ir::Tensor>>;  // by input, by tensor

/// Where outputs are judged: before a Softmax, which hides errors.
Runs answers(const ir::Graph& graph, const Runs& inputs, run::RunnerFactory& runners);
/// Of the QDQ file that is written of the model.
Runs answers(const plan::QuantizedModel& model, const Runs& inputs, run::RunnerFactory& runners);

/// Of the worst of them; -infinity where a number is finite only in `exact`.
double sqnr_db(const Runs& exact, const Runs& rounded);

}  // namespace qc
