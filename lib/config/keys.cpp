// See keys.h. Names, defaults and meanings of MCT's options are those of its quantization_config.py,
// mixed_precision_quantization_config.py, resource_utilization.py and debug_config.py (defaults stand in
// core_config.h; those of options that this version does not honour stand here, as the first accepted value).
#include "config/keys.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "config/values.h"

namespace qc::config {

Key row(const char* pointer, Kind kind, double low, double high, Binding field, const char* meaning,
        const char* mct) {
  Key key;
  key.pointer = pointer;
  key.kind = kind;
  key.low = low;
  key.high = high;
  key.field = std::move(field);
  key.meaning = meaning;
  key.mct = mct;
  return key;
}

namespace {

// --- between JSON and the fields' types
void read(const Json& v, bool& field) {
  field = v.get<bool>();
}
void read(const Json& v, std::optional<bool>& field) {
  field = v.is_null() ? std::nullopt : std::optional(v.get<bool>());
}
void read(const Json& v, int64_t& field) {
  field = static_cast<int64_t>(v.get<double>());
}
void read(const Json& v, double& field) {
  field = v.is_number() ? v.get<double>() : HUGE_VAL;
}  // null, "inf"
void read(const Json& v, std::string& field) {
  field = v.is_null() ? std::string() : v.get<std::string>();
}
void read(const Json& v, std::filesystem::path& field) {
  field = v.is_null() ? std::string() : v.get<std::string>();
}
void read(const Json& v, std::vector<std::string>& field) {
  field = v.get<std::vector<std::string>>();
}
void read(const Json& v, std::vector<float>& field) {
  field = v.is_array() ? v.get<std::vector<float>>() : std::vector<float>{v.get<float>()};
}
void read(const Json& v, std::optional<double>& field) {
  field.reset();
  if (v.is_number()) field = v.get<double>();
}
void read(const Json& v, std::optional<int64_t>& field) {  // sizes
  field.reset();
  if (v.is_string()) field = parse_size(v.get<std::string>());
  if (v.is_number()) field = static_cast<int64_t>(v.get<double>());
}
void read(const Json& v, std::optional<std::array<int64_t, 2>>& field) {
  field.reset();
  if (v.is_array())
    field = {static_cast<int64_t>(v[0].get<double>()), static_cast<int64_t>(v[1].get<double>())};
}
void read(const Json& v, std::map<std::string, std::vector<int64_t>>& field) {
  field.clear();
  for (const auto& [name, dims] : v.items())
    for (const Json& dim : dims) field[name].push_back(static_cast<int64_t>(dim.get<double>()));
}

Json write(double field) {
  return std::isinf(field) ? Json() : Json(field);
}
Json write(const std::string& field) {
  return field.empty() ? Json() : Json(field);
}
Json write(const std::filesystem::path& field) {
  return write(field.string());
}
Json write(const std::vector<float>& field) {
  Json list = Json::array();
  for (const float number : field) list.push_back(short_decimal(number));
  return field.size() == 1 ? list[0] : list;
}
template <class T>
Json write(const std::optional<T>& field) {
  return field ? Json(*field) : Json();
}
template <class T>
Json write(const T& field) {
  return Json(field);
}

template <class Reference>
Binding bind(Reference reference) {
  return {[reference](CoreConfig& config, const Json& value) { read(value, reference(config)); },
          [reference](const CoreConfig& config) { return write(reference(config)); }};
}

template <class Reference>
Binding bind_choice(const std::vector<Choice>& choices, Reference reference) {
  return {[=](CoreConfig& config, const Json& value) {
            auto& field = reference(config);
            using Field = std::remove_reference_t<decltype(field)>;
            if (value.is_null()) field = Field{};  // the enum's "unset"
            for (const Choice& choice : choices)
              if (value == choice.name || (choice.by_number && value == choice.value))
                field = static_cast<Field>(choice.value);
          },
          [=](const CoreConfig& config) {
            for (const Choice& choice : choices)
              if (static_cast<int>(reference(config)) == choice.value) return Json(choice.name);
            return Json();  // a layout that nobody has set
          }};
}

#define FIELD(path)           \
  [](auto& config) -> auto& { \
    return config.path;       \
  }

// --- rows
constexpr const char* kOwn = "";
constexpr double kMaxBytes = 1e15;

Key nullable(Key key) {
  key.nullable = true;
  return key;
}

template <class Reference>
Key boolean(const char* pointer, Reference field, const char* meaning, const char* mct) {
  return row(pointer, Kind::kBool, 0, 1, bind(field), meaning, mct);
}

template <class Reference>
Key choice(const char* pointer, Reference field, const std::vector<Choice>& choices, const char* meaning,
           const char* mct) {
  Key key = row(pointer, Kind::kChoice, 0, 0, bind_choice(choices, field), meaning, mct);
  key.choices = choices;
  return key;
}

Key fixed(const char* pointer, const char* accepted, const char* refusal, const char* meaning,
          const char* mct) {
  Key key = row(pointer, Kind::kFixed, 0, 0, {}, meaning, mct);
  key.accepted = accepted;
  key.refusal = refusal;
  return key;
}

const std::vector<Choice> kColors{{"RGB", static_cast<int>(images::Color::kRgb), false, ""},
                                  {"BGR", static_cast<int>(images::Color::kBgr), false, ""},
                                  {"GRAY", static_cast<int>(images::Color::kGray), false, ""},
                                  {"RGBA", static_cast<int>(images::Color::kRgba), false, ""},
                                  {"BGRA", static_cast<int>(images::Color::kBgra), false, ""}};
const std::vector<Choice> kInterpolations{
    {"bilinear", static_cast<int>(images::Interpolation::kBilinear), false, ""},
    {"bicubic", static_cast<int>(images::Interpolation::kBicubic), false, ""},
    {"nearest", static_cast<int>(images::Interpolation::kNearest), false, ""}};
const std::vector<Choice> kLayouts{{"NCHW", static_cast<int>(images::Layout::kNchw), false, ""},
                                   {"NHWC", static_cast<int>(images::Layout::kNhwc), false, ""}};

void add_dataset(std::vector<Key>& t) {
  const char* kData = "representative_data_gen";
  t.push_back(nullable(
      row("/representative_dataset/path", Kind::kPath, 0, 0, bind(FIELD(representative_dataset.path)),
          "Folder of calibration pictures (or .npy, .npz, .pb tensors), relative to this file; its "
          "subfolders are not searched; --images wins over it.",
          kData)));
  t.push_back(row("/representative_dataset/max_images", Kind::kInteger, 1, 1e7,
                  bind(FIELD(representative_dataset.max_images)),
                  "Use at most this many files, the first ones in sorted order.", kData));
  t.push_back(row(
      "/representative_dataset/batch_size", Kind::kInteger, 1, 1024,
      bind(FIELD(representative_dataset.batch_size)),
      "Images a run, where the model's batch dimension is free; the statistics do not depend on it.", kData));
  t.push_back(choice(
      "/representative_dataset/on_bad_image", FIELD(representative_dataset.skip_bad_images),
      {{"error", 0, false, ""}, {"skip", 1, false, ""}},
      "What an unreadable image does: stop (all of them are listed), or be left out with a warning.", kOwn));
  t.push_back(nullable(row("/representative_dataset/input", Kind::kText, 0, 0,
                           bind(FIELD(representative_dataset.input)),
                           "Name of the model's input that takes the image; null: it is found.", kOwn)));
  t.push_back(
      nullable(row("/representative_dataset/other_inputs", Kind::kPath, 0, 0,
                   bind(FIELD(representative_dataset.other_inputs)),
                   "An .npz with an array for every input that the picture does not feed, keyed by its "
                   "name, the same for every picture; relative to this file.",
                   kOwn)));
}

void add_preprocess(std::vector<Key>& t) {
  const auto at = FIELD(representative_dataset.preprocess);
  t.push_back(choice(
      "/representative_dataset/preprocess/color", FIELD(representative_dataset.preprocess.color), kColors,
      "Channel order fed to the model; GRAY as Pillow's L, alpha of an opaque image is 255.", kOwn));
  Key resize = nullable(
      row("/representative_dataset/preprocess/resize", Kind::kResize, 0, 0, {},
          "How a picture is brought to size; null: stretched to the model's size, with a warning. "
          "short_side rounds the long side, and a centre crop begins at the whole pixel before the "
          "middle; torchvision cuts the side off and rounds the beginning, up to a pixel elsewhere. A "
          "letterbox keeps the aspect ratio on a canvas of colour pad; fixed_height is for lines of "
          "text, filled on the right with zeros.",
          kOwn));
  resize.field = {[at](CoreConfig& config, const Json& value) { set_resize(value, at(config)); },
                  [at](const CoreConfig& config) { return get_resize(at(config)); }};
  t.push_back(std::move(resize));
  t.push_back(row("/representative_dataset/preprocess/multiple_of", Kind::kInteger, 1, 1024,
                  bind(FIELD(representative_dataset.preprocess.multiple_of)),
                  "With resize \"none\": crop bottom and right to multiples of this.", kOwn));
  t.push_back(choice("/representative_dataset/preprocess/interpolation",
                     FIELD(representative_dataset.preprocess.interpolation), kInterpolations,
                     "Resampling filter.", kOwn));
  t.push_back(boolean("/representative_dataset/preprocess/antialias",
                      FIELD(representative_dataset.preprocess.antialias),
                      "true resizes as Pillow and torchvision do, false as OpenCV does.", kOwn));
  t.push_back(
      nullable(row("/representative_dataset/preprocess/center_crop", Kind::kPair, 1, double{images::kMaxSide},
                   bind(FIELD(representative_dataset.preprocess.center_crop)),
                   "Height and width cut out of the middle after resizing.", kOwn)));
  t.push_back(
      row("/representative_dataset/preprocess/mean", Kind::kNumbers, -1e6, 1e6,
          bind(FIELD(representative_dataset.preprocess.mean)),
          "x = (pixel - mean) / std with pixels from 0 to 255; one number, or one a channel in the model's "
          "channel order.",
          kOwn));
  t.push_back(row("/representative_dataset/preprocess/std", Kind::kNumbers, 1e-6, 1e6,
                  bind(FIELD(representative_dataset.preprocess.std)),
                  "See mean; for pixels from 0 to 1 write 255.", kOwn));
  t.push_back(nullable(choice("/representative_dataset/preprocess/layout",
                              FIELD(representative_dataset.preprocess.layout), kLayouts,
                              "Order of the input's dimensions; null: found from the model.", kOwn)));
}

void add_quantization(std::vector<Key>& t) {
  t.push_back(choice("/quantization_config/activation_error_method",
                     FIELD(quantization.activation_error_method), error_methods(),
                     "What the search for activation ranges makes small.",
                     "QuantizationConfig.activation_error_method"));
  t.push_back(choice("/quantization_config/weights_error_method", FIELD(quantization.weights_error_method),
                     error_methods(), "What the search for weight ranges makes small.",
                     "QuantizationConfig.weights_error_method"));
  t.push_back(
      boolean("/quantization_config/weights_bias_correction", FIELD(quantization.weights_bias_correction),
              "Correct biases by the mean shift that quantized weights cause; kept only where it helps.",
              "QuantizationConfig.weights_bias_correction"));
  t.push_back(
      choice("/quantization_config/weights_bias_correction_inputs",
             FIELD(quantization.bias_correction_by_float_means),
             {{"quantized", 0, false, ""}, {"float", 1, false, ""}},
             "What the mean shift is taken of. quantized: layer by layer, of what the layers in front, "
             "rounded and corrected, hand on. float: of each channel's mean in the float model, as MCT "
             "does, which knows nothing of rounded activations.",
             kOwn));
  t.push_back(
      nullable(row("/quantization_config/z_threshold", Kind::kNumber, 1e-3, HUGE_VAL,
                   bind(FIELD(quantization.z_threshold)),
                   "Leave out activations further than this many standard deviations from the mean; null or "
                   "\"inf\": none.",
                   "QuantizationConfig.z_threshold")));
  t.push_back(row("/quantization_config/min_threshold", Kind::kNumber, 1e-30, 1e6,
                  bind(FIELD(quantization.min_threshold)), "No range is made smaller than this.",
                  "QuantizationConfig.min_threshold"));
  t.push_back(row("/quantization_config/l_p_value", Kind::kInteger, 1, 16,
                  bind(FIELD(quantization.l_p_value)), "The power p of the method LP.",
                  "QuantizationConfig.l_p_value"));
}

void add_quantization_refused(std::vector<Key>& t) {
  t.push_back(fixed(
      "/quantization_config/custom_tpc_opset_to_layer", "[null]",
      "it maps Python layers to operator sets; rules for an ONNX op belong into a target file, under ops",
      "Operator sets of framework layers.", "QuantizationConfig.custom_tpc_opset_to_layer"));
}

void add_rules(std::vector<Key>& t) {
  t.push_back(fixed("/debug_config/analyze_similarity", "[false]",
                    "there is no TensorBoard here; the report has the error of every layer",
                    "Plots of the similarity with the float model.", "DebugConfig.analyze_similarity"));
  t.push_back(fixed("/debug_config/simulate_scheduler", "[false]",
                    "there is no scheduler to simulate for this target", "Compute schedule in the metadata.",
                    "DebugConfig.simulate_scheduler"));
  t.push_back(fixed(
      "/debug_config/bypass", "[false]",
      "a model left as it is needs no conversion; a network_editor rule for all names with "
      "enable_weights_quantization and enable_activation_quantization false leaves every layer in float",
      "Give the float model back untouched.", "DebugConfig.bypass"));
}

void add_keep_float(std::vector<Key>& t) {
  t.push_back(
      row("/keep_float/names", Kind::kTexts, 0, 0, bind(FIELD(keep_float.names)),
          "Layers left in float, by name (* and ? match); weights take 8 bits, or what bit_width_config, "
          "weight_only or a budget gives them.",
          "network_editor"));
  t.push_back(row("/keep_float/op_types", Kind::kTexts, 0, 0, bind(FIELD(keep_float.op_types)),
                  "Op types left in float (\"Add\").", "network_editor"));
  t.push_back(boolean("/keep_float/first", FIELD(keep_float.first),
                      "Leave the first layer with weights in float.", kOwn));
  t.push_back(boolean("/keep_float/last", FIELD(keep_float.last),
                      "Leave the last layer with weights in float.", kOwn));
}

void add_own(std::vector<Key>& t) {
  add_keep_float(t);
  t.push_back(nullable(boolean(
      "/saturation_guard", FIELD(saturation_guard),
      "x86 without VNNI adds pairs of products in 16 bits, which can overflow. true: bound weights so "
      "that no input makes them (up to one bit lost); null: so that those of calibration and a "
      "quarter more do not, but for channels that would lose two bits by it; none where a layer rounds at "
      "run time, nor where kernels add in 32 bits: a .tflite alone, accelerators (targets with "
      "\"pairs_in_16_bits\": false), the processor \"x86_vnni\" of /placement/processor; false: leave them.",
      kOwn)));
  add_mode_keys(t);
  add_placement_key(t);
  add_custom_ops_key(t);
  t.push_back(
      row("/input_shapes", Kind::kShapes, -1, 1 << 20, bind(FIELD(input_shapes)),
          "Sizes for inputs whose dimensions the model leaves open: {\"name\": [-1, 3, 224, 224]}; -1 "
          "leaves one as it is.",
          kOwn));
  t.push_back(row("/verify_images", Kind::kInteger, 1, 1e5, bind(FIELD(verify_images)),
                  "Calibration images held out to measure the accuracy of the written file.", kOwn));
  t.push_back(nullable(row("/gates/max_file_size", Kind::kSize, 1, kMaxBytes,
                           bind(FIELD(gates.max_file_size)), "Exit 5 if the written file is larger.", kOwn)));
  t.push_back(nullable(row(
      "/gates/min_sqnr_db", Kind::kNumber, 0, 200, bind(FIELD(gates.min_sqnr_db)),
      "Exit 5 if the signal to noise ratio against float of the worst output, or of a part where it joins "
      "scores with other values, is lower (dB).",
      kOwn)));
  t.push_back(nullable(row(
      "/gates/min_agreement", Kind::kNumber, 0, 1, bind(FIELD(gates.min_agreement)),
      "Exit 5 if the most likely class is float's on a smaller share of the images (classifiers).", kOwn)));
  add_measured_gates(t);
  Key formats =
      row("/output/formats", Kind::kTexts, 1, 0, bind(FIELD(output.formats)), "What to write.", kOwn);
  formats.choices = {{"onnx", 0, false, ""}, {"tflite", 0, false, ""}};
  t.push_back(std::move(formats));
  t.push_back(nullable(row("/output/onnx_name", Kind::kFileName, 0, 0, bind(FIELD(output.onnx_name)),
                           "File name of the model in the output folder; null: <model>.quant.onnx.", kOwn)));
  t.push_back(
      nullable(row("/output/tflite_name", Kind::kFileName, 0, 0, bind(FIELD(output.tflite_name)),
                   "File name of the .tflite in the output folder; null: <model>.quant.tflite.", kOwn)));
  t.push_back(choice(
      "/output/onnx/form", FIELD(output.onnx_form),
      {{"qdq", static_cast<int>(OnnxForm::kQdq), false, ""},
       {"fake_quant", static_cast<int>(OnnxForm::kFakeQuant), false, ""},
       {"mctq", static_cast<int>(OnnxForm::kMctq), false, ""},
       {"qoperator", static_cast<int>(OnnxForm::kQOperator), false, ""}},
      "How the plan is spelled: qdq, the float op between DequantizeLinear and QuantizeLinear, which "
      "runtimes join to an integer kernel; qoperator, that kernel's own op (QLinearConv, QLinearMatMul, "
      "and those of com.microsoft) where there is one; fake_quant, float weights on "
      "their grids, activations between QuantizeLinear and DequantizeLinear, as large as the float "
      "model; mctq, the same weights and activations behind nodes of mct_quantizers, for the IMX500 "
      "converter: stock ONNX Runtime does not load it, and it is judged by what fake_quant computes.",
      "pytorch_export_model"));
  t.push_back(choice(
      "/output/tflite/form", FIELD(output.tflite_form),
      {{"int8", 0, false, ""},
       {"float32", 1, false, ""},
       {"dynamic_range", 2, false, ""},
       {"float16", 3, false, ""},
       {"int16x8", 4, false, ""}},
      "Numbers of the .tflite: int8 as planned; float32; float activations with int8 weights "
      "(dynamic_range) or half-precision weights (float16), which need no images when nothing else is "
      "written; int16x8: int16 activations without zero points, int8 weights, for a .tflite alone (slow "
      "in LiteRT: for microcontrollers and NPUs).",
      kOwn));
  t.push_back(choice("/output/tflite/io_type", FIELD(output.tflite_io_type),
                     {{"int8", 0, false, ""}, {"uint8", 1, false, ""}, {"float32", 2, false, ""}},
                     "Type of the .tflite's inputs and outputs where the plan rounds them.", kOwn));
  t.push_back(boolean("/output/tflite/keep_nchw_io", FIELD(output.tflite_keep_nchw_io),
                      "The .tflite's inputs and outputs keep ONNX's order of dimensions, at the price of a "
                      "TRANSPOSE; false: images have their channels last.",
                      kOwn));
  t.push_back(
      nullable(row("/output/report_name", Kind::kFileName, 0, 0, bind(FIELD(output.report_name)),
                   "File name of the report in the output folder; null: <model>.report.json.", kOwn)));
  t.push_back(row("/output/external_data_above", Kind::kSize, 1, 1.9e9,
                  bind(FIELD(output.external_data_above)),
                  "Tensors of more bytes than this in all are written as external data, into a file of the "
                  "model's name and .data beside it: one ONNX file ends at 2 GiB.",
                  kOwn));
}

std::vector<Key> make_keys() {
  std::vector<Key> table;
  table.push_back(
      row("/$schema", Kind::kIgnored, 0, 0, {}, "The schema that an editor checks this file with.", kOwn));
  table.push_back(
      row("/target_platform_capabilities", Kind::kText, 0, 0, bind(FIELD(target)),
          "What the file has to run on: a name that `qconvert targets` lists, or a .json file of rules, "
          "relative to this file.",
          "target_platform_capabilities"));
  add_dataset(table);
  add_preprocess(table);
  add_quantization(table);
  add_balance_keys(table);
  add_quantization_refused(table);
  add_own(table);
  add_budget_keys(table);
  add_rules(table);
  add_rule_keys(table);
  add_correction_keys(table);
  return table;
}
#undef FIELD

}  // namespace

bool writes(const CoreConfig& config, std::string_view format) {
  return std::ranges::find(config.output.formats, format) != config.output.formats.end();
}

Placement placement_of(const CoreConfig& config) {
  if (config.placement != Placement::kUnset) return config.placement;
  return writes(config, "tflite") ? Placement::kFull : Placement::kAuto;
}

bool tflite_keeps_floats(const CoreConfig& config) {
  return config.output.tflite_form != TfliteForm::kInt8 && config.output.tflite_form != TfliteForm::kInt16x8;
}

bool rounds_activations(const CoreConfig& config) {
  const bool tflite_alone = config.output.formats == std::vector<std::string>{"tflite"};
  const auto any_static = [](const std::vector<Rule>& rules) {
    return std::any_of(rules.begin(), rules.end(),
                       [](const Rule& rule) { return rule.settings.mode == Mode::kStatic; });
  };
  const bool somewhere = config.mode == Mode::kStatic || any_static(config.bit_width_config) ||
                         any_static(config.network_editor);
  return somewhere && config.mode != Mode::kStrip && !(tflite_alone && tflite_keeps_floats(config));
}

const std::vector<Key>& keys() {
  static const std::vector<Key> table = make_keys();
  return table;
}

const std::vector<Group>& groups() {
  static const std::vector<Group> table{
      {"", "The file", "CoreConfig"},
      {"/representative_dataset", "Where calibration images come from", "representative_data_gen"},
      {"/representative_dataset/preprocess",
       "From a picture to the model's input, in this order: color, resize, center_crop, mean and std, layout",
       ""},
      {"/quantization_config", "How parameters are chosen", "QuantizationConfig"},
      {"/keep_float", "What stays in float", ""},
      {"/gates", "When to fail", ""},
      {"/weight_only", "Weights of the mode weight_only", ""},
      {"/float16", "What the modes float16 and bfloat16 put on 16 bits beside weights", ""},
      {"/output", "What is written", ""},
      {"/output/onnx", "The ONNX file", ""},
      {"/output/tflite", "The .tflite", ""},
      {"/mixed_precision_config", "How widths are searched for, under a budget",
       "MixedPrecisionQuantizationConfig"},
      {"/target_resource_utilization", "Budgets; a finite one switches the search for widths on",
       "ResourceUtilization"},
      {"/debug_config", "Editing and debugging", "DebugConfig"},
      {"/gptq_config", "Correction of what quantization broke, in closed form where MCT trains",
       "GradientPTQConfig"}};
  return table;
}

const Key* find_key(const std::string& pointer) {
  const auto key =
      std::find_if(keys().begin(), keys().end(), [&](const Key& k) { return k.pointer == pointer; });
  return key == keys().end() ? nullptr : &*key;
}

bool is_group(const std::string& pointer) {
  return std::any_of(groups().begin(), groups().end(), [&](const Group& g) { return g.pointer == pointer; });
}

std::vector<std::string> member_names(const std::string& group) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& pointer) {
    if (pointer.size() > group.size() && pointer.rfind('/') == group.size() &&
        pointer.compare(0, group.size(), group) == 0)
      names.push_back(pointer.substr(group.size() + 1));
  };
  for (const Key& key : keys()) add(key.pointer);
  for (const Group& other : groups()) add(other.pointer);
  return names;
}

}  // namespace qc::config
