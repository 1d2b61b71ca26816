// Constants among integers: tables that are looked up, operands, what a Pad fills in.
#include <catch2/catch.hpp>

#include "adopt/adopt.h"
#include "adopted.h"
#include "quant/quant_params.h"
#include "support/tiny_models.h"
#include "target/target.h"

using namespace qc;

TEST_CASE("an embedding keeps the file's integers, and what is read by others stays in float") {
  const bool read_by_others = GENERATE(false, true);
  ir::Graph g = tiny::graph();
  std::string raw;
  for (int i = 0; i < 64 * 16; ++i) raw += static_cast<char>(i * 37 % 251);
  const auto table = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, raw, {64, 16}), "table");
  const auto zero = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x70'), {}));
  const auto words =
      tiny::node(g, "DequantizeLinear", {table, tiny::constant(g, 0.02f), zero}, {}, tiny::Dims{64, 16});
  ir::value_at(g, words).dtype = ir::DType::kFloat;
  const auto ids = tiny::input(g, "ids", {5}, ir::DType::kInt64);
  tiny::output(g, tiny::node(g, "Gather", {words, ids}, {}, tiny::Dims{5, 16}), "y");
  if (read_by_others) tiny::output(g, tiny::node(g, "Tanh", {words}, {}, tiny::Dims{64, 16}), "all");
  const adopt::FileGrids found = adopt::strip(g);
  plan::QuantizedModel model;
  model.graph = g;
  CHECK(store_found_tables(found, model) == (read_by_others ? 0 : 1));
  if (read_by_others) return;
  REQUIRE(model.weights.size() == 1);
  const auto& [params, integers] = model.weights.begin()->second;
  for (size_t i = 0; i < integers.size(); ++i)
    REQUIRE(integers[i] - params.zero_points[0] == static_cast<unsigned char>(raw[i]) - 0x70);
}

TEST_CASE("a table that is looked up as integers has the grid of those who read what comes out") {
  const bool contradicting = GENERATE(false, true);
  ir::Graph g = tiny::graph();
  std::string raw;
  for (int i = 0; i < 64 * 16; ++i) raw += static_cast<char>(i * 37 % 251);
  const auto table = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, raw, {64, 16}), "table");
  const auto zero = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x70'), {}));
  const auto ids = tiny::input(g, "ids", {5}, ir::DType::kInt64);
  const auto words = tiny::node(g, "Gather", {table, ids}, {}, tiny::Dims{5, 16});
  const auto rows = tiny::reshape(g, words, {16, 5});
  for (const ir::ValueId integers : {words, rows}) ir::value_at(g, integers).dtype = ir::DType::kUint8;
  const auto read = [&](ir::ValueId integers, float scale, const char* name) {
    const auto y = tiny::node(g, "DequantizeLinear", {integers, tiny::constant(g, scale), zero}, {},
                              ir::value_at(g, integers).dims);
    ir::value_at(g, y).dtype = ir::DType::kFloat;
    tiny::output(g, y, name);
  };
  read(words, 0.02f, "y");
  read(rows, contradicting ? 0.03f : 0.02f, "z");
  if (contradicting) {
    CHECK_THROWS_WITH(adopt::strip(g), Catch::Contains("how"));
    return;
  }
  const adopt::FileGrids found = adopt::strip(g);
  CHECK(tiny::ops(g) == "Gather Reshape");
  const ir::Tensor& floats = *ir::value_at(g, ir::node_at(g, tiny::only(g, "Gather")).inputs[0]).constant;
  for (size_t i = 0; i < raw.size(); ++i)
    REQUIRE(floats.as<float>()[i] == Approx(0.02 * (static_cast<unsigned char>(raw[i]) - 0x70)).margin(1e-6));
}

TEST_CASE("a constant beside activations comes in their type, on the file's grid") {
  ir::Graph g = tiny::graph();
  const std::string raw("\x00\x40\x70\xff", 4);
  const auto integers = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, raw, {4}), "shift");
  const auto zero = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x70'), {}));
  const auto shift =
      tiny::node(g, "DequantizeLinear", {integers, tiny::constant(g, 0.02f), zero}, {}, tiny::Dims{4});
  ir::value_at(g, shift).dtype = ir::DType::kFloat;
  tiny::output(g, tiny::add(g, tiny::sigmoid(g, tiny::input(g, "x", {2, 4})), shift), "y");
  const adopt::FileGrids found = adopt::strip(g);
  const ir::ValueId operand = ir::node_at(g, tiny::only(g, "Add")).inputs[1];
  const target::TargetSpec target = target::load("int8");
  plan::Candidates weights;
  weights[operand] = {{quant::asymmetric_params(-3, 3, 8, target.activations.is_signed), 0, 4, ""}};
  CHECK(use_found_weights(g, found, target, false, weights) == 1);
  const quant::QuantParams params = weights[operand][0].params;
  CHECK(params.is_signed == target.activations.is_signed);
  CHECK(params.scales[0] == 0.02f);
  CHECK(params.zero_points[0] == (params.is_signed ? 0x70 - 128 : 0x70));
}

TEST_CASE("what a Pad fills in between integers is on their grid") {
  const bool said = GENERATE(false, true);
  ir::Graph g = tiny::graph();
  const auto scale = tiny::constant(g, 0.5f);
  const auto byte = [&](char value) {
    return tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, value), {}));
  };
  const auto zero = byte(100), fill = byte(104);
  const auto q =
      tiny::node(g, "QuantizeLinear", {tiny::input(g, "x", {2, 4}), scale, zero}, {}, tiny::Dims{2, 4});
  std::vector<ir::ValueId> inputs{q, tiny::constant_i(g, {0, 1, 0, 0})};
  if (said) inputs.push_back(fill);
  const auto wide = tiny::node(g, "Pad", inputs, {}, tiny::Dims{2, 5});
  for (const ir::ValueId integers : {q, wide}) ir::value_at(g, integers).dtype = ir::DType::kUint8;
  const auto y = tiny::node(g, "DequantizeLinear", {wide, scale, zero}, {}, tiny::Dims{2, 5});
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  tiny::output(g, y, "y");
  adopt::strip(g);
  CHECK(tiny::ops(g) == "Pad");
  const ir::Node& pad = ir::node_at(g, tiny::only(g, "Pad"));
  CHECK(ir::scalar_constant(g, pad.inputs.at(2)) == (said ? 2.0 : -50.0));
}

TEST_CASE("a Where on integers is one on floats") {
  ir::Graph g = tiny::graph();
  const auto scale = tiny::constant(g, 0.5f);
  const auto zero = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, 100), {}));
  const auto other = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, 104), {}));
  const auto q =
      tiny::node(g, "QuantizeLinear", {tiny::input(g, "x", {2, 4}), scale, zero}, {}, tiny::Dims{2, 4});
  const auto mask = tiny::input(g, "mask", {2, 4}, ir::DType::kBool);
  const auto chosen = tiny::node(g, "QLinearWhere", {mask, q, scale, zero, other, scale, zero, scale, zero},
                                 {}, tiny::Dims{2, 4});
  g.nodes.back().domain = "com.microsoft";
  for (const ir::ValueId integers : {q, chosen}) ir::value_at(g, integers).dtype = ir::DType::kUint8;
  const auto y = tiny::node(g, "DequantizeLinear", {chosen, scale, zero}, {}, tiny::Dims{2, 4});
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  tiny::output(g, y, "y");
  adopt::strip(g);
  CHECK(tiny::ops(g) == "Where");
  const ir::Node& where = ir::node_at(g, tiny::only(g, "Where"));
  CHECK(where.inputs[0] == mask);
  CHECK(where.inputs[1] == g.inputs[0]);
  CHECK(ir::scalar_constant(g, where.inputs[2]) == 2.0);
}

TEST_CASE("of several grids in a file for what has one, that is taken which cuts nothing off") {
  const bool wide_first = GENERATE(false, true);
  ir::Graph g = tiny::graph();
  const auto a = tiny::node(g, "Neg", {tiny::input(g, "x", {2, 4})}, {}, tiny::Dims{2, 4});
  const auto b = tiny::transpose(g, a, {1, 0});
  tiny::output(g, b, "y");
  const target::TargetSpec target = target::load("int8");
  const auto grid = [&](double low, double high) {
    return quant::asymmetric_params(low, high, 8, target.activations.is_signed);
  };
  const quant::QuantParams wide = grid(-2, 3), narrow = grid(-2, 1);
  adopt::FileGrids found;
  plan::QuantPlan plan;
  plan.values.resize(g.values.size());
  for (const ir::ValueId v : {a, b}) {
    plan.values[v].quantized = true;
    plan.values[v].scale_group = a;
    found.activations[tiny::value(g, v).name] = (v == a) == wide_first ? wide : narrow;
  }
  CHECK(found_activations(g, plan, found, target).at(a)[0].params == wide);
}

TEST_CASE("what a Cast makes of other types may be negative") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {2, 4}, ir::DType::kInt64);
  const auto y = tiny::node(g, "Cast", {x}, {{"to", int64_t{1}}}, tiny::Dims{2, 4});
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  tiny::output(g, tiny::relu(g, y), "y");
  const target::TargetSpec target = target::load("int8");
  adopt::FileGrids found;
  const quant::QuantParams grid = quant::asymmetric_params(-2, 3, 8, target.activations.is_signed);
  found.activations[tiny::value(g, y).name] = grid;
  plan::QuantPlan plan;
  plan.values.resize(g.values.size());
  plan.values[y].quantized = true;
  plan.values[y].scale_group = y;
  CHECK(found_activations(g, plan, found, target).at(y)[0].params == grid);
}

TEST_CASE("a table whose result was folded into a constant is left alone") {
  ir::Graph g = tiny::graph();
  const auto table = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(16, 'a'), {16}));
  const auto ids = tiny::constant_i(g, {1, 2});
  const auto read = tiny::node(g, "Gather", {table, ids}, {}, tiny::Dims{2});
  const auto x = tiny::input(g, "x", {1, 4});
  tiny::output(g, tiny::relu(g, x), "y");
  ir::node_at(g, ir::value_at(g, read).producer).outputs[0] = ir::kNone;
  ir::value_at(g, read).producer = ir::kNone;
  CHECK(adopt::strip(g).empty());
  CHECK(tiny::ops(g) == "Relu");
}

TEST_CASE("a channel's scale below the smallest normal float is read as a channel of next to nothing") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 2});
  const auto weight =
      tiny::constant(g, ir::make_tensor(ir::DType::kInt8, std::string("\x10\x20\x30\x40", 4), {2, 2}));
  const auto read = tiny::node(g, "DequantizeLinear", {weight, tiny::constant_f(g, {0.5f, 1.6e-39f}, {2})},
                               {{"axis", int64_t{1}}}, tiny::Dims{2, 2});
  tiny::output(g, tiny::matmul(g, x, read), "y");
  const adopt::FileGrids found = adopt::strip(g);
  REQUIRE(found.weights.size() == 1);
  CHECK(found.weights.begin()->second.scales[0] == 0.5f);
  const ir::Node& product = ir::node_at(g, tiny::only(g, "MatMul"));
  const auto floats = ir::value_at(g, product.inputs[1]).constant->as<float>();
  CHECK(floats[0] == 8);
  CHECK(std::abs(floats[1]) < 1e-35f);
}
