// MCT's measure of sensitivity as arithmetic (its metric_calculators.py): how far a tensor is from the float
// model's, how distances at several places become one figure, and how figures of all layers are made
// comparable. Nothing runs here; layer_sensitivity.h does the measuring.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qc::simulate {

/// Of one image. kNormalisedMse: mean((x - y)^2) / (mean(x^2) + 1e-8); kMse and kMae: mean((x - y)^2) and
/// mean(|x - y|); kCosine: (1 - cos(x, y)) / 2; kKl: sum(x log(x / y)) along an axis, mean over the rest.
enum class Distance { kNormalisedMse, kMse, kMae, kCosine, kKl };

/// `x`: the float model's tensor, `y`: the other of the same `dims`; `axis` is for kKl and may count from the
/// end. At least 0, and at most 1e6, which is also what a tensor with NaN or infinity is away. Two tensors of
/// zeros are equal (MCT has their cosine distance at 1 or 0.5).
double distance(Distance kind, std::span<const float> x, std::span<const float> y,
                std::span<const int64_t> dims, int64_t axis);

/// How distances d at several places become one. kAverage: mean; kLastLayer: the last one; kExponential: mean
/// weighted by 1 - exp(-d / sigma); kScores: mean weighted by the places' scores (MCT's HESSIAN).
enum class DistanceWeighting { kAverage, kLastLayer, kExponential, kScores };
/// 0 where there are no distances, or no weights. `scores`: as many as distances, for kScores alone.
double combined(std::span<const double> distances, DistanceWeighting weighting, double sigma,
                std::span<const double> scores);

/// Divides a layer's figures by that of its widest or narrowest candidate.
enum class MetricNormalization { kNone, kMaxBit, kMinBit };
struct MetricScale {
  MetricNormalization normalization = MetricNormalization::kNone;
  std::optional<double> epsilon =
      1e-6;                 // a narrower candidate costs this more than the widest; nothing: as is
  double threshold = 1e10;  // all are divided by the largest where that reaches this
};
/// `figures`: by layer, then by width, the widest last. In this order: divided within layers (not by 0),
/// raised to the widest one's and epsilon, divided by the largest.
void scale_metrics(std::vector<std::vector<double>>& figures, const MetricScale& scale);

}  // namespace qc::simulate
