// See odd_graphs.h.
#include "unit/odd_graphs/odd_graphs.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/files.h"
#include "base/text.h"
#include "fix.h"
#include "onnx_io/onnx_io.h"
#include "support/litert.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "tflite/read.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

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

}  // namespace

const std::vector<std::string> kBoth{"/placement=full", "/output/formats=[\"onnx\",\"tflite\"]"};

std::vector<std::string> lone_tflite(const char* target) {
  return {"/output/formats=[\"tflite\"]", format("/target_platform_capabilities={}", target)};
}

Files files_of(const std::string& model, const std::vector<std::string>& settings,
               const Calibration& calibration,
               const std::function<ConvertResult(const ConvertOptions&)>& corridor) {
  const TemporaryFolder own;
  const std::filesystem::path& folder = own.path();
  std::filesystem::create_directories(folder / "calib");
  write_file_atomically(folder / "odd.onnx", model);
  for (unsigned i = 0; i < 12; ++i)
    write_file_atomically(folder / "calib" / format("{:02}.npy", i),
                          npy(calibration ? calibration(i) : ort_try::random_inputs(model, i + 1)[0]));
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
  return files;
}

Files convert_graph(const ir::Graph& g, const std::vector<std::string>& settings,
                    const Calibration& calibration) {
  return files_of(onnx_io::write(g), settings, calibration, convert);
}

Files fixed_without_images(const std::string& model) {
  const TemporaryFolder own;
  const std::filesystem::path& folder = own.path();
  write_file_atomically(folder / "q.onnx", model);
  ConvertOptions options;
  options.model = folder / "q.onnx";
  options.output_folder = folder / "out";
  const ConvertResult result = fix(options, false);
  return {read_file(result.written.at(0)), {}, result.report};
}

void check(const Case& one, const std::vector<int64_t>& dims) {
  CAPTURE(one.name);
  ir::Graph g = tiny::graph();
  one.build(g, tiny::input(g, "x", dims));
  const std::string model = onnx_io::write(g);
  const Files files = convert_graph(g, one.settings);
  REQUIRE((!files.onnx.empty() || !files.tflite.empty()));
  for (unsigned seed = 90; seed < 92; ++seed) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, seed);
    const std::vector<ir::Tensor> expected = ort_try::run(model, inputs);
    if (!files.onnx.empty()) {
      const std::vector<ir::Tensor> found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended);
      for (size_t i = 0; i < expected.size(); ++i) CHECK(test::sqnr_db(expected[i], found[i]) > one.least_db);
    }
    if (files.tflite.empty()) continue;
    for (const double db : litert_db(expected, files.tflite, inputs)) CHECK(db > one.least_db);
  }
}

ir::Graph read_graph(const std::string& onnx) {
  Diagnostics ignored;
  return onnx_io::parse(onnx, {}, ignored);
}

ir::Graph optimized_by_runtime(const std::string& onnx, const std::vector<ir::Tensor>& inputs) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "optimized.onnx";
  (void)ort_try::run(onnx, inputs, ort_try::Optimize::kExtended, path.string());
  return read_graph(read_file(path));
}

size_t count_of(const ir::Graph& g, std::string_view op) {
  return static_cast<size_t>(
      std::ranges::count_if(g.nodes, [&](const ir::Node& n) { return !n.erased && n.op_type == op; }));
}

size_t operators_of(const std::string& tflite, std::string_view op) {
  const tflite::file::Model parsed = tflite::file::parse(tflite, "odd.tflite");
  return static_cast<size_t>(std::ranges::count_if(
      parsed.graphs[0].operators, [&](const tflite::file::Operator& one) { return one.op == op; }));
}

std::vector<double> litert_db(const std::vector<ir::Tensor>& expected, const std::string& tflite,
                              const std::vector<ir::Tensor>& inputs) {
  const litert::Result found = litert::run(tflite, inputs);
  std::vector<double> db;
  for (size_t i = 0; i < expected.size(); ++i)
    db.push_back(test::sqnr_db(expected[i],
                               ir::make_tensor(ir::DType::kFloat, found.outputs.at(i), expected[i].dims)));
  return db;
}

double litert_db(const ir::Tensor& expected, const std::string& tflite,
                 const std::vector<ir::Tensor>& inputs) {
  return litert_db(std::vector{expected}, tflite, inputs)[0];
}

}  // namespace qc::odd
