#include "config/effects.h"

#include <catch2/catch.hpp>

namespace qc::config {
namespace {

CoreConfig parsed(const std::string& text, Diagnostics& diagnostics) {
  return parse(text, {}, {}, diagnostics);
}

std::vector<std::string> idle_in(const std::string& text) {
  Diagnostics ignored;
  std::vector<std::string> pointers;
  for (const Idle& idle : keys_without_effect(parsed(text, ignored)))
    pointers.push_back(idle.pointer + (idle.by_name ? "!" : ""));
  return pointers;
}

using Pointers = std::vector<std::string>;

TEST_CASE("keys that change nothing are known by mode, form, formats and budget") {
  CHECK(idle_in("{}").empty());
  CHECK(idle_in(R"({"placement": "full", "quantization_config": {"z_threshold": 8}})").empty());
  CHECK(
      idle_in(R"({"mode": "weight_only", "placement": "full", "quantization_config": {"z_threshold": 8,
                    "weights_error_method": "KL", "gate_equalization": true, "norm_equalization": false}})") ==
      Pointers{"/placement", "/quantization_config/gate_equalization!", "/quantization_config/z_threshold"});
  CHECK(idle_in(R"({"mode": "dynamic", "placement": {"mode": "full", "rules": [
                    {"filter": {"name": "a"}, "placement": "integer"},
                    {"filter": {"name": "b"}, "placement": "float"}]}})") ==
        Pointers{"/placement/mode", "/placement/rules/0!", "/placement/rules/1"});
  CHECK(idle_in(R"({"mode": "float16", "gptq_config": {"method": "second_order", "images": 7},
                    "weight_only": {"bits": 4}, "float16": {"activations": true}})") ==
        Pointers{"/gptq_config/method!", "/gptq_config/images", "/weight_only/bits"});
  CHECK(
      idle_in(R"({"weight_only": {"bits": 4, "runtime": "packed"}, "output": {"tflite": {"io_type": "uint8"}},
                    "mixed_precision_config": {"refine_mp_solution": false}})") ==
      Pointers{"/weight_only/bits", "/weight_only/runtime", "/output/tflite/io_type",
               "/mixed_precision_config/refine_mp_solution"});
  CHECK(idle_in(R"({"target_resource_utilization": {"weights_memory": "70%"},
                    "mixed_precision_config": {"refine_mp_solution": false}})")
            .empty());
  CHECK(idle_in(R"({"output": {"formats": ["tflite"], "onnx": {"short_names": true},
                    "tflite": {"form": "dynamic_range"}}, "keep_float": {"first": true}})") ==
        Pointers{"/keep_float/first", "/output/onnx/short_names"});
}

TEST_CASE("a rule's mode counts as well") {
  CHECK(idle_in(R"({"weight_only": {"bits": 4},
                    "bit_width_config": [{"filter": {"name": "a"}, "mode": "weight_only"}]})")
            .empty());
  CHECK(idle_in(R"({"mode": "weight_only", "quantization_config": {"z_threshold": 8},
                    "bit_width_config": [{"filter": {"name": "a"}, "mode": "static"}]})")
            .empty());
}

TEST_CASE(
    "a share of wide results is for lists of widths, where activations are rounded and no budget bounds "
    "them") {
  const std::string share = R"({"mixed_precision_config": {"max_wide_share": 0.1})",
                    list =
                        R"(, "bit_width_config": [{"filter": {"name": "a"}, "activation_n_bits": [8, 16]}])";
  const Pointers without{"/mixed_precision_config/max_wide_share!"};
  CHECK(idle_in(share + list + "}").empty());
  CHECK(idle_in(share + "}") == without);
  CHECK(idle_in(share + list + R"(, "target_resource_utilization": {"weights_memory": "60%"}})").empty());
  CHECK(idle_in(share + list + R"(, "target_resource_utilization": {"bops": "60%"}})") == without);
  CHECK(idle_in(R"({"mode": "dynamic")" + list + "}") == Pointers{"/bit_width_config/0/activation_n_bits!"});
}

TEST_CASE("what is asked for by name and will not be done is a warning") {
  Diagnostics diagnostics;
  parsed(R"({"mode": "float16", "quantization_config": {"cross_layer_equalization": true,
             "z_threshold": 8}})",
         diagnostics);
  REQUIRE(diagnostics.warnings.size() == 1);
  CHECK(diagnostics.warnings[0].code == "no-effect");
  CHECK(diagnostics.warnings[0].place.find("/quantization_config/cross_layer_equalization") !=
        std::string::npos);
  CHECK(diagnostics.warnings[0].cause == "this has no effect: in mode float16 activations stay float");
}

TEST_CASE("equalization of weights alone wants images to measure it by") {
  Diagnostics without, with;
  parsed(R"({"mode": "weight_only", "quantization_config": {"cross_layer_equalization": true}})", without);
  parsed(R"({"mode": "weight_only", "quantization_config": {"cross_layer_equalization": true},
             "representative_dataset": {"path": "calib"}})",
         with);
  REQUIRE(without.warnings.size() == 1);
  CHECK(without.warnings[0].cause ==
        "this has no effect: no images are named to measure it by (/representative_dataset/path)");
  CHECK(with.warnings.empty());
}

}  // namespace
}  // namespace qc::config
