// The forms of an ONNX file: the same numbers, spelled for other readers.
#include "spell/forms.h"

#include <catch2/catch.hpp>
#include <map>

#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "select/capability.h"
#include "select/decide.h"
#include "simulate/simulate.h"
#include "support/tiny_models.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

// A convolution, its activation, another one without a bias, and codebook weights where asked for.
struct Made {
  ir::Graph graph = tiny::graph();
  plan::QuantizedModel model;
  target::TargetSpec target = target::load("imx500");

  explicit Made(int bits = 8, bool codebook = false) {
    const auto x = tiny::input(graph, "x", {1, 3, 6, 6});
    const auto relu = tiny::relu(graph, tiny::conv(graph, x, 8));
    const auto y = tiny::output(graph, tiny::conv(graph, relu, 4, {.bias = false}, 7), "y");
    target.weight_widths = {{8, false}, {bits, codebook}};
    const auto able = select::capabilities(graph, target, {});
    plan::QuantPlan plan = select::outline(graph, target, able, std::vector<bool>(graph.nodes.size(), true),
                                           std::vector<plan::NodeDecision>(graph.nodes.size()));
    plan::StatsTable stats;
    for (const ir::ValueId v : {x, relu, y}) {
      stats[v].count = 1000;
      stats[v].min = v == relu ? 0.0f : -1.5f;
      stats[v].max = 1.5f;
    }
    select::decide(plan, graph, target, threshold::activation_candidates(graph, plan, stats, target, {}));
    std::vector<config::NodeSettings> rules(graph.nodes.size());
    for (config::NodeSettings& rule : rules) rule.weights_n_bits = bits;
    quantize::Guards guards;
    model = quantize::quantize(graph, plan, threshold::weight_candidates(graph, plan, target, {}, rules, 1),
                               {}, guards);
  }
};

std::vector<float> answers(const ir::Graph& graph, const ir::Tensor& image, bool optimize = false) {
  run::OrtRunnerFactory runners(onnx_codec());
  run::RunnerOptions options;
  options.optimize = optimize;
  const std::vector<ir::Tensor> outputs = runners.make(graph, {}, options)->run({&image, 1});
  return {outputs[0].as<float>().begin(), outputs[0].as<float>().end()};
}

ir::Graph written(const plan::QuantizedModel& model) {
  Diagnostics diagnostics;
  return onnx_io::parse(onnx_io::write_qdq(model, {}), diagnostics);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(static_cast<double>(a[i]) - b[i]));
  return most;
}

TEST_CASE("fake quant has float weights and biases and computes what the integers compute") {
  const Made made;
  const plan::QuantizedModel fake = spell_fake_quant(made.model);
  CHECK(fake.weights.empty());
  CHECK(fake.biases.empty());
  const ir::Graph file = written(fake);
  for (const ir::Value& value : file.values)
    if (value.constant && value.constant->dims.size() > 1) CHECK(value.constant->dtype == ir::DType::kFloat);
  const ir::Tensor image = tiny::random_tensor({1, 3, 6, 6}, 5, -2, 2);
  // Sums in another order may round the other way: one step of the output at the most.
  const float step = made.model.plan.values[made.graph.outputs[0]].params.scales[0];
  const std::vector<float> plan = answers(written(made.model), image);
  CHECK(largest_difference(answers(file, image), plan) <= 1.01 * step);
  CHECK(largest_difference(answers(file, image, true), plan) <=
        1.01 * step);  // nor does the runtime round again
  CHECK(largest_difference(plan, answers(made.graph, image)) > 0);
}

TEST_CASE("float biases stand where int32 ones stood") {
  Made made;
  const auto qdq = config::OnnxForm::kQdq;
  const plan::QuantizedModel spelled = spelled_for(qdq, made.target, made.model).file;  // imx500's are float
  CHECK(spelled.biases.empty());
  CHECK(spelled.weights.size() == 2);
  const ir::Tensor image = tiny::random_tensor({1, 3, 6, 6}, 5, -2, 2);
  const float step = made.model.plan.values[made.graph.outputs[0]].params.scales[0];
  CHECK(largest_difference(answers(written(spelled), image), answers(written(made.model), image)) <=
        1.01 * step);
  made.target.bias_bits = 32;
  CHECK(spelled_for(qdq, made.target, made.model).file.biases.size() == made.model.biases.size());
}

// By op type: nodes of the domain mct_quantizers.
std::map<std::string, int> quantizers(const ir::Graph& graph) {
  std::map<std::string, int> counts;
  for (const ir::Node& node : graph.nodes)
    if (!node.erased && node.domain == "mct_quantizers") ++counts[node.op_type];
  return counts;
}

TEST_CASE("the form for the IMX500 converter has MCT's nodes with the plan's parameters") {
  const Made made;
  const ir::Graph file = written(spell_mct_quantizers(made.model));
  CHECK(quantizers(file) ==
        std::map<std::string, int>{{"ActivationPOTQuantizer", 3}, {"WeightsSymmetricQuantizer", 2}});
  CHECK(file.opset_imports.back() == std::pair<std::string, int64_t>{"mct_quantizers", 1});
  for (const ir::Node& node : file.nodes) {
    if (node.domain != "mct_quantizers") continue;
    CHECK(ir::int_attribute(node, "num_bits", 0) == 8);
    if (node.op_type == "ActivationPOTQuantizer") {
      const ir::NodeId maker = tiny::value(file, node.inputs[0]).producer;
      const bool of_relu = maker != ir::kNone && file.nodes[maker].op_type == "Relu";
      CHECK(ir::float_attribute(node, "threshold", 0) == 2.0f);
      CHECK(ir::int_attribute(node, "signed", 9) == (of_relu ? 0 : 1));
      continue;
    }
    // The threshold of each channel is 128 steps, and the weights lie on them.
    const ir::Tensor &weight = *ir::constant_input(file, node, 0),
                     &threshold = *ir::constant_input(file, node, 1);
    CHECK(ir::int_attribute(node, "per_channel", 0) == 1);
    CHECK(ir::int_attribute(node, "channel_axis", 9) == 0);
    REQUIRE(threshold.size() == weight.dims[0]);
    const int64_t inner = weight.size() / weight.dims[0];
    for (int64_t i = 0; i < weight.size(); ++i) {
      const double step = threshold.as<float>()[i / inner] / 128.0;
      const double steps = weight.as<float>()[i] / step;
      CHECK(std::fabs(steps - std::nearbyint(steps)) < 1e-4);
    }
  }
  CHECK(file.values[file.outputs[0]].name == "y");
  CHECK(file.values[file.inputs[0]].name == "x");
}

TEST_CASE("codebooks of MCT's targets become its LUT nodes") {
  const Made made(4, true);
  const ir::Graph file = written(spell_mct_quantizers(made.model));
  CHECK(quantizers(file).at("WeightsLUTSymmetricQuantizer") == 2);
  for (const ir::Node& node : file.nodes) {
    if (node.op_type != "WeightsLUTSymmetricQuantizer") continue;
    CHECK(ir::int_attribute(node, "num_bits", 0) == 4);
    CHECK(ir::int_attribute(node, "lut_values_bitwidth", 0) == 8);
    CHECK(ir::int_attribute(node, "input_rank", 0) == 4);
    const ir::Tensor& book = *ir::constant_input(file, node, 1);
    CHECK(book.size() == 16);
    for (const float value : book.as<float>()) CHECK(value == std::nearbyint(value));
  }
}

}  // namespace
}  // namespace qc
