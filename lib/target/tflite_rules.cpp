// See tflite_rules.h.
#include "target/tflite_rules.h"

#include <algorithm>

#include "base/text.h"

namespace qc::target {
namespace {

using json::Json;
using json::Members;

constexpr std::array<std::string_view, 8> kTypes{"float32", "float16", "int8",  "uint8",
                                                 "int16",   "int32",   "int64", "bool"};

template <size_t kCount>
std::string listed(const std::array<std::string_view, kCount>& words) {
  return join(std::vector<std::string>(words.begin(), words.end()), ", ");
}

void read_limits(Members& members, std::map<std::string, double>& limits) {
  const Json* object = members.object("limits");
  if (!object) return;
  limits.clear();
  for (const auto& [name, value] : object->items()) {
    const bool known = std::find(kTfliteLimits.begin(), kTfliteLimits.end(), name) != kTfliteLimits.end();
    if (known && value.is_number() && value >= 0)
      limits[name] = value.get<double>();
    else
      members.problem(json::child(members.pointer("limits"), name), "bad-value",
                      known ? format("{} is no limit", json::found(value)) : "there is no such limit",
                      "write a number from 0 on for any of " + listed(kTfliteLimits));
  }
}

void read_types(Members& members, std::vector<std::string>& types) {
  const Json* list = members.list("types");
  if (!list) return;
  types.clear();
  for (const Json& type : *list) {
    const bool known =
        type.is_string() && std::find(kTypes.begin(), kTypes.end(), type.get<std::string>()) != kTypes.end();
    if (known)
      types.push_back(type.get<std::string>());
    else
      members.problem(members.pointer("types"), "bad-value", format("{} is no type", json::found(type)),
                      "write any of " + listed(kTypes));
  }
}

void read_remedies(Members& members, std::map<std::string, std::string>& remedies) {
  const Json* object = members.object("remedies");
  if (!object) return;
  for (const auto& [op, value] : object->items()) {
    if (value.is_string())
      remedies[op] = value.get<std::string>();
    else
      members.problem(json::child(members.pointer("remedies"), op), "wrong-type",
                      format("expected a string, found {}", json::found(value)),
                      "write a sentence that says what to do instead");
  }
}

std::string limits_text(const std::map<std::string, double>& limits) {
  std::vector<std::string> parts;
  for (const auto& [name, most] : limits) parts.push_back(format("{} up to {}", name, most));
  return join(parts, ", ");
}

}  // namespace

void read_tflite(const json::Document& document, Diagnostics& diagnostics, Members& root,
                 TargetSpec& target) {
  if (root.is_null("tflite")) {
    target.tflite.reset();
    return;
  }
  const Json* object = root.object("tflite");
  if (!object) return;
  target.tflite.emplace();
  Members members(document, *object, root.pointer("tflite"), diagnostics);
  members.read("fallback", target.tflite->fallback);
  read_limits(members, target.tflite->limits);
  read_remedies(members, target.tflite->remedies);
  if (const Json* ops = members.object("ops"))
    for (const auto& [name, value] : ops->items()) {
      Members op(document, value, json::child(members.pointer("ops"), name), diagnostics);
      TfliteOpRule rule;
      read_types(op, rule.types);
      read_limits(op, rule.limits);
      op.read("strict_types", rule.strict_types);
      if (op.present() && rule.types.empty())
        op.problem(json::child(members.pointer("ops"), name), "missing-key",
                   "an operator that works on no type is not there",
                   "add \"types\", or leave the operator out");
      op.finish();
      target.tflite->ops[name] = std::move(rule);
    }
  members.finish();
}

Json tflite_json(const TfliteRules& rules) {
  Json ops = Json::object();
  for (const auto& [name, rule] : rules.ops)
    ops[name] = {{"types", rule.types}, {"limits", rule.limits}, {"strict_types", rule.strict_types}};
  return {{"fallback", rules.fallback}, {"limits", rules.limits}, {"remedies", rules.remedies}, {"ops", ops}};
}

std::vector<std::string> tflite_paragraphs(const TargetSpec& target) {
  if (!target.tflite) return {};
  const TfliteRules& rules = *target.tflite;
  std::vector<std::string> paragraphs{"\nWhat a .tflite may hold\n"};
  // Operators with the same types and limits stand together.
  std::vector<std::pair<std::string, std::vector<std::string>>> entries;
  for (const auto& [name, rule] : rules.ops) {
    const std::string limits = limits_text(rule.limits);
    const std::string text = join(rule.types, ", ") + (rule.strict_types ? " and no other" : "") +
                             (limits.empty() ? "" : "; " + limits);
    auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.first == text; });
    if (entry == entries.end()) entry = entries.insert(entry, {text, {}});
    entry->second.push_back(name);
  }
  for (const auto& [text, ops] : entries) paragraphs.push_back(format("{}: {}.", text, join(ops, ", ")));
  if (!rules.limits.empty()) paragraphs.push_back(format("Every operator: {}.", limits_text(rules.limits)));
  if (!rules.fallback.empty())
    paragraphs.push_back(format(
        "What breaks these rules runs on the processor beside it, by the rules of {}.", rules.fallback));
  return paragraphs;
}

}  // namespace qc::target
