// Observers on a real runtime: when they are called. Memory and speed of calibration hang on it.
#include "run/taps.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>

#include "prepare.h"
#include "run/blocked_layout.h"
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
  run::OrtRunnerFactory runners(onnx_codec());
  const std::vector<ir::Tensor> inputs{tiny::random_tensor({1, 3, 10, 10}, 1, 0, 1)};
  const auto results = runners.make(graph, taps, {})->run(inputs);
  CHECK(seen == std::vector<size_t>{0, 1, 2, 3, 4});
  REQUIRE(results.size() == 1);  // what observers return stays inside
  CHECK(results[0].bytes->size() == runners.make(graph, {}, {})->run(inputs).at(0).bytes->size());
}

namespace {

constexpr int64_t kMany = 1'000'000'000;  // runs, which pay for anything

// What an observer of each value was given, by the value's place in `values`.
using Seen = std::map<size_t, std::pair<std::vector<float>, std::vector<int64_t>>>;

Seen observed(const ir::Graph& graph, const std::vector<ir::ValueId>& values, bool any_order, int64_t runs) {
  Seen seen;
  std::vector<run::Tap> taps;
  for (size_t i = 0; i < values.size(); ++i)
    taps.push_back({values[i],
                    [&seen, i](int64_t, std::span<const float> tensor, std::span<const int64_t> dims) {
                      seen[i] = {{tensor.begin(), tensor.end()}, {dims.begin(), dims.end()}};
                    },
                    {},
                    [any_order](int64_t) { return any_order; }});
  run::OrtRunnerFactory runners(onnx_codec());
  run::RunnerOptions options;
  options.runs = runs;
  const auto runner = runners.make(graph, std::move(taps), options);
  const ir::Value& x = ir::value_at(graph, graph.inputs[0]);
  REQUIRE(runner->run(std::vector<ir::Tensor>{tiny::random_tensor(x.dims, 5, -1, 1)}).size() ==
          graph.outputs.size());
  return seen;
}

// Layers of 24 and 20 channels, which no block of 8 or 16 divides, a sum, a depthwise layer, an op that the
// runtime has no blocked kernel for, and an output in the middle.
ir::Graph of_many_layouts(std::vector<ir::ValueId>& values) {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {2, 3, 9, 7});
  const ir::ValueId a = tiny::relu(graph, tiny::conv(graph, x, 24));
  const ir::ValueId b = tiny::conv(graph, a, 24, {.kernel = 3, .groups = 24});
  const ir::ValueId c = tiny::add(graph, a, b);
  const ir::ValueId d = tiny::relu(graph, tiny::conv(graph, c, 32));
  const ir::ValueId e = tiny::sigmoid(graph, tiny::conv(graph, d, 20));
  const ir::ValueId f = tiny::relu(graph, tiny::conv(graph, e, 20));
  const ir::ValueId g = tiny::node(graph, "Erf", {f}, {}, std::vector<int64_t>{2, 20, 9, 7});
  tiny::output(graph, tiny::conv(graph, g, 4), "y");
  tiny::output(graph, d, "middle");
  values = {x, a, b, c, d, e, f, g};
  return graph;
}

}  // namespace

TEST_CASE("observers that take any order see the same values, whatever layout the runtime has") {
  std::vector<ir::ValueId> values;
  const ir::Graph graph = of_many_layouts(values);
  const Seen plain = observed(graph, values, false, 1);
  REQUIRE(plain.size() == values.size());
  CHECK(observed(graph, values, true, 1) == plain);  // one run pays for nothing
  CHECK(observed(graph, values, false, kMany) == plain);
  const Seen any = observed(graph, values, true, kMany);
  REQUIRE(any.size() == values.size());
  size_t moved = 0;
  for (const auto& [i, tensor] : any) {
    INFO(i);
    CHECK(tensor.second == plain.at(i).second);
    moved += tensor.first != plain.at(i).first;
    std::vector<float> sorted = tensor.first, expected = plain.at(i).first;
    std::sort(sorted.begin(), sorted.end());
    std::sort(expected.begin(), expected.end());
    CHECK(sorted == expected);
  }
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) CHECK(moved >= 3);  // a, b, c: nobody else wants them in order
#endif
}

TEST_CASE("without room for temporary files observers see values in order") {
  std::vector<ir::ValueId> values;
  const ir::Graph graph = of_many_layouts(values);
  const Seen plain = observed(graph, values, false, 1);
  const char* const before = std::getenv("TMPDIR");
  const std::string folder = before ? before : "";
  ::setenv("TMPDIR", "/nowhere/at/all", 1);
  const Seen any = observed(graph, values, true, kMany);
  if (before)
    ::setenv("TMPDIR", folder.c_str(), 1);
  else
    ::unsetenv("TMPDIR");
  CHECK(any == plain);
}

TEST_CASE("blocks of channels are brought into order, or lose their padding alone") {
  // One picture, 3 channels in blocks of 2, 2 places: channel c at place p is 10 c + p, the padding -1.
  const std::vector<float> blocks{0, 10, 1, 11, 20, -1, 21, -1};
  const std::vector<int64_t> padded{1, 4, 1, 2};
  std::vector<float> out;
  run::in_order(blocks, padded, {3, 2}, out);
  CHECK(out == std::vector<float>{0, 1, 10, 11, 20, 21});
  run::without_padding(blocks, padded, {3, 2}, out);
  CHECK(out == std::vector<float>{0, 10, 1, 11, 20, 21});
}
