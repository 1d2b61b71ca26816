// MCT's own measure of what a narrow weight costs (its sensitivity_evaluation.py), to compare with: this one
// rounded to nearest, everything else in float, and the distance to float at many places of the network, each
// by the kind of its op. Nothing behind the weight is repaired, so the figures are not what a corrected
// network loses (correct/sensitivity.h). What stands before a weight runs once for all its widths.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "images/image_source.h"
#include "ir/graph.h"
#include "run/runner.h"
#include "simulate/distances.h"
#include "simulate/judged.h"

namespace qc::simulate {

/// What is measured, and on which pictures. Borrowed.
struct MeasuredModel {
  const ir::Graph& graph;
  const std::vector<Judged>& judged;
  run::RunnerFactory& runners;
  const images::ImageSource& source;
  const std::vector<int64_t>& images;  // of `source`
  int threads = 1;
};

struct MeasuredPlace {
  ir::ValueId value = ir::kNone;  // float32
  Distance distance = Distance::kNormalisedMse;
  int64_t axis = -1;  // of kKl
};

struct LayerMeasure {
  DistanceWeighting weighting = DistanceWeighting::kAverage;
  double sigma = 0.1;                  // of kExponential
  double places_factor = 1;            // share of the interest points that is kept, evenly spread
  std::optional<Distance> everywhere;  // instead of that of each op
  MetricScale scale;
};

/// MCT's interest points, in topological order: results of convolutions and linear layers (their biases
/// included), of Sigmoid, Softmax, sums and concatenations of computed values. Softmax: kKl, Sigmoid and
/// linear layers: kCosine, else kNormalisedMse. Results that `outputs` has are left out after the share is
/// taken, as MCT does.
std::vector<MeasuredPlace> interest_points(const ir::Graph& graph, const LayerMeasure& measure,
                                           const std::vector<MeasuredPlace>& outputs);
/// The graph's outputs, measured beside the interest points; behind an op that jumps, the last continuous
/// values before it.
std::vector<MeasuredPlace> output_places(const ir::Graph& graph, const std::vector<Judged>& judged,
                                         const LayerMeasure& measure);

/// MCT's Hessian scores without gradients: by place, the mean over images of |J u|^2, where J is what the
/// judged values change by for a change of the place, and u are random signs: as |J^T v|^2 in MCT, its mean
/// is the squared Frobenius norm of J. J u is a difference of two runs.
std::vector<double> squared_slopes(const MeasuredModel& model, const std::vector<MeasuredPlace>& places);

/// A weight that is probed: a float32 constant, and the nodes that read it.
struct ProbedWeight {
  ir::ValueId weight = ir::kNone;
  std::vector<ir::NodeId> readers;
};

/// By weight, then by width (as `rounded` counts them, ascending): the combined distance at the interest
/// points plus the mean distance at the outputs, scaled as `measure` says. `rounded`: the weight's values at
/// that width, asked for once. A weight with no place behind it costs what the scaling makes of 0.
std::vector<std::vector<double>> layer_sensitivities(
    const MeasuredModel& model, const std::vector<ProbedWeight>& weights, size_t widths,
    const std::function<ir::Tensor(size_t weight, size_t width)>& rounded, const LayerMeasure& measure);

}  // namespace qc::simulate
