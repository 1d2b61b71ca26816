// What is left out of an axis is not computed before: which nodes become narrow, and where that stops.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

constexpr int64_t kTokens = 7, kFeatures = 8;

ir::ValueId weights(ir::Graph& g, int64_t in, int64_t out, unsigned seed) {
  return constant(g, random_tensor({in, out}, seed));
}

ir::ValueId linear(ir::Graph& g, ir::ValueId x, int64_t in, int64_t out, unsigned seed) {
  const ir::ValueId product = matmul(g, x, weights(g, in, out, seed));
  return add(g, product, constant(g, random_tensor({out}, seed + 1)));
}

ir::ValueId layer_norm(ir::Graph& g, ir::ValueId x, int64_t axis = -1) {
  return node(g, "LayerNormalization",
              {x, constant(g, random_tensor({kFeatures}, 7)), constant(g, random_tensor({kFeatures}, 8))},
              {{"axis", axis}});
}

ir::ValueId heads(ir::Graph& g, ir::ValueId x) {
  return transpose(g, reshape(g, x, {2, kTokens, 2, kFeatures / 2}), {0, 2, 1, 3});
}

ir::ValueId block(ir::Graph& g, ir::ValueId x) {
  const ir::ValueId n = layer_norm(g, x);
  const ir::ValueId q = heads(g, linear(g, n, kFeatures, kFeatures, 10)),
                    k = heads(g, linear(g, n, kFeatures, kFeatures, 12)),
                    v = heads(g, linear(g, n, kFeatures, kFeatures, 14));
  const ir::ValueId scores = matmul(g, mul(g, q, constant(g, 0.5f)), transpose(g, k, {0, 1, 3, 2}));
  const ir::ValueId mixed = matmul(g, softmax(g, scores), v);
  const ir::ValueId joined = reshape(g, transpose(g, mixed, {0, 2, 1, 3}), {2, -1, kFeatures});
  const ir::ValueId y = add(g, x, linear(g, joined, kFeatures, kFeatures, 16));
  const ir::ValueId wide = relu(g, linear(g, layer_norm(g, y), kFeatures, 16, 18));
  return add(g, y, linear(g, wide, 16, kFeatures, 20));
}

ir::ValueId token(ir::Graph& g, ir::ValueId x, int64_t at, int64_t axis = 1) {
  return node(g, "Gather", {x, constant(g, ir::scalar(at))}, {{"axis", axis}});
}

ir::ValueId tokens(ir::Graph& g, ir::ValueId x, int64_t first, int64_t end) {
  return node(g, "Slice", {x, constant_i(g, {first}), constant_i(g, {end}), constant_i(g, {1})});
}

ir::ValueId sequence(ir::Graph& g) {
  return input(g, "x", {2, kTokens, kFeatures});
}

/// Shapes as normalize() knows them.
std::function<void(ir::Graph&)> sized(void (*build)(ir::Graph&)) {
  return [build](ir::Graph& g) {
    build(g);
    run::infer_shapes(g, try_rewrite::codec());
  };
}

// Dimensions of the first input of the nodes of an op, in topological order.
std::vector<Dims> inputs_of(const ir::Graph& g, const char* op_type) {
  std::vector<Dims> found;
  for (const ir::NodeId id : ir::topological_order(g))
    if (ir::node_at(g, id).op_type == op_type) found.push_back(value(g, ir::node_at(g, id).inputs[0]).dims);
  return found;
}

}  // namespace

TEST_CASE("of the last block of a transformer one token is computed", "[normalize]") {
  ir::Graph g = graph(17);
  sized([](ir::Graph& to) {
    output(to,
           linear(to, token(to, layer_norm(to, block(to, block(to, sequence(to)))), 0), kFeatures, 3, 30));
  })(g);
  try_rewrite::Outcome result = try_rewrite::outcome(g, normalize::slice_early);
  CHECK(result.count == 1);
  CHECK(result.change <= 1e-5);
  const std::vector<Dims> all{{2, kTokens, kFeatures}}, one{{2, 1, kFeatures}};
  const std::vector<Dims> norms = inputs_of(result.graph, "LayerNormalization");
  REQUIRE(norms.size() == 5);
  CHECK(norms[1] == all[0]);  // of the first block: keys and values need all
  CHECK(norms[2] == all[0]);
  CHECK(norms[3] == one[0]);
  CHECK(norms[4] == one[0]);
  CHECK(inputs_of(result.graph, "Softmax") ==
        std::vector<Dims>{{2, 2, kTokens, kTokens}, {2, 2, 1, kTokens}});
  CHECK(inputs_of(result.graph, "Gather").empty());
  // Queries are products of tokens, and no others read those.
  CHECK(inputs_of(result.graph, "Slice").size() == 2);
  CHECK(normalize::slice_early(result.graph) == 0);
}

TEST_CASE("what is left of an axis goes through what works along others", "[normalize]") {
  try_rewrite::check(
      {
          {"one token of a product, by its number from the end", sized([](ir::Graph& g) {
             output(g, token(g, relu(g, linear(g, sequence(g), kFeatures, 4, 3)), -1));
           }),
           1, "Slice MatMul Add Relu Squeeze", 17},
          {"Squeeze before opset 13, and Slice before 10",
           sized([](ir::Graph& g) { output(g, token(g, linear(g, sequence(g), kFeatures, 4, 3), 2)); }), 1,
           "Slice MatMul Add Squeeze", 9},
          {"a stretch of three",
           sized([](ir::Graph& g) { output(g, tokens(g, linear(g, sequence(g), kFeatures, 4, 3), 2, 5)); }),
           1, "Slice MatMul Add Slice", 17},
          {"two tokens beside each other", sized([](ir::Graph& g) {
             const ir::ValueId x = linear(g, sequence(g), kFeatures, 4, 3);
             output(g, token(g, x, 1));
             output(g, token(g, x, 2));
           }),
           1, "Slice MatMul Add Gather Gather", 17},
          {"positions are added", sized([](ir::Graph& g) {
             const ir::ValueId at = constant(g, random_tensor({kTokens, kFeatures}, 5));
             output(g, token(g, linear(g, add(g, sequence(g), at), kFeatures, 4, 3), 3));
           }),
           1, "Slice Slice Add MatMul Add Squeeze", 17},
          {"rows of a Gemm with an addend for each", sized([](ir::Graph& g) {
             const ir::ValueId x = input(g, "x", {kTokens, kFeatures}),
                               c = constant(g, random_tensor({kTokens, 4}, 6));
             output(g, token(g, node(g, "Gemm", {x, weights(g, kFeatures, 4, 2), c}), 1, 0));
           }),
           1, "Slice Slice Gemm Squeeze", 17},
          {"tokens come from a map of places", sized([](ir::Graph& g) {
             const ir::ValueId places = conv(g, input(g, "x", {2, 3, 4, 2}), kFeatures);
             const ir::ValueId x = transpose(g, reshape(g, places, {2, kFeatures, 8}), {0, 2, 1});
             output(g, token(g, linear(g, x, kFeatures, 4, 3), 1));
           }),
           1, "Conv Reshape Slice Transpose MatMul Add Squeeze", 17},
      },
      normalize::slice_early);
}

TEST_CASE("what is needed whole stays whole", "[normalize]") {
  try_rewrite::check(
      {
          {"not: nothing is multiplied",
           sized([](ir::Graph& g) { output(g, token(g, relu(g, layer_norm(g, sequence(g))), 0)); }), 0,
           "LayerNormalization Relu Gather", 17},
          {"not: most of it is left",
           sized([](ir::Graph& g) { output(g, tokens(g, linear(g, sequence(g), kFeatures, 4, 3), 1, 7)); }),
           0, "MatMul Add Slice", 17},
          {"not: the whole is an output as well", sized([](ir::Graph& g) {
             const ir::ValueId x = linear(g, sequence(g), kFeatures, 4, 3);
             output(g, token(g, x, 0));
             output(g, x);
           }),
           0, "MatMul Add Gather", 17},
          {"not: somebody reads all of it", sized([](ir::Graph& g) {
             const ir::ValueId x = linear(g, sequence(g), kFeatures, 4, 3);
             output(g, token(g, x, 0));
             output(g, softmax(g, x));
           }),
           0, "MatMul Add Gather Softmax", 17},
          {"not: the columns of a product",
           sized([](ir::Graph& g) { output(g, token(g, linear(g, sequence(g), kFeatures, 8, 3), 0, 2)); }), 0,
           "MatMul Add Gather", 17},
          {"not: Softmax is over that axis", sized([](ir::Graph& g) {
             output(g, token(g, softmax(g, linear(g, sequence(g), kFeatures, 4, 3), 1), 0));
           }),
           0, "MatMul Add Softmax Gather", 17},
          {"not: LayerNormalization is over that axis as well", sized([](ir::Graph& g) {
             const ir::ValueId x = matmul(g, sequence(g), weights(g, kFeatures, kFeatures, 3));
             const ir::ValueId scale = constant(g, random_tensor({kTokens, kFeatures}, 7));
             output(g, token(g, node(g, "LayerNormalization", {x, scale}, {{"axis", int64_t{1}}}), 0));
           }),
           0, "MatMul LayerNormalization Gather", 17},
          {"not: two axes", sized([](ir::Graph& g) {
             const ir::ValueId x = linear(g, sequence(g), kFeatures, 4, 3);
             output(g, token(g, x, 0, 1));
             output(g, token(g, x, 0, 0));
           }),
           0, "MatMul Add Gather Gather", 17},
          {"not: it is mixed into another axis", sized([](ir::Graph& g) {
             const ir::ValueId x = linear(g, sequence(g), kFeatures, 4, 3);
             output(g, token(g, reshape(g, x, {2, 4, kTokens}), 0));
           }),
           0, "MatMul Add Reshape Gather", 17},
      },
      normalize::slice_early);
}

TEST_CASE("an axis that the value does not have is left to those who refuse it", "[normalize]") {
  for (const int64_t axis : {int64_t{7}, int64_t{-9}}) {
    ir::Graph gathered = graph(17), cut = graph(17);
    const ir::ValueId x = linear(gathered, sequence(gathered), kFeatures, 4, 3);
    output(gathered, token(gathered, x, 0, axis));
    const ir::ValueId y = linear(cut, sequence(cut), kFeatures, 4, 3);
    output(cut, node(cut, "Slice", {y, constant_i(cut, {0}), constant_i(cut, {1}), constant_i(cut, {axis})}));
    CHECK(normalize::slice_early(gathered) == 0);
    CHECK(normalize::slice_early(cut) == 0);
  }
}
