// The value of "resize": null, "none", or an object in one of a few forms, each named by its main key and
// with fields of its own (images/preprocess.h says what they do). Check, reading, printing and schema walk
// the same two tables.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/values.h"
#include "json/strict_json.h"

namespace qc::config {
namespace {

using images::Align;
using images::Preprocess;
using images::ResizeKind;

constexpr auto kMaxSide = static_cast<double>(images::kMaxSide);

Key part(const char* name, Kind kind, double low, double high) {
  Key key;
  key.pointer = name;
  key.kind = kind;
  key.low = low;
  key.high = high;
  return key;
}

const std::vector<Key>& parts() {
  static const std::vector<Key> table = [] {
    std::vector<Key> t{part("short_side", Kind::kInteger, 1, kMaxSide),
                       part("stretch", Kind::kPair, 1, kMaxSide),
                       part("letterbox", Kind::kPair, 1, kMaxSide),
                       part("align", Kind::kChoice, 0, 0),
                       part("pad", Kind::kNumbers, 0, 255),
                       part("fixed_height", Kind::kInteger, 1, kMaxSide),
                       part("max_width", Kind::kInteger, 1, kMaxSide)};
    t[3].choices = {{"top_left", static_cast<int>(Align::kTopLeft), false, ""},
                    {"center", static_cast<int>(Align::kCenter), false, ""}};
    return t;
  }();
  return table;
}

struct Form {
  const char* main;
  ResizeKind kind;
  const char* needs;                    // a key that must stand beside it, or ""
  std::array<const char*, 2> may_have;  // keys that may; "" for none
  const char* example;
};
constexpr std::array kForms{
    Form{"short_side", ResizeKind::kShortSide, "", {"", ""}, "{\"short_side\": 256}"},
    Form{"stretch", ResizeKind::kStretch, "", {"", ""}, "{\"stretch\": [224, 224]}"},
    Form{"letterbox",
         ResizeKind::kLetterbox,
         "",
         {"align", "pad"},
         "{\"letterbox\": [416, 416], \"align\": \"top_left\" or \"center\", \"pad\": 114}"},
    Form{"fixed_height",
         ResizeKind::kFixedHeight,
         "max_width",
         {"", ""},
         "{\"fixed_height\": 48, \"max_width\": 192}"}};

const Key* find_part(const std::string& name) {
  const auto found =
      std::find_if(parts().begin(), parts().end(), [&](const Key& k) { return k.pointer == name; });
  return found == parts().end() ? nullptr : &*found;
}

bool belongs(const Form& form, const std::string& name) {
  return name == form.main || name == form.needs ||
         std::find(form.may_have.begin(), form.may_have.end(), name) != form.may_have.end();
}

std::vector<std::string> part_names() {
  std::vector<std::string> names;
  for (const Key& key : parts()) names.push_back(key.pointer);
  return names;
}

int64_t whole(const Json& value) {
  return static_cast<int64_t>(value.get<double>());
}

bool check_members(const Json& value, const std::string& pointer, const Complain& complain) {
  bool good = true;
  for (const auto& [name, member] : value.items()) {
    const std::string at = json::child(pointer, name);
    if (const Key* key = find_part(name)) {
      good &= check(*key, member, at, complain);
      continue;
    }
    std::vector<std::string> everywhere;
    for (const Key& key : keys()) everywhere.push_back(key.pointer);
    const Problem problem = json::unknown_key({}, at, part_names(), everywhere);
    complain(at, "unknown-key", problem.cause, problem.remedy);
    good = false;
  }
  return good;
}

}  // namespace

bool check_resize(const Json& value, const std::string& pointer, const Complain& complain) {
  const auto complain_form = [&](const char* code, std::string cause) {
    complain(pointer, code, std::move(cause), "write " + allowed_resize());
    return false;
  };
  if (value == "none") return true;
  if (value.is_string()) return complain_form("bad-value", json::found(value) + " is not known here");
  if (!value.is_object())
    return complain_form("wrong-type",
                         format("expected an object or \"none\", found {}", json::found(value)));
  if (!check_members(value, pointer, complain)) return false;
  std::vector<const Form*> named;
  for (const Form& form : kForms)
    if (value.contains(form.main)) named.push_back(&form);
  if (named.empty())
    return complain_form("bad-value", "none of short_side, stretch, letterbox, fixed_height is given");
  if (named.size() > 1)
    return complain_form("bad-value", format("{} and {} exclude each other", named[0]->main, named[1]->main));
  const Form& form = *named[0];
  bool good = true;
  if (*form.needs && !value.contains(form.needs))
    good = complain_form("bad-value", format("{} is missing beside {}", form.needs, form.main));
  for (const auto& [name, member] : value.items())
    if (!belongs(form, name)) {
      complain(json::child(pointer, name), "bad-value", format("{} has no meaning with {}", name, form.main),
               "remove it");
      good = false;
    }
  return good;
}

void set_resize(const Json& value, Preprocess& p) {
  p.resize = value.is_null() ? ResizeKind::kUnset : ResizeKind::kNone;
  if (!value.is_object()) return;
  for (const Form& form : kForms)
    if (value.contains(form.main)) p.resize = form.kind;
  if (value.contains("short_side")) p.short_side = whole(value["short_side"]);
  for (const char* box : {"stretch", "letterbox"})
    if (value.contains(box)) p.height = whole(value[box][0]), p.width = whole(value[box][1]);
  if (value.contains("fixed_height"))
    p.height = whole(value["fixed_height"]), p.width = whole(value["max_width"]);
  if (value.contains("align")) p.align = value["align"] == "center" ? Align::kCenter : Align::kTopLeft;
  if (!value.contains("pad")) return;
  const Json& pad = value["pad"];
  // A list shorter than the array fills it up with its last number; parsing compares its length with the
  // colour.
  for (size_t i = 0; i < p.pad.size(); ++i)
    p.pad[i] = pad.is_array() ? pad[std::min(i, pad.size() - 1)].get<float>() : pad.get<float>();
}

Json get_resize(const Preprocess& p) {
  if (p.resize == ResizeKind::kUnset) return nullptr;
  if (p.resize == ResizeKind::kNone) return "none";
  if (p.resize == ResizeKind::kShortSide) return {{"short_side", p.short_side}};
  const Json size{p.height, p.width};
  if (p.resize == ResizeKind::kStretch) return {{"stretch", size}};
  if (p.resize == ResizeKind::kFixedHeight) return {{"fixed_height", p.height}, {"max_width", p.width}};
  const auto used = p.pad.begin() + images::channels_of(p.color);
  Json pad = short_decimal(p.pad[0]);
  if (std::any_of(p.pad.begin(), used, [&](float v) { return v != p.pad[0]; })) {
    pad = Json::array();
    std::for_each(p.pad.begin(), used, [&](float v) { pad.push_back(short_decimal(v)); });
  }
  return {{"letterbox", size}, {"align", p.align == Align::kCenter ? "center" : "top_left"}, {"pad", pad}};
}

std::string allowed_resize() {
  std::vector<std::string> words{"\"none\""};
  for (const Form& form : kForms) words.emplace_back(form.example);
  return join(words, ", ");
}

Json schema_resize() {
  Json forms{{{"const", "none"}}};
  for (const Form& form : kForms) {
    Json object{{"type", "object"}, {"additionalProperties", false}, {"required", {form.main}}};
    if (*form.needs) object["required"].push_back(form.needs);
    for (const Key& key : parts())
      if (belongs(form, key.pointer)) object["properties"][key.pointer] = schema(key);
    forms.push_back(std::move(object));
  }
  return {{"anyOf", forms}};
}

}  // namespace qc::config
