// Corrections by moments of each channel, forward runs alone. Second moments: y' = gain * y + shift brings a
// layer's mean and deviation back to those of the float model (the "statistics correction" of Optimal Brain
// Compression; MCT re-estimates a BatchNormalization in training mode for it). Input means: what rounding a
// layer's input does to the input's mean is taken back by the bias (MCT's activation bias correction, for
// every channel by itself).
#pragma once

#include <map>
#include <span>
#include <vector>

#include "correct/bias_correction.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "simulate/simulate.h"

namespace qc::correct {

/// By node and output channel.
struct Rescale {
  std::vector<float> gain, shift;
};
using Rescales = std::map<ir::NodeId, Rescale>;

/// Measures both networks on the images with these indices, in step, so that every layer sees what those
/// before it, already corrected, hand it. As many images as `memory_limit` (bytes of activations alive at
/// once) allows. Gains stay between 1/2 and 2. The simulator must tap every layer's result.
Rescales measure_rescales(simulate::Simulator& simulator, simulate::FloatModel& model,
                          const std::vector<Layer>& layers, const images::ImageSource& source,
                          std::span<const int64_t> indices, int64_t memory_limit, int threads);

/// Bias deltas -sum over inputs and window of W * E[Q(x) - x], x the layer's data input on these images. A
/// channel whose |E[Q(x) - x]| is below `threshold` percent of |E[x]| is left out. Padding is not looked at,
/// as in MCT. The simulator must tap the inputs.
BiasDeltas measure_input_shifts(simulate::Simulator& simulator, const plan::QuantizedModel& model,
                                const std::vector<Layer>& layers, const images::ImageSource& source,
                                std::span<const int64_t> indices, double threshold, int threads);

}  // namespace qc::correct
