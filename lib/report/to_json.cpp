// The report for machines. Objects are std::map underneath, so keys come out sorted; arrays keep the report's
// order.
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "base/decibels.h"
#include "base/text.h"
#include "report/document.h"
#include "report/json_values.h"
#include "report/report.h"
#include "report/table.h"

namespace qc::report {

using nlohmann::json;

json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(format("{:.6g}", value).c_str(), nullptr);
}

json parts_value(const std::vector<PartAccuracy>& parts) {
  json values = json::array();
  for (const PartAccuracy& part : parts)
    values.push_back(
        {{"part", part.part}, {"sqnr_db", number(part.sqnr_db)}, {"cosine", number(part.cosine)}});
  return values;
}

std::string print(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

namespace {

constexpr int kSchemaVersion = 1;

// Is this the end of a path, so that "/data/cal" is not found in "/data/calib"?
bool ends_path(const std::string& text, size_t at) {
  return at >= text.size() || std::string_view(" :;,'\")").find(text[at]) != std::string_view::npos;
}

// "/data/models/" in a text is this machine's business: the same conversion elsewhere must give the same
// bytes.
std::string without_folders(std::string text, const std::vector<std::string>& folders) {
  for (std::string folder : folders) {
    while (folder.ends_with('/')) folder.pop_back();
    if (folder.size() < 2) continue;  // "/" and "." would eat node names
    const std::string name = file_name(folder);
    for (size_t at = text.find(folder); at != std::string::npos; at = text.find(folder, at)) {
      const size_t end = at + folder.size();
      if (end < text.size() && text[end] == '/') {
        text.erase(at, folder.size() + 1);
      } else if (ends_path(text, end)) {
        text.replace(at, folder.size(), name);
        at += name.size();
      } else {
        at = end;
      }
    }
  }
  return text;
}

json config_value(const Report& report) {
  json config = json::parse(report.config_json, nullptr, false);
  if (config.is_discarded()) return nullptr;
  // The keys that hold paths.
  const auto shorten_path = [](json& value) {
    if (value.is_string() && value.get<std::string>().find('/') != std::string::npos)
      value = file_name(value);
  };
  for (const auto& key :
       {"/representative_dataset/path"_json_pointer, "/representative_dataset/other_inputs"_json_pointer,
        "/gates/labels"_json_pointer, "/target_platform_capabilities"_json_pointer})
    if (config.contains(key)) shorten_path(config[key]);
  return config;
}

json file_value(const FileBytes& file, int64_t float_size) {
  json rows = json::array(), kinds = json::object();
  for (const ByteRow& row : file.rows)
    rows.push_back({{"node", row.node}, {"kind", row.kind}, {"bytes", row.bytes}});
  for (const auto& [kind, bytes] : bytes_by_kind(file)) kinds[kind] = bytes;
  const double ratio =
      float_size > 0 ? static_cast<double>(file.size) / static_cast<double>(float_size) : NAN;
  json names = json::object();
  for (const auto& [in_file, own] : file.value_names) names[in_file] = own;
  return {{"file", file_name(file.name)}, {"format", file.format},  {"size", file.size},
          {"ratio", number(ratio)},       {"bytes_by_kind", kinds}, {"rows", rows},
          {"value_names", names}};
}

json outputs_value(const std::vector<OutputAccuracy>& outputs) {
  json values = json::array();
  for (const OutputAccuracy& output : outputs) {
    values.push_back({{"output", output.output},
                      {"sqnr_db", number(output.sqnr_db)},
                      {"exact", output.sqnr_db >= kExactDb},
                      {"cosine", number(output.cosine)},
                      {"before_softmax", output.before_softmax},
                      {"before_op", output.before_op.empty() ? json(nullptr) : json(output.before_op)},
                      {"judged_at", output.judged_at},
                      {"parts", parts_value(output.parts)}});
  }
  return values;
}

json accuracy_value(const std::optional<Accuracy>& accuracy) {
  if (!accuracy) return nullptr;
  return {{"images", accuracy->images},
          {"worst_sqnr_db", number(accuracy->worst_sqnr_db())},
          {"agreement", accuracy->agreement ? number(*accuracy->agreement) : json(nullptr)},
          {"integer", outputs_value(accuracy->integer)},
          {"simulated", outputs_value(accuracy->simulated)}};
}

json output_value(const std::optional<OutputValues>& values) {
  if (!values) return nullptr;
  return {{"type", values->type},
          {"bits", values->bits},
          {"scale", number(values->scale)},
          {"zero_point", values->zero_point},
          {"grid", {number(values->grid_min), number(values->grid_max)}},
          {"seen", {number(values->seen_min), number(values->seen_max)}}};
}

json weights_value(const std::optional<WeightValues>& weights) {
  if (!weights) return nullptr;
  return {{"type", weights->type},
          {"bits", weights->bits},
          {"channels", weights->channels},
          {"scale_min", number(weights->scale_min)},
          {"scale_max", number(weights->scale_max)}};
}

json calibration_value(const CalibrationSet& set) {
  json shown = json::array();
  for (const CalibrationSet::Shown& picture : set.shown) shown.push_back(picture.name);
  return {{"images", set.images},
          {"held_out", set.held_out},
          {"copies", set.copies},
          {"shown", shown},
          {"unit", set.unit}};
}

json stayed_float_value(const Report& report) {
  json values = json::array();
  for (const FloatGroup& group : stayed_float(report)) {
    json op_types = json::object();
    for (const auto& [op_type, count] : group.op_types) op_types[op_type] = count;
    values.push_back({{"reason", group.reason}, {"count", group.count}, {"op_types", op_types}});
  }
  return values;
}

json regions_value(const Report& report) {
  json values = json::array();
  for (const FloatRegion& region : report.float_regions)
    values.push_back({{"nodes", region.nodes},
                      {"time", number(region.time)},
                      {"sqnr_db", region.sqnr_db ? number(*region.sqnr_db) : json(nullptr)},
                      {"rule", json::parse(region.rule, nullptr, false)}});
  return values;
}

json frontier_value(const Report& report) {
  json values = json::array();
  for (const FrontierPoint& point : report.frontier)
    values.push_back({{"name", point.name},
                      {"time", number(point.time)},
                      {"bytes", point.bytes > 0 ? json(point.bytes) : json(nullptr)},
                      {"predicted_db", number(point.predicted_db)},
                      {"sqnr_db", number(point.sqnr_db)},
                      {"chosen", point.chosen}});
  return values;
}

json resources_value(const Report& report) {
  json values = json::array();
  for (const ResourceRow& row : report.resources)
    values.push_back({{"name", row.name},
                      {"taken", number(row.taken)},
                      {"allowed", row.allowed ? number(*row.allowed) : json(nullptr)}});
  return values;
}

json ablation_value(const std::optional<Ablation>& ablation) {
  if (!ablation) return nullptr;
  json rows = json::array();
  for (const AblationRow& row : ablation->rows)
    rows.push_back({{"node", row.node},
                    {"op_type", row.op_type},
                    {"what", row.what},
                    {"bits", row.bits},
                    {"only_db", number(row.only_db)},
                    {"without_db", number(row.without_db)}});
  return {{"images", ablation->images},
          {"all_db", number(ablation->all_db)},
          {"weights_db", number(ablation->weights_db)},
          {"activations_db", number(ablation->activations_db)},
          {"rows", rows}};
}

json hints_value(const Report& report) {
  const auto figure = [](const std::optional<double>& db) { return db ? number(*db) : json(nullptr); };
  json values = json::array();
  for (const Hint& hint : report.hints)
    values.push_back({{"check", hint.check},
                      {"text", without_folders(hint.text, report.folders)},
                      {"lines", json::parse(hint.lines, nullptr, false)},
                      {"before_db", figure(hint.before_db)},
                      {"after_db", figure(hint.after_db)},
                      {"nodes", hint.nodes}});
  return values;
}

json nodes_value(const Report& report) {
  json values = json::array();
  for (const NodeRow& row : report.nodes) {
    values.push_back({{"node", row.node},
                      {"op_type", row.op_type},
                      {"compute", row.compute},
                      {"integer_kernel", on_integer_kernel(row)},
                      {"made_from", row.made_from},
                      {"verdict", row.verdict},
                      {"reason", row.reason},
                      {"detail", without_folders(row.detail, report.folders)},
                      {"outputs", row.outputs},
                      {"output_params", row.output_params},
                      {"shape", row.shape},
                      {"output", output_value(row.values)},
                      {"weights", weights_value(row.weights)},
                      {"sqnr_db", number(row.sqnr_db)},
                      {"float_bytes", row.float_bytes},
                      {"weight_bits", row.weight_bits > 0 ? json(row.weight_bits) : json(nullptr)},
                      {"bytes", row.bytes}});
  }
  return values;
}

json coverage_value(const Coverage& sums) {
  return {{"weighted_nodes", sums.weighted},
          {"weighted_on_integer_kernels", sums.weighted_integer},
          {"nodes", sums.nodes},
          {"on_integer_kernels", sums.integer}};
}

json changes_value(const Report& report) {
  json rewrites = json::array(), corrections = json::array(), gates = json::array();
  for (const Rewrite& rewrite : report.rewrites) {
    rewrites.push_back({{"name", rewrite.name}, {"count", rewrite.count}, {"undone", rewrite.undone}});
  }
  for (const Correction& correction : report.corrections) {
    json layers = json::array();
    for (const Correction::Layer& layer : correction.layers)
      layers.push_back({{"node", layer.node},
                        {"detail", layer.detail},
                        {"gain_db", layer.gain_db ? number(*layer.gain_db) : json(nullptr)}});
    corrections.push_back({{"name", correction.name},
                           {"layers", std::move(layers)},
                           {"kept", correction.kept},
                           {"before_db", number(correction.before_db)},
                           {"after_db", number(correction.after_db)}});
  }
  for (const Gate& gate : report.gates) {
    gates.push_back({{"name", gate.name},
                     {"bound", number(gate.bound)},
                     {"figure", gate.of_this_run ? json(nullptr) : number(gate.figure)},
                     {"held", gate.held}});
  }
  return {{"rewrites", rewrites}, {"corrections", corrections}, {"gates", gates}};
}

json rules_value(const std::vector<RuleRow>& rules) {
  json values = json::array();
  for (const RuleRow& rule : rules)
    values.push_back(
        {{"place", rule.place}, {"rule", json::parse(rule.settings, nullptr, false)}, {"nodes", rule.nodes}});
  return values;
}

json remarks_value(const Report& report) {
  json notes = json::array(), warnings = json::array();
  for (const std::string& note : report.notes) notes.push_back(without_folders(note, report.folders));
  for (const Problem& warning : report.warnings) {
    warnings.push_back({{"code", warning.code},
                        {"place", without_folders(warning.place, report.folders)},
                        {"cause", without_folders(warning.cause, report.folders)},
                        {"remedy", without_folders(warning.remedy, report.folders)}});
  }
  return {{"notes", notes}, {"warnings", warnings}};
}

}  // namespace

json to_document(const Report& report) {
  json predicted_on = json::object();
  for (const auto& [processor, time] : report.predicted_on) predicted_on[processor] = number(time);
  json files = json::array();
  for (const FileBytes& file : report.files) files.push_back(file_value(file, report.float_size));
  json document = {{"schema_version", kSchemaVersion},
                   {"qconvert_version", report.qconvert_version},
                   {"runtime_version", report.runtime_version},
                   {"model", {{"file", file_name(report.model)}, {"size", report.float_size}}},
                   {"target", file_name(report.target)},
                   {"config", config_value(report)},
                   {"config_hash", report.config_hash},
                   {"preprocessing", report.preprocessing},
                   {"calibration_images", report.calibration_images},
                   {"calibration", calibration_value(report.calibration)},
                   {"stayed_float", stayed_float_value(report)},
                   {"resources", resources_value(report)},
                   {"frontier", frontier_value(report)},
                   {"float_regions", regions_value(report)},
                   {"ablation", ablation_value(report.ablation)},
                   {"hints", hints_value(report)},
                   {"predicted_time", report.predicted_time ? number(*report.predicted_time) : json(nullptr)},
                   {"predicted_time_on", predicted_on},
                   {"files", files},
                   {"accuracy", accuracy_value(report.accuracy)},
                   {"coverage", coverage_value(coverage(report))},
                   {"nodes", nodes_value(report)},
                   {"rules", rules_value(report.rules)},
                   {"saturation",
                    {{"nodes", report.saturation.nodes},
                     {"channels", report.saturation.channels},
                     {"likely_nodes", report.saturation.likely_nodes},
                     {"likely_channels", report.saturation.likely_channels},
                     {"bounded_channels", report.saturation.bounded_channels},
                     {"guarded", report.saturation.guarded},
                     {"summary", sentence_of(report.saturation)}}}};
  document.update(changes_value(report));
  document.update(remarks_value(report));
  return document;
}

std::string placement_rule(const std::vector<std::string>& nodes, const std::string& place) {
  return json{{"filter", {{"name", nodes}}}, {"placement", place}}.dump(-1, ' ', false,
                                                                        json::error_handler_t::replace);
}

std::string to_json(const Report& report) {
  return print(to_document(report));
}

}  // namespace qc::report
