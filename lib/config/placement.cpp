// The value of "placement": a mode by name, or an object of mode, goals and rules. Check, reading, schema and
// words walk one table of the object's plain members; rules are filters as everywhere and a place.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/keys.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

constexpr const char* kRuleExample = R"({"filter": {"name": "head/*"}, "placement": "float"})";

struct Member {
  Key key;
  std::function<void(CoreConfig&, const Json&)> set;
};

const std::vector<Choice>& modes() {
  static const std::vector<Choice> table{{"auto", static_cast<int>(Placement::kAuto), false, ""},
                                         {"full", static_cast<int>(Placement::kFull), false, ""}};
  return table;
}

Member goal(const char* name, double low, double high, std::optional<double> PlacementGoals::*field,
            const char* meaning) {
  Member member{row(name, Kind::kNumber, low, high, {}, meaning),
                [field](CoreConfig& config, const Json& value) {
                  if (value.is_number()) config.goals.*field = value.get<double>();
                }};
  member.key.nullable = true;
  return member;
}

void set_mode(CoreConfig& config, const Json& value) {
  for (const Choice& choice : modes())
    if (value == choice.name) config.placement = static_cast<Placement>(choice.value);
}

const std::vector<Member>& members() {
  static const std::vector<Member> table = [] {
    std::vector<Member> t{{row("mode", Kind::kChoice, 0, 0, {},
                               "auto: integers where they pay; full: wherever the target has a kernel"),
                           set_mode}};
    t[0].key.choices = modes();
    t[0].key.nullable = true;
    t.push_back(goal(
        "min_sqnr_db", 0, 200, &PlacementGoals::min_sqnr_db,
        "worst output, against float, and each part of one that joins scores with values in other units; on "
        "targets that have results of more bits than their own, those that it needs get them"));
    t.push_back(goal("max_latency_ratio", 0.01, 100, &PlacementGoals::max_latency_ratio,
                     "time of the written ONNX file over float's, one thread"));
    t.push_back(
        goal("max_float_share", 0, 1, &PlacementGoals::max_float_share,
             "mode full alone: 0.03 leaves those 3 % of the activations (by elements) in float that cost "
             "the worst output most"));
    t.push_back(
        {row("processor", Kind::kText, 0, 0, {},
             "what the times are of: \"any\" for a placement that is no slower than float on any "
             "processor that the target has costs of, or one of them: \"x86_vnni\" (whose sums cannot "
             "overflow: no weights are bounded for others), \"x86\""),
         [](CoreConfig& config, const Json& value) { config.goals.processor = value; }});
    return t;
  }();
  return table;
}

const Member* find_member(const std::string& name) {
  for (const Member& member : members())
    if (member.key.pointer == name) return &member;
  return nullptr;
}

bool check_rule(const Json& rule, const std::string& pointer, const Complain& complain) {
  const std::string remedy = format("write {}", kRuleExample);
  if (!rule.is_object()) {
    complain(pointer, "wrong-type", format("expected an object, found {}", json::found(rule)), remedy);
    return false;
  }
  bool good = true;
  for (const auto& [name, value] : rule.items()) {
    const std::string at = json::child(pointer, name);
    if (name == "filter") {
      good &= check_filter(value, at, complain, 0);
    } else if (name != "placement") {
      good = complain_unknown(at, {"filter", "placement"}, complain);
    } else if (value != "float" && value != "integer") {
      complain(at, "bad-value", format("{} is no place", json::found(value)),
               "write \"float\" or \"integer\"");
      good = false;
    }
  }
  for (const char* name : {"filter", "placement"}) {
    if (rule.contains(name)) continue;
    complain(pointer, "bad-value", format("it has no {}", name), remedy);
    good = false;
  }
  return good;
}

bool check_rule_list(const Json& value, const std::string& pointer, const Complain& complain) {
  if (!value.is_array() || value.size() > kMaxRules) {
    complain(pointer, "wrong-type", format("expected a list of rules, found {}", json::found(value)),
             format("write [{}]", kRuleExample));
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i)
    good &= check_rule(value[i], json::child(pointer, std::to_string(i)), complain);
  return good;
}

void set_placement(CoreConfig& config, const Json& value) {
  config.placement = Placement::kUnset;
  config.goals = {};
  config.placement_rules.clear();
  if (value.is_string()) set_mode(config, value);
  if (!value.is_object()) return;
  for (const auto& [name, member] : value.items())
    if (const Member* known = find_member(name)) known->set(config, member);
  const Json rules = value.value("rules", Json::array());
  for (size_t i = 0; i < rules.size(); ++i)
    config.placement_rules.push_back({format("/placement/rules/{}", i), filter_of(rules[i]["filter"]),
                                      rules[i]["placement"] == "integer", rules[i].dump()});
}

Json get_placement(const CoreConfig& config) {
  Json mode;
  for (const Choice& choice : modes())
    if (choice.value == static_cast<int>(config.placement)) mode = choice.name;
  Json object = Json::object();
  if (config.goals.min_sqnr_db) object["min_sqnr_db"] = *config.goals.min_sqnr_db;
  if (config.goals.max_latency_ratio) object["max_latency_ratio"] = *config.goals.max_latency_ratio;
  if (config.goals.max_float_share) object["max_float_share"] = *config.goals.max_float_share;
  if (config.goals.processor != PlacementGoals::kAnyProcessor) object["processor"] = config.goals.processor;
  for (const PlacementRule& rule : config.placement_rules) object["rules"].push_back(Json::parse(rule.json));
  if (object.empty()) return mode;
  if (!mode.is_null()) object["mode"] = mode;
  return object;
}

}  // namespace

bool check_placement(const Json& value, const std::string& pointer, const Complain& complain) {
  if (!value.is_object()) {
    Key mode = members()[0].key;
    mode.pointer = pointer;
    if (value.is_string()) return check(mode, value, pointer, complain);
    complain(pointer, "wrong-type", format("expected a mode or an object, found {}", json::found(value)),
             "write \"auto\", \"full\" or {\"min_sqnr_db\": 20}");
    return false;
  }
  std::vector<std::string> known{"rules"};
  for (const Member& member : members()) known.push_back(member.key.pointer);
  bool good = true;
  for (const auto& [name, part] : value.items()) {
    const std::string at = json::child(pointer, name);
    if (const Member* member = find_member(name))
      good &= check(member->key, part, at, complain);
    else
      good &= name == "rules" ? check_rule_list(part, at, complain) : complain_unknown(at, known, complain);
  }
  return good;
}

std::string allowed_placement(const Key&) {
  std::vector<std::string> parts;
  for (const Member& member : members())
    parts.push_back(format("{} ({}: {})", member.key.pointer, allowed(member.key), member.key.meaning));
  return format(
      "\"auto\", \"full\", or an object of {}, rules (a list of {} or \"integer\"; filters as in "
      "bit_width_config)",
      join(parts, ", "), kRuleExample);
}

Json schema_placement(const Key&) {
  Json properties = Json::object();
  for (const Member& member : members()) {
    properties[member.key.pointer] = schema(member.key);
    properties[member.key.pointer]["description"] = member.key.meaning;
  }
  const Json rule{
      {"type", "object"},
      {"properties",
       {{"filter", {{"$ref", "#/$defs/filter"}}}, {"placement", {{"enum", {"float", "integer"}}}}}},
      {"required", {"filter", "placement"}},
      {"additionalProperties", false}};
  properties["rules"] = {{"type", "array"}, {"items", rule}};
  return {{"anyOf",
           {{{"enum", {"auto", "full"}}},
            {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}}}};
}

void add_placement_key(std::vector<Key>& table) {
  Key key =
      row("/placement", Kind::kPlacement, 0, 0, {set_placement, get_placement},
          "Where integers go: auto, where they pay; full, wherever the target has a kernel. null: auto, "
          "but full where a .tflite is written. As an object: what the placement is to reach (exit 5 "
          "where a goal set here is missed; unset, 20 dB and the time of float are aimed at, and a miss "
          "is a warning), and nodes that are placed by hand; later rules win.");
  key.nullable = true;
  table.push_back(std::move(key));
}

}  // namespace qc::config
