// What is said of a constant's runs, and what repeats it.
#include "ir/short_runs.h"

#include <catch2/catch.hpp>

#include "ir/edit.h"
#include "support/tiny_models.h"

namespace qc {
namespace {

using Dims = std::vector<int64_t>;

std::optional<ir::ShortRuns> runs_of(const char* op, const Dims& dims, const Dims& constant) {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", dims), c = tiny::constant(g, tiny::random_tensor(constant, 1));
  tiny::output(g, tiny::node(g, op, {x, c}, {}, dims));
  return ir::short_runs(g, ir::node_at(g, tiny::only(g, op)));
}

TEST_CASE("constants are repeated where that saves more runs than it takes elements") {
  const struct {
    Dims dims, constant;
    int64_t length, count;
    Dims tiled;
    int64_t tiled_count;
  } rows[] = {
      {{1, 196, 196, 4}, {4}, 4, 38416, {1, 1, 196, 4}, 196},
      {{1, 196, 196, 4}, {196, 1}, 4, 38416, {1, 1, 196, 4}, 196},  // one number serves a run
      {{1, 784, 4, 49}, {4, 1}, 49, 3136, {1, 1, 4, 49}, 784},
      {{1, 300, 4, 8, 8}, {8}, 8, 9600, {1, 1, 1, 8, 8}, 1200},  // no further than long runs need
      {{-1, 96, 24, 4}, {4}, 4, 2304, {1, 1, 24, 4}, 96},        // of any batch
      {{2, 96, -1, 4}, {4}, 4, 192, {}, 0},                      // the next dimension is not known
      {{1, 9604, 16}, {16}, 16, 9604, {}, 0},                    // as many elements as the result
      {{1, 20, 8}, {8}, 8, 20, {}, 0},
      {{1, 64, 7, 7}, {64, 1, 1}, 49, 64, {}, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.dims, row.constant);
    const std::optional<ir::ShortRuns> runs = runs_of("Add", row.dims, row.constant);
    REQUIRE(runs.has_value());
    CHECK(runs->slot == 1);
    CHECK(runs->length == row.length);
    CHECK(runs->count == row.count);
    CHECK(runs->tiled == row.tiled);
    CHECK(runs->tiled_count == row.tiled_count);
  }
  CHECK_FALSE(runs_of("Mul", {1, 196, 196, 64}, {64}));
  CHECK_FALSE(runs_of("Mul", {1, 196, 196, 4}, {1}));
  CHECK_FALSE(runs_of("Mul", {1, 4, 14, 14}, {4, 1, 1}));
  CHECK_FALSE(runs_of("Mul", {1, 196, 196, 4}, {196, 196, 4}));
  CHECK_FALSE(runs_of("Pow", {1, 196, 196, 4}, {4}));
  CHECK_FALSE(runs_of("Add", {1, 196, 196, 1}, {4}));  // the result is larger than the other operand
}

TEST_CASE("a constant is repeated along any dimension") {
  const std::vector<int32_t> two{1, 2};
  const auto of = [&](const Dims& from, const Dims& to) {
    return ir::repeated(std::span<const int32_t>(two), from, to);
  };
  CHECK(of({2}, {2, 2}) == std::vector<int32_t>{1, 2, 1, 2});
  CHECK(of({2, 1}, {2, 3}) == std::vector<int32_t>{1, 1, 1, 2, 2, 2});
  CHECK(of({2, 1}, {2, 2, 2}) == std::vector<int32_t>{1, 1, 2, 2, 1, 1, 2, 2});
  CHECK(of({2, 1, 1}, {2, 1, 2}) == std::vector<int32_t>{1, 1, 2, 2});
}

}  // namespace
}  // namespace qc
