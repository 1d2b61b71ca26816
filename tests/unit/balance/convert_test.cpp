// The whole way: a model whose channels were rescaled, which per-tensor weights cannot take, is as good as
// the one it was made from.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "balance/chains.h"
#include "base/files.h"
#include "normalize/normalize.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "prepare.h"
#include "run/ort_runner.h"

using namespace qc;

namespace {

const std::filesystem::path kSample = std::filesystem::path(QCONVERT_TESTS) / "data/sample";

using Overrides = std::vector<config::Override>;

report::Report converted(const TemporaryFolder& folder, const std::filesystem::path& model,
                         const std::string& equalize, const Overrides& more) {
  ConvertOptions options;
  options.model = model;
  options.config = kSample / "config.json";
  options.output_folder = folder.path() / "out";
  options.overrides = {{"/representative_dataset/path", (kSample / "calib").string()},
                       {"/representative_dataset/max_images", "24"},
                       {"/quantization_config/cross_layer_equalization", equalize}};
  options.overrides.insert(options.overrides.end(), more.begin(), more.end());
  options.threads = 2;
  return convert(options).report;
}

// The sample with channels that were multiplied by powers of two, and divided again in the next layer.
std::filesystem::path rescaled_sample(const TemporaryFolder& folder) {
  Diagnostics diagnostics;
  ir::Graph graph = onnx_io::read(kSample / "model.onnx", diagnostics);
  run::OrtRunnerFactory runners(onnx_codec());
  normalize::normalize(graph, runners, normalize_options({}, onnx_codec()), diagnostics);
  unsigned state = 3;
  int64_t scaled = 0;
  for (balance::Chain& chain : balance::chains(graph)) {
    if (chain.clip != ir::kNone) balance::split_clip(graph, chain);
    ir::Channels scale;
    for (int64_t c = 0; c < chain.before.out_channels; ++c) {
      state = state * 1664525u + 1013904223u;
      scale.push_back(std::exp2(static_cast<double>(state >> 29) - 4));
    }
    REQUIRE(balance::scale_channels(graph, chain, scale));
    ++scaled;
  }
  REQUIRE(scaled > 2);
  std::filesystem::path rescaled = folder.path() / "rescaled.onnx";
  write_file_atomically(rescaled, onnx_io::write(graph));
  return rescaled;
}

}  // namespace

TEST_CASE("balance: rescaled channels cost nothing after equalization", "[balance]") {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "tensor.json",
                        R"({"name": "tensor", "based_on": "int8", "weights": {"per_channel": false}})");
  const std::filesystem::path rescaled = rescaled_sample(folder);
  const Overrides tensor_scales{{"/placement", "full"},
                                {"/target_platform_capabilities", (folder.path() / "tensor.json").string()}};
  const report::Report plain = converted(folder, kSample / "model.onnx", "false", tensor_scales),
                       off = converted(folder, rescaled, "false", tensor_scales),
                       on = converted(folder, rescaled, "null", tensor_scales);
  const double db = on.accuracy->worst_sqnr_db();
  CHECK(db > off.accuracy->worst_sqnr_db() + 6);
  CHECK(db > plain.accuracy->worst_sqnr_db() - 1);
  bool kept = false;
  for (const report::Correction& correction : on.corrections) {
    if (correction.layers.empty()) continue;
    CAPTURE(correction.name);
    kept = kept || correction.kept;
    const bool needs_floats = correction.name.find("bounds by channel") != std::string::npos;
    const double worth = needs_floats ? 3 : 0.1;
    CHECK(correction.kept == (correction.after_db > correction.before_db + worth));
  }
  CHECK(kept);
  for (const report::Correction& correction : off.corrections)
    CHECK_THAT(correction.name, !Catch::Contains("bounds") && !Catch::Contains("equalization of"));
}

TEST_CASE("balance: rescaled channels cost little within a budget of weights too", "[balance]") {
  const TemporaryFolder folder;
  const std::filesystem::path rescaled = rescaled_sample(folder);
  const Overrides budget{{"/placement", "full"}, {"/target_resource_utilization/weights_memory", "\"60%\""}};
  const report::Report plain = converted(folder, kSample / "model.onnx", "false", budget),
                       off = converted(folder, rescaled, "false", budget),
                       on = converted(folder, rescaled, "null", budget);
  CHECK(on.accuracy->worst_sqnr_db() > off.accuracy->worst_sqnr_db() + 4);
  CHECK(on.accuracy->worst_sqnr_db() > plain.accuracy->worst_sqnr_db() - 2);
}

TEST_CASE("balance: rescaled channels cost little where activations stay float", "[balance]") {
  const TemporaryFolder folder;
  const std::filesystem::path rescaled = rescaled_sample(folder);
  for (const Overrides& floats :
       {Overrides{{"/mode", "weight_only"}}, Overrides{{"/mode", "weight_only"}, {"/weight_only/bits", "4"}},
        Overrides{{"/placement/rules", R"([{"filter": {"name": "*"}, "placement": "float"}])"}}}) {
    const report::Report plain = converted(folder, kSample / "model.onnx", "false", floats),
                         off = converted(folder, rescaled, "false", floats),
                         on = converted(folder, rescaled, "null", floats);
    const double db = on.accuracy->worst_sqnr_db();
    CAPTURE(plain.accuracy->worst_sqnr_db(), off.accuracy->worst_sqnr_db());
    CHECK(db > off.accuracy->worst_sqnr_db() + 6);
    CHECK(db > plain.accuracy->worst_sqnr_db() - 4);
    CHECK(converted(folder, rescaled, "true", floats).accuracy->worst_sqnr_db() >= db);
  }
}
