// Float rewrites: the same function with fewer, plainer nodes, so that the stages after it meet one spelling of each
// idea. One file a rewrite, the order in normalize.cpp. Every rewrite is checked numerically on a calibration input and
// undone with a warning if it changes an output.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "run/runner.h"

namespace qc::normalize {

struct Options {
  std::vector<ir::Tensor> check_inputs;  // one calibration input per graph input; empty: rewrites are not checked
  double tolerance = 1e-3;               // of max |output change| / max |output|
};

struct Applied {
  std::string rewrite;
  int count = 0;       // matches rewritten
  double change = 0;   // measured max |output change| / max |output|; 0 when not checked
  bool undone = false;
};

/// Runs every rewrite in order, until nothing changes. Returns what was done, for the report.
std::vector<Applied> normalize(ir::Graph& graph, run::RunnerFactory& runners, const Options& options, Diagnostics& diagnostics);

}  // namespace qc::normalize
