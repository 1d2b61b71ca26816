// What searches for a placement work on, and what describes one.
#pragma once

#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "search/attempt.h"
#include "select/capability.h"
#include "select/costs.h"
#include "select/placement.h"

namespace qc {

/// Borrowed: all of it outlives the search.
struct PlacementScene {
  const ir::Graph& graph;
  const std::vector<select::Capability>& capabilities;
  const select::PlacementCosts& time;                  // what decides
  const std::vector<select::ProcessorCosts>& time_on;  // by processor
  bool priced = true;                                  // the times are those of a cost table
  const config::PlacementGoals& goals;
  const FloatAnswers& answers;
  run::RunnerFactory& runners;
  const images::ImageSource& source;
  const calibrate::Split& split;
  int threads = 1;
};

}  // namespace qc
