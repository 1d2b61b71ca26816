// Pads: as nodes, as attributes in every spelling, and of pools.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;
using try_rewrite::image, try_rewrite::pad;

namespace {

const Dims kAround = {0, 0, 1, 0, 0, 0, 2, 1};

}  // namespace

TEST_CASE("auto_pad becomes explicit pads", "[normalize]") {
  const auto make = [](ir::Graph& g, Dims x, int64_t kernel, int64_t stride, const char* mode) {
    output(g, conv(g, input(g, "x", x), 3, {.kernel = kernel, .stride = stride, .pad = 0}));
    ir::remove_attribute(g.nodes.back(), "pads");
    ir::set_attribute(g.nodes.back(), "auto_pad", std::string(mode));
  };
  try_rewrite::check(
      {
          {"SAME_UPPER, even size",
           [&](ir::Graph& g) {
             make(g, {1, 2, 8, 8}, 3, 2, "SAME_UPPER");
           },
           1, "Conv"},
          {"SAME_LOWER, even size",
           [&](ir::Graph& g) {
             make(g, {1, 2, 8, 8}, 3, 2, "SAME_LOWER");
           },
           1, "Conv"},
          {"SAME_UPPER, odd size",
           [&](ir::Graph& g) {
             make(g, {1, 2, 7, 9}, 5, 2, "SAME_UPPER");
           },
           1, "Conv"},
          {"stride larger than the kernel",
           [&](ir::Graph& g) {
             make(g, {1, 2, 7, 9}, 1, 2, "SAME_UPPER");
           },
           1, "Conv"},
          {"VALID",
           [&](ir::Graph& g) {
             make(g, {1, 2, 7, 9}, 3, 2, "VALID");
           },
           1, "Conv"},
          {"stride 1 needs no size",
           [&](ir::Graph& g) {
             make(g, {1, 2, -1, -1}, 3, 1, "SAME_UPPER");
           },
           1, "Conv"},
          {"not: size unknown",
           [&](ir::Graph& g) {
             make(g, {1, 2, -1, -1}, 3, 2, "SAME_UPPER");
           },
           0, "Conv"},
          {"not: NOTSET",
           [&](ir::Graph& g) {
             make(g, {1, 2, 8, 8}, 3, 2, "NOTSET");
           },
           0, "Conv"},
          {"AveragePool",
           [](ir::Graph& g) {
             output(g, node(g, "AveragePool", {image(g)},
                            {{"kernel_shape", Dims{3, 3}},
                             {"strides", Dims{2, 2}},
                             {"auto_pad", std::string("SAME_UPPER")}}));
           },
           1, "AveragePool"},
      },
      normalize::explicit_pads);
}

TEST_CASE("pads of transposed convolutions and dilated pools are those of the runtime", "[normalize]") {
  const auto up = [](Dims kernel, tiny::Attributes attributes) {
    return [=](ir::Graph& g) {
      const ir::ValueId weight = tiny::constant(g, tiny::random_tensor({2, 3, kernel[0], kernel[1]}, 5));
      output(g, node(g, "ConvTranspose", {input(g, "x", {1, 2, 7, 7}), weight}, attributes));
    };
  };
  const auto pool = [](const char* op, int64_t stride, const char* mode) {
    return [=](ir::Graph& g) {
      output(g, node(g, op, {input(g, "x", {1, 2, 9, 7})},
                     {{"kernel_shape", Dims{2, 3}},
                      {"strides", Dims{stride, stride}},
                      {"dilations", Dims{2, 2}},
                      {"auto_pad", std::string(mode)}}));
    };
  };
  const auto two = ir::Attribute{"strides", Dims{2, 2}};
  const auto more = ir::Attribute{"output_padding", Dims{1, 1}};
  const auto upper = ir::Attribute{"auto_pad", std::string("SAME_UPPER")};
  const auto lower = ir::Attribute{"auto_pad", std::string("SAME_LOWER")};
  try_rewrite::check(
      {
          {"SAME_UPPER", up({3, 4}, {two, upper}), 1, "ConvTranspose"},
          {"SAME_LOWER", up({3, 4}, {two, lower}), 1, "ConvTranspose"},
          {"SAME_UPPER and output_padding", up({6, 6}, {two, upper, more}), 1, "ConvTranspose"},
          {"SAME_LOWER and output_padding", up({6, 5}, {two, lower, more}), 1, "ConvTranspose"},
          {"a result below the input", up({1, 3}, {{"output_shape", Dims{6, 6}}}), 1, "ConvTranspose"},
          {"a result beyond the windows",
           up({2, 2}, {{"strides", Dims{3, 1}}, {"output_shape", Dims{21, 6}}}), 1, "ConvTranspose"},
          {"AveragePool", pool("AveragePool", 1, "SAME_UPPER"), 1, "AveragePool", 19},
          {"MaxPool", pool("MaxPool", 2, "SAME_LOWER"), 1, "MaxPool", 19},
          {"not: a stride beyond the kernel", pool("MaxPool", 3, "SAME_UPPER"), 0, "MaxPool", 19},
      },
      normalize::explicit_pads);
}

TEST_CASE("ceil_mode becomes pads where a window would lie beyond the input", "[normalize]") {
  const auto pool = [](const char* op, Dims kernel, Dims pads) {
    return [=](ir::Graph& g) {
      output(g, node(g, op, {image(g)},
                     {{"kernel_shape", kernel},
                      {"strides", Dims{2, 2}},
                      {"pads", pads},
                      {"ceil_mode", int64_t{1}}}));
    };
  };
  try_rewrite::check(
      {
          {"MaxPool", pool("MaxPool", {2, 2}, {0, 0, 1, 1}), 1, "MaxPool"},
          {"a single cell", pool("MaxPool", {1, 1}, {0, 0, 0, 0}), 1, "MaxPool"},
          {"AveragePool", pool("AveragePool", {2, 2}, {0, 0, 1, 1}), 1, "AveragePool"},
          {"not: every window begins inside", pool("MaxPool", {3, 3}, {1, 1, 1, 1}), 0, "MaxPool"},
          {"not: the mean counts its padding",
           [](ir::Graph& g) {
             output(g, node(g, "AveragePool", {image(g)},
                            {{"kernel_shape", Dims{2, 2}},
                             {"strides", Dims{2, 2}},
                             {"pads", Dims{0, 0, 1, 1}},
                             {"count_include_pad", int64_t{1}},
                             {"ceil_mode", int64_t{1}}}));
           },
           0, "AveragePool"},
      },
      normalize::ceil_pads);
}

TEST_CASE("explicit pads say what SAME meant", "[normalize]") {
  ir::Graph g = graph();
  output(g, conv(g, input(g, "x", {1, 2, 8, 7}), 3, {.stride = 2}));
  ir::set_attribute(g.nodes.back(), "auto_pad", std::string("SAME_UPPER"));
  REQUIRE(normalize::explicit_pads(g) == 1);
  CHECK(ir::ints_attribute(g.nodes.back(), "pads") == Dims{0, 1, 1, 1});
  CHECK(ir::find_attribute(g.nodes.back(), "auto_pad") == nullptr);
}

TEST_CASE("a Pad becomes the padding of what follows where that is the same", "[normalize]") {
  try_rewrite::check(
      {
          {"Conv", [](ir::Graph& g) { output(g, conv(g, pad(g, image(g), kAround), 3)); }, 1, "Conv"},
          {"Conv before opset 11",
           [](ir::Graph& g) { output(g, conv(g, pad(g, image(g), kAround), 3, {.pad = 0})); }, 1, "Conv", 9},
          {"two convolutions",
           [](ir::Graph& g) {
             const auto padded = pad(g, image(g), kAround);
             output(g, conv(g, padded, 3));
             output(g, conv(g, padded, 3, {.kernel = 1, .pad = 0}));
           },
           2, "Conv Conv"},
          {"a convolution beside another reader",
           [](ir::Graph& g) {
             const auto padded = pad(g, image(g), kAround);
             output(g, conv(g, padded, 3));
             output(g, relu(g, padded));
           },
           1, "Pad Conv Relu"},
          {"AveragePool",
           [](ir::Graph& g) {
             output(g, average_pool(g, pad(g, image(g), {0, 0, 1, 1, 0, 0, 1, 1})));
           },
           1, "AveragePool"},
          {"MaxPool behind a Relu",
           [](ir::Graph& g) {
             output(g, max_pool(g, pad(g, relu(g, image(g)), {0, 0, 1, 1, 0, 0, 1, 1})));
           },
           1, "Relu MaxPool"},
          {"axes as an input",
           [](ir::Graph& g) {
             const auto x = image(g);
             output(g, conv(g,
                            node(g, "Pad", {x, constant_i(g, {1, 2}), constant(g, 0.0f), constant_i(g, {-1})},
                                 {}, Dims{2, 4, 6, 8}),
                            3));
           },
           1, "Conv", 18},
          {"not: padded with ones", [](ir::Graph& g) { output(g, conv(g, pad(g, image(g), kAround, 1), 3)); },
           0, "Pad Conv"},
          {"not: reflected",
           [](ir::Graph& g) { output(g, conv(g, pad(g, image(g), kAround, 0, "reflect"), 3)); }, 0,
           "Pad Conv"},
          {"not: channels padded",
           [](ir::Graph& g) {
             output(g, conv(g, pad(g, image(g), {0, 1, 0, 0, 0, 0, 0, 0}), 3));
           },
           0, "Pad Conv"},
          {"not: cropped",
           [](ir::Graph& g) {
             output(g, conv(g, pad(g, image(g), {0, 0, -1, 0, 0, 0, 1, 0}), 3));
           },
           0, "Pad Conv"},
          {"not: MaxPool of numbers below zero",
           [](ir::Graph& g) {
             output(g, max_pool(g, pad(g, image(g), {0, 0, 1, 1, 0, 0, 1, 1})));
           },
           0, "Pad MaxPool"},
          {"not: AveragePool with padding of its own",
           [](ir::Graph& g) {
             output(g, average_pool(g, pad(g, image(g), {0, 0, 1, 1, 0, 0, 1, 1}), 3, 1, 1));
           },
           0, "Pad AveragePool"},
          {"not: a window that misses the picture",
           [](ir::Graph& g) {
             output(g, max_pool(g, pad(g, relu(g, image(g)), {0, 0, 2, 2, 0, 0, 2, 2})));
           },
           0, "Relu Pad MaxPool"},
      },
      normalize::fold_pad);
}

TEST_CASE("padding that fills whole windows of a pool comes behind it", "[normalize]") {
  const auto pool = [](const char* op, Dims pads, int64_t kernel, int64_t stride, float with = 0) {
    return [=](ir::Graph& g) {
      output(g, node(g, op, {pad(g, image(g), pads, with)},
                     {{"kernel_shape", Dims{kernel, kernel}}, {"strides", Dims{stride, stride}}}));
    };
  };
  try_rewrite::check(
      {
          {"a ring", pool("AveragePool", {0, 0, 2, 2, 0, 0, 2, 2}, 2, 2), 1, "Pad AveragePool Pad"},
          {"of ones", pool("AveragePool", {0, 0, 2, 2, 0, 0, 2, 2}, 2, 2, 1), 1, "Pad AveragePool Pad"},
          {"numbers below zero", pool("MaxPool", {0, 0, 2, 0, 0, 0, 2, 0}, 2, 2), 1, "MaxPool Pad"},
          {"numbers that are not below zero",
           [](ir::Graph& g) {
             output(g, max_pool(g, pad(g, relu(g, image(g)), {0, 0, 2, 2, 0, 0, 2, 2})));
           },
           1, "Relu Pad MaxPool Pad"},
          {"not: zeros beside numbers below zero", pool("MaxPool", {0, 0, 2, 2, 0, 0, 2, 2}, 2, 2), 0,
           "Pad MaxPool"},
          {"a part stays", pool("MaxPool", {0, 0, 5, 4, 0, 0, 3, 6}, 3, 2, -1), 1, "Pad MaxPool Pad"},
          {"overlapping windows", pool("AveragePool", {0, 0, 7, 0, 0, 0, 1, 5}, 3, 1), 1,
           "Pad AveragePool Pad"},
          {"what no window reads goes", pool("MaxPool", {0, 0, 0, 0, 0, 0, 0, 3}, 3, 3, 1), 1, "Pad MaxPool"},
          {"windows of one pixel", pool("MaxPool", {0, 0, 1, 1, 0, 0, 1, 1}, 1, 1), 1, "MaxPool Pad"},
          {"not: smaller than a window", pool("MaxPool", {0, 0, 2, 2, 0, 0, 2, 2}, 3, 2), 0, "Pad MaxPool"},
          {"not: windows with gaps between them", pool("MaxPool", {0, 0, 2, 2, 0, 0, 2, 2}, 2, 3), 0,
           "Pad MaxPool"},
          {"not: channels padded", pool("MaxPool", {0, 1, 2, 2, 0, 0, 2, 2}, 2, 2), 0, "Pad MaxPool"},
          {"not: the size is not known",
           [](ir::Graph& g) {
             output(g, max_pool(g, pad(g, relu(g, input(g, "x", {2, 4, -1, -1})), {0, 0, 3, 3, 0, 0, 3, 3})));
           },
           0, "Relu Pad MaxPool"},
      },
      normalize::pad_behind);
}
