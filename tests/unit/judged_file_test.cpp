// A written file is judged where its float model is, although files state no types for what lies between
// nodes.
#include <catch2/catch.hpp>
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "simulate/judged.h"
#include "support/tiny_models.h"

namespace qc {
namespace {

class OnePicture : public images::ImageSource {
 public:
  int64_t size() const override { return 1; }
  std::vector<ir::Tensor> load(int64_t) const override { return {tiny::random_tensor({1, 1, 6, 6}, 5)}; }
  std::string name(int64_t) const override { return "one"; }
};

// Peaks: what equals the largest of its neighbours, as detectors of lines and points end.
ir::Graph peaks() {
  ir::Graph g = tiny::graph(13);
  const ir::ValueId x = tiny::input(g, "x", {1, 1, 6, 6}), scores = tiny::sigmoid(g, x);
  const ir::ValueId pooled =
      tiny::node(g, "MaxPool", {scores},
                 {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const ir::ValueId equal = tiny::node(g, "Equal", {scores, pooled});
  ir::value_at(g, equal).dtype = ir::DType::kBool;
  const ir::ValueId mask = tiny::node(g, "Cast", {equal}, {{"to", int64_t{1}}});
  ir::value_at(g, mask).dtype = ir::DType::kFloat;
  tiny::output(g, tiny::mul(g, scores, mask), "peaks");
  return g;
}

TEST_CASE("what lies behind comparisons that are functions to the runtime has sizes") {
  ir::Graph g = tiny::graph(13);
  const ir::ValueId x = tiny::input(g, "x", {1, 1, 6, 6});
  for (const char* op : {"GreaterOrEqual", "LessOrEqual"}) {
    const ir::ValueId test = tiny::node(g, op, {x, tiny::constant(g, 0.5f)});
    const ir::ValueId chosen = tiny::node(g, "Where", {test, x, tiny::constant(g, 0.0f)});
    ir::value_at(g, test).dtype = ir::DType::kBool;
    tiny::output(g, tiny::relu(g, chosen), op);
  }
  run::infer_shapes(g, onnx_codec());
  for (const ir::Node& node : g.nodes) {
    CAPTURE(node.op_type);
    CHECK(ir::value_at(g, node.outputs[0]).dims == std::vector<int64_t>{1, 1, 6, 6});
  }
}

TEST_CASE("a file without types is judged before the comparison, like the model it was made from") {
  ir::Graph g = peaks();
  run::infer_shapes(g, onnx_codec());
  CHECK_FALSE(simulate::needs_types(g));
  const std::vector<simulate::Judged> judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 1);
  CHECK(judged[0].jump == "Equal");

  run::OrtRunnerFactory runners(onnx_codec(), run::kOnePart);
  const OnePicture source;
  const std::vector<int64_t> images{0};
  run::RunnerOptions options;
  options.extra_outputs = {judged[0].value};
  const simulate::Reference reference =
      simulate::reference_of(*runners.make(g, {}, options), source, images, 1, 1);
  plan::QuantizedModel model{g, {}, {}, {}, {}};
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  const plan::Written file = onnx_io::write_qdq(model, {}, {});
  Diagnostics ignored;
  REQUIRE(simulate::needs_types(onnx_io::parse(file, ignored)));
  CHECK(fidelity_of_file(file, runners, source, reference, judged, 1).worst_db() > 100);
  // Judged at the output, with most of the scores cut to 0, the same file would be far off.
  std::vector<simulate::Judged> elsewhere = judged;
  elsewhere[0].jump.clear();
  CHECK_THROWS(fidelity_of_file(file, runners, source, reference, elsewhere, 1));
}

}  // namespace
}  // namespace qc
