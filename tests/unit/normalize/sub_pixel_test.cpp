// ConvTranspose as a convolution and DepthToSpace: the same numbers for every kernel, stride and padding, in
// front of it the activation, and where it pays on ONNX Runtime.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;
using normalize::SubPixel;

namespace {

int always(ir::Graph& g) {
  return normalize::sub_pixel(g, SubPixel::kAlways);
}
int where_it_pays(ir::Graph& g) {
  return normalize::sub_pixel(g, SubPixel::kOnnxRuntime);
}

/// A ConvTranspose of 3 channels to 2, on 5x4.
ir::ValueId up(ir::Graph& g, Dims kernel, Attributes attributes, bool bias = true) {
  Dims shape{3, 2};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  std::vector<ir::ValueId> inputs{input(g, "x", {1, 3, 5, 4}), constant(g, random_tensor(shape, 7))};
  if (bias) inputs.push_back(constant(g, random_tensor({2}, 8)));
  return node(g, "ConvTranspose", inputs, std::move(attributes));
}

Attributes with_stride(int64_t stride, Attributes more = {}) {
  more.push_back({"strides", Dims{stride, stride}});
  return more;
}

}  // namespace

TEST_CASE("a ConvTranspose is a convolution and DepthToSpace, whatever its window", "[normalize]") {
  const auto stride = GENERATE(range(int64_t{2}, int64_t{5}));
  const auto height = stride + GENERATE(range(int64_t{0}, int64_t{7}));
  for (int64_t pad = 0; pad < std::min<int64_t>(height, 4); ++pad)
    for (int64_t surplus = 0; surplus < stride; ++surplus) {
      const int64_t width = stride + height % 4;
      INFO("stride " << stride << ", kernel " << height << "x" << width << ", pad " << pad << ", surplus "
                     << surplus);
      ir::Graph g = graph();
      output(g, up(g, {height, width},
                   with_stride(stride,
                               {{"pads", Dims{pad, 1, pad / 2, 0}}, {"output_padding", Dims{surplus, 0}}}),
                   pad > 0));
      const auto result = try_rewrite::outcome(g, always);
      CHECK(result.count == 1);
      CHECK(result.change < 1e-5);
      const ir::Node& made = ir::node_at(result.graph, only(result.graph, "Conv"));
      const Dims taps{(height + stride - 1) / stride, (width + stride - 1) / stride};
      CHECK(value(result.graph, made.inputs[1]).dims == Dims{2 * stride * stride, 3, taps[0], taps[1]});
    }
}

TEST_CASE("a signal is as long as ConvTranspose makes it", "[normalize]") {
  const auto stride = GENERATE(range(int64_t{2}, int64_t{5}));
  const auto length = stride + GENERATE(range(int64_t{0}, int64_t{6}));
  for (int64_t pad = 0; pad < std::min<int64_t>(length, 4); ++pad)
    for (int64_t surplus = 0; surplus < stride; ++surplus) {
      INFO("stride " << stride << ", kernel " << length << ", pad " << pad << ", surplus " << surplus);
      ir::Graph g = graph();
      const auto x = input(g, "x", {2, 3, 7});
      output(
          g,
          node(g, "ConvTranspose",
               {x, constant(g, random_tensor({3, 2, length}, 7)), constant(g, random_tensor({2}, 8))},
               {{"strides", Dims{stride}}, {"pads", Dims{pad, pad / 2}}, {"output_padding", Dims{surplus}}}));
      const auto result = try_rewrite::outcome(g, always);
      CHECK(result.count == 1);
      CHECK(result.change < 1e-5);
    }
}

TEST_CASE("which ConvTranspose are convolutions and DepthToSpace", "[normalize]") {
  try_rewrite::check(
      {
          {"no overlap, nothing to cut off",
           [](ir::Graph& g) {
             output(g, up(g, {2, 2}, with_stride(2)));
           },
           1, "Conv DepthToSpace"},
          {"cut off at the end",
           [](ir::Graph& g) {
             output(g, up(g, {3, 3}, with_stride(2, {{"pads", Dims{1, 1, 1, 1}}})));
           },
           1, "Conv DepthToSpace Slice"},
          {"auto_pad",
           [](ir::Graph& g) {
             output(g, up(g, {3, 3}, with_stride(2, {{"auto_pad", std::string("SAME_UPPER")}})));
           },
           1, "Conv DepthToSpace"},
          {"the other auto_pad",
           [](ir::Graph& g) {
             output(g, up(g, {3, 3}, with_stride(2, {{"auto_pad", std::string("SAME_LOWER")}})));
           },
           1, "Conv DepthToSpace"},
          {"a size that is named",
           [](ir::Graph& g) {
             output(g, up(g, {4, 4}, with_stride(2, {{"output_shape", Dims{9, 8}}})));
           },
           1, "Conv DepthToSpace Slice"},
          {"sizes known when it runs",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {-1, 3, -1, -1});
             output(g, node(g, "ConvTranspose", {x, constant(g, random_tensor({3, 2, 4, 4}, 7))},
                            with_stride(2, {{"pads", Dims{1, 1, 1, 1}}})));
           },
           1, "Conv DepthToSpace Slice"},
          {"an activation goes in front",
           [](ir::Graph& g) {
             output(g, relu(g, up(g, {2, 2}, with_stride(2))));
           },
           1, "Conv Relu DepthToSpace"},
          {"its result is an output, too",
           [](ir::Graph& g) {
             const auto y = up(g, {2, 2}, with_stride(2));
             output(g, y, "y");
             output(g, clip(g, y, 0, 6), "z");
           },
           1, "Conv DepthToSpace Clip"},
          {"not: groups",
           [](ir::Graph& g) {
             output(g, conv_transpose(g, input(g, "x", {1, 4, 5, 4}), 4, {.stride = 2, .groups = 2}));
           },
           0, "ConvTranspose"},
          {"not: every position",
           [](ir::Graph& g) {
             output(g, up(g, {2, 2}, with_stride(1)));
           },
           0, "ConvTranspose"},
          {"not: phases of nothing",
           [](ir::Graph& g) {
             output(g, up(g, {3, 2}, with_stride(3)));
           },
           0, "ConvTranspose"},
          {"not: spread taps",
           [](ir::Graph& g) {
             output(g, up(g, {2, 2}, with_stride(2, {{"dilations", Dims{2, 2}}})));
           },
           0, "ConvTranspose"},
          {"not: strides that differ",
           [](ir::Graph& g) {
             output(g, up(g, {2, 2}, {{"strides", Dims{2, 3}}}));
           },
           0, "ConvTranspose"},
          {"not: more cut off than a kernel reaches",
           [](ir::Graph& g) {
             output(g, up(g, {2, 2}, with_stride(2, {{"pads", Dims{4, 0, 0, 0}}})));
           },
           0, "ConvTranspose"},
          {"a signal",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {1, 3, 5});
             output(g, node(g, "ConvTranspose", {x, constant(g, random_tensor({3, 2, 2}, 7))},
                            {{"strides", Dims{2}}}));
           },
           1, "Conv Transpose Reshape Transpose"},
          {"a signal of any length, cut off, with an activation",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {-1, 3, -1});
             output(g, relu(g, node(g, "ConvTranspose", {x, constant(g, random_tensor({3, 2, 8}, 7))},
                                    {{"strides", Dims{4}}, {"pads", Dims{2, 1}}})));
           },
           1, "Conv Relu Transpose Reshape Transpose Slice"},
          {"not: a volume",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {1, 3, 5, 4, 3});
             output(g, node(g, "ConvTranspose", {x, constant(g, random_tensor({3, 2, 2, 2, 2}, 7))},
                            {{"strides", Dims{2, 2, 2}}}));
           },
           0, "ConvTranspose"},
      },
      always);
}

TEST_CASE("ONNX Runtime gets convolutions where kernels overlap and channels are many", "[normalize]") {
  const auto layer = [](int64_t in, int64_t out, int64_t kernel) {
    return [=](ir::Graph& g) {
      const auto x = input(g, "x", {1, in, 5, 4});
      output(g, conv_transpose(g, x, out, {.kernel = kernel, .stride = 2, .pad = (kernel - 1) / 2}));
    };
  };
  try_rewrite::check({{"overlap", layer(16, 4, 4), 1, "Conv DepthToSpace Slice"},
                      {"none", layer(16, 4, 2), 0, "ConvTranspose"},
                      {"few are read", layer(3, 4, 4), 0, "ConvTranspose"},
                      {"few are made", layer(16, 2, 4), 0, "ConvTranspose"},
                      {"a narrow window", layer(16, 5, 3), 0, "ConvTranspose"},
                      {"a narrow window of many", layer(16, 6, 3), 1, "Conv DepthToSpace Slice"},
                      {"a signal",
                       [](ir::Graph& g) {
                         const auto x = input(g, "x", {1, 16, 20});
                         output(g, node(g, "ConvTranspose", {x, constant(g, random_tensor({16, 16, 4}, 7))},
                                        {{"strides", Dims{2}}}));
                       },
                       0, "ConvTranspose"}},
                     where_it_pays);
}

TEST_CASE("a rewritten ConvTranspose keeps its name, and its result the name it had", "[normalize]") {
  ir::Graph g = graph();
  output(g, relu(g, up(g, {4, 4}, with_stride(2, {{"pads", Dims{1, 1, 1, 1}}}))), "result");
  const std::string name = ir::node_at(g, only(g, "ConvTranspose")).name;
  CHECK(always(g) == 1);
  CHECK(ir::node_at(g, only(g, "Conv")).name == name);
  CHECK(value(g, g.outputs[0]).name == "result");
  for (const char* added : {"DepthToSpace", "Slice"})
    CHECK(ir::node_at(g, only(g, added)).origin == std::vector<std::string>{name});
}
