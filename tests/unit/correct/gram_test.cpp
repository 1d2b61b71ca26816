// Patches and their statistics against the definition: the convolution itself, and plain sums.
#include "correct/gram.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "ir/graph.h"

using namespace qc;
using namespace qc::correct;

namespace {

std::vector<float> noise(int64_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

struct Shape {
  const char* op;
  std::vector<int64_t> input, weight;
  std::vector<int64_t> strides, dilations, pads;
  int64_t group;
};

ir::Graph graph_of(const Shape& shape, const std::vector<float>& weight) {
  ir::Graph graph;
  graph.opset_imports = {{"", 13}};
  const ir::ValueId x = ir::add_value(graph, "x", ir::DType::kFloat);
  graph.inputs = {x};
  ir::Node node;
  node.name = "n";
  node.op_type = shape.op;
  if (!shape.strides.empty())
    node.attributes = {{"strides", shape.strides},
                       {"dilations", shape.dilations},
                       {"pads", shape.pads},
                       {"group", shape.group}};
  node.inputs = {x,
                 ir::add_constant(graph, "w", ir::make_tensor(std::span<const float>(weight), shape.weight))};
  node.outputs = {ir::add_value(graph, "y", ir::DType::kFloat)};
  graph.outputs = node.outputs;
  ir::add_node(graph, std::move(node));
  return graph;
}

// Scatters (ConvTranspose) or gathers (Conv) element by element, as the ONNX text says. 2-D.
std::vector<double> convolved(const Shape& s, const std::vector<float>& x, const std::vector<float>& w,
                              int64_t height, int64_t width) {
  const bool transposed = std::string(s.op) == "ConvTranspose";
  const int64_t in = s.input[1], outs = transposed ? s.weight[1] * s.group : s.weight[0];
  std::vector<double> y(static_cast<size_t>(s.input[0] * outs * height * width));
  const int64_t per_in = in / s.group, per_out = outs / s.group;
  for (int64_t n = 0; n < s.input[0]; ++n)
    for (int64_t o = 0; o < outs; ++o)
      for (int64_t c = 0; c < per_in; ++c)
        for (int64_t ky = 0; ky < s.weight[2]; ++ky)
          for (int64_t kx = 0; kx < s.weight[3]; ++kx)
            for (int64_t iy = 0; iy < (transposed ? s.input[2] : height); ++iy)
              for (int64_t ix = 0; ix < (transposed ? s.input[3] : width); ++ix) {
                const int64_t oy = iy * s.strides[0] + ky * s.dilations[0] - s.pads[0],
                              ox = ix * s.strides[1] + kx * s.dilations[1] - s.pads[1];
                const int64_t far_height = transposed ? height : s.input[2],
                              far_width = transposed ? width : s.input[3];
                if (oy < 0 || ox < 0 || oy >= far_height || ox >= far_width) continue;
                const int64_t channel = o / per_out * per_in + c;
                const int64_t x_at = (n * in + channel) * s.input[2] * s.input[3] +
                                     (transposed ? iy * s.input[3] + ix : oy * s.input[3] + ox);
                const int64_t y_at =
                    (n * outs + o) * height * width + (transposed ? oy * width + ox : iy * width + ix);
                const int64_t first = transposed ? channel * per_out + o % per_out : o * per_in + c;
                y[y_at] += static_cast<double>(x[x_at]) *
                           static_cast<double>(w[(first * s.weight[2] + ky) * s.weight[3] + kx]);
              }
  return y;
}

}  // namespace

TEST_CASE("weights times patches are the convolution") {
  std::mt19937 random(5);
  const Shape s =
      GENERATE(Shape{"Conv", {2, 4, 7, 6}, {6, 4, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1},
               Shape{"Conv", {1, 4, 9, 8}, {6, 2, 3, 2}, {2, 1}, {1, 2}, {0, 1, 2, 0}, 2},
               Shape{"Conv", {1, 5, 6, 6}, {5, 1, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 5},
               Shape{"ConvTranspose", {2, 4, 4, 5}, {4, 3, 3, 2}, {2, 1}, {1, 2}, {1, 0, 0, 1}, 1},
               Shape{"ConvTranspose", {1, 4, 3, 3}, {4, 2, 2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 2});
  const std::vector<float> x = noise(ir::element_count(s.input), random),
                           w = noise(ir::element_count(s.weight), random);
  const ir::Graph graph = graph_of(s, w);
  const auto windows = windows_of(graph, graph.nodes[0]);
  REQUIRE(windows);
  const int64_t most = GENERATE(int64_t{1000}, int64_t{20}, int64_t{1});
  const std::vector<Windows> strips = strips_of(*windows, most);
  CHECK(std::ssize(strips) == (most == 1000 ? 1 : most == 1 ? windows->channels : (windows->size + 19) / 20));
  const bool transposed = windows->form == Windows::Form::kTranspose;
  const auto length = [&](int d) {
    const int64_t in = s.input[static_cast<size_t>(d) + 2],
                  k = s.dilations[d] * (s.weight[static_cast<size_t>(d) + 2] - 1) + 1;
    const int64_t pads = s.pads[d] + s.pads[static_cast<size_t>(d) + 2], step = s.strides[d];
    return transposed ? (in - 1) * step + k - pads : (in + pads - k) / step + 1;
  };
  const int64_t area = length(0) * length(1), count = positions(*windows, s.input);
  REQUIRE(count == s.input[0] * area);
  const std::vector<double> y = convolved(s, x, w, length(0), length(1));
  std::vector<int64_t> all;
  for (int64_t p = 0; p < count; ++p) all.push_back(p);
  std::vector<double> found(y.size());
  std::vector<float> patches(static_cast<size_t>(count * windows->size));
  for (const Windows& strip : strips)
    for (int64_t g = 0; g < strip.groups; ++g) {
      copy_patches(strip, x, s.input, g, places_of(strip, s.input, all), patches.data(), strip.size);
      for (int64_t p = 0; p < count; ++p)
        for (int64_t r = 0; r < strip.rows; ++r) {
          double sum = 0;
          for (int64_t e = 0; e < strip.size; ++e)
            sum += static_cast<double>(patches[p * strip.size + e]) *
                   static_cast<double>(w[weight_offset(strip, g, r, e)]);
          const int64_t channel = g * strip.rows + r, outs = strip.groups * strip.rows;
          found[(p / area * outs + channel) * area + p % area] += sum;
        }
    }
  for (size_t i = 0; i < y.size(); ++i) REQUIRE(found[i] == Approx(y[i]).margin(1e-5));
}

TEST_CASE("what is no product of matrices is left alone") {
  const std::vector<float> w(48, 1.0f);
  ir::Graph graph = graph_of({"Conv", {}, {2, 3, 2, 2, 2}, {}, {}, {}, 1}, w);
  CHECK_FALSE(windows_of(graph, graph.nodes[0]));
  graph = graph_of({"MatMul", {}, {2, 6, 4}, {}, {}, {}, 1}, w);
  CHECK_FALSE(windows_of(graph, graph.nodes[0]));
  graph = graph_of({"Gemm", {}, {6, 8}, {}, {}, {}, 1}, w);
  CHECK(windows_of(graph, graph.nodes[0])->columns);
  ir::set_attribute(graph.nodes[0], "transB", int64_t{1});
  CHECK_FALSE(windows_of(graph, graph.nodes[0])->columns);
  ir::set_attribute(graph.nodes[0], "transA", int64_t{1});
  CHECK_FALSE(windows_of(graph, graph.nodes[0]));
}

TEST_CASE("statistics are the sums over all patches, whatever the thread count") {
  std::mt19937 random(9);
  Windows rows;
  rows.size = rows.channels = rows.whole = 53;
  rows.rows = 4;
  std::vector<std::vector<float>> exact, quantized;
  std::vector<Pair> pairs;
  const std::vector<int64_t> dims{700, 53};
  for (int i = 0; i < 3; ++i) {
    exact.push_back(noise(700 * 53, random));
    quantized.push_back(noise(700 * 53, random));
  }
  for (size_t i = 0; i < 3; ++i) pairs.push_back({exact[i], quantized[i], dims});
  Gram gram = gather(rows, pairs, {1, 0, 1})[0];
  const Gram again = gather(rows, pairs, {1, 0, 3})[0];
  CHECK(gram.quantized == again.quantized);
  CHECK(gram.lost == again.lost);
  REQUIRE(gram.samples == 2100);
  double lost = 0, square = 0, sum = 0, lost_sum = 0;
  for (size_t i = 0; i < 3; ++i)
    for (size_t p = 0; p < 700; ++p) {
      const auto x = static_cast<double>(exact[i][p * 53 + 50]),
                 xq = static_cast<double>(quantized[i][p * 53 + 50]),
                 other = static_cast<double>(quantized[i][p * 53 + 7]);
      lost += (x - xq) * other;
      square += xq * other;
      sum += x;
      lost_sum += x - xq;
    }
  CHECK(gram.lost[50 * 53 + 7] == Approx(lost).margin(1e-3));
  CHECK(gram.quantized[50 * 53 + 7] == Approx(square).margin(1e-3));
  CHECK(gram.quantized[7 * 53 + 50] == gram.quantized[50 * 53 + 7]);
  CHECK(gram.sum_float[50] == Approx(sum).margin(1e-3));
  centre(gram);
  CHECK(gram.lost[50 * 53 + 7] == Approx(lost - lost_sum * gram.sum_quantized[7] / 2100).margin(1e-3));
}

TEST_CASE("large inputs are sampled, the same positions in both networks") {
  std::mt19937 random(2);
  Windows rows;
  rows.size = rows.channels = rows.whole = 5;
  rows.rows = 1;
  const std::vector<float> x = noise(2000 * 5, random);
  const std::vector<int64_t> dims{2000, 5};
  const Pair pair{x, x, dims};
  const Gram gram = gather(rows, {&pair, 1}, {4, 0, 1})[0];
  CHECK(gram.samples < 784);
  CHECK(gram.samples > 100);
  CHECK(gram.sum_float == gram.sum_quantized);
  for (const double lost : gram.lost) CHECK(lost == 0);
  CHECK(gather(rows, {&pair, 1}, {5, 0, 1})[0].sum_float != gram.sum_float);
  CHECK(gather(rows, {&pair, 1}, {4, 60, 1})[0].samples == 60);
}

TEST_CASE("what a result is added to counts with what its error has to do with the patches") {
  std::mt19937 random(3);
  const Shape s =
      GENERATE(Shape{"Conv", {2, 4, 7, 6}, {6, 2, 3, 2}, {2, 1}, {1, 1}, {1, 0, 1, 0}, 2},
               Shape{"ConvTranspose", {2, 4, 4, 5}, {4, 3, 3, 2}, {2, 1}, {1, 2}, {1, 0, 0, 1}, 1});
  const int64_t height = s.group == 2 ? 4 : 8, width = s.group == 2 ? 5 : 6;
  const std::vector<float> x = noise(ir::element_count(s.input), random),
                           xq = noise(ir::element_count(s.input), random);
  const ir::Graph graph =
      graph_of(s, std::vector<float>(static_cast<size_t>(ir::element_count(s.weight)), 0.0f));
  const auto windows = windows_of(graph, graph.nodes[0]);
  REQUIRE(windows);
  const int64_t channels = windows->groups * windows->rows, area = height * width;
  REQUIRE(positions(*windows, s.input) == s.input[0] * area);
  const std::vector<float> skip = noise(s.input[0] * channels * area, random),
                           skip_q = noise(s.input[0] * channels * area, random);
  const Pair pair{x, xq, s.input, skip, skip_q};
  const std::vector<Gram> grams = gather(*windows, {&pair, 1}, {1, 0, 2});
  for (int64_t g = 0; g < windows->groups; ++g)
    for (int64_t r = 0; r < windows->rows; ++r)
      for (int64_t e = 0; e < windows->size; ++e) {
        // A weight that picks element e of each patch.
        std::vector<float> pick(static_cast<size_t>(ir::element_count(s.weight)), 0.0f);
        pick[weight_offset(*windows, g, r, e)] = 1;
        const std::vector<double> picked = convolved(s, xq, pick, height, width);
        double wanted = 0, sum = 0;
        for (int64_t n = 0; n < s.input[0]; ++n)
          for (int64_t p = 0; p < area; ++p) {
            const auto at = static_cast<size_t>((n * channels + g * windows->rows + r) * area + p);
            const double error = static_cast<double>(skip[at] - skip_q[at]);
            wanted += error * picked[at];
            sum += error;
          }
        const Gram& gram = grams[g];
        CHECK(gram.skip[r * windows->size + e] == Approx(wanted).margin(1e-3));
        CHECK(gram.sum_skip[r] == Approx(sum).margin(1e-3));
      }
}
