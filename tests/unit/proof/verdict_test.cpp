// Which kernel does a node's work, found by its name, by the values it makes, or by what reads them.
#include <catch2/catch.hpp>

#include "proof/verdict.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

// A chain of named nodes, each making a value of the given name from the one before.
struct Step {
  const char* op_type;
  const char* name;
  const char* makes;
};

ir::Graph chain(const std::vector<Step>& steps, ir::DType made = ir::DType::kUndefined) {
  ir::Graph g = tiny::graph();
  ir::ValueId at = tiny::input(g, "x", {1, 4});
  for (const Step& step : steps) {
    ir::Node node;
    node.op_type = step.op_type;
    node.name = step.name;
    node.inputs = {at};
    at = ir::add_value(g, step.makes, made);
    node.outputs = {at};
    ir::add_node(g, std::move(node));
  }
  g.outputs = {at};
  return g;
}

std::vector<proof::Verdict> judged(const ir::Graph& model, const ir::Graph& written,
                                   const ir::Graph& optimized) {
  plan::QuantizedModel quantized;
  quantized.graph = model;
  quantized.plan.nodes.resize(model.nodes.size());
  quantized.plan.values.resize(model.values.size());
  for (plan::NodeDecision& node : quantized.plan.nodes) node.compute = plan::Compute::kInteger;
  return proof::verdicts(quantized, written, optimized);
}

}  // namespace

TEST_CASE("a kernel that kept its name is the node's", "[proof]") {
  const ir::Graph model = chain({{"Conv", "conv", "c"}, {"Relu", "relu", "r"}});
  const ir::Graph written = chain({{"QuantizeLinear", "q0", "q0"},
                                   {"DequantizeLinear", "d0", "d0"},
                                   {"Conv", "conv", "c"},
                                   {"Relu", "relu", "r"},
                                   {"QuantizeLinear", "q1", "q1"},
                                   {"DequantizeLinear", "d1", "d1"}});
  const ir::Graph optimized = chain(
      {{"QuantizeLinear", "q0", "q0"}, {"QLinearConv", "conv", "q1"}, {"DequantizeLinear", "d1", "d1"}});
  const auto all = judged(model, written, optimized);
  CHECK(all[0].integer);
  CHECK_FALSE(all[0].gone);
  CHECK(all[0].kernel == "QLinearConv");
  CHECK(all[1].integer);
  CHECK(all[1].gone);
  CHECK(all[1].kernel == "fused into conv");
}

TEST_CASE("a plan is no proof: a kernel in float says so, also for what was fused into it", "[proof]") {
  // MatMul and Add joined to a float Gemm under a name that the runtime made up, with a Reshape behind.
  const ir::Graph model = chain({{"MatMul", "matmul", "m"}, {"Add", "add", "a"}});
  const ir::Graph optimized = chain({{"Gemm", "matmul/MatMulAddFusion", "g"}, {"Reshape", "made_up", "a"}});
  for (const proof::Verdict& verdict : judged(model, model, optimized)) {
    CHECK_FALSE(verdict.integer);
    CHECK(verdict.gone);
    CHECK(verdict.kernel == "fused into Reshape");
  }
}

TEST_CASE("a kernel with a name of its own is found by the integers it makes", "[proof]") {
  const ir::Graph model = chain({{"MatMul", "matmul", "m"}, {"Add", "add", "a"}});
  const ir::Graph written = chain({{"MatMul", "matmul", "m"},
                                   {"Add", "add", "a"},
                                   {"QuantizeLinear", "q1", "q1"},
                                   {"DequantizeLinear", "d1", "d1"}});
  const auto all =
      judged(model, written, chain({{"QGemm", "made_up", "q1"}, {"DequantizeLinear", "d1", "d1"}}));
  for (const proof::Verdict& verdict : all) {
    CHECK(verdict.integer);
    CHECK(verdict.kernel == "fused into QGemm");
  }
}

TEST_CASE("a QuantizeLinear that is still there is nobody's kernel", "[proof]") {
  const ir::Graph model = chain({{"Conv", "conv", "c"}});
  const ir::Graph written = chain({{"Conv", "conv", "c"}, {"QuantizeLinear", "q1", "q1"}});
  const ir::Graph optimized = chain({{"FusedConv", "made_up", "other"}, {"QuantizeLinear", "q1", "q1"}});
  const auto all = judged(model, written, optimized);
  CHECK(all[0].kernel == "folded at load");
  CHECK(all[0].gone);
}
