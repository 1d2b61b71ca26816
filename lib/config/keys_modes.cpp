// Keys that say in which mode a model is made and how the ONNX file spells it. See keys.h.
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "config/keys.h"
#include "config/values.h"

namespace qc::config {
namespace {

// A choice of an enum that `reach` finds in the config.
template <class Reach>
Key choice(const char* pointer, const std::vector<Choice>& choices, Reach reach, const char* meaning) {
  using Enum = std::remove_reference_t<decltype(reach(std::declval<CoreConfig&>()))>;
  const auto set = [=](CoreConfig& config, const Json& value) {
    for (const Choice& one : choices)
      if (value == one.name) reach(config) = static_cast<Enum>(one.value);
  };
  const auto get = [=](const CoreConfig& config) {
    CoreConfig copy = config;
    for (const Choice& one : choices)
      if (static_cast<int>(reach(copy)) == one.value) return Json(one.name);
    return Json();
  };
  Key key = row(pointer, Kind::kChoice, 0, 0, {set, get}, meaning);
  key.choices = choices;
  return key;
}

Key flag(const char* pointer, bool& (*reach)(CoreConfig&), const char* meaning) {
  return row(pointer, Kind::kBool, 0, 1,
             {[=](CoreConfig& config, const Json& value) { reach(config) = value.get<bool>(); },
              [=](const CoreConfig& config) {
                CoreConfig copy = config;
                return Json(reach(copy));
              }},
             meaning);
}

void add_weight_only_keys(std::vector<Key>& t) {
  Key bits = row("/weight_only/bits", Kind::kInteger, 2, 8,
                 {[](CoreConfig& config, const Json& value) {
                    config.weight_only.bits.reset();
                    if (value.is_number())
                      config.weight_only.bits = static_cast<int64_t>(value.get<double>());
                  },
                  [](const CoreConfig& config) {
                    return config.weight_only.bits ? Json(*config.weight_only.bits) : Json();
                  }},
                 "Bits of a weight; null: 8, or 4 where there are blocks.");
  bits.nullable = true;
  t.push_back(std::move(bits));
  t.push_back(row(
      "/weight_only/block_size", Kind::kInteger, 0, 256,
      {[](CoreConfig& config, const Json& value) {
         config.weight_only.block_size = static_cast<int64_t>(value.get<double>());
       },
       [](const CoreConfig& config) { return Json(config.weight_only.block_size); }},
      "A scale for so many weights along the sum: 16, 32, 64, 128 or 256; 0: one for each output "
      "channel. Layers that sum no more than that have one for each channel, and 8 bits. Blocks do without "
      "codebooks, which at 2 and 3 bits are smaller and closer to float on most networks."));
  t.push_back(flag(
      "/weight_only/symmetric", [](CoreConfig& c) -> bool& { return c.weight_only.symmetric; },
      "false gives every scale a zero point: finer where a channel or block leans to one side. Weights with "
      "zero points do without codebooks, which at 2 to 4 bits are mostly smaller and closer to float."));
  t.push_back(choice(
      "/weight_only/runtime",
      {{"folded", static_cast<int>(WeightRuntime::kFolded), false, ""},
       {"packed", static_cast<int>(WeightRuntime::kPacked), false, ""}},
      [](CoreConfig& c) -> WeightRuntime& { return c.weight_only.runtime; },
      "folded: weights are unfolded once, at load, and take float's time and float's memory. packed: MatMul "
      "and Gemm with blocks of 4 or 8 bits keep them as they are and multiply by them (MatMulNBits; with "
      "/output/onnx/standard_ops_only DequantizeLinear with block_size, opset 21)."));
}

void add_float16_keys(std::vector<Key>& t) {
  t.push_back(flag(
      "/float16/activations", [](CoreConfig& c) -> bool& { return c.float16.activations; },
      "true: activations of nodes in the modes float16 and bfloat16 have 16 bits as well, for processors "
      "that compute on them; on others the file may take longer than float. Nodes stay float32 where "
      "values, by calibration images or without them by runs on noise with a wide margin, may leave "
      "float16's range, and where sums or small numbers inside would. A .tflite keeps float32 between its "
      "ops: its delegates choose."));
  t.push_back(flag(
      "/float16/keep_io_types", [](CoreConfig& c) -> bool& { return c.float16.keep_io_types; },
      "With /float16/activations: true keeps the model's inputs and outputs float32, false makes them 16 "
      "bits as well."));
}

void add_onnx_keys(std::vector<Key>& t) {
  t.push_back(flag(
      "/output/onnx/standard_ops_only", [](CoreConfig& c) -> bool& { return c.output.standard_ops_only; },
      "true adds no op of the domain com.microsoft: what would need one is spelled by standard ops, or left "
      "in float."));
  Key names =
      row("/output/onnx/short_names", Kind::kBool, 0, 1,
          {[](CoreConfig& config, const Json& value) {
             config.output.short_names.reset();
             if (value.is_boolean()) config.output.short_names = value.get<bool>();
           },
           [](const CoreConfig& config) {
             return config.output.short_names ? Json(*config.output.short_names) : Json();
           }},
          "true: values inside the model, weights among them, get short names in the file; false: they "
          "keep their own; null: short where their own take 8 kB and 5 % of the file. Inputs, outputs "
          "and nodes keep theirs in any case; `value_names` in the report has what is what.");
  names.nullable = true;
  t.push_back(std::move(names));
}

}  // namespace

const std::vector<Choice>& modes() {
  static const std::vector<Choice> table{{"static", static_cast<int>(Mode::kStatic), false, ""},
                                         {"weight_only", static_cast<int>(Mode::kWeightOnly), false, ""},
                                         {"float16", static_cast<int>(Mode::kFloat16), false, ""},
                                         {"bfloat16", static_cast<int>(Mode::kBfloat16), false, ""},
                                         {"dynamic", static_cast<int>(Mode::kDynamic), false, ""},
                                         {"strip", static_cast<int>(Mode::kStrip), false, ""}};
  return table;
}

void add_mode_keys(std::vector<Key>& t) {
  t.push_back(choice(
      "/mode", modes(), [](CoreConfig& c) -> Mode& { return c.mode; },
      "static: activations and weights become integers, by a plan made from images. dynamic: int8 weights; "
      "activations are rounded at every run, to the range they have then, where that takes less time than "
      "float. weight_only: integer weights alone, 8 bits or what /weight_only and bit_width_config say. "
      "float16, bfloat16: weights in a float type of 16 bits. The last three unfold the weights once, at "
      "load, so the model runs as fast as in float. strip: the float model behind one that carries "
      "quantization. All but static need no images; where a folder is named, the result is measured on it. "
      "Rules of bit_width_config may set another mode for chosen nodes."));
  add_weight_only_keys(t);
  add_float16_keys(t);
  add_onnx_keys(t);
}

}  // namespace qc::config
