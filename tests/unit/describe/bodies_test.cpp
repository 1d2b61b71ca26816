// Which weights in bodies a report speaks of, and what it says against them.
#include "describe/bodies.h"

#include <catch2/catch.hpp>

#include "support/branches.h"

using namespace qc;
using namespace qc::tiny;

namespace {

/// A MatMul with weights of its own, or with those of the outer graph, 4 kB.
Branch layer(const std::string& result, const std::string& outer_weights = "") {
  return [=](ir::Graph& b) {
    const auto w = outer_weights.empty() ? constant(b, random_tensor({4, 256}, 5), result + "_w")
                                         : input(b, outer_weights, {4, 256});
    output(b, node(b, "MatMul", {input(b, "x", {1, 4}), w}, {}, Dims{1, 256}), result);
  };
}

constexpr int64_t kFile = 10'000;

}  // namespace

TEST_CASE("weights in the branches of an If are counted, with the input that decides", "[describe]") {
  ir::Graph g = graph();
  input(g, "x", {1, 4});
  const auto rate = input(g, "rate", {}, ir::DType::kInt64);
  const auto high = node(g, "Equal", {rate, constant(g, ir::scalar(int64_t{16000}))}, {}, Dims{});
  output(g, if_node(g, high, layer("t"), layer("e"), {1, 256}));
  const std::string said = weights_in_bodies(through_file(g), kFile);
  CHECK_THAT(said, Catch::StartsWith("8.2 kB of weights stay as they are in bodies of If (node 'If_1'): "));
  CHECK_THAT(said, Catch::Contains("input 'rate'") && Catch::Contains("initializer"));
  CHECK(weights_in_bodies(through_file(g), 100 * kFile) == "");
}

TEST_CASE("a condition on sizes names the config's key, if a size is open", "[describe]") {
  for (const int64_t size : {-1, 4}) {
    ir::Graph g = graph();
    const auto x = input(g, "x", {1, size});
    const auto long_one =
        node(g, "Equal", {node(g, "Size", {x}, {}, Dims{}), node(g, "Size", {x}, {}, Dims{})});
    output(g, if_node(g, long_one, layer("t"), unary("Neg", "x", "e"), {1, 256}));
    const std::string said = weights_in_bodies(through_file(g), kFile);
    CHECK_THAT(said, Catch::StartsWith("4.1 kB"));
    CHECK((said.find("\"input_shapes\"") != std::string::npos) == (size == -1));
    CHECK(said.find("initializer") == std::string::npos);
  }
}

TEST_CASE("outer weights count where bodies alone read them, once", "[describe]") {
  for (const bool elsewhere : {false, true}) {
    ir::Graph g = graph();
    const auto x = input(g, "x", {1, 4});
    const auto flag = input(g, "flag", {}, ir::DType::kBool);
    const auto w = constant(g, random_tensor({4, 256}, 5), "w");
    const auto y = if_node(g, flag, layer("t", "w"), layer("e", "w"), {1, 256});
    const auto z = if_node(g, flag, layer("t2", "w"), layer("e2", "w"), {1, 256});
    output(g, add(g, y, z));
    if (elsewhere) output(g, matmul(g, x, w));
    const std::string said = weights_in_bodies(through_file(g), kFile);
    CHECK((said == "") == elsewhere);
    if (!elsewhere) CHECK_THAT(said, Catch::StartsWith("4.1 kB of weights"));
  }
}

TEST_CASE("what a Loop repeats stays, and so does what nothing holds", "[describe]") {
  ir::Graph g = graph();
  const auto x = input(g, "x", {1, 4});
  const auto many = constant(g, ir::scalar(int64_t{3}));
  output(g, node(g, "Loop", {many, truth(g, true)}, {body("body", layer("t"))}, Dims{1, 256}));
  output(g, x);
  CHECK_THAT(weights_in_bodies(through_file(g), kFile),
             Catch::Contains("bodies of Loop (node 'Loop_0'): what a Loop repeats"));
  ir::Graph plain = graph();
  output(plain, matmul(plain, input(plain, "x", {1, 4}), constant(plain, random_tensor({4, 256}, 5))));
  CHECK(weights_in_bodies(plain, kFile) == "");
}
