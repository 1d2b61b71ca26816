// Lists of rules: {"filter": {...}, settings}. A table of what may be set, which check, reading, schema and
// words walk; filters have theirs in filters.cpp.
#include "config/rules.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/text.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {

const std::vector<Choice>& error_methods() {
  static const std::vector<Choice> table{{"NOCLIPPING", 0, true, ""},
                                         {"MSE", 1, true, ""},
                                         {"MAE", 2, true, ""},
                                         {"KL", 4, true, ""},
                                         {"LP", 5, true, ""},
                                         {"HMSE", 6, true,
                                          "HMSE weighs the error by second derivatives, which qconvert does "
                                          "not compute (MCT itself takes it inside GPTQ only); MSE is the "
                                          "nearest method"}};
  return table;
}

namespace {

// --- settings
struct Setting {
  Key key;  // its pointer is the name alone
  std::function<void(NodeSettings&, const Json&)> set;
  bool width = false;     // a number of bits
  bool anywhere = false;  // bit_width_config may set it, as it may widths
  bool list = false;      // a list of such numbers may stand there as well
};

Key named(const char* name, Kind kind, double low, double high, const char* meaning) {
  Key key;
  key.pointer = name;
  key.kind = kind;
  key.low = low;
  key.high = high;
  key.meaning = meaning;
  return key;
}

Setting width(const char* name, std::optional<int> NodeSettings::*field, const char* meaning) {
  return {named(name, Kind::kInteger, 2, 16, meaning),
          [field](NodeSettings& s, const Json& v) { s.*field = static_cast<int>(v.get<double>()); }, true};
}

template <typename T>
Setting number(const char* name, Kind kind, double low, double high, std::optional<T> NodeSettings::*field,
               const char* meaning) {
  return {named(name, kind, low, high, meaning), [field](NodeSettings& s, const Json& v) {
            s.*field = v.is_string() ? static_cast<T>(HUGE_VAL) : static_cast<T>(v.get<double>());
          }};
}

Setting flag(const char* name, std::optional<bool> NodeSettings::*field, const char* meaning) {
  return {named(name, Kind::kBool, 0, 1, meaning),
          [field](NodeSettings& s, const Json& v) { s.*field = v.get<bool>(); }};
}

template <typename Enum>
Setting one_of(const char* name, const std::vector<Choice>& choices, std::optional<Enum> NodeSettings::*field,
               const char* meaning) {
  Key key = named(name, Kind::kChoice, 0, 0, meaning);
  key.choices = choices;
  return {std::move(key), [field, choices](NodeSettings& s, const Json& v) {
            for (const Choice& choice : choices)
              if (v == choice.name || v == choice.value) s.*field = static_cast<Enum>(choice.value);
          }};
}

// Known to MCT, and refused with a sentence.
Setting refused(const char* name, const char* accepted, const char* why, const char* meaning) {
  Key key = named(name, Kind::kFixed, 0, 0, meaning);
  key.accepted = accepted;
  key.refusal = why;
  return {std::move(key), [](NodeSettings&, const Json&) {}};
}

std::vector<Choice> methods(const char* lut_refusal) {
  return {{"POWER_OF_TWO", 0, true, ""},
          {"LUT_POT_QUANTIZER", 1, true, lut_refusal},
          {"SYMMETRIC", 2, true, ""},
          {"UNIFORM", 3, true, ""},
          {"LUT_SYM_QUANTIZER", 4, true, lut_refusal}};
}

std::vector<Setting> make_settings() {
  using S = NodeSettings;
  std::vector<Setting> t;
  std::vector<Choice> of_nodes = modes();  // a whole model alone can be stripped
  of_nodes.pop_back();
  t.push_back(one_of("mode", of_nodes, &S::mode, "What becomes of these nodes, where it is not /mode."));
  t.back().anywhere = true;
  t.push_back(number("weights_block_size", Kind::kInteger, 0, 256, &S::weights_block_size,
                     "A scale for so many weights of a channel: 0 (one a channel), 16, 32, 64, 128 or 256; "
                     "the node computes in float."));
  t.back().anywhere = true;
  t.push_back(width("weights_n_bits", &S::weights_n_bits, "Bits of the weights: 2 to 8, or 16."));
  t.push_back(
      width("activation_n_bits", &S::activation_n_bits,
            "Bits of the results: 2 to 8, or 16. A list such as [8, 16] leaves the choice to a search: "
            "results begin with the target's own width, and those that cost the worst output most get "
            "the wider one, as many as /placement/min_sqnr_db asks for or "
            "/mixed_precision_config/max_wide_share allows. Where the target has no integers of 16 bits "
            "for a result, float is its wider one."));
  t.back().list = true;
  t.back().set = [](S& s, const Json& v) {
    s.activation_n_bits.reset();
    s.activation_widths = v.is_array() ? v.get<std::vector<int>>() : std::vector<int>();
    std::sort(s.activation_widths.begin(), s.activation_widths.end());
    if (!v.is_array()) s.activation_n_bits = static_cast<int>(v.get<double>());
  };
  t.push_back(one_of("weights_quantization_method", methods(""), &S::weights_quantization_method,
                     "Which values weights may take. LUT_*: those of a codebook, of 4 bits where "
                     "weights_n_bits says nothing."));
  t.push_back(one_of("activation_quantization_method",
                     methods("no ONNX operator and no integer kernel looks activations up in a codebook"),
                     &S::activation_quantization_method, "Which values results may take."));
  t.push_back(one_of("weights_error_method", error_methods(), &S::weights_error_method,
                     "What the search for the weights' range makes small."));
  t.push_back(one_of("activation_error_method", error_methods(), &S::activation_error_method,
                     "What the search for the results' range makes small."));
  t.push_back(flag("enable_weights_quantization", &S::enable_weights_quantization,
                   "false leaves the weights, and so the node, in float."));
  t.push_back(flag("enable_activation_quantization", &S::enable_activation_quantization,
                   "false leaves the results in float, and so the node and what reads it."));
  t.push_back(flag("weights_per_channel_threshold", &S::weights_per_channel_threshold,
                   "A range for each output channel, or one for all."));
  t.push_back(flag("lut_per_channel", &S::lut_per_channel,
                   "LUT methods: a codebook for each output channel instead of one for all."));
  t.push_back(
      flag("weights_bias_correction", &S::weights_bias_correction, "false leaves the bias as it is."));
  t.push_back(number("weights_threshold", Kind::kNumber, 1e-30, 1e30, &S::weights_threshold,
                     "The weights' range by hand: from minus this to this, without a search."));
  Key range = named("activation_range", Kind::kNumbers, -1e30, 1e30,
                    "The results' range by hand, [low, high] with 0 between them, without a search.");
  t.push_back({std::move(range), [](S& s, const Json& v) {
                 s.activation_range = {v[0].get<double>(), v[1].get<double>()};
               }});
  t.push_back(number("z_threshold", Kind::kNumber, 1e-3, HUGE_VAL, &S::z_threshold,
                     "Leave out results further than this many standard deviations from the mean."));
  t.push_back(number("min_threshold", Kind::kNumber, 1e-30, 1e6, &S::min_threshold,
                     "No range is made smaller than this."));
  t.push_back(number("l_p_value", Kind::kInteger, 1, 16, &S::l_p_value, "The power p of the method LP."));
  t.push_back(number("shift_negative_ratio", Kind::kNumber, 0, 1, &S::shift_negative_ratio,
                     "Shift the result where its negative part is at most this share of its range."));
  t.push_back(
      flag("shift_negative_activation_correction", &S::shift_negative_activation_correction,
           "false: the node's result is not shifted. On a target with zero points there is nothing to "
           "shift: the zero point does the same."));
  t.push_back(flag("weights_second_moment_correction", &S::weights_second_moment_correction,
                   "Whether the spread of the node's results is brought back to float's."));
  t.push_back(flag("activation_bias_correction", &S::activation_bias_correction,
                   "Whether the node's bias makes up for the mean error of its rounded input."));
  t.push_back(refused("lut_values_bitwidth", "[8, null]",
                      "the values of a codebook have 8 bits, as kernels do", "Bits of a codebook's values."));
  return t;
}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> table = make_settings();
  return table;
}

const Setting* find_setting(const std::string& name) {
  const auto found = std::find_if(settings().begin(), settings().end(),
                                  [&](const Setting& s) { return s.key.pointer == name; });
  return found == settings().end() ? nullptr : &*found;
}

bool check_setting(const Setting& setting, const Json& value, const std::string& pointer,
                   const Complain& complain);

// Widths to choose from: two or more, each of them one that might stand there alone.
bool check_choice(const Setting& setting, const Json& list, const std::string& pointer,
                  const Complain& complain) {
  Setting one = setting;
  one.list = false;
  bool good = true;
  std::set<int> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = json::child(pointer, std::to_string(i));
    if (!check_setting(one, list[i], at, complain)) {
      good = false;
    } else if (const int bits = static_cast<int>(list[i].get<double>()); !seen.insert(bits).second) {
      complain(at, "bad-value", format("{} bits stand in the list already", bits), "write each width once");
      good = false;
    }
  }
  if (!good || seen.size() > 1) return good;
  complain(
      pointer, "bad-value",
      list.empty() ? "an empty list has no width" : "one width leaves nothing to choose from",
      list.empty() ? "write [8, 16], or one number" : format("write {} without brackets", *seen.begin()));
  return false;
}

bool check_setting(const Setting& setting, const Json& value, const std::string& pointer,
                   const Complain& complain) {
  if (setting.list && value.is_array()) return check_choice(setting, value, pointer, complain);
  if (!check(setting.key, value, pointer, complain)) return false;
  if (setting.width && value.get<double>() > 8 && value.get<double>() != 16) {
    complain(pointer, "bad-value", format("no integer type and no kernel has {} bits", value.get<double>()),
             "write 2 to 8, or 16");
    return false;
  }
  if (setting.key.kind != Kind::kNumbers) return true;
  const bool pair = value.is_array() && value.size() == 2 && value[0].get<double>() <= 0 &&
                    value[1].get<double>() >= 0 && value[0].get<double>() < value[1].get<double>();
  if (!pair)
    complain(pointer, "bad-value", format("{} is no range with 0 in it", json::found(value)),
             "write [low, high] with low <= 0 <= high, such as [0, 6]");
  return pair;
}

constexpr const char* kWidthsExample = R"({"filter": {"name": "head/*"}, "weights_n_bits": 4})";
constexpr const char* kEditorExample =
    R"({"filter": {"op_type": "Sigmoid"}, "action": {"activation_n_bits": 16}})";

const char* example(const Key& key) {
  return key.kind == Kind::kEditor ? kEditorExample : kWidthsExample;
}

// LUT methods take few bits; nothing else depends on two settings at once.
bool check_together(const Json& action, const std::string& pointer, const Complain& complain) {
  NodeSettings all;
  for (const auto& [name, value] : action.items()) find_setting(name)->set(all, value);
  if (!all.weights_quantization_method || !is_lut(*all.weights_quantization_method)) return true;
  if (all.weights_n_bits.value_or(4) < 8) return true;
  complain(json::child(pointer, "weights_n_bits"), "bad-value",
           "a codebook of 8 bits would hold every value of the 8-bit grid it is taken from",
           "write 2 to 7, or the method SYMMETRIC");
  return false;
}

// The settings of a rule: members beside the filter (widths) or of the action (editor).
bool check_settings(const Key& key, const Json& object, const std::string& pointer, const Complain& complain,
                    bool& sets) {
  const bool editor = key.kind == Kind::kEditor;
  std::vector<std::string> known;
  if (!editor) known.emplace_back("filter");
  for (const Setting& setting : settings())
    if (setting.width || setting.anywhere || editor) known.push_back(setting.key.pointer);
  bool good = true;
  for (const auto& [name, value] : object.items()) {
    const std::string at = json::child(pointer, name);
    const Setting* setting = find_setting(name);
    if (!editor && name == "filter") continue;
    if (!setting || !(setting->width || setting->anywhere || editor)) {
      good &= complain_unknown(at, known, complain);
      continue;
    }
    good &= check_setting(*setting, value, at, complain);
    sets = true;
  }
  return good && (!editor || check_together(object, pointer, complain));
}

bool check_rule(const Key& key, const Json& rule, const std::string& pointer, const Complain& complain) {
  const std::string remedy = format("write {}", example(key));
  if (!rule.is_object()) return complain_of_type(rule, pointer, "an object", remedy.c_str(), complain);
  bool good = true, sets = false;
  if (rule.contains("filter"))
    good &= check_filter(rule["filter"], json::child(pointer, "filter"), complain, 0);
  if (key.kind == Kind::kWidths) {
    good &= check_settings(key, rule, pointer, complain, sets);
  } else {
    for (const auto& [name, value] : rule.items()) {
      const std::string at = json::child(pointer, name);
      if (name == "action" && value.is_object())
        good &= check_settings(key, value, at, complain, sets);
      else if (name == "action")
        good = complain_of_type(value, at, "an object", "write {\"activation_n_bits\": 16}", complain);
      else if (name != "filter")
        good &= complain_unknown(at, {"filter", "action"}, complain);
    }
  }
  if (good && (!rule.contains("filter") || !sets)) {
    complain(pointer, "bad-value", sets ? "it has no filter" : "it sets nothing", remedy);
    good = false;
  }
  return good;
}

Json settings_schema(const Key& key) {
  Json properties = Json::object();
  for (const Setting& setting : settings()) {
    if (key.kind == Kind::kWidths && !setting.width && !setting.anywhere) continue;
    const Json bits{{"enum", {2, 3, 4, 5, 6, 7, 8, 16}}};
    Json one = setting.width ? bits : schema(setting.key);
    if (setting.list)
      one = {{"anyOf", {bits, {{"type", "array"}, {"items", bits}, {"minItems", 2}, {"uniqueItems", true}}}}};
    one["description"] = setting.key.meaning;
    properties[setting.key.pointer] = std::move(one);
  }
  return properties;
}

std::vector<Rule> rules_of(const Json& value, const std::string& pointer) {
  std::vector<Rule> rules;
  if (!value.is_array()) return rules;
  for (size_t i = 0; i < value.size(); ++i) {
    Rule rule;
    rule.place = json::child(pointer, std::to_string(i));
    rule.json = value[i].dump();
    rule.filter = filter_of(value[i]["filter"]);
    const Json& settings = value[i].contains("action") ? value[i]["action"] : value[i];
    for (const auto& [name, member] : settings.items())
      if (const Setting* setting = find_setting(name)) setting->set(rule.settings, member);
    rules.push_back(std::move(rule));
  }
  return rules;
}

Json json_of(const std::vector<Rule>& rules) {
  Json list = Json::array();
  for (const Rule& rule : rules) list.push_back(Json::parse(rule.json));
  return list;
}

}  // namespace

bool check_rules(const Key& key, const Json& value, const std::string& pointer, const Complain& complain) {
  const bool empty = value.is_null() || (value.is_object() && value.empty());  // MCT's object, as it is made
  if (empty) return true;
  if (value.is_object()) {
    complain(
        pointer, "refused",
        "cannot be had: the lists inside MCT's object are of Python filters, which JSON cannot hold; here it "
        "is a list of rules",
        format("remove the key, or write [{}]", example(key)));
    return false;
  }
  if (!value.is_array() || value.size() > kMaxRules)
    return complain_of_type(value, pointer, "a list of rules", format("write [{}]", example(key)).c_str(),
                            complain);
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i)
    good &= check_rule(key, value[i], json::child(pointer, std::to_string(i)), complain);
  return good;
}

std::string allowed_rules(const Key& key) {
  if (key.kind == Kind::kWidths)
    return format("a list of {}; a filter has {}", kWidthsExample, join(words_of_filters(), ", "));
  std::vector<std::string> parts;
  for (const Setting& setting : settings())
    parts.push_back(format("{} ({}{}: {})", setting.key.pointer, allowed(setting.key),
                           setting.list ? ", or a list of two or more" : "", setting.key.meaning));
  return format("a list of {}; filters as in bit_width_config; an action has {}", kEditorExample,
                join(parts, ", "));
}

Json schema_rules(const Key& key) {
  Json rule{
      {"type", "object"}, {"additionalProperties", false}, {"required", {"filter"}}, {"minProperties", 2}};
  Json properties = settings_schema(key);
  if (key.kind == Kind::kEditor) {
    const Json action{{"type", "object"},
                      {"additionalProperties", false},
                      {"minProperties", 1},
                      {"properties", properties}};
    properties = {{"action", action}};
    rule["required"].push_back("action");
  }
  properties["filter"] = {{"$ref", "#/$defs/filter"}};
  rule["properties"] = std::move(properties);
  return {{"anyOf",
           {{{"type", "array"}, {"items", rule}},
            {{"type", "object"}, {"maxProperties", 0}},
            {{"type", "null"}}}}};
}

void overlay(NodeSettings& settings, const NodeSettings& rule) {
  const auto take = [](auto& to, const auto& from) {
    if (from) to = from;
  };
  const auto all = [](auto& s) {
    return std::tie(s.mode, s.weights_block_size, s.weights_n_bits, s.weights_quantization_method,
                    s.activation_quantization_method, s.weights_error_method, s.activation_error_method,
                    s.enable_weights_quantization, s.enable_activation_quantization,
                    s.weights_per_channel_threshold, s.lut_per_channel, s.weights_bias_correction,
                    s.weights_second_moment_correction, s.activation_bias_correction,
                    s.shift_negative_activation_correction, s.shift_negative_ratio, s.z_threshold,
                    s.min_threshold, s.l_p_value, s.weights_threshold, s.activation_range, s.integer,
                    s.part_of_reader, s.range_of_one_width);
  };
  if (rule.integer) settings.placed_by = rule.placed_by;
  if (rule.activation_n_bits ||
      !rule.activation_widths.empty()) {  // a number ends a choice, and a list a number
    settings.activation_n_bits = rule.activation_n_bits;
    settings.activation_widths = rule.activation_widths;
  }
  std::apply([&](auto&... to) { std::apply([&](const auto&... from) { (take(to, from), ...); }, all(rule)); },
             all(settings));
}

void add_rule_keys(std::vector<Key>& table) {
  const auto add = [&](const char* pointer, Kind kind, std::vector<Rule> CoreConfig::*field, const char* mct,
                       const char* meaning) {
    Key key = named(pointer, kind, 0, 0, meaning);
    key.mct = mct;
    key.field = {[=, place = std::string(pointer)](CoreConfig& config, const Json& value) {
                   config.*field = rules_of(value, place);
                 },
                 [=](const CoreConfig& config) { return json_of(config.*field); }};
    table.push_back(std::move(key));
  };
  add("/bit_width_config", Kind::kWidths, &CoreConfig::bit_width_config, "BitWidthConfig",
      "Widths of chosen layers, set by hand, and beside them mode (where it is not /mode) and "
      "weights_block_size; later rules win. Weights below 8 bits make the file smaller and "
      "run "
      "on the same kernels; a width of 16 takes a layer to float, which has no integer kernel for it. "
      "\"activation_n_bits\": [8, 16] lets results be wider where the outputs gain most (as in "
      "network_editor).");
  add("/debug_config/network_editor", Kind::kEditor, &CoreConfig::network_editor,
      "DebugConfig.network_editor",
      "Rules that change how chosen layers are quantized; later rules win, and all of them over "
      "bit_width_config.");
}

}  // namespace qc::config
