// What each rounding costs, by leaving out: the error with only this part of the model rounded, and with all
// but this part. One session for all of it: weights and biases are inputs of the graph, activations go
// through taps.
#pragma once

#include <vector>

#include "simulate/fidelity.h"
#include "simulate/simulate.h"

namespace qc::simulate {

/// What is rounded together: activations of one scale group, or the constants of a node.
struct Part {
  std::vector<ir::ValueId> activations;  // of QuantPlan::values
  std::vector<ir::ValueId> weights;      // keys of QuantizedModel::weights
  std::vector<ir::NodeId> biases;        // layers, whose biases are rounded or were corrected
};

struct Ablated {
  double only_db = 0;     // SQNR of the worst output with nothing rounded but this
  double without_db = 0;  // with everything rounded but this
};
struct Ablation {
  double all_db = 0;  // with everything rounded
  std::vector<Ablated> parts;
};

/// `graph`: the float graph that `model` was made from (equal NodeIds); a bias that correction moved counts
/// with its node's weights. `images`: the inputs of each, `exact`: the float model's judged values on them
/// (Reference::judged). Takes 2 * parts + 1 runs of each image.
Ablation ablate(const ir::Graph& graph, const plan::QuantizedModel& model, const std::vector<Part>& parts,
                run::RunnerFactory& runners, const std::vector<std::vector<ir::Tensor>>& images,
                const std::vector<std::vector<ir::Tensor>>& exact, const std::vector<Judged>& judged,
                int threads);

}  // namespace qc::simulate
