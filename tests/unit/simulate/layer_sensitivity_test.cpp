// MCT's measure on small networks: where it looks, that what it finds is right where it can be worked out by
// hand, and that neither cutting nor threads change a figure.
#include "simulate/layer_sensitivity.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "budget/frontier.h"
#include "ir/ops.h"
#include "prepare.h"
#include "quant/quant_params.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

class RandomSource : public images::ImageSource {
 public:
  explicit RandomSource(tiny::Dims dims) : dims_(std::move(dims)) {}
  int64_t size() const override { return 6; }
  std::string name(int64_t index) const override { return std::to_string(index); }
  std::vector<ir::Tensor> load(int64_t index) const override {
    return {tiny::random_tensor(dims_, 50 + static_cast<unsigned>(index))};
  }

 private:
  tiny::Dims dims_;
};

std::vector<simulate::ProbedWeight> weights_of(const ir::Graph& graph) {
  std::vector<simulate::ProbedWeight> weights;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (ir::weight_traits(graph, node)) weights.push_back({node.inputs[1], {id}});
  }
  return weights;
}

ir::Tensor at_bits(const ir::Graph& graph, ir::ValueId weight, int bits) {
  const ir::Tensor& exact = *tiny::value(graph, weight).constant;
  const quant::QuantParams params = quant::symmetric_params(1, bits, true, false);
  return ir::make_tensor(std::span<const float>(quant::dequantize(
                             quant::quantize(exact.as<float>(), exact.dims, params), exact.dims, params)),
                         exact.dims);
}

const std::vector<int64_t> kImages{0, 1, 2, 3, 4, 5};

std::vector<std::vector<double>> measured(const ir::Graph& graph, const simulate::LayerMeasure& measure,
                                          const std::vector<int>& bits, const tiny::Dims& dims,
                                          int threads = 2) {
  const RandomSource source(dims);
  run::OrtRunnerFactory runners(onnx_codec());
  const auto weights = weights_of(graph);
  return simulate::layer_sensitivities(
      {graph, simulate::judged_values(graph), runners, source, kImages, threads}, weights, bits.size(),
      [&](size_t l, size_t w) { return at_bits(graph, weights[l].weight, bits[w]); }, measure);
}

// Two branches of convolutions that meet, a bypass around one of them, and a head.
ir::Graph branches() {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 6, 6});
  const ir::ValueId stem = tiny::relu(g, tiny::conv(g, x, 4, {}, 1));
  const ir::ValueId left = tiny::conv(g, stem, 4, {}, 2);
  const ir::ValueId gate = tiny::sigmoid(g, tiny::conv(g, stem, 4, {}, 3));
  const ir::ValueId both = tiny::concat(g, {tiny::add(g, left, stem), gate});
  const ir::ValueId moved = tiny::add(g, both, tiny::constant(g, 0.5f));
  const ir::ValueId flat = tiny::flatten(g, tiny::global_average_pool(g, moved));
  tiny::output(g, tiny::softmax(g, tiny::gemm(g, flat, 5)), "y");
  return g;
}

std::string described(const ir::Graph& g, const std::vector<simulate::MeasuredPlace>& places) {
  static const char* kNames[] = {"nmse", "mse", "mae", "cos", "kl"};
  std::string text;
  for (const simulate::MeasuredPlace& place : places)
    text += (text.empty() ? "" : " ") + tiny::producer(g, place.value).op_type + ":" +
            kNames[static_cast<int>(place.distance)];
  return text;
}

}  // namespace

TEST_CASE("places are what MCT looks at, each with the distance of its op, outputs apart") {
  const ir::Graph g = branches();
  simulate::LayerMeasure measure;
  const auto outputs = simulate::output_places(g, simulate::judged_values(g), measure);
  CHECK(described(g, outputs) == "Softmax:kl");
  CHECK(described(g, simulate::interest_points(g, measure, outputs)) ==
        "Conv:nmse Conv:nmse Conv:nmse Sigmoid:cos Add:nmse Concat:nmse Gemm:cos");
  measure.places_factor =
      0.4;  // of eight with the output: the first, the fifth (3.5 rounds to even), the last
  CHECK(described(g, simulate::interest_points(g, measure, outputs)) == "Conv:nmse Add:nmse");
  measure.places_factor = 0.01;
  CHECK(simulate::interest_points(g, measure, outputs).empty());
  measure.places_factor = 1;
  measure.everywhere = simulate::Distance::kMae;
  CHECK(described(g, simulate::interest_points(g, measure, outputs)) ==
        "Conv:mae Conv:mae Conv:mae Sigmoid:mae Add:mae Concat:mae Gemm:mae");
}

TEST_CASE("the result of a linear layer is the one with its bias, and that sum is no place of its own") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4});
  const ir::ValueId product = tiny::matmul(g, x, tiny::constant(g, tiny::random_tensor({4, 3}, 7), "w"));
  const ir::ValueId sum = tiny::add(g, product, tiny::constant_f(g, {1, 2, 3}));
  tiny::output(g, tiny::relu(g, sum), "y");
  const auto places = simulate::interest_points(g, {}, {});
  REQUIRE(places.size() == 1);
  CHECK(places[0].value == sum);
  CHECK(places[0].distance == simulate::Distance::kCosine);
}

// y = w1 (w0 x): one place and one output, both distances by hand.
TEST_CASE("a figure is the distance at the places plus that at the outputs") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 2, 1, 1});
  const auto pointwise = [&](ir::ValueId in, std::vector<float> w) {
    const tiny::Dims dims{1, static_cast<int64_t>(w.size()), 1, 1};
    return tiny::node(g, "Conv", {in, tiny::constant_f(g, std::move(w), dims)}, {}, tiny::Dims{1, 1, 1, 1});
  };
  tiny::output(g, pointwise(pointwise(x, {0.5f, 0.25f}), {0.625f}), "y");
  simulate::LayerMeasure measure;
  measure.everywhere = simulate::Distance::kMse;
  measure.scale.epsilon.reset();
  const auto figures = measured(g, measure, {2, 8}, {1, 2, 1, 1});
  // Steps of 2 bits are a half: 0.25 becomes 0 (half to even), 0.625 becomes 0.5; 8 bits are exact.
  double at_first = 0, at_second = 0;
  const RandomSource source({1, 2, 1, 1});
  for (const int64_t i : kImages) {
    const auto loaded = source.load(i);
    const std::span<const float> v = loaded[0].as<float>();
    const double lost = 0.25 * v[1], middle = 0.5 * v[0] + 0.25 * v[1];
    at_first += (lost * lost + 0.625 * 0.625 * lost * lost) / 6;
    at_second += 0.125 * 0.125 * middle * middle / 6;
  }
  CHECK(figures[0][0] == Approx(at_first));
  CHECK(figures[1][0] == Approx(at_second));  // the place before it does not move
  CHECK(figures[0][1] == 0);
  CHECK(figures[1][1] == 0);
  measure.scale.epsilon = 100;
  CHECK(measured(g, measure, {2, 8}, {1, 2, 1, 1})[0][0] == Approx(100));
}

TEST_CASE("what is cut before a weight changes no figure, and neither do threads") {
  const ir::Graph g = branches();
  const auto figures = measured(g, {}, {2, 4, 8}, {1, 3, 6, 6});
  REQUIRE(figures.size() == 4);
  CHECK(figures == measured(g, {}, {2, 4, 8}, {1, 3, 6, 6}, 1));
  for (const std::vector<double>& layer : figures) {
    CHECK(layer[0] > layer[1]);
    CHECK(layer[1] > layer[2]);
  }
  // By whole networks with the weight rounded: the mean over seven places and the output.
  const RandomSource source({1, 3, 6, 6});
  run::OrtRunnerFactory runners(onnx_codec());
  simulate::LayerMeasure measure;
  const auto outputs = simulate::output_places(g, simulate::judged_values(g), measure);
  auto places = simulate::interest_points(g, measure, outputs);
  const size_t points = places.size();
  places.insert(places.end(), outputs.begin(), outputs.end());
  run::RunnerOptions options;
  for (const auto& place : places) options.extra_outputs.push_back(place.value);
  const auto weights = weights_of(g);
  const auto exact = runners.make(g, {}, options);
  for (size_t l = 0; l < weights.size(); ++l) {
    ir::Graph changed = g;
    changed.values[weights[l].weight].constant = at_bits(g, weights[l].weight, 2);
    const auto rounded = runners.make(changed, {}, options);
    double figure = 0;
    for (const int64_t i : kImages) {
      const auto a = exact->run(source.load(i), 0), b = rounded->run(source.load(i), 0);
      for (size_t p = 0; p < places.size(); ++p)
        figure += simulate::distance(places[p].distance, a[p + 1].as<float>(), b[p + 1].as<float>(),
                                     a[p + 1].dims, places[p].axis) /
                  (p < points ? 6.0 * static_cast<double>(points) : 6.0);
    }
    CHECK(figures[l][0] == Approx(figure).epsilon(1e-4));
  }
}

TEST_CASE("squared slopes of a linear network are its matrix's squared entries") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4});
  const ir::ValueId a = tiny::gemm(g, x, 3, 1), b = tiny::gemm(g, a, 2, 2);
  tiny::output(g, b, "y");
  const RandomSource source({1, 4});
  run::OrtRunnerFactory runners(onnx_codec());
  const auto judged = simulate::judged_values(g);
  const std::vector<simulate::MeasuredPlace> places{{a}, {b}};
  std::vector<int64_t> many;
  for (int i = 0; i < 300; ++i) many.push_back(i % 6);
  const auto scores = simulate::squared_slopes({g, judged, runners, source, many, 2}, places);
  double squares = 0;
  for (const float w : tiny::value(g, tiny::producer(g, b).inputs[1]).constant->as<float>())
    squares += static_cast<double>(w) * w;
  CHECK(scores[0] == Approx(squares).epsilon(0.1));
  CHECK(scores[1] == Approx(2).epsilon(1e-3));  // the output itself: as many as it has elements
  CHECK(scores == simulate::squared_slopes({g, judged, runners, source, many, 1}, places));
  simulate::LayerMeasure measure;
  measure.weighting = simulate::DistanceWeighting::kScores;
  CHECK(measured(g, measure, {2, 8}, {1, 4}).size() == 2);
}

TEST_CASE("the layer whose weights do not fit few bits gets the wide width") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 6, 6});
  const ir::ValueId first = tiny::conv(g, x, 3, {.groups = 1, .bias = false}, 1);
  const ir::ValueId second = tiny::conv(g, tiny::relu(g, first), 3, {.groups = 1, .bias = false}, 2);
  tiny::output(g, tiny::conv(g, tiny::relu(g, second), 3, {.groups = 1, .bias = false}, 3), "y");
  // All on the grid of 2 bits but the second one's.
  unsigned seed = 0;
  for (const ir::ValueId end : {first, second, g.outputs[0]}) {
    const ir::ValueId w = tiny::producer(g, end).inputs[1];
    ir::value_at(g, w).constant = tiny::random_tensor({3, 3, 3, 3}, ++seed);
    if (end != second) ir::value_at(g, w).constant = at_bits(g, w, 2);
  }
  const auto figures = measured(g, {}, {2, 8}, {1, 3, 6, 6});
  CHECK(figures[1][0] > 1000 * figures[0][0]);
  CHECK(figures[1][0] > 1000 * figures[2][0]);
  std::vector<budget::Item> items;
  for (const std::vector<double>& layer : figures) items.push_back({{{2, layer[0], 0}, {8, layer[1], 0}}});
  const auto solution = budget::solve(items, {12, {}});
  REQUIRE(solution);
  CHECK(solution->sum.picks == std::vector<size_t>{0, 1, 0});
}
