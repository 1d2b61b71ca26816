// Sequential bias correction (the empirical form of Nagel et al. 2019, arXiv:1906.04721):
// b' = b + E[float output] - E[quantized output], layer by layer in graph order, every layer seeing what the
// layers before it, already corrected, hand it. It removes the mean of the weight error and of all upstream
// activation error at once.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "images/image_source.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "quant/quant_params.h"
#include "simulate/simulate.h"

namespace qc::correct {

/// By node: what to add to its bias, one number an output channel.
using BiasDeltas = std::map<ir::NodeId, std::vector<float>>;

/// A layer whose bias can be corrected, and the value (bias included, activation not) where its error shows.
struct Layer {
  ir::NodeId node = ir::kNone;
  ir::ValueId result = ir::kNone;
  int axis = 1;  // of the result's channels; negative: from the end
};
/// The layout of a tensor along Layer::axis, which may count from the end.
quant::ChannelLayout layout_of(std::span<const int64_t> dims, int axis);
/// The place of each layer in the list.
std::map<ir::ValueId, size_t> layers_by_result(const std::vector<Layer>& layers);

/// Every node with integer weights that has a bias or can take one and whose plan lets it, in topological
/// order.
std::vector<Layer> correctable_layers(const ir::Graph& graph, const plan::QuantPlan& plan);

/// Means of each channel of each layer's result in the float model, for some images.
struct FloatMeans {
  std::vector<int64_t> images;                             // indices into the source
  std::vector<std::vector<std::vector<double>>> by_layer;  // [layer][image][channel]
  int64_t largest = 0;                                     // elements of the largest result
};
/// Collects them while the float model runs on the images with these indices.
FloatMeans float_means(simulate::FloatModel& model, const std::vector<Layer>& layers,
                       const images::ImageSource& source, std::span<const int64_t> indices, int threads);

/// Sends as many of these images as `memory_limit` (bytes of activations alive at once) allows through the
/// quantized network side by side, in step: at each layer they wait for each other, the mean error over all
/// is taken, and all go on corrected. One pass corrects every layer in sequence, whatever the network's
/// shape. The simulator must tap every layer's result. The same result for every machine load.
BiasDeltas measure_bias_deltas(simulate::Simulator& simulator, const std::vector<Layer>& layers,
                               const FloatMeans& expected, const images::ImageSource& source,
                               int64_t memory_limit, int threads);

/// MCT's form (Nagel et al., arXiv:1906.04721): b' = b - sum over inputs of (Wq - W) * E[x], with the `means`
/// of what the layers read in the float model; `inputs` says of which values (Layer::result), each once.
/// `rounded`: the graph with its weights' integers for constants.
BiasDeltas deltas_by_float_means(const ir::Graph& graph, const ir::Graph& rounded,
                                 const std::vector<Layer>& layers, const std::vector<Layer>& inputs,
                                 const FloatMeans& means);

/// A simulator hook that adds the deltas: the model as it would be after correction.
simulate::Hook adding(const BiasDeltas& deltas, const std::vector<Layer>& layers);

/// `count` of the indices (or all), evenly spread.
std::vector<int64_t> spread(std::span<const int64_t> indices, int64_t count);

}  // namespace qc::correct
