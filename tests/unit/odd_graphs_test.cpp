// Legal graphs that are rare, from the file to both files: stock ONNX Runtime and LiteRT are asked what the
// written files compute, on inputs that were not calibrated on. Each row was wrong once.
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <limits>

#include "base/files.h"
#include "base/text.h"
#include "deliver/prove_tflite.h"
#include "fix.h"
#include "inspect.h"
#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/litert.h"
#include "support/tiny_models.h"
#include "tflite/read.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

using ort_try::sqnr_db;
using tiny::constant;
using tiny::conv;
using tiny::filled;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

// Of numpy's format 1.0.
std::string npy(const ir::Tensor& tensor) {
  std::string shape;
  for (const int64_t d : tensor.dims) shape += std::to_string(d) + ", ";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  return std::string("\x93NUMPY\x01\x00", 8) + std::string(reinterpret_cast<const char*>(&length), 2) +
         header + *tensor.bytes;
}

struct Files {
  std::string onnx, tflite;
  report::Report report;
};

// `file`: what calibration file i holds; left out: random numbers of the model's own shape.
Files files_of(const std::string& model, const std::vector<std::string>& settings,
               const std::function<ir::Tensor(unsigned i)>& file,
               const std::function<ConvertResult(const ConvertOptions&)>& corridor) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("qconvert-odd-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "calib");
  write_file_atomically(folder / "odd.onnx", model);
  for (unsigned i = 0; i < 12; ++i)
    write_file_atomically(folder / "calib" / format("{:02}.npy", i),
                          npy(file ? file(i) : ort_try::random_inputs(model, i + 1)[0]));
  ConvertOptions options;
  options.model = folder / "odd.onnx";
  options.output_folder = folder / "out";
  options.overrides = {config::parse_override("/representative_dataset/path=" + (folder / "calib").string()),
                       config::parse_override("/output/tflite/io_type=float32"),
                       config::parse_override("/output/tflite/keep_nchw_io=true")};
  for (const std::string& setting : settings) options.overrides.push_back(config::parse_override(setting));
  const ConvertResult result = corridor(options);
  Files files{{}, {}, result.report};
  for (const std::filesystem::path& path : result.written) {
    if (path.extension() == ".onnx") files.onnx = read_file(path);
    if (path.extension() == ".tflite") files.tflite = read_file(path);
  }
  std::filesystem::remove_all(folder);
  return files;
}

Files convert_graph(const ir::Graph& g, const std::vector<std::string>& settings,
                    const std::function<ir::Tensor(unsigned i)>& file = {}) {
  return files_of(onnx_io::write(g), settings, file, convert);
}

struct Case {
  const char* name;
  std::function<void(ir::Graph&, ir::ValueId x)> build;
  std::vector<std::string> settings;
  double least_db;
};

void check(const Case& one, const std::vector<int64_t>& dims = {1, 3, 12, 10}) {
  CAPTURE(one.name);
  ir::Graph g = tiny::graph();
  one.build(g, input(g, "x", dims));
  const std::string model = onnx_io::write(g);
  const Files files = convert_graph(g, one.settings);
  REQUIRE((!files.onnx.empty() || !files.tflite.empty()));
  for (unsigned seed = 90; seed < 92; ++seed) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, seed);
    const std::vector<ir::Tensor> expected = ort_try::run(model, inputs);
    if (!files.onnx.empty()) {
      const std::vector<ir::Tensor> found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended);
      for (size_t i = 0; i < expected.size(); ++i) CHECK(sqnr_db(expected[i], found[i]) > one.least_db);
    }
    if (files.tflite.empty()) continue;
    const litert::Result found = litert::run(files.tflite, inputs);
    for (size_t i = 0; i < expected.size(); ++i)
      CHECK(sqnr_db(expected[i], ir::make_tensor(ir::DType::kFloat, found.outputs.at(i), expected[i].dims)) >
            one.least_db);
  }
}

const std::vector<std::string> kBoth{"/placement=full", "/output/formats=[\"onnx\",\"tflite\"]"};

std::vector<std::string> lone_tflite(const char* target) {
  return {"/output/formats=[\"tflite\"]", format("/target_platform_capabilities={}", target)};
}

TEST_CASE("a float .tflite beside integers keeps its floats", "[litert]") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 6)), 4), "y");
  const std::string model = onnx_io::write(g);
  std::vector<std::string> settings = kBoth;
  settings.push_back("/output/tflite/form=float32");
  const Files files = convert_graph(g, settings);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const ir::Tensor expected = ort_try::run(model, inputs)[0];
  const litert::Result found = litert::run(files.tflite, inputs);
  CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims)) > 100);
  CHECK(sqnr_db(expected, ort_try::run(files.onnx, inputs)[0]) < 60);
}

TEST_CASE("a file is one run, whatever a free first dimension counts") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "points", {-1, 16});
  output(g, tiny::gemm(g, tiny::relu(g, tiny::gemm(g, x, 32)), 8), "y");
  const std::string model = onnx_io::write(g);
  const Files files = convert_graph(g, {"/placement=full"}, [](unsigned i) {
    return random_tensor({3 + i, 16}, i + 1);
  });
  const std::vector<ir::Tensor> inputs{random_tensor({20, 16}, 90)};
  CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0]) > 30);
  CHECK_THROWS_WITH(convert_graph(g, {"/placement=full", "/representative_dataset/batch_size=4"},
                                  [](unsigned i) {
                                    return random_tensor({3 + i, 16}, i + 1);
                                  }),
                    Catch::Contains("it holds 3 at once"));
}

TEST_CASE("single numbers of rank 0 come into a .tflite", "[litert]") {
  check({"the mean of all",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId y = conv(g, x, 4);
           const ir::ValueId mean = node(g, "ReduceMean", {x}, {{"keepdims", int64_t{0}}});
           const ir::ValueId scaled = node(g, "Mul", {mean, constant(g, 3.0f)});
           output(g, node(g, "Add", {y, scaled}, {}, tiny::Dims{1, 4, 12, 10}), "y");
         },
         kBoth, 25});
}

TEST_CASE("a .tflite of free lengths says which it was fixed to, and is judged on that", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "sound", {1, 3, -1});
  const ir::ValueId kernel = constant(g, random_tensor({8, 3, 3}, 5));
  output(g,
         tiny::relu(
             g, node(g, "Conv", {x, kernel}, {{"pads", std::vector<int64_t>{1, 1}}}, tiny::Dims{1, 8, -1})),
         "y");
  const Files files = convert_graph(g, kBoth, [](unsigned i) {
    return random_tensor({1, 3, 20 + i}, i + 1);
  });
  REQUIRE(files.report.warnings.size() == 1);
  CHECK_THAT(files.report.warnings[0].cause, Catch::Contains("'sound' is [1,3,20]"));
  CHECK_THAT(files.report.warnings[0].remedy, Catch::Contains("/input_shapes/sound"));
  const std::vector<ir::Tensor> inputs{random_tensor({1, 3, 20}, 90)};
  const ir::Tensor expected = ort_try::run(onnx_io::write(g), inputs)[0];
  const litert::Result found = litert::run(files.tflite, inputs);
  CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims)) > 25);
}

TEST_CASE("a .tflite says what became of a free batch, and how to get another") {
  ir::Graph g = tiny::graph();
  output(g, tiny::relu(g, conv(g, input(g, "x", {-1, 3, 12, 10}), 4)), "y");
  const auto shape = [](const std::string& tflite) {
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    return parsed.graphs[0].tensors[static_cast<size_t>(parsed.graphs[0].inputs[0])].shape;
  };
  std::vector<std::string> settings = lone_tflite("int8");
  const Files one = convert_graph(g, settings);
  CHECK(shape(one.tflite) == std::vector<int64_t>{1, 3, 12, 10});
  CHECK_THAT(join(one.report.notes, "\n"), Catch::Contains("takes any other: resize_tensor_input()"));
  ir::Graph mixes = tiny::graph();
  const ir::ValueId rows = conv(mixes, input(mixes, "x", {-1, 3, 12, 10}), 4);
  output(mixes,
         node(mixes, "ReduceMean", {rows}, {{"axes", std::vector<int64_t>{0}}}, tiny::Dims{1, 4, 12, 10}),
         "y");
  CHECK_THAT(join(convert_graph(mixes, settings).report.notes, "\n"),
             Catch::Contains("MEAN of node") && Catch::Contains("/input_shapes/x"));
  settings.emplace_back("/input_shapes/x=[4,3,12,10]");
  const Files four = convert_graph(g, settings, [](unsigned i) {
    return random_tensor({4, 3, 12, 10}, i + 1);
  });
  CHECK(shape(four.tflite) == std::vector<int64_t>{4, 3, 12, 10});
  CHECK_THAT(join(four.report.notes, "\n"), !Catch::Contains("takes any other"));
}

TEST_CASE("activations of 16 bits are slow in LiteRT, and no time of 8 bits is said of them") {
  ir::Graph g = tiny::graph();
  output(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 4)), "y");
  const auto warned = [&](const char* target, const char* form) {
    std::vector<std::string> settings = lone_tflite(target);
    settings.push_back(format("/output/tflite/form={}", form));
    const report::Report report = convert_graph(g, settings).report;
    CHECK(report.predicted_time.has_value() == (std::string(form) == "int8"));
    return std::ranges::count_if(report.warnings, [](const auto& one) { return one.code == "slow-kernels"; });
  };
  CHECK(warned("litert", "int16x8") == 1);
  CHECK(warned("tflm", "int16x8") == 0);
  CHECK(warned("litert", "int8") == 0);
}

TEST_CASE("a table of embeddings has 8 bits where its rows are rounded", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 40, 12});
  const ir::ValueId ids = node(g, "ArgMax", {x}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}),
                    rows = node(g, "Gather", {constant(g, random_tensor({40, 32}, 3)), ids}, {},
                                tiny::Dims{1, 12, 32}),
                    tokens = tiny::reshape(g, rows, {12, 32});
  g.values[static_cast<size_t>(ids)].dtype = ir::DType::kInt64;
  output(g, tiny::gemm(g, tiny::relu(g, tiny::gemm(g, tokens, 24)), 8), "y");
  const std::string model = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const ir::Tensor expected = ort_try::run(model, inputs)[0];
  for (const char* form : {"int8", "dynamic_range"}) {
    CAPTURE(form);
    std::vector<std::string> settings = lone_tflite("litert");
    settings.push_back(format("/output/tflite/form={}", form));
    settings.emplace_back(R"(/keep_float={"op_types": ["ArgMax"]})");
    const std::string tflite = convert_graph(g, settings).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    const auto gather = std::ranges::find(parsed.graphs[0].operators, std::string("GATHER"),
                                          [](const auto& op) { return std::string(op.op); });
    REQUIRE(gather != parsed.graphs[0].operators.end());
    CHECK(parsed.graphs[0].tensors[static_cast<size_t>(gather->inputs[0])].dtype == ir::DType::kInt8);
    const litert::Result found = litert::run(tflite, inputs);
    CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims)) > 28);
  }
}

TEST_CASE("depthwise weights of 8 bits are unfolded once in the form dynamic_range", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId wide = tiny::relu(g, conv(g, x, 128, {.kernel = 3, .pad = 1})),
                      deep = tiny::relu(g, conv(g, wide, 128, {.kernel = 3, .pad = 1, .groups = 128}, 5));
    output(g, conv(g, deep, 8, {.kernel = 1, .pad = 0}, 6), "y");
  };
  std::vector<std::string> settings = lone_tflite("litert");
  settings.emplace_back("/output/tflite/form=dynamic_range");
  check({"depthwise", build, settings, 28});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const tflite::file::Model parsed = tflite::file::parse(convert_graph(g, settings).tflite, "odd.tflite");
  for (const auto& op : parsed.graphs[0].operators) {
    if (op.op == "CONV_2D" || op.op == "DEPTHWISE_CONV_2D")
      CHECK((parsed.graphs[0].tensors[static_cast<size_t>(op.inputs[1])].dtype == ir::DType::kFloat) ==
            (op.op == "DEPTHWISE_CONV_2D"));
  }
}

TEST_CASE("a dimension that is free may be empty") {
  ir::Graph g = tiny::graph();
  const ir::ValueId past = input(g, "past", {1, -1, 16});
  const ir::ValueId now = constant(g, random_tensor({1, 1, 16}, 3));
  const ir::ValueId all = node(g, "Concat", {past, now}, {{"axis", int64_t{1}}}, tiny::Dims{1, -1, 16});
  const ir::ValueId weight = constant(g, random_tensor({16, 8}, 4));
  output(g, node(g, "MatMul", {all, weight}, {}, tiny::Dims{1, -1, 8}), "y");
  const std::string model = onnx_io::write(g);
  const auto files = convert_graph(g, {"/placement=full"}, [](unsigned i) {
    return random_tensor({1, i % 6, 16}, i + 1);
  });
  for (const int64_t length : {0, 4}) {
    const std::vector<ir::Tensor> inputs{random_tensor({1, length, 16}, 90)};
    CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                  ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0]) > 30);
  }
}

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

TEST_CASE("layers that round at run time are counted, and their time is predicted") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {96, 256});
  for (unsigned seed = 1; seed < 4; ++seed) output(g, tiny::gemm(g, x, 256, seed), format("y{}", seed));
  const report::Report report = convert_graph(g, {"/mode=dynamic"}).report;
  const report::Coverage found = report::coverage(report);
  CHECK(found.weighted == 3);
  CHECK(found.weighted_integer == 3);
  REQUIRE(report.predicted_time.has_value());
  CHECK(*report.predicted_time > 0.2);  // measured: 0.35
  CHECK(*report.predicted_time < 0.5);
  for (const auto& [processor, time] : report.predicted_on) CHECK(time < 0.8);
  REQUIRE(report.frontier.size() == 1);
  CHECK(report.frontier[0].time == *report.predicted_time);
  for (const report::NodeRow& row : report.nodes) CHECK(std::isnan(row.sqnr_db));
}

TEST_CASE("an LSTM that rounds at run time takes less") {
  ir::Graph g = tiny::graph();
  const ir::ValueId w = constant(g, random_tensor({1, 1024, 128}, 1), "w"),
                    r = constant(g, random_tensor({1, 1024, 256}, 2), "r");
  output(g,
         node(g, "LSTM", {input(g, "x", {32, 1, 128}), w, r}, {{"hidden_size", int64_t{256}}},
              tiny::Dims{32, 1, 1, 256}),
         "y");
  const report::Report report = convert_graph(g, {"/mode=dynamic", "/placement/min_sqnr_db=1"}).report;
  REQUIRE(report.predicted_time.has_value());
  CHECK(*report.predicted_time > 0.2);  // measured: 0.3
  CHECK(*report.predicted_time < 0.6);
}

TEST_CASE("arithmetic of 64-bit integers runs in LiteRT", "[litert]") {
  const auto places = [](ir::Graph& g, ir::ValueId x) {
    const auto of_integers = [&](const char* op, std::vector<ir::ValueId> inputs) {
      const ir::ValueId y = node(g, op, std::move(inputs), {}, tiny::Dims{1, 1, 12, 10});
      g.values[static_cast<size_t>(y)].dtype = ir::DType::kInt64;
      return y;
    };
    const auto scalar = [&](int64_t n) {
      return constant(g, ir::make_tensor(std::span<const int64_t>(&n, 1), {}));
    };
    ir::ValueId n = node(g, "ArgMax", {x}, {{"axis", int64_t{1}}}, tiny::Dims{1, 1, 12, 10});
    g.values[static_cast<size_t>(n)].dtype = ir::DType::kInt64;
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
    g.values[static_cast<size_t>(v)].dtype = ir::DType::kInt64;
    return v;
  };
  const ir::ValueId places = of_64(node(g, "ArgMax", {tiny::reshape(g, x, {1, 360})},
                                        {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}, tiny::Dims{1}));
  const ir::ValueId joined =
      of_64(node(g, "Concat", {tiny::constant_i(g, {7}), places}, {{"axis", int64_t{0}}}, tiny::Dims{2}));
  const ir::ValueId y =
      node(g, "Cast", {joined}, {{"to", static_cast<int64_t>(ir::DType::kFloat)}}, tiny::Dims{2});
  g.values[static_cast<size_t>(y)].dtype = ir::DType::kFloat;
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

TEST_CASE("shapes that the file states wrongly are not believed", "[litert]") {
  const auto two_layers = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId y = conv(g, x, 6);
    g.values[static_cast<size_t>(y)].dims = {7, 7};
    g.values[static_cast<size_t>(y)].dim_params = {"", ""};
    output(g, tiny::conv(g, node(g, "Relu", {y}, {}, tiny::Dims{1, 6, 12, 10}), 4), "y");
  };
  check({"both", two_layers, kBoth, 25});
}

TEST_CASE("weights of 16 bits run in LiteRT", "[litert]") {
  std::vector<std::string> settings = kBoth;
  settings.emplace_back(R"(/bit_width_config=[{"filter": {"last": true}, "weights_n_bits": 16}])");
  const auto two_layers = [](ir::Graph& g, ir::ValueId x) {
    output(g, conv(g, tiny::relu(g, conv(g, x, 6)), 4), "y");
  };
  check({"both", two_layers, settings, 30});
}

TEST_CASE("a Softmax on integers in integer ops") {
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

TEST_CASE("choices of a Where with scales of their own", "[litert]") {
  const auto half_of_a_convolution = [](ir::Graph& g, ir::ValueId x) {
    std::string mask(12 * 10, '\0');
    for (size_t i = 0; i < mask.size(); i += 2) mask[i] = 1;
    const ir::ValueId condition = constant(g, ir::make_tensor(ir::DType::kBool, mask, {12, 10}));
    const ir::ValueId y = node(g, "Where", {condition, conv(g, x, 3), x});
    g.values[static_cast<size_t>(y)].dtype = ir::DType::kFloat;
    output(g, y, "y");
  };
  check({"full", half_of_a_convolution, kBoth, 30});
  check({"litert", half_of_a_convolution, lone_tflite("litert"), 30});
}

TEST_CASE("what a Gemm adds to every row is no bias", "[litert]") {
  for (const std::vector<int64_t>& added : {std::vector<int64_t>{3, 1}, {3, 8}}) {
    const Case one{
        "rows",
        [&](ir::Graph& g, ir::ValueId x) {
          const ir::ValueId rows = tiny::reshape(g, x, {3, 120});
          output(g,
                 node(g, "Gemm",
                      {rows, constant(g, random_tensor({120, 8}, 3)), constant(g, random_tensor(added, 4))}),
                 "y");
        },
        {},
        15};
    check(one);
    check({"both", one.build, kBoth, 15});
  }
}

TEST_CASE("one weight along rows and along columns", "[litert]") {
  check({"tied matrices",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId w = constant(g, random_tensor({120, 20}, 5));
           const ir::ValueId code = tiny::relu(g, tiny::matmul(g, tiny::reshape(g, x, {3, 120}), w));
           output(g, node(g, "Gemm", {code, w}, {{"transB", int64_t{1}}}), "y");
         },
         kBoth, 28});
  check({"a convolution and its transpose",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId w = constant(g, random_tensor({6, 3, 3, 3}, 6));
           output(g, node(g, "ConvTranspose", {node(g, "Conv", {x, w}), w}), "y");
         },
         kBoth, 28});
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
  const litert::Result found = litert::run(files.tflite, inputs);
  CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims)) > 60);
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

TEST_CASE("a Clip that lets next to nothing of a layer through", "[litert]") {
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

TEST_CASE("pools whose integer kernels count other cells stay in float") {
  const std::vector<std::string> onnx{"/placement=full"};
  check({"cells beyond the padding",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId mean = node(g, "AveragePool", {conv(g, x, 4)},
                                         {{"kernel_shape", std::vector<int64_t>{3, 3}},
                                          {"strides", std::vector<int64_t>{2, 2}},
                                          {"ceil_mode", int64_t{1}},
                                          {"count_include_pad", int64_t{1}}});
           output(g, conv(g, mean, 4, {.kernel = 1, .pad = 0}), "y");
         },
         onnx, 28});
  // Its results tell where the maxima lie.
  ir::Graph g = tiny::graph();
  const std::vector<ir::ValueId> both = tiny::node_outputs(
      g, "MaxPool", {conv(g, input(g, "x", {1, 3, 12, 10}), 4)},
      {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}}, 2);
  g.values[static_cast<size_t>(both[1])].dtype = ir::DType::kInt64;
  output(g, both[0], "y");
  output(g, both[1], "i");
  CHECK(!convert_graph(g, onnx).onnx.empty());
}

TEST_CASE("a Resize by factors that are no whole numbers reads the cells of ONNX Runtime", "[litert]") {
  check({"nearest",
         [](ir::Graph& g, ir::ValueId x) {
           output(g,
                  node(g, "Resize", {x, ir::kNone, tiny::constant_f(g, {1, 1, 0.6f, 0.3f})},
                       {{"mode", std::string("nearest")},
                        {"nearest_mode", std::string("floor")},
                        {"coordinate_transformation_mode", std::string("asymmetric")}}),
                  "y");
         },
         kBoth, 30},
        {1, 3, 12, 10});
  // 4 / (8 / 7) is just below 3.5 in float32, and 9 / (12 / 10) below 7.5: halves to the runtime.
  for (const char* rounding : {"round_prefer_ceil", "round_prefer_floor"})
    check({rounding,
           [&](ir::Graph& g, ir::ValueId x) {
             output(g,
                    node(g, "Resize", {x, ir::kNone, ir::kNone, tiny::constant_i(g, {1, 3, 8, 12})},
                         {{"mode", std::string("nearest")},
                          {"nearest_mode", std::string(rounding)},
                          {"coordinate_transformation_mode", std::string("asymmetric")}}),
                    "y");
           },
           kBoth, 30},
          {1, 3, 7, 10});
}

TEST_CASE("sizes are those of a run where shape inference finds others", "[litert]") {
  const std::vector<std::string> floats{"/output/formats=[\"tflite\"]", "/output/tflite/form=float32"};
  const auto up = [](std::vector<int64_t> weight, tiny::Attributes attributes) {
    return [=](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId w = constant(g, random_tensor(weight, 5));
      output(g, node(g, "ConvTranspose", {x, w}, attributes), "y");
    };
  };
  using List = std::vector<int64_t>;
  for (const std::vector<std::string>& settings : {floats, kBoth}) {
    const double least_db = settings == floats ? 90 : 25;
    check({"7 / 6 of 6 is 7",
           [](ir::Graph& g, ir::ValueId x) {
             const ir::ValueId larger =
                 node(g, "Resize", {x, ir::kNone, tiny::constant_f(g, {1, 1, 7 / 6.f, 1.4f})},
                      {{"mode", std::string("nearest")},
                       {"nearest_mode", std::string("floor")},
                       {"coordinate_transformation_mode", std::string("asymmetric")}});
             const ir::ValueId kernel = constant(g, random_tensor({4, 3, 3, 3}, 5));
             output(g, node(g, "Conv", {larger, kernel}), "y");
           },
           settings, least_db},
          {1, 3, 6, 5});
    check({"a crop", up({3, 3, 1, 1}, {{"output_shape", List{6, 7}}}), settings, least_db}, {1, 3, 7, 7});
    check({"a crop in groups", up({4, 2, 4, 4}, {{"group", int64_t{2}}, {"output_shape", List{9, 6}}}),
           settings, least_db},
          {1, 4, 7, 7});
    check({"SAME and output_padding",
           up({3, 4, 6, 6}, {{"strides", List{2, 2}},
                             {"output_padding", List{1, 1}},
                             {"auto_pad", std::string("SAME_LOWER")}}),
           settings, least_db},
          {1, 3, 7, 7});
  }
}

TEST_CASE("a float .tflite of free sizes has those of the files", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {-1, 3, -1, -1});
  const ir::ValueId rows = tiny::reshape(g, conv(g, x, 8), {1, 8, 240});
  output(g, node(g, "MatMul", {rows, constant(g, random_tensor({240, 5}, 5))}, {}, tiny::Dims{1, 8, 5}), "y");
  const std::vector<ir::Tensor> inputs{random_tensor({1, 3, 20, 12}, 90)};
  const ir::Tensor expected = ort_try::run(onnx_io::write(g), inputs)[0];
  for (const char* form : {"float32", "dynamic_range", "float16"}) {
    const Files files = convert_graph(
        g, {"/output/formats=[\"tflite\"]", format("/output/tflite/form={}", form)}, [](unsigned i) {
          return random_tensor({1, 3, 20, i < 5 ? 12 : 16}, i + 1);
        });
    REQUIRE(files.report.warnings.size() == 1);
    CHECK_THAT(files.report.warnings[0].cause, Catch::Contains("'x' is [1,3,20,12]"));
    const litert::Result found = litert::run(files.tflite, inputs);
    CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims)) > 30);
  }
}

TEST_CASE("fix leaves in float what a file has there, where integers would cost an output much") {
  // Channels of very unlike scale, each as important behind the normalization.
  ir::Graph g = tiny::graph(17);
  const auto unlike = [&](std::vector<int64_t> dims, unsigned seed) {
    const ir::Tensor random = random_tensor(dims, seed);
    std::vector<float> weight(random.as<float>().begin(), random.as<float>().end());
    const size_t each = weight.size() / static_cast<size_t>(dims[0]);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] *= static_cast<float>(std::pow(10, (i / each) % 5));
    return constant(g, ir::make_tensor(std::span<const float>(weight), dims));
  };
  const std::vector<int64_t> around{1, 1, 1, 1};
  const ir::ValueId a =
      tiny::relu(g, node(g, "Conv", {input(g, "x", {1, 3, 12, 10}), unlike({20, 3, 3, 3}, 3)},
                         {{"pads", around}}, tiny::Dims{1, 20, 12, 10}));
  const ir::ValueId own = constant(g, random_tensor({20, 1, 3, 3}, 4));
  const ir::ValueId b =
      node(g, "Conv", {a, own}, {{"pads", around}, {"group", int64_t{20}}}, tiny::Dims{1, 20, 12, 10});
  // Each channel by its own size: none is small to what follows.
  const ir::ValueId size =
      node(g, "ReduceL2", {b}, {{"axes", std::vector<int64_t>{2, 3}}}, tiny::Dims{1, 20, 1, 1});
  output(g, conv(g, node(g, "Div", {b, size}, {}, tiny::Dims{1, 20, 12, 10}), 4), "y");
  const std::string model = onnx_io::write(g);
  const std::string mixed =
      convert_graph(
          g, {R"(/placement={"mode":"full","rules":[{"filter":{"op_type":"Conv"},"placement":"float"},)"
              R"({"filter":{"last":true},"placement":"integer"}]})"})
          .onnx;
  const auto db_of = [&](const std::string& file) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    return sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(file, inputs)[0]);
  };
  const auto fixed = [&](const std::vector<std::string>& settings) {
    return files_of(mixed, settings, {}, [](const ConvertOptions& options) { return fix(options, false); });
  };
  REQUIRE(db_of(mixed) > 25);
  CHECK(db_of(fixed({}).onnx) > 25);
  const Files full = fixed({"/placement=full"});
  CHECK(db_of(full.onnx) < 20);
  REQUIRE(full.report.warnings.size() == 1);
  CHECK(full.report.warnings[0].code == "float-is-closer");
}

TEST_CASE("images as wide and as high as they have channels are told by the TRANSPOSE beside them") {
  for (const auto& [channels, dims] :
       {std::pair<int64_t, std::vector<int64_t>>{16, {1, 3, 16, 16}}, {4, {1, 16, 16, 16}}}) {
    ir::Graph g = tiny::graph();
    output(g, conv(g, input(g, "x", dims), channels), "y");
    for (const char* io : {"float32", "int8"})
      CHECK(convert_graph(g, {"/output/formats=[\"tflite\"]", format("/output/tflite/io_type={}", io)})
                .report.warnings.empty());
  }
}

TEST_CASE("the bias of a product of matrices of rank 3 is corrected in integers and in floats") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId rows = tiny::reshape(g, x, {1, 12, 30});
    const ir::ValueId product = tiny::matmul(g, rows, constant(g, random_tensor({30, 8}, 12)));
    output(g, tiny::add(g, product, constant(g, random_tensor({8}, 13, 2, 3))), "y");
  };
  check({"integers", build, {"/placement=full"}, 28});
  check({"floats on the grid", build, {"/placement=full", "/output/onnx/form=fake_quant"}, 28});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  Diagnostics ignored;
  const ir::Graph written = onnx_io::parse(convert_graph(g, {"/placement=full"}).onnx, {}, ignored);
  for (const ir::Node& one : written.nodes)
    if (one.op_type == "Add")
      for (const ir::ValueId v : one.inputs) CHECK(!written.values[static_cast<size_t>(v)].constant);
}

TEST_CASE("what TFLite spells as several operators in float is float between integers", "[litert]") {
  check({"a norm",
         [](ir::Graph& g, ir::ValueId x) {
           output(g, node(g, "LpNormalization", {conv(g, x, 4)}, {{"axis", int64_t{1}}, {"p", int64_t{2}}}),
                  "y");
         },
         lone_tflite("tflite"), 20});
}

TEST_CASE("a part of a Split that only a Relu reads", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const std::vector<ir::ValueId> parts = tiny::node_outputs(
        g, "Split", {conv(g, x, 8), tiny::constant_i(g, {4, 4})}, {{"axis", int64_t{1}}}, 2);
    for (const ir::ValueId part : parts) {
      g.values[static_cast<size_t>(part)].has_shape = true;
      g.values[static_cast<size_t>(part)].dims = {1, 4, 12, 10};
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
    g.values[static_cast<size_t>(filled)].dtype = ir::DType::kFloat;
    output(g, conv(g, relu6(conv(g, filled, 4)), 3), "y");
  };
  check({"both", build, kBoth, 25});
  check({"tflite", build, lone_tflite("tflite"), 25});
}

TEST_CASE("tables beside float nodes take 8 bits, but where the outputs would notice") {
  const std::vector<std::string> in_float{"/keep_float={\"op_types\":[\"Add\"]}"};
  const auto table_of = [&](const ir::Tensor& table, const std::vector<std::string>& settings) {
    ir::Graph g = tiny::graph();
    const ir::ValueId added = tiny::add(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8), constant(g, table));
    output(g, conv(g, added, 4), "y");
    const std::string model = onnx_io::write(g), written = convert_graph(g, settings).onnx;
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs)[0]) > 25);
    Diagnostics ignored;
    const ir::Graph read = onnx_io::parse(written, {}, ignored);
    for (const ir::Value& value : read.values)
      if (value.constant && value.constant->size() == table.size()) return value.constant->dtype;
    return ir::DType::kUndefined;
  };
  const ir::Tensor table = random_tensor({1, 8, 12, 10}, 12);
  CHECK(table_of(table, in_float) == ir::DType::kInt8);
  std::vector<std::string> kept = in_float;
  kept.emplace_back(
      R"(/debug_config/network_editor=[{"filter": {"name": "*"}, "action": {"enable_weights_quantization": false}}])");
  CHECK(table_of(table, kept) == ir::DType::kFloat);
  std::vector<float> far(table.as<float>().begin(), table.as<float>().end());
  for (size_t c = 0; c < 8; ++c) far[c * 120] = 300;  // the rest of its channel falls on a few steps
  CHECK(table_of(ir::make_tensor(std::span<const float>(far), table.dims), in_float) == ir::DType::kFloat);
}

TEST_CASE(
    "tables on a stream that ends as an output take 8 bits, biases of matrices and what decodes do not") {
  const auto type_of = [&](const ir::Graph& g, int64_t size) {
    const std::string written =
        convert_graph(g, {"/placement=\"full\"", "/keep_float={\"op_types\":[\"Add\"]}"}).onnx;
    Diagnostics ignored;
    const ir::Graph read = onnx_io::parse(written, {}, ignored);
    for (const ir::Value& value : read.values)
      if (value.constant && value.constant->size() == size) return value.constant->dtype;
    return ir::DType::kUndefined;
  };
  ir::Graph stream = tiny::graph();
  const ir::ValueId added = tiny::add(stream, conv(stream, input(stream, "x", {1, 3, 12, 10}), 8),
                                      constant(stream, random_tensor({1, 8, 12, 10}, 12)));
  output(stream, tiny::add(stream, added, conv(stream, added, 8)), "y");
  CHECK(type_of(stream, 960) == ir::DType::kInt8);
  ir::Graph last = tiny::graph();
  output(last,
         tiny::add(last, conv(last, input(last, "x", {1, 3, 12, 10}), 8),
                   constant(last, random_tensor({1, 8, 12, 10}, 12))),
         "y");
  CHECK(type_of(last, 960) == ir::DType::kFloat);
  ir::Graph matrices = tiny::graph();
  const auto product = [&](ir::ValueId x, int64_t from, int64_t to) {
    return node(matrices, "MatMul", {x, constant(matrices, random_tensor({from, to}, 5))});
  };
  const ir::ValueId biased = tiny::add(matrices, product(input(matrices, "x", {1, 6, 16}), 16, 600),
                                       constant(matrices, random_tensor({600}, 7)));
  output(matrices, product(biased, 600, 8), "y");
  CHECK(type_of(matrices, 600) != ir::DType::kInt8);
  ir::Graph attention = tiny::graph();  // positions in front of a Softmax are no bias
  const ir::ValueId tokens = tiny::relu(attention, input(attention, "x", {1, 4, 12, 16}));
  const ir::ValueId scores =
      tiny::matmul(attention, tokens, tiny::transpose(attention, tokens, {0, 1, 3, 2}));
  const ir::ValueId placed =
      tiny::add(attention, scores, constant(attention, random_tensor({1, 4, 12, 12}, 12)));
  const ir::ValueId mixed = tiny::matmul(attention, tiny::softmax(attention, placed), tokens);
  output(attention, tiny::matmul(attention, mixed, constant(attention, random_tensor({16, 8}, 5))), "y");
  CHECK(type_of(attention, 576) == ir::DType::kInt8);
}

TEST_CASE("a weight that layers share is written once, however an exporter spells that") {
  ir::Graph g = tiny::graph();
  const ir::ValueId weight = constant(g, random_tensor({64, 64}, 4));
  ir::ValueId v = input(g, "x", {1, 6, 64});
  for (const char* spelled : {"", "Identity", "Transpose"}) {
    const bool turned = spelled == std::string("Transpose");
    const ir::ValueId own = *spelled == 0 ? weight
                            : turned      ? tiny::transpose(g, tiny::transpose(g, weight, {1, 0}), {1, 0})
                                          : node(g, spelled, {weight}, {}, tiny::Dims{64, 64});
    const ir::ValueId product = node(g, "MatMul", {v, own}, {}, tiny::Dims{1, 6, 64});
    // Nothing is added: that leaves the weight as it is.
    v = node(g, "Tanh", {tiny::add(g, product, constant(g, filled({64}, 0)))}, {}, tiny::Dims{1, 6, 64});
  }
  output(g, v, "y");
  const std::string model = onnx_io::write(g);
  for (const char* mode : {"static", "dynamic", "weight_only", "float16"}) {
    const std::string written = convert_graph(g, {format("/mode={}", mode), "/placement=full"}).onnx;
    Diagnostics ignored;
    const ir::Graph read = onnx_io::parse(written, {}, ignored);
    CHECK(std::ranges::count_if(read.values, [](const ir::Value& value) {
            return value.constant && value.constant->size() >= 4096;
          }) == 1);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs)[0]) > 20);
  }
}

TEST_CASE("channels are shuffled by a Gather in ONNX files, by TRANSPOSE in .tflite", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId split = tiny::reshape(g, tiny::relu(g, conv(g, x, 12)), {1, 3, 4, 12, 10});
    output(g, conv(g, tiny::reshape(g, tiny::transpose(g, split, {0, 2, 1, 3, 4}), {1, 12, 12, 10}), 4), "y");
  };
  check({"both", build, kBoth, 25});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const Files files = convert_graph(g, kBoth);
  Diagnostics ignored;
  const ir::Graph read = onnx_io::parse(files.onnx, {}, ignored);
  const auto has = [&](const char* op) {
    return std::ranges::any_of(read.nodes, [&](const ir::Node& node) { return node.op_type == op; });
  };
  CHECK(has("Gather"));
  CHECK_FALSE(has("Transpose"));
  const tflite::file::Model parsed = tflite::file::parse(files.tflite, "odd.tflite");
  CHECK(std::ranges::none_of(parsed.graphs[0].operators, [](const auto& op) { return op.op == "GATHER"; }));
}

// The convolution in groups as it was before groups were merged: its weights without the zeros between them.
void split_groups(ir::Graph& g, ir::Node& grouped, int64_t wanted) {
  const int64_t groups = ir::int_attribute(grouped, "group", 1);
  const ir::NodeId unfolds = g.values[static_cast<size_t>(grouped.inputs[1])].producer;
  ir::Value& weight = g.values[static_cast<size_t>(g.nodes[static_cast<size_t>(unfolds)].inputs[0])];
  ir::Tensor narrow = *weight.constant;
  const auto all = weight.constant->as<int8_t>();
  const int64_t outputs = narrow.dims[0], together = wanted / groups,
                each = std::ssize(all) / outputs / together;
  std::vector<int8_t> own;
  int64_t zeros = 0;
  for (int64_t i = 0; i < std::ssize(all); ++i) {
    const int64_t place = i / each % together, group = i / each / together / (outputs / wanted);
    if (place == group % together)
      own.push_back(all[static_cast<size_t>(i)]);
    else
      zeros += all[static_cast<size_t>(i)] == 0;
  }
  CHECK(zeros == std::ssize(all) - std::ssize(own));
  narrow.dims[1] /= together;
  weight.dims = narrow.dims;
  weight.constant = ir::make_tensor(std::span<const int8_t>(own), weight.dims);
  ir::set_attribute(grouped, "group", wanted);
}

TEST_CASE("groups of few channels are merged in ONNX files, and compute the same to the last bit",
          "[litert]") {
  const struct {
    int64_t channels, groups, merged;
  } rows[] = {{64, 8, 1}, {128, 16, 4}, {96, 3, 3}, {24, 24, 24}};
  for (const auto& row : rows) {
    CAPTURE(row.channels, row.groups);
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId y = tiny::relu(g, conv(g, x, row.channels, {}, 1));
      const ir::ValueId z = conv(g, y, row.channels, {3, 1, 1, 1, row.groups, true}, 2);
      output(g, conv(g, tiny::relu(g, z), 8, {}, 3), "y");
    };
    check({"both", build, kBoth, 20});
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 12, 10}));
    const std::string written = convert_graph(g, {"/placement=full"}).onnx;
    Diagnostics ignored;
    ir::Graph graph = onnx_io::parse(written, {}, ignored);
    std::vector<ir::NodeId> layers = ir::topological_order(graph);
    std::erase_if(layers,
                  [&](ir::NodeId id) { return graph.nodes[static_cast<size_t>(id)].op_type != "Conv"; });
    ir::Node& grouped = graph.nodes[static_cast<size_t>(layers.at(1))];
    CHECK(ir::int_attribute(grouped, "group", 1) == row.merged);
    split_groups(graph, grouped, row.groups);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(written, 90);
    const auto answer = [&](const std::string& file) {
      return *ort_try::run(file, inputs, ort_try::Optimize::kExtended)[0].bytes;
    };
    CHECK(answer(written) == answer(onnx_io::write(graph)));
  }
}

TEST_CASE("GELU between convolutions is one op") {
  const auto halved_first = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId u = node(g, "Div", {x, constant(g, static_cast<float>(M_SQRT2))}),
                      curve = tiny::add(g, node(g, "Erf", {u}), constant(g, 1.0f));
    return tiny::mul(g, x, tiny::mul(g, constant(g, 0.5f), curve));
  };
  ir::Graph g = tiny::graph(17);
  output(g, conv(g, halved_first(g, conv(g, input(g, "x", {1, 3, 12, 10}), 6)), 4), "y");
  const std::string model = onnx_io::write(g);
  const std::string written = convert_graph(g, {"/placement=full"}).onnx;
  Diagnostics ignored;
  const ir::Graph read = onnx_io::parse(written, {}, ignored);
  CHECK(ir::opset(read) == 20);
  CHECK(std::count_if(read.nodes.begin(), read.nodes.end(),
                      [](const ir::Node& n) { return n.op_type == "Gelu"; }) == 1);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  CHECK(sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs)[0]) > 25);
  // Behind a product of matrices nothing is rounded, and the runtime joins the parts in their usual order.
  ir::Graph matrices = tiny::graph(17);
  const ir::ValueId w = constant(matrices, random_tensor({10, 10}, 12));
  output(matrices,
         tiny::matmul(matrices,
                      halved_first(matrices, tiny::matmul(matrices, input(matrices, "x", {1, 3, 12, 10}), w)),
                      w),
         "y");
  CHECK(ir::opset(onnx_io::parse(convert_graph(matrices, {}).onnx, {}, ignored)) == 17);
}

TEST_CASE("a convolution whose weights are results is not joined to what rounds around it") {
  check({"filters of their own",
         [](ir::Graph& g, ir::ValueId x) {
           const tiny::Dims filters{8, 1, 1, 1};
           const ir::ValueId a = conv(g, x, 8),
                             k = tiny::reshape(g, tiny::global_average_pool(g, a), filters);
           const ir::ValueId filtered =
               node(g, "Conv", {a, k}, {{"group", int64_t{8}}}, tiny::Dims{1, 8, 12, 10});
           output(g, tiny::global_average_pool(g, filtered), "y");
         },
         {"/placement=full"},
         22});
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
    const tflite::file::Tensor& right = parsed.graphs[0].tensors[static_cast<size_t>(op.inputs[1])];
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
  const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
  const auto& operators = parsed.graphs[0].operators;
  CHECK(std::ranges::count_if(operators, [](const auto& op) { return op.op == "TRANSPOSE"; }) == 2);
}

TEST_CASE("a Pad and a Resize between convolutions may list axes") {
  for (const char* op : {"Pad", "Resize by scales", "Resize by sizes"}) {
    CAPTURE(op);
    ir::Graph g = tiny::graph(18);
    const std::vector<int64_t> axes{2, -1};
    const ir::ValueId before = conv(g, input(g, "x", {1, 3, 12, 10}), 6);
    ir::ValueId moved = ir::kNone;
    if (op == std::string("Pad"))
      moved =
          node(g, "Pad", {before, tiny::constant_i(g, {1, 2, 2, 1}), ir::kNone, tiny::constant_i(g, axes)},
               {{"mode", std::string("reflect")}}, tiny::Dims{1, 6, 15, 13});
    else if (op == std::string("Resize by scales"))
      moved =
          node(g, "Resize", {before, ir::kNone, constant(g, ir::make_tensor(std::vector<float>{2, 2}, {2}))},
               {{"axes", axes}}, tiny::Dims{1, 6, 24, 20});
    else
      moved = node(g, "Resize", {before, ir::kNone, ir::kNone, tiny::constant_i(g, {24, 30})},
                   {{"axes", axes}}, tiny::Dims{1, 6, 24, 30});
    output(g, conv(g, moved, 4), "y");
    const std::string model = onnx_io::write(g), written = convert_graph(g, {"/placement=full"}).onnx;
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                  ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]) > 25);
  }
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
    const std::string tflite = convert_graph(g, lone_tflite("litert")).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    CHECK(std::ranges::count_if(parsed.graphs[0].operators,
                                [](const auto& op) { return op.op == "DEPTHWISE_CONV_2D"; }) == 1);
  }
}

TEST_CASE("larger images are made by convolutions where that is faster", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId up =
        tiny::conv_transpose(g, tiny::relu(g, conv(g, x, 8)), 6, {.kernel = 4, .stride = 2, .pad = 1});
    output(g, conv(g, tiny::relu(g, tiny::batch_norm(g, up)), 4), "y");
  };
  const auto operators = [&](std::vector<std::string> settings, const char* op) {
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 12, 10}));
    const std::string tflite = convert_graph(g, settings).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    return std::ranges::count_if(parsed.graphs[0].operators,
                                 [&](const auto& found) { return found.op == op; });
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
  const auto operators = [&](std::vector<std::string> settings, const char* op) {
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 20}));
    const std::string tflite = convert_graph(g, settings).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    return std::ranges::count_if(parsed.graphs[0].operators,
                                 [&](const auto& found) { return found.op == op; });
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

TEST_CASE("a product of matrices of rank 3 has its bias in a .tflite that stands alone", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto layer = [&](ir::ValueId in, int64_t from, int64_t to, unsigned seed, bool first) {
      const ir::ValueId product =
                            tiny::matmul(g, in, constant(g, random_tensor({from, to}, seed, -0.3f, 0.3f))),
                        bias = constant(g, random_tensor({to}, seed + 1));
      return first ? tiny::add(g, bias, product) : tiny::add(g, product, bias);
    };
    const ir::ValueId rows = tiny::reshape(g, x, {1, 12, 30}),
                      hidden = tiny::relu(g, layer(rows, 30, 16, 12, true)),
                      far = node(g, "Clip",
                                 {layer(hidden, 16, 30, 14, false), constant(g, -0.7f), constant(g, 1.5f)});
    output(g, tiny::add(g, rows, far), "y");
  };
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const auto adds = [&](std::vector<std::string> settings) {
    const tflite::file::Model parsed = tflite::file::parse(convert_graph(g, settings).tflite, "odd.tflite");
    return std::ranges::count_if(parsed.graphs[0].operators, [](const auto& op) { return op.op == "ADD"; });
  };
  for (const char* target : {"int8", "litert", "tflm", "ethos-u"}) {
    check({target, build, lone_tflite(target), 34});
    CHECK(adds(lone_tflite(target)) == 1);
  }
  check({"both", build, kBoth, 28});
  CHECK(adds(kBoth) == 3);  // as ONNX Runtime rounds
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
    const auto& second = parsed.graphs[0].tensors[static_cast<size_t>(op.inputs[1])];
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
  const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
  CHECK(
      std::ranges::none_of(parsed.graphs[0].operators, [](const auto& op) { return op.op == "TRANSPOSE"; }));
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

// TFLite Micro's DEQUANTIZE reads the first scale alone.
TEST_CASE("float weights are floats where DEQUANTIZE has no scale for each channel", "[litert]") {
  for (const char* target : {"litert", "tflm", "ethos-u"}) {
    CAPTURE(target);
    ir::Graph g = tiny::graph();
    output(g, conv(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8), 8), "y");
    std::vector<std::string> settings = lone_tflite(target);
    settings.emplace_back("/placement={\"rules\":[{\"filter\":{\"first\":true},\"placement\":\"float\"}]}");
    const std::string tflite = convert_graph(g, settings).tflite;
    const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
    const auto unfolded = std::ranges::count_if(parsed.graphs[0].operators, [&](const auto& op) {
      return op.op == "DEQUANTIZE" &&
             parsed.graphs[0].tensors[static_cast<size_t>(op.inputs[0])].scales.size() > 1;
    });
    CHECK(unfolded == (target == std::string("litert") ? 1 : 0));
  }
}

// Vela refuses files that hold these on other types, whatever runs beside the NPU.
TEST_CASE("what nothing beside Ethos-U may take is spelled out or refused", "[litert]") {
  std::vector<std::string> settings = lone_tflite("ethos-u");
  settings.emplace_back(
      "/placement={\"rules\":[{\"filter\":{\"not\":{\"op_type\":\"Conv\"}},\"placement\":\"float\"}]}");
  ir::Graph g = tiny::graph(14);
  output(g, conv(g, node(g, "HardSwish", {conv(g, input(g, "x", {1, 3, 12, 10}), 8)}), 8), "y");
  const std::string model = onnx_io::write(g), tflite = convert_graph(g, settings).tflite;
  const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
  const auto holds = [&](const char* name) {
    return std::ranges::any_of(parsed.graphs[0].operators, [&](const auto& op) { return op.op == name; });
  };
  CHECK(!holds("HARD_SWISH"));
  CHECK(holds("DEQUANTIZE"));
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  const ir::Tensor expected = ort_try::run(model, inputs)[0];
  CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, litert::run(tflite, inputs).outputs.at(0),
                                          expected.dims)) > 25);

  ir::Graph best = tiny::graph();
  const ir::ValueId scores = conv(best, input(best, "x", {1, 3, 12, 10}), 8);
  const ir::ValueId place = node(best, "ArgMax", {scores}, {{"axis", int64_t{1}}}, tiny::Dims{1, 1, 12, 10});
  best.values[static_cast<size_t>(place)].dtype = ir::DType::kInt64;
  output(best, place, "y");
  settings = lone_tflite("ethos-u");
  CHECK_NOTHROW(convert_graph(best, settings));
  settings.emplace_back("/output/tflite/form=int16x8");
  CHECK_THROWS_WITH(convert_graph(best, settings), Catch::Contains("ARG_MAX"));
}

TEST_CASE("a dilated signal runs on the Edge TPU, where dilations are alike", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto layer = [&](ir::ValueId in, int64_t from, std::vector<int64_t> weight, int64_t dilation) {
      weight[1] = from;
      const std::vector<int64_t> dilations{dilation}, pads{dilation, dilation};
      return node(g, "Conv", {in, constant(g, random_tensor(weight, 5, -0.5f, 0.5f))},
                  {{"dilations", dilations}, {"pads", pads}});
    };
    output(g, layer(tiny::relu(g, layer(x, 3, {6, 0, 3}, 2)), 6, {4, 0, 3}, 4), "y");
  };
  for (const char* target : {"edgetpu", "litert"})
    check({target, build, lone_tflite(target), 28}, {1, 3, 20});
}

TEST_CASE("weights alone may be integers in a .tflite", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId wide = tiny::relu(g, conv(g, x, 32)),
                      deep = tiny::relu(g, conv(g, wide, 32, {.kernel = 3, .pad = 1, .groups = 32}, 5));
    output(g, tiny::gemm(g, tiny::reshape(g, conv(g, deep, 8), {1, 960}), 10), "y");
  };
  std::vector<std::string> settings = lone_tflite("litert");
  settings.emplace_back("/mode=weight_only");
  check({"alone", build, settings, 35});
  settings[0] = kBoth[1];
  check({"both", build, settings, 35});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const std::string tflite = convert_graph(g, lone_tflite("litert")).tflite,
                    floats = convert_graph(g, settings).tflite;
  CHECK(floats.size() < tflite.size() * 5 / 4);
  const tflite::file::Model parsed = tflite::file::parse(floats, "odd.tflite");
  for (const auto& op : parsed.graphs[0].operators) CHECK(op.op != "QUANTIZE");
}

TEST_CASE("a MaxPool with padding behind a Relu runs on the Edge TPU", "[litert]") {
  const auto pooled = [](ir::Graph& g, ir::ValueId x) {
    return node(g, "MaxPool", {x},
                {{"kernel_shape", std::vector<int64_t>{3, 3}},
                 {"strides", std::vector<int64_t>{2, 2}},
                 {"pads", std::vector<int64_t>{1, 1, 1, 1}}},
                tiny::Dims{1, 8, 6, 5});
  };
  check({"relu",
         [&](ir::Graph& g, ir::ValueId x) {
           output(g, conv(g, pooled(g, tiny::relu(g, conv(g, x, 8))), 4), "y");
         },
         lone_tflite("edgetpu"), 28});
  ir::Graph g = tiny::graph();
  output(g, conv(g, pooled(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8)), 4), "y");
  CHECK_THROWS_WITH(convert_graph(g, lone_tflite("edgetpu")), Catch::Contains("PADV2"));
}

TEST_CASE("a budget counts tables as the file stores them") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 3, 12, 10});
  const ir::ValueId places =
      tiny::node(g, "Cast", {tiny::node(g, "Mul", {tiny::node(g, "Abs", {x}), constant(g, 499.0f)})},
                 {{"to", int64_t{7}}});
  g.values[static_cast<size_t>(places)].dtype = ir::DType::kInt64;
  const ir::ValueId rows = node(g, "Gather", {constant(g, random_tensor({500, 64}, 5, -1.0f, 1.0f)), places},
                                {}, tiny::Dims{1, 3, 12, 10, 64});
  const ir::ValueId mean =
      node(g, "ReduceMean", {rows}, {{"axes", std::vector<int64_t>{1, 2, 3}}, {"keepdims", int64_t{0}}},
           tiny::Dims{1, 64});
  const ir::ValueId hidden = tiny::relu(
      g,
      tiny::matmul(g, tiny::reshape(g, x, {1, 360}), constant(g, random_tensor({360, 256}, 6, -0.1f, 0.1f))));
  output(g,
         tiny::add(g, tiny::matmul(g, hidden, constant(g, random_tensor({256, 10}, 7, -0.1f, 0.1f))),
                   tiny::matmul(g, mean, constant(g, random_tensor({64, 10}, 8, -0.1f, 0.1f)))),
         "y");
  // In 8 bits everything takes 130 kB and the table 32 of them; as floats it would take 128.
  const Files files =
      convert_graph(g, {"/placement=full", "/target_resource_utilization/weights_memory=80000"});
  CHECK(files.onnx.size() < 86000);
  CHECK(files.onnx.size() > 72000);
}

TEST_CASE("a budget counts float biases where the target has them") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 96)), 40), "y");
  const Files files = convert_graph(
      g, {"/target_platform_capabilities=tensorrt", "/target_resource_utilization/weights_memory=60%"});
  REQUIRE(!files.report.frontier.empty());
  int64_t written = 0;
  for (const report::FileBytes& file : files.report.files)
    for (const report::ByteRow& row : file.rows)
      if (row.kind == "weights" || row.kind == "bias" || row.kind == "scales" || row.kind == "constants")
        written += row.bytes;
  for (const auto& point : files.report.frontier)
    if (point.chosen) CHECK(point.bytes == written);
}

TEST_CASE("convolutions whose channels no fast kernel takes get channels of zeros") {
  const auto conv_of = [](ir::Graph& g, ir::ValueId x, int64_t channels, int64_t kernel, int64_t groups,
                          unsigned seed) {
    return conv(g, x, channels, {kernel, 1, kernel / 2, 1, groups, true}, seed);
  };
  // Dense ones: a picture's channels, few results, results that the next layer reads alone.
  ir::Graph dense = tiny::graph();
  const ir::ValueId first = tiny::relu(dense, conv_of(dense, input(dense, "x", {1, 3, 12, 10}), 18, 3, 1, 1));
  output(dense, conv_of(dense, first, 5, 3, 1, 2), "y");
  // By channel, through a gate that is computed from the same channels.
  ir::Graph gated = tiny::graph();
  const ir::ValueId wide = tiny::relu(gated, conv_of(gated, input(gated, "x", {1, 3, 12, 10}), 24, 1, 1, 3));
  const ir::ValueId deep = tiny::relu(gated, conv_of(gated, wide, 24, 5, 24, 4));
  const ir::ValueId gate = tiny::sigmoid(
      gated,
      conv_of(gated, tiny::relu(gated, conv_of(gated, tiny::global_average_pool(gated, deep), 8, 1, 1, 5)),
              24, 1, 1, 6));
  output(gated, conv_of(gated, tiny::mul(gated, deep, gate), 16, 1, 1, 7), "y");
  // An output shows its channels: nothing grows.
  ir::Graph shown = tiny::graph();
  const ir::ValueId before =
      tiny::relu(shown, conv_of(shown, input(shown, "x", {1, 3, 12, 10}), 24, 1, 1, 8));
  output(shown, conv_of(shown, before, 24, 3, 24, 9), "y");

  const struct {
    const ir::Graph& graph;
    const char* layers;  // outputs and inputs of the written convolutions
  } rows[] = {{dense, "20x4 16x20 "}, {gated, "32x3 32x1 8x32 32x8 16x32 "}, {shown, "24x3 24x1 "}};
  for (const auto& row : rows) {
    CAPTURE(row.layers);
    const std::string model = onnx_io::write(row.graph),
                      written = convert_graph(row.graph, {"/placement=full"}).onnx;
    Diagnostics ignored;
    const ir::Graph graph = onnx_io::parse(written, {}, ignored);
    std::string layers;
    for (const ir::NodeId id : ir::topological_order(graph)) {
      const ir::Node& found = graph.nodes[static_cast<size_t>(id)];
      if (found.op_type != "Conv") continue;
      const ir::NodeId unfolds = graph.values[static_cast<size_t>(found.inputs[1])].producer;
      const auto& dims = ir::constant_input(graph, graph.nodes[static_cast<size_t>(unfolds)], 0)->dims;
      layers += format("{}x{} ", dims[0], dims[1]);
    }
    CHECK(layers == row.layers);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                  ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]) > 27);
  }
}

TEST_CASE("a .tflite that does not compute its plan is told from one that does") {
  ir::Graph g = tiny::graph();
  output(g, conv(g, tiny::relu(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8)), 4), "y");
  const std::string model = onnx_io::write(g);
  std::string tflite = convert_graph(g, {"/output/formats=[\"tflite\"]"}).tflite;
  run::OrtRunnerFactory runners(onnx_doors());
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

TEST_CASE("inspect refuses a node without its inputs in the words of a conversion") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = input(g, "x", {1, 4, 8});
  const ir::ValueId weights = tiny::softmax(g, tiny::matmul(g, x, tiny::transpose(g, x, {0, 2, 1})));
  output(g, tiny::matmul(g, weights, x), "y");
  ir::Node& softmax = g.nodes[static_cast<size_t>(tiny::only(g, "Softmax"))];
  g.values[static_cast<size_t>(softmax.inputs[0])].consumers.clear();
  softmax.inputs.clear();
  const std::filesystem::path model =
      std::filesystem::temp_directory_path() / ("qconvert-odd-" + std::to_string(::getpid()) + ".onnx");
  write_file_atomically(model, onnx_io::write(g));
  CHECK_THROWS_WITH(inspect(model, "int8"), Catch::Contains("it has 0 of the 1 inputs that it needs"));
  std::filesystem::remove(model);
}

TEST_CASE("what a node makes of nothing is rounded as anything else") {
  ir::Graph g = tiny::graph();
  const ir::ValueId noise =
      node(g, "RandomUniform", {}, {{"shape", tiny::Dims{1, 8, 12, 10}}}, tiny::Dims{1, 8, 12, 10});
  output(g, conv(g, tiny::add(g, conv(g, input(g, "x", {1, 3, 12, 10}), 8), noise), 4), "y");
  CHECK(!convert_graph(g, {"/placement=full"}).onnx.empty());
}

TEST_CASE("the mask of a Dropout may be read", "[litert]") {
  check({"both",
         [](ir::Graph& g, ir::ValueId x) {
           const auto dropped = tiny::node_outputs(g, "Dropout", {tiny::relu(g, conv(g, x, 8))}, {}, 2);
           g.values[static_cast<size_t>(dropped[1])].dtype = ir::DType::kBool;
           g.values[static_cast<size_t>(dropped[0])].has_shape = true;
           g.values[static_cast<size_t>(dropped[0])].dims = {1, 8, 12, 10};
           const ir::ValueId mask =
               node(g, "Cast", {dropped[1]}, {{"to", int64_t{1}}}, tiny::Dims{1, 8, 12, 10});
           output(g, tiny::add(g, conv(g, dropped[0], 8), mask), "y");
         },
         kBoth, 25});
}

TEST_CASE("BatchNormalization in training takes the statistics of the batch", "[litert]") {
  check({"both",
         [](ir::Graph& g, ir::ValueId x) {
           const ir::ValueId y = tiny::batch_norm(g, conv(g, x, 8));
           const ir::NodeId id = g.values[static_cast<size_t>(y)].producer;
           for (size_t i = 1; i < 5; ++i) ir::set_output(g, id, i, ir::add_value(g, "m", ir::DType::kFloat));
           output(g, tiny::relu(g, conv(g, y, 4)), "y");
         },
         kBoth, 20});
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
  g.values[static_cast<size_t>(said)].dtype = ir::DType::kString;
  output(g, said, "said");
  CHECK_THROWS_WITH(convert_graph(g, {"/output/formats=[\"tflite\"]"}), Catch::Contains("is string"));
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
constexpr const char* kFloatAdd = "/keep_float={\"op_types\":[\"Add\"]}";

// An encoder's layer, [1, 12, 32]: what a product adds to is normalized, at the end twice.
void build_norms(ir::Graph& g, const std::function<ir::ValueId(ir::ValueId)>& norm) {
  const auto product = [&](ir::ValueId v, unsigned seed) {
    return tiny::matmul(g, v, constant(g, random_tensor({32, 32}, seed, -0.3f, 0.3f)));
  };
  const ir::ValueId x = product(input(g, "x", {1, 12, 32}), 1);
  const ir::ValueId biased = tiny::add(g, product(x, 2), constant(g, random_tensor({32}, 3)));
  const ir::ValueId first = norm(tiny::add(g, biased, x));
  const ir::ValueId second = norm(tiny::add(g, first, product(tiny::relu(g, product(first, 4)), 5)));
  output(g, product(second, 6), "y");
}

TEST_CASE("what is added in front of a LayerNorm is a Sum in ONNX files, an ADD in .tflite", "[litert]") {
  const auto layer_norm = [](ir::Graph& g) {
    return [&g](ir::ValueId v) {
      const ir::ValueId scale = constant(g, random_tensor({32}, 7, 0.5f, 1.5f)),
                        shift = constant(g, random_tensor({32}, 8));
      if (ir::opset(g) >= 17) return node(g, "LayerNormalization", {v, scale, shift}, {});
      const auto mean = [&](ir::ValueId of) {
        return node(g, "ReduceMean", {of}, {{"axes", tiny::Dims{-1}}});
      };
      const ir::ValueId centred = node(g, "Sub", {v, mean(v)}),
                        variance = mean(node(g, "Pow", {centred, constant(g, 2.0f)})),
                        deviation = node(g, "Sqrt", {tiny::add(g, variance, constant(g, 1e-5f))});
      return tiny::add(g, tiny::mul(g, node(g, "Div", {centred, deviation}), scale), shift);
    };
  };
  const auto count = [](const ir::Graph& g, const char* op) {
    return std::ranges::count_if(g.nodes, [&](const ir::Node& n) { return !n.erased && n.op_type == op; });
  };
  const std::string optimized =
      (std::filesystem::temp_directory_path() / ("qconvert-joined-" + std::to_string(::getpid()) + ".onnx"))
          .string();
  const std::vector<std::string> rows[] = {
      {"/output/formats=[\"onnx\",\"tflite\"]", "/placement=full", kFloatAdd},
      {"/output/onnx/form=qoperator", "/placement=full", kFloatAdd},
      {"/mode=weight_only"},
      {"/mode=float16"},
      {"/mode=dynamic"}};
  for (const int64_t opset : {13, 17})
    for (const std::vector<std::string>& settings : rows) {
      CAPTURE(opset, settings[0]);
      ir::Graph g = tiny::graph(opset);
      build_norms(g, layer_norm(g));
      const std::string model = onnx_io::write(g);
      const Files files = convert_graph(g, settings);
      Diagnostics ignored;
      ir::Graph read = onnx_io::parse(files.onnx, {}, ignored);
      CHECK(count(read, "Sum") == 2);
      const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
      const ir::Tensor expected = ort_try::run(model, inputs)[0], plain = ort_try::run(files.onnx, inputs)[0];
      const ir::Tensor found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended, optimized)[0];
      CHECK(sqnr_db(expected, found) > 25);
      CHECK(count(onnx_io::parse(read_file(optimized), {}, ignored), "SkipLayerNormalization") == 0);
      for (ir::Node& one : read.nodes)
        if (one.op_type == "Sum") one.op_type = "Add";
      const std::string added = onnx_io::write(read);
      CHECK(*ort_try::run(added, inputs)[0].bytes == *plain.bytes);
      (void)ort_try::run(added, inputs, ort_try::Optimize::kExtended, optimized);
      CHECK(count(onnx_io::parse(read_file(optimized), {}, ignored), "SkipLayerNormalization") == 2);
      if (files.tflite.empty()) continue;
      const litert::Result lite = litert::run(files.tflite, inputs);
      CHECK(sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, lite.outputs.at(0), expected.dims)) > 25);
    }
  std::filesystem::remove(optimized);
}

// The graph as the runtime has it after its optimizations.
ir::Graph optimized_by_runtime(const std::string& file, const std::vector<ir::Tensor>& inputs) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("qconvert-joined-" + std::to_string(::getpid()) + ".onnx");
  (void)ort_try::run(file, inputs, ort_try::Optimize::kExtended, path.string());
  Diagnostics ignored;
  ir::Graph graph = onnx_io::parse(read_file(path), {}, ignored);
  std::filesystem::remove(path);
  return graph;
}

size_t count_of(const ir::Graph& g, std::string_view op) {
  return static_cast<size_t>(
      std::ranges::count_if(g.nodes, [&](const ir::Node& n) { return !n.erased && n.op_type == op; }));
}

TEST_CASE("a Softmax that is reported in float runs in float between integers", "[litert]") {
  using Scores = std::function<ir::ValueId(ir::Graph & g, ir::ValueId product)>;
  struct Row {
    const char* name;
    Scores scores;
    size_t floats;  // products that hand out floats
  };
  const auto vector = [](ir::Graph& g) { return constant(g, random_tensor({16}, 5)); };
  const Row rows[] = {
      {"product", [](ir::Graph&, ir::ValueId p) { return p; }, 1},
      {"scaled, and positions are added",
       [](ir::Graph& g, ir::ValueId p) {
         return tiny::add(g, tiny::mul(g, p, constant(g, 0.3f)),
                          constant(g, random_tensor({1, 2, 16, 16}, 6)));
       },
       1},
      {"a vector is added", [&](ir::Graph& g, ir::ValueId p) { return tiny::add(g, p, vector(g)); }, 1},
      {"others read the scores",
       [](ir::Graph& g, ir::ValueId p) {
         output(g, tiny::relu(g, tiny::matmul(g, p, constant(g, random_tensor({16, 4}, 8)))), "beside");
         return p;
       },
       0},
      {"no product",
       [](ir::Graph& g, ir::ValueId p) {
         return tiny::transpose(g, tiny::relu(g, p), {0, 1, 3, 2});
       },
       0}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    ir::Graph g = tiny::graph();
    const ir::ValueId x = input(g, "x", {1, 2, 16, 8});
    const auto projected = [&](unsigned seed) {
      return tiny::matmul(g, x, constant(g, random_tensor({8, 8}, seed)));
    };
    const ir::ValueId product = tiny::matmul(g, projected(1), tiny::transpose(g, projected(2), {0, 1, 3, 2}));
    const ir::ValueId shares = tiny::softmax(g, row.scores(g, product));
    output(g, tiny::matmul(g, tiny::matmul(g, shares, projected(3)), constant(g, random_tensor({8, 8}, 4))),
           "y");
    Diagnostics ignored;
    const ir::Graph for_converters = onnx_io::parse(
        convert_graph(g, {"/placement=full", "/output/onnx/form=fake_quant"}).onnx, {}, ignored);
    const ir::NodeId softmax = tiny::only(for_converters, "Softmax");
    CHECK(ir::producer_if(for_converters, ir::node_at(for_converters, softmax).inputs[0],
                          "DequantizeLinear") != ir::kNone);
    const std::string model = onnx_io::write(g);
    const Files files = convert_graph(g, kBoth);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    const std::vector<ir::Tensor> expected = ort_try::run(model, inputs),
                                  found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended);
    for (size_t i = 0; i < expected.size(); ++i) CHECK(sqnr_db(expected[i], found[i]) > 18);
    const ir::Graph runs = optimized_by_runtime(files.onnx, inputs);
    CHECK(count_of(runs, "Softmax") == 1);
    CHECK(count_of(runs, "QLinearSoftmax") == 0);
    CHECK(count_of(runs, "MatMulIntegerToFloat") == row.floats);
    CHECK(count_of(runs, "MatMul") + count_of(runs, "Gemm") == 0);
    for (const report::NodeRow& node : files.report.nodes)
      if (node.op_type == "Softmax") CHECK(node.verdict == "Softmax (float)");
    const litert::Result lite = litert::run(files.tflite, inputs);
    for (size_t i = 0; i < expected.size(); ++i)
      CHECK(sqnr_db(expected[i], ir::make_tensor(ir::DType::kFloat, lite.outputs.at(i), expected[i].dims)) >
            18);
    const tflite::file::Model parsed = tflite::file::parse(files.tflite, "odd.tflite");
    tflite::file::TensorId rounded = tflite::file::kAbsent;
    for (const tflite::file::Operator& op : parsed.graphs[0].operators) {
      if (op.op == "DEQUANTIZE") rounded = op.outputs[0];
      if (op.op == "SOFTMAX") CHECK(op.inputs[0] == rounded);
    }
  }
}

TEST_CASE("the length of what lies last is spelled out in ONNX files") {
  for (const int64_t opset : {13, 18})
    for (const int64_t keepdims : {0, 1}) {
      CAPTURE(opset, keepdims);
      ir::Graph g = tiny::graph(opset);
      const ir::ValueId x = conv(g, input(g, "x", {1, 3, 64, 64}), 4);
      const auto length = [&](ir::ValueId of, tiny::Dims axes) {
        if (opset < 18) return node(g, "ReduceL2", {of}, {{"axes", axes}, {"keepdims", keepdims}});
        return node(g, "ReduceL2", {of, tiny::constant_i(g, axes)}, {{"keepdims", keepdims}});
      };
      output(g, length(x, {2, -1}), "area");
      output(g, length(x, {1}), "channels");  // not what lies last
      output(g, length(tiny::max_pool(g, x, 8, 8), {3}), "of little");
      const std::string model = onnx_io::write(g);
      const Files files = convert_graph(g, {"/placement=full"});
      Diagnostics ignored;
      const ir::Graph read = onnx_io::parse(files.onnx, {}, ignored);
      CHECK(count_of(read, "ReduceL2") == 2);
      CHECK(count_of(read, "ReduceSum") == 1);
      const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
      const std::vector<ir::Tensor> expected = ort_try::run(model, inputs),
                                    found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended);
      for (size_t i = 0; i < expected.size(); ++i) CHECK(sqnr_db(expected[i], found[i]) > 35);
    }
}

Files fixed_without_images(const std::string& file) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("qconvert-fix-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "q.onnx", file);
  ConvertOptions options;
  options.model = folder / "q.onnx";
  options.output_folder = folder / "out";
  const ConvertResult result = fix(options, false);
  const Files files{read_file(result.written.at(0)), {}, result.report};
  std::filesystem::remove_all(folder);
  return files;
}

TEST_CASE("fix spells what is added in front of a LayerNorm as a Sum") {
  ir::Graph g = tiny::graph(17);
  build_norms(g, [&](ir::ValueId v) {
    return node(g, "LayerNormalization", {v, constant(g, random_tensor({32}, 7, 0.5f, 1.5f))}, {});
  });
  const Files files = convert_graph(g, {"/placement=full", kFloatAdd});
  const std::string fixed = fixed_without_images(files.onnx).onnx;
  Diagnostics ignored;
  const ir::Graph read = onnx_io::parse(fixed, {}, ignored);
  CHECK(std::ranges::count_if(read.nodes, [](const ir::Node& n) { return n.op_type == "Sum"; }) == 2);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(fixed, 90);
  CHECK(sqnr_db(ort_try::run(files.onnx, inputs)[0], ort_try::run(fixed, inputs)[0]) > 30);
}

// The file with constants of few elements as they were before they were repeated: those of `dims`, in full
// rank, are cut to their first row.
std::string with_rows(const std::string& file, const tiny::Dims& dims, const tiny::Dims& row) {
  Diagnostics ignored;
  ir::Graph g = onnx_io::parse(file, {}, ignored);
  for (ir::Value& value : g.values) {
    if (!value.constant || value.constant->dims != dims) continue;
    const size_t bytes = value.constant->bytes->size() / static_cast<size_t>(ir::element_count(dims)) *
                         static_cast<size_t>(ir::element_count(row));
    const std::string all = *value.constant->bytes, first = all.substr(0, bytes);
    for (size_t i = 0; i < all.size(); i += bytes) CHECK(all.compare(i, bytes, first) == 0);
    value.constant = ir::make_tensor(value.constant->dtype, first, row);
    value.dims = row;
  }
  return onnx_io::write(g);
}

TEST_CASE("constants of few channels in the last dimension are repeated in ONNX files", "[litert]") {
  // Channels last: a shift and a scale for each of four, between two products; rows of 24 by 24.
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto product = [&](ir::ValueId v, unsigned seed) {
      return tiny::matmul(g, v, constant(g, random_tensor({4, 4}, seed)));
    };
    const ir::ValueId shifted =
        tiny::add(g, tiny::sigmoid(g, product(x, 1)), constant(g, random_tensor({4}, 2)));
    const ir::ValueId wide = tiny::sigmoid(
        g, tiny::mul(g, tiny::sigmoid(g, shifted), constant(g, random_tensor({4}, 3, 0.5f, 1.5f))));
    output(g, product(wide, 4), "y");
  };
  const std::vector<std::string> rows[] = {
      kBoth,
      {"/placement=full", "/output/onnx/form=qoperator"},
      {"/placement=full", "/keep_float={\"op_types\":[\"Add\",\"Mul\"]}"},
      {"/mode=weight_only"},
      {"/mode=float16"},
      {"/mode=dynamic"}};
  for (const std::vector<std::string>& settings : rows) {
    CAPTURE(settings);
    check({"rows of four", build, settings, 25}, {1, 24, 24, 4});
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 24, 24, 4}));
    const std::string written = convert_graph(g, settings).onnx;
    Diagnostics ignored;
    const ir::Graph read = onnx_io::parse(written, {}, ignored);
    const auto count = [&](const tiny::Dims& dims) {
      return std::ranges::count_if(read.values, [&](const ir::Value& value) {
        return value.constant && value.constant->dims == dims;
      });
    };
    CHECK(count({1, 1, 24, 4}) == 2);
    const std::string before = with_rows(written, {1, 1, 24, 4}, {4});
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(written, 90);
    for (const auto optimize : {ort_try::Optimize::kNone, ort_try::Optimize::kExtended})
      CHECK(*ort_try::run(written, inputs, optimize)[0].bytes ==
            *ort_try::run(before, inputs, optimize)[0].bytes);
  }
}

TEST_CASE("a Pad larger than the window of the pool behind it is no padding of the pool's own", "[litert]") {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId wide =
          node(g, "Pad", {x, tiny::constant_i(g, {0, 0, 2, 2, 0, 0, 2, 3})}, {}, tiny::Dims{1, 3, 16, 15});
      output(g,
             node(g, op, {wide}, {{"kernel_shape", tiny::Dims{2, 2}}, {"strides", tiny::Dims{2, 2}}},
                  tiny::Dims{1, 3, 8, 7}),
             "y");
    };
    check({op, build, {"/placement=auto"}, 60});
    check({op, build, kBoth, 30});
  }
}

TEST_CASE("the Edge TPU compares and sums up on integers", "[litert]") {
  for (const char* op : {"Max", "Min"}) {
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId a = conv(g, x, 8), b = tiny::relu(g, conv(g, x, 8, {}, 4));
      output(g, conv(g, node(g, op, {a, b}, {}, tiny::value(g, a).dims), 4), "y");
    };
    check({op, build, lone_tflite("edgetpu"), 28});
  }
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId a = conv(g, x, 8);
    output(g, node(g, "ReduceSum", {a, tiny::constant_i(g, {2, 3})}, {}, tiny::Dims{1, 8, 1, 1}), "y");
  };
  check({"ReduceSum", build, lone_tflite("edgetpu"), 28});
}

TEST_CASE("fix without images keeps products on integers whose results are floats in the file") {
  ir::Graph g = tiny::graph(17);
  const tiny::Dims dims{1, 8, 32};
  ir::ValueId v = input(g, "x", dims);
  const auto number = [&](ir::DType type, char value) {
    return constant(g, ir::make_tensor(type, std::string(1, value), {}));
  };
  const auto floats = [&](ir::ValueId made) {
    g.values[static_cast<size_t>(made)].dtype = ir::DType::kFloat;
    return made;
  };
  for (unsigned block = 0; block < 3; ++block) {
    const ir::ValueId scale = constant(g, 0.03f), zero = number(ir::DType::kUint8, '\x80');
    const ir::ValueId norm =
        node(g, "LayerNormalization", {v, constant(g, random_tensor({32}, block, 0.5f, 1.5f))}, {}, dims);
    const ir::ValueId rounded = node(g, "QuantizeLinear", {norm, scale, zero}, {}, dims);
    g.values[static_cast<size_t>(rounded)].dtype = ir::DType::kUint8;
    std::string integers;
    for (int k = 0; k < 32 * 32; ++k)
      integers += static_cast<char>((k * 37 + static_cast<int>(block)) % 251 - 125);
    const ir::ValueId stored = constant(g, ir::make_tensor(ir::DType::kInt8, integers, {32, 32}));
    const ir::ValueId weight =
        floats(node(g, "DequantizeLinear", {stored, constant(g, 0.002f), number(ir::DType::kInt8, 0)}, {},
                    tiny::Dims{32, 32}));
    const ir::ValueId read = floats(node(g, "DequantizeLinear", {rounded, scale, zero}, {}, dims));
    const ir::ValueId product = node(g, "MatMul", {read, weight}, {}, dims);
    v = node(g, "Add", {product, v}, {}, dims);
  }
  output(g, v, "y");
  const std::string file = onnx_io::write(g);
  const Files fixed = fixed_without_images(file);
  CHECK(std::ranges::count_if(fixed.report.nodes, [](const report::NodeRow& row) {
          return row.op_type == "MatMul" && row.compute == "integer";
        }) == 3);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(file, 90);
  CHECK(sqnr_db(ort_try::run(file, inputs)[0], ort_try::run(fixed.onnx, inputs)[0]) > 60);
}

TEST_CASE("a cubic Resize that shrinks stands between integer convolutions") {
  for (const float scale : {0.75f, 0.5f}) {
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId scales =
          constant(g, ir::make_tensor(std::span<const float>(std::vector<float>{1, 1, scale, scale}), {4}));
      const ir::ValueId small = node(g, "Resize", {tiny::relu(g, conv(g, x, 8)), ir::kNone, scales},
                                     {{"mode", std::string("cubic")}});
      const ir::ValueId weight = constant(g, random_tensor({4, 8, 3, 3}, 5, -0.5f, 0.5f));
      output(g, node(g, "Conv", {small, weight}, {}), "y");
    };
    check({"cubic", build, {"/placement=full"}, 28});
    check({"integer ops", build, {"/placement=full", "/output/onnx/form=qoperator"}, 28});
  }
}

TEST_CASE("images grow pixel by pixel in ONNX files, and compute the same to the last bit", "[litert]") {
  for (const char* mode : {"DCR", "CRD"})
    for (const int64_t channels : {8, 3}) {
      CAPTURE(mode, channels);
      const auto build = [&](ir::Graph& g, ir::ValueId x) {
        const ir::ValueId y = tiny::relu(g, conv(g, tiny::relu(g, conv(g, x, 16)), channels * 4, {}, 2));
        const ir::ValueId wide =
            node(g, "DepthToSpace", {y}, {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}},
                 tiny::Dims{1, channels, 24, 20});
        output(g, conv(g, wide, 4, {}, 3), "y");
      };
      const std::string form = "/output/onnx/form=qoperator";
      check({"both", build, kBoth, 25});
      check({"integer ops", build, {"/placement=full", form}, 25});
      ir::Graph g = tiny::graph();
      build(g, input(g, "x", {1, 3, 12, 10}));
      const std::string written = convert_graph(g, {"/placement=full"}).onnx;
      Diagnostics ignored;
      const ir::Graph read = onnx_io::parse(written, {}, ignored);
      const auto count = [&](const char* op) {
        return std::ranges::count_if(read.nodes, [&](const ir::Node& n) { return n.op_type == op; });
      };
      CHECK(count("DepthToSpace") == (channels > 3 ? 0 : 1));
      CHECK(count("Transpose") == (channels > 3 ? 3 : 0));
      ir::Graph moved = read;  // with one op again
      for (const ir::NodeId id : ir::topological_order(read)) {
        const ir::Node& last = ir::node_at(read, id);
        if (last.op_type != "Transpose" || ir::ints_attribute(last, "perm") != tiny::Dims{0, 3, 1, 2})
          continue;
        ir::NodeId first = id;
        while (ir::ints_attribute(ir::node_at(read, first), "perm") != tiny::Dims{0, 2, 3, 1})
          first = ir::value_at(read, ir::node_at(read, first).inputs[0]).producer;
        ir::become(moved, id, "DepthToSpace", {ir::node_at(read, first).inputs[0]},
                   {{"blocksize", int64_t{2}}});
      }
      ir::remove_dead(moved);
      const std::vector<ir::Tensor> inputs = ort_try::random_inputs(written, 90);
      for (const auto optimize : {ort_try::Optimize::kNone, ort_try::Optimize::kExtended})
        CHECK(*ort_try::run(written, inputs, optimize)[0].bytes ==
              *ort_try::run(onnx_io::write(moved), inputs, optimize)[0].bytes);
    }
}

}  // namespace qc
