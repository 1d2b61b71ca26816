// From text to CoreConfig: overrides are laid over the tree, the tree is walked beside the key table, and at
// the end values that contradict each other are found. Every problem is collected; the caller sees one Error.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "config/effects.h"
#include "config/keys.h"
#include "config/open_widths.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

constexpr size_t kMaxProblems = 50;  // more help nobody

// Where the walk reads, writes and complains.
struct Walk {
  const json::Document& document;
  CoreConfig& config;
  Diagnostics& diagnostics;

  void problem(const std::string& pointer, const char* code, std::string cause, std::string remedy) const {
    diagnostics.error({code, json::place(document, pointer), std::move(cause), std::move(remedy)});
  }
  bool full() const { return diagnostics.errors.size() > kMaxProblems; }
};

void walk_group(const Walk& walk, const Json& object, const std::string& group);

void walk_member(const Walk& walk, const Json& value, const std::string& pointer, const std::string& group) {
  if (const Key* key = find_key(pointer)) {
    const Complain complain = [&](const std::string& at, const char* code, std::string cause,
                                  std::string remedy) {
      walk.problem(at, code, std::move(cause), std::move(remedy));
    };
    if (check(*key, value, pointer, complain) && key->field.set) key->field.set(walk.config, value);
  } else if (is_group(pointer)) {
    walk_group(walk, value, pointer);
  } else {
    std::vector<std::string> everywhere;
    for (const Key& other : keys()) everywhere.push_back(other.pointer);
    walk.diagnostics.error(json::unknown_key(walk.document, pointer, member_names(group), everywhere));
  }
}

void walk_group(const Walk& walk, const Json& object, const std::string& group) {
  if (object.is_null() && !group.empty()) return;
  if (!object.is_object())
    return walk.problem(
        group, "wrong-type", format("expected an object, found {}", json::found(object)),
        group.empty() ? "put everything between { and }" : "write { \"key\": value }, or remove the key");
  for (const auto& [name, value] : object.items()) {
    if (walk.full()) return;
    walk_member(walk, value, json::child(group, name), group);
  }
}

// --- overrides
std::vector<std::string> split_pointer(const std::string& pointer) {
  std::vector<std::string> names;
  for (size_t at = 0; at < pointer.size();) {
    const size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    std::string name;
    for (size_t i = at + 1; i < end; ++i) {
      const bool escaped =
          pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1');
      name += escaped ? (pointer[++i] == '0' ? '~' : '/') : pointer[i];
    }
    names.push_back(std::move(name));
    at = end;
  }
  return names;
}

// JSON if it is JSON; a bare word is a string. Where a key takes a name or a path, only quotes make it JSON:
// a folder may be called 2024 or null.
Json override_value(const Override& item, bool& good) {
  const Key* key = find_key(item.pointer);
  const bool name = key &&
                    (key->kind == Kind::kPath || key->kind == Kind::kText || key->kind == Kind::kFileName) &&
                    !(key->nullable && key->kind != Kind::kPath && item.value == "null");
  Diagnostics ignored;
  const bool quoted = !item.value.empty() && item.value.front() == '"';
  if (!name || quoted) {
    const json::Document parsed = json::parse(item.value, "--set", ignored);
    if (ignored.errors.empty()) return parsed.root;
  }
  // What looks like JSON and is none was not meant as a word.
  good =
      !quoted &&
      (name || (!item.value.empty() && std::string_view("[{").find(item.value[0]) == std::string_view::npos));
  return item.value;
}

// The member that the pointer names, made where it is missing; nullptr with a complaint where a scalar is in
// the way.
Json* reach(Json& root, const Override& item, const Walk& walk) {
  Json* at = &root;
  std::string passed;
  for (const std::string& name : split_pointer(item.pointer)) {
    if (at->is_null()) *at = Json::object();
    if (at->is_array()) {
      const bool number = !name.empty() && name.size() < 6 &&
                          std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
      const size_t index = number ? static_cast<size_t>(std::stoul(name)) : at->size();
      if ((!number && name != "-") || index > at->size()) {
        walk.diagnostics.error(
            {"bad-override", "--set " + item.pointer,
             format("{} is a list of {}, and '{}' is no place in it", passed, at->size(), name),
             format("name an element from 0 to {}, or - to append", at->size())});
        return nullptr;
      }
      if (index == at->size()) at->push_back(nullptr);
      at = &(*at)[index];
    } else if (at->is_object()) {
      at = &(*at)[name];
    } else {
      walk.diagnostics.error({"bad-override", "--set " + item.pointer,
                              format("{} is {}, so nothing stands below it", passed, json::found(*at)),
                              "set " + passed + " itself"});
      return nullptr;
    }
    passed = json::child(passed, name);
  }
  return at;
}

void apply_overrides(json::Document& document, const std::vector<Override>& overrides, const Walk& walk) {
  for (const Override& item : overrides) {
    const bool valid = !item.pointer.empty() && item.pointer[0] == '/' && item.pointer.size() > 1 &&
                       std::count(item.pointer.begin(), item.pointer.end(), '/') < 16;
    if (!valid) {
      std::string fixed = item.pointer;
      std::replace(fixed.begin(), fixed.end(), '.', '/');
      const bool known = find_key("/" + fixed) != nullptr;
      walk.diagnostics.error(
          {"bad-override", "--set " + item.pointer, "this is no JSON pointer",
           known ? "write --set /" + fixed + "=VALUE"
                 : "write --set /group/key=VALUE, such as /quantization_config/z_threshold=8"});
      continue;
    }
    bool good = true;
    Json value = override_value(item, good);
    if (!good) {
      walk.diagnostics.error({"bad-override", "--set " + item.pointer,
                              format("'{}' is no JSON value", item.value),
                              "quote it for the shell: --set '" + item.pointer + "={\"key\": [1, 2]}'"});
      continue;
    }
    if (Json* member = reach(document.root, item, walk)) {
      *member = std::move(value);
      // Everything below came from the command line now.
      const std::string below = item.pointer + "/";
      auto line = document.lines.lower_bound(below);
      while (line != document.lines.end() && line->first.compare(0, below.size(), below) == 0)
        line = document.lines.erase(line);
      document.lines[item.pointer] = json::kCommandLine;
      for (std::string above = item.pointer; above.rfind('/') > 0;) {  // and the objects made on the way
        above.resize(above.rfind('/'));
        document.lines.try_emplace(above, json::kCommandLine);
      }
    }
  }
}

// --- what only shows when all is read
void check_preprocess(const Walk& walk, const Json& root) {
  const std::string base = "/representative_dataset/preprocess";
  const images::Preprocess& p = walk.config.representative_dataset.preprocess;
  const Json::json_pointer pad(base + "/resize/pad");
  const auto channels = static_cast<size_t>(images::channels_of(p.color));
  if (root.contains(pad) && root[pad].is_array() && root[pad].size() != 1 && root[pad].size() != channels)
    walk.problem(base + "/resize/pad", "bad-value",
                 format("{} numbers for {} channels", root[pad].size(), channels),
                 "give one number, or one a channel");
  for (const images::PreprocessProblem& problem : images::check(p))
    walk.problem(json::child(base, problem.key), "bad-value", problem.cause, problem.remedy);
  if (std::all_of(p.std.begin(), p.std.end(), [](float s) { return s < 1.0f; }))
    walk.diagnostics.warning(
        {"small-std", json::place(walk.document, base + "/std"),
         "every std is below 1, as for pixels from 0 to 1; here pixels run from 0 to 255",
         "multiply mean and std by 255, unless this is meant"});
}

// What a .tflite's tensors cannot be.
void check_rules_for_tflite(const Walk& walk) {
  const CoreConfig& c = walk.config;
  if (!writes(c, "tflite")) return;
  const auto refuse = [&](const std::string& pointer, const char* cause, const char* remedy) {
    walk.problem(pointer, "refused", cause, format("{}, or leave \"tflite\" out of /output/formats", remedy));
  };
  const auto look = [&](const Rule& rule, const std::string& at) {
    const std::vector<int>& widths = rule.settings.activation_widths;
    if (rule.settings.activation_n_bits.value_or(8) < 8 || (!widths.empty() && widths.front() < 8))
      refuse(at + "/activation_n_bits",
             "a .tflite's activations fill their type: its runtimes cannot hold one to fewer than 8 bits",
             widths.empty() ? "write 8 or 16" : "write 8, 16 or [8, 16]");
    else if (!widths.empty() && c.output.tflite_form == TfliteForm::kInt16x8)
      refuse(at + "/activation_n_bits", "in the form int16x8 every activation has 16 bits",
             "remove it, or set /output/tflite/form to \"int8\"");
    if (rule.settings.mode && *rule.settings.mode != c.mode)
      refuse(at + "/mode", "a .tflite has one form for all of its nodes", "remove it");
    if (rule.settings.weights_block_size.value_or(0) > 0)
      refuse(at + "/weights_block_size", "a .tflite's weights have one scale a channel", "remove it");
    if (rule.settings.weights_quantization_method == QuantizationMethod::kUniform)
      refuse(at + "/weights_quantization_method", "a .tflite's weights have no zero point",
             "write \"SYMMETRIC\"");
  };
  for (const Rule& rule : c.bit_width_config) look(rule, rule.place);
  for (const Rule& rule : c.network_editor) look(rule, rule.place + "/action");
}

// Blocks, forms and modes that do not go together.
void check_modes(const Walk& walk) {
  const CoreConfig& c = walk.config;
  constexpr int64_t kBlocks[] = {0, 16, 32, 64, 128, 256};
  const auto check_block = [&](int64_t size, const std::string& at) {
    if (std::find(std::begin(kBlocks), std::end(kBlocks), size) != std::end(kBlocks)) return;
    walk.problem(at, "bad-value", format("no kernel takes blocks of {}", size),
                 "write 16, 32, 64, 128 or 256, or 0 for one scale a channel");
  };
  check_block(c.weight_only.block_size, "/weight_only/block_size");
  for (const Rule& rule : c.bit_width_config)
    check_block(rule.settings.weights_block_size.value_or(0), rule.place + "/weights_block_size");
  for (const Rule& rule : c.network_editor)
    check_block(rule.settings.weights_block_size.value_or(0), rule.place + "/action/weights_block_size");
  const bool tflite = writes(c, "tflite");
  if (tflite && c.mode == Mode::kBfloat16)
    walk.problem("/mode", "refused", "a .tflite holds no bfloat16",
                 "leave \"tflite\" out of /output/formats, or take the mode float16 or weight_only");
  if (tflite && c.mode == Mode::kWeightOnly && c.weight_only.block_size > 0)
    walk.problem("/weight_only/block_size", "refused", "a .tflite's weights have one scale a channel",
                 "leave \"tflite\" out of /output/formats, or write 0");
  if (tflite && c.mode == Mode::kStrip)
    walk.problem("/mode", "refused", "the mode strip gives back a model of floats, as ONNX",
                 "leave \"tflite\" out of /output/formats; a float .tflite of the stripped model is "
                 "/output/tflite/form float32");
}

// Keys that mean something beside a certain value of another key alone.
void check_conditions(const Walk& walk, const Json& root) {
  const Complain complain = [&](const std::string& at, const char* code, std::string cause,
                                std::string remedy) {
    walk.problem(at, code, std::move(cause), std::move(remedy));
  };
  for (const Key& key : keys()) {
    const Json::json_pointer place(key.pointer);
    if (key.unless && root.contains(place) &&
        find_key(key.unless->pointer)->field.get(walk.config) != key.unless->value)
      check_accepted(key, root[place], key.pointer, complain);
  }
  const MetricConfig& metric = walk.config.mixed_precision.metric;
  if (metric.hessian_scores && metric.weighting != DistanceWeighting::kUnset &&
      metric.weighting != DistanceWeighting::kHessian)
    walk.problem("/mixed_precision_config/use_hessian_based_scores", "bad-value",
                 "distance_weighting_method names another weighting",
                 "remove one of the two keys, or write \"HESSIAN\" there");
}

void check_together(const Walk& walk, const Json& root) {
  const CoreConfig& c = walk.config;
  check_conditions(walk, root);
  if (const std::optional<Obstacle> obstacle = budget_obstacle(c))
    walk.problem(obstacle->pointer, "refused", obstacle->cause, obstacle->remedy);
  if (c.goals.max_float_share && placement_of(c) != Placement::kFull)
    walk.problem(
        "/placement/max_float_share", "refused",
        "it is a share of a full placement; the placement here takes as many floats as its goals need",
        "add \"mode\": \"full\", or leave it out");
  for (const std::string& model : {c.output.onnx_name, c.output.tflite_name})
    if (!model.empty() && model == c.output.report_name)
      walk.problem("/output/report_name", "bad-value",
                   "the model has the same name, and one would overwrite the other",
                   "give the report another name, such as " + model + ".json");
  if (!c.output.onnx_name.empty() && c.output.onnx_name == c.output.tflite_name)
    walk.problem("/output/tflite_name", "bad-value",
                 "the ONNX file has the same name, and one would overwrite the other",
                 "give the .tflite another name, such as " + c.output.tflite_name + ".tflite");
  check_rules_for_tflite(walk);
  const std::vector<std::string>& formats = c.output.formats;
  if (c.output.tflite_form == TfliteForm::kInt16x8 &&
      std::find(formats.begin(), formats.end(), "onnx") != formats.end())
    walk.problem("/output/tflite/form", "bad-value",
                 "int16x8 is for a .tflite alone: ONNX Runtime has no kernels for int16 activations",
                 "set /output/formats to [\"tflite\"], or the form to \"int8\"");
  check_modes(walk);
  const bool lp = c.quantization.activation_error_method == ErrorMethod::kLp ||
                  c.quantization.weights_error_method == ErrorMethod::kLp;
  if (!lp && c.quantization.l_p_value != CoreConfig().quantization.l_p_value)
    walk.diagnostics.warning(
        {"no-effect", json::place(walk.document, "/quantization_config/l_p_value"),
         "l_p_value is the power of the method LP, and neither error method is LP",
         "set activation_error_method or weights_error_method to \"LP\", or remove l_p_value"});
  for (const Idle& idle : keys_without_effect(c))  // the others are notes
    if (idle.by_name)
      walk.diagnostics.warning({"no-effect", json::place(walk.document, idle.pointer),
                                "this has no effect: " + idle.why,
                                "remove it, or change what it depends on"});
  check_preprocess(walk, root);
}

void resolve_paths(CoreConfig& config, const std::filesystem::path& file) {
  std::error_code ignored;
  const std::filesystem::path folder =
      std::filesystem::absolute(file.empty() ? "." / file : file, ignored).parent_path();
  const auto resolve = [&](const std::filesystem::path& path) {
    const std::filesystem::path whole = (folder / path).lexically_normal();
    return whole.has_filename() || !whole.has_relative_path() ? whole
                                                              : whole.parent_path();  // "calib/" is "calib"
  };
  for (std::filesystem::path* path : {&config.representative_dataset.path,
                                      &config.representative_dataset.other_inputs, &config.gates.labels})
    if (!path->empty()) *path = resolve(*path);
  if (std::filesystem::path(config.target).extension() == ".json")
    config.target = resolve(config.target).string();
}

void cut(Diagnostics& diagnostics) {
  if (diagnostics.errors.size() <= kMaxProblems) return;
  diagnostics.errors.resize(kMaxProblems);
  diagnostics.error({"more-problems", "the config", format("there are more than {} problems", kMaxProblems),
                     "mend these first; `qconvert config` prints a config in which everything is right"});
}

}  // namespace

Override parse_override(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw Error(Exit::kUsage,
                {"bad-override", "--set " + std::string(text), "there is no '=' between pointer and value",
                 "write --set /group/key=VALUE, such as /quantization_config/z_threshold=8"});
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

CoreConfig parse(std::string_view json_text, const std::filesystem::path& file,
                 const std::vector<Override>& overrides, Diagnostics& diagnostics) {
  Diagnostics found;
  json::Document document = json::parse(json_text, file.empty() ? "the config" : file.string(), found);
  const bool readable = std::none_of(found.errors.begin(), found.errors.end(),
                                     [](const Problem& p) { return p.code == "json-syntax"; });
  CoreConfig config;
  const Walk walk{document, config, found};
  if (readable) {
    apply_overrides(document, overrides, walk);
    walk_group(walk, document.root, "");
    if (found.errors.empty()) check_together(walk, document.root);
  }
  cut(found);
  found.throw_if_errors(Exit::kUsage);
  diagnostics.warnings.insert(diagnostics.warnings.end(), found.warnings.begin(), found.warnings.end());
  resolve_paths(config, file);
  return config;
}

CoreConfig load(const std::filesystem::path& file, const std::vector<Override>& overrides,
                Diagnostics& diagnostics) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const Error& error) {
    throw Error(Exit::kUsage,
                {"cannot-read", "--config " + file.string(), error.problems.at(0).cause,
                 "check the path; `qconvert config` prints a full default config to start from"});
  }
  return parse(text, file, overrides, diagnostics);
}

}  // namespace qc::config
