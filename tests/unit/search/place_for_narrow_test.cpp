// Where narrow weights run: as those of 8 bits do.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "search/place_for_narrow.h"
#include "support/tiny_models.h"

using namespace qc;

namespace {

const std::filesystem::path kSample = std::filesystem::path(QCONVERT_TESTS) / "data/sample";

// The middle convolution reads a sixteenth power: values so unlike that no grid of 8 bits suits them.
std::string with_powers() {
  ir::Graph g = tiny::graph();
  ir::ValueId x = tiny::relu(g, tiny::conv(g, tiny::input(g, "x", {1, 3, 32, 32}), 32, {}, 11));
  x = tiny::relu(g, tiny::conv(g, x, 32, {}, 12));
  for (int times = 0; times < 4; ++times) x = tiny::mul(g, x, x);
  x = tiny::relu(g, tiny::conv(g, x, 32, {}, 13));
  for (int times = 0; times < 4; ++times) x = tiny::node(g, "Sqrt", {x}, {}, g.values[x].dims);
  x = tiny::relu(g, tiny::conv(g, x, 32, {}, 14));
  tiny::output(g, x, "y");
  for (ir::Node& node : g.nodes) node.name = "a_name_longer_than_those_of_constants_" + node.name;
  return onnx_io::write(g);
}

report::Report converted(const TemporaryFolder& folder, const std::vector<config::Override>& more) {
  write_file_atomically(folder.path() / "model.onnx", with_powers());
  ConvertOptions options;
  options.model = folder.path() / "model.onnx";
  options.config = kSample / "config.json";
  options.output_folder = folder.path() / "out";
  options.overrides = {{"/representative_dataset/path", (kSample / "calib").string()},
                       {"/representative_dataset/max_images", "32"}};
  options.overrides.insert(options.overrides.end(), more.begin(), more.end());
  options.threads = 2;
  return convert(options).report;
}

// Of the convolutions, in the order of the graph.
std::vector<std::string> places_of(const report::Report& report) {
  std::vector<std::string> places;
  for (const report::NodeRow& row : report.nodes)
    if (row.op_type == "Conv") places.push_back(row.compute);
  return places;
}

}  // namespace

TEST_CASE("narrow weights run where those of 8 bits do", "[search]") {
  const TemporaryFolder folder;
  const config::Override four{"/bit_width_config", R"([{"filter": {"name": "*"}, "weights_n_bits": 4}])"};
  const std::vector<std::string> wide = places_of(converted(folder, {}));
  REQUIRE(std::ranges::count(wide, "float, integer weights") > 0);
  REQUIRE(std::ranges::count(wide, "integer") > 0);
  const report::Report narrow = converted(folder, {four});
  CHECK(places_of(narrow) == wide);
  CHECK(std::ranges::count(narrow.corrections, kPlacedForNarrow, &report::Correction::name) == 1);
  // All that integers pay for, as it was before anybody looked.
  const report::Report fast = converted(
      folder,
      {four, {"/placement", R"({"rules": [{"filter": {"op_type": "Conv"}, "placement": "integer"}]})"}});
  CHECK(narrow.accuracy->worst_sqnr_db() > fast.accuracy->worst_sqnr_db() + 3);
}

TEST_CASE("a budget is spent where weights of 8 bits run, and what fits when counted fits when written",
          "[search]") {
  const TemporaryFolder folder;
  const std::vector<std::string> wide = places_of(converted(folder, {}));
  const auto within = [&](const std::string& bytes) {
    return converted(folder, {{"/target_resource_utilization/weights_memory", bytes}});
  };
  const report::Report half = within("50%");
  CHECK(places_of(half) == wide);
  REQUIRE(!half.frontier.empty());
  // A byte less than the best choice took as written: that choice must not seem to fit. Corrected biases of
  // float layers have other names than those of the model.
  const int64_t less = half.frontier.front().bytes - 1;
  for (const report::FrontierPoint& point : within(std::to_string(less)).frontier) CHECK(point.bytes <= less);
}
