// What is quantized, and what every stage from statistics on works with. Two papers that the helpers of the
// corridor share: a balanced graph makes a new subject, and the scene stays.
#pragma once

#include <vector>

#include "calibrate/calibrate.h"
#include "config/core_config.h"
#include "correct/kept.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "plan/tensor_stats.h"
#include "run/ort_runner.h"
#include "search/places.h"
#include "target/target.h"

namespace qc {

/// A float graph, where its nodes can run, and what its values were seen to be.
struct Subject {
  ir::Graph graph;
  Places places;
  plan::StatsTable stats;                  // of every value that is rounded where integers are fastest
  calibrate::ExtremesTable extremes = {};  // where these were seen to be least and largest
};

/// What every step of a conversion has at hand besides the subject, the same from the first statistics to the
/// report: what was asked for, what can run models, and the images. Borrowed, all of it from convert(), which
/// outlives the steps.
struct Scene {
  const config::CoreConfig& config;  // complete: defaults filled in, and what the budget forces
  const target::TargetSpec& target;  // as the config uses it (target_of.h)
  run::RunnerFactory& runners;
  const run::ModelCodec& codec;
  const images::ImageSource& source;      // fits the graph's inputs
  const calibrate::Split& split;          // which images are calibrated on, and which judge
  const std::vector<ir::Tensor>& sample;  // one image's inputs
  int threads = 1;
  bool widths_open = false;       // those of weights: a budget or a frontier searches for them after this
  correct::Kept* kept = nullptr;  // solved layers of this run and of one before it; nothing: none are kept
};

}  // namespace qc
