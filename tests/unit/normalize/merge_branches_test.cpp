// Convolutions of one input that are added: one kernel with the same numbers, whatever their windows.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

ir::ValueId branch(ir::Graph& g, ir::ValueId x, Dims weight, Attributes attributes, unsigned seed,
                   bool bias = true) {
  const int64_t channels = weight[0];
  std::vector<ir::ValueId> inputs{x, constant(g, random_tensor(std::move(weight), seed))};
  if (bias) inputs.push_back(constant(g, random_tensor({channels}, seed + 1)));
  return node(g, "Conv", inputs, std::move(attributes));
}

try_rewrite::Outcome merged(ir::Graph& g) {
  return try_rewrite::outcome(g, normalize::merge_branches);
}

const ir::Value& kernel(const ir::Graph& g) {
  return value(g, ir::node_at(g, only(g, "Conv")).inputs[1]);
}

}  // namespace

TEST_CASE("convolutions of one input that are added become one, whatever their windows", "[normalize]") {
  const struct {
    Dims first, second;  // kernels
    Attributes of_first, of_second;
    Dims both;
  } rows[] = {
      {{3, 3}, {1, 1}, {{"pads", Dims{1, 1, 1, 1}}}, {}, {3, 3}},
      {{1, 1}, {3, 3}, {}, {{"pads", Dims{1, 1, 1, 1}}}, {3, 3}},
      {{1, 1}, {1, 1}, {}, {}, {1, 1}},
      {{3, 1}, {1, 5}, {{"pads", Dims{1, 0, 1, 0}}}, {{"pads", Dims{0, 2, 0, 2}}}, {3, 5}},
      {{3, 3},
       {1, 1},
       {{"pads", Dims{1, 1, 1, 1}}, {"strides", Dims{2, 2}}},
       {{"strides", Dims{2, 2}}},
       {3, 3}},
      {{3, 3}, {1, 1}, {{"pads", Dims{4, 4, 4, 4}}, {"dilations", Dims{4, 4}}}, {}, {3, 3}},
      {{4, 4}, {2, 2}, {{"pads", Dims{1, 2, 2, 1}}}, {{"pads", Dims{1, 0, 0, 1}}}, {4, 4}},  // not centred
  };
  for (const int64_t groups : {1, 2, 6})
    for (const auto& row : rows) {
      CAPTURE(groups, row.first, row.second, row.both);
      ir::Graph g = graph();
      const ir::ValueId x = input(g, "x", {1, 6, 9, 8});
      const auto weight = [&](const Dims& taps) { return Dims{6, 6 / groups, taps[0], taps[1]}; };
      Attributes first = row.of_first, second = row.of_second;
      first.push_back({"group", groups});
      second.push_back({"group", groups});
      output(g, add(g, branch(g, x, weight(row.first), first, 3, groups > 1),
                    branch(g, x, weight(row.second), second, 5)));
      const auto result = merged(g);
      CHECK(result.count == 1);
      CHECK(result.change < 1e-5);
      CHECK(kernel(result.graph).dims == weight(row.both));
    }
}

TEST_CASE("the input itself and its BatchNormalization are one tap of a kernel", "[normalize]") {
  for (const int64_t groups : {1, 2, 6}) {
    CAPTURE(groups);
    ir::Graph g = graph();
    const ir::ValueId x = relu(g, input(g, "x", {1, 6, 9, 8}));
    const Attributes around{{"pads", Dims{1, 1, 1, 1}}, {"group", groups}};
    const ir::ValueId both = add(g, batch_norm(g, x), branch(g, x, {6, 6 / groups, 3, 3}, around, 3));
    output(g, add(g, both, x));
    const auto result = merged(g);
    CHECK(result.count == 2);
    CHECK(result.change < 1e-5);
    CHECK(result.ops == "Relu Conv");
  }
}

TEST_CASE("branches that are not alike, or that others read, stay", "[normalize]") {
  const Attributes padded{{"pads", Dims{1, 1, 1, 1}}};
  const auto count = [&](const auto& build) {
    ir::Graph g = graph();
    build(g, input(g, "x", {1, 6, 9, 9}));
    return merged(g).count;
  };
  CHECK(
      count([&](ir::Graph& g, ir::ValueId x) {  // of two inputs
        output(g, add(g, branch(g, x, {6, 6, 3, 3}, padded, 3), branch(g, relu(g, x), {6, 6, 1, 1}, {}, 4)));
      }) == 0);
  CHECK(count([&](ir::Graph& g, ir::ValueId x) {  // one is an output
          output(g, add(g, output(g, branch(g, x, {6, 6, 3, 3}, padded, 3)),
                        output(g, branch(g, x, {6, 6, 1, 1}, {}, 4))));
        }) == 0);
  CHECK(count([&](ir::Graph& g, ir::ValueId x) {  // one channel is added to all
          output(g, add(g, branch(g, x, {6, 6, 3, 3}, padded, 3), branch(g, x, {1, 6, 1, 1}, {}, 4)));
        }) == 0);
  CHECK(count([&](ir::Graph& g, ir::ValueId x) {  // of other groups
          output(g, add(g, branch(g, x, {6, 6, 3, 3}, padded, 3),
                        branch(g, x, {6, 1, 1, 1}, {{"group", int64_t{6}}}, 4)));
        }) == 0);
  CHECK(count([&](ir::Graph& g, ir::ValueId x) {  // of other dilations
          output(g,
                 add(g, branch(g, x, {6, 6, 3, 3}, padded, 3),
                     branch(g, x, {6, 6, 3, 3}, {{"pads", Dims{2, 2, 2, 2}}, {"dilations", Dims{2, 2}}}, 4)));
        }) == 0);
}

TEST_CASE("a tap that leaves the others of its channel no steps stays apart", "[normalize]") {
  ir::Graph g = graph();
  const ir::ValueId x = input(g, "x", {1, 64, 5, 5});
  ir::Tensor faint = random_tensor({64, 64, 3, 3}, 3);
  std::vector<float> numbers(faint.as<float>().begin(), faint.as<float>().end());
  for (float& number : numbers) number *= 0.01f;
  const ir::ValueId weight = constant(g, ir::make_tensor(std::span<const float>(numbers), faint.dims));
  output(g, add(g, x, node(g, "Conv", {x, weight}, {{"pads", Dims{1, 1, 1, 1}}})));
  CHECK(merged(g).count == 0);
}
