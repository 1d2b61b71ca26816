// What reports say of odd graphs, and inspect of one that is broken.
#include <catch2/catch.hpp>

#include <algorithm>

#include "base/files.h"
#include "inspect.h"
#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/branches.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "unit/odd_graphs/odd_graphs.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

using test::sqnr_db;
using tiny::constant;
using tiny::conv;
using tiny::input;
using tiny::node;
using tiny::output;

TEST_CASE("a lone .tflite is reported by its own operators") {
  ir::Graph g = tiny::graph();
  ir::ValueId x = tiny::clip(g, conv(g, input(g, "x", {1, 3, 12, 10}), 6), 0, 6);
  x = node(g, "Tanh", {tiny::conv_transpose(g, x, 6)}, {},
           tiny::Dims{1, 6, 12, 10});  // floats to ONNX Runtime
  output(g, conv(g, x, 4), "y");
  std::vector<std::string> settings = lone_tflite("tflite");
  settings.push_back("/placement=full");
  const report::Report report = convert_graph(g, settings).report;
  const report::Coverage found = report::coverage(report);
  CHECK(found.integer == found.nodes);
  CHECK(report::stayed_float(report).empty());
  std::vector<std::string> kernels;
  for (const report::NodeRow& row : report.nodes) kernels.push_back(row.verdict);
  CHECK(kernels == std::vector<std::string>{"CONV_2D", "fused into " + report.nodes[0].node, "TRANSPOSE_CONV",
                                            "TANH", "CONV_2D"});

  settings.back() = "/output/tflite/form=float32";
  CHECK(report::coverage(convert_graph(g, settings).report).integer == 0);
}

TEST_CASE("an If with a fixed condition is quantized, of another the notes say what stays") {
  const auto branch = [](const std::string& result, unsigned seed) -> tiny::Branch {
    return [=](ir::Graph& b) {
      output(b, conv(b, tiny::input(b, "x", {1, 3, 12, 10}), 32, {}, seed), result);
    };
  };
  for (const bool fixed : {true, false}) {
    ir::Graph g = tiny::graph();
    const ir::ValueId x = input(g, "x", {1, 3, 12, 10});
    const ir::ValueId largest = node(g, "ReduceMax", {x}, {{"keepdims", int64_t{0}}}, tiny::Dims{});
    const ir::ValueId condition =
        fixed ? tiny::truth(g, true) : node(g, "Greater", {largest, constant(g, 0.0f)}, {}, tiny::Dims{});
    const ir::ValueId y = tiny::if_node(g, condition, branch("t", 1), branch("e", 2), {1, 32, 12, 10});
    output(g, conv(g, tiny::relu(g, y), 4), "y");
    const Files files = convert_graph(g, {"/placement=full"});
    CHECK(count_of(read_graph(files.onnx), "If") == (fixed ? 0 : 1));
    const auto& notes = files.report.notes;
    CHECK(std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
            return note.starts_with("7.2 kB of weights stay as they are") &&
                   note.find("input 'x'") != std::string::npos;
          }) == !fixed);
  }
}

TEST_CASE("inspect refuses a node without its inputs in the words of a conversion") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 4, 8});
  const ir::ValueId weights = tiny::softmax(g, tiny::matmul(g, x, tiny::transpose(g, x, {0, 2, 1})));
  output(g, tiny::matmul(g, weights, x), "y");
  ir::Node& softmax = ir::node_at(g, tiny::only(g, "Softmax"));
  ir::value_at(g, softmax.inputs[0]).consumers.clear();
  softmax.inputs.clear();
  const TemporaryFolder own;
  const std::filesystem::path model = own.path() / "odd.onnx";
  write_file_atomically(model, onnx_io::write(g));
  CHECK_THROWS_WITH(inspect(model, "int8"), Catch::Contains("it has 0 of the 1 inputs that it needs"));
}

TEST_CASE("scores that are joined with coordinates in pixels are judged by themselves where a goal is set") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8));
  const ir::ValueId boxes = tiny::mul(g, conv(g, x, 4), constant(g, 640.0f)),
                    scores = tiny::sigmoid(g, conv(g, x, 3, {}, 7));
  output(g, tiny::reshape(g, tiny::concat(g, {boxes, scores}), {1, 7, 120}), "y");
  const std::string model = onnx_io::write(g);
  const auto slice = [](const ir::Tensor& all, size_t first, size_t last) {
    const auto numbers = all.as<float>().subspan(first * 120, (last - first) * 120);
    return ir::make_tensor(numbers, {static_cast<int64_t>(numbers.size())});
  };
  const struct {
    const char* placement;
    bool counts;
  } rows[] = {{"auto", false}, {"full", true}, {"{\"min_sqnr_db\":20}", true}};
  for (const auto& row : rows) {
    CAPTURE(row.placement);
    const Files files = convert_graph(g, {std::string("/placement=") + row.placement});
    REQUIRE(files.report.accuracy);
    const report::Accuracy& accuracy = *files.report.accuracy;
    REQUIRE(accuracy.integer.size() == 1);
    const auto& parts = accuracy.integer[0].parts;
    REQUIRE(parts.size() == 2);
    CHECK(parts[0].part == "[:, 0:4]");
    CHECK(parts[1].part == "[:, 4:7]");
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    const ir::Tensor expected = ort_try::run(model, inputs)[0],
                     found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0];
    CHECK(parts[0].sqnr_db == Approx(sqnr_db(slice(expected, 0, 4), slice(found, 0, 4))).margin(3));
    CHECK(parts[1].sqnr_db == Approx(sqnr_db(slice(expected, 4, 7), slice(found, 4, 7))).margin(3));
    CHECK(accuracy.simulated[0].parts[1].sqnr_db == Approx(parts[1].sqnr_db).margin(3));
    CHECK(accuracy.worst_sqnr_db() ==
          (row.counts ? std::min(parts[0].sqnr_db, parts[1].sqnr_db) : accuracy.integer[0].sqnr_db));
  }
}

}  // namespace
}  // namespace qc::odd
