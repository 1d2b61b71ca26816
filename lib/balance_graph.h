// Tries the corrections of the room balance one after the other, each on what the ones before it left, and
// keeps those that bring the worst output closer to float on held-out images, or that the user asked for and
// that do not hurt.
#pragma once

#include <vector>

#include "calibrate/calibrate.h"
#include "config/core_config.h"
#include "correct/kept.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "places.h"
#include "plan/tensor_stats.h"
#include "report/report.h"
#include "run/ort_runner.h"
#include "target/target.h"

namespace qc {

/// What the corrections work with besides the graph. Borrowed.
struct BalanceScene {
  const config::CoreConfig& config;
  const target::TargetSpec& target;
  run::RunnerFactory& runners;
  const run::Doors& doors;
  const images::ImageSource& source;
  const calibrate::Split& split;
  const std::vector<ir::Tensor>& sample;
  int threads = 1;
  correct::Kept* kept = nullptr;  // of FloatAnswers
};

struct Balanced {
  std::vector<report::Correction> corrections;  // what was tried, and what it brought
  std::vector<std::string> notes;
  bool changed = false;  // then graph and places are new ones, and statistics of old ones mean nothing
  ir::Graph graph;
  Places places;
};

/// `stats`: of the graph's outlined plan for the fastest placement. Costs nothing where no correction fits.
/// Under a budget only corrections that weights of every width gain from alike; results are tried at the
/// target's own width, and each other width has its ranges searched anew on what a correction left.
Balanced balance_graph(const BalanceScene& scene, const ir::Graph& graph, const Places& places,
                       const plan::StatsTable& stats);

}  // namespace qc
