// Models that must not be converted, and the ones that only look so.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::string problems(const ir::Graph& graph) {
  try {
    onnx_io::check_convertible(graph, "m.onnx");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kInput);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("weights with NaN or Inf are all listed with the node that reads them", "[onnx_io]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1, 2});
  const auto nan = tiny::constant_f(g, {1, std::nanf(""), std::nanf(""), 2}, {2, 2});
  const auto inf = tiny::constant_f(g, {1, 2, 3, -kInf}, {2, 2});
  tiny::output(g, tiny::matmul(g, tiny::matmul(g, x, nan), inf));
  const std::string text = problems(g);
  INFO(text);
  CHECK(text.find("2 NaN and 0 infinite of 4") != std::string::npos);
  CHECK(text.find("0 NaN and 1 infinite of 4") != std::string::npos);
  CHECK(text.find("node 'MatMul' (MatMul)") != std::string::npos);
}

TEST_CASE("half precision weights are looked at as well", "[onnx_io]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {1}, ir::DType::kFloat16);
  const auto w = tiny::constant(g, ir::make_tensor(ir::DType::kFloat16, std::string("\x01\x7c", 2), {1}));
  tiny::output(g, tiny::mul(g, x, w));
  CHECK(problems(g).find("1 NaN") != std::string::npos);
}

TEST_CASE("infinite bounds and masks are no damage", "[onnx_io]") {
  ir::Graph g = tiny::graph();
  const auto x = tiny::input(g, "x", {2});
  tiny::output(g, tiny::add(g, tiny::clip(g, x, 0, kInf), tiny::constant_f(g, {0, -kInf})));
  CHECK(problems(g).empty());
}

TEST_CASE("a quantized model is recognised by its ops", "[onnx_io]") {
  for (const auto& [domain, op] : {std::pair("", "QuantizeLinear"),
                                   {"", "QLinearConv"},
                                   {"", "ConvInteger"},
                                   {"", "MatMulInteger"},
                                   {"", "DynamicQuantizeLinear"},
                                   {"com.microsoft", "QLinearAdd"},
                                   {"com.microsoft", "MatMulNBits"}}) {
    ir::Graph g = tiny::graph();
    const auto x = tiny::input(g, "x", {2});
    tiny::output(g, tiny::node(g, op, {x}));
    g.nodes[0].domain = domain;
    INFO(op);
    const std::string text = problems(g);
    CHECK(text.find("quantized already") != std::string::npos);
    CHECK(text.find("give the float32 model") != std::string::npos);
    CHECK((text.find("weight_only") != std::string::npos) == (op == std::string("MatMulNBits")));
  }
}

TEST_CASE("a model without inputs or outputs is refused", "[onnx_io]") {
  const std::string text = problems(tiny::graph());
  CHECK(text.find("no inputs") != std::string::npos);
  CHECK(text.find("no outputs") != std::string::npos);
}
