// Filters of rules: which nodes one means. A table of what a filter may say, which check, reading, schema and
// words walk.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/rules.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {

bool complain_of_type(const Json& value, const std::string& pointer, const char* wanted, const char* remedy,
                      const Complain& complain) {
  complain(pointer, "wrong-type", format("expected {}, found {}", wanted, json::found(value)), remedy);
  return false;
}

bool complain_unknown(const std::string& pointer, const std::vector<std::string>& known,
                      const Complain& complain) {
  const Problem problem = json::unknown_key({}, pointer, known, {});
  complain(pointer, "unknown-key", problem.cause, problem.remedy);
  return false;
}

namespace {

constexpr int kDeepestFilter = 16;

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

bool check_region_part(const Json& value, const std::string& pointer, const Complain& complain) {
  constexpr const char* kExample = "write {\"from\": \"conv1\", \"to\": \"head/*\"}";
  if (!value.is_object())
    return complain_of_type(value, pointer, "an object with from and to", kExample, complain);
  bool good = true;
  for (const auto& [name, end] : value.items()) {
    const std::string at = json::child(pointer, name);
    if (name != "from" && name != "to")
      good &= complain_unknown(at, {"from", "to"}, complain);
    else if (!end.is_string() || end.get_ref<const std::string&>().empty())
      good = complain_of_type(end, at, "the name of a node or a value", kExample, complain);
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
  return complain_of_type(value, pointer, "a string or a list of strings",
                          "write \"conv*\", or [\"a\", \"b\"]", complain);
}

bool check_filters_part(const Json& value, const std::string& pointer, const Complain& complain, int depth) {
  if (!value.is_array() || value.empty() || value.size() > kMaxRules)
    return complain_of_type(value, pointer, "a list of filters",
                            "write [{\"name\": \"a\"}, {\"name\": \"b\"}]", complain);
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
             complain_of_type(value, pointer, "true or false", "write true or false", complain);
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
    return complain_of_type(value, pointer, "an object", "write {\"name\": \"conv*\"}", complain);
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
    good &= row ? check_part(*row, part, at, complain, depth) : complain_unknown(at, known, complain);
  }
  return good;
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

std::vector<std::string> words_of_filters() {
  std::vector<std::string> parts;
  for (const FilterPart& part : kFilterParts) parts.push_back(format("{} ({})", part.name, part.meaning));
  return parts;
}

}  // namespace qc::config
