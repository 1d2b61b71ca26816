// Modes without a plan on recurrent layers and attention: stock ONNX Runtime says how far the file is from
// float.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

using test::sqnr_db;

TEST_CASE("recurrent layers and attention with int8 weights and with rounding at run time") {
  struct Case {
    const char *mode, *model;
    double least_db;
  };
  const auto one = GENERATE(values<Case>({{"weight_only", "lstm", 30},
                                          {"weight_only", "gru", 30},
                                          {"weight_only", "attention", 30},
                                          {"dynamic", "lstm", 20},
                                          {"dynamic", "gru", 20},
                                          {"dynamic", "attention", 20}}));
  CAPTURE(one.mode, one.model);
  const TemporaryFolder own;
  const std::filesystem::path& folder = own.path();
  ConvertOptions options;
  options.model =
      std::filesystem::path(QCONVERT_TESTS) / "data/quantized" / (std::string(one.model) + ".onnx");
  options.overrides.push_back({"/mode", std::string("\"") + one.mode + "\""});
  options.output_folder = folder;
  options.threads = 1;
  const ConvertResult result = convert(options);
  // No config keeps anything in float here, and what the mode adds is no node of the model.
  const char* added = plan::reason_text(plan::Reason::kOfMode);
  for (const report::NodeRow& row : result.report.nodes) {
    CHECK(row.reason != plan::reason_text(plan::Reason::kUserKeepFloat));
    if (row.op_type == "DynamicQuantizeLinear") CHECK(row.reason == added);
  }
  const std::string model = read_file(options.model);
  const std::string written = read_file(folder / (std::string(one.model) + ".quant.onnx"));
  for (const unsigned seed : {1u, 2u}) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, seed);
    const double db = sqnr_db(ort_try::run(model, inputs)[0],
                              ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]);
    CHECK(db >= one.least_db);
    CHECK(db < 80);  // something was rounded
  }
}

ir::ValueId named_input(ir::Graph& g, const char* name, const std::vector<std::string>& names) {
  std::vector<int64_t> dims;
  for (const std::string& one : names)
    dims.push_back(one.find_first_not_of("0123456789") == std::string::npos ? std::stoll(one) : -1);
  const ir::ValueId v = tiny::input(g, name, dims);
  for (size_t d = 0; d < dims.size(); ++d) ir::value_at(g, v).dim_params.at(d) = dims[d] < 0 ? names[d] : "";
  return v;
}

void product(ir::Graph& g, ir::ValueId x, int64_t inputs) {
  const ir::ValueId weight = tiny::constant(g, tiny::random_tensor({inputs, 24}, 7), "w");
  tiny::output(g, tiny::node(g, "MatMul", {x, weight}, {}, tiny::Dims{-1, -1, 24}), "y");
}

// Slice(table, 0, length of x along axis 1): positions of a sentence, as many as the table has at the most.
ir::ValueId positions(ir::Graph& g, ir::ValueId x, int64_t most) {
  const ir::ValueId table = tiny::constant(g, tiny::random_tensor({1, most, 8}, 5), "positions");
  const auto ints = [&](std::vector<int64_t> values) { return tiny::constant_i(g, std::move(values)); };
  const ir::ValueId shape = tiny::node(g, "Shape", {x}, {}, tiny::Dims{3});
  ir::value_at(g, shape).dtype = ir::DType::kInt64;
  const ir::ValueId length =
      tiny::node(g, "Slice", {shape, ints({1}), ints({2}), ints({0})}, {}, tiny::Dims{1});
  ir::value_at(g, length).dtype = ir::DType::kInt64;
  return tiny::node(g, "Slice", {table, ints({0}), length, ints({1})}, {}, tiny::Dims{1, -1, 8});
}

struct FreeSizes {
  const char* name;
  std::function<void(ir::Graph&)> build;
  std::vector<tiny::Dims> judged_on;
  bool measured = true;
};

const FreeSizes kFreeSizes[] = {
    {"a sentence of 128 words at the most",
     [](ir::Graph& g) {
       const ir::ValueId x = named_input(g, "x", {"b", "t", "8"});
       product(g, tiny::node(g, "Add", {x, positions(g, x, 128)}, {}, tiny::Dims{-1, -1, 8}), 8);
     },
     {{3, 50, 8}}},
    {"sound of 400 samples at the least",
     [](ir::Graph& g) {
       const ir::ValueId x = named_input(g, "x", {"b", "1", "t"});
       const ir::ValueId kernel = tiny::constant(g, tiny::random_tensor({8, 1, 400}, 5, -0.1f, 0.1f), "k");
       const ir::ValueId y = tiny::node(g, "Conv", {x, kernel}, {{"strides", std::vector<int64_t>{320}}},
                                        tiny::Dims{-1, 8, -1});
       product(
           g,
           tiny::node(g, "Transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 1}}}, tiny::Dims{-1, -1, 8}),
           8);
     },
     {{2, 1, 4000}}},
    {"a batch that comes second in a state",
     [](ir::Graph& g) {
       const ir::ValueId x = named_input(g, "x", {"b", "16"}), h = named_input(g, "h", {"1", "b", "8"});
       const ir::ValueId long_x =
           tiny::node(g, "Unsqueeze", {x, tiny::constant_i(g, {0})}, {}, tiny::Dims{1, -1, 16});
       product(g, tiny::node(g, "Concat", {long_x, h}, {{"axis", int64_t{2}}}, tiny::Dims{1, -1, 24}), 24);
     },
     {{3, 16}, {1, 3, 8}}},
    {"a mask as long as what was and what comes",
     [](ir::Graph& g) {
       const ir::ValueId past = named_input(g, "past", {"b", "p", "8"}),
                         x = named_input(g, "x", {"b", "s", "8"}),
                         mask = named_input(g, "mask", {"b", "p + s", "1"});
       const ir::ValueId all =
           tiny::node(g, "Concat", {past, x}, {{"axis", int64_t{1}}}, tiny::Dims{-1, -1, 8});
       product(g, tiny::node(g, "Mul", {all, mask}, {}, tiny::Dims{-1, -1, 8}), 8);
     },
     {{1, 5, 8}, {1, 2, 8}, {1, 7, 1}}},
    {"a size that nobody would guess",
     [](ir::Graph& g) {
       product(g, named_input(g, "x", {"b", "2", "t"}), 37);
     },
     {{1, 2, 37}},
     false},
};

TEST_CASE("modes without images take models whose free sizes are not those of pictures") {
  const size_t index = GENERATE(range(size_t{0}, std::size(kFreeSizes)));
  const char* mode = GENERATE("dynamic", "weight_only", "float16");
  const FreeSizes& one = kFreeSizes[index];
  CAPTURE(one.name, mode);
  ir::Graph g = tiny::graph();
  one.build(g);
  const TemporaryFolder own;
  const std::filesystem::path& folder = own.path();
  ConvertOptions options;
  options.model = folder / "free.onnx";
  const std::string model = onnx_io::write(g);
  write_file_atomically(options.model, model);
  options.overrides.push_back({"/mode", std::string("\"") + mode + "\""});
  options.output_folder = folder;
  options.threads = 1;
  const ConvertResult result = convert(options);
  const std::string written = read_file(folder / "free.quant.onnx");
  const bool measured = std::none_of(
      result.report.notes.begin(), result.report.notes.end(),
      [](const std::string& note) { return note.find("nothing was measured") != std::string::npos; });
  CHECK(measured == one.measured);
  std::vector<ir::Tensor> inputs;
  for (const tiny::Dims& dims : one.judged_on)
    inputs.push_back(tiny::random_tensor(dims, 30 + static_cast<unsigned>(inputs.size())));
  const double db =
      sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]);
  CHECK(db >= 30);
}

}  // namespace
}  // namespace qc
