// The key table as JSON, as a schema and as the reference page.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/keys.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

Json tree_of(const CoreConfig& config) {
  Json tree = Json::object();
  for (const Key& key : keys())
    if (key.kind != Kind::kIgnored)
      tree[Json::json_pointer(key.pointer)] = key.field.get ? key.field.get(config) : default_value(key);
  for (const Group& group : groups())
    if (group.null_by_default) tree[Json::json_pointer(group.pointer)] = nullptr;
  return tree;
}

std::string described(const std::string& meaning, const std::string& mct) {
  return mct.empty() ? meaning : format("{} (MCT: {})", meaning, mct);
}

// Where the schema of a member stands: /a/b -> /properties/a/properties/b.
Json::json_pointer schema_place(const std::string& pointer) {
  std::string place;
  for (const char c : pointer) place += c == '/' ? std::string("/properties/") : std::string(1, c);
  return Json::json_pointer(place);
}

// A cell of a table: no line breaks, and no bars that would end it.
std::string cell(const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '|' ? std::string("\\|") : std::string(1, c);
  return safe;
}

std::string section(const Group& group) {
  const std::string name = group.pointer.empty() ? "Top level" : format("`{}`", group.pointer.substr(1));
  std::string text = format("\n## {}\n\n{}{}.\n\n", name, group.meaning,
                            group.mct.empty() ? std::string() : format(" (MCT: `{}`)", group.mct));
  text += "| key | takes | default | meaning | MCT |\n|---|---|---|---|---|\n";
  for (const std::string& member : member_names(group.pointer)) {
    const Key* key = find_key(json::child(group.pointer, member));
    if (!key) continue;  // a group: its own section follows
    std::string meaning = key->meaning;
    if (key->kind == Kind::kFixed) meaning += " Nothing else: " + key->refusal + ".";
    if (key->unless)
      meaning += format(" Nothing but the default unless `{}` is \"{}\".",
                        key->unless->pointer.substr(key->unless->pointer.rfind('/') + 1), key->unless->value);
    for (const Choice& choice : key->choices)
      if (!choice.refusal.empty()) meaning += format(" `{}` is refused: {}.", choice.name, choice.refusal);
    const std::string fallback =
        key->kind == Kind::kIgnored ? std::string() : format("`{}`", default_value(*key).dump());
    text += format("| `{}` | {} | {} | {} | {} |\n", member, cell(allowed(*key)), cell(fallback),
                   cell(meaning), key->mct.empty() ? std::string() : format("`{}`", key->mct));
  }
  return text;
}

struct Preset {
  const char *file, *what;
};
constexpr Preset kPresets[] = {
    {"minimal.json", "a folder of images and nothing else: every default"},
    {"int8.json",
     "ImageNet classifier from torchvision or timm: short side 256, crop 224, ImageNet mean and std"},
    {"int8_onnxruntime.json", "the same for ONNX Runtime alone"},
    {"int8_tensorrt.json", "the same for TensorRT: no zero points, float biases"},
    {"int8_openvino.json", "the same for OpenVINO"},
    {"int8_qnn.json", "the same for Qualcomm's QNN: no node in float"},
    {"int8_qnnpack.json", "the same as MCT's target qnnpack has it: one scale for the weights of a layer"},
    {"int8_litert.json", "the same as a .tflite for LiteRT"},
    {"int8_tflite.json", "the same as a .tflite as MCT's target tflite has it"},
    {"int8_tflm.json", "the same as a .tflite for TensorFlow Lite Micro"},
    {"int8_ethos-u.json", "the same as a .tflite for Arm's Ethos-U"},
    {"int8_edgetpu.json", "the same as a .tflite for the Edge TPU"},
    {"imx500.json",
     "the same for Sony's IMX500: ranges that are powers of two, weights that make up for them"},
    {"w4a8.json", "the same with 4-bit weights; first, last and depthwise layers keep 8 bits"},
    {"mixed_50.json", "the same with a width for every layer that is searched for: half of the 8-bit size"},
    {"detector.json", "detector fed as YOLOX is: BGR, letterbox, values from 0 to 255"},
    {"segmentation.json", "segmentation with channels last (NHWC), stretched to a fixed size"},
    {"text_lines.json", "text line recogniser: fixed height, filled on the right"},
    {"own_size.json", "fully convolutional model that takes every image at its own size"}};

constexpr const char* kIntroduction =
    R"(<!-- Written by lib/config/print.cpp from the key table; a test compares. QC_UPDATE_GOLDEN=1 rewrites it. -->
# The core-config

A JSON file; `//` and `/* */` comments are allowed. Every key is optional. A key that is not listed here is an
error, and so is a value that cannot be honoured: nothing is ignored in silence. Paths are relative to the file.

- `qconvert config` prints a full default config, `qconvert schema` the JSON schema (`core-config.schema.json`
  here; name it in `"$schema"` and an editor completes and checks while you type).
- `--set /json/pointer=value` overrides one key from the command line and makes missing objects on its way. The
  value is JSON or a bare word: `--set /quantization_config/z_threshold=8 --set /output/onnx_name=small.onnx`.
- Names, values and defaults of `quantization_config`, `mixed_precision_config`, `target_resource_utilization`,
  `bit_width_config`, `debug_config` and `gptq_config` are those of Sony's Model Compression Toolkit (MCT). What
  this version does not do takes MCT's inactive value only; anything else is refused with the reason given below.

`qconvert config --for MODEL.onnx` writes a first config for a model. [TROUBLESHOOTING.md](TROUBLESHOOTING.md) goes by
symptom; [examples](examples) has a Makefile, a CMake project, a CI step and a GitHub workflow.

Ready configs in this folder; `targets/` holds what `--target` knows (`qconvert targets NAME` explains one):

)";

}  // namespace

std::string to_json(const CoreConfig& config) {
  return json::pretty(tree_of(config));
}

std::string hash(const CoreConfig& config) {
  CoreConfig bare = config;
  for (std::filesystem::path* path :
       {&bare.representative_dataset.path, &bare.representative_dataset.other_inputs, &bare.gates.labels})
    *path = path->filename();
  bare.target = std::filesystem::path(config.target).filename().string();
  return content_hash(to_json(bare));
}

std::string default_json() {
  return to_json(CoreConfig());
}

std::string schema_json() {
  Json root;
  for (const Group& group : groups()) {
    Json object{{"type", {"object", "null"}},
                {"description", described(group.meaning, group.mct)},
                {"additionalProperties", false}};
    if (group.pointer.empty()) {
      object["type"] = "object";
      object["$schema"] = "https://json-schema.org/draft/2020-12/schema";
      object["title"] = "qconvert core-config";
      root = std::move(object);
    } else {
      root[schema_place(group.pointer)] = std::move(object);
    }
  }
  root["$defs"]["filter"] = schema_filter();
  for (const Key& key : keys()) {
    Json member = schema(key);
    member["description"] = described(key.meaning, key.mct);
    if (key.kind != Kind::kIgnored) member["default"] = default_value(key);
    root[schema_place(key.pointer)] = std::move(member);
  }
  return json::pretty(root);
}

std::string reference_markdown() {
  std::string text = kIntroduction;
  text += "| file | for |\n|---|---|\n";
  for (const Preset& preset : kPresets) text += format("| [{0}]({0}) | {1} |\n", preset.file, preset.what);
  for (const Group& group : groups()) text += section(group);
  return text;
}

}  // namespace qc::config
