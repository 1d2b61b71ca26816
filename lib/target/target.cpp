// See target.h: looking rules up, finding the shipped files, printing.
#include "target/target.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/embedded.h"
#include "base/files.h"
#include "base/text.h"
#include "json/strict_json.h"
#include "target/tflite_rules.h"

namespace qc::target {

std::span<const EmbeddedFile> embedded_files();  // configs/targets/*.json

namespace {

using json::Json;

struct KindWord {
  OpKind kind;
  const char* word;
  const char* heading;
};
constexpr std::array kKinds{
    KindWord{OpKind::kWeighted, "weighted", "Computed in integers, with integer weights"},
    KindWord{OpKind::kCompute, "compute", "Computed in integers"},
    KindWord{OpKind::kMove, "move", "Moves integers; output and input share one scale"},
    KindWord{OpKind::kActivation, "activation", "Disappears into the integer op before it"},
    KindWord{OpKind::kFloat, "float", "Stays in float"}};

std::string scheme_text(const Scheme& s) {
  const bool half_way = !s.symmetric && s.grid() != Grid::kUniform;
  std::string text =
      format("{}int{}, {}", s.is_signed ? "" : "u", s.bits,
             s.symmetric ? "symmetric (no zero point)"
             : half_way ? "zero point at the lowest integer or half way, by whether there are negative values"
                        : "asymmetric (with zero point)");
  text += s.per_channel ? ", a scale for each output channel" : ", one scale a tensor";
  if (s.power_of_two) text += ", scales are powers of two";
  if (s.narrow_range) text += format(", from -{} on", (int64_t{1} << (s.bits - 1)) - 1);
  return text;
}

const char* grid_sentence(Grid grid) {
  return grid == Grid::kPowerOfTwo ? " The output's range is a power of two."
         : grid == Grid::kCentred  ? " The output's range lies around zero."
                                   : " The output may have any range.";
}

// What one op type may do, in one sentence with its conditions.
std::string rule_text(const OpRule& rule) {
  std::string notes;
  for (const auto& [attribute, value] : rule.when) notes += format(" Only with {} = {}.", attribute, value);
  if (rule.same_input_scale) notes += " Inputs and output share one scale.";
  if (!rule.per_channel) notes += " Weights have one scale.";
  if (rule.result) notes += grid_sentence(*rule.result);
  if (rule.signedness != Signedness::kAuto)
    notes += format(" The output is {}.", rule.signedness == Signedness::kSigned ? "signed" : "unsigned");
  for (const int slot : rule.centred_inputs)
    notes += format(" Input {} has zero point 0 where it is an activation.", slot);
  if (rule.input_bits.size() > 1)
    notes += format(" Takes inputs of {} bits.", fmt::join(rule.input_bits, " or "));
  std::vector<int> widths;
  for (const auto& [bits, grid] : rule.result_widths) widths.push_back(bits);
  if (!widths.empty()) notes += format(" A budget chooses {} bits for it.", fmt::join(widths, " or "));
  return rule.sentence + notes;
}

// The rule's text with the op's own name taken out, so that ops with the same rule are found equal.
std::string without_name(const OpRule& rule) {
  std::string text = rule_text(rule);
  const auto letter = [&](size_t at) {
    return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at]));
  };
  for (size_t at = text.find(rule.op_type); at != std::string::npos; at = text.find(rule.op_type, at + 1))
    if ((at == 0 || !letter(at - 1)) && !letter(at + rule.op_type.size()))
      text.replace(at, rule.op_type.size(), "them");
  return text;
}

// `text` broken at blanks, each line indented.
std::string wrapped(const std::string& text, const std::string& indent) {
  constexpr size_t kWidth = 100;
  std::string lines, line;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (!line.empty() && indent.size() + line.size() + 1 + (end - at) > kWidth) {
      lines += indent + line + "\n";
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += text.substr(at, end - at);
    at = end + 1;
  }
  return lines + indent + line + "\n";
}

// Ops of one kind that share a rule stand together.
std::string kind_section(const TargetSpec& target, const KindWord& kind) {
  std::vector<std::pair<std::string, std::vector<std::string>>> entries;
  for (const auto& [op_type, rule] : target.ops) {
    if ((rule.prefer_float ? OpKind::kFloat : rule.kind) != kind.kind) continue;
    const std::string text = without_name(rule);
    auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.first == text; });
    if (entry == entries.end()) entry = entries.insert(entry, {text, {}});
    entry->second.push_back(op_type);
  }
  std::string section = entries.empty() ? "" : format("\n{}\n", kind.heading);
  for (const auto& [text, ops] : entries) {
    section += wrapped(join(ops, ", "), "  ");
    section += wrapped(ops.size() == 1 ? rule_text(target.ops.at(ops[0])) : text, "      ");
  }
  return section;
}

Json scheme_json(const Scheme& s) {
  return {{"bits", s.bits},
          {"signed", s.is_signed},
          {"symmetric", s.symmetric},
          {"power_of_two", s.power_of_two},
          {"per_channel", s.per_channel},
          {"narrow_range", s.narrow_range},
          {"centred", s.centred}};
}

Json rule_json(const OpRule& rule) {
  Json json = {{"kind", kind_text(rule.kind)},
               {"float_output", rule.float_output},
               {"copies_equal", rule.copies_equal},
               {"prefer_float", rule.prefer_float},
               {"float_weights_int8", rule.float_weights_int8},
               {"same_input_scale", rule.same_input_scale},
               {"per_channel", rule.per_channel},
               {"data_inputs", rule.data_inputs},
               {"when", rule.when},
               {"sentence", rule.sentence}};
  if (rule.result) json["result"] = kGridWords[static_cast<size_t>(*rule.result)];
  json["signedness"] = kSignednessWords[static_cast<size_t>(rule.signedness)];
  if (!rule.centred_inputs.empty()) json["centred_inputs"] = rule.centred_inputs;
  if (!rule.input_bits.empty()) json["input_bits"] = rule.input_bits;
  for (const auto& [bits, grid] : rule.result_widths)
    json["result_widths"][std::to_string(bits)] = kGridWords[static_cast<size_t>(grid)];
  return json;
}

Json widths_json(const TargetSpec& target) {
  Json widths = {{"integers", Json::array()}, {"codebooks", Json::array()}};
  for (const auto& [bits, codebook] : target.weight_widths)
    widths[codebook ? "codebooks" : "integers"].push_back(bits);
  return widths;
}

Json fusing_json(const TargetSpec& target) {
  Json patterns = Json::array();
  for (const Fusing& fusing : target.fusing)
    patterns.push_back({{"name", fusing.name}, {"steps", fusing.steps}});
  return patterns;
}

std::string widths_text(const TargetSpec& target) {
  std::vector<std::string> words;
  for (auto width = target.weight_widths.rbegin(); width != target.weight_widths.rend(); ++width)
    words.push_back(format("{}{}", width->first, width->second ? " (codebook)" : ""));
  return join(words, ", ");
}

std::string fusing_section(const TargetSpec& target) {
  std::string text = target.fusing.empty() ? "" : "\nComputed as one: nothing is rounded in between\n";
  for (const Fusing& fusing : target.fusing) {
    std::vector<std::string> steps;
    for (const std::vector<std::string>& ops : fusing.steps) steps.push_back(join(ops, "/"));
    text += wrapped(join(steps, ", then "), "  ");
  }
  return text;
}

}  // namespace

const char* kind_text(OpKind kind) {
  return std::find_if(kKinds.begin(), kKinds.end(), [&](const KindWord& k) { return k.kind == kind; })->word;
}

const OpRule& rule_for(const TargetSpec& target, std::string_view op_type, std::string_view domain) {
  // Nothing is known about the op, so its constants are left alone too.
  static const OpRule kUnknown = [] {
    OpRule rule;
    rule.float_weights_int8 = false;
    rule.sentence = "The target has no rule for this op.";
    return rule;
  }();
  const bool standard = domain.empty() || domain == "ai.onnx";
  auto rule = target.ops.find(standard ? std::string(op_type) : format("{}:{}", domain, op_type));
  if (standard && rule == target.ops.end())  // nothing is said of "Conv:depthwise" by itself
    rule = target.ops.find(std::string(op_type.substr(0, op_type.find(':'))));
  return rule == target.ops.end() ? kUnknown : rule->second;
}

std::vector<size_t> data_slots(const OpRule& rule, size_t inputs) {
  std::vector<size_t> slots;
  if (rule.data_inputs.empty())
    for (size_t slot = 0; slot < inputs; ++slot) slots.push_back(slot);
  for (const int slot : rule.data_inputs) slots.push_back(static_cast<size_t>(slot));
  return slots;
}

TargetSpec with_int16_activations(TargetSpec target) {
  if (target.int16_ops.empty())
    throw Error(Exit::kUnsupported,
                {"target-cannot", "target '" + target.name + "'", "it has no kernels for int16 activations",
                 "write for target litert, tflm or ethos-u, or set /output/tflite/form to \"int8\""});
  target.activations = {16, true, true, false, false, true};
  for (auto& [op_type, rule] : target.ops) {
    const auto& known = target.int16_ops;
    const bool has = std::find(known.begin(), known.end(), op_type) != known.end();
    rule.float_output = false;
    if (has && rule.kind != OpKind::kFloat) {
      rule.prefer_float = false;  // that was about 8 bits
    } else if (rule.kind != OpKind::kFloat) {
      rule.kind = OpKind::kFloat;
      rule.sentence = format("There is no kernel for {} on int16.", op_type);
    }
  }
  for (auto& [op_type, range] : target.known_ranges) range.second = 1;  // 1 - 2^-15, when rounded
  target.costs.clear();  // those of int8, from which these kernels are far
  target.costs_on.clear();
  return target;
}

std::vector<std::string> shipped_names() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_files())
    names.emplace_back(file.name.substr(0, file.name.rfind('.')));
  return names;
}

TargetSpec load(const std::string& name_or_path) {
  const std::string_view shipped = embedded_text(embedded_files(), name_or_path + ".json");
  if (!shipped.empty()) return parse(shipped, "target " + name_or_path, name_or_path);
  const std::filesystem::path path = name_or_path;
  if (path.extension() != ".json") {
    const std::vector<std::string> names = shipped_names();
    const std::string meant = name_or_path.size() <= 100 ? nearest(name_or_path, names) : std::string();
    const std::string list = "there are " + join(names, ", ") + ", or name a .json file of rules";
    throw Error(Exit::kUsage, {"unknown-target", "target '" + name_or_path + "'", "no target has this name",
                               meant.empty() ? list : format("did you mean \"{}\"? ", meant) + list});
  }
  std::string text;
  try {
    text = read_file(path);
  } catch (const Error& error) {
    throw Error(Exit::kUsage, {"cannot-read", "target " + name_or_path, error.problems.at(0).cause,
                               "check the path, or name a shipped target: " + join(shipped_names(), ", ")});
  }
  return parse(text, name_or_path, path.stem().string());
}

std::string describe(const TargetSpec& target) {
  std::string text = target.name + "\n" + wrapped(target.description, "  ") + "\n";
  text += format("  activations  {}\n  weights      {}\n", scheme_text(target.activations),
                 scheme_text(target.weights));
  if (!target.weight_widths.empty()) text += format("  widths       {} bits\n", widths_text(target));
  text += format("  biases       {}\n",
                 target.bias_bits == 0 ? std::string("float") : format("int{}", target.bias_bits));
  text += format("  float        {}\n", target.float_islands ? "ops may stay in float beside integer ones"
                                                             : "no op may stay in float");
  if (!target.pairs_in_16_bits) text += "  sums         in 32 bits, none can overflow\n";
  std::vector<std::string> ranges;
  for (const auto& [op_type, range] : target.known_ranges)
    ranges.push_back(format("{} {} to {}", op_type, range.first, range.second));
  if (!ranges.empty()) text += format("  known ranges {}\n", join(ranges, ", "));
  for (const KindWord& kind : kKinds) text += kind_section(target, kind);
  text += fusing_section(target);
  if (!target.int16_ops.empty())
    text += "\nWith int16 activations (the form int16x8)\n" + wrapped(join(target.int16_ops, ", "), "  ");
  for (const std::string& paragraph : tflite_paragraphs(target))
    text += paragraph.starts_with('\n') ? paragraph : wrapped(paragraph, "  ");
  return text;
}

TargetSpec on_processor(TargetSpec target, const std::string& name) {
  for (const auto& [key, cost] : target.costs_on.at(name)) target.costs[key] = cost;
  target.costs_on.clear();
  return target;
}

std::string to_json(const TargetSpec& target) {
  Json ops = Json::object(), ranges = Json::object();
  const auto cost_json = [](const CostTerms& cost) {
    Json terms = Json::object();
    for (size_t t = 0; t < cost.size(); ++t)
      if (cost[t] > 0) terms[std::string(kCostTermNames[t])] = cost[t];
    return terms;
  };
  const auto table_json = [&](const std::map<std::string, OpCost>& table) {
    Json entries = Json::object();
    for (const auto& [key, cost] : table)
      entries[key] = {{"integer", cost_json(cost.integer)}, {"float", cost_json(cost.floating)}};
    return entries;
  };
  for (const auto& [op_type, rule] : target.ops) ops[op_type] = rule_json(rule);
  for (const auto& [op_type, range] : target.known_ranges) ranges[op_type] = {range.first, range.second};
  Json whole = {{"name", target.name},
                {"description", target.description},
                {"activations", scheme_json(target.activations)},
                {"weights", scheme_json(target.weights)},
                {"bias_bits", target.bias_bits},
                {"float_islands", target.float_islands},
                {"pairs_in_16_bits", target.pairs_in_16_bits},
                {"known_ranges", ranges},
                {"costs", table_json(target.costs)},
                {"ops", ops}};
  for (const auto& [processor, table] : target.costs_on) whole["costs_on"][processor] = table_json(table);
  if (!target.int16_ops.empty()) whole["int16_ops"] = target.int16_ops;
  if (!target.fusing.empty()) whole["fusing"] = fusing_json(target);
  if (!target.weight_widths.empty()) whole["weight_widths"] = widths_json(target);
  if (target.tflite) whole["tflite"] = tflite_json(*target.tflite);
  return json::pretty(whole);
}

}  // namespace qc::target
