// Sessions of ONNX Runtime: what reaches them besides the graph.
#include "run/ort_runner.h"

#include <catch2/catch.hpp>

#include "prepare.h"
#include "support/tiny_models.h"

using namespace qc;

TEST_CASE("constants that are handed over beside the model give the same, also where nobody reads one") {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 16, 10, 10});
  tiny::output(graph, tiny::relu(graph, tiny::conv(graph, x, 16)), "y");
  ir::add_constant(graph, "left_over", tiny::random_tensor({1000}, 2, 0, 1));

  const std::vector<ir::Tensor> inputs{tiny::random_tensor({1, 16, 10, 10}, 1, 0, 1)};
  run::OrtRunnerFactory inside(onnx_codec()), beside(onnx_codec(), 1);
  const std::vector<ir::Tensor> wanted = inside.make(graph, {}, {})->run(inputs),
                                got = beside.make(graph, {}, {})->run(inputs);
  REQUIRE(got.size() == 1);
  CHECK(ir::equal(got[0], wanted.at(0)));
}
