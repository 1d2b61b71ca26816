// What LiteRT's kernels ask of a .tflite, in odd graphs: operators that the plan has and LiteRT has not, or
// computes otherwise.
#include <catch2/catch.hpp>

#include "base/text.h"
#include "deliver/prove_tflite.h"
#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/litert.h"
#include "support/tiny_models.h"
#include "tflite/read.h"
#include "unit/odd_graphs/odd_graphs.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

using tiny::constant;
using tiny::conv;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

TEST_CASE("arithmetic of 64-bit integers runs in LiteRT", "[litert]") {
  const auto places = [](ir::Graph& g, ir::ValueId x) {
    const auto of_integers = [&](const char* op, std::vector<ir::ValueId> inputs) {
      const ir::ValueId y = node(g, op, std::move(inputs), {}, tiny::Dims{1, 1, 12, 10});
      ir::value_at(g, y).dtype = ir::DType::kInt64;
      return y;
    };
    const auto scalar = [&](int64_t n) {
      return constant(g, ir::make_tensor(std::span<const int64_t>(&n, 1), {}));
    };
    ir::ValueId n = node(g, "ArgMax", {x}, {{"axis", int64_t{1}}}, tiny::Dims{1, 1, 12, 10});
    ir::value_at(g, n).dtype = ir::DType::kInt64;
    n = of_integers("Div", {of_integers("Mul", {n, scalar(7)}), scalar(2)});
    n = of_integers("Clip", {of_integers("Add", {n, n}), scalar(1), scalar(9)});
    const ir::ValueId f =
        node(g, "Cast", {n}, {{"to", static_cast<int64_t>(ir::DType::kFloat)}}, tiny::Dims{1, 1, 12, 10});
    output(g, tiny::add(g, conv(g, x, 3), f), "y");
  };
  check({"floats", places, {"/output/formats=[\"tflite\"]", "/output/tflite/form=float32"}, 100});
}

TEST_CASE("64-bit places and constants become one list in LiteRT", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 3, 12, 10});
  const auto of_64 = [&](ir::ValueId v) {
    ir::value_at(g, v).dtype = ir::DType::kInt64;
    return v;
  };
  const ir::ValueId places = of_64(node(g, "ArgMax", {tiny::reshape(g, x, {1, 360})},
                                        {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}, tiny::Dims{1}));
  const ir::ValueId joined =
      of_64(node(g, "Concat", {tiny::constant_i(g, {7}), places}, {{"axis", int64_t{0}}}, tiny::Dims{2}));
  const ir::ValueId y =
      node(g, "Cast", {joined}, {{"to", static_cast<int64_t>(ir::DType::kFloat)}}, tiny::Dims{2});
  ir::value_at(g, y).dtype = ir::DType::kFloat;
  output(g, y, "y");
  const std::string model = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  for (const char* form : {"int8", "float32"}) {
    std::vector<std::string> settings = lone_tflite("litert");
    settings.push_back(format("/output/tflite/form={}", form));
    const litert::Result found = litert::run(convert_graph(g, settings).tflite, inputs);
    const ir::Tensor expected = ort_try::run(model, inputs)[0],
                     read = ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), {2});
    CHECK(read.as<float>()[0] == expected.as<float>()[0]);
    // In 8 bits there are ties.
    if (form == std::string("float32")) CHECK(read.as<float>()[1] == expected.as<float>()[1]);
  }
}

TEST_CASE("what TFLite spells as several operators in float is float between integers", "[litert]") {
  check({"a norm",
         [](ir::Graph& g, ir::ValueId x) {
           output(g, node(g, "LpNormalization", {conv(g, x, 4)}, {{"axis", int64_t{1}}, {"p", int64_t{2}}}),
                  "y");
         },
         lone_tflite("tflite"), 20});
}

TEST_CASE("the second of two multiplied activations has zero point 0 for XNNPACK", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId a = conv(g, x, 6), b = tiny::relu(g, conv(g, x, 6, {}, 5));
    output(g, tiny::matmul(g, a, tiny::transpose(g, b, {0, 1, 3, 2})), "y");
  };
  check({"product", build, lone_tflite("litert"), 25});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const std::string tflite = convert_graph(g, lone_tflite("litert")).tflite;
  const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
  int products = 0;
  for (const auto& op : parsed.graphs[0].operators) {
    if (op.op != "BATCH_MATMUL") continue;
    ++products;
    const tflite::file::Tensor& right = parsed.graphs[0].tensors[op.inputs[1]];
    CHECK(right.type == "INT8");
    CHECK(right.zero_points == std::vector<int64_t>{0});
  }
  CHECK(products == 1);
}

TEST_CASE("a transposed value times itself is transposed for each side", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId turned = tiny::transpose(g, input(g, "x", {1, 12, 12, 3}), {0, 3, 1, 2});
  output(g, tiny::matmul(g, turned, turned), "y");
  const std::string tflite =
      convert_graph(g, {"/output/formats=[\"tflite\"]", "/output/tflite/form=float32"}).tflite;
  CHECK(operators_of(tflite, "TRANSPOSE") == 2);
}

TEST_CASE("an average of whole windows is a convolution to XNNPACK, and rounded once", "[litert]") {
  for (const bool padded : {false, true}) {
    const auto build = [padded](ir::Graph& g, ir::ValueId x) {
      const int64_t pad = padded ? 1 : 0;
      output(g,
             node(g, "AveragePool", {conv(g, x, 6)},
                  {{"kernel_shape", std::vector<int64_t>{3, 3}},
                   {"pads", std::vector<int64_t>(4, pad)},
                   {"count_include_pad", int64_t{1}}},
                  tiny::Dims{1, 6, 10 + 2 * pad, 8 + 2 * pad}),
             "y");
    };
    check({"average", build, lone_tflite("litert"), 36});
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 12, 10}));
    CHECK(operators_of(convert_graph(g, lone_tflite("litert")).tflite, "DEPTHWISE_CONV_2D") == 1);
  }
}

TEST_CASE("larger images are made by convolutions where that is faster", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId up =
        tiny::conv_transpose(g, tiny::relu(g, conv(g, x, 8)), 6, {.kernel = 4, .stride = 2, .pad = 1});
    output(g, conv(g, tiny::relu(g, tiny::batch_norm(g, up)), 4), "y");
  };
  const auto operators = [&](const std::vector<std::string>& settings, const char* op) {
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 12, 10}));
    return operators_of(convert_graph(g, settings).tflite, op);
  };
  check({"on both", build, kBoth, 30});
  check({"onnx", build, {"/placement=full"}, 30});
  check({"float", build, {"/output/formats=[\"tflite\"]", "/output/tflite/form=float32"}, 100});
  std::vector<std::string> named = lone_tflite("litert");
  named.push_back(R"(/keep_float={"op_types": ["ConvTranspose"]})");
  for (const char* target : {"int8", "litert"}) {
    check({target, build, lone_tflite(target), 30});
    CHECK(operators(lone_tflite(target), "DEPTH_TO_SPACE") == 1);
    CHECK(operators(lone_tflite(target), "DEQUANTIZE") == 1);  // the output
  }
  for (const std::vector<std::string>& kept : {lone_tflite("ethos-u"), lone_tflite("tflm"), named})
    CHECK(operators(kept, "TRANSPOSE_CONV") == 1);
}

TEST_CASE("longer signals are made by convolutions without a TRANSPOSE", "[litert]") {
  const auto up = [](ir::Graph& g, ir::ValueId x, int64_t in, int64_t out, int64_t pad) {
    const std::vector<int64_t> kernel{4}, strides{2}, pads{pad, pad};
    return node(
        g, "ConvTranspose",
        {x, constant(g, random_tensor({in, out, 4}, 5, -0.5f, 0.5f)), constant(g, random_tensor({out}, 6))},
        {{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}});
  };
  const auto build = [&](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId first = tiny::relu(g, up(g, tiny::relu(g, up(g, x, 3, 8, 1)), 8, 6, 1)),
                      skip = node(g, "Conv", {first, constant(g, random_tensor({6, 6, 1}, 8, -0.5f, 0.5f))});
    output(g, up(g, tiny::add(g, first, skip), 6, 2, 0), "y");
  };
  const auto operators = [&](const std::vector<std::string>& settings, const char* op) {
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 20}));
    return operators_of(convert_graph(g, settings).tflite, op);
  };
  check({"float", build, {"/output/formats=[\"tflite\"]", "/output/tflite/form=float32"}, 100}, {1, 3, 20});
  check({"on both", build, kBoth, 28}, {1, 3, 20});
  for (const char* target : {"int8", "litert"}) {
    check({target, build, lone_tflite(target), 28}, {1, 3, 20});
    CHECK(operators(lone_tflite(target), "CONV_2D") == 4);
    CHECK(operators(lone_tflite(target), "TRANSPOSE_CONV") == 0);
    CHECK(operators(lone_tflite(target), "TRANSPOSE") == 2);  // what comes in and goes out
    CHECK(operators(lone_tflite(target), "DEQUANTIZE") == 1);
  }
}

TEST_CASE("the second of two activations that are multiplied has zero point 0 in every .tflite for XNNPACK",
          "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto tokens = [&](unsigned seed) {
      return tiny::reshape(g, tiny::relu(g, conv(g, x, 8, {3, 1, 1, 1, 1, true}, seed)), {1, 8, 120});
    };
    output(g, tiny::matmul(g, tokens(1), tiny::transpose(g, tokens(2), {0, 2, 1})), "y");
  };
  check({"product", build, kBoth, 28});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const Files files = convert_graph(g, kBoth);
  const tflite::file::Model parsed = tflite::file::parse(files.tflite, "odd.tflite");
  int products = 0;
  for (const auto& op : parsed.graphs[0].operators) {
    if (op.op != "BATCH_MATMUL") continue;
    ++products;
    const auto& second = parsed.graphs[0].tensors[op.inputs[1]];
    CHECK(second.zero_points == std::vector<int64_t>{0});
  }
  CHECK(products == 1);
}

TEST_CASE("a large depthwise kernel in pieces rounds its sum once", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId weight = constant(g, random_tensor({6, 1, 7, 7}, 3, -0.3f, 0.3f)),
                      bias = constant(g, random_tensor({6}, 4, -0.5f, 0.5f));
    const ir::ValueId wide =
        node(g, "Conv", {conv(g, x, 6), weight, bias},
             {{"group", int64_t{6}}, {"pads", std::vector<int64_t>(4, 3)}}, tiny::Dims{1, 6, 12, 10});
    output(g, tiny::relu(g, wide), "y");
  };
  check({"pieces", build, lone_tflite("litert"), 33});
  std::vector<std::string> full = lone_tflite("litert");
  full.push_back("/placement=full");
  check({"pieces on integers", build, full, 33});
}

TEST_CASE("tokens become an image without a TRANSPOSE", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId image = conv(g, input(g, "x", {1, 3, 12, 10}), 8);
  const ir::ValueId tokens = tiny::transpose(g, tiny::reshape(g, image, {1, 8, 120}), {0, 2, 1});
  const ir::ValueId mixed = tiny::matmul(g, tokens, constant(g, random_tensor({8, 6}, 12)));
  const ir::ValueId again = tiny::reshape(g, tiny::transpose(g, mixed, {0, 2, 1}), {1, 6, 12, 10});
  output(g, conv(g, again, 4), "y");
  const std::string tflite = convert_graph(g, {"/output/formats=[\"tflite\"]", "/output/tflite/form=float32",
                                               "/output/tflite/keep_nchw_io=false"})
                                 .tflite;
  CHECK(operators_of(tflite, "TRANSPOSE") == 0);
}

// What LiteRT has no integer kernel for, or one that compares integers whatever their scales.
TEST_CASE("what a target has on integers and LiteRT has not computes in float", "[litert]") {
  const auto products = [](ir::Graph& g, ir::ValueId x, const auto& middle) {
    const auto product = [&](ir::ValueId a, unsigned seed) {
      return node(g, "MatMul", {a, constant(g, random_tensor({8, 8}, seed))}, {}, tiny::Dims{1, 8, 8});
    };
    const ir::ValueId a = product(x, 3), b = tiny::mul(g, product(x, 4), constant(g, 0.3f));
    output(g, product(tiny::add(g, middle(a, b), a), 5), "y");
  };
  const auto of = [](ir::Graph& g, const char* op, std::vector<ir::ValueId> inputs,
                     tiny::Attributes attributes = {}) {
    return node(g, op, std::move(inputs), std::move(attributes), tiny::Dims{1, 8, 8});
  };
  for (const char* target : {"qnn", "imx500"}) {
    const auto tried = [&](const char* name, const auto& middle) {
      check({name,
             [&](ir::Graph& g, ir::ValueId x) {
               products(g, x, [&](ir::ValueId a, ir::ValueId b) { return middle(g, a, b); });
             },
             lone_tflite(target), 24},
            {1, 8, 8});
    };
    for (const char* op : {"Max", "Min"}) {
      tried(op, [&](ir::Graph& g, ir::ValueId a, ir::ValueId b) { return of(g, op, {a, b}); });
      tried(op, [&](ir::Graph& g, ir::ValueId a, ir::ValueId b) {
        return of(g, op, {a, b, constant(g, 0.1f)});
      });
    }
    for (const char* op : {"Neg", "Erf", "Softplus", "Sin", "Cos"})
      tried(op, [&](ir::Graph& g, ir::ValueId, ir::ValueId b) { return of(g, op, {b}); });
    tried("Div", [&](ir::Graph& g, ir::ValueId a, ir::ValueId b) {
      return of(g, "Div", {a, tiny::add(g, of(g, "Abs", {b}), constant(g, 0.7f))});
    });
    tried("Pow", [&](ir::Graph& g, ir::ValueId a, ir::ValueId) {
      return of(g, "Pow", {a, constant(g, 2.0f)});
    });
    tried("LayerNormalization", [&](ir::Graph& g, ir::ValueId a, ir::ValueId) {
      return of(g, "LayerNormalization", {a, constant(g, random_tensor({8}, 7))});
    });
    tried("Clip", [&](ir::Graph& g, ir::ValueId a, ir::ValueId b) {
      return tiny::add(g, tiny::clip(g, tiny::add(g, a, b), 0, 0.8f), b);
    });
  }
}

TEST_CASE("a .tflite that does not compute its plan is told from one that does") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8)), 4), "y");
  const std::string model = onnx_io::write(g);
  std::string tflite = convert_graph(g, {"/output/formats=[\"tflite\"]"}).tflite;
  run::OrtRunnerFactory runners(onnx_codec());
  plan::QuantizedModel planned;  // nothing rounded: no plan is nearer to float
  planned.graph = g;
  planned.plan.nodes.resize(g.nodes.size());
  planned.plan.values.resize(g.values.size());
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const auto found = [&] {
    return unlike_its_plan(tflite, "odd.tflite", g, planned, simulate::judged_values(g), inputs, runners);
  };
  CHECK(!found());
  // The first weights, somewhere behind the tables: other numbers.
  const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
  for (const tflite::file::Tensor& tensor : parsed.graphs[0].tensors) {
    if (tensor.type != "INT8" || tensor.data.size() < 64) continue;
    std::string other(tensor.data);
    for (char& byte : other) byte = static_cast<char>(-byte);
    tflite.replace(tflite.find(tensor.data), other.size(), other);
    break;
  }
  const auto problem = found();
  REQUIRE(problem);
  CHECK(problem->place == "odd.tflite");
  CHECK_THAT(problem->cause, Catch::Contains("'y'"));
  tflite.resize(tflite.size() / 2);
  CHECK_THROWS_WITH(found(), Catch::Contains("it would not run"));
}

TEST_CASE("a .tflite hands out no text") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, input(g, "x", {1, 3, 12, 10}), 4), "y");
  ir::Tensor text;
  text.dtype = ir::DType::kString;
  text.dims = {1};
  text.bytes = std::make_shared<const std::string>();
  text.opaque_proto = "\x08\x01\x10\x08\x32\x01t";
  const ir::ValueId said = node(g, "Identity", {constant(g, text)}, {}, tiny::Dims{1});
  ir::value_at(g, said).dtype = ir::DType::kString;
  output(g, said, "said");
  CHECK_THROWS_WITH(convert_graph(g, {"/output/formats=[\"tflite\"]"}), Catch::Contains("is string"));
}

}  // namespace
}  // namespace qc::odd
