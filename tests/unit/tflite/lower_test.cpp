// The lowering against ONNX Runtime and LiteRT: for every op of the tables, float32, with options drawn at
// random; then what only the form of the file shows (fusing, padding, versions, integers).
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "support/golden.h"
#include "tflite/read.h"
#include "unit/tflite/lowered.h"

namespace qc::tflite {
namespace {

TEST_CASE("convolutions of any stride, padding, dilation and grouping are ONNX's", "[litert]") {
  const auto seed = GENERATE(range(1u, 4u));
  Dice dice(seed);
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 8, dice.draw(13, 18), dice.draw(13, 18)});
  for (int i = 0; i < 12; ++i) {
    tiny::ConvShape shape;
    shape.kernel = dice.draw(1, 5);
    shape.stride = dice.draw(1, 3);
    shape.dilation = dice.draw(1, 2);
    shape.pad = dice.draw(0, shape.kernel / 2 + 1);
    shape.groups = dice.one_of<int64_t>({1, 1, 2, 4, 8});
    shape.bias = dice.draw(0, 1) != 0;
    tiny::output(g, tiny::conv(g, x, 16, shape, seed + static_cast<unsigned>(i)), "conv" + std::to_string(i));
  }
  for (int i = 0; i < 6; ++i) {
    tiny::ConvShape shape;
    shape.kernel = dice.draw(1, 4);
    shape.stride = dice.draw(1, 3);
    shape.pad = dice.draw(0, shape.kernel - 1);
    tiny::output(g, tiny::conv_transpose(g, x, 5, shape, seed + static_cast<unsigned>(i)),
                 "up" + std::to_string(i));
  }
  check_same(g);
}

TEST_CASE("convolutions with asymmetric padding or signals of rank 3 compute the same in LiteRT",
          "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId image = tiny::input(g, "image", {1, 3, 9, 11}),
                    signal = tiny::input(g, "signal", {2, 4, 17});
  const ir::ValueId w = tiny::constant(g, tiny::random_tensor({6, 3, 3, 3}, 1));
  for (const std::vector<int64_t>& pads : {std::vector<int64_t>{0, 0, 1, 1}, {1, 0, 0, 1}, {2, 1, 0, 0}})
    for (const int64_t stride : {1, 2})
      tiny::output(g, tiny::node(g, "Conv", {image, w},
                                 {{"pads", pads}, {"strides", std::vector<int64_t>{stride, stride}}}));
  const ir::ValueId v = tiny::constant(g, tiny::random_tensor({6, 4, 3}, 2));
  const ir::ValueId conv = tiny::node(
      g, "Conv", {signal, v}, {{"pads", std::vector<int64_t>{1, 1}}, {"strides", std::vector<int64_t>{2}}});
  tiny::output(g, tiny::relu(g, conv));
  check_same(g);
}

TEST_CASE("depthwise kernels too large for XNNPACK are cut into pieces", "[litert]") {
  const auto seed = GENERATE(range(1u, 4u));
  Dice dice(seed);
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4, dice.draw(20, 24), dice.draw(20, 24)});
  for (int i = 0; i < 6; ++i) {
    const int64_t height = dice.one_of<int64_t>({1, 5, 7, 9}), width = 26 / height + dice.draw(1, 4),
                  each = dice.draw(1, 2), stride = dice.draw(1, 3),
                  dilation = height == 1 ? 1 : dice.draw(1, 2);
    const ir::ValueId weight = tiny::constant(
                          g, tiny::random_tensor({4 * each, 1, height, width}, seed + 7u, -0.2f, 0.2f)),
                      bias = tiny::constant(g, tiny::random_tensor({4 * each}, seed + 8u, -0.2f, 0.2f));
    const ir::ValueId conv =
        tiny::node(g, "Conv", {x, weight, bias},
                   {{"group", int64_t{4}},
                    {"strides", std::vector<int64_t>{stride, stride}},
                    {"dilations", std::vector<int64_t>{dilation, 1}},
                    {"pads", std::vector<int64_t>{dice.draw(0, 4), width / 2, 4, width / 2}}});
    tiny::output(g, dice.draw(0, 1) == 0 ? conv : tiny::relu(g, conv), "piece" + std::to_string(i));
  }
  LowerOptions options = kept();
  options.xnnpack = true;
  check_same(g, 1e-5f, -1, 1, options);
  const Model model = lower(float_model(g), {}, options);
  CHECK(count(model, Op::kDepthwiseConv2d) >= 12);
  std::set<std::string> names;
  for (const Tensor& tensor : model.tensors) CHECK(names.insert(tensor.name).second);
}

TEST_CASE("pools of any stride, padding, ceil_mode and counting are ONNX's", "[litert]") {
  const auto seed = GENERATE(range(1u, 4u));
  Dice dice(seed);
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, dice.draw(11, 15), dice.draw(11, 15)});
  for (int i = 0; i < 16; ++i) {
    const int64_t
        kernel = dice.draw(2, 4),
        stride = dice.draw(1, 3), pad = dice.draw(0, kernel / 2),
        // ONNX Runtime's shapes and its kernel disagree where ceil_mode starts a window in the padding.
        ceil = pad == 0 && stride <= kernel ? dice.draw(0, 1) : 0;
    const bool average = i % 2 == 0;
    Attributes attributes{{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                          {"strides", std::vector<int64_t>{stride, stride}},
                          {"pads", std::vector<int64_t>{pad, pad, pad, pad}}};
    const int64_t include = average ? dice.draw(0, 1) : 0;
    if (average) attributes.push_back({"count_include_pad", include});
    if (!include) attributes.push_back({"ceil_mode", ceil});
    tiny::output(g, tiny::node(g, average ? "AveragePool" : "MaxPool", {x}, attributes),
                 "pool" + std::to_string(i));
  }
  tiny::output(g, tiny::global_average_pool(g, x), "mean");
  tiny::output(g, tiny::node(g, "GlobalMaxPool", {x}), "max");
  check_same(g);
}

TEST_CASE("every op of the table of pointwise ops computes the same in LiteRT", "[litert]") {
  ir::Graph g = tiny::graph(20);
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 5, 6}), y = tiny::input(g, "y", {1, 4, 5, 6});
  const ir::ValueId c = tiny::constant(g, tiny::random_tensor({4, 1, 1}, 5, 0.5f, 1.5f), "c");
  const ir::ValueId positive = tiny::node(g, "Add", {tiny::node(g, "Abs", {x}), tiny::constant(g, 0.5f)});
  for (const char* op : {"Relu",     "Sigmoid", "Tanh", "HardSwish", "Exp",         "Abs",       "Neg",
                         "Sign",     "Floor",   "Ceil", "Round",     "Sin",         "Cos",       "Softplus",
                         "Softsign", "Mish",    "Gelu", "Elu",       "HardSigmoid", "LeakyRelu", "Identity"})
    tiny::output(g, tiny::node(g, op, {x}), op);
  tiny::output(g, tiny::node(g, "HardSigmoid", {x}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}}), "hs6");
  tiny::output(g, tiny::node(g, "Gelu", {x}, {{"approximate", std::string("tanh")}}), "gelu_tanh");
  for (const char* op : {"Log", "Sqrt", "Reciprocal"}) tiny::output(g, tiny::node(g, op, {positive}), op);
  for (const char* op : {"Add", "Sub", "Mul", "Max", "Min"}) {
    tiny::output(g, tiny::node(g, op, {x, y}), std::string(op) + "2");
    tiny::output(g, tiny::node(g, op, {x, c}), std::string(op) + "c");
  }
  tiny::output(g, tiny::node(g, "Div", {x, c}), "div");
  tiny::output(g, tiny::node(g, "Pow", {positive, c}), "pow");
  for (const char* op : {"Sum", "Mean", "Max", "Min"})
    tiny::output(g, tiny::node(g, op, {x, y, c}), std::string(op) + "3");
  tiny::output(g, tiny::node(g, "PRelu", {x, c}), "prelu");
  tiny::output(g, tiny::clip(g, x, 0, 6), "relu6");
  tiny::output(g, tiny::clip(g, x, -1, 1), "relu1");
  tiny::output(g, tiny::clip(g, x, -0.25f, 0.5f), "clip");
  for (const char* op : {"Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"}) {
    const ir::ValueId test = typed(g, tiny::node(g, op, {x, y}), ir::DType::kBool);
    tiny::output(g, typed(g, tiny::node(g, "Where", {test, x, y}), ir::DType::kFloat), op);
    tiny::output(g, typed(g, tiny::node(g, "Cast", {test}, {{"to", int64_t{1}}}), ir::DType::kFloat),
                 std::string(op) + "cast");
  }
  tiny::output(g, tiny::batch_norm(g, tiny::relu(g, x)), "bn");
  check_same(g, 2e-5f);
}

TEST_CASE("amounts of a Pad go to the axes that it names", "[litert]") {
  ir::Graph g = tiny::graph(18);
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 6, 8});
  const auto ints = [&](std::vector<int64_t> values) { return tiny::constant_i(g, std::move(values)); };
  for (const ir::ValueId v : {x, tiny::conv(g, x, 4, {1, 1, 0})}) {
    const std::string at = v == x ? "first" : "last";
    tiny::output(g, tiny::node(g, "Pad", {v, ints({1, 2}), ir::kNone, ints({3})}), "one" + at);
    tiny::output(g, tiny::node(g, "Pad", {v, ints({2, 1, 3, 0}), ir::kNone, ints({-1, 2})}), "two" + at);
  }
  check_same(g, 2e-5f);
}

TEST_CASE("what moves elements: every op of the table, in both orders", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 6, 8});
  // Behind a convolution the ops stand in channels-last order, behind the input in ONNX's.
  for (const ir::ValueId v : {x, tiny::conv(g, x, 4, {1, 1, 0})}) {
    const std::string at = v == x ? "first" : "last";
    const auto out = [&](ir::ValueId value, const char* name) { tiny::output(g, value, name + at); };
    for (const int64_t axis : {0, 1, 2, -1})
      out(tiny::concat(g, {v, tiny::relu(g, v)}, axis), ("concat" + std::to_string(axis)).c_str());
    for (const std::vector<int64_t>& perm :
         {std::vector<int64_t>{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 1, 3, 2}, {3, 2, 1, 0}, {0, 2, 1, 3}})
      out(tiny::relu(g, tiny::transpose(g, v, perm)),
          ("perm" + std::to_string(perm[0] * 1000 + perm[1] * 100 + perm[2] * 10 + perm[3])).c_str());
    out(tiny::reshape(g, v, {1, 4, 48}), "spatial");
    out(tiny::transpose(g, tiny::reshape(g, v, {1, 4, 48}), {0, 2, 1}), "tokens");
    out(tiny::reshape(g, v, {1, 2, 2, 6, 8}), "groups");
    out(tiny::reshape(g, v, {8, 24}), "mixed");
    const auto ints = [&](std::vector<int64_t> values) { return tiny::constant_i(g, std::move(values)); };
    out(tiny::node(g, "Slice", {v, ints({1, 2}), ints({3, 100}), ints({1, 3})}), "slice");
    out(tiny::node(g, "Slice", {v, ints({-1}), ints({-100}), ints({2}), ints({-1})}), "reverse");
    out(tiny::node(g, "Slice", {v, ints({1}), ints({8}), ints({3}), ints({3})}), "stride");
    out(tiny::node(g, "Pad", {v, ints({0, 1, 2, 0, 0, 0, 1, 3})}), "pad");
    out(tiny::node(g, "Pad", {v, ints({0, 0, 1, 1, 0, 0, 1, 1}), tiny::constant(g, 2.5f)}), "pad_value");
    out(tiny::node(g, "Pad", {v, ints({0, 0, 2, 1, 0, 0, 1, 2})}, {{"mode", std::string("reflect")}}),
        "pad_reflect");
    out(tiny::node(g, "Gather", {v, ints({2, -1, 0})}, {{"axis", int64_t{1}}}), "gather");
    out(tiny::node(g, "Gather", {v, tiny::constant(g, ir::scalar(int64_t{-1}))}, {{"axis", int64_t{1}}}),
        "gather_one");
    out(tiny::node(g, "Gather", {v, tiny::constant(g, ir::scalar(int64_t{3}))}, {{"axis", int64_t{2}}}),
        "gather_row");
    out(tiny::node(g, "Tile", {v, ints({1, 2, 1, 3})}), "tile");
    out(tiny::node(g, "Expand", {tiny::global_average_pool(g, v), ints({1, 4, 3, 2})}), "expand");
    out(tiny::node(g, "DepthToSpace", {v}, {{"blocksize", int64_t{2}}}), "dcr");
    out(tiny::node(g, "DepthToSpace", {v}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}), "crd");
    out(tiny::node(g, "SpaceToDepth", {v}, {{"blocksize", int64_t{2}}}), "s2d");
    for (const ir::ValueId part :
         tiny::node_outputs(g, "Split", {v, ints({1, 3})}, {{"axis", int64_t{1}}}, 2))
      out(part, ("split" + std::to_string(part)).c_str());
    for (const ir::ValueId part :
         tiny::node_outputs(g, "Split", {v, ints({4, 4})}, {{"axis", int64_t{3}}}, 2))
      out(part, ("halves" + std::to_string(part)).c_str());
    // ShuffleNet's exchange between groups
    out(tiny::reshape(g, tiny::transpose(g, tiny::reshape(g, v, {1, 2, 2, 6, 8}), {0, 2, 1, 3, 4}),
                      {1, 4, 6, 8}),
        "shuffle");
  }
  check_same(g);
}

TEST_CASE("Resize in every mode whose cells TFLite can name", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 2, 6, 7});
  const ir::ValueId none = tiny::constant(g, ir::make_tensor(ir::DType::kFloat, "", {0}), "none");
  int index = 0;
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{12, 14}, {18, 21}, {3, 5}, {9, 10}}) {
    const ir::ValueId sizes = tiny::constant_i(g, {1, 2, height, width});
    for (const char* mode : {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"}) {
      const Attributes linear{{"mode", std::string("linear")},
                              {"coordinate_transformation_mode", std::string(mode)}};
      tiny::output(g, tiny::node(g, "Resize", {x, none, none, sizes}, linear),
                   "linear" + std::to_string(index++));
      for (const char* rounding : {"floor", "round_prefer_floor", "round_prefer_ceil", "ceil"}) {
        Attributes nearest{{"mode", std::string("nearest")},
                           {"coordinate_transformation_mode", std::string(mode)},
                           {"nearest_mode", std::string(rounding)}};
        tiny::output(g, tiny::node(g, "Resize", {x, none, none, sizes}, nearest),
                     "nearest" + std::to_string(index++));
      }
    }
  }
  check_same(g);
}

TEST_CASE("sums over dimensions: every op of the table", "[litert]") {
  ir::Graph g = tiny::graph(17);
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 5, 6});
  int index = 0;
  for (const ir::ValueId v : {x, tiny::conv(g, x, 4, {1, 1, 0})}) {
    for (const char* op :
         {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"})
      for (const int64_t keep : {0, 1})
        for (const std::vector<int64_t>& axes : {std::vector<int64_t>{1}, {2, 3}, {-1}, {0, 1}})
          tiny::output(g, tiny::node(g, op, {v}, {{"axes", axes}, {"keepdims", keep}}),
                       "r" + std::to_string(index++));
    tiny::output(g, tiny::node(g, "ReduceSum", {v, tiny::constant_i(g, {2, 3})}, {{"keepdims", int64_t{0}}}),
                 "r" + std::to_string(index++));
    for (const int64_t axis : {1, 2, -1}) {
      tiny::output(g, tiny::softmax(g, v, axis), "s" + std::to_string(index++));
      tiny::output(g, tiny::node(g, "LogSoftmax", {v}, {{"axis", axis}}), "s" + std::to_string(index++));
      for (const int64_t keep : {0, 1})
        tiny::output(
            g,
            typed(g, tiny::node(g, "ArgMax", {v}, {{"axis", axis}, {"keepdims", keep}}), ir::DType::kInt64),
            "a" + std::to_string(index++));
    }
    const ir::ValueId gamma = tiny::constant(g, tiny::random_tensor({6}, 8)),
                      beta = tiny::constant(g, tiny::random_tensor({6}, 9));
    tiny::output(g, tiny::node(g, "LayerNormalization", {v, gamma, beta}), "ln" + std::to_string(index++));
    const ir::ValueId scale = tiny::constant(g, tiny::random_tensor({4}, 8)),
                      shift = tiny::constant(g, tiny::random_tensor({4}, 9));
    tiny::output(g, tiny::node(g, "InstanceNormalization", {v, scale, shift}),
                 "in" + std::to_string(index++));
    tiny::output(g, tiny::node(g, "LRN", {v}, {{"size", int64_t{3}}}), "lrn" + std::to_string(index++));
  }
  check_same(g, 3e-5f);
}

TEST_CASE("matrices: constant and computed, and a Flatten whose weights follow", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId image = tiny::input(g, "image", {1, 3, 5, 4}),
                    tokens = tiny::input(g, "tokens", {2, 7, 6});
  const ir::ValueId conv = tiny::conv(g, image, 4, {3, 1, 1});
  tiny::output(g, tiny::gemm(g, tiny::flatten(g, conv), 9), "gemm");
  const ir::ValueId weight = tiny::constant(g, tiny::random_tensor({80, 5}, 6));
  tiny::output(g, tiny::matmul(g, tiny::reshape(g, conv, {1, 80}), weight), "matmul_flat");
  const ir::ValueId w = tiny::constant(g, tiny::random_tensor({6, 5}, 7)),
                    b = tiny::constant(g, tiny::random_tensor({5}, 8));
  tiny::output(g, tiny::matmul(g, tokens, w), "project");
  tiny::output(g, tiny::relu(g, tiny::add(g, tiny::matmul(g, tokens, w), b)), "project_bias");
  const ir::ValueId turned = tiny::transpose(g, tokens, {0, 2, 1});
  tiny::output(g, tiny::softmax(g, tiny::matmul(g, tokens, turned)), "attention");
  check_same(g);
}

TEST_CASE("a float network in channels-last order from end to end", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  tiny::output(g, tiny::relu(g, tiny::conv(g, x, 4)), "y");
  const std::string onnx = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, 3);
  const Model model = lower(float_model(g), {});
  CHECK(count(model, Op::kTranspose) == 0);
  const litert::Result found = litert::run(serialise(model).bytes, {transposed(inputs[0], channels_last(4))});
  const ir::Tensor expected = transposed(ort_try::run(onnx, inputs)[0], channels_last(4));
  CHECK(ort_try::max_relative_error(
            expected, ir::make_tensor(ir::DType::kFloat, found.outputs[0], expected.dims)) < 1e-6f);
}

// --- what the file says

TEST_CASE("SAME only where TFLite puts every position exactly where ONNX has it") {
  //                      in  out  k  s  d  before
  CHECK(is_same(Window{224, 224, 3, 1, 1, 1}));
  CHECK(is_same(Window{223, 112, 3, 2, 1, 1}));
  CHECK_FALSE(is_same(Window{224, 112, 3, 2, 1, 1}));  // TFLite would start at 0 and end one later
  CHECK(is_same(Window{224, 112, 3, 2, 1, 0}));
  CHECK_FALSE(is_same(Window{16, 14, 3, 1, 1, 0}));  // VALID
  CHECK(is_same(Window{16, 16, 3, 1, 2, 2}));
  CHECK_FALSE(is_same(Window{16, 16, 4, 1, 1, 2}));  // SAME pads 1 in front
  CHECK(Window{224, 112, 3, 2, 1, 1}.after() == 0);
  CHECK(Window{16, 16, 4, 1, 1, 1}.after() == 2);
}

TEST_CASE("a Relu fuses where nothing else reads the value in front of it") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId a = tiny::conv(g, x, 4), b = tiny::conv(g, x, 4, {}, 9);
  tiny::output(g, tiny::add(g, tiny::relu(g, a), tiny::mul(g, tiny::clip(g, b, 0, 6), b)), "y");
  const Model model = lower(float_model(g), {});
  CHECK(count(model, Op::kRelu) == 0);
  CHECK(count(model, Op::kRelu6) == 1);
  const auto conv = std::find_if(model.operators.begin(), model.operators.end(),
                                 [](const Operator& o) { return o.op == Op::kConv2d; });
  CHECK(int_option(*conv, "fused_activation_function", 0) == static_cast<int64_t>(Activation::kRelu));
}

TEST_CASE("all that TFLite cannot say is reported at once") {
  ir::Graph g = tiny::graph(20);
  const ir::ValueId x = tiny::input(g, "x", {1, 2, 4, 4});
  const ir::ValueId grid = tiny::constant(g, tiny::random_tensor({1, 4, 4, 2}, 4));
  tiny::output(g, tiny::node(g, "GridSample", {x, grid}, {}, tiny::Dims{1, 2, 4, 4}), "a");
  tiny::output(g, tiny::node(g, "Acosh", {x}), "b");
  try {
    lower(float_model(g), {});
    FAIL("nothing was refused");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUnsupported);
    REQUIRE(error.problems.size() == 2);
    CHECK_THAT(error.problems[0].place, Catch::Contains("GridSample"));
    CHECK_THAT(error.problems[1].place, Catch::Contains("Acosh"));
    CHECK_FALSE(error.problems[0].remedy.empty());
  }
}

TEST_CASE("every value whose size is not known is named, with the key that fixes it") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId a = tiny::relu(g, x);
  tiny::output(g, tiny::node(g, "Sigmoid", {a}), "y");
  plan::QuantizedModel model = float_model(g);
  for (ir::Value& value : model.graph.values)
    if (value.has_shape && value.dims.size() == 4) value.dims[0] = -1;
  try {
    lower(model, {});
    FAIL("nothing was refused");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUnsupported);
    CHECK(error.problems.size() == 2);
    CHECK_THAT(error.problems[0].remedy, Catch::Contains("input_shapes"));
  }
}

TEST_CASE("constants beyond what offsets can reach are refused before anything is written") {
  Model model;
  const auto data = std::make_shared<const std::string>(size_t{1} << 24, '\0');
  for (int i = 0; i < 128; ++i) {  // 2 GiB, said 128 times
    Tensor tensor;
    tensor.data = data;
    tensor.shape = {1 << 22};
    model.tensors.push_back(tensor);
  }
  try {
    serialise(model);
    FAIL("nothing was refused");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUnsupported);
    CHECK_THAT(error.problems[0].cause, Catch::Contains("2 GB"));
    CHECK_FALSE(error.problems[0].remedy.empty());
  }
}

TEST_CASE("a cubic Resize is refused with what to do instead") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 2, 4, 4});
  const ir::ValueId none = tiny::constant(g, ir::make_tensor(ir::DType::kFloat, "", {0}), "none");
  tiny::output(g, tiny::node(g, "Resize", {x, none, none, tiny::constant_i(g, {1, 2, 8, 8})},
                             {{"mode", std::string("cubic")}}));
  try {
    lower(float_model(g), {});
    FAIL("nothing was refused");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUnsupported);
    CHECK_THAT(error.problems[0].remedy, Catch::Contains("linear"));
  }
}

TEST_CASE("the lowered graph of a small network as text") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 16, 16});
  const ir::ValueId a = tiny::relu(g, tiny::conv(g, x, 4, {3, 2, 1}));
  const ir::ValueId b = tiny::clip(g, tiny::conv(g, a, 4, {3, 1, 1, 1, 4}), 0, 6);
  const ir::ValueId pooled = tiny::global_average_pool(g, tiny::add(g, a, b));
  tiny::output(g, tiny::softmax(g, tiny::gemm(g, tiny::flatten(g, pooled), 10)), "y");
  test::check_golden("tflite/small_network.txt", dump(lower(float_model(g), {})));
}

TEST_CASE("what is written is read back: tensors, operators, options; and every byte has an owner") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 16, 16});
  const ir::ValueId a = tiny::node(g, "LeakyRelu", {tiny::conv(g, x, 4, {3, 2, 1, 2})}, {{"alpha", 0.125f}});
  tiny::output(g, tiny::softmax(g, tiny::average_pool(g, a), 1), "y");
  const Model model = lower(float_model(g), {});
  const plan::Written written = serialise(model);
  int64_t bytes = 0;
  for (const plan::Piece& piece : written.pieces) bytes += piece.bytes;
  CHECK(bytes == static_cast<int64_t>(written.bytes.size()));
  CHECK(serialise(lower(float_model(g), {})).bytes == written.bytes);

  const file::Model found = file::parse(written.bytes, "test");
  const file::Graph& graph = found.graphs.at(0);
  REQUIRE(graph.tensors.size() == model.tensors.size());
  for (size_t t = 0; t < model.tensors.size(); ++t) {
    CHECK(graph.tensors[t].name == model.tensors[t].name);
    CHECK(graph.tensors[t].dims ==
          std::vector<int64_t>(model.tensors[t].shape.begin(), model.tensors[t].shape.end()));
    CHECK(graph.tensors[t].data == (model.tensors[t].data ? std::string_view(*model.tensors[t].data) : ""));
  }
  REQUIRE(graph.operators.size() == model.operators.size());
  for (size_t o = 0; o < model.operators.size(); ++o) {
    const Operator& made = model.operators[o];
    CHECK(graph.operators[o].op == info_of(made.op).name);
    CHECK(graph.operators[o].version == made.version);
    CHECK(graph.operators[o].inputs == made.inputs);
    CHECK(graph.operators[o].outputs == made.outputs);
  }
  CHECK(file::float_option(graph.operators[2], "alpha") == 0.125);
  REQUIRE(found.signatures.size() == 1);
  CHECK(found.signatures[0].key == "serving_default");
  CHECK(found.signatures[0].inputs == std::vector<std::pair<std::string, TensorId>>{{"x", model.inputs[0]}});
  REQUIRE(found.metadata.size() == 1);
  CHECK(found.metadata[0].first == "min_runtime_version");
  CHECK(found.metadata[0].second.size() == 16);
}

}  // namespace
}  // namespace qc::tflite
