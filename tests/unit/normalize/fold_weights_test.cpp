// Scales and shifts that go into weights: from behind, from before, and where they must stay out.
#include <catch2/catch.hpp>

#include "normalize/rewrites.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;
using try_rewrite::Case, try_rewrite::image;

namespace {

ir::ValueId rows(ir::Graph& g, int64_t features = 6) {
  return input(g, "x", {3, features});
}
ir::ValueId per_channel(ir::Graph& g, int64_t channels, unsigned seed = 9) {
  return constant(g, random_tensor({channels, 1, 1}, seed, 0.5f, 2.0f));
}

}  // namespace

TEST_CASE("BatchNormalization goes into the weights before it", "[normalize]") {
  try_rewrite::check(
      {
          {"Conv", [](ir::Graph& g) { output(g, batch_norm(g, conv(g, image(g), 6))); }, 1, "Conv"},
          {"Conv without bias",
           [](ir::Graph& g) { output(g, batch_norm(g, conv(g, image(g), 6, {.bias = false}))); }, 1, "Conv"},
          {"depthwise Conv",
           [](ir::Graph& g) { output(g, batch_norm(g, conv(g, image(g), 4, {.groups = 4}))); }, 1, "Conv"},
          {"grouped Conv",
           [](ir::Graph& g) { output(g, batch_norm(g, conv(g, image(g), 6, {.groups = 2}))); }, 1, "Conv"},
          {"ConvTranspose",
           [](ir::Graph& g) { output(g, batch_norm(g, conv_transpose(g, image(g), 6, {.stride = 2}))); }, 1,
           "ConvTranspose"},
          {"grouped ConvTranspose",
           [](ir::Graph& g) { output(g, batch_norm(g, conv_transpose(g, image(g), 6, {.groups = 2}))); }, 1,
           "ConvTranspose"},
          {"Gemm", [](ir::Graph& g) { output(g, batch_norm(g, gemm(g, rows(g), 5))); }, 1, "Gemm"},
          {"MatMul of rank 2",
           [](ir::Graph& g) {
             output(g, batch_norm(g, matmul(g, rows(g), constant(g, random_tensor({6, 5}, 3)))));
           },
           1, "Gemm"},
          {"one after the other",
           [](ir::Graph& g) { output(g, batch_norm(g, batch_norm(g, conv(g, image(g), 6)), 20)); }, 2,
           "Conv"},
          {"not: the convolution has another reader",
           [](ir::Graph& g) {
             const auto c = conv(g, image(g), 6);
             output(g, add(g, batch_norm(g, c), c));
           },
           0, "Conv BatchNormalization Add"},
          {"not: the convolution is a graph output",
           [](ir::Graph& g) {
             const auto c = conv(g, image(g), 6);
             output(g, c);
             output(g, batch_norm(g, c));
           },
           0, "Conv BatchNormalization"},
          {"not: something stands between",
           [](ir::Graph& g) { output(g, batch_norm(g, relu(g, conv(g, image(g), 6)))); }, 0,
           "Conv Relu BatchNormalization"},
          {"not: Gemm with alpha",
           [](ir::Graph& g) {
             const auto y = gemm(g, rows(g), 5);
             ir::set_attribute(g.nodes.back(), "alpha", 2.0f);
             output(g, batch_norm(g, y));
           },
           0, "Gemm BatchNormalization"},
      },
      normalize::fold_batch_norm);
}

TEST_CASE("a BatchNormalization with a variance of nothing stays", "[normalize]") {
  ir::Graph g = graph();
  const auto y = batch_norm(g, conv(g, image(g), 6));
  ir::set_input(g, only(g, "BatchNormalization"), 4, constant(g, filled({6}, -1.0f)));
  output(g, y);
  CHECK(normalize::fold_batch_norm(g) == 0);
}

TEST_CASE("BatchNormalization in training mode stays", "[normalize]") {
  ir::Graph g = graph(15);
  output(g, batch_norm(g, conv(g, image(g), 6)));
  ir::set_attribute(g.nodes.back(), "training_mode", int64_t{1});
  CHECK(normalize::fold_batch_norm(g) == 0);
  ir::Graph old = graph(13);  // which says so by naming outputs
  output(old, batch_norm(old, conv(old, image(old), 6)));
  for (size_t i = 1; i < 5; ++i)
    ir::set_output(old, only(old, "BatchNormalization"), i, ir::add_value(old, "m", ir::DType::kFloat));
  CHECK(normalize::fold_batch_norm(old) == 0);
}

TEST_CASE("weights that two nodes share are changed for one of them only", "[normalize]") {
  ir::Graph g = graph();
  const auto x = image(g);
  const auto first = conv(g, x, 6);
  const auto weight = producer(g, first).inputs[1];
  const auto second = node(g, "Conv", {x, weight}, {{"pads", Dims{1, 1, 1, 1}}});
  output(g, batch_norm(g, first));
  output(g, second);
  const auto result = try_rewrite::outcome(g, normalize::fold_batch_norm);
  CHECK(result.count == 1);
  CHECK(result.change < 1e-5);
}

TEST_CASE("the folded convolution carries the last name and both origins", "[normalize]") {
  ir::Graph g = graph();
  const auto y = batch_norm(g, conv(g, image(g), 6));
  output(g, y, "normalized");
  normalize::fold_batch_norm(g);
  CHECK(producer(g, y).op_type == "Conv");
  CHECK(producer(g, y).origin == std::vector<std::string>{"Conv", "BatchNormalization"});
  CHECK(value(g, y).name == "normalized");
}

TEST_CASE("a constant scale or shift goes into the weights before it", "[normalize]") {
  try_rewrite::check(
      {
          {"Add of [C,1,1]", [](ir::Graph& g) { output(g, add(g, conv(g, image(g), 6), per_channel(g, 6))); },
           1, "Conv"},
          {"Add in front: [1,C,1,1] + y",
           [](ir::Graph& g) {
             output(g, add(g, constant(g, random_tensor({1, 6, 1, 1}, 5)),
                           conv(g, image(g), 6, {.bias = false})));
           },
           1, "Conv"},
          {"Mul by one number",
           [](ir::Graph& g) { output(g, mul(g, conv(g, image(g), 6), constant_f(g, {0.25f}))); }, 1, "Conv"},
          {"Div by channels",
           [](ir::Graph& g) {
             output(g, node(g, "Div", {conv(g, image(g), 6), per_channel(g, 6)}));
           },
           1, "Conv"},
          {"Sub of a constant",
           [](ir::Graph& g) {
             output(g, node(g, "Sub", {conv(g, image(g), 6), per_channel(g, 6)}));
           },
           1, "Conv"},
          {"constant minus y",
           [](ir::Graph& g) {
             output(g, node(g, "Sub", {per_channel(g, 6), conv(g, image(g), 6)}));
           },
           1, "Conv"},
          {"a chain",
           [](ir::Graph& g) {
             output(g, add(g, mul(g, conv(g, image(g), 6), per_channel(g, 6)), per_channel(g, 6, 8)));
           },
           2, "Conv"},
          {"grouped ConvTranspose",
           [](ir::Graph& g) {
             output(g, mul(g, conv_transpose(g, image(g), 6, {.groups = 2}), per_channel(g, 6)));
           },
           1, "ConvTranspose"},
          {"Gemm and [N]",
           [](ir::Graph& g) { output(g, add(g, gemm(g, rows(g), 5), constant(g, random_tensor({5}, 2)))); },
           1, "Gemm"},
          {"Gemm and [1,N]",
           [](ir::Graph& g) {
             output(g, mul(g, gemm(g, rows(g), 5), constant(g, random_tensor({1, 5}, 2))));
           },
           1, "Gemm"},
          {"MatMul and a scale",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {2, 3, 6});
             output(g, mul(g, matmul(g, x, constant(g, random_tensor({6, 5}, 3))),
                           constant(g, random_tensor({5}, 2))));
           },
           1, "MatMul"},
          {"not: MatMul and a shift",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {2, 3, 6});
             output(g, add(g, matmul(g, x, constant(g, random_tensor({6, 5}, 3))),
                           constant(g, random_tensor({5}, 2))));
           },
           0, "MatMul Add"},
          {"not: another constant for each column",
           [](ir::Graph& g) { output(g, add(g, conv(g, image(g), 6), constant(g, random_tensor({5}, 2)))); },
           0, "Conv Add"},
          {"not: the constant makes channels out of one",
           [](ir::Graph& g) { output(g, add(g, conv(g, image(g), 1), per_channel(g, 6))); }, 0, "Conv Add"},
          {"not: the constant has more dimensions",
           [](ir::Graph& g) {
             output(g, add(g, conv(g, image(g), 6), constant(g, random_tensor({1, 1, 6, 1, 1}, 2))));
           },
           0, "Conv Add"},
          {"not: the convolution has another reader",
           [](ir::Graph& g) {
             const auto c = conv(g, image(g), 6);
             output(g, add(g, c, per_channel(g, 6)));
             output(g, relu(g, c));
           },
           0, "Conv Add Relu"},
          {"not: a graph output in between",
           [](ir::Graph& g) {
             const auto c = conv(g, image(g), 6);
             output(g, c);
             output(g, add(g, c, per_channel(g, 6)));
           },
           0, "Conv Add"},
          {"not: the other operand is computed",
           [](ir::Graph& g) {
             const auto c = conv(g, image(g), 6);
             output(g, add(g, c, relu(g, input(g, "y", {6, 1, 1}))));
           },
           0, "Conv Relu Add"},
          {"not: constant divided by y",
           [](ir::Graph& g) {
             output(g, node(g, "Div", {per_channel(g, 6), conv(g, image(g), 6)}));
           },
           0, "Conv Div"},
          {"not: something stands between",
           [](ir::Graph& g) {
             output(g, node(g, "Div", {relu(g, conv(g, image(g), 6)), constant(g, 2.0f)}));
           },
           0, "Conv Relu Div"},
      },
      normalize::fold_affine);
}

TEST_CASE("a division by zero stays a division", "[normalize]") {
  ir::Graph g = graph();
  output(g, node(g, "Div", {conv(g, image(g), 6), constant(g, 0.0f)}));
  const std::string before = ir::dump(g);
  CHECK(normalize::fold_affine(g) == 0);
  CHECK(ir::dump(g) == before);
}

TEST_CASE("weights that are not constant stay out of every folding", "[normalize]") {
  ir::Graph g = graph();
  const auto w = input(g, "w", {6, 4, 3, 3});
  output(g, add(g, batch_norm(g, node(g, "Conv", {image(g), w})), per_channel(g, 6)));
  CHECK(normalize::fold_batch_norm(g) == 0);
  CHECK(normalize::fold_affine(g) == 0);
  CHECK(normalize::fold_forward(g) == 0);
}

TEST_CASE("HardSigmoid behind a convolution becomes a Clip", "[normalize]") {
  try_rewrite::check(
      {
          {"Conv",
           [](ir::Graph& g) {
             output(g, node(g, "HardSigmoid", {conv(g, image(g), 6)}, {{"alpha", 0.3f}, {"beta", 0.4f}}));
           },
           1, "Conv Clip"},
          {"Gemm, attributes left out",
           [](ir::Graph& g) { output(g, node(g, "HardSigmoid", {gemm(g, rows(g), 5)})); }, 1, "Gemm Clip"},
          {"bounds as attributes before opset 11",
           [](ir::Graph& g) { output(g, node(g, "HardSigmoid", {conv(g, image(g), 6)})); }, 1, "Conv Clip",
           9},
          {"not: HardSwish reads the convolution too",
           [](ir::Graph& g) {
             const auto c = conv(g, image(g), 6);
             output(g, mul(g, c, node(g, "HardSigmoid", {c})));
           },
           0, "Conv HardSigmoid Mul"},
      },
      normalize::fold_hard_sigmoid);
}

TEST_CASE("a scale or shift goes into the weights behind it where that is exact", "[normalize]") {
  const Attributes padded = {{"pads", Dims{1, 1, 1, 1}}};
  try_rewrite::check(
      {
          {"scale before a padded Conv",
           [](ir::Graph& g) { output(g, conv(g, mul(g, image(g), per_channel(g, 4)), 6)); }, 1, "Conv"},
          {"scale before a grouped Conv",
           [](ir::Graph& g) { output(g, conv(g, mul(g, image(g), per_channel(g, 4)), 6, {.groups = 2})); }, 1,
           "Conv"},
          {"shift before an unpadded Conv",
           [](ir::Graph& g) { output(g, conv(g, add(g, image(g), per_channel(g, 4)), 6, {.pad = 0})); }, 1,
           "Conv"},
          {"BatchNormalization before an unpadded grouped Conv",
           [](ir::Graph& g) {
             output(g, conv(g, batch_norm(g, image(g)), 6, {.pad = 0, .groups = 2, .bias = false}));
           },
           1, "Conv"},
          {"BatchNormalization before Gemm",
           [](ir::Graph& g) { output(g, gemm(g, batch_norm(g, rows(g)), 5)); }, 1, "Gemm"},
          {"scale before a ConvTranspose",
           [](ir::Graph& g) {
             output(g, conv_transpose(g, mul(g, image(g), per_channel(g, 4)), 6, {.groups = 2}));
           },
           1, "ConvTranspose"},
          {"a scale gets past a shift that padding holds",
           [](ir::Graph& g) {
             output(g, conv(g, add(g, mul(g, image(g), constant(g, 0.5f)), constant(g, 3.0f)), 6));
           },
           1, "Add Conv"},
          {"the same for channels",
           [](ir::Graph& g) {
             output(g, conv(g, add(g, mul(g, image(g), per_channel(g, 4)), per_channel(g, 4, 8)), 6));
           },
           1, "Add Conv"},
          {"a quotient by a number",
           [](ir::Graph& g) {
             output(g, conv(g, node(g, "Div", {image(g), constant(g, 255.0f)}), 6));
           },
           1, "Conv"},
          {"a scale before two convolutions",
           [](ir::Graph& g) {
             const auto scaled = mul(g, image(g), per_channel(g, 4));
             output(g, conv(g, scaled, 6));
             output(g, conv(g, scaled, 3, {.groups = 1}, 30));
           },
           1, "Conv Conv"},
          {"scale and shift before one that pads and one that does not",
           [](ir::Graph& g) {
             const auto shifted = add(g, mul(g, image(g), per_channel(g, 4)), per_channel(g, 4, 8));
             output(g, conv(g, shifted, 6, {.pad = 0}));
             output(g, conv(g, shifted, 6, {}, 30));
           },
           1, "Conv Add Conv"},
          {"weights that two readers share",
           [](ir::Graph& g) {
             const auto scaled = mul(g, image(g), per_channel(g, 4));
             const auto first = output(g, conv(g, scaled, 6));
             output(g, node(g, "Conv", {scaled, producer(g, first).inputs[1]}));
           },
           1, "Conv Conv"},
          {"not: shift before a padded Conv",
           [](ir::Graph& g) { output(g, conv(g, add(g, image(g), per_channel(g, 4)), 6)); }, 0, "Add Conv"},
          {"not: BatchNormalization before a padded Conv",
           [](ir::Graph& g) { output(g, conv(g, batch_norm(g, image(g)), 6)); }, 0,
           "BatchNormalization Conv"},
          {"not: shift before a ConvTranspose",
           [](ir::Graph& g) {
             output(g, conv_transpose(g, add(g, image(g), per_channel(g, 4)), 6, {.pad = 0}));
           },
           0, "Add ConvTranspose"},
          {"not: the scaled value has another reader",
           [](ir::Graph& g) {
             const auto scaled = mul(g, image(g), per_channel(g, 4));
             output(g, conv(g, scaled, 6));
             output(g, relu(g, scaled));
           },
           0, "Mul Conv Relu"},
          {"not: the constant makes channels out of one",
           [](ir::Graph& g) { output(g, conv(g, mul(g, image(g, 1), per_channel(g, 4)), 6)); }, 0,
           "Mul Conv"},
          {"not: the end of a GELU",
           [](ir::Graph& g) {
             const auto x = image(g);
             const auto erf = node(g, "Erf", {node(g, "Div", {x, constant(g, static_cast<float>(M_SQRT2))})});
             const auto product = mul(g, x, add(g, erf, constant(g, 1.0f)));
             output(g, conv(g, mul(g, product, constant(g, 0.5f)), 6));
           },
           0, "Div Erf Add Mul Mul Conv"},
          {"not: a scale with a zero past a shift",
           [](ir::Graph& g) {
             const auto s = constant_f(g, {1, 0, 1, 1}, {4, 1, 1});
             output(g, conv(g, add(g, mul(g, image(g), s), per_channel(g, 4)), 6));
           },
           0, "Mul Add Conv"},
      },
      normalize::fold_forward);
}

TEST_CASE("what ONNX Runtime had joined to convolutions and Gemms comes apart", "[normalize]") {
  const auto fused = [](ir::Graph& g, const char* op, std::vector<ir::ValueId> inputs,
                        Attributes attributes) {
    if (g.opset_imports.size() == 1) g.opset_imports.emplace_back("com.microsoft", 1);
    const ir::ValueId y = node(g, op, std::move(inputs), std::move(attributes));
    ir::node_at(g, ir::value_at(g, y).producer).domain = "com.microsoft";
    output(g, y, "y");
  };
  const auto kernel = [](ir::Graph& g) { return constant(g, random_tensor({4, 4, 3, 3}, 3)); };
  const auto bias = [](ir::Graph& g) { return constant(g, random_tensor({4}, 5)); };
  const std::vector<int64_t> pads(4, 1);
  const auto joined = [&](const char* activation, std::vector<float> parameters, const char* ops) {
    return Case{activation,
                [=](ir::Graph& g) {
                  Attributes attributes{{"pads", pads}, {"activation", std::string(activation)}};
                  if (!parameters.empty()) attributes.push_back({"activation_params", parameters});
                  fused(g, "FusedConv", {image(g), kernel(g), bias(g)}, attributes);
                },
                1, ops};
  };
  try_rewrite::check(
      {
          joined("Relu", {}, "Conv Relu"),
          joined("LeakyRelu", {0.2f}, "Conv LeakyRelu"),
          joined("Clip", {-0.5f, 1.5f}, "Conv Clip"),
          joined("HardSigmoid", {0.3f, 0.4f}, "Conv HardSigmoid"),
          {"nothing joined, no bias",
           [&](ir::Graph& g) {
             fused(g, "FusedConv", {image(g), kernel(g)}, {{"pads", pads}});
           },
           1, "Conv"},
          {"a sum and Relu",
           [&](ir::Graph& g) {
             const auto x = image(g);
             fused(g, "FusedConv", {x, kernel(g), bias(g), x},
                   {{"pads", pads}, {"activation", std::string("Relu")}});
           },
           1, "Conv Add Relu"},
          {"Gemm",
           [&](ir::Graph& g) {
             fused(g, "FusedGemm",
                   {rows(g), constant(g, random_tensor({6, 5}, 3)), constant(g, random_tensor({5}, 4))},
                   {{"activation", std::string("LeakyRelu")}, {"activation_alpha", 0.3f}});
           },
           1, "Gemm LeakyRelu"},
      },
      normalize::split_fused);
}

TEST_CASE("subtracting or dividing by a constant becomes Add or Mul", "[normalize]") {
  try_rewrite::check(
      {
          {"Sub",
           [](ir::Graph& g) {
             output(g, node(g, "Sub", {image(g), per_channel(g, 4)}));
           },
           1, "Add"},
          {"Div",
           [](ir::Graph& g) {
             output(g, node(g, "Div", {image(g), constant(g, 6.0f)}));
           },
           1, "Mul"},
          {"a sum of two",
           [](ir::Graph& g) {
             const ir::ValueId x = image(g);
             output(g, node(g, "Sum", {relu(g, x), x}));
           },
           1, "Relu Add"},
          {"not: of three",
           [](ir::Graph& g) {
             const ir::ValueId x = image(g);
             output(g, node(g, "Sum", {relu(g, x), x, x}));
           },
           0, "Relu Sum"},
          {"not: constant first",
           [](ir::Graph& g) {
             output(g, node(g, "Sub", {constant(g, 1.0f), image(g)}));
           },
           0, "Sub"},
          {"not: by zero",
           [](ir::Graph& g) {
             output(g, node(g, "Div", {relu(g, image(g)), constant_f(g, {0, 1, 1, 1}, {4, 1, 1})}));
           },
           0, "Relu Div"},
          {"not: the division that ONNX Runtime's GELU begins with",
           [](ir::Graph& g) {
             output(g, node(g, "Erf", {node(g, "Div", {image(g), constant(g, 1.41421f)})}));
           },
           0, "Div Erf"},
      },
      normalize::plain_arithmetic);
}

TEST_CASE("what a map is multiplied with and added to is multiplied with once", "[normalize]") {
  const auto gate = [](ir::Graph& g, ir::ValueId x) { return global_average_pool(g, x); };
  try_rewrite::check(
      {
          {"global response normalization",
           [&](ir::Graph& g) {
             const ir::ValueId x = image(g);
             const ir::ValueId scaled = mul(g, per_channel(g, 4), mul(g, x, gate(g, x)));
             output(g, add(g, x, add(g, per_channel(g, 4, 3), scaled)));
           },
           1, "GlobalAveragePool Mul Add Mul Add"},
          {"the shift added last",
           [&](ir::Graph& g) {
             const ir::ValueId x = image(g);
             const ir::ValueId scaled = mul(g, mul(g, gate(g, x), constant(g, 0.5f)), x);
             output(g, add(g, add(g, scaled, x), per_channel(g, 4)));
           },
           1, "GlobalAveragePool Mul Add Mul Add"},
          {"a gate beside its map",
           [&](ir::Graph& g) {
             const ir::ValueId x = image(g);
             output(g, add(g, mul(g, x, sigmoid(g, gate(g, x))), x));
           },
           1, "GlobalAveragePool Sigmoid Add Mul"},
          {"along one axis",
           [&](ir::Graph& g) {
             const ir::ValueId x = rows(g);
             output(g, add(g, x, mul(g, x, node(g, "ReduceMean", {x}, {{"axes", Dims{1}}}, Dims{3, 1}))));
           },
           1, "ReduceMean Add Mul"},
          {"not: a gate of the map's size",
           [&](ir::Graph& g) {
             const ir::ValueId x = image(g);
             output(g, add(g, x, mul(g, x, sigmoid(g, x))));
           },
           0, "Sigmoid Mul Add"},
          {"not: others read the product",
           [&](ir::Graph& g) {
             const ir::ValueId x = image(g), product = mul(g, x, gate(g, x));
             output(g, add(g, x, product));
             output(g, relu(g, product));
           },
           0, "GlobalAveragePool Mul Add Relu"},
          {"not: something that is computed is added as well",
           [&](ir::Graph& g) {
             const ir::ValueId x = image(g);
             output(g, add(g, add(g, x, relu(g, x)), mul(g, x, gate(g, x))));
           },
           0, "GlobalAveragePool Mul Relu Add Add"},
          {"not: the map grows by what it is added to",
           [&](ir::Graph& g) {
             const ir::ValueId x = input(g, "x", {1, 4, 1, 5});
             const ir::ValueId product = mul(g, x, constant(g, random_tensor({4, 6, 1}, 3)));
             output(g, node(g, "Add", {x, product}, {}, Dims{1, 4, 6, 5}));
           },
           0, "Mul Add"},
      },
      normalize::factor_out);
}
