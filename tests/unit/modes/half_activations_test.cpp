// Activations of 16 bits: what may overflow stays in float32, ends keep or change their type as asked, and
// stock ONNX Runtime runs what comes out.
#include "modes/half_activations.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

using ir::DType;
using ir::ValueId;
using test::sqnr_db;

plan::QuantizedModel in_float(ir::Graph graph) {
  plan::QuantizedModel model;
  model.plan.nodes.resize(graph.nodes.size());
  model.plan.values.resize(graph.values.size());
  model.graph = std::move(graph);
  return model;
}

Reach seen(const ir::Graph& graph, float input) {
  run::OrtRunnerFactory runners(onnx_codec(), run::kOnePart);
  return reach_on_noise(graph, runners, {tiny::filled({1, 2, 8, 8}, input)});
}

std::vector<DType> all_of(const ir::Graph& graph, DType type) {
  return std::vector<DType>(graph.nodes.size(), type);
}

// Runs the file in stock ONNX Runtime.
std::vector<ir::Tensor> answers(const plan::QuantizedModel& model, const ir::Tensor& input) {
  run::OrtRunnerFactory runners(onnx_codec(), run::kOnePart);
  const ir::Graph graph = graph_of_file(onnx_io::write_qdq(model, {}, {}));
  return runners.make(graph, {}, {})->run(std::vector<ir::Tensor>{input});
}

ir::Tensor answer(const plan::QuantizedModel& model, const ir::Tensor& input) {
  return answers(model, input)[0];
}

// Conv, x 1000, x 1000, x 1e-6, Conv: what lies between the factors exceeds 65504.
struct Peak {
  ir::Graph graph = tiny::graph();
  ValueId before, high, higher, low, end;
  Peak() {
    const ValueId x = tiny::input(graph, "x", {1, 2, 8, 8});
    before = tiny::relu(graph, tiny::conv(graph, x, 4));
    high = tiny::mul(graph, before, tiny::constant(graph, 1000));
    higher = tiny::mul(graph, high, tiny::constant(graph, 1000));
    low = tiny::mul(graph, higher, tiny::constant(graph, 1e-6f));
    end = tiny::conv(graph, low, 2, {}, 5);
    tiny::output(graph, end, "y");
  }
  const HalfChoice& choice(const std::vector<HalfChoice>& choices, ValueId v) const {
    return choices[ir::value_at(graph, v).producer];
  }
};

TEST_CASE("nodes whose values may leave float16's range stay in float32") {
  Peak peak;
  plan::QuantizedModel model = in_float(peak.graph);
  Reach reach = seen(peak.graph, 1);
  reach.margin = 4;
  const std::vector<DType> types = all_of(peak.graph, DType::kFloat16);
  const std::vector<HalfChoice> choices = half_choices(model, types, reach);
  CHECK(peak.choice(choices, peak.before).half);
  CHECK_FALSE(peak.choice(choices, peak.higher).half);
  CHECK(peak.choice(choices, peak.higher).why.find("65504") != std::string::npos);
  CHECK_FALSE(peak.choice(choices, peak.low).half);
  CHECK(peak.choice(choices, peak.end).half);

  const ir::Tensor input = tiny::random_tensor({1, 2, 8, 8}, 3);
  const ir::Tensor exact = answer(model, input);
  spell_half(choices, types, true, model);
  ir::verify(model.graph);
  const double db = sqnr_db(exact, answer(model, input));
  CHECK(db > 50);
  CHECK(db < 90);  // something was rounded
}

TEST_CASE("without the choice of nodes for 16 bits the same model overflows") {
  Peak peak;
  // An output of 16 bits, because between nodes the runtime may keep 32.
  tiny::output(peak.graph, peak.higher, "higher");
  plan::QuantizedModel model = in_float(peak.graph);
  const std::vector<HalfChoice> everything(peak.graph.nodes.size(), HalfChoice{true, ""});
  spell_half(everything, all_of(peak.graph, DType::kFloat16), false, model);
  const ir::Tensor higher = answers(model, tiny::random_tensor({1, 2, 8, 8}, 3))[1];
  const auto floats = higher.as<float>();
  CHECK(std::any_of(floats.begin(), floats.end(), [](float x) { return std::isinf(x); }));
}

TEST_CASE("the margin is what keeps other inputs in range") {
  Peak peak;
  const plan::QuantizedModel model = in_float(peak.graph);
  const std::vector<DType> types = all_of(peak.graph, DType::kFloat16);
  const Reach reach = seen(peak.graph, 1);
  CHECK(reach.margin == 256);
  CHECK_FALSE(peak.choice(half_choices(model, types, reach), peak.high).half);
  const Reach near = {reach.largest, 4};
  CHECK(peak.choice(half_choices(model, types, near), peak.before).half);
}

TEST_CASE("ends of the model keep float32 or get 16 bits, as asked") {
  for (const bool keep : {true, false}) {
    CAPTURE(keep);
    Peak peak;
    plan::QuantizedModel model = in_float(peak.graph);
    const std::vector<DType> types = all_of(peak.graph, DType::kFloat16);
    Reach reach = seen(peak.graph, 1);
    reach.margin = 4;
    const ir::Tensor input = tiny::random_tensor({1, 2, 8, 8}, 3), exact = answer(model, input);
    spell_half(half_choices(model, types, reach), types, keep, model);
    ir::verify(model.graph);
    const DType expected = keep ? DType::kFloat : DType::kFloat16;
    CHECK(ir::value_at(model.graph, model.graph.inputs[0]).dtype == expected);
    CHECK(ir::value_at(model.graph, model.graph.outputs[0]).dtype == expected);
    CHECK(ir::value_at(model.graph, model.graph.outputs[0]).name == "y");
    CHECK(sqnr_db(exact, answer(model, input)) > 50);
  }
}

TEST_CASE("bfloat16 moves numbers in its type and computes between Casts") {
  ir::Graph graph = tiny::graph();
  const ValueId x = tiny::input(graph, "x", {1, 2, 8, 8});
  const ValueId moved = tiny::transpose(graph, tiny::relu(graph, tiny::conv(graph, x, 4)), {0, 2, 3, 1});
  tiny::output(graph, tiny::mul(graph, moved, moved), "y");
  plan::QuantizedModel model = in_float(graph);
  const std::vector<DType> types = all_of(graph, DType::kBfloat16);
  const ir::Tensor input = tiny::random_tensor({1, 2, 8, 8}, 3), exact = answer(model, input);
  spell_half(half_choices(model, types, seen(graph, 1)), types, true, model);
  ir::verify(model.graph);
  const ir::Node& cast = ir::node_at(model.graph, ir::value_at(model.graph, moved).producer);
  REQUIRE(cast.op_type == "Cast");
  const ir::Value& before = ir::value_at(model.graph, cast.inputs[0]);
  CHECK(before.dtype == DType::kBfloat16);
  CHECK(ir::node_at(model.graph, before.producer).op_type == "Transpose");
  const double db = sqnr_db(exact, answer(model, input));
  CHECK(db > 35);  // 8 bits of mantissa
  CHECK(db < 60);
}

TEST_CASE("a lone node without weights is not worth its Casts") {
  ir::Graph graph = tiny::graph();
  const ValueId x = tiny::input(graph, "x", {1, 2, 8, 8});
  const ValueId small = tiny::node(graph, "Sqrt", {tiny::relu(graph, x)}, {}, tiny::Dims{1, 2, 8, 8});
  tiny::output(graph, tiny::relu(graph, small), "y");
  const std::vector<HalfChoice> choices =
      half_choices(in_float(graph), all_of(graph, DType::kFloat16), seen(graph, 1));
  for (const HalfChoice& choice : choices) {
    CHECK_FALSE(choice.half);
    CHECK_FALSE(choice.why.empty());
  }
}

}  // namespace
}  // namespace qc
