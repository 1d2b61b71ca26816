// Sequential bias correction (ptq-accuracy 2.6): b' = b + E[float output] - E[quantized output], layer by layer in graph
// order, every layer seeing what the layers before it, already corrected, hand it. It removes the mean of the weight
// error and of all upstream activation error at once.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "images/image_source.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "run/runner.h"

namespace qc::correct {

/// By node: what to add to its bias, one number an output channel.
using BiasDeltas = std::map<ir::NodeId, std::vector<float>>;

struct BiasOptions {
  int64_t most_images = 32;
  int64_t memory_limit = int64_t{64} << 20;  // bytes of activations that may be alive at once
  int threads = 1;
};

/// Measures the deltas on some of the images `indices`. All of these images go through the quantized network side by
/// side, in step: at each layer they wait for each other, the mean error over all is taken, and all go on corrected.
/// One pass corrects every layer in sequence, whatever the network's shape. Does not depend on `threads`.
BiasDeltas measure_bias_deltas(const plan::QuantizedModel& model, run::RunnerFactory& runners, const images::ImageSource& source,
                               std::span<const int64_t> indices, const BiasOptions& options);

}  // namespace qc::correct
