// One plan, two files: the sample model as ONNX and as .tflite holds the same integers and the same scales,
// and LiteRT makes of the one what ONNX Runtime makes of the other.
#include <catch2/catch.hpp>

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "images/image_source.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "support/litert.h"
#include "support/sqnr.h"
#include "tflite/layout.h"
#include "tflite/read.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

struct Files {
  std::string onnx, tflite;
};

Files convert_sample(const std::vector<std::string>& settings) {
  ConvertOptions options;
  options.model = QCONVERT_TESTS "/data/sample/model.onnx";
  options.config = QCONVERT_TESTS "/data/sample/config.json";
  const TemporaryFolder own;
  options.output_folder = own.path();
  for (const std::string& setting : settings) options.overrides.push_back(config::parse_override(setting));
  const ConvertResult result = convert(options);
  Files files;
  for (const std::filesystem::path& path : result.written) {
    if (path.extension() == ".onnx") files.onnx = read_file(path);
    if (path.extension() == ".tflite") files.tflite = read_file(path);
  }
  for (const report::FileBytes& file : result.report.files) {
    int64_t bytes = 0;
    for (const report::ByteRow& row : file.rows) bytes += row.bytes;
    CHECK(bytes == file.size);
  }
  return files;
}

// The scale and zero point (signed) of every activation that the ONNX file rounds.
std::set<std::pair<float, int>> rounded(const ir::Graph& graph) {
  std::set<std::pair<float, int>> found;
  for (const ir::Node& node : graph.nodes) {
    if (node.op_type != "QuantizeLinear") continue;
    const ir::Tensor& zero = *ir::constant_input(graph, node, 2);
    REQUIRE(zero.dtype == ir::DType::kUint8);
    found.insert({ir::constant_input(graph, node, 1)->as<float>()[0], zero.as<uint8_t>()[0] - 128});
  }
  return found;
}

// The ONNX file may have channels of zeros behind its own (spell/channels.h): the first of all four
// dimensions.
std::string without_zeros(const ir::Tensor& tensor, const std::vector<int64_t>& dims) {
  std::string bytes;
  for (int64_t a = 0; a < dims[0]; ++a)
    for (int64_t b = 0; b < dims[1]; ++b)
      for (int64_t c = 0; c < dims[2]; ++c)
        bytes += tensor.bytes->substr(
            static_cast<size_t>(((a * tensor.dims[1] + b) * tensor.dims[2] + c) * tensor.dims[3]),
            static_cast<size_t>(dims[3]));
  return bytes;
}

TEST_CASE("both files of one plan hold the same integers and scales") {
  const Files files = convert_sample({"/output/formats=[\"onnx\",\"tflite\"]", "/placement=full"});
  Diagnostics ignored;
  const ir::Graph onnx = onnx_io::parse(files.onnx, {}, ignored);
  const tflite::file::Model parsed = tflite::file::parse(files.tflite, "sample");
  const tflite::file::Graph& lite = parsed.graphs[0];

  const std::set<std::pair<float, int>> planned = rounded(onnx);
  const auto in_plan = [&](const tflite::file::Tensor& tensor) {
    return planned.contains({tensor.scales.at(0), static_cast<int>(tensor.zero_points.at(0))});
  };
  size_t activations = 0, weights = 0;
  for (const tflite::file::Operator& op : lite.operators) {
    for (const tflite::file::TensorId id : op.outputs) {
      const tflite::file::Tensor& tensor = lite.tensors[id];
      if (tensor.type != "INT8") continue;
      // The sixth of a HardSwish's input: the very integers, under a sixth of their scale.
      const tflite::file::Tensor& input = lite.tensors[op.inputs[0]];
      const bool sixth = op.op == "MUL" && in_plan(input) && input.zero_points == tensor.zero_points &&
                         tensor.scales[0] == static_cast<float>(input.scales[0] * double{1.0f / 6});
      CHECK((in_plan(tensor) || sixth));
      ++activations;
    }
    if (op.op != "CONV_2D" && op.op != "DEPTHWISE_CONV_2D") continue;
    const tflite::file::Tensor& weight = lite.tensors[op.inputs[1]];
    if (weight.type != "INT8") continue;
    const ir::NodeId id = ir::find_node(onnx, weight.name.substr(0, weight.name.rfind('/')));
    REQUIRE(id != ir::kNone);
    const ir::Node& conv = onnx.nodes[id];
    const ir::Node& dequantize = onnx.nodes[onnx.values[conv.inputs[1]].producer];
    const std::vector<int> order =
        op.op == "CONV_2D" ? std::vector<int>{0, 2, 3, 1} : std::vector<int>{1, 2, 3, 0};
    const ir::Tensor moved = tflite::transposed(*ir::constant_input(onnx, dequantize, 0), order);
    CHECK(without_zeros(moved, weight.dims) == weight.data);
    const auto scales = ir::constant_input(onnx, dequantize, 1)->as<float>();
    CHECK(std::vector<float>(scales.begin(), scales.end()) == weight.scales);

    const tflite::file::Tensor& bias = lite.tensors[op.inputs[2]];
    const ir::Node& bias_node = onnx.nodes[onnx.values[conv.inputs[2]].producer];
    CHECK(*ir::constant_input(onnx, bias_node, 0)->bytes == bias.data);
    ++weights;
  }
  CHECK(activations > 3);
  CHECK(weights > 2);
}

double agreement_db(const std::vector<std::string>& settings) {
  std::vector<std::string> all{"/output/formats=[\"onnx\",\"tflite\"]", "/output/tflite/io_type=float32",
                               "/output/tflite/keep_nchw_io=true"};
  all.insert(all.end(), settings.begin(), settings.end());
  const Files files = convert_sample(all);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(files.onnx, 5, -1, 1);
  const ir::Tensor expected = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0];
  const litert::Result found = litert::run(files.tflite, inputs);
  return test::sqnr_db(expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims));
}

TEST_CASE("LiteRT makes of the .tflite what ONNX Runtime makes of the ONNX file", "[litert]") {
  CHECK(agreement_db({}) > 30);
  // A target that rounds nothing between a convolution and the HardSwish behind it, nor between that and the
  // Add of a shift: operators on integers would, so that those parts are in float.
  CHECK(agreement_db({"/target_platform_capabilities=\"" QCONVERT_TESTS "/data/targets/tpc_widths.json\""}) >
        20);
}

TEST_CASE("a .tflite alone is integers wherever it can be, with inputs of every type", "[litert]") {
  for (const char* type : {"int8", "uint8", "float32"}) {
    CAPTURE(type);
    const Files files =
        convert_sample({"/output/formats=[\"tflite\"]", std::string("/output/tflite/io_type=") + type});
    CHECK(files.onnx.empty());
    const tflite::file::Model parsed = tflite::file::parse(files.tflite, "sample");
    const tflite::file::Graph& graph = parsed.graphs[0];
    const tflite::file::Tensor& input = graph.tensors[graph.inputs[0]];
    CHECK(input.type ==
          std::map<std::string, std::string>{{"int8", "INT8"}, {"uint8", "UINT8"}, {"float32", "FLOAT32"}}.at(
              type));
    for (const tflite::file::Operator& op : graph.operators) {
      CHECK(op.op != "TRANSPOSE");
      if (op.op == "CONV_2D") CHECK(graph.tensors[op.inputs[0]].type == "INT8");
    }
    const int64_t width = input.type == "FLOAT32" ? 4 : 1;
    const std::string zeros(static_cast<size_t>(ir::element_count(input.shape) * width), '\0');
    const litert::Result ran = litert::run(
        files.tflite, {ir::make_tensor(ir::DType::kInt8, zeros, {static_cast<int64_t>(zeros.size())})});
    CHECK(ran.outputs.size() == 1);
  }
}

double sqnr_of(const Files& files) {
  const std::string onnx = read_file(QCONVERT_TESTS "/data/sample/model.onnx");
  std::vector<ir::Tensor> expected, found;
  for (const unsigned seed : {5u, 6u, 7u}) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, seed, -1, 1);
    expected.push_back(ort_try::run(onnx, inputs)[0]);
    const litert::Result ran = litert::run(files.tflite, inputs);
    found.push_back(ir::make_tensor(ir::DType::kFloat, ran.outputs.at(0), expected.back().dims));
  }
  return test::sqnr_db(expected, found);
}

TEST_CASE("int16 activations are clearly nearer to float than int8", "[litert]") {
  const std::vector<std::string> base{"/output/formats=[\"tflite\"]", "/output/tflite/io_type=float32",
                                      "/output/tflite/keep_nchw_io=true",
                                      "/target_platform_capabilities=litert"};
  std::vector<std::string> wide = base;
  wide.push_back("/output/tflite/form=int16x8");
  const Files int8 = convert_sample(base), int16 = convert_sample(wide);
  const tflite::file::Model parsed = tflite::file::parse(int16.tflite, "sample");
  for (const tflite::file::Operator& op : parsed.graphs[0].operators) {
    if (op.op != "CONV_2D" && op.op != "DEPTHWISE_CONV_2D" && op.op != "FULLY_CONNECTED") continue;
    const auto type = [&](size_t slot) { return parsed.graphs[0].tensors[op.inputs[slot]].type; };
    CHECK(type(0) == "INT16");
    CHECK(type(1) == "INT8");
    CHECK(type(2) == "INT64");
  }
  CHECK(sqnr_of(int16) > sqnr_of(int8) + 5);
}

TEST_CASE("forms with float activations need no images", "[litert]") {
  size_t last = 0;
  for (const char* form : {"float32", "float16", "dynamic_range"}) {
    CAPTURE(form);
    const Files files =
        convert_sample({"/output/formats=[\"tflite\"]", std::string("/output/tflite/form=") + form,
                        "/representative_dataset/path=nowhere", "/output/tflite/keep_nchw_io=true"});
    const std::string onnx = read_file(QCONVERT_TESTS "/data/sample/model.onnx");
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, 5, -1, 1);
    const ir::Tensor expected = ort_try::run(onnx, inputs)[0];
    const litert::Result found = litert::run(files.tflite, inputs);
    const double error = ort_try::max_relative_error(
        expected, ir::make_tensor(ir::DType::kFloat, found.outputs.at(0), expected.dims));
    CHECK(error < (form == std::string("float32") ? 1e-5 : form == std::string("float16") ? 1e-2 : 0.1));
    if (last != 0) CHECK(files.tflite.size() < last);
    last = files.tflite.size();
  }
}

}  // namespace
}  // namespace qc
