// Running models, as the stages see it: a graph goes in, named tensors come out, and taps look at or change
// tensors inside the graph while it runs. The ONNX Runtime implementation is ort_runner.h; tests put fakes
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace qc::run {

/// Called on the thread that called ModelRunner::run(), once for every tapped tensor of that run. `slot` is
/// the number given to run(). Must be safe to call from several runs at once.
using Observer =
    std::function<void(int64_t slot, std::span<const float> tensor, std::span<const int64_t> dims)>;
/// As an Observer, but every reader of the value inside the graph sees `out` (same shape) instead of `in`.
/// in and out may be the same memory.
using Transformer = std::function<void(int64_t slot, std::span<const float> in, std::span<float> out,
                                       std::span<const int64_t> dims)>;

/// Exactly one of the two is set. float32 values only. One transformer a value at the most; observers of a
/// transformed value see it before the change.
struct Tap {
  ir::ValueId value = ir::kNone;
  Observer observe;
  Transformer transform;
  /// Whether the observer takes the values of the run that is going on in any order (`dims` are as always):
  /// that spares the runtime to bring its own layout of channels into theirs. Empty: never.
  std::function<bool(int64_t slot)> any_order = nullptr;
};

struct RunnerOptions {
  int threads_per_run = 1;  // 1: several runs may go on at once, results do not depend on anything else
  bool optimize = true;     // false: the graph exactly as it stands (float simulation, round trips)
  std::vector<ir::ValueId> extra_outputs;  // returned by run() after the graph's own outputs
  /// Every run keeps its memory for the next one: faster, and for a runner that stands alone. Where many come
  /// and go, each would hold on to its own peak.
  bool keep_memory = false;
  /// How many runs will follow one another, about: many are worth some time spent on the graph before them.
  int64_t runs = 1;
};

class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  /// One inference. `inputs` in the order of Graph::inputs; returns the graph outputs in order, then
  /// extra_outputs; those that are no tensors of numbers (sequences, strings) come back of type kUndefined
  /// and empty. float16 and bfloat16 come back as float32, and float32 is taken for inputs of these types.
  /// Thread-safe. Throws Error(kInput) with the runtime's own words when the model cannot run on these
  /// inputs.
  virtual std::vector<ir::Tensor> run(std::span<const ir::Tensor> inputs, int64_t slot = 0) = 0;
};

/// Makes runners. Only the pipeline knows what is behind it.
class RunnerFactory {
 public:
  virtual ~RunnerFactory() = default;
  /// A session of its own for the graph, which is copied; taps are kept until it goes. Throws Error(kInput)
  /// with the runtime's own words for a graph that it does not load.
  virtual std::unique_ptr<ModelRunner> make(const ir::Graph& graph, std::vector<Tap> taps,
                                            const RunnerOptions& options) = 0;
};

}  // namespace qc::run
