// Nodes that do nothing, layout ops, and what works along one axis.
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

TEST_CASE("nodes that hand their input on are removed", "[normalize]") {
  try_rewrite::check(
      {
          {"Identity", [](ir::Graph& g) { output(g, relu(g, node(g, "Identity", {relu(g, image(g))}))); }, 1,
           "Relu Relu"},
          {"Identity at a graph output",
           [](ir::Graph& g) { output(g, node(g, "Identity", {relu(g, image(g))}), "result"); }, 1, "Relu"},
          {"Dropout",
           [](ir::Graph& g) {
             output(g, relu(g, node(g, "Dropout", {image(g), constant(g, 0.5f)})));
           },
           1, "Relu"},
          {"Cast to the same type",
           [](ir::Graph& g) {
             output(g, relu(g, node(g, "Cast", {image(g)}, {{"to", int64_t{1}}})));
           },
           1, "Relu"},
          {"Reshape to the same shape",
           [](ir::Graph& g) {
             output(g, relu(g, reshape(g, image(g), {2, 4, 6, 5})));
           },
           1, "Relu"},
          {"Reshape that keeps a free batch",
           [](ir::Graph& g) {
             output(g, relu(g, reshape(g, input(g, "x", {-1, 4}), {-1, 4})));
           },
           1, "Relu"},
          {"Transpose in order",
           [](ir::Graph& g) {
             output(g, relu(g, transpose(g, image(g), {0, 1, 2, 3})));
           },
           1, "Relu"},
          {"Pad of nothing", [](ir::Graph& g) { output(g, relu(g, pad(g, image(g), Dims(8, 0)))); }, 1,
           "Relu"},
          {"Pad of nothing, before opset 11",
           [](ir::Graph& g) { output(g, relu(g, pad(g, image(g), Dims(8, 0)))); }, 1, "Relu", 9},
          {"Slice of everything",
           [](ir::Graph& g) {
             output(g, relu(g, node(g, "Slice", {image(g), constant_i(g, {0}), constant_i(g, {99})}, {},
                                    Dims{2, 4, 6, 5})));
           },
           1, "Relu"},
          {"Concat of one", [](ir::Graph& g) { output(g, relu(g, concat(g, {image(g)}))); }, 1, "Relu"},
          {"Expand to the same shape",
           [](ir::Graph& g) {
             output(g, relu(g, node(g, "Expand", {image(g), constant_i(g, {1, 5})}, {}, Dims{2, 4, 6, 5})));
           },
           1, "Relu"},
          {"Expand whose reader stretches it anyway",
           [](ir::Graph& g) {
             const auto x = image(g), mean = global_average_pool(g, x);
             const auto wide = node(g, "Expand", {mean, constant_i(g, {2, 4, 6, 5})}, {}, Dims{2, 4, 6, 5});
             output(g, mul(g, x, wide));
             output(g, node(g, "Sub", {wide, x}));
           },
           1, "GlobalAveragePool Mul Sub"},
          {"not: Expand whose reader does not know the size",
           [](ir::Graph& g) {
             const auto mean = global_average_pool(g, image(g));
             const auto wide = node(g, "Expand", {mean, constant_i(g, {2, 4, 6, 5})}, {}, Dims{2, 4, 6, 5});
             output(g, mul(g, wide, constant(g, filled({4, 1, 1}, 2))));
           },
           0, "GlobalAveragePool Expand Mul"},
          {"not: Expand that a slope is stretched to",
           [](ir::Graph& g) {
             const auto x = image(g);
             const auto wide = node(g, "Expand", {global_average_pool(g, x), constant_i(g, {2, 4, 6, 5})}, {},
                                    Dims{2, 4, 6, 5});
             output(g, node(g, "PRelu", {wide, x}));
           },
           0, "GlobalAveragePool Expand PRelu"},
          {"Mul by ones, Add of zeros, Div by one, Sub of zero",
           [](ir::Graph& g) {
             auto y = mul(g, constant(g, 1.0f), image(g));
             y = add(g, y, constant(g, filled({4, 1, 1}, 0)));
             y = node(g, "Div", {y, constant_f(g, {1})});
             output(g, relu(g, node(g, "Sub", {y, constant(g, 0.0f)})));
           },
           4, "Relu"},
          {"MaxPool of one pixel", [](ir::Graph& g) { output(g, relu(g, max_pool(g, image(g), 1, 1))); }, 1,
           "Relu"},
          {"Resize to the same size",
           [](ir::Graph& g) {
             output(g, relu(g, node(g, "Resize", {image(g), ir::kNone, constant_f(g, {1, 1, 1, 1})},
                                    {{"mode", std::string("linear")}}, Dims{2, 4, 6, 5})));
           },
           1, "Relu"},
          {"not: from input to output", [](ir::Graph& g) { output(g, node(g, "Identity", {image(g)})); }, 0,
           "Identity"},
          {"not: both sides are graph outputs",
           [](ir::Graph& g) {
             const auto y = output(g, relu(g, image(g)), "a");
             output(g, node(g, "Identity", {y}), "b");
           },
           0, "Relu Identity"},
          {"not: one minus x",
           [](ir::Graph& g) {
             output(g, node(g, "Sub", {constant(g, 0.0f), image(g)}));
           },
           0, "Sub"},
          {"not: the ones broadcast",
           [](ir::Graph& g) {
             output(g, mul(g, image(g, 1), constant(g, filled({4, 1, 1}, 1))));
           },
           0, "Mul"},
          {"not: a Slice backwards",
           [](ir::Graph& g) {
             output(g, node(g, "Slice",
                            {image(g), constant_i(g, {5}), constant_i(g, {-99}), constant_i(g, {2}),
                             constant_i(g, {-1})},
                            {}, Dims{2, 4, 6, 5}));
           },
           0, "Slice"},
          {"not: a Reshape that changes the shape",
           [](ir::Graph& g) {
             output(g, reshape(g, image(g), {2, 4, 5, 6}));
           },
           0, "Reshape"},
          {"not: a Pad of something", [](ir::Graph& g) { output(g, pad(g, image(g), kAround)); }, 0, "Pad"},
      },
      normalize::remove_no_ops);
}

TEST_CASE("an output name survives the removal of the node that made it", "[normalize]") {
  ir::Graph g = graph();
  const auto middle = relu(g, image(g));
  const auto out = output(g, node(g, "Identity", {middle}), "result");
  output(g, node(g, "Neg", {middle}));
  CHECK(normalize::remove_no_ops(g) == 1);
  CHECK(producer(g, out).op_type == "Relu");
  CHECK(producer(g, g.outputs[1]).inputs[0] == out);
  ir::verify(g);
}

TEST_CASE("Transposes merge or cancel", "[normalize]") {
  try_rewrite::check(
      {
          {"cancel",
           [](ir::Graph& g) {
             output(g, relu(g, transpose(g, transpose(g, image(g), {0, 3, 1, 2}), {0, 2, 3, 1})));
           },
           1, "Relu"},
          {"merge",
           [](ir::Graph& g) {
             output(g, transpose(g, transpose(g, image(g), {0, 2, 3, 1}), {0, 2, 3, 1}));
           },
           1, "Transpose"},
          {"perm left out reverses",
           [](ir::Graph& g) { output(g, relu(g, node(g, "Transpose", {node(g, "Transpose", {image(g)})}))); },
           1, "Relu"},
          {"cancel although the inner one has another reader",
           [](ir::Graph& g) {
             const auto inner = transpose(g, image(g), {0, 2, 3, 1});
             output(g, inner);
             output(g, relu(g, transpose(g, inner, {0, 3, 1, 2})));
           },
           1, "Transpose Relu"},
          {"not: merging would keep both",
           [](ir::Graph& g) {
             const auto inner = transpose(g, image(g), {0, 2, 3, 1});
             output(g, inner);
             output(g, transpose(g, inner, {0, 2, 3, 1}));
           },
           0, "Transpose Transpose"},
          {"not: something stands between",
           [](ir::Graph& g) {
             output(g, transpose(g, relu(g, transpose(g, image(g), {0, 2, 3, 1})), {0, 3, 1, 2}));
           },
           0, "Transpose Relu Transpose"},
      },
      normalize::merge_transposes);
}

TEST_CASE("a Reshape takes over the layout nodes before it", "[normalize]") {
  try_rewrite::check(
      {
          {"Reshape",
           [](ir::Graph& g) {
             output(g, reshape(g, reshape(g, image(g), {8, 30}), {2, -1}));
           },
           1, "Reshape"},
          {"Flatten",
           [](ir::Graph& g) {
             output(g, reshape(g, flatten(g, image(g)), {4, 60}));
           },
           1, "Reshape"},
          {"not: it copies a dimension",
           [](ir::Graph& g) {
             output(g, reshape(g, reshape(g, image(g), {8, 30}), {0, 5, 6}));
           },
           0, "Reshape Reshape"},
          {"not: the inner shape is an output",
           [](ir::Graph& g) {
             output(g, reshape(g, output(g, reshape(g, image(g), {8, 30})), {2, -1}));
           },
           0, "Reshape Reshape"},
      },
      normalize::merge_reshapes);
}

TEST_CASE("Softmax over a single element reads a constant", "[normalize]") {
  const auto over = [](Dims dims, int64_t axis) {
    return [=](ir::Graph& g) {
      const ir::ValueId x = input(g, "x", dims);
      output(g, add(g, tiny::softmax(g, relu(g, x), axis), x));
    };
  };
  try_rewrite::check(
      {
          {"the second of three", over({2, 1, 6}, 1), 1, "Softmax Add"},
          {"the last", over({2, 6, 1}, -1), 1, "Softmax Add"},
          {"not: several elements", over({2, 1, 6}, 2), 0, "Relu Softmax Add"},
          {"not: a size is free", over({-1, 1, 6}, 1), 0, "Relu Softmax Add"},
          {"not: a large constant", over({64, 1, 128}, 1), 0, "Relu Softmax Add"},
      },
      normalize::softmax_of_one);
}

TEST_CASE("Flatten becomes Reshape", "[normalize]") {
  const auto make = [](ir::Graph& g, Dims x, int64_t axis) { output(g, flatten(g, input(g, "x", x), axis)); };
  try_rewrite::check(
      {
          {"axis 1 with a free batch",
           [&](ir::Graph& g) {
             make(g, {-1, 4, 6, 5}, 1);
           },
           1, "Reshape"},
          {"axis 2",
           [&](ir::Graph& g) {
             make(g, {2, 4, 6, 5}, 2);
           },
           1, "Reshape"},
          {"axis 0",
           [&](ir::Graph& g) {
             make(g, {2, 4, 6, 5}, 0);
           },
           1, "Reshape"},
          {"axis 2, rows free",
           [&](ir::Graph& g) {
             make(g, {-1, 4, 6, 5}, 2);
           },
           1, "Reshape"},
          {"not: axis 2, both sides free",
           [&](ir::Graph& g) {
             make(g, {-1, 4, -1, 5}, 2);
           },
           0, "Flatten"},
      },
      normalize::flatten_to_reshape);
}

TEST_CASE("the mean over space becomes GlobalAveragePool", "[normalize]") {
  const auto mean = [](ir::Graph& g, Dims x, Dims axes, int64_t keep) {
    output(g, node(g, "ReduceMean", {input(g, "x", x)}, {{"axes", axes}, {"keepdims", keep}}));
  };
  try_rewrite::check(
      {
          {"ReduceMean",
           [&](ir::Graph& g) {
             mean(g, {2, 4, 6, 5}, {2, 3}, 1);
           },
           1, "GlobalAveragePool"},
          {"axes from the end, dimensions dropped",
           [&](ir::Graph& g) {
             mean(g, {-1, 4, 6, 5}, {-1, -2}, 0);
           },
           1, "GlobalAveragePool Reshape"},
          {"axes as an input",
           [](ir::Graph& g) {
             output(g, node(g, "ReduceMean", {image(g), constant_i(g, {2, 3})}, {}, Dims{2, 4, 1, 1}));
           },
           1, "GlobalAveragePool", 18},
          {"AveragePool of the picture's size",
           [](ir::Graph& g) {
             output(g, node(g, "AveragePool", {image(g)}, {{"kernel_shape", Dims{6, 5}}}));
           },
           1, "GlobalAveragePool"},
          {"GlobalMaxPool becomes MaxPool",
           [](ir::Graph& g) { output(g, node(g, "GlobalMaxPool", {image(g)})); }, 1, "MaxPool"},
          {"not: channels too",
           [&](ir::Graph& g) {
             mean(g, {2, 4, 6, 5}, {1, 2, 3}, 1);
           },
           0, "ReduceMean"},
          {"not: NHWC",
           [&](ir::Graph& g) {
             mean(g, {2, 4, 6, 5}, {1, 2}, 1);
           },
           0, "ReduceMean"},
          {"not: a part of the picture",
           [](ir::Graph& g) {
             output(g, node(g, "AveragePool", {image(g)}, {{"kernel_shape", Dims{5, 5}}}));
           },
           0, "AveragePool"},
          {"not: padded",
           [](ir::Graph& g) {
             output(g, node(g, "AveragePool", {image(g)},
                            {{"kernel_shape", Dims{6, 5}}, {"pads", Dims{1, 0, 0, 0}}}));
           },
           0, "AveragePool"},
          {"not: GlobalMaxPool of a picture of unknown size",
           [](ir::Graph& g) {
             output(g, node(g, "GlobalMaxPool", {input(g, "x", {1, 4, -1, -1})}));
           },
           0, "GlobalMaxPool"},
      },
      normalize::pool_globally);
}

TEST_CASE("a Softmax along rows that are the last dimension works in place", "[normalize]") {
  const auto make = [](ir::Graph& g, Dims rows, Dims back, int64_t axis = -1) {
    output(g, reshape(g, softmax(g, reshape(g, input(g, "x", {2, 3, 5}), rows), axis), back), "scores");
  };
  try_rewrite::check(
      {
          {"rows",
           [&](ir::Graph& g) {
             make(g, {6, 5}, {2, 3, 5});
           },
           1, "Softmax"},
          {"axis counted from the front",
           [&](ir::Graph& g) {
             make(g, {6, 5}, {2, 3, 5}, 1);
           },
           1, "Softmax"},
          {"Flatten",
           [](ir::Graph& g) {
             const auto x = input(g, "x", {2, 3, 5});
             output(g, reshape(g, softmax(g, flatten(g, x, 2)), {2, 3, 5}));
           },
           1, "Softmax"},
          {"not: longer rows",
           [&](ir::Graph& g) {
             make(g, {2, 15}, {2, 3, 5});
           },
           0, "Reshape Softmax Reshape"},
          {"not: along the columns",
           [&](ir::Graph& g) {
             make(g, {6, 5}, {2, 3, 5}, 0);
           },
           0, "Reshape Softmax Reshape"},
          {"not: back to another shape",
           [&](ir::Graph& g) {
             make(g, {6, 5}, {3, 2, 5});
           },
           0, "Reshape Softmax Reshape"},
      },
      normalize::softmax_in_place);
}

TEST_CASE("a Softmax works along the last axis where a Transpose beside it can see to that", "[normalize]") {
  const auto x = [](ir::Graph& g) { return input(g, "x", {2, 3, 5, 4}); };
  const auto mean = [](ir::Graph& g, ir::ValueId y, Dims weight, std::vector<ir::Attribute> attributes = {}) {
    const Dims& from = value(g, y).dims;
    const Dims dims = {from[0], weight[0], from[2], from[3]};
    return node(g, "Conv", {y, constant(g, random_tensor(weight, 7))}, std::move(attributes), dims);
  };
  try_rewrite::check(
      {
          {"the mean of a distribution",
           [&](ir::Graph& g) {
             output(g, relu(g, mean(g, softmax(g, transpose(g, x(g), {0, 2, 1, 3}), 1), {1, 5, 1, 1})));
           },
           1, "Transpose Softmax MatMul Reshape Relu"},
          {"the same of any number of images, at the end",
           [&](ir::Graph& g) {
             const auto y = transpose(g, input(g, "x", {-1, 3, 5, -1}), {0, 2, 1, 3});
             output(g, mean(g, softmax(g, y, -3), {1, 5, 1, 1}), "sides");
           },
           1, "Transpose Softmax MatMul Reshape"},
          {"channels to the front and back",
           [&](ir::Graph& g) {
             output(g, transpose(g, softmax(g, transpose(g, x(g), {0, 3, 1, 2}), 1), {0, 2, 3, 1}), "y");
           },
           1, "Softmax"},
          {"channels to the front, the last axis before",
           [&](ir::Graph& g) {
             output(g, softmax(g, transpose(g, x(g), {0, 3, 1, 2}), 1), "y");
           },
           1, "Softmax Transpose"},
          {"channels to the back, the last axis then",
           [&](ir::Graph& g) {
             output(g, transpose(g, softmax(g, x(g), 1), {0, 2, 3, 1}), "y");
           },
           1, "Transpose Softmax"},
          {"two Transposes, the last axis before neither",
           [&](ir::Graph& g) {
             output(g, transpose(g, softmax(g, transpose(g, x(g), {0, 2, 1, 3}), 1), {3, 1, 2, 0}), "y");
           },
           1, "Transpose Softmax Transpose"},
          {"not: the last axis anyway",
           [&](ir::Graph& g) {
             output(g, softmax(g, transpose(g, x(g), {0, 2, 1, 3}), 3));
           },
           0, "Transpose Softmax"},
          {"not: it would need one more",
           [&](ir::Graph& g) {
             output(g, softmax(g, transpose(g, x(g), {0, 2, 1, 3}), 1));
           },
           0, "Transpose Softmax"},
          {"not: the transposed is read elsewhere",
           [&](ir::Graph& g) {
             const auto y = transpose(g, x(g), {0, 3, 1, 2});
             output(g, softmax(g, y, 1));
             output(g, relu(g, y));
           },
           0, "Transpose Softmax Relu"},
          {"not: the probabilities are an output",
           [&](ir::Graph& g) {
             output(g, transpose(g, output(g, softmax(g, x(g), 1)), {0, 2, 3, 1}));
           },
           0, "Softmax Transpose"},
          {"not: more than one sum, which would come in another order",
           [&](ir::Graph& g) {
             output(g, mean(g, softmax(g, transpose(g, x(g), {0, 2, 1, 3}), 1), {2, 5, 1, 1}));
           },
           0, "Transpose Softmax Conv"},
          {"not: padded",
           [&](ir::Graph& g) {
             const auto y = transpose(g, input(g, "x", {2, 3, 5, -1}), {0, 2, 1, 3});
             output(g, mean(g, softmax(g, y, 1), {1, 5, 1, 1}, {{"pads", Dims{0, 1, 0, 1}}}));
           },
           0, "Transpose Softmax Conv"},
          {"not: rows before opset 13",
           [&](ir::Graph& g) {
             output(g, softmax(g, transpose(g, x(g), {0, 3, 1, 2}), 1));
           },
           0, "Transpose Softmax", 11},
      },
      normalize::softmax_last, 1e-6);
}

TEST_CASE("a rewrite that needs a shape leaves values without one alone", "[normalize]") {
  ir::Graph g = graph();
  auto x = node(g, "Unknown", {image(g)});
  g.nodes.back().domain = "somebody.else";
  ir::value_at(g, x).dtype = ir::DType::kFloat;
  REQUIRE_FALSE(value(g, x).has_shape);
  output(g, node(g, "ReduceMean", {x}, {{"axes", Dims{2, 3}}}));
  output(g, node(g, "Flatten", {x}, {{"axis", int64_t{2}}}));
  output(g, node(g, "GlobalMaxPool", {x}));
  output(g, node(g, "Transpose", {node(g, "Transpose", {x})}));
  output(g, node(g, "Reshape", {x, constant_i(g, {1, 2})}));
  CHECK(normalize::pool_globally(g) == 0);
  CHECK(normalize::flatten_to_reshape(g) == 0);
  CHECK(normalize::merge_transposes(g) == 0);
  CHECK(normalize::remove_no_ops(g) == 0);
}

TEST_CASE("a Concat does without what has no elements", "[normalize]") {
  // A list that begins empty: zeros of [batch, 0, 5], scaled, with the input along `axis`.
  const auto list = [](int64_t axis, Dims sizes) {
    return [axis, sizes](ir::Graph& g) {
      const ir::ValueId x = input(g, "x", {2, 6, 5});
      const ir::ValueId shape = node(g, "Shape", {x}, {}, Dims{3});
      const ir::ValueId batch =
          node(g, "Gather", {shape, constant_i(g, {0})}, {{"axis", int64_t{0}}}, Dims{1});
      const ir::ValueId all =
          node(g, "Concat", {batch, constant_i(g, sizes)}, {{"axis", int64_t{0}}}, Dims{3});
      for (const ir::ValueId v : {shape, batch, all}) ir::value_at(g, v).dtype = ir::DType::kInt64;
      Dims dims{2};
      dims.insert(dims.end(), sizes.begin(), sizes.end());
      const ir::ValueId none = node(g, "ConstantOfShape", {all}, {}, dims);
      const ir::ValueId scaled = node(g, "Mul", {none, constant(g, 3)}, {}, dims);
      Dims joined{2, 6, 5};
      joined[static_cast<size_t>(axis + 3) % 3] += dims[static_cast<size_t>(axis + 3) % 3];
      output(g, node(g, "Concat", {relu(g, x), scaled}, {{"axis", axis}}, joined));
    };
  };
  try_rewrite::check(
      {
          {"along the empty axis", list(1, {0, 5}), 1, "Relu Concat"},
          {"counted from the end", list(-2, {0, 5}), 1, "Relu Concat"},
          {"something in it", list(1, {1, 5}), 0, "Shape Gather Concat ConstantOfShape Mul Relu Concat"},
      },
      normalize::drop_empty);
}
