// A stem that reads every other row and column of a picture as channels: one convolution of the picture.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

ir::ValueId every_other(ir::Graph& g, ir::ValueId x, int64_t axis, int64_t first, Dims dims) {
  return node(
      g, "Slice",
      {x, constant_i(g, {first}), constant_i(g, {INT64_MAX}), constant_i(g, {axis}), constant_i(g, {2})}, {},
      std::move(dims));
}

/// Rows and columns `places` of a picture of that height, and 10 columns.
ir::ValueId focus(ir::Graph& g, ir::ValueId x, const std::vector<Dims>& places, int64_t height) {
  std::vector<ir::ValueId> parts;
  for (const Dims& place : places)
    parts.push_back(every_other(g, every_other(g, x, 2, place[0], {1, 3, height / 2, 10}), -1, place[1],
                                {1, 3, height / 2, 5}));
  return concat(g, parts);
}

const std::vector<Dims> kYolox{{0, 0}, {1, 0}, {0, 1}, {1, 1}};

int outcome_of(const std::vector<Dims>& places, int64_t height) {
  ir::Graph g = graph();
  output(g, conv(g, focus(g, input(g, "x", {1, 3, height, 10}), places, height), 5));
  return try_rewrite::outcome(g, normalize::fold_focus).count;
}

}  // namespace

TEST_CASE("a convolution of every other pixel reads the picture with twice its kernel", "[normalize]") {
  const Dims pads = GENERATE(Dims{1, 1, 1, 1}, Dims{0, 1, 2, 0}, Dims{0, 0, 0, 0});
  const int64_t stride = GENERATE(int64_t{1}, int64_t{2});
  ir::Graph g = graph();
  const ir::ValueId x = input(g, "x", {1, 3, 8, 10});
  output(g, node(g, "Conv", {focus(g, x, kYolox, 8), constant(g, random_tensor({5, 12, 3, 3}, 4))},
                 {{"pads", pads}, {"strides", Dims{stride, stride}}}));
  const auto result = try_rewrite::outcome(g, normalize::fold_focus);
  CHECK(result.count == 1);
  CHECK(result.ops == "Conv");
  CHECK(result.change < 1e-5);
  CHECK(value(result.graph, ir::node_at(result.graph, only(result.graph, "Conv")).inputs[1]).dims ==
        Dims{5, 3, 6, 6});
}

TEST_CASE("other cuts of a picture stay", "[normalize]") {
  CHECK(outcome_of(kYolox, 8) == 1);
  CHECK(outcome_of({{1, 1}, {0, 0}, {0, 1}, {1, 0}}, 8) == 1);  // in any order
  CHECK(outcome_of({{0, 0}, {1, 0}, {0, 1}, {0, 1}}, 8) == 0);  // one twice
  CHECK(outcome_of({{0, 0}, {1, 0}, {0, 1}}, 8) == 0);
}
