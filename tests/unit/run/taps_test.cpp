// Observers on a real runtime: when they are called. Memory and speed of calibration hang on it.
#include "run/taps.h"

#include <catch2/catch.hpp>

#include "prepare.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"

using namespace qc;

TEST_CASE("observers run in the order of the graph, whatever the order of the taps and of fusions") {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 3, 10, 10});
  std::vector<ir::ValueId> values{x};
  for (int layer = 0; layer < 4; ++layer)
    values.push_back(tiny::relu(graph, tiny::conv(graph, values.back(), 6)));
  tiny::output(graph, tiny::relu(graph, tiny::conv(graph, values.back(), 6)), "y");

  std::vector<size_t> seen;
  std::vector<run::Tap> taps;
  for (const size_t i : {size_t{2}, size_t{0}, size_t{4}, size_t{1}, size_t{3}})
    taps.push_back(
        {values[i],
         [&seen, i](int64_t, std::span<const float>, std::span<const int64_t>) { seen.push_back(i); },
         {}});
  run::OrtRunnerFactory runners(onnx_doors());
  const std::vector<ir::Tensor> inputs{tiny::random_tensor({1, 3, 10, 10}, 1, 0, 1)};
  const auto results = runners.make(graph, taps, {})->run(inputs);
  CHECK(seen == std::vector<size_t>{0, 1, 2, 3, 4});
  REQUIRE(results.size() == 1);  // what observers return stays inside
  CHECK(results[0].bytes->size() == runners.make(graph, {}, {})->run(inputs).at(0).bytes->size());
}
