// The accuracy engine on a real runtime and a network of two layers: that it helps, that mirrored pictures
// count, and that neither threads nor runs change a bit.
#include "correct/second_order.h"

#include <catch2/catch.hpp>

#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "simulate/simulate.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

constexpr int64_t kFitted = 8, kAll = 40;

// Smooth random images: each pixel has something of its left neighbour, so that inputs go together.
class SmoothSource : public images::ImageSource {
 public:
  explicit SmoothSource(bool pictures) : pictures_(pictures) {}
  int64_t size() const override { return kAll; }
  std::string name(int64_t index) const override { return std::to_string(index); }
  std::vector<ir::Tensor> load(int64_t index) const override {
    const ir::Tensor noise = tiny::random_tensor({1, 3, 6, 6}, 100 + static_cast<unsigned>(index), -1, 1);
    std::vector<float> pixels(noise.as<float>().begin(), noise.as<float>().end());
    for (size_t i = 1; i < pixels.size(); ++i)
      if (i % 6 != 0) pixels[i] = 0.3f * pixels[i] + 0.7f * pixels[i - 1];
    return {ir::make_tensor(std::span<const float>(pixels), noise.dims)};
  }
  std::optional<PictureAt> picture() const override {
    return pictures_ ? std::optional(PictureAt{0, 3}) : std::nullopt;
  }

 private:
  bool pictures_;
};

struct Net {
  ir::Graph graph = tiny::graph();
  plan::QuantizedModel model;
};

// The weights of every convolution at so many bits.
void round_weights(Net& net, int bits) {
  plan::QuantPlan plan;
  plan.nodes.resize(net.graph.nodes.size());
  plan.values.resize(net.graph.values.size());
  plan::Candidates weights;
  for (size_t n = 0; n < net.graph.nodes.size(); ++n) {
    const ir::Node& node = net.graph.nodes[n];
    if (node.op_type != "Conv") continue;
    plan.nodes[n].compute = plan::Compute::kFloatIntegerWeights;
    quant::QuantParams params;
    params.is_signed = true;
    params.bits = bits;
    params.axis = 0;
    params.scales.assign(static_cast<size_t>(ir::constant_input(net.graph, node, 1)->dims[0]),
                         1.2f / static_cast<float>(1 << bits));
    params.zero_points.assign(params.scales.size(), 0);
    weights[node.inputs[1]] = {{params, 0, 0, {}}};
  }
  quantize::Guards guards;
  net.model = quantize::quantize(net.graph, plan, weights, {}, guards);
}

Net two_convs(int bits) {
  Net net;
  const ir::ValueId x = tiny::input(net.graph, "x", {1, 3, 6, 6});
  tiny::output(net.graph, tiny::conv(net.graph, tiny::relu(net.graph, tiny::conv(net.graph, x, 6)), 5), "y");
  round_weights(net, bits);
  return net;
}

// A branch that is added to what it came from, an error in it already.
Net residual(int bits) {
  Net net;
  const ir::ValueId x = tiny::input(net.graph, "x", {1, 3, 6, 6});
  const ir::ValueId trunk = tiny::conv(net.graph, x, 6);
  const ir::ValueId branch = tiny::conv(net.graph, tiny::relu(net.graph, trunk), 6);
  tiny::output(net.graph, tiny::add(net.graph, branch, trunk), "y");
  round_weights(net, bits);
  return net;
}

correct::SecondOrder solved(const Net& net, bool pictures, bool mirror, int threads, int64_t most = 100,
                            bool scale_search = false, correct::Kept* kept = nullptr,
                            int64_t longest_patch = correct::kLongestPatch,
                            const correct::Besides& besides = {}, int64_t fitted = kFitted) {
  const SmoothSource source(pictures);
  run::OrtRunnerFactory runners(onnx_codec());
  std::vector<int64_t> images;
  for (int64_t i = 0; i < fitted; ++i) images.push_back(i);
  correct::SecondOrderOptions options;
  options.mirror = mirror;
  options.most_runs = most;
  options.threads = threads;
  options.rounding.scale_search = scale_search;
  options.kept = kept;
  options.longest_patch = longest_patch;
  return correct::solve_second_order(net.model, runners, source, images, options, {}, besides);
}

// Of the output, on images that were not fitted on.
double db_of(const Net& net, const correct::SecondOrder& found) {
  const SmoothSource source(true);
  run::OrtRunnerFactory runners(onnx_codec());
  plan::QuantizedModel model = net.model;
  for (const auto& [value, integers] : found.weights) model.weights[value] = integers;
  quantize::add_to_biases(model, found.deltas);
  const auto judged = simulate::judged_values(net.graph);
  std::vector<int64_t> images;
  for (int64_t i = kFitted; i < kAll; ++i) images.push_back(i);
  const auto exact = simulate::make_float_model(net.graph, runners, {}, judged);
  const auto reference = simulate::reference_of(*exact->runner, source, images, 1, 1);
  const auto simulator = simulate::make_simulator(model, runners, {}, judged);
  return simulate::fidelity_of(*simulator->runner, source, reference, judged, 1).worst_db();
}

bool equal(const correct::SecondOrder& a, const correct::SecondOrder& b) {
  for (const auto& [value, integers] : a.weights)
    if (b.weights.at(value).integers != integers.integers ||
        b.weights.at(value).params.scales != integers.params.scales)
      return false;
  return a.weights.size() == b.weights.size() && a.deltas == b.deltas;
}

}  // namespace

TEST_CASE("rounding by second-order statistics beats rounding to nearest on images it has not seen") {
  const Net net = two_convs(4);
  const double nearest = db_of(net, {}), found = db_of(net, solved(net, true, false, 2));
  CHECK(found > nearest + 1);
}

TEST_CASE(
    "patches that are too long for one matrix are solved in strips, and still beat rounding to nearest") {
  const Net net = two_convs(4);
  const correct::SecondOrder whole = solved(net, true, false, 2);
  const correct::SecondOrder strips = solved(net, true, false, 2, 100, false, nullptr, 20);
  CHECK(whole.trusts.begin()->second.size() == 1);
  CHECK(strips.trusts.begin()->second.size() > 1);
  CHECK(equal(strips, solved(net, true, false, 1, 100, false, nullptr, 20)));
  CHECK(db_of(net, strips) > db_of(net, {}) + 0.5);
}

TEST_CASE("the work of a pass counts every position of its layers") {
  const Net net = two_convs(4);
  const correct::PassWork work = correct::work_of_pass(net.model, net.graph);
  double inference = 0;
  for (const auto& [value, weight] : net.model.weights)
    inference += static_cast<double>(weight.integers.size()) * 36;  // positions of 6 x 6
  CHECK(work.inference == inference);
  CHECK(work.products > 0);
  CHECK(work.solving > 0);
}

TEST_CASE("scales that are powers of two stay such, others follow what is found") {
  Net net = two_convs(4);
  const auto scales_of = [&](Net& of, float scale) {
    for (auto& [v, weight] : of.model.weights)
      weight.params.scales.assign(weight.params.scales.size(), scale);
    run::OrtRunnerFactory runners(onnx_codec());
    std::vector<float> scales;
    for (const auto& [v, weight] : solved(of, true, false, 2, 100, true).weights)
      scales.insert(scales.end(), weight.params.scales.begin(), weight.params.scales.end());
    return scales;
  };
  const auto powers = scales_of(net, 0.0625f), others = scales_of(net, 0.07f);
  REQUIRE(powers.size() == 11);
  CHECK(std::all_of(powers.begin(), powers.end(), [](float scale) { return scale == 0.0625f; }));
  CHECK(std::any_of(others.begin(), others.end(), [](float scale) { return scale != 0.07f; }));
}

TEST_CASE("no scale is found at which a bias would leave its integers no room") {
  Net net = two_convs(4);
  const ir::Node& first = net.model.graph.nodes[0];
  const float scale = net.model.weights.at(first.inputs[1]).params.scales[0], least = 0.9f * scale;
  plan::ValueDecision& input = net.model.plan.values[first.inputs[0]];
  input.quantized = true;
  input.params = quant::asymmetric_params(-1, 1, 16, false);
  constexpr float kLargest = 0x1p26f;  // of a bias beside weights of 4 bits
  const std::vector<float> bias(6, least * input.params.scales[0] * kLargest);
  ir::value_at(net.model.graph, first.inputs[2]).constant =
      ir::make_tensor(std::span<const float>(bias), {6});
  const auto found = solved(net, true, false, 2, 100, true).weights.at(first.inputs[1]).params.scales;
  REQUIRE(found.size() == 6);
  CHECK(std::all_of(found.begin(), found.end(), [&](float one) { return one >= least; }));
}

TEST_CASE("pictures that are fitted on count mirrored as well, where there are pictures and room") {
  const Net net = two_convs(3);
  CHECK(solved(net, true, true, 2).images == kFitted);
  CHECK(solved(net, true, true, 2).mirrored == 6);  // one in four judges
  CHECK(solved(net, true, true, 2, kFitted + 2).mirrored == 2);
  CHECK(solved(net, true, true, 2, kFitted).mirrored == 0);
  CHECK(solved(net, false, true, 2).mirrored == 0);
  CHECK(equal(solved(net, false, true, 2), solved(net, true, false, 2)));
  CHECK_FALSE(equal(solved(net, true, true, 2), solved(net, true, false, 2)));
}

TEST_CASE("the end of a branch makes up for the error of what it is added to") {
  const Net net = residual(3);
  const correct::SecondOrder found = solved(net, false, false, 2);
  const ir::ValueId last = net.graph.nodes[2].inputs[1];
  CHECK(found.trusts.at(last).at(0).skip > 0);
  CHECK(found.trusts.at(net.graph.nodes[0].inputs[1]).at(0).skip == 0);
  correct::Besides besides;
  besides.trusts = found.trusts;
  besides.trusts.at(last).at(0).skip = 0;
  const correct::SecondOrder without =
      solved(net, false, false, 2, 100, false, nullptr, correct::kLongestPatch, besides);
  CHECK(db_of(net, found) > db_of(net, without) + 0.2);
}

TEST_CASE("two images are enough for a network with a branch, though none is left to choose by") {
  const Net net = residual(4);
  const correct::SecondOrder found =
      solved(net, false, false, 2, 100, false, nullptr, correct::kLongestPatch, {}, 2);
  CHECK(found.layers == 2);
  CHECK(found.trusts.at(net.graph.nodes[2].inputs[1]).at(0).skip == 0);
}

TEST_CASE("what is found does not depend on the number of threads or on the run") {
  const Net net = two_convs(4);
  const correct::SecondOrder one = solved(net, true, true, 1);
  CHECK(one.layers == 2);
  CHECK(equal(one, solved(net, true, true, 3)));
  CHECK(equal(one, solved(net, true, true, 3)));
}

TEST_CASE("layers of a run that was stopped are taken, and those behind come out the same to the bit") {
  const Net net = two_convs(4);
  const correct::SecondOrder whole = solved(net, true, true, 2);
  correct::Kept kept;
  int additions = 0;
  kept.grown = [&] { ++additions; };
  CHECK(equal(solved(net, true, true, 2, 100, false, &kept), whole));
  REQUIRE(kept.layers.size() == 2);
  CHECK(additions == 2);
  for (const bool first : {true, false}) {
    correct::Kept half = kept;
    half.layers.erase(first ? half.layers.begin() : std::prev(half.layers.end()));
    additions = 0;
    const correct::SecondOrder resumed = solved(net, true, true, 3, 100, false, &half);
    CHECK(equal(resumed, whole));
    CHECK(resumed.layers == whole.layers);
    CHECK(additions == 1);
  }
}

TEST_CASE("a pass takes no layers of another one, and none that do not fit") {
  const Net net = two_convs(4), narrower = two_convs(3);
  correct::Kept kept;
  const correct::SecondOrder whole = solved(net, true, true, 2, 100, false, &kept);
  // Were one taken, it would show.
  for (auto& [name, layer] : kept.layers) layer.packed.assign(layer.packed.size(), '\x11');
  CHECK_FALSE(equal(solved(net, true, true, 2, 100, false, &kept), whole));
  CHECK(kept.layers.size() == 2);
  CHECK(equal(solved(narrower, true, true, 2, 100, false, &kept), solved(narrower, true, true, 2)));
  CHECK(equal(solved(net, true, false, 2, 100, false, &kept), solved(net, true, false, 2)));
  CHECK(
      equal(solved(net, true, true, 2, kFitted + 2, false, &kept), solved(net, true, true, 2, kFitted + 2)));
  CHECK(equal(solved(net, true, true, 2, 100, true, &kept), solved(net, true, true, 2, 100, true)));
  CHECK(kept.layers.size() == 10);
  for (auto& [name, layer] : kept.layers) layer.packed.pop_back();
  CHECK(equal(solved(net, true, true, 2, 100, false, &kept), whole));
  for (auto& [name, layer] : kept.layers) layer.delta.pop_back();
  CHECK(equal(solved(net, true, true, 2, 100, false, &kept), whole));
}
