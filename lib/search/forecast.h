// What a placement would come to, told from the noise of single roundings and from attempts at others: the
// noise names what costs most, but what roundings add up to is known where it was measured.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "select/refine.h"

namespace qc {

/// Begins at a placement whose outputs were measured, and is corrected by each measured since.
class Forecast {
 public:
  /// `noise`: of every group that any of the placements rounds; its base does not count. `integer`: the
  /// placement measured, by NodeId; `measured`: noise over signal at each judged output; `weights_alone`: the
  /// same with nothing rounded. Borrows the graph.
  Forecast(const ir::Graph& graph, select::MeasuredNoise noise, const std::vector<bool>& integer,
           const std::vector<double>& measured, const std::vector<double>& weights_alone);

  /// Another placement was measured: whatever the noise says of roundings that the one has and the other has
  /// not is scaled to what its worst output came to.
  void learn(const std::vector<bool>& integer, const std::vector<double>& measured);

  /// Predictions begin at this placement from now on.
  void begin_at(const std::vector<bool>& integer, const std::vector<double>& measured);

  /// The noise, for select::frontier(): predictions from it are what was measured at the placement where they
  /// begin, and scaled roundings more. Bases may be below zero.
  select::MeasuredNoise noise() const;

 private:
  std::vector<double> of_roundings(const std::vector<bool>& integer) const;
  void scale_to(double measured, double predicted);

  const ir::Graph& graph_;
  select::MeasuredNoise noise_;
  std::vector<double> measured_, roundings_;  // where predictions begin, by output; unscaled
  double scale_ = 1;
};

}  // namespace qc
