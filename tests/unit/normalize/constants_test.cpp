// Constants and shape arithmetic, settled before any image is seen.
#include <catch2/catch.hpp>
#include <limits>

#include "base/error.h"
#include "normalize/normalize.h"
#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

int fold(ir::Graph& g) {
  run::OrtRunnerFactory runners(try_rewrite::codec());
  return normalize::fold_constants(g, runners);
}

ir::ValueId shape_of(ir::Graph& g, ir::ValueId x) {
  return node(g, "Shape", {x});
}
ir::ValueId index(ir::Graph& g, int64_t i) {
  return constant(g, ir::scalar(i));
}
/// Typed and shaped as shape inference would.
ir::ValueId ints(ir::Graph& g, ir::ValueId v, Dims dims) {
  ir::Value& value = ir::value_at(g, v);
  value.dtype = ir::DType::kInt64;
  value.has_shape = true;
  value.dims = std::move(dims);
  return v;
}
ir::ValueId dimension(ir::Graph& g, ir::ValueId x, int64_t i) {
  const auto scalar = ints(g, node(g, "Gather", {shape_of(g, x), index(g, i)}, {{"axis", int64_t{0}}}), {});
  return ints(g, node(g, "Unsqueeze", {scalar, constant_i(g, {0})}), {1});
}
ir::ValueId joined(ir::Graph& g, std::vector<ir::ValueId> parts) {
  const auto count = static_cast<int64_t>(parts.size());
  return ints(g, node(g, "Concat", std::move(parts), {{"axis", int64_t{0}}}, Dims{count}), {count});
}

int64_t count_of(const ir::Graph& g, std::string_view op_type) {
  return std::count_if(g.nodes.begin(), g.nodes.end(),
                       [&](const ir::Node& node) { return !node.erased && node.op_type == op_type; });
}

}  // namespace

TEST_CASE("what depends on constants alone is computed once", "[normalize]") {
  try_rewrite::check(
      {
          {"a chain of weights",
           [](ir::Graph& g) {
             const auto w =
                 transpose(g, mul(g, constant(g, random_tensor({5, 6}, 1)), constant(g, 2.0f)), {1, 0});
             output(g, matmul(g, input(g, "x", {3, 6}), w));
           },
           1, "MatMul"},
          {"two readers of one chain, one result each",
           [](ir::Graph& g) {
             const auto a = relu(g, constant(g, random_tensor({6}, 1)));
             const auto x = input(g, "x", {3, 6});
             output(g, add(g, mul(g, x, a), node(g, "Neg", {a})));
           },
           2, "Mul Add"},
          {"a node with several outputs",
           [](ir::Graph& g) {
             const auto parts =
                 node_outputs(g, "Split", {constant(g, random_tensor({6}, 1))}, {{"axis", int64_t{0}}}, 2);
             const auto x = input(g, "x", {3, 3});
             output(g, add(g, mul(g, x, parts[0]), parts[1]));
           },
           2, "Mul Add"},
          {"not: a result much larger than its sources",
           [](ir::Graph& g) {
             const auto big =
                 node(g, "ConstantOfShape", {constant_i(g, {1, 4, 64, 64})}, {}, Dims{1, 4, 64, 64});
             ir::value_at(g, big).dtype = ir::DType::kFloat;
             output(g, concat(g, {input(g, "x", {1, 4, 64, 64}), big}));
           },
           0, "ConstantOfShape Concat"},
          {"not: a graph output",
           [](ir::Graph& g) {
             output(g, relu(g, constant(g, random_tensor({6}, 1))));
             output(g, relu(g, input(g, "x", {3})));
           },
           0, "Relu Relu"},
          {"not: an input", [](ir::Graph& g) { output(g, relu(g, input(g, "x", {3}))); }, 0, "Relu"},
      },
      fold);
}

TEST_CASE("what is small in front of a large result is still computed", "[normalize]") {
  ir::Graph g = graph();
  const auto shape = concat(g, {constant_i(g, {1, 4}), constant_i(g, {64, 64})}, 0);
  const auto big = node(g, "ConstantOfShape", {shape}, {}, Dims{1, 4, 64, 64});
  ir::value_at(g, big).dtype = ir::DType::kFloat;
  output(g, concat(g, {input(g, "x", {1, 4, 64, 64}), big}));
  const auto result = try_rewrite::outcome(g, fold);
  CHECK(result.count == 1);
  CHECK(result.ops == "ConstantOfShape Concat");
}

TEST_CASE("random numbers and foreign ops are not computed beforehand", "[normalize]") {
  ir::Graph g = graph();
  const auto noise = node(g, "RandomNormal", {}, {{"shape", Dims{3}}}, Dims{3});
  const auto foreign = node(g, "Gadget", {constant(g, 1.0f)}, {}, Dims{3});
  g.nodes.back().domain = "somebody.else";
  const auto body = node(g, "Loop", {constant(g, 1.0f)}, {{"body", ir::OpaqueAttribute{"bytes"}}}, Dims{3});
  const auto x = input(g, "x", {3});
  output(g, add(g, add(g, add(g, x, noise), foreign), body));
  CHECK(fold(g) == 0);
}

TEST_CASE("a node whose result nobody reads keeps no other from being computed", "[normalize]") {
  ir::Graph g = graph();
  node(g, "Gather", {constant(g, random_tensor({4}, 1)), index(g, 1)}, {{"axis", int64_t{0}}}, Dims{});
  g.nodes.back().outputs = {ir::kNone};  // as it stands once its readers are gone
  const auto kept =
      node(g, "Gather", {constant(g, random_tensor({4}, 1)), index(g, 2)}, {{"axis", int64_t{0}}}, Dims{});
  output(g, add(g, input(g, "x", {3}), kept));
  CHECK(fold(g) > 0);
  CHECK(g.values[static_cast<size_t>(kept)].constant);
}

TEST_CASE("a runtime that cannot compute the constants leaves them", "[normalize]") {
  ir::Graph g = graph();
  output(g, add(g, input(g, "x", {3}), node(g, "NoSuchOp", {constant(g, 1.0f)}, {}, Dims{3})));
  CHECK(fold(g) == 0);
}

TEST_CASE("shape arithmetic with fixed sizes becomes constant", "[normalize]") {
  try_rewrite::check(
      {
          {"Reshape to [N, -1, C]",
           [](ir::Graph& g) {
             const auto x = relu(g, input(g, "x", {2, 4, 6, 5}));
             const auto target = joined(g, {dimension(g, x, 0), constant_i(g, {-1}), constant_i(g, {6})});
             output(g, node(g, "Reshape", {x, target}, {}, Dims{2, 20, 6}));
           },
           4, "Relu Reshape"},
          {"Shape, Slice",
           [](ir::Graph& g) {
             const auto x = relu(g, input(g, "x", {2, 4, 6, 5}));
             const auto shape = shape_of(g, x);
             const auto two = ints(
                 g, node(g, "Slice", {shape, constant_i(g, {0}), constant_i(g, {2}), constant_i(g, {0})}),
                 {2});
             output(g, node(g, "Reshape", {x, joined(g, {two, constant_i(g, {-1})})}, {}, Dims{2, 4, 30}));
           },
           3, "Relu Reshape"},
      },
      normalize::fold_shapes);
}

TEST_CASE("a Reshape that keeps a free batch gets a constant target", "[normalize]") {
  try_rewrite::check(
      {
          {"[N, -1]",
           [](ir::Graph& g) {
             const auto x = relu(g, input(g, "x", {-1, 4, 6}));
             const auto target = joined(g, {dimension(g, x, 0), constant_i(g, {-1})});
             output(g, node(g, "Reshape", {x, target}, {}, Dims{-1, 24}));
           },
           1, "Relu Reshape"},
          {"[N, C/2, 2, H] with a computed number",
           [](ir::Graph& g) {
             const auto x = relu(g, input(g, "x", {-1, 4, 6}));
             const auto half = ints(g, node(g, "Div", {dimension(g, x, 1), constant_i(g, {2})}), {1});
             const auto target =
                 joined(g, {dimension(g, x, 0), half, constant_i(g, {2}), dimension(g, x, 2)});
             output(g, node(g, "Reshape", {x, target}, {}, Dims{-1, 2, 2, 6}));
           },
           5, "Relu Reshape"},
          {"not: two numbers that only the run knows",
           [](ir::Graph& g) {
             const auto x = relu(g, input(g, "x", {-1, -1, 6}));
             const auto product = ints(g, node(g, "Mul", {dimension(g, x, 0), dimension(g, x, 1)}), {1});
             output(g, node(g, "Reshape", {x, joined(g, {product, constant_i(g, {-1})})}, {}, Dims{-1, 6}));
           },
           0, "Relu Shape Gather Unsqueeze Shape Gather Unsqueeze Mul Concat Reshape"},
      },
      normalize::fold_shapes);
}

TEST_CASE("a symbolic batch is not a number", "[normalize]") {
  ir::Graph g = graph();
  const auto x = input(g, "x", {-1, 4});
  output(g, node(g, "Identity", {shape_of(g, x)}));
  CHECK(normalize::fold_shapes(g) == 0);
}

TEST_CASE("what followed from a free batch is constant once the batch is fixed", "[normalize]") {
  // A row for each image, made from the batch's size: what exporters write for class tokens and first states.
  ir::Graph g = graph();
  const ir::ValueId x = input(g, "x", {-1, 4});
  const ir::ValueId state = node(g, "ConstantOfShape", {joined(g, {dimension(g, x, 0), constant_i(g, {4})})});
  ir::value_at(g, state).dtype = ir::DType::kFloat;
  output(g, add(g, matmul(g, state, constant(g, random_tensor({4, 4}, 1))), x));
  run::OrtRunnerFactory runners(try_rewrite::codec());
  const auto infer = [](ir::Graph& graph) { run::infer_shapes(graph, try_rewrite::codec()); };
  normalize::settle_sizes(g, runners, infer);
  CHECK(count_of(g, "ConstantOfShape") == 1);
  ir::value_at(g, x).dims = {2, 4};
  normalize::settle_sizes(g, runners, infer);
  CHECK(count_of(g, "ConstantOfShape") == 0);
  CHECK(count_of(g, "MatMul") == 0);
  CHECK(count_of(g, "Add") == 1);
}

TEST_CASE("weights below the smallest normal float become zero, and nothing else does") {
  using Limits = std::numeric_limits<float>;
  ir::Graph g = graph();
  const ir::ValueId x = input(g, "x", {1, 4});
  const ir::ValueId weight = constant_f(
      g, {1e-39f, -1e-40f, Limits::denorm_min(), Limits::min(), -Limits::min(), -0.0f, 1.0f, -2.0f}, {4, 2});
  const ir::ValueId guard = constant(g, 1e-40f);
  output(g, add(g, matmul(g, x, weight), guard), "y");
  CHECK(normalize::flush_subnormals(g) == 1);
  const auto found = value(g, weight).constant->as<float>();
  CHECK(std::vector<float>(found.begin(), found.end()) ==
        std::vector<float>{0, 0, 0, Limits::min(), -Limits::min(), 0, 1, -2});
  CHECK(value(g, guard).constant->as<float>()[0] == 1e-40f);
  CHECK(normalize::flush_subnormals(g) == 0);
}
