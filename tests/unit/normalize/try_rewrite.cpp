// See try_rewrite.h.
#include "unit/normalize/try_rewrite.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::try_rewrite {

run::ModelCodec codec() {
  return onnx_codec();
}

ir::ValueId image(ir::Graph& g, int64_t channels) {
  return tiny::input(g, "x", {2, channels, 6, 5});
}

ir::ValueId pad(ir::Graph& g, ir::ValueId x, std::vector<int64_t> pads, float with, const std::string& mode) {
  tiny::Dims dims = tiny::value(g, x).dims;
  for (size_t i = 0; i < dims.size(); ++i) dims[i] += pads[i] + pads[i + dims.size()];
  if (ir::opset(g) < 11)
    return tiny::node(g, "Pad", {x}, {{"mode", mode}, {"pads", pads}, {"value", with}}, dims);
  return tiny::node(g, "Pad", {x, tiny::constant_i(g, pads), tiny::constant(g, with)}, {{"mode", mode}},
                    dims);
}

std::vector<ir::Tensor> random_inputs(const ir::Graph& graph) {
  std::vector<ir::Tensor> inputs;
  unsigned seed = 50;
  for (const ir::ValueId id : graph.inputs) {
    tiny::Dims dims = tiny::value(graph, id).dims;
    std::replace(dims.begin(), dims.end(), int64_t{-1}, int64_t{3});
    inputs.push_back(tiny::random_tensor(dims, seed++, -4, 4));
  }
  return inputs;
}

std::vector<ir::Tensor> run(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs) {
  run::RunnerOptions options;
  options.optimize = false;
  return run::OrtRunnerFactory(codec()).make(graph, {}, options)->run(inputs);
}

double largest_change(const std::vector<ir::Tensor>& before, const std::vector<ir::Tensor>& after) {
  REQUIRE(before.size() == after.size());
  double change = 0;
  for (size_t i = 0; i < before.size(); ++i)
    change = std::max(change, ort_try::max_relative_error(before[i], after[i]));
  return change;
}

Outcome outcome(const ir::Graph& graph, const std::function<int(ir::Graph&)>& rewrite) {
  Outcome result;
  result.graph = graph;
  ir::verify(result.graph);
  result.count = rewrite(result.graph);
  ir::remove_dead(result.graph);
  ir::verify(result.graph);
  result.ops = tiny::ops(result.graph);
  const auto inputs = random_inputs(graph);
  result.change = largest_change(run(graph, inputs), run(result.graph, inputs));
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    CHECK(tiny::value(graph, graph.outputs[i]).name ==
          tiny::value(result.graph, result.graph.outputs[i]).name);
  return result;
}

void check(const std::vector<Case>& cases, const std::function<int(ir::Graph&)>& rewrite, double tolerance) {
  for (const Case& c : cases) {
    INFO(c.fact);
    ir::Graph graph = tiny::graph(c.opset);
    c.build(graph);
    const Outcome result = outcome(graph, rewrite);
    CHECK(result.count == c.count);
    CHECK(result.ops == c.ops);
    CHECK(result.change <= tolerance);
    if (c.count == 0) CHECK(ir::dump(result.graph) == ir::dump(graph));
  }
}

}  // namespace qc::try_rewrite
