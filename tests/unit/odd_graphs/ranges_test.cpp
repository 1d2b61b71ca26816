// Odd graphs whose values have ranges that round badly, or differently in the two runtimes.
#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>

#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "unit/odd_graphs/odd_graphs.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

using test::sqnr_db;
using tiny::constant;
using tiny::conv;
using tiny::filled;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

TEST_CASE("a Softmax on integers is written in the runtime's integer ops") {
  const auto scores = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId rows = tiny::reshape(g, conv(g, x, 4), {4, 120});
    output(g, tiny::softmax(g, tiny::gemm(g, rows, 5)), "y");
  };
  check({"qoperator", scores, {"/target_platform_capabilities=qnn", "/output/onnx/form=qoperator"}, 15});
}

TEST_CASE("a Softmax over a single score is 1", "[litert]") {
  check({"one score",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId scores = tiny::reshape(g, conv(g, x, 4), {1, 1, 480});
           output(g, tiny::add(g, tiny::softmax(g, scores, 1), scores), "y");
         },
         {"/placement=full", "/output/formats=[\"onnx\",\"tflite\"]", "/target_platform_capabilities=litert"},
         25});
}

TEST_CASE("the choices of a Where keep scales of their own", "[litert]") {
  const auto half_of_a_convolution = [](ir::Graph& g, ir::ValueId x) {
    std::string mask(12 * 10, '\0');
    for (size_t i = 0; i < mask.size(); i += 2) mask[i] = 1;
    const ir::ValueId condition = constant(g, ir::make_tensor(ir::DType::kBool, mask, {12, 10}));
    const ir::ValueId y = node(g, "Where", {condition, conv(g, x, 3), x});
    ir::value_at(g, y).dtype = ir::DType::kFloat;
    output(g, y, "y");
  };
  check({"full", half_of_a_convolution, kBoth, 30});
  check({"litert", half_of_a_convolution, lone_tflite("litert"), 30});
}

TEST_CASE("a range that is a power of two ends beyond a Clip", "[litert]") {
  for (const auto& [low, high] : {std::pair{-0.5f, 3.0f}, {-1.0f, 0.7f}, {-3.0f, 3.0f}})
    check({"Gemm and Clip",
           [low = low, high = high](ir::Graph& g, ir::ValueId x) {
             const ir::ValueId rows = tiny::reshape(g, x, {3, 120});
             output(
                 g,
                 tiny::clip(g, node(g, "Gemm", {rows, constant(g, random_tensor({120, 8}, 3))}), low, high),
                 "y");
           },
           lone_tflite("tflite"), 25});
}

// Half steps in a quarter of the sums and more, which LiteRT rounds up and ONNX Runtime to even.
TEST_CASE("sums of ranges that are powers of two are the same in both files", "[litert]") {
  ir::Graph g = tiny::graph();
  ir::ValueId stream = input(g, "x", {1, 8, 12, 10});
  for (int block = 0; block < 4; ++block)
    stream =
        tiny::add(g, stream, node(g, "Mul", {stream, constant(g, random_tensor({8, 1, 1}, 5, 0, 0.3f))}));
  output(g, stream, "y");
  const Files files =
      convert_graph(g, {"/target_platform_capabilities=tflite", "/output/formats=[\"onnx\",\"tflite\"]"});
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx_io::write(g), 90);
  const ir::Tensor expected = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0];
  CHECK(litert_db(expected, files.tflite, inputs) > 60);
}

TEST_CASE("a layer of zeros hands on its bias", "[litert]") {
  check({"weights",
         [](ir::Graph& g, ir::ValueId x) {
           output(
               g,
               node(g, "Conv", {x, constant(g, filled({4, 3, 3, 3}, 0)), constant(g, random_tensor({4}, 7))}),
               "y");
         },
         kBoth, 40});
  check({"inputs",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId never = tiny::relu(
               g, node(g, "Conv",
                       {x, constant(g, random_tensor({4, 3, 1, 1}, 8)), constant(g, filled({4}, -9))}));
           output(g,
                  node(g, "Conv",
                       {never, constant(g, random_tensor({4, 4, 1, 1}, 9)),
                        constant(g, random_tensor({4}, 10))}),
                  "y");
         },
         kBoth, 40});
}

TEST_CASE("a Clip that lets next to nothing of a layer through leaves files that are right", "[litert]") {
  check({"Conv",
         [](ir::Graph& g, ir::ValueId x) {
           output(
               g,
               tiny::clip(g, node(g, "Conv", {x, constant(g, random_tensor({4, 3, 3, 3}, 11, -1e5f, 1e5f))}),
                          -1, 1),
               "y");
         },
         kBoth, 10});
  check({"an input of large numbers",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId large = node(g, "Mul", {x, constant(g, 3e6f)});
           output(g, tiny::clip(g, tiny::transpose(g, large, {0, 1, 3, 2}), -1, 1), "y");
         },
         kBoth, 10});
}

TEST_CASE("a part of a Split that only a Relu reads", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const std::vector<ir::ValueId> parts = tiny::node_outputs(
        g, "Split", {conv(g, x, 8), tiny::constant_i(g, {4, 4})}, {{"axis", int64_t{1}}}, 2);
    for (const ir::ValueId part : parts) {
      ir::value_at(g, part).has_shape = true;
      ir::value_at(g, part).dims = {1, 4, 12, 10};
    }
    output(g, tiny::add(g, conv(g, tiny::relu(g, parts[1]), 4), parts[0]), "y");
  };
  check({"both", build, kBoth, 25});
  check({"tflite", build, lone_tflite("litert"), 25});
}

TEST_CASE("a zero that bounds a range and fills a gap", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const tiny::Dims dims{1, 4, 12, 10};
    const ir::ValueId zero = constant(g, 0.0f), six = constant(g, 6.0f);
    const auto relu6 = [&](ir::ValueId v) { return node(g, "Clip", {v, zero, six}, {}, dims); };
    const ir::ValueId mask =
        constant(g, ir::make_tensor(ir::DType::kBool, std::string("\0\1\1\0", 4), {4, 1, 1}));
    const ir::ValueId filled = node(g, "Where", {mask, zero, relu6(conv(g, x, 4))}, {}, dims);
    ir::value_at(g, filled).dtype = ir::DType::kFloat;
    output(g, conv(g, relu6(conv(g, filled, 4)), 3), "y");
  };
  check({"both", build, kBoth, 25});
  check({"tflite", build, lone_tflite("tflite"), 25});
}

TEST_CASE("what a Pad fills in is in the range of its result", "[litert]") {
  for (const char* target : {"tflite", "litert", "tflm"})
    check({target,
           [](ir::Graph& g, ir::ValueId x) {
             const ir::ValueId pads = tiny::constant_i(g, {0, 0, 2, 2, 0, 0, 2, 2});
             output(g,
                    node(g, "Pad", {tiny::relu(g, conv(g, x, 4)), pads, constant(g, -1.0f)}, {},
                         tiny::Dims{1, 4, 16, 14}),
                    "y");
           },
           lone_tflite(target), 30});
}

TEST_CASE("a Reshape behind a Softmax rounds nothing", "[litert]") {
  check({"both",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId flat = tiny::reshape(g, conv(g, x, 4), {1, 480});
           output(g, tiny::reshape(g, tiny::softmax(g, flat), {1, 4, 12, 10}), "y");
         },
         kBoth, 20});
}

TEST_CASE("scores keep their resolution beside what a mask hides", "[litert]") {
  for (const float hidden : {-std::numeric_limits<float>::infinity(), std::numeric_limits<float>::lowest()})
    for (const auto& settings : {kBoth, lone_tflite("litert")})
      check(
          {"causal mask",
           [&](ir::Graph& g, ir::ValueId x) {
             std::vector<float> causal(64, 0.0f);
             for (size_t row = 0; row < 8; ++row)
               std::fill_n(causal.begin() + static_cast<std::ptrdiff_t>(8 * row + row + 1), 7 - row, hidden);
             const ir::ValueId mask = constant(g, ir::make_tensor(std::span<const float>(causal), {1, 8, 8}));
             const auto product = [&](ir::ValueId a, unsigned seed) {
               return node(g, "MatMul", {a, constant(g, random_tensor({8, 8}, seed))}, {},
                           tiny::Dims{1, 8, 8});
             };
             const ir::ValueId scores = tiny::add(g, product(product(x, 3), 4), mask);
             output(g, product(tiny::softmax(g, scores), 5), "y");
           },
           settings, 30},
          {1, 8, 8});
}

TEST_CASE("probabilities over many places keep their grid fine, where no .tflite asks for another") {
  constexpr int64_t kPlaces = 400, kWidth = 8;
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, kPlaces, kWidth});
  const auto projected = [&](unsigned seed) {
    return tiny::matmul(g, x, constant(g, tiny::random_tensor({kWidth, kWidth}, seed)));
  };
  const ir::ValueId shares = tiny::softmax(g, tiny::transpose(g, projected(1), {0, 2, 1}));
  const ir::ValueId context = tiny::matmul(g, shares, projected(2));
  output(g, tiny::matmul(g, projected(3), context), "y");
  const Files files = convert_graph(g, {"/placement=full"});
  const std::string model = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0]) > 25);
}

}  // namespace
}  // namespace qc::odd
