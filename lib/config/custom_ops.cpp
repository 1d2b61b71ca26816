// The value of "custom_ops": what the user knows of ops outside the standard domain, one object an op. Check,
// reading, schema and words walk one table of its members.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/keys.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

constexpr size_t kMaxOps = 1000;
constexpr int kMaxSlot = 1000;
constexpr const char* kExample =
    R"({"domain": "com.example", "op_type": "Shuffle", "same_scale": [[0, 0]], "quantizable_inputs": [0]})";

bool is_slot(const Json& value) {
  return value.is_number_integer() && value >= 0 && value < kMaxSlot;
}

bool is_text(const Json& value) {
  return value.is_string() && !value.get_ref<const std::string&>().empty();
}

bool is_pairs(const Json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& pair) {
           return pair.is_array() && pair.size() == 2 && is_slot(pair[0]) && is_slot(pair[1]);
         });
}

bool is_slots(const Json& value) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), is_slot);
}

struct Member {
  const char* name;
  bool required;
  bool (*fits)(const Json&);
  const char* wanted;
  const char* meaning;
};
constexpr std::array kMembers{
    Member{"domain", true, is_text, "the name of a domain", "as the node has it"},
    Member{"op_type", true, is_text, "the name of an op", "as the node has it"},
    Member{"same_scale", false, is_pairs, "a list of [input slot, output slot]",
           "inputs and outputs that share their scale, because the op only moves or selects numbers"},
    Member{"quantizable_inputs", false, is_slots, "a list of input slots",
           "inputs that carry data to round; left out: all"}};

const Member* find_member(const std::string& name) {
  const auto found = std::find_if(kMembers.begin(), kMembers.end(),
                                  [&](const Member& member) { return name == member.name; });
  return found == kMembers.end() ? nullptr : found;
}

bool check_op(const Json& op, const std::string& pointer, const Complain& complain) {
  const std::string remedy = format("write {}", kExample);
  if (!op.is_object()) {
    complain(pointer, "wrong-type", format("expected an object, found {}", json::found(op)), remedy);
    return false;
  }
  bool good = true;
  std::vector<std::string> known;
  for (const Member& member : kMembers) {
    known.emplace_back(member.name);
    if (!member.required || op.contains(member.name)) continue;
    complain(pointer, "bad-value", format("it has no {}", member.name), remedy);
    good = false;
  }
  for (const auto& [name, value] : op.items()) {
    const std::string at = json::child(pointer, name);
    const Member* member = find_member(name);
    if (member && member->fits(value)) continue;
    good = false;
    if (member) {
      complain(at, "wrong-type", format("expected {}, found {}", member->wanted, json::found(value)), remedy);
    } else {
      const Problem problem = json::unknown_key({}, at, known, {});
      complain(at, "unknown-key", problem.cause, problem.remedy);
    }
  }
  if (good && (op["domain"] == "ai.onnx")) {
    complain(json::child(pointer, "domain"), "refused", "the targets' tables speak for the standard domain",
             "write a target file that is \"based_on\" a shipped one instead, and name it with --target");
    good = false;
  }
  return good;
}

// A tied input carries data, whatever else the list says.
CustomOp op_of(const Json& value) {
  CustomOp op{value["domain"].get<std::string>(), value["op_type"].get<std::string>(), {}, {}};
  for (const Json& slot : value.value("quantizable_inputs", Json::array()))
    op.quantizable_inputs.push_back(slot.get<int>());
  for (const Json& pair : value.value("same_scale", Json::array()))
    op.same_scale.emplace_back(pair[0].get<int>(), pair[1].get<int>());
  return op;
}

Json json_of(const CustomOp& op) {
  Json value{{"domain", op.domain}, {"op_type", op.op_type}};
  if (!op.quantizable_inputs.empty()) value["quantizable_inputs"] = op.quantizable_inputs;
  for (const auto& [in, out] : op.same_scale) value["same_scale"].push_back({in, out});
  return value;
}

}  // namespace

bool check_custom_ops(const Json& value, const std::string& pointer, const Complain& complain) {
  if (!value.is_array() || value.size() > kMaxOps) {
    complain(pointer, "wrong-type", format("expected a list of ops, found {}", json::found(value)),
             format("write [{}]", kExample));
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i)
    good &= check_op(value[i], json::child(pointer, std::to_string(i)), complain);
  return good;
}

std::string allowed_custom_ops(const Key&) {
  std::vector<std::string> parts;
  for (const Member& member : kMembers) parts.push_back(format("{} ({})", member.name, member.meaning));
  return format("a list of {}: {}", kExample, join(parts, ", "));
}

Json schema_custom_ops(const Key&) {
  const Json text{{"type", "string"}, {"minLength", 1}},
      slot{{"type", "integer"}, {"minimum", 0}, {"maximum", kMaxSlot - 1}};
  Json properties{{"domain", text},
                  {"op_type", text},
                  {"quantizable_inputs", {{"type", "array"}, {"items", slot}, {"minItems", 1}}},
                  {"same_scale",
                   {{"type", "array"},
                    {"items", {{"type", "array"}, {"items", slot}, {"minItems", 2}, {"maxItems", 2}}}}}};
  for (const Member& member : kMembers) properties[member.name]["description"] = member.meaning;
  return {{"type", "array"},
          {"items",
           {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", {"domain", "op_type"}},
            {"additionalProperties", false}}}};
}

void add_custom_ops_key(std::vector<Key>& table) {
  table.push_back(row("/custom_ops", Kind::kCustomOps, 0, 0,
                      {[](CoreConfig& config, const Json& value) {
                         config.custom_ops.clear();
                         for (const Json& op : value) config.custom_ops.push_back(op_of(op));
                       },
                       [](const CoreConfig& config) {
                         Json list = Json::array();
                         for (const CustomOp& op : config.custom_ops) list.push_back(json_of(op));
                         return list;
                       }},
                      "Ops of other domains that take part in the plan: their inputs and results are rounded "
                      "where that pays, Q and DQ around them. One that is not named here stays in float."));
}

}  // namespace qc::config
