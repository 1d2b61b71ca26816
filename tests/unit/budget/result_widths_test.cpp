// Widths of results under a budget, the whole way: what a target offers several widths for gets those that
// the outputs miss least.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

const std::filesystem::path kSample = std::filesystem::path(QCONVERT_TESTS) / "data/sample";
constexpr const char* kTarget = R"({"name": "packed", "based_on": "int8", "ops": {
  "Conv": {"result_widths": {"4": "uniform", "8": "uniform"}},
  "Add": {"result_widths": {"4": "uniform", "8": "uniform"}}}})";

// Two branches of one size; what the second makes is a thirtieth of what the first does when they are added.
std::string two_branches() {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 32, 32});
  const ir::ValueId loud = tiny::relu(g, tiny::conv(g, x, 8, {.kernel = 3}, 11)),
                    quiet = tiny::conv(g, x, 8, {.kernel = 3}, 12);
  ir::Node& maker = ir::node_at(g, tiny::value(g, quiet).producer);
  for (const size_t slot : {size_t{1}, size_t{2}}) {
    ir::Tensor& constant = *ir::value_at(g, maker.inputs[slot]).constant;
    std::vector<float> small(constant.as<float>().begin(), constant.as<float>().end());
    for (float& w : small) w /= 30;
    constant = ir::make_tensor(std::span<const float>(small), constant.dims);
  }
  const ir::ValueId sum = tiny::add(g, loud, tiny::relu(g, quiet));
  tiny::output(g, tiny::flatten(g, tiny::global_average_pool(g, tiny::conv(g, sum, 4, {}, 13))), "y");
  return onnx_io::write(g);
}

ConvertResult converted(const TemporaryFolder& folder, const std::string& budget, const std::string& amount) {
  write_file_atomically(folder.path() / "packed.json", kTarget);
  write_file_atomically(folder.path() / "model.onnx", two_branches());
  ConvertOptions options;
  options.model = folder.path() / "model.onnx";
  options.config = kSample / "config.json";
  options.output_folder = folder.path() / "out";
  options.overrides = {{"/representative_dataset/path", (kSample / "calib").string()},
                       {"/representative_dataset/max_images", "24"},
                       {"/placement", "full"},
                       {"/target_platform_capabilities", (folder.path() / "packed.json").string()}};
  if (!budget.empty()) options.overrides.push_back({"/target_resource_utilization/" + budget, amount});
  options.threads = 2;
  return convert(options);
}

// By op type of the maker, in the order of the graph.
std::vector<std::pair<std::string, int>> bits_of(const report::Report& report) {
  std::vector<std::pair<std::string, int>> bits;
  for (const auto& layer : report.nodes)
    if (layer.values) bits.emplace_back(layer.op_type, layer.values->bits);
  return bits;
}

constexpr int64_t kBranch = 8 * 32 * 32;  // bytes at 8 bits

}  // namespace

TEST_CASE("a budget for activations is met by narrowing what the outputs miss least", "[budget]") {
  const TemporaryFolder folder;
  for (const auto& [name, bits] : bits_of(converted(folder, "", "").report)) {
    CAPTURE(name);
    CHECK(bits == 8);
  }
  // Both branches and their sum are alive at once; one of the three has to have 4 bits.
  const report::Report one =
      converted(folder, "activation_memory", std::to_string(3 * kBranch - kBranch / 2)).report;
  std::map<int, int> count;
  std::vector<std::string> narrow;
  for (const auto& layer : one.nodes)
    if (layer.values) {
      ++count[layer.values->bits];
      if (layer.values->bits == 4) narrow.push_back(layer.node);
    }
  CHECK(count[4] == 1);
  REQUIRE(narrow.size() == 1);
  const auto quiet = std::find_if(one.nodes.begin(), one.nodes.end(),
                                  [&](const auto& layer) { return layer.node == narrow[0]; });
  CHECK(quiet->values->seen_max < 1);  // the quiet branch: the loud one and the sum reach far beyond
  const report::Report all = converted(folder, "activation_memory", std::to_string(3 * kBranch / 2)).report;
  CHECK(one.accuracy->worst_sqnr_db() > all.accuracy->worst_sqnr_db() + 6);
  CHECK(all.accuracy->worst_sqnr_db() > 5);
}

TEST_CASE("below what the narrowest widths take, a budget for activations is refused", "[budget]") {
  const TemporaryFolder folder;
  try {
    converted(folder, "activation_memory", std::to_string(3 * kBranch / 2 - 1));
    FAIL("it was met");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kBudget);
    CHECK_THAT(error.problems.at(0).cause,
               Catch::Contains(std::to_string(3 * kBranch / 2)) && Catch::Contains("as narrow as"));
  }
}

TEST_CASE("total memory and bit operations are shared between results and weights", "[budget]") {
  const TemporaryFolder folder;
  for (const char* budget : {"total_memory", "bops"}) {
    CAPTURE(budget);
    const report::Report report = converted(folder, budget, "\"60%\"").report;
    int narrow = 0;
    for (const auto& [name, bits] : bits_of(report)) narrow += bits < 8 ? 1 : 0;
    for (const auto& layer : report.nodes) narrow += layer.weight_bits > 0 && layer.weight_bits < 8 ? 1 : 0;
    CHECK(narrow > 0);
    CHECK(report.accuracy->worst_sqnr_db() > 10);
  }
}
