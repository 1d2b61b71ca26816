// Which layers second-order correction can solve, and what a pass over them takes: decided before anything
// runs.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "correct/windows.h"
#include "ir/ops.h"
#include "plan/quantized_model.h"

namespace qc::correct {

/// The Gram matrix of a longer patch (a dense layer behind a flattened picture, mostly) would take gigabytes,
/// and minutes to factorise.
constexpr int64_t kLongestPatch = 6144;

/// Scales are searched, and weights narrow, below so many bits.
constexpr int kFullWidth = 8;

/// A layer with constant weights of its own, integers in the model, and a product that windows.h knows.
struct Solvable {
  ir::NodeId node = ir::kNone;
  ir::ValueId input = ir::kNone, result = ir::kNone, weight = ir::kNone;
  std::optional<ir::BiasPlace> bias;
  Windows windows;
  int axis = 0;                  // of the output channels in the weight
  ir::ValueId skip = ir::kNone;  // what the result is added to, where nothing else reads it; no constant
};

/// In topological order. `only_narrow`: those whose weights, rounded in any way, have integers of less than 8
/// bits.
std::vector<Solvable> solvable(const plan::QuantizedModel& model, bool only_narrow);

/// The weights that can be solved and the node of each, in topological order.
std::vector<std::pair<ir::ValueId, ir::NodeId>> solvable_weights(const plan::QuantizedModel& model);

/// Layers that can be solved: constant weights of their own with integers in the model, and a product that
/// windows.h knows.
int64_t solvable_layers(const plan::QuantizedModel& model, bool only_narrow);

/// Multiply-adds of a pass over all solvable layers.
struct PassWork {
  double inference = 0, products = 0;  // for each image: of the float layers; of statistics
  double solving = 0;                  // once: factors and descent
};
/// `sized`: the model's graph with the shapes of a real run; where a layer's input has none, infinite.
PassWork work_of_pass(const plan::QuantizedModel& model, const ir::Graph& sized);

/// How many images fit side by side into `memory_limit` bytes (at least 2). `sized`: the model's graph, with
/// the shapes of a real run where they are known; dimensions that nobody knows count as 1.
int64_t images_that_fit(const plan::QuantizedModel& model, const ir::Graph& sized, int64_t memory_limit);

}  // namespace qc::correct
