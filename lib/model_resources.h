// What a model takes when it runs, as far as its file says: bytes of activations, operations. Nothing is run
// on images; files that carry quantization count with the widths that they have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "run/ort_runner.h"
#include "target/target.h"

namespace qc {

/// Elements with the batch counted as 1; nothing where another dimension is free or the shape is unknown.
std::optional<int64_t> elements_of_one(const ir::Value& value);

/// A value made while running that stands alone in memory.
struct TakenValue {
  ir::ValueId value = ir::kNone;  // of the graph asked about
  std::string node;               // its maker; "": an input
  std::string shape;
  int64_t bytes = 0;
};

struct Taken {
  // Bytes alive at once, batch 1, in the best order of the nodes that is found (budget/resources.h); none
  // where a size is not fixed.
  std::optional<int64_t> activations;
  std::string fullest;  // the node where that is; "": the inputs before the first
  // Products of layers with weights, each times the bits of both operands, as
  // target_resource_utilization.bops counts them; none where a size is not fixed.
  std::optional<double> bops;
  std::vector<TakenValue> values;  // of known size, in the order in which they are made
};

/// By the widths of the file: a value takes the integers that it is rounded to, also where the model's inputs
/// and outputs are floats outside, else its type's. Where the scales contradict each other, the values are
/// floats. `graph`: with shapes, as infer_shapes() leaves them.
Taken taken_as_stored(const ir::Graph& graph, const target::TargetSpec& target, run::RunnerFactory& runners);

/// A float graph with integers wherever the target has kernels: what shares in a config's budget are of.
Taken taken_on(const ir::Graph& graph, const target::TargetSpec& target);

}  // namespace qc
