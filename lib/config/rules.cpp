// Lists of rules: {"filter": {...}, settings}. Two tables, of what a filter may say and of what may be set,
// which check, reading, schema and words walk.
#include "config/rules.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

constexpr size_t kMaxRules = 1000;
constexpr int kDeepestFilter = 16;

// --- filters -------------------------------------------------------------------------------------
enum class Shape { kTexts, kBool, kFilters, kFilter };

struct FilterPart {
  const char* name;
  Shape shape;
  void (*set)(Filter&, const Json&);
  const char* meaning;
};

Filter filter_of(const Json& value);

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

Filter filter_of(const Json& value) {
  Filter filter;
  for (const auto& [name, part] : value.items()) find_part(name)->set(filter, part);
  return filter;
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

bool check_filter(const Json& value, const std::string& pointer, const Complain& complain, int depth);

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
    case Shape::kFilters:
      return check_filters_part(value, pointer, complain, depth);
    default:
      return check_filter(value, pointer, complain, depth + 1);
  }
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

// --- settings ------------------------------------------------------------------------------------
struct Setting {
  Key key;  // its pointer is the name alone
  std::function<void(NodeSettings&, const Json&)> set;
  bool width = false;  // one of the two that bit_width_config may set
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

int whole(const Json& value) {
  return static_cast<int>(value.get<double>());
}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> table{
      {named("weights_n_bits", Kind::kInteger, 2, 16, "Bits of the weights: 2 to 8, or 16."),
       [](NodeSettings& s, const Json& v) { s.weights_n_bits = whole(v); }, true},
      {named("activation_n_bits", Kind::kInteger, 2, 16, "Bits of the results: 2 to 8, or 16."),
       [](NodeSettings& s, const Json& v) { s.activation_n_bits = whole(v); }, true}};
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
  if (!setting.width || whole(value) <= 8 || whole(value) == 16) return true;
  complain(pointer, "bad-value", format("no integer type and no kernel has {} bits", whole(value)),
           "write 2 to 8, or 16");
  return false;
}

constexpr const char* kWidthsExample = R"({"filter": {"name": "head/*"}, "weights_n_bits": 4})";

bool check_rule(const Json& rule, const std::string& pointer, const Complain& complain) {
  if (!rule.is_object())
    return wrong_type(rule, pointer, "an object",
                      "write {\"filter\": {\"name\": \"conv*\"}, \"weights_n_bits\": 4}", complain);
  std::vector<std::string> known{"filter"};
  for (const Setting& setting : settings())
    if (setting.width) known.push_back(setting.key.pointer);
  bool good = true, sets = false;
  for (const auto& [name, value] : rule.items()) {
    const std::string at = json::child(pointer, name);
    const Setting* setting = find_setting(name);
    if (name == "filter") {
      good &= check_filter(value, at, complain, 0);
    } else if (setting && setting->width) {
      good &= check_setting(*setting, value, at, complain);
      sets = true;
    } else {
      good &= unknown(at, known, complain);
    }
  }
  if (good && (!rule.contains("filter") || !sets)) {
    complain(pointer, "bad-value", sets ? "it has no filter" : "it sets nothing",
             format("write {}", kWidthsExample));
    good = false;
  }
  return good;
}

Json settings_schema(bool widths_only) {
  Json properties = Json::object();
  for (const Setting& setting : settings()) {
    if (widths_only && !setting.width) continue;
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
    for (const auto& [name, member] : value[i].items())
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

bool check_rules(const Key&, const Json& value, const std::string& pointer, const Complain& complain) {
  if (value.is_null() || (value.is_object() && value.empty())) return true;  // MCT's object, as it is made
  if (value.is_object()) {
    complain(
        pointer, "refused",
        "cannot be had: the lists inside MCT's object are of Python filters, which JSON cannot hold; here it "
        "is a list of rules",
        format("remove the key, or write [{}]", kWidthsExample));
    return false;
  }
  if (!value.is_array() || value.size() > kMaxRules)
    return wrong_type(value, pointer, "a list of rules", "write [{\"filter\": ..., \"weights_n_bits\": 4}]",
                      complain);
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i)
    good &= check_rule(value[i], json::child(pointer, std::to_string(i)), complain);
  return good;
}

std::string allowed_rules(const Key&) {
  std::vector<std::string> parts;
  for (const FilterPart& part : kFilterParts) parts.push_back(format("{} ({})", part.name, part.meaning));
  return format("a list of {}; a filter has {}", kWidthsExample, join(parts, ", "));
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

Json schema_rules(const Key&) {
  Json properties = settings_schema(true);
  properties["filter"] = {{"$ref", "#/$defs/filter"}};
  const Json rule{{"type", "object"},
                  {"additionalProperties", false},
                  {"required", {"filter"}},
                  {"minProperties", 2},
                  {"properties", properties}};
  return {{"anyOf",
           {{{"type", "array"}, {"items", rule}},
            {{"type", "object"}, {"maxProperties", 0}},
            {{"type", "null"}}}}};
}

void add_rule_keys(std::vector<Key>& table) {
  Key widths =
      named("/bit_width_config", Kind::kWidths, 0, 0,
            "Widths of chosen layers, set by hand; later rules win. Weights below 8 bits make the file "
            "smaller and run on the same kernels; a width of 16 takes a layer to float, which has no "
            "integer kernel for it.");
  widths.mct = "BitWidthConfig";
  widths.field = {[pointer = widths.pointer](CoreConfig& config, const Json& value) {
                    config.bit_width_config = rules_of(value, pointer);
                  },
                  [](const CoreConfig& config) { return json_of(config.bit_width_config); }};
  table.push_back(std::move(widths));
}

}  // namespace qc::config
