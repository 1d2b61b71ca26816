// The reader of TFLite files: what a file says, whose its bytes are, and what it refuses.
#include "tflite/read.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "support/tiny_tflite.h"

namespace qc {
namespace {

namespace file = tflite::file;

int64_t sum_of(const file::Model& model) {
  int64_t sum = 0;
  for (const file::Claim& claim : model.claims) sum += claim.bytes;
  return sum;
}

// The problems of a file that must be refused.
std::vector<Problem> problems_of(const std::string& bytes) {
  try {
    file::parse(bytes, "x.tflite");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kInput);
    return error.problems;
  }
  FAIL("the file was accepted");
  return {};
}

TEST_CASE("a TFLite file is read as it was built", "[tflite]") {
  const std::string bytes = tiny_tflite::write(tiny_tflite::classifier());
  const file::Model model = file::parse(bytes, "x.tflite");
  REQUIRE(model.graphs.size() == 1);
  const file::Graph& graph = model.graphs[0];
  std::vector<std::string> ops;
  for (const file::Operator& op : graph.operators) ops.push_back(op.op);
  CHECK(ops ==
        std::vector<std::string>{"CONV_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"});
  CHECK(graph.operators[0].version == 3);
  CHECK(file::int_option(graph.operators[0], "stride_w") == 2);
  CHECK(file::int_option(graph.operators[0], "dilation_w_factor", 1) == 1);
  CHECK(file::text_option(graph.operators[0], "padding", "SAME") == "SAME");
  CHECK(file::text_option(graph.operators[0], "fused_activation_function", "NONE") == "RELU6");
  CHECK(file::text_option(graph.operators[1], "padding", "SAME") == "VALID");
  CHECK(graph.operators[2].options.at(0) ==
        std::pair<std::string, file::OptionValue>{"new_shape", std::vector<int64_t>{1, 16}});
  CHECK(file::float_option(graph.operators[4], "beta") == 1.0);
  const file::Tensor& filter = graph.tensors[1];
  CHECK(filter.dtype == ir::DType::kInt8);
  CHECK(filter.dims == std::vector<int64_t>{4, 3, 3, 3});
  CHECK(filter.scales.size() == 4);
  CHECK(filter.data.size() == 108);
  REQUIRE(model.signatures.size() == 1);
  CHECK(model.signatures[0].inputs[0].first == "image");
}

TEST_CASE("the file among the test data is the one that the builder makes", "[tflite]") {
  const file::Model kept = file::read(QCONVERT_TESTS "/data/tflite/classifier.tflite");
  const file::Model built = file::parse(tiny_tflite::write(tiny_tflite::classifier()), "x.tflite");
  REQUIRE(kept.graphs[0].tensors.size() == built.graphs[0].tensors.size());
  for (size_t i = 0; i < built.graphs[0].tensors.size(); ++i) {
    const file::Tensor &a = kept.graphs[0].tensors[i], &b = built.graphs[0].tensors[i];
    CHECK((a.name == b.name && a.dims == b.dims && a.data == b.data && a.scales == b.scales));
  }
  REQUIRE(kept.graphs[0].operators.size() == built.graphs[0].operators.size());
  for (size_t i = 0; i < built.graphs[0].operators.size(); ++i)
    CHECK(kept.graphs[0].operators[i].options == built.graphs[0].operators[i].options);
}

TEST_CASE("every byte of a TFLite file has one owner", "[tflite]") {
  const std::string bytes = tiny_tflite::write(tiny_tflite::classifier());
  const file::Model model = file::parse(bytes, "x.tflite");
  CHECK(sum_of(model) == static_cast<int64_t>(bytes.size()));
  std::map<std::string, int64_t> kinds;
  for (const file::Claim& claim : model.claims) kinds[claim.kind] += claim.bytes;
  CHECK(kinds["weights"] == 108 + 160);
  CHECK(kinds["bias"] == 4 * 4 + 10 * 4);
  CHECK(kinds["constants"] == 8);
  CHECK(kinds["scales"] >= 4 * (4 + 4 + 8));
  CHECK(kinds["padding"] < static_cast<int64_t>(bytes.size()) / 4);
}

TEST_CASE("files by TensorFlow's converter are read whole", "[tflite]") {
  const char* data = std::getenv("QCONVERT_TEST_DATA");
  if (!data) return;
  const struct {
    const char* name;
    size_t operators;
    int64_t weights;
  } cases[] = {{"resnet8_cifar10_int8", 16, 77360},
               {"resnet8_cifar10_float", 16, 4 * 77360},
               {"mobilenet_v1_0.25_128_float", 31, 0},
               {"mobilenet_v1_0.25_128_uint8", 31, 0}};
  for (const auto& one : cases) {
    INFO(one.name);
    const std::string bytes =
        read_file(std::string(data) + "/models/reference-tflite/" + one.name + ".tflite");
    const file::Model model = file::parse(bytes, one.name);
    CHECK(model.graphs[0].operators.size() == one.operators);
    CHECK(sum_of(model) == static_cast<int64_t>(bytes.size()));
    int64_t weights = 0;
    for (const file::Claim& claim : model.claims) weights += claim.kind == "weights" ? claim.bytes : 0;
    if (one.weights) CHECK(weights == one.weights);
  }
}

TEST_CASE("what is no TFLite file is refused with a reason", "[tflite]") {
  const std::string good = tiny_tflite::write(tiny_tflite::classifier());
  CHECK(problems_of("")[0].code == "empty-file");
  CHECK(problems_of("not a model at all")[0].code == "not-tflite");
  CHECK(problems_of(good.substr(0, 8))[0].code == "damaged-tflite");
  for (const size_t part : {size_t{3}, good.size() / 4, good.size() / 2, good.size() - 40}) {
    INFO(part);
    CHECK(!problems_of(good.substr(0, part)).empty());
  }
}

TEST_CASE("indices that lead nowhere are refused all at once", "[tflite]") {
  tiny_tflite::Model model = tiny_tflite::classifier();
  model.ops[0].inputs[0] = 77;
  model.ops[3].inputs[2] = -1;  // an input left out: allowed
  model.ops[4].outputs[0] = -1;
  model.tensors[1].data.pop_back();
  model.tensors[1].zero_points.pop_back();
  std::vector<std::string> codes;
  for (const Problem& problem : problems_of(tiny_tflite::write(model))) {
    codes.push_back(problem.code);
    CHECK(!problem.cause.empty());
    CHECK(!problem.remedy.empty());
  }
  CHECK(codes == std::vector<std::string>{"zero-points", "data-size", "tensor-index", "tensor-index"});
}

TEST_CASE("any byte changed: refused or sound, never out of bounds", "[tflite]") {
  const std::string good = tiny_tflite::write(tiny_tflite::classifier());
  int accepted = 0, refused = 0;
  for (size_t at = 0; at < good.size(); at += 3) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0xFF);
    try {
      const file::Model model = file::parse(bytes, "x.tflite");
      CHECK(sum_of(model) == static_cast<int64_t>(bytes.size()));
      ++accepted;
    } catch (const Error& error) {
      REQUIRE(error.exit == Exit::kInput);
      ++refused;
    }
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
}

}  // namespace
}  // namespace qc
