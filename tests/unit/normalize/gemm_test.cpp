// Products of matrices in the one spelling that later stages know: Gemm with alpha and beta of 1.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

ir::ValueId rows(ir::Graph& g, int64_t features = 6) {
  return input(g, "x", {3, features});
}

}  // namespace

TEST_CASE("Gemm loses alpha, beta and transA", "[normalize]") {
  const auto make = [](ir::Graph& g, Dims x, Dims b, Dims c, Attributes attributes) {
    std::vector<ir::ValueId> inputs = {input(g, "x", x), constant(g, random_tensor(b, 3))};
    if (!c.empty()) inputs.push_back(constant(g, random_tensor(c, 4)));
    output(g, node(g, "Gemm", inputs, std::move(attributes)));
  };
  try_rewrite::check(
      {
          {"alpha",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {6, 5}, {5}, {{"alpha", 0.5f}});
           },
           1, "Gemm"},
          {"beta",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {6, 5}, {5}, {{"beta", 2.0f}});
           },
           1, "Gemm"},
          {"beta of nothing",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {6, 5}, {5}, {{"beta", 0.0f}});
           },
           1, "Gemm"},
          {"bias of one row",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {6, 5}, {1, 5}, {});
           },
           1, "Gemm"},
          {"bias of one number",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {5, 6}, {1}, {{"transB", int64_t{1}}});
           },
           1, "Gemm"},
          {"transA",
           [&](ir::Graph& g) {
             make(g, {6, 3}, {6, 5}, {5}, {{"transA", int64_t{1}}});
           },
           1, "Transpose Gemm"},
          {"not: already plain",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {5, 6}, {5}, {{"transB", int64_t{1}}});
           },
           0, "Gemm"},
          {"a number for each row",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {6, 5}, {3, 1}, {});
           },
           1, "Gemm Add"},
          {"numbers of their own for all, and beta",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {6, 5}, {3, 5}, {{"beta", 2.0f}});
           },
           1, "Mul Gemm Add"},
          {"what is added is computed",
           [&](ir::Graph& g) {
             const auto x = input(g, "x", {3, 6});
             output(g, node(g, "Gemm",
                            {x, constant(g, random_tensor({6, 6}, 3)), node(g, "Sigmoid", {x}, {})}, {}));
           },
           1, "Sigmoid Gemm Add"},
          {"what is computed is multiplied by zero",
           [&](ir::Graph& g) {
             const auto x = input(g, "x", {3, 6});
             output(g,
                    node(g, "Gemm", {x, constant(g, random_tensor({6, 6}, 3)), node(g, "Sigmoid", {x}, {})},
                         {{"beta", 0.0f}}));
           },
           1, "Gemm"},
      },
      normalize::plain_gemm);
}

TEST_CASE("MatMul and the Add of its bias become Gemm", "[normalize]") {
  const auto make = [](ir::Graph& g, Dims x, Dims bias) {
    const auto y = matmul(g, input(g, "x", x), constant(g, random_tensor({6, 5}, 3)));
    output(g, add(g, constant(g, random_tensor(bias, 4)), y));
  };
  try_rewrite::check(
      {
          {"bias [N]",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {5});
           },
           1, "Gemm"},
          {"bias [1,N]",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {1, 5});
           },
           1, "Gemm"},
          {"bias of one number",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {1});
           },
           1, "Gemm"},
          {"batch not fixed",
           [&](ir::Graph& g) {
             make(g, {-1, 6}, {5});
           },
           1, "Gemm"},
          {"not: rank 3",
           [&](ir::Graph& g) {
             make(g, {2, 3, 6}, {5});
           },
           0, "MatMul Add"},
          {"not: a bias for each row",
           [&](ir::Graph& g) {
             make(g, {3, 6}, {3, 1});
           },
           0, "MatMul Add"},
          {"not: the product has another reader",
           [](ir::Graph& g) {
             const auto y = matmul(g, rows(g), constant(g, random_tensor({6, 5}, 3)));
             output(g, add(g, y, constant(g, random_tensor({5}, 4))));
             output(g, relu(g, y));
           },
           0, "MatMul Add Relu"},
      },
      normalize::matmul_to_gemm);
}
