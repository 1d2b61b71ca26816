// One rewrite on one small graph: what it matched, what is left, and whether ONNX Runtime still computes the
// same.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "run/ort_runner.h"

namespace qc::try_rewrite {

using Rewrite = int (*)(ir::Graph&);

struct Outcome {
  int count = 0;
  std::string ops;    // after, as tiny::ops
  double change = 0;  // max |output change| / max |output|, of the worst output
  ir::Graph graph;    // after
};

/// Applies the rewrite, removes what is dead, verifies, and runs both graphs on random inputs in [-4, 4), -1
/// dims as 3.
Outcome outcome(const ir::Graph& graph, const std::function<int(ir::Graph&)>& rewrite);

/// A row of a table test. `ops` is what must be left; for a near miss count is 0 and the graph must stay as
/// it was.
struct Case {
  const char* fact;
  std::function<void(ir::Graph&)> build;
  int count;
  const char* ops;
  int64_t opset = 13;
};
/// Checks every row; `tolerance` of the outputs.
void check(const std::vector<Case>& cases, const std::function<int(ir::Graph&)>& rewrite,
           double tolerance = 1e-5);

/// The input "x" of most graphs here: two pictures of 6 x 5.
ir::ValueId image(ir::Graph& g, int64_t channels = 4);
/// Pad with constant pads (begins, then ends) in the spelling of the opset.
ir::ValueId pad(ir::Graph& g, ir::ValueId x, std::vector<int64_t> pads, float with = 0,
                const std::string& mode = "constant");

run::ModelCodec codec();
std::vector<ir::Tensor> run(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs);
std::vector<ir::Tensor> random_inputs(const ir::Graph& graph);
double largest_change(const std::vector<ir::Tensor>& before, const std::vector<ir::Tensor>& after);

}  // namespace qc::try_rewrite
