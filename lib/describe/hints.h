// Troubleshooting that computes: the checks of MCT's XQuant Extension Tool and its troubleshooting manual,
// and some of our own, on what a conversion has collected anyway, each with the lines of the config that help
// and, where a run in simulation can tell, what they bring. Runs that look for a gain take their time, so
// they are made where accuracy is wanting, or when asked for. In a corridor because it reads what every
// room hands on.
#pragma once

#include <vector>

#include "calibrate/calibrate.h"
#include "config/core_config.h"
#include "images/image_source.h"
#include "plan/tensor_stats.h"
#include "report/report.h"
#include "search/attempt.h"
#include "target/target.h"

namespace qc {

struct HintScene {
  const ir::Graph& graph;
  Attempt& best;  // its simulator is run and left as it was
  const FloatAnswers& answers;
  const plan::StatsTable& stats;
  const images::ImageSource& source;
  const calibrate::Split& split;
  const config::CoreConfig& config;
  std::span<const config::NodeSettings> rules;
  const target::TargetSpec& target;
  int threads;
  bool tries;  // makes the runs that look for a gain
};

/// In the order of the checks. What was tried and did not bring the worst output closer gives no hint.
std::vector<report::Hint> find_hints(const HintScene& scene);

}  // namespace qc
