// Which values join scores with values in other units, and where along which axis.
#include "simulate/parts.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "simulate/fidelity.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

std::string parts_of(const ir::Graph& g, ir::ValueId value) {
  std::string text;
  for (const simulate::OutputPart& part : simulate::unlike_parts(g, value)) text += simulate::spell(part);
  return text;
}

// Four coordinates, an objectness and two classes on each place of a picture.
ir::ValueId head(ir::Graph& g, ir::ValueId x, unsigned seed) {
  const tiny::ConvShape point{1, 1, 0};
  return tiny::concat(
      g, {tiny::conv(g, x, 4, point, seed), tiny::sigmoid(g, tiny::conv(g, x, 1, point, seed + 1)),
          tiny::sigmoid(g, tiny::conv(g, x, 2, point, seed + 2))});
}

ir::ValueId slice(ir::Graph& g, ir::ValueId x, int64_t first, int64_t last, tiny::Dims dims) {
  return tiny::node(g, "Slice",
                    {x, tiny::constant_i(g, {first}), tiny::constant_i(g, {last}), tiny::constant_i(g, {-1})},
                    {}, std::move(dims));
}

}  // namespace

TEST_CASE("a join of scores with coordinates has two parts, whatever moves it afterwards") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 6, 5}), joined = head(g, x, 1);
  CHECK(parts_of(g, joined) == "[:, 0:4][:, 4:7]");  // scores side by side are one part
  const ir::ValueId rows = tiny::reshape(g, joined, {1, 7, 30});
  CHECK(parts_of(g, rows) == "[:, 0:4][:, 4:7]");
  CHECK(parts_of(g, tiny::transpose(g, rows, {0, 2, 1})) == "[:, :, 0:4][:, :, 4:7]");
  CHECK(parts_of(g, tiny::reshape(g, joined, {1, 1, 7, 30})) == "[:, :, 0:4][:, :, 4:7]");
  CHECK(parts_of(g, tiny::reshape(g, joined, {1, 210})).empty());  // no axis of theirs is left
  CHECK(parts_of(g, tiny::relu(g, joined)).empty());
}

TEST_CASE("levels of one kind are no parts, and have those of each level") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 6, 5});
  const ir::ValueId fine = tiny::reshape(g, head(g, x, 1), {1, 7, 30}),
                    coarse = tiny::reshape(g, head(g, tiny::conv(g, x, 3, {3, 2, 1}), 9), {1, 7, 9});
  const ir::ValueId all = tiny::transpose(g, tiny::concat(g, {fine, coarse}, 2), {0, 2, 1});
  CHECK(parts_of(g, all) == "[:, :, 0:4][:, :, 4:7]");
  const ir::ValueId boxes = tiny::concat(g, {tiny::conv(g, x, 4), tiny::conv(g, x, 4)}, 2);
  CHECK(parts_of(g, boxes).empty());
  // As detectors are exported that decode inside.
  const ir::ValueId decoded =
      tiny::concat(g,
                   {tiny::mul(g, slice(g, all, 0, 2, {1, 39, 2}), tiny::constant(g, 8.0f)),
                    tiny::node(g, "Exp", {slice(g, all, 2, 4, {1, 39, 2})}, {}, tiny::Dims{1, 39, 2}),
                    slice(g, all, 4, 7, {1, 39, 3})},
                   2);
  CHECK(parts_of(g, decoded) == "[:, :, 0:4][:, :, 4:7]");
}

TEST_CASE("parts are known by shapes, and their lengths need not be free") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {-1, 4}), scores = tiny::sigmoid(g, tiny::gemm(g, x, 3));
  const ir::ValueId joined = tiny::output(g, tiny::concat(g, {tiny::gemm(g, x, 2), scores}), "y");
  CHECK(parts_of(g, joined) == "[:, 0:2][:, 2:5]");
  CHECK_FALSE(simulate::needs_shapes(g));
  ir::value_at(g, scores).has_shape = false;
  CHECK(parts_of(g, joined).empty());
  CHECK(simulate::needs_shapes(g));
}

TEST_CASE("a product of scores is one, and a multiple of a score is none") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4}), a = tiny::sigmoid(g, tiny::gemm(g, x, 2, 1)),
                    b = tiny::sigmoid(g, tiny::gemm(g, x, 2, 2));
  CHECK(parts_of(g, tiny::concat(g, {tiny::gemm(g, x, 2), tiny::mul(g, a, b)})) == "[:, 0:2][:, 2:4]");
  const ir::ValueId pixels = tiny::mul(g, a, tiny::constant(g, 640.0f));
  CHECK(parts_of(g, tiny::concat(g, {pixels, b})) == "[:, 0:2][:, 2:4]");
  CHECK(parts_of(g, tiny::concat(g, {a, b})).empty());
}

TEST_CASE("a part has figures of its own, which worst ones are taken over where they count") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {2, 4});
  tiny::output(g, tiny::gemm(g, x, 3), "plain");
  tiny::output(g, tiny::concat(g, {tiny::gemm(g, x, 2), tiny::sigmoid(g, tiny::gemm(g, x, 1))}), "joined");
  auto judged = simulate::judged_values(g);
  REQUIRE(judged.size() == 2);
  CHECK(judged[0].parts.empty());
  REQUIRE(judged[1].parts.size() == 2);

  const std::vector<float> exact{100, 200, 0.5f, 300, 400, 0.5f}, found{101, 200, 0.25f, 300, 400, 0.5f};
  const ir::Tensor a = ir::make_tensor(std::span(exact), {2, 3}),
                   b = ir::make_tensor(std::span(found), {2, 3});
  simulate::Fidelity fidelity;
  fidelity.outputs = simulate::no_powers(judged);
  CHECK(simulate::noise_ratios(fidelity.outputs) == std::vector<double>{0, 0});
  simulate::add(fidelity.outputs[0], simulate::compare(a, a, judged[0]));
  for (int image = 0; image < 2; ++image)
    simulate::add(fidelity.outputs[1], simulate::compare(a, b, judged[1]));
  const simulate::Power& joined = fidelity.outputs[1];
  CHECK(joined.parts[0].noise_ratio() == Approx(1.0 / 300000));
  CHECK(joined.parts[1].noise_ratio() == Approx(0.0625 / 0.5));
  CHECK(joined.parts[1].mean_cosine() == Approx(0.375 / std::sqrt(0.5 * 0.3125)));
  CHECK(joined.noise_ratio() == Approx((1 + 0.0625) / 300000.5));
  CHECK(simulate::noise_ratios(fidelity.outputs) == std::vector<double>{0, joined.noise_ratio()});
  CHECK(fidelity.worst_db() == Approx(joined.sqnr_db()));

  for (simulate::Judged& one : judged) one.by_parts = true;
  fidelity.outputs = {simulate::compare(a, a, judged[0]), simulate::compare(a, b, judged[1])};
  CHECK(simulate::noise_ratios(fidelity.outputs) ==
        std::vector<double>{0, joined.parts[0].noise_ratio(), joined.parts[1].noise_ratio()});
  CHECK(fidelity.worst_db() == Approx(joined.parts[1].sqnr_db()));
}
