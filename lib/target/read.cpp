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
#include "target/tpc.h"

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
  members.read("centred", scheme.centred);
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

// A word of `words` that stands for the value of its place; "" where the member says nothing.
template <typename Value, size_t kCount>
void read_word(Members& members, const char* key, const std::array<const char*, kCount>& words,
               Value& value) {
  std::string word;
  members.read(key, word);
  for (size_t i = 0; i < kCount; ++i)
    if (word == words[i]) value = static_cast<typename Value::value_type>(i);
  if (word.empty() || std::find(words.begin(), words.end(), word) != words.end()) return;
  members.problem(members.pointer(key), "bad-value", format("{} is not possible here", json::found(word)),
                  format("write one of {}", fmt::join(words, ", ")));
}

// Different whole numbers.
void read_widths(Members& members, const char* key, int low, int high, std::vector<int>& widths) {
  const Json* list = members.list(key);
  if (!list) return;
  widths.clear();
  for (const Json& width : *list) {
    const bool good = width.is_number_integer() && width >= low && width <= high;
    if (good && std::find(widths.begin(), widths.end(), width.get<int>()) == widths.end())
      widths.push_back(width.get<int>());
    else
      members.problem(members.pointer(key), "bad-value", format("{} is no width", json::found(width)),
                      format("write different whole numbers from {} to {}", low, high));
  }
}

// {"4": "power_of_two", "8": "power_of_two"}
void read_result_widths(Members& members, std::map<int, Grid>& widths) {
  const char* key = "result_widths";
  const Json* object = members.object(key);
  if (!object) return;
  widths.clear();
  for (const auto& [text, word] : object->items()) {
    const std::string pointer = json::child(members.pointer(key), text);
    const bool number =
        !text.empty() && text.size() <= 2 && text.find_first_not_of("0123456789") == text.npos;
    const int bits = number ? std::stoi(text) : 0;
    if (bits < kLeastResultBits || (bits > 8 && bits != kMostResultBits))
      members.problem(pointer, "bad-value", format("'{}' is no width", text),
                      "write a whole number from 2 to 8, or 16");
    const std::string said = word.is_string() ? word.get<std::string>() : std::string();
    const auto grid = std::find(kGridWords.begin(), kGridWords.end(), said);
    if (grid == kGridWords.end())
      members.problem(pointer, "bad-value", format("{} is not possible here", json::found(word)),
                      format("write one of {}", fmt::join(kGridWords, ", ")));
    else
      widths[bits] = static_cast<Grid>(grid - kGridWords.begin());
  }
}

void read_slots(Members& members, const char* key, std::vector<int>& slots) {
  const Json* list = members.list(key);
  if (!list) return;
  slots.clear();
  for (const Json& slot : *list) {
    const bool good = slot.is_number_integer() && slot >= 0 && slot < kMaxSlot;
    if (good && std::find(slots.begin(), slots.end(), slot.get<int>()) == slots.end())
      slots.push_back(slot.get<int>());
    else
      members.problem(members.pointer(key), "bad-value", format("{} is no input slot", json::found(slot)),
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
    read_word(members, "result", kGridWords, rule.result);
    std::optional<Signedness> signedness;
    read_word(members, "signedness", kSignednessWords, signedness);
    rule.signedness = signedness.value_or(rule.signedness);
    read_widths(members, "input_bits", 1, 32, rule.input_bits);
    read_result_widths(members, rule.result_widths);
    read_slots(members, "data_inputs", rule.data_inputs);
    read_slots(members, "centred_inputs", rule.centred_inputs);
    read_conditions(members, rule.when);
    members.finish();
    target.ops[op_type] = std::move(rule);
  }
}

// {"node": ns, "mac": ns, ...}; terms that are not named cost nothing.
bool read_cost(const Json& value, CostTerms& cost) {
  if (!value.is_object()) return false;
  for (const auto& [name, ns] : value.items()) {
    const auto term = std::find(kCostTermNames.begin(), kCostTermNames.end(), name);
    if (term == kCostTermNames.end() || !ns.is_number() || ns < 0) return false;
    cost[term - kCostTermNames.begin()] = ns.get<double>();
  }
  return true;
}

void read_cost_entries(Members& root, const std::string& pointer, const Json& object,
                       std::map<std::string, OpCost>& costs) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) {  // the base's entry is none of this target
      costs.erase(key);
      continue;
    }
    OpCost cost;
    const bool both = value.is_object() && value.size() == 2 && value.contains("integer") &&
                      value.contains("float") && read_cost(value["integer"], cost.integer) &&
                      read_cost(value["float"], cost.floating);
    if (both)
      costs[key] = cost;
    else
      root.problem(
          json::child(pointer, key), "bad-value", format("{} is no cost", json::found(value)),
          format("write {{\"integer\": {{...}}, \"float\": {{...}}}} with nanoseconds, none "
                 "negative, for any of {}",
                 join(std::vector<std::string>(kCostTermNames.begin(), kCostTermNames.end()), ", ")));
  }
}

// "costs", and what is different on one kind of processor: "costs_on": {"x86": {...}}.
void read_costs(Members& root, TargetSpec& target) {
  if (root.is_null("costs")) {  // no table: integers wherever there is a kernel
    target.costs.clear();
    target.costs_on.clear();
  } else if (const Json* object = root.object("costs")) {
    for (auto& [processor, own] : target.costs_on)  // the base's; the file's own word counts everywhere
      for (const auto& [key, value] : object->items()) own.erase(key);
    read_cost_entries(root, root.pointer("costs"), *object, target.costs);
  }
  if (root.is_null("costs_on")) return target.costs_on.clear();
  const Json* processors = root.object("costs_on");
  if (!processors) return;
  for (const auto& [processor, entries] : processors->items()) {
    const std::string pointer = json::child(root.pointer("costs_on"), processor);
    if (entries.is_object())
      read_cost_entries(root, pointer, entries, target.costs_on[processor]);
    else
      root.problem(pointer, "wrong-type", format("{} is no table of costs", json::found(entries)),
                   "write it as \"costs\" is written; {} where nothing differs from that");
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

void read_fusing(const File& file, Members& root, TargetSpec& target) {
  if (root.is_null("fusing")) return target.fusing.clear();
  const Json* list = root.list("fusing");
  if (!list) return;
  target.fusing.clear();
  for (size_t i = 0; i < list->size(); ++i) {
    Fusing fusing;
    Members members(file.document, (*list)[i], json::child(root.pointer("fusing"), std::to_string(i)),
                    file.diagnostics);
    if (!members.present()) continue;
    members.read("name", fusing.name);
    const Json* steps = members.list("steps");
    bool good = steps && steps->size() >= 2;
    for (size_t s = 0; good && s < steps->size(); ++s) {
      const Json& ops = (*steps)[s];
      good = ops.is_array() && !ops.empty() &&
             std::all_of(ops.begin(), ops.end(), [](const Json& op) { return op.is_string(); });
      if (good) fusing.steps.push_back(ops.get<std::vector<std::string>>());
    }
    if (!good)
      members.problem(members.pointer("steps"), "bad-value", "a pattern needs two steps or more",
                      "write lists of op types: [[\"Conv\"], [\"Relu\", \"Clip\"]]");
    members.finish();
    target.fusing.push_back(std::move(fusing));
  }
}

// {"integers": [8, 4], "codebooks": [4, 2]}
void read_weight_widths(const File& file, Members& root, TargetSpec& target) {
  constexpr int kLeast = 2, kMost = 16, kMostOfCodebook = 7;
  if (root.is_null("weight_widths")) return target.weight_widths.clear();
  const Json* object = root.object("weight_widths");
  if (!object) return;
  target.weight_widths.clear();
  Members members(file.document, *object, root.pointer("weight_widths"), file.diagnostics);
  std::vector<int> integers, codebooks;
  read_widths(members, "integers", kLeast, kMost, integers);
  read_widths(members, "codebooks", kLeast, kMostOfCodebook, codebooks);
  members.finish();
  for (const int bits : codebooks) target.weight_widths[bits] = true;
  for (const int bits : integers) target.weight_widths[bits] = false;
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
  if (target.bias_bits != 0 && target.bias_bits != 32)
    root.problem(root.pointer("bias_bits"), "bad-value", "biases have 32 bits, or stay in float",
                 "write 32, or 0 for float");
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
  if (is_tpc(document.root)) {
    TargetSpec target = read_tpc(document, fallback_name, diagnostics);
    diagnostics.throw_if_errors(Exit::kUsage);
    return target;
  }
  const File file{document, diagnostics};
  Members root(document, document.root, "", diagnostics);
  TargetSpec target = base_of(root, label);
  target.name = fallback_name;
  root.ignore("$schema");
  root.read("name", target.name);
  root.read("description", target.description);
  read_scheme(file, root, "activations", target.activations);
  read_scheme(file, root, "weights", target.weights);
  root.read("bias_bits", target.bias_bits, 0, 32);
  root.read("float_islands", target.float_islands);
  root.read("pairs_in_16_bits", target.pairs_in_16_bits);
  read_ops(file, root, target);
  read_costs(root, target);
  read_ranges(root, target);
  read_int16_ops(root, target);
  read_fusing(file, root, target);
  read_weight_widths(file, root, target);
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
