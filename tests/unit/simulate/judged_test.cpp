// Where outputs are judged: before Softmax, and before whatever jumps.
#include "simulate/judged.h"

#include <catch2/catch.hpp>

#include "support/tiny_models.h"

using namespace qc;

namespace {

ir::ValueId of_type(ir::Graph& g, ir::ValueId v, ir::DType type) {
  ir::value_at(g, v).dtype = type;
  return v;
}

ir::ValueId equal(ir::Graph& g, ir::ValueId a, ir::ValueId b) {
  return of_type(g, tiny::node(g, "Equal", {a, b}), ir::DType::kBool);
}

}  // namespace

TEST_CASE("an output is judged itself, or at the logits before its Softmax") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 8}), logits = tiny::gemm(g, x, 4);
  tiny::output(g, tiny::softmax(g, logits), "p");
  const ir::ValueId y = tiny::gemm(g, x, 2);
  tiny::output(g, y, "y");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 2);
  CHECK(judged[0].value == logits);
  CHECK(judged[0].mean_free);
  CHECK(judged[0].jump.empty());
  CHECK(judged[1].value == y);
  CHECK_FALSE(judged[1].mean_free);
  CHECK(simulate::describe(judged, g, 0).empty());
}

TEST_CASE("what is an output already is not judged again in front of a comparison, however it is spelled") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::relu(g, tiny::input(g, "x", {1, 8}));
  tiny::output(g, tiny::node(g, "Identity", {x}), "first");
  const ir::ValueId again = tiny::node(g, "Identity", {x});
  const ir::ValueId same =
      of_type(g, tiny::node(g, "Greater", {again, tiny::constant(g, 0.5f)}), ir::DType::kBool);
  tiny::output(g, tiny::node(g, "Where", {same, again, tiny::constant(g, 0.0f)}), "second");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);
  CHECK(judged[0].output == "first");
  CHECK(judged[0].also == std::vector<std::string>{"second"});
}

TEST_CASE("roundings of any type behind a Softmax do not hide its logits") {
  for (const bool wide : {false, true}) {
    ir::Graph g = tiny::graph();
    const ir::ValueId logits = tiny::gemm(g, tiny::input(g, "x", {1, 8}), 4);
    const ir::ValueId scale = tiny::constant(g, 0.0625f);
    const auto coded = [&](const char* op, ir::ValueId v) {
      const ir::ValueId made = tiny::node(g, op, {v, scale});
      if (wide) ir::node_at(g, tiny::value(g, made).producer).domain = "com.microsoft";
      return made;
    };
    ir::ValueId integers = coded("QuantizeLinear", tiny::softmax(g, logits));
    if (!wide) integers = tiny::clip(g, of_type(g, integers, ir::DType::kUint8), 0, 15);  // four bits
    tiny::output(g, of_type(g, coded("DequantizeLinear", integers), ir::DType::kFloat), "p");
    const auto judged = simulate::judged_values(g);
    REQUIRE(judged.size() == 1);
    CHECK(judged[0].value == logits);
    CHECK(judged[0].mean_free);
  }
  // A Clip of floats is a node like others.
  ir::Graph g = tiny::graph();
  const ir::ValueId logits = tiny::gemm(g, tiny::input(g, "x", {1, 8}), 4);
  const ir::ValueId p = tiny::output(g, tiny::clip(g, tiny::softmax(g, logits), 0.1f, 0.9f), "p");
  CHECK(simulate::judged_values(g).at(0).value == p);
}

TEST_CASE("an integer output behind ArgMax is judged at what it chooses from") {
  ir::Graph g = tiny::graph();
  const ir::ValueId logits = tiny::gemm(g, tiny::input(g, "x", {1, 8}), 4);
  tiny::output(g, of_type(g, tiny::node(g, "ArgMax", {logits}), ir::DType::kInt64), "class");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);
  CHECK(judged[0].value == logits);
  CHECK(judged[0].output == "class");
  CHECK(judged[0].jump == "ArgMax");
  CHECK_THAT(simulate::describe(judged, g, 0), Catch::Contains("'class' lies behind ArgMax"));
}

TEST_CASE("peaks that are found by comparing with their neighbours are judged at the scores") {
  ir::Graph g = tiny::graph();
  const ir::ValueId scores = tiny::sigmoid(g, tiny::conv(g, tiny::input(g, "x", {1, 3, 8, 8}), 1));
  const ir::ValueId pooled = tiny::max_pool(g, scores, 3, 1, 1), shaped = tiny::reshape(g, scores, {1, 64}),
                    mask = tiny::node(g, "Cast", {equal(g, shaped, tiny::reshape(g, pooled, {1, 64}))});
  tiny::output(g, tiny::mul(g, shaped, mask), "peaks");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);  // the pooled scores follow from the scores
  CHECK(judged[0].value == shaped);
  CHECK(judged[0].jump == "Equal");
}

TEST_CASE("outputs behind one selection are judged once, at all that it selects from") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 8}), boxes = tiny::gemm(g, x, 4),
                    scores = tiny::gemm(g, x, 3);
  const auto top = tiny::node_outputs(g, "TopK", {scores, tiny::constant_i(g, {2})}, {}, 2);
  of_type(g, top[0], ir::DType::kFloat), of_type(g, top[1], ir::DType::kInt64);
  tiny::output(g, top[0], "best");
  tiny::output(g, of_type(g, tiny::node(g, "Gather", {boxes, top[1]}), ir::DType::kFloat), "boxes");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 2);
  CHECK(judged[0].value == scores);
  CHECK(judged[0].output == "best");
  CHECK(judged[0].also == std::vector<std::string>{"boxes"});
  CHECK(judged[1].value == boxes);
  CHECK(judged[1].output == "boxes");
}

TEST_CASE("the largest values are judged themselves where nobody asks for their places") {
  ir::Graph g = tiny::graph();
  const ir::ValueId scores = tiny::gemm(g, tiny::input(g, "x", {1, 8}), 3);
  const auto top = tiny::node_outputs(g, "TopK", {scores, tiny::constant_i(g, {2})}, {}, 2);
  of_type(g, top[0], ir::DType::kFloat), of_type(g, top[1], ir::DType::kInt64);
  tiny::output(g, top[0], "best");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);
  CHECK(judged[0].value == top[0]);
  CHECK(judged[0].jump.empty());
}

TEST_CASE("arithmetic on shapes jumps without anyone minding") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 8});
  const ir::ValueId size = of_type(g, tiny::node(g, "Shape", {x}), ir::DType::kInt64);
  const ir::ValueId same = of_type(g, tiny::node(g, "Equal", {size, size}), ir::DType::kBool);
  const ir::ValueId scale = of_type(g, tiny::node(g, "Cast", {same}), ir::DType::kFloat);
  const ir::ValueId y = tiny::mul(g, x, scale);
  tiny::output(g, y, "y");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);
  CHECK(judged[0].value == y);
  CHECK(judged[0].jump.empty());
}

TEST_CASE("a mask of integers that no rounding reaches hides nothing") {
  for (const bool as_floats : {false, true}) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = tiny::input(g, "x", {1, 4});
    const ir::ValueId ids = of_type(g, tiny::input(g, "ids", {1, 4}), ir::DType::kInt64);
    // Ids that are calculated with as floats may be rounded.
    const ir::ValueId compared =
        as_floats ? of_type(g, tiny::node(g, "Cast", {ids}), ir::DType::kFloat) : ids;
    const ir::ValueId mask =
        of_type(g, tiny::node(g, "Cast", {equal(g, compared, tiny::constant(g, 1.0f))}), ir::DType::kFloat);
    const ir::ValueId result = tiny::node(g, "Mul", {tiny::gemm(g, x, 4), mask});
    tiny::output(g, of_type(g, result, ir::DType::kFloat), "y");
    const auto judged = simulate::judged_values(g);
    REQUIRE(!judged.empty());
    CHECK(judged[0].jump == (as_floats ? "Equal" : ""));
    CHECK((judged[0].value == result) == !as_floats);
  }
}

TEST_CASE("ids that come as floats hide nothing behind their Cast, calculated ones do") {
  const bool calculated = GENERATE(false, true);
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 8});
  const ir::ValueId given = tiny::node(
      g, "Slice", {x, tiny::constant_i(g, {0}), tiny::constant_i(g, {4}), tiny::constant_i(g, {1})}, {},
      tiny::Dims{1, 4});
  const ir::ValueId floats = of_type(g, calculated ? tiny::relu(g, given) : given, ir::DType::kFloat);
  const ir::ValueId ids = of_type(g, tiny::node(g, "Cast", {floats}), ir::DType::kInt64);
  const ir::ValueId table = tiny::constant(g, tiny::random_tensor({9, 3}, 1));
  const ir::ValueId words =
      of_type(g, tiny::node(g, "Gather", {table, ids}, {}, tiny::Dims{1, 4, 3}), ir::DType::kFloat);
  const ir::ValueId y = tiny::relu(g, words);
  tiny::output(g, y, "y");
  const auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);
  CHECK(judged[0].value == (calculated ? floats : y));
  CHECK(judged[0].jump == (calculated ? "Cast" : ""));
}
