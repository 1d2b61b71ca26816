// See json_schema.h.
#include "support/json_schema.h"

#include <algorithm>
#include <sstream>

namespace qc::test {
namespace {

using nlohmann::json;

bool has_type(const json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

class Validator {
 public:
  explicit Validator(const json& root) : root_(root) {}

  std::vector<std::string> mistakes(const json& schema, const json& value, const std::string& place) const {
    if (schema.contains("$ref")) return mistakes(target(schema), value, place);
    std::vector<std::string> found;
    const auto wrong = [&](const std::string& what) { found.push_back(place + ": " + what); };
    if (schema.contains("const") && value != schema["const"]) wrong("is not " + schema["const"].dump());
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
      wrong(value.dump() + " is none of " + schema["enum"].dump());
    if (schema.contains("type") && !fits(schema["type"], value)) wrong("is no " + schema["type"].dump());
    if (schema.contains("anyOf") && !any_fits(schema["anyOf"], value, place)) wrong("fits no alternative");
    add_children(schema, value, place, found);
    return found;
  }

  const json& target(const json& schema) const {
    return schema.contains("$ref") ? root_.at(json::json_pointer(schema["$ref"].get<std::string>().substr(1)))
                                   : schema;
  }

 private:
  static bool fits(const json& types, const json& value) {
    if (types.is_string()) return has_type(value, types);
    return std::any_of(types.begin(), types.end(), [&](const json& type) { return has_type(value, type); });
  }

  bool any_fits(const json& alternatives, const json& value, const std::string& place) const {
    return std::any_of(alternatives.begin(), alternatives.end(),
                       [&](const json& one) { return mistakes(one, value, place).empty(); });
  }

  void add(std::vector<std::string>& found, const json& schema, const json& value,
           const std::string& place) const {
    const std::vector<std::string> more = mistakes(schema, value, place);
    found.insert(found.end(), more.begin(), more.end());
  }

  void add_children(const json& schema, const json& value, const std::string& place,
                    std::vector<std::string>& found) const {
    if (value.is_array() && schema.contains("items"))
      for (size_t i = 0; i < value.size(); ++i)
        add(found, schema["items"], value[i], place + "/" + std::to_string(i));
    if (!value.is_object()) return;
    if (schema.contains("required"))
      for (const json& key : schema["required"])
        if (!value.contains(key.get<std::string>())) found.push_back(place + ": lacks " + key.dump());
    for (const auto& [key, member] : value.items()) {
      if (schema.contains("properties") && schema["properties"].contains(key))
        add(found, schema["properties"][key], member, place + "/" + key);
      else if (schema.contains("additionalProperties"))
        add(found, schema["additionalProperties"], member, place + "/" + key);
      else if (schema.contains("properties"))
        found.push_back(place + ": the schema does not know \"" + key + "\"");
    }
  }

  const json& root_;
};

}  // namespace

std::vector<std::string> schema_mistakes(const json& schema, const json& document) {
  return Validator(schema).mistakes(schema, document, "");
}

bool schema_requires(const json& schema, const std::string& path) {
  const Validator validator(schema);
  const json* at = &schema;
  std::istringstream parts(path.substr(1));
  for (std::string part; std::getline(parts, part, '/');) {
    at = &validator.target(*at);
    if (at->contains("anyOf"))  // null or the object
      for (const json& one : (*at)["anyOf"])
        if (one.contains("properties")) at = &one;
    if (part == "*") {
      if (!at->contains("items")) return false;
      at = &(*at)["items"];
      continue;
    }
    if (!at->contains("required") ||
        std::find((*at)["required"].begin(), (*at)["required"].end(), part) == (*at)["required"].end())
      return false;
    at = &(*at)["properties"][part];
  }
  return true;
}

}  // namespace qc::test
