// See forecast.h.
#include "search/forecast.h"

#include <algorithm>
#include <utility>

namespace qc {
namespace {

// Single roundings add up to no more, or less, than this many times what they are measured to be.
constexpr double kMostOff = 30;

size_t worst_of(const std::vector<double>& ratios) {
  return static_cast<size_t>(std::max_element(ratios.begin(), ratios.end()) - ratios.begin());
}

}  // namespace

Forecast::Forecast(const ir::Graph& graph, select::MeasuredNoise noise, const std::vector<bool>& integer,
                   const std::vector<double>& measured, const std::vector<double>& weights_alone)
    : graph_(graph), noise_(std::move(noise)) {
  // Few roundings, unlike all of them, add up.
  for (size_t o = 0; o < noise_.scales.size(); ++o)
    for (std::vector<double>& ratios : noise_.ratios) ratios[o] /= noise_.scales[o];
  noise_.scales.clear();
  noise_.base.assign(measured.size(), 0);
  begin_at(integer, measured);
  if (measured.empty()) return;
  const size_t worst = worst_of(measured);
  // Biases that make up for roundings may not suit weights alone, which then say nothing.
  if (measured[worst] > weights_alone[worst])
    scale_to(measured[worst] - weights_alone[worst], roundings_[worst]);
}

void Forecast::learn(const std::vector<bool>& integer, const std::vector<double>& measured) {
  if (measured.empty()) return;
  const size_t worst = worst_of(measured);
  scale_to(measured[worst] - measured_[worst], of_roundings(integer)[worst] - roundings_[worst]);
}

void Forecast::begin_at(const std::vector<bool>& integer, const std::vector<double>& measured) {
  measured_ = measured;
  roundings_ = of_roundings(integer);
}

select::MeasuredNoise Forecast::noise() const {
  select::MeasuredNoise scaled = noise_;
  for (std::vector<double>& ratios : scaled.ratios)
    for (double& ratio : ratios) ratio *= scale_;
  for (size_t o = 0; o < scaled.base.size(); ++o) scaled.base[o] = measured_[o] - scale_ * roundings_[o];
  return scaled;
}

std::vector<double> Forecast::of_roundings(const std::vector<bool>& integer) const {
  return select::predicted_noise(graph_, noise_, integer);
}

void Forecast::scale_to(double measured, double predicted) {
  if (predicted <= 0) return;
  scale_ = std::clamp(measured / predicted, 1 / kMostOff, kMostOff);
}

}  // namespace qc
