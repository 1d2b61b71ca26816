// Integers that are multiplied at run time are weights in the account of bytes, and what scales them scales.
#include <catch2/catch.hpp>

#include <map>

#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"

using namespace qc;

TEST_CASE("bytes of products that round at run time are weights and scales", "[onnx_io]") {
  constexpr int64_t kIn = 64, kOut = 32;
  ir::Graph g = tiny::graph(17);
  g.opset_imports.emplace_back("com.microsoft", 1);
  const ir::ValueId x = tiny::input(g, "x", {1, kIn});
  const ir::ValueId w =
      tiny::constant(g, ir::make_tensor(ir::DType::kInt8, std::string(kIn * kOut, '\x05'), {kIn, kOut}));
  const ir::ValueId scales = tiny::constant(g, tiny::random_tensor({kOut}, 3, 0.01f, 0.1f));
  const ir::ValueId y = tiny::node(g, "DynamicQuantizeMatMul", {x, w, scales}, {}, tiny::Dims{1, kOut});
  ir::node_at(g, ir::value_at(g, y).producer).domain = "com.microsoft";
  tiny::output(g, y, "y");
  plan::QuantizedModel model;
  model.graph = g;
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  std::map<std::string, int64_t> bytes;
  const plan::Written written = onnx_io::write_qdq(model, {});
  for (const plan::Piece& piece : written.pieces) bytes[piece.kind] += piece.bytes;
  CHECK(bytes["weights"] >= kIn * kOut);
  CHECK(bytes["scales"] >= 4 * kOut);
  CHECK(bytes["constants"] == 0);
}
