// A target file becomes a TargetSpec. Each object is read member by member (json::Members), so what is not
// asked for here is an unknown key there.
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "json/strict_json.h"
#include "target/target.h"
#include "target/tflite_rules.h"

namespace qc::target {
namespace {

using json::Json;
using json::Members;

constexpr std::array kKinds{OpKind::kWeighted, OpKind::kCompute, OpKind::kMove, OpKind::kActivation,
                            OpKind::kFloat};
constexpr int kMaxSlot = 64;

struct File {
  const json::Document& document;
  Diagnostics& diagnostics;
};

void read_scheme(const File& file, Members& parent, const char* key, Scheme& scheme) {
  const Json* object = parent.object(key);
  if (!object) return;
  Members members(file.document, *object, parent.pointer(key), file.diagnostics);
  members.read("bits", scheme.bits, 8, 8);  // what the writers can write; more widths come with their writers
  members.read("signed", scheme.is_signed);
  members.read("symmetric", scheme.symmetric);
  members.read("power_of_two", scheme.power_of_two);
  members.read("per_channel", scheme.per_channel);
  members.read("narrow_range", scheme.narrow_range);
  members.finish();
}

void read_kind(Members& members, OpKind& kind) {
  std::string word = kind_text(kind);
  members.read("kind", word);
  std::vector<std::string> words;
  for (const OpKind known : kKinds) {
    if (word == kind_text(known)) kind = known;
    words.emplace_back(kind_text(known));
  }
  if (std::find(words.begin(), words.end(), word) == words.end())
    members.problem(members.pointer("kind"), "bad-value", format("there is no kind {}", json::found(word)),
                    "write one of " + join(words, ", "));
}

void read_slots(Members& members, std::vector<int>& slots) {
  const Json* list = members.list("data_inputs");
  if (!list) return;
  slots.clear();
  for (const Json& slot : *list) {
    const bool good = slot.is_number_integer() && slot >= 0 && slot < kMaxSlot;
    if (good && std::find(slots.begin(), slots.end(), slot.get<int>()) == slots.end())
      slots.push_back(slot.get<int>());
    else
      members.problem(members.pointer("data_inputs"), "bad-value",
                      format("{} is no input slot", json::found(slot)),
                      format("write different whole numbers from 0 to {}", kMaxSlot - 1));
  }
}

void read_conditions(Members& members, std::map<std::string, std::string>& when) {
  const Json* object = members.object("when");
  if (!object) return;
  when.clear();
  for (const auto& [attribute, value] : object->items()) {
    if (value.is_string())
      when[attribute] = value.get<std::string>();
    else
      members.problem(json::child(members.pointer("when"), attribute), "wrong-type",
                      format("expected a string, found {}", json::found(value)),
                      "write the attribute's value as text, such as \"nearest\" or \"1\"");
  }
}

void read_ops(const File& file, Members& root, TargetSpec& target) {
  const Json* object = root.object("ops");
  if (!object) return;
  for (const auto& [op_type, value] : object->items()) {
    if (value.is_null()) {
      target.ops.erase(op_type);
      continue;
    }
    const bool fresh = !target.ops.contains(op_type);
    OpRule rule = fresh ? OpRule{} : target.ops[op_type];
    rule.op_type = op_type;
    Members members(file.document, value, json::child(root.pointer("ops"), op_type), file.diagnostics);
    if (fresh && members.present() && (!value.contains("kind") || !value.contains("sentence")))
      members.problem(json::child(root.pointer("ops"), op_type), "missing-key",
                      "a new rule needs a kind and a sentence",
                      "add \"kind\" and \"sentence\", which says why in words");
    read_kind(members, rule.kind);
    members.read("float_output", rule.float_output);
    members.read("copies_equal", rule.copies_equal);
    members.read("prefer_float", rule.prefer_float);
    members.read("float_weights_int8", rule.float_weights_int8);
    members.read("same_input_scale", rule.same_input_scale);
    members.read("per_channel", rule.per_channel);
    members.read("sentence", rule.sentence);
    read_slots(members, rule.data_inputs);
    read_conditions(members, rule.when);
    members.finish();
    target.ops[op_type] = std::move(rule);
  }
}

// {"node": ns, "mac": ns, ...}; terms that are not named cost nothing.
bool read_cost(const Json& value, WorkTable& cost) {
  if (!value.is_object()) return false;
  for (const auto& [name, ns] : value.items()) {
    const auto term = std::find(kWorkNames.begin(), kWorkNames.end(), name);
    if (term == kWorkNames.end() || !ns.is_number() || ns < 0) return false;
    cost[static_cast<size_t>(term - kWorkNames.begin())] = ns.get<double>();
  }
  return true;
}

void read_costs(Members& root, TargetSpec& target) {
  if (root.is_null("costs")) {  // no table: integers wherever there is a kernel
    target.costs.clear();
    return;
  }
  const Json* object = root.object("costs");
  if (!object) return;
  for (const auto& [key, value] : object->items()) {
    OpCost cost;
    const bool both = value.is_object() && value.size() == 2 && value.contains("integer") &&
                      value.contains("float") && read_cost(value["integer"], cost.integer) &&
                      read_cost(value["float"], cost.floating);
    if (both)
      target.costs[key] = cost;
    else
      root.problem(json::child(root.pointer("costs"), key), "bad-value",
                   format("{} is no cost", json::found(value)),
                   format("write {{\"integer\": {{...}}, \"float\": {{...}}}} with nanoseconds, none "
                          "negative, for any of {}",
                          join(std::vector<std::string>(kWorkNames.begin(), kWorkNames.end()), ", ")));
  }
}

void read_ranges(Members& root, TargetSpec& target) {
  const Json* object = root.object("known_ranges");
  if (!object) return;
  for (const auto& [op_type, value] : object->items()) {
    if (value.is_null()) {
      target.known_ranges.erase(op_type);
      continue;
    }
    const bool numbers =
        value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_number();
    if (numbers && value[0].get<double>() < value[1].get<double>() && std::isfinite(value[0].get<float>()) &&
        std::isfinite(value[1].get<float>()))
      target.known_ranges[op_type] = {value[0].get<double>(), value[1].get<double>()};
    else
      root.problem(json::child(root.pointer("known_ranges"), op_type), "bad-value",
                   format("{} is no range", json::found(value)), "write [lowest, highest], such as [0, 1]");
  }
}

void read_int16_ops(Members& root, TargetSpec& target) {
  const Json* list = root.list("int16_ops");
  if (!list) return;
  target.int16_ops.clear();
  for (const Json& op : *list) {
    if (op.is_string())
      target.int16_ops.push_back(op.get<std::string>());
    else
      root.problem(root.pointer("int16_ops"), "wrong-type",
                   format("expected a string, found {}", json::found(op)), "write the name of an ONNX op");
  }
}

// The shipped target that the file builds on, or an empty one.
TargetSpec base_of(Members& root, const std::string& label) {
  std::string base;
  root.read("based_on", base);
  const std::vector<std::string> names = shipped_names();
  if (base.empty()) return {};
  if (std::find(names.begin(), names.end(), base) != names.end() && label != "target " + base)
    return load(base);
  const std::string meant = base.size() <= 100 ? nearest(base, names) : std::string();
  root.problem(root.pointer("based_on"), "unknown-target",
               format("no shipped target is called {}", json::found(base)),
               (meant.empty() ? std::string() : format("did you mean \"{}\"? ", meant)) + "There are " +
                   join(names, ", "));
  return {};
}

void check_together(Members& root, const TargetSpec& target) {
  if (!target.weights.symmetric)
    root.problem(root.pointer("weights"), "bad-value",
                 "weights with zero points have no integer kernel with int32 biases",
                 "set \"symmetric\": true");
  if (!target.weights.is_signed)
    root.problem(root.pointer("weights"), "bad-value", "symmetric weights without a sign cannot be negative",
                 "set \"signed\": true");
  if (target.activations.per_channel)
    root.problem(root.pointer("activations"), "bad-value",
                 "no integer kernel takes a scale for each channel of an activation",
                 "set \"per_channel\": false");
  if (target.activations.narrow_range && !target.activations.is_signed)
    root.problem(root.pointer("activations"), "bad-value", "narrow_range is about signed integers",
                 "set \"narrow_range\": false, or \"signed\": true");
}

}  // namespace

TargetSpec parse(std::string_view json_text, const std::string& label, const std::string& fallback_name) {
  Diagnostics diagnostics;
  const json::Document document = json::parse(json_text, label, diagnostics);
  const bool readable = std::none_of(diagnostics.errors.begin(), diagnostics.errors.end(),
                                     [](const Problem& p) { return p.code == "json-syntax"; });
  if (!readable) diagnostics.throw_if_errors(Exit::kUsage);
  const File file{document, diagnostics};
  Members root(document, document.root, "", diagnostics);
  TargetSpec target = base_of(root, label);
  target.name = fallback_name;
  root.ignore("$schema");
  root.read("name", target.name);
  root.read("description", target.description);
  read_scheme(file, root, "activations", target.activations);
  read_scheme(file, root, "weights", target.weights);
  root.read("bias_bits", target.bias_bits, 32, 32);
  root.read("float_islands", target.float_islands);
  read_ops(file, root, target);
  read_costs(root, target);
  read_ranges(root, target);
  read_int16_ops(root, target);
  read_tflite(document, diagnostics, root, target);
  root.finish();
  if (root.present()) check_together(root, target);
  if (root.present() && target.ops.empty() && diagnostics.errors.empty())
    root.problem(root.pointer("ops"), "missing-key", "the target has no rule for any op",
                 "add \"based_on\": \"int8\", or rules under \"ops\"");
  diagnostics.throw_if_errors(Exit::kUsage);
  return target;
}

}  // namespace qc::target
