// Which layers still round at run time when that costs an output too much.
#include "modes/settle_dynamic.h"

#include <catch2/catch.hpp>
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "select/capability.h"
#include "support/tiny_models.h"
#include "threshold/candidates.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

// Two products of the input, one of them behind a channel that is 60 times as large as all others and whose
// weights make up for it, and an output for each sum.
ir::Graph graph_with_an_outlier() {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId x = tiny::input(g, "x", {16, 64});
  std::vector<float> stretch(64, 1.0f);
  stretch[5] = 60;
  const ir::ValueId wide =
      tiny::mul(g, x, tiny::constant(g, ir::make_tensor(std::span<const float>(stretch), {64})));
  const ir::Tensor random = tiny::random_tensor({64, 48}, 3);
  std::vector<float> weight(random.as<float>().begin(), random.as<float>().end());
  for (size_t c = 0; c < 48; ++c) weight[5 * 48 + c] /= 60;
  const ir::ValueId plain = tiny::constant(g, tiny::random_tensor({64, 48}, 4));
  tiny::output(g, tiny::node(g, "MatMul", {x, plain}), "plain");
  tiny::output(
      g,
      tiny::node(g, "MatMul",
                 {wide, tiny::constant(g, ir::make_tensor(std::span<const float>(weight), {64, 48}))}),
      "outlier");
  return g;
}

plan::QuantizedModel with_integer_weights(const ir::Graph& g) {
  plan::QuantPlan plan;
  plan.nodes.resize(g.nodes.size());
  plan.values.resize(g.values.size());
  for (size_t n = 0; n < g.nodes.size(); ++n)
    if (g.nodes[n].op_type == "MatMul") plan.nodes[n].compute = plan::Compute::kFloatIntegerWeights;
  quantize::Guards ignored;
  return quantize::quantize(g, plan, threshold::weight_candidates(g, plan, target::load("int8"), {}, {}, 1),
                            {}, ignored);
}

std::vector<select::DynamicChoice> all_products(const ir::Graph& g) {
  std::vector<select::DynamicChoice> choices(g.nodes.size());
  for (size_t n = 0; n < g.nodes.size(); ++n)
    if (g.nodes[n].op_type == "MatMul") choices[n] = {true, "faster"};
  return choices;
}

const select::DynamicChoice& choice_of(const ir::Graph& g, const std::vector<select::DynamicChoice>& choices,
                                       const char* output) {
  for (size_t n = 0; n < g.nodes.size(); ++n)
    for (const ir::ValueId v : g.nodes[n].outputs)
      if (tiny::value(g, v).name == output) return choices[n];
  throw std::logic_error("no such output");
}

TEST_CASE("a layer whose rounding at run time ruins an output stays in float, and says why") {
  const ir::Graph g = graph_with_an_outlier();
  const plan::QuantizedModel model = with_integer_weights(g);
  const std::vector<std::vector<ir::Tensor>> inputs{ort_try::random_inputs(onnx_io::write(g), 7, -1, 1)};
  run::OrtRunnerFactory runners(onnx_codec(), run::kOnePart);
  std::vector<select::DynamicChoice> choices = all_products(g);
  settle_dynamic(model, inputs, runners, 20, 1, choices);
  CHECK(choice_of(g, choices, "plain").dynamic);
  CHECK_FALSE(choice_of(g, choices, "outlier").dynamic);
  CHECK(choice_of(g, choices, "outlier").why.find("20 dB") != std::string::npos);

  choices = all_products(g);  // a goal that both reach
  settle_dynamic(model, inputs, runners, 5, 1, choices);
  CHECK(choice_of(g, choices, "outlier").dynamic);
}

}  // namespace
}  // namespace qc
