// See distances.h.
#include "simulate/distances.h"

#include <algorithm>
#include <cmath>

namespace qc::simulate {
namespace {

constexpr double kWorst = 1e6;  // far beyond any distance of a network that still works
constexpr double kTiny = 1e-8;  // MCT's, in every denominator

double mean_power(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return sum / static_cast<double>(x.size());
}

double mse(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double error = static_cast<double>(x[i]) - y[i];
    sum += error * error;
  }
  return sum / static_cast<double>(x.size());
}

double mae(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::abs(static_cast<double>(x[i]) - y[i]);
  return sum / static_cast<double>(x.size());
}

double cosine(std::span<const float> x, std::span<const float> y) {
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += static_cast<double>(x[i]) * y[i];
    xx += static_cast<double>(x[i]) * x[i];
    yy += static_cast<double>(y[i]) * y[i];
  }
  if (xx == 0 && yy == 0) return 0;
  return (1 - xy / (std::sqrt(xx) * std::sqrt(yy) + kTiny)) / 2;
}

// The sum over all elements is that of the sums along the axis: only their count depends on it.
double kl(std::span<const float> x, std::span<const float> y, std::span<const int64_t> dims, int64_t axis) {
  const auto rank = static_cast<int64_t>(dims.size());
  const int64_t place = axis < 0 ? axis + rank : axis;
  const int64_t along = place >= 0 && place < rank ? dims[place] : 1;
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i] != 0) sum += x[i] * std::log(x[i] / (y[i] == 0 ? kTiny : static_cast<double>(y[i])));
  return sum * static_cast<double>(along) / static_cast<double>(x.size());
}

double weighted(std::span<const double> values, const std::vector<double>& weights) {
  double sum = 0, all = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += weights[i] * values[i];
    all += weights[i];
  }
  return all > 0 ? sum / all : 0;
}

double largest(const std::vector<std::vector<double>>& figures) {
  double most = 0;
  for (const std::vector<double>& layer : figures)
    for (const double figure : layer) most = std::max(most, figure);
  return most;
}

void divide(std::vector<double>& figures, double by) {
  if (by == 0) return;
  for (double& figure : figures) figure /= by;
}

}  // namespace

double distance(Distance kind, std::span<const float> x, std::span<const float> y,
                std::span<const int64_t> dims, int64_t axis) {
  if (x.empty()) return 0;
  double found = 0;
  switch (kind) {
    case Distance::kNormalisedMse:
      found = mse(x, y) / (mean_power(x) + kTiny);
      break;
    case Distance::kMse:
      found = mse(x, y);
      break;
    case Distance::kMae:
      found = mae(x, y);
      break;
    case Distance::kCosine:
      found = cosine(x, y);
      break;
    case Distance::kKl:
      found = kl(x, y, dims, axis);
      break;
  }
  return std::isfinite(found) ? std::clamp(found, 0.0, kWorst) : kWorst;
}

double combined(std::span<const double> distances, DistanceWeighting weighting, double sigma,
                std::span<const double> scores) {
  if (distances.empty()) return 0;
  std::vector<double> weights(distances.size(), 1);
  switch (weighting) {
    case DistanceWeighting::kAverage:
      break;
    case DistanceWeighting::kLastLayer:
      return distances.back();
    case DistanceWeighting::kExponential:
      for (size_t i = 0; i < weights.size(); ++i) weights[i] = -std::expm1(-distances[i] / sigma);
      break;
    case DistanceWeighting::kScores:
      weights.assign(scores.begin(), scores.end());
      break;
  }
  return weighted(distances, weights);
}

void scale_metrics(std::vector<std::vector<double>>& figures, const MetricScale& scale) {
  for (std::vector<double>& layer : figures) {
    if (scale.normalization == MetricNormalization::kMaxBit) divide(layer, layer.back());
    if (scale.normalization == MetricNormalization::kMinBit) divide(layer, layer.front());
    if (scale.epsilon)
      for (size_t w = 0; w + 1 < layer.size(); ++w)
        layer[w] = std::max(layer[w], layer.back() + *scale.epsilon);
  }
  const double most = largest(figures);
  if (most >= scale.threshold)
    for (std::vector<double>& layer : figures) divide(layer, most);
}

}  // namespace qc::simulate
