// What each rounding costs: measured against the float model, whatever corrections have done to it.
#include "simulate/ablation.h"

#include <catch2/catch.hpp>

#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"

using namespace qc;

TEST_CASE("the bias of a layer in float that correction moved counts with that layer") {
  const bool had_bias = GENERATE(true, false);
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 3, 6, 6});
  const ir::ValueId first = tiny::relu(graph, tiny::conv(graph, x, 4, {.bias = had_bias}));
  tiny::output(graph, tiny::conv(graph, first, 2), "y");
  const run::ModelCodec codec = onnx_codec();
  run::OrtRunnerFactory runners(codec);
  const auto judged = simulate::judged_values(graph);
  const std::vector<std::vector<ir::Tensor>> images{{tiny::random_tensor({1, 3, 6, 6}, 7)}};
  const std::vector<std::vector<ir::Tensor>> exact{runners.make(graph, {}, {})->run(images[0])};

  plan::QuantizedModel model{graph, {}, {}, {}, {}};
  model.plan.nodes.resize(graph.nodes.size());
  model.plan.values.resize(graph.values.size());
  const ir::NodeId layer = 0;
  quantize::add_to_biases(model, {{layer, {0.1f, -0.1f, 0.1f, 0.1f}}});

  simulate::Part nothing, moved;
  moved.biases = {layer};
  const simulate::Ablation found =
      simulate::ablate(graph, model, {nothing, moved}, runners, images, exact, judged, 1);
  CHECK(found.all_db < 40);
  CHECK(found.parts[0].only_db > 100);
  CHECK(found.parts[1].only_db == found.all_db);
  CHECK(found.parts[1].without_db == found.parts[0].only_db);
}
