// Lists of rules: {"filter": {...}, settings}. Two tables, of what a filter may say and of what may be set,
// which check, reading, schema and words walk.
#include "config/rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
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

constexpr int kDeepestFilter = 16;

// --- filters -------------------------------------------------------------------------------------
enum class Shape { kTexts, kBool, kRegion, kFilters, kFilter };

struct FilterPart {
  const char* name;
  Shape shape;
  void (*set)(Filter&, const Json&);
  const char* meaning;
};

std::vector<std::string> texts(const Json& value) {
  return value.is_array() ? value.get<std::vector<std::string>>()
                          : std::vector<std::string>{value.get<std::string>()};
}

std::vector<Filter> filters(const Json& value) {
  std::vector<Filter> all;
  for (const Json& one : value) all.push_back(filter_of(one));
  return all;
}

constexpr std::array kFilterParts{
    FilterPart{"name", Shape::kTexts, [](Filter& f, const Json& v) { f.names = texts(v); },
               "node names, * and ? as in file names; of a list, one must fit"},
    FilterPart{"name_contains", Shape::kTexts, [](Filter& f, const Json& v) { f.contains = texts(v); },
               "a part of the name"},
    FilterPart{"op_type", Shape::kTexts, [](Filter& f, const Json& v) { f.op_types = texts(v); },
               "\"Conv\", \"Add\", ..."},
    FilterPart{"first", Shape::kBool, [](Filter& f, const Json& v) { f.first = v.get<bool>(); },
               "the first layer with weights"},
    FilterPart{"last", Shape::kBool, [](Filter& f, const Json& v) { f.last = v.get<bool>(); },
               "the last layer with weights"},
    FilterPart{"depthwise", Shape::kBool, [](Filter& f, const Json& v) { f.depthwise = v.get<bool>(); },
               "convolutions of each channel by itself"},
    FilterPart{"region", Shape::kRegion,
               [](Filter& f, const Json& v) {
                 f.region = {v["from"].get<std::string>(), v["to"].get<std::string>()};
               },
               "{\"from\": NAME, \"to\": NAME}, everything on the paths between two nodes or values, both "
               "included"},
    FilterPart{"all_of", Shape::kFilters, [](Filter& f, const Json& v) { f.all_of = filters(v); },
               "filters that must all fit"},
    FilterPart{"any_of", Shape::kFilters, [](Filter& f, const Json& v) { f.any_of = filters(v); },
               "filters of which one must fit"},
    FilterPart{"not", Shape::kFilter, [](Filter& f, const Json& v) { f.none_of = {filter_of(v)}; },
               "a filter that must not fit"}};

const FilterPart* find_part(const std::string& name) {
  const auto found = std::find_if(kFilterParts.begin(), kFilterParts.end(),
                                  [&](const FilterPart& p) { return p.name == name; });
  return found == kFilterParts.end() ? nullptr : found;
}

bool wrong_type(const Json& value, const std::string& pointer, const char* wanted, const char* remedy,
                const Complain& complain) {
  complain(pointer, "wrong-type", format("expected {}, found {}", wanted, json::found(value)), remedy);
  return false;
}

bool unknown(const std::string& pointer, const std::vector<std::string>& known, const Complain& complain) {
  const Problem problem = json::unknown_key({}, pointer, known, {});
  complain(pointer, "unknown-key", problem.cause, problem.remedy);
  return false;
}

bool check_region_part(const Json& value, const std::string& pointer, const Complain& complain) {
  constexpr const char* kExample = "write {\"from\": \"conv1\", \"to\": \"head/*\"}";
  if (!value.is_object()) return wrong_type(value, pointer, "an object with from and to", kExample, complain);
  bool good = true;
  for (const auto& [name, end] : value.items()) {
    const std::string at = json::child(pointer, name);
    if (name != "from" && name != "to")
      good &= unknown(at, {"from", "to"}, complain);
    else if (!end.is_string() || end.get_ref<const std::string&>().empty())
      good = wrong_type(end, at, "the name of a node or a value", kExample, complain);
  }
  for (const char* name : {"from", "to"}) {
    if (value.contains(name)) continue;
    complain(pointer, "bad-value", format("it has no \"{}\"", name), kExample);
    good = false;
  }
  return good;
}

bool check_texts_part(const Json& value, const std::string& pointer, const Complain& complain) {
  const auto text = [](const Json& v) { return v.is_string() && !v.get_ref<const std::string&>().empty(); };
  if (text(value)) return true;
  if (value.is_array() && !value.empty() && value.size() <= kMaxRules &&
      std::all_of(value.begin(), value.end(), text))
    return true;
  return wrong_type(value, pointer, "a string or a list of strings", "write \"conv*\", or [\"a\", \"b\"]",
                    complain);
}

bool check_filters_part(const Json& value, const std::string& pointer, const Complain& complain, int depth) {
  if (!value.is_array() || value.empty() || value.size() > kMaxRules)
    return wrong_type(value, pointer, "a list of filters", "write [{\"name\": \"a\"}, {\"name\": \"b\"}]",
                      complain);
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i)
    good &= check_filter(value[i], json::child(pointer, std::to_string(i)), complain, depth + 1);
  return good;
}

bool check_part(const FilterPart& part, const Json& value, const std::string& pointer,
                const Complain& complain, int depth) {
  switch (part.shape) {
    case Shape::kTexts:
      return check_texts_part(value, pointer, complain);
    case Shape::kBool:
      return value.is_boolean() ||
             wrong_type(value, pointer, "true or false", "write true or false", complain);
    case Shape::kRegion:
      return check_region_part(value, pointer, complain);
    case Shape::kFilters:
      return check_filters_part(value, pointer, complain, depth);
    default:
      return check_filter(value, pointer, complain, depth + 1);
  }
}

}  // namespace

Filter filter_of(const Json& value) {
  Filter filter;
  for (const auto& [name, part] : value.items()) find_part(name)->set(filter, part);
  return filter;
}

bool check_filter(const Json& value, const std::string& pointer, const Complain& complain, int depth) {
  static const std::vector<std::string> known = [] {
    std::vector<std::string> names;
    for (const FilterPart& part : kFilterParts) names.emplace_back(part.name);
    return names;
  }();
  if (!value.is_object())
    return wrong_type(value, pointer, "an object", "write {\"name\": \"conv*\"}", complain);
  if (value.empty() || depth > kDeepestFilter) {
    complain(pointer, "bad-value",
             value.empty() ? "it says nothing about the nodes" : "it is nested too deep",
             "write {\"name\": \"*\"} for all nodes");
    return false;
  }
  bool good = true;
  for (const auto& [name, part] : value.items()) {
    const std::string at = json::child(pointer, name);
    const FilterPart* row = find_part(name);
    good &= row ? check_part(*row, part, at, complain, depth) : unknown(at, known, complain);
  }
  return good;
}

namespace {

// --- settings ------------------------------------------------------------------------------------
struct Setting {
  Key key;  // its pointer is the name alone
  std::function<void(NodeSettings&, const Json&)> set;
  bool width = false;     // a number of bits
  bool anywhere = false;  // bit_width_config may set it, as it may widths
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
  t.push_back(width("activation_n_bits", &S::activation_n_bits, "Bits of the results: 2 to 8, or 16."));
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
                   const Complain& complain) {
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
      good &= unknown(at, known, complain);
      continue;
    }
    good &= check_setting(*setting, value, at, complain);
    sets = true;
  }
  return good && (!editor || check_together(object, pointer, complain));
}

bool check_rule(const Key& key, const Json& rule, const std::string& pointer, const Complain& complain) {
  const std::string remedy = format("write {}", example(key));
  if (!rule.is_object()) return wrong_type(rule, pointer, "an object", remedy.c_str(), complain);
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
        good = wrong_type(value, at, "an object", "write {\"activation_n_bits\": 16}", complain);
      else if (name != "filter")
        good &= unknown(at, {"filter", "action"}, complain);
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
    Json one = setting.width ? Json{{"enum", {2, 3, 4, 5, 6, 7, 8, 16}}} : schema(setting.key);
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
    return wrong_type(value, pointer, "a list of rules", format("write [{}]", example(key)).c_str(),
                      complain);
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i)
    good &= check_rule(key, value[i], json::child(pointer, std::to_string(i)), complain);
  return good;
}

std::string allowed_rules(const Key& key) {
  std::vector<std::string> parts;
  if (key.kind == Kind::kWidths) {
    for (const FilterPart& part : kFilterParts) parts.push_back(format("{} ({})", part.name, part.meaning));
    return format("a list of {}; a filter has {}", kWidthsExample, join(parts, ", "));
  }
  for (const Setting& setting : settings())
    parts.push_back(format("{} ({}: {})", setting.key.pointer, allowed(setting.key), setting.key.meaning));
  return format("a list of {}; filters as in bit_width_config; an action has {}", kEditorExample,
                join(parts, ", "));
}

Json schema_filter() {
  const Json text{{"type", "string"}, {"minLength", 1}}, self{{"$ref", "#/$defs/filter"}};
  Json properties = Json::object();
  for (const FilterPart& part : kFilterParts) {
    Json one;
    switch (part.shape) {
      case Shape::kTexts:
        one["anyOf"] = {text, {{"type", "array"}, {"items", text}, {"minItems", 1}}};
        break;
      case Shape::kBool:
        one["type"] = "boolean";
        break;
      case Shape::kRegion:
        one = {{"type", "object"},
               {"properties", {{"from", text}, {"to", text}}},
               {"required", {"from", "to"}},
               {"additionalProperties", false}};
        break;
      case Shape::kFilters:
        one = {{"type", "array"}, {"items", self}, {"minItems", 1}};
        break;
      case Shape::kFilter:
        one = self;
    }
    one["description"] = part.meaning;
    properties[part.name] = std::move(one);
  }
  return {{"type", "object"},
          {"minProperties", 1},
          {"additionalProperties", false},
          {"properties", std::move(properties)}};
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
    return std::tie(s.mode, s.weights_block_size, s.weights_n_bits, s.activation_n_bits,
                    s.weights_quantization_method, s.activation_quantization_method, s.weights_error_method,
                    s.activation_error_method, s.enable_weights_quantization,
                    s.enable_activation_quantization, s.weights_per_channel_threshold, s.lut_per_channel,
                    s.weights_bias_correction, s.weights_second_moment_correction,
                    s.activation_bias_correction, s.shift_negative_activation_correction,
                    s.shift_negative_ratio, s.z_threshold, s.min_threshold, s.l_p_value, s.weights_threshold,
                    s.activation_range, s.integer, s.part_of_reader, s.range_of_one_width);
  };
  if (rule.integer) settings.placed_by = rule.placed_by;
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
      "on the same kernels; a width of 16 takes a layer to float, which has no integer kernel for it.");
  add("/debug_config/network_editor", Kind::kEditor, &CoreConfig::network_editor,
      "DebugConfig.network_editor",
      "Rules that change how chosen layers are quantized; later rules win, and all of them over "
      "bit_width_config.");
}

}  // namespace qc::config
