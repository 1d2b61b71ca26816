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
  g.values[static_cast<size_t>(words)].dtype = ir::DType::kFloat;
  const auto ids = tiny::input(g, "ids", {5}, ir::DType::kInt64);
  tiny::output(g, tiny::node(g, "Gather", {words, ids}, {}, tiny::Dims{5, 16}), "y");
  if (read_by_others) tiny::output(g, tiny::node(g, "Tanh", {words}, {}, tiny::Dims{64, 16}), "all");
  const adopt::Found found = adopt::strip(g);
  plan::QuantizedModel model;
  model.graph = g;
  CHECK(store_found_tables(found, model) == (read_by_others ? 0 : 1));
  if (read_by_others) return;
  REQUIRE(model.weights.size() == 1);
  const auto& [params, integers] = model.weights.begin()->second;
  for (size_t i = 0; i < integers.size(); ++i)
    REQUIRE(integers[i] - params.zero_points[0] == static_cast<unsigned char>(raw[i]) - 0x70);
}

TEST_CASE("a constant beside activations comes in their type, on the file's grid") {
  ir::Graph g = tiny::graph();
  const std::string raw("\x00\x40\x70\xff", 4);
  const auto integers = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, raw, {4}), "shift");
  const auto zero = tiny::constant(g, ir::make_tensor(ir::DType::kUint8, std::string(1, '\x70'), {}));
  const auto shift =
      tiny::node(g, "DequantizeLinear", {integers, tiny::constant(g, 0.02f), zero}, {}, tiny::Dims{4});
  g.values[static_cast<size_t>(shift)].dtype = ir::DType::kFloat;
  tiny::output(g, tiny::add(g, tiny::sigmoid(g, tiny::input(g, "x", {2, 4})), shift), "y");
  const adopt::Found found = adopt::strip(g);
  const ir::ValueId operand = g.nodes[static_cast<size_t>(tiny::only(g, "Add"))].inputs[1];
  const target::TargetSpec target = target::load("int8");
  plan::Candidates weights;
  weights[operand] = {{quant::asymmetric_params(-3, 3, 8, target.activations.is_signed), 0, 4, ""}};
  CHECK(use_found_weights(g, found, target, false, weights) == 1);
  const quant::QuantParams params = weights[operand][0].params;
  CHECK(params.is_signed == target.activations.is_signed);
  CHECK(params.scales[0] == 0.02f);
  CHECK(params.zero_points[0] == (params.is_signed ? 0x70 - 128 : 0x70));
}
