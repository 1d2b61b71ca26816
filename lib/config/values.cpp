// See values.h. One row for each kind; the row is the whole knowledge about it.
#include "config/values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

constexpr size_t kMaxTexts = 1000;  // each is compared with all others

/// Where a value stands and who hears about it.
struct Site {
  const Key& key;
  const std::string& pointer;
  const Complain& complain;

  std::string remedy() const {
    if (!key.field.get)
      return format("write {}", allowed(key));  // part of a value: has no default of its own
    const Json fallback = default_value(key);
    const std::string shown = fallback.is_null() ? std::string("not set") : fallback.dump();
    return format("write {}, or remove the key (default: {})", allowed(key), shown);
  }
  bool wrong_type(const Json& value) const {
    complain(pointer, "wrong-type", format("expected {}, found {}", allowed(key), json::found(value)),
             remedy());
    return false;
  }
  bool bad_value(const Json& value, std::string_view why) const {
    complain(pointer, "bad-value", format("{} {}", json::found(value), why), remedy());
    return false;
  }
};

std::string number_text(double number) {
  return std::fabs(number) < 1e15 && number == std::floor(number) ? format("{:.0f}", number)
                                                                  : format("{}", number);
}

// Infinite bounds are no bounds: JSON cannot write them.
std::string range_text(const Key& key) {
  if (std::isinf(key.high)) return format("of at least {}", number_text(key.low));
  return format("from {} to {}", number_text(key.low), number_text(key.high));
}

bool in_range(const Key& key, double number) {
  return number >= key.low && number <= key.high;
}

bool is_whole(const Json& value) {
  return value.is_number() && value.get<double>() == std::floor(value.get<double>());
}

bool has_control_character(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// --- checks, one a kind
bool check_bool(const Json& value, const Site& site) {
  return value.is_boolean() || site.wrong_type(value);
}

bool check_integer(const Json& value, const Site& site) {
  if (!is_whole(value)) return site.wrong_type(value);
  return in_range(site.key, value.get<double>()) || site.bad_value(value, "is out of range");
}

bool check_number(const Json& value, const Site& site) {
  if (std::isinf(site.key.high) && value == "inf") return true;
  if (!value.is_number()) return site.wrong_type(value);
  return in_range(site.key, value.get<double>()) || site.bad_value(value, "is out of range");
}

bool check_text(const Json& value, const Site& site) {
  if (!value.is_string()) return site.wrong_type(value);
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() && !site.key.nullable) return site.bad_value(value, "names nothing");
  return !has_control_character(text) || site.bad_value(value, "holds a control character");
}

bool check_file_name(const Json& value, const Site& site) {
  if (!check_text(value, site)) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text.find('/') != std::string::npos || text == "." || text == "..")
    return site.bad_value(value, "is not a plain file name (the folder is given by -o)");
  return text.size() <= 200 || site.bad_value(value, "is too long for a file name");
}

bool check_choice(const Json& value, const Site& site) {
  const std::vector<Choice>& choices = site.key.choices;
  const auto chosen = std::find_if(choices.begin(), choices.end(), [&](const Choice& c) {
    return value == c.name || (c.by_number && is_whole(value) && value == c.value);
  });
  if (chosen != choices.end()) {
    if (chosen->refusal.empty()) return true;
    site.complain(site.pointer, "refused", chosen->refusal, site.remedy());
    return false;
  }
  if (!value.is_string()) return site.wrong_type(value);
  std::vector<std::string> names;
  for (const Choice& choice : choices) names.push_back(choice.name);
  const std::string& text = value.get_ref<const std::string&>();
  const std::string meant = text.size() <= 100 ? nearest(text, names) : std::string();
  if (meant.empty()) return site.bad_value(value, "is not known here");
  site.complain(site.pointer, "bad-value", format("{} is not known here", json::found(value)),
                format("did you mean \"{}\"? Possible is {}", meant, allowed(site.key)));
  return false;
}

bool check_texts(const Json& value, const Site& site) {
  if (!value.is_array()) return site.wrong_type(value);
  if (static_cast<double>(value.size()) < site.key.low) return site.bad_value(value, "is empty");
  if (value.size() > kMaxTexts) return site.bad_value(value, format("has more than {} elements", kMaxTexts));
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string pointer = json::child(site.pointer, std::to_string(i));
    const Site at{site.key, pointer, site.complain};
    good &= site.key.choices.empty() || !value[i].is_string() ? check_text(value[i], at)
                                                              : check_choice(value[i], at);
    if (std::find(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(i), value[i]) !=
        value.begin() + static_cast<std::ptrdiff_t>(i))
      good = at.bad_value(value[i], "stands twice in the list");
  }
  return good;
}

bool check_list(const Json& value, const Site& site, size_t least, size_t most, bool whole) {
  if (value.size() < least || value.size() > most) return site.bad_value(value, "has the wrong length");
  bool good = true;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string pointer = json::child(site.pointer, std::to_string(i));
    const Site at{site.key, pointer, site.complain};
    if (whole ? !is_whole(value[i]) : !value[i].is_number())
      good = at.wrong_type(value[i]);
    else if (!in_range(site.key, value[i].get<double>()))
      good = at.bad_value(value[i], "is out of range");
  }
  return good;
}

bool check_numbers(const Json& value, const Site& site) {
  return value.is_array() ? check_list(value, site, 1, 4, false) : check_number(value, site);
}

bool check_pair(const Json& value, const Site& site) {
  return value.is_array() ? check_list(value, site, 2, 2, true) : site.wrong_type(value);
}

bool check_size(const Json& value, const Site& site) {
  if (value.is_number()) return check_integer(value, site);
  if (!value.is_string()) return site.wrong_type(value);
  const std::optional<int64_t> bytes = parse_size(value.get_ref<const std::string&>());
  if (!bytes) return site.bad_value(value, "is no size");
  return in_range(site.key, static_cast<double>(*bytes)) || site.bad_value(value, "is out of range");
}

// What bounds something, or nothing does.
bool check_limit(const Json& value, const Site& site, bool bytes) {
  if (value.is_number())
    return value.get<double>() > 0 ? check_number(value, site) : site.bad_value(value, "is no budget");
  if (!value.is_string()) return site.wrong_type(value);
  const std::string& text = value.get_ref<const std::string&>();
  if (text == "inf" || parse_share(text) || (bytes && parse_size(text))) return true;
  return site.bad_value(value, "is no budget");
}

bool check_budget(const Json& value, const Site& site) {
  return check_limit(value, site, true);
}

bool check_share(const Json& value, const Site& site) {
  return check_limit(value, site, false);
}

bool check_resize_kind(const Json& value, const Site& site) {
  return check_resize(value, site.pointer, site.complain);
}

bool check_shapes(const Json& value, const Site& site) {
  if (!value.is_object()) return site.wrong_type(value);
  bool good = true;
  for (const auto& [name, dims] : value.items()) {
    const std::string pointer = json::child(site.pointer, name);
    const Site at{site.key, pointer, site.complain};
    good &= dims.is_array() ? check_list(dims, at, 1, 8, true) : at.wrong_type(dims);
  }
  return good;
}

bool check_rules_kind(const Json& value, const Site& site) {
  return check_rules(site.key, value, site.pointer, site.complain);
}

bool check_placement_kind(const Json& value, const Site& site) {
  return check_placement(value, site.pointer, site.complain);
}

bool check_custom_ops_kind(const Json& value, const Site& site) {
  return check_custom_ops(value, site.pointer, site.complain);
}

bool check_fixed(const Json& value, const Site& site) {
  return check_accepted(site.key, value, site.pointer, site.complain);
}

bool check_ignored(const Json& value, const Site& site) {
  return value.is_string() || site.wrong_type(value);
}

// --- schemas
Json bounds(const Key& key, const char* type) {
  Json result{{"type", type}, {"minimum", key.low}};
  if (std::string_view(type) == "integer") result["minimum"] = static_cast<int64_t>(key.low);
  if (std::isinf(key.high)) return result;
  result["maximum"] = key.high;
  if (std::string_view(type) == "integer") result["maximum"] = static_cast<int64_t>(key.high);
  return result;
}

Json list_of(Json element, int least, int most) {
  return {{"type", "array"}, {"items", std::move(element)}, {"minItems", least}, {"maxItems", most}};
}

Json choice_values(const Key& key) {
  Json values = Json::array();
  for (const Choice& choice : key.choices)
    if (choice.refusal.empty()) values.push_back(choice.name);
  for (const Choice& choice : key.choices)
    if (choice.refusal.empty() && choice.by_number) values.push_back(choice.value);
  return values;
}

Json schema_bool(const Key&) {
  return {{"type", "boolean"}};
}
Json schema_integer(const Key& key) {
  return bounds(key, "integer");
}
Json schema_number(const Key& key) {
  if (!std::isinf(key.high)) return bounds(key, "number");
  return {{"anyOf", {bounds(key, "number"), {{"const", "inf"}}}}};
}
Json schema_text(const Key& key) {
  Json result{{"type", "string"}};
  if (!key.nullable) result["minLength"] = 1;
  return result;
}
Json schema_file_name(const Key&) {
  return {{"type", "string"}, {"pattern", "^[^/]*$"}, {"maxLength", 200}};
}
Json schema_choice(const Key& key) {
  return {{"enum", choice_values(key)}};
}
Json schema_texts(const Key& key) {
  Json element{{"type", "string"}, {"minLength", 1}};
  if (!key.choices.empty()) element = schema_choice(key);
  return {{"type", "array"},
          {"items", element},
          {"minItems", static_cast<int>(key.low)},
          {"maxItems", kMaxTexts},
          {"uniqueItems", true}};
}
Json schema_numbers(const Key& key) {
  const Json one = bounds(key, "number");
  return {{"anyOf", {one, list_of(one, 1, 4)}}};
}
Json schema_pair(const Key& key) {
  return list_of(bounds(key, "integer"), 2, 2);
}
Json schema_size(const Key& key) {
  return {{"anyOf",
           {bounds(key, "integer"),
            {{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)? *(([kKmMgG][iI]?)?[bB])?$"}}}}};
}
Json schema_limit(const Key& key, const char* pattern) {
  return {{"anyOf", {bounds(key, "number"), {{"const", "inf"}}, {{"type", "string"}, {"pattern", pattern}}}}};
}
Json schema_budget(const Key& key) {
  return schema_limit(key, "^[0-9]+(\\.[0-9]+)? *(([kKmMgG][iI]?)?[bB]|%)?$");
}
Json schema_share(const Key& key) {
  return schema_limit(key, "^[0-9]+(\\.[0-9]+)? *%$");
}
Json schema_resize_kind(const Key&) {
  return schema_resize();
}
Json schema_shapes(const Key& key) {
  return {{"type", "object"}, {"additionalProperties", list_of(bounds(key, "integer"), 1, 8)}};
}
Json schema_fixed(const Key& key) {
  return {{"enum", Json::parse(key.accepted)}};
}

// --- words
std::string quoted_choices(const Key& key) {
  std::vector<std::string> words;
  for (const Json& value : choice_values(key))
    if (value.is_string()) words.push_back(value.dump());
  std::string text = join(words, ", ");
  if (!key.choices.empty() && key.choices[0].by_number) text += " (or MCT's number)";
  return text;
}

std::string say_bool(const Key&) {
  return "true or false";
}
std::string say_integer(const Key& key) {
  return "a whole number " + range_text(key);
}
std::string say_number(const Key& key) {
  return "a number " + range_text(key);
}
std::string say_text(const Key&) {
  return "a string";
}
std::string say_file_name(const Key&) {
  return "a file name";
}
std::string say_choice(const Key& key) {
  return key.choices.size() == 1 ? quoted_choices(key) : "one of " + quoted_choices(key);
}
std::string say_texts(const Key& key) {
  return key.choices.empty() ? "a list of strings" : "a list of " + quoted_choices(key);
}
std::string say_numbers(const Key& key) {
  return "a number or a list of 1 to 4 numbers " + range_text(key);
}
std::string say_pair(const Key& key) {
  return "[height, width], each " + range_text(key);
}
std::string say_size(const Key& key) {
  constexpr double kEndless = 1e12;
  const std::string range =
      key.high < kEndless ? range_text(key) : format("of at least {}", number_text(key.low));
  return format("a number of bytes {}, or a string like \"3 MB\", \"500 kB\", \"1 MiB\"", range);
}
std::string say_budget(const Key&) {
  return "a number of bytes, a string like \"1.2 MB\" or \"50%\" (of the size with 8 bits), or \"inf\"";
}
std::string say_share(const Key&) {
  return "a number, a string like \"50%\" (of that with 8 bits), or \"inf\"";
}
std::string say_path(const Key&) {
  return "a path";
}
std::string say_resize(const Key&) {
  return allowed_resize();
}
std::string say_shapes(const Key& key) {
  return "an object of \"input name\": [dimensions, 1 to 8 whole numbers " + range_text(key) + "]";
}
std::string say_fixed(const Key& key) {
  std::vector<std::string> words;
  for (const Json& value : Json::parse(key.accepted)) words.push_back(value.dump());
  return join(words, " or ");
}

struct KindRow {
  Kind kind;
  bool (*check)(const Json&, const Site&);
  Json (*schema)(const Key&);
  std::string (*say)(const Key&);
};
constexpr std::array kKinds{
    KindRow{Kind::kBool, check_bool, schema_bool, say_bool},
    KindRow{Kind::kInteger, check_integer, schema_integer, say_integer},
    KindRow{Kind::kNumber, check_number, schema_number, say_number},
    KindRow{Kind::kText, check_text, schema_text, say_text},
    KindRow{Kind::kChoice, check_choice, schema_choice, say_choice},
    KindRow{Kind::kTexts, check_texts, schema_texts, say_texts},
    KindRow{Kind::kNumbers, check_numbers, schema_numbers, say_numbers},
    KindRow{Kind::kPair, check_pair, schema_pair, say_pair},
    KindRow{Kind::kSize, check_size, schema_size, say_size},
    KindRow{Kind::kBudget, check_budget, schema_budget, say_budget},
    KindRow{Kind::kShare, check_share, schema_share, say_share},
    KindRow{Kind::kPath, check_text, schema_text, say_path},
    KindRow{Kind::kFileName, check_file_name, schema_file_name, say_file_name},
    KindRow{Kind::kResize, check_resize_kind, schema_resize_kind, say_resize},
    KindRow{Kind::kShapes, check_shapes, schema_shapes, say_shapes},
    KindRow{Kind::kWidths, check_rules_kind, schema_rules, allowed_rules},
    KindRow{Kind::kEditor, check_rules_kind, schema_rules, allowed_rules},
    KindRow{Kind::kPlacement, check_placement_kind, schema_placement, allowed_placement},
    KindRow{Kind::kCustomOps, check_custom_ops_kind, schema_custom_ops, allowed_custom_ops},
    KindRow{Kind::kFixed, check_fixed, schema_fixed, say_fixed},
    KindRow{Kind::kIgnored, check_ignored, schema_text, say_text}};

const KindRow& row_of(Kind kind) {
  return *std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& row) { return row.kind == kind; });
}

}  // namespace

bool check_accepted(const Key& key, const Json& value, const std::string& pointer, const Complain& complain) {
  const Json accepted = Json::parse(key.accepted);
  if (std::find(accepted.begin(), accepted.end(), value) != accepted.end()) return true;
  std::string remedy = format("remove the key, or write {}", accepted[0].dump());
  if (key.unless) remedy += format(", or set {} to \"{}\"", key.unless->pointer, key.unless->value);
  complain(pointer, "refused", format("{} cannot be had: {}", json::found(value), key.refusal), remedy);
  return false;
}

bool check(const Key& key, const Json& value, const std::string& pointer, const Complain& complain) {
  if (key.nullable && value.is_null()) return true;
  return row_of(key.kind).check(value, {key, pointer, complain});
}

std::string allowed(const Key& key) {
  return row_of(key.kind).say(key) + (key.nullable ? ", or null" : "");
}

Json schema(const Key& key) {
  Json result = row_of(key.kind).schema(key);
  if (!key.nullable) return result;
  if (result.contains("enum")) {
    result["enum"].push_back(nullptr);
  } else if (result.contains("anyOf")) {
    result["anyOf"].push_back({{"type", "null"}});
  } else {
    result["type"] = {result["type"], "null"};
  }
  return result;
}

Json default_value(const Key& key) {
  if (key.kind == Kind::kFixed) return Json::parse(key.accepted)[0];
  static const CoreConfig kDefaults;
  return key.field.get ? key.field.get(kDefaults) : Json();
}

std::optional<int64_t> parse_size(std::string_view text) {
  size_t digits = 0;
  while (digits < text.size() &&
         (std::isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.'))
    ++digits;
  const std::string number(text.substr(0, digits));
  if (number.empty() || number.size() > 30 || number.front() == '.' || number.back() == '.' ||
      std::count(number.begin(), number.end(), '.') > 1)
    return std::nullopt;
  std::string unit;
  for (const char c : text.substr(text.find_first_not_of(' ', digits) == std::string_view::npos
                                      ? text.size()
                                      : text.find_first_not_of(' ', digits)))
    unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  struct Unit {
    const char* name;
    double bytes;
  };
  static constexpr std::array kUnits{Unit{"", 1},          Unit{"b", 1},           Unit{"kb", 1e3},
                                     Unit{"mb", 1e6},      Unit{"gb", 1e9},        Unit{"kib", 1024},
                                     Unit{"mib", 1048576}, Unit{"gib", 1073741824}};
  for (const Unit& known : kUnits) {
    const double bytes = std::round(std::stod(number) * known.bytes);
    if (unit == known.name && bytes >= 1 && bytes <= 1e15) return static_cast<int64_t>(bytes);
  }
  return std::nullopt;
}

std::optional<double> parse_share(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.empty() || text.size() > 20 || text.find_first_not_of("0123456789.") != std::string_view::npos ||
      text.front() == '.' || text.back() == '.' || std::count(text.begin(), text.end(), '.') > 1)
    return std::nullopt;
  const double percent = std::stod(std::string(text));
  if (!(percent > 0) || percent > 100) return std::nullopt;
  return percent / 100;
}

double short_decimal(float value) {
  return std::stod(format("{}", value));
}

}  // namespace qc::config
