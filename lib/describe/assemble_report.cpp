// See assemble_report.h.
#include "describe/assemble_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <set>

#include "base/text.h"
#include "config/effects.h"
#include "ir/ops.h"
#include "run/ort_runner.h"
#include "version.h"

namespace qc {
namespace {

const char* compute_name(plan::Compute compute) {
  switch (compute) {
    case plan::Compute::kInteger:
      return "integer";
    case plan::Compute::kFloatIntegerWeights:
      return "float, integer weights";
    default:
      return "float";
  }
}

std::string show(const quant::QuantParams& p) {
  return format("{}{} scale {:.6g} zero_point {}", p.is_signed ? "int" : "uint", p.bits, p.scales.at(0),
                p.zero_points.at(0));
}

std::map<std::string, size_t> rows_by_node(const report::Report& report) {
  std::map<std::string, size_t> rows;
  for (size_t i = 0; i < report.nodes.size(); ++i) rows[report.nodes[i].node] = i;
  return rows;
}

// Bits of the node's weight as an integer; 0 where it has none.
int weight_bits(const plan::QuantizedModel& model, const ir::Node& node) {
  const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
  if (!traits) return 0;
  const auto weight = model.weights.find(node.inputs[traits->weight_slot]);
  return weight == model.weights.end() ? 0 : weight->second.params.stored_bits();
}

int64_t weight_bytes(const plan::QuantizedModel& model, const ir::Node& node, bool quantized) {
  int64_t bytes = 0;
  for (const ir::ValueId v : node.inputs) {
    if (v == ir::kNone || !ir::value_at(model.graph, v).constant) continue;
    const ir::Tensor& constant = *ir::value_at(model.graph, v).constant;
    const bool half = ir::is_half(constant.dtype);
    if (constant.dtype != ir::DType::kFloat && !half) continue;
    const auto weight = model.weights.find(v);
    const int bits = weight != model.weights.end()      ? weight->second.params.stored_bits()
                     : half || model.narrow.contains(v) ? 16
                                                        : 32;
    bytes += (constant.size() * (quantized ? bits : 32) + 7) / 8;
  }
  return bytes;
}

// What the node's region would change on integers, and how to have it.
std::string explanation(const report::FloatRegion& region) {
  std::vector<std::string> changes;
  if (region.time != 0)
    changes.push_back(format("{}{} of float's time for the whole model", region.time > 0 ? "+" : "",
                             human_ratio(region.time, 3)));
  changes.push_back(region.sqnr_db ? format("worst output {:.1f} dB", *region.sqnr_db)
                                   : "its error was not measured, without images to judge by");
  return format(
      "  else:    on integers, with the {} around it: {}\n  to have it so, /placement/rules takes {}\n",
      region.nodes.size() == 1 ? "conversions" : format("{} nodes of its region", region.nodes.size()),
      join(changes, ", "), region.rule);
}

std::string explanation(const report::NodeRow& row) {
  std::string text = format("{} ({})\n  runs:    {}{}\n  why:     {}{}\n", row.node, row.op_type, row.compute,
                            row.verdict.empty() ? "" : ", seen as " + row.verdict, row.reason,
                            row.detail.empty() ? "" : ": " + row.detail);
  if (!row.output_params.empty()) text += "  output:  " + row.output_params + "\n";
  if (!std::isnan(row.sqnr_db)) text += format("  error:   {:.1f} dB at its output\n", row.sqnr_db);
  if (row.float_bytes > 0)
    text += format("  weights: {} -> {}{}\n", human_bytes(static_cast<double>(row.float_bytes)),
                   human_bytes(static_cast<double>(row.bytes)),
                   row.weight_bits > 0 ? format(", {} bits each", row.weight_bits) : "");
  return text;
}

[[noreturn]] void throw_unknown(const report::Report& report, const std::string& glob) {
  const std::string near = nearest(glob, report.file_nodes);
  throw Error(Exit::kUsage, {"unknown-node", "--explain " + glob, "no node has that name",
                             near.empty() ? "list the nodes with: qconvert inspect MODEL"
                                          : "did you mean '" + near + "'?"});
}

// Whether a node may be made yet that has such a name: those are called as a node or a value is that is
// there, with '/' or '_' and a word behind it.
bool may_come(const ir::Graph& graph, const std::string& glob) {
  const std::string fixed = glob.substr(0, glob.find_first_of("*?"));
  const auto fits = [&](const auto& item) {
    return (fixed.size() < glob.size() && item.name.starts_with(fixed)) ||
           fixed.starts_with(item.name + "/") || fixed.starts_with(item.name + "_");
  };
  return std::ranges::any_of(graph.nodes, fits) || std::ranges::any_of(graph.values, fits);
}

}  // namespace

report::Report begin_report(const ConvertOptions& options, const config::CoreConfig& config,
                            const target::TargetSpec& target, const ir::Graph& graph) {
  report::Report report;
  report.model = options.model.filename().string();
  report.target = target.name;
  report.qconvert_version = qconvert_version();
  report.runtime_version = run::runtime_version();
  report.config_json = config::to_json(config);
  report.config_hash = config::hash(config);
  for (const std::filesystem::path& folder :
       {std::filesystem::absolute(options.model).parent_path(), config.representative_dataset.path})
    report.folders.push_back(folder.string());
  if (!options.config.empty())
    report.folders.push_back(std::filesystem::absolute(options.config).parent_path().string());
  report.float_size = graph.bytes_on_disk;
  for (const ir::Node& node : graph.nodes) report.file_nodes.push_back(node.name);
  if (!graph.initializers_as_inputs.empty())
    report.notes.push_back(
        format("{} initializers were listed as inputs as well; they are constants in the written file",
               graph.initializers_as_inputs.size()));
  for (const config::Idle& idle : config::keys_without_effect(config))
    if (!idle.by_name) report.notes.push_back(format("{} has no effect: {}", idle.pointer, idle.why));
  return report;
}

void describe_idioms(report::Report& report, const std::vector<plan::Idiom>& idioms) {
  std::map<std::string, int> counts;
  for (const plan::Idiom& idiom : idioms) ++counts[plan::name_of(idiom.kind)];
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts) parts.push_back(format("{} {}", count, name));
  if (!parts.empty()) report.notes.push_back("functions recognised: " + join(parts, ", "));
}

void describe_rules(report::Report& report, const ir::Graph& graph, const select::ResolvedRules& rules) {
  for (const select::RuleMatch& match : rules.matches) {
    report::RuleRow row{match.place, match.json, {}};
    for (const ir::NodeId id : match.nodes) row.nodes.push_back(ir::node_at(graph, id).name);
    report.rules.push_back(std::move(row));
  }
}

void describe_plan(report::Report& report, const ir::Graph& graph, const plan::QuantPlan& plan) {
  report.nodes.clear();
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const plan::NodeDecision& decision = plan.nodes[id];
    report::NodeRow row;
    row.node = node.name;
    row.op_type = node.op_type;
    std::copy_if(node.origin.begin(), node.origin.end(), std::back_inserter(row.made_from),
                 [&](const std::string& name) { return name != node.name; });
    row.compute = compute_name(decision.compute);
    row.reason = plan::reason_text(decision.reason);
    row.detail = decision.detail;
    row.sqnr_db = std::nan("");
    for (const ir::ValueId v : node.outputs) {
      if (v == ir::kNone) continue;
      row.outputs.push_back(ir::value_at(graph, v).name);
      if (row.shape.empty()) row.shape = ir::shape_text(ir::value_at(graph, v));
      const plan::ValueDecision& value = plan.values[v];
      if (value.quantized && !value.params.scales.empty() && row.output_params.empty())
        row.output_params = show(value.params);
    }
    report.nodes.push_back(std::move(row));
  }
}

void describe_proof(report::Report& report, const plan::QuantizedModel& model,
                    const std::vector<proof::Verdict>& verdicts,
                    const std::map<ir::ValueId, double>& local_error) {
  const std::map<std::string, size_t> rows = rows_by_node(report);
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    report::NodeRow& row = report.nodes[rows.at(node.name)];
    const proof::Verdict& verdict = verdicts[id];
    row.verdict = verdict.kernel + (verdict.integer ? "" : " (float)");
    // A .tflite has integer kernels for functions that ONNX Runtime computes in one float kernel.
    if (verdict.integer && model.plan.nodes[id].reason == plan::Reason::kOneFloatKernel) {
      row.compute = compute_name(plan::Compute::kInteger);
      row.reason = plan::reason_text(plan::Reason::kTarget);
    }
    row.float_bytes = weight_bytes(model, node, false);
    row.bytes = weight_bytes(model, node, true);
    row.weight_bits = weight_bits(model, node);
    for (const ir::ValueId v : node.outputs)
      if (const auto found = local_error.find(v); found != local_error.end()) row.sqnr_db = found->second;
  }
}

std::vector<report::PartAccuracy> parts_of(const simulate::Judged& judged, const simulate::Power& power) {
  std::vector<report::PartAccuracy> parts;
  for (size_t p = 0; p < power.parts.size(); ++p)
    parts.push_back(
        {simulate::spell(judged.parts[p]), power.parts[p].sqnr_db(), power.parts[p].mean_cosine()});
  return parts;
}

namespace {

// Without a goal the whole counts, and nobody may look at what it hides.
std::string hidden_part(const report::Accuracy& accuracy) {
  constexpr double kGoal = config::PlacementGoals::kSqnrDb;
  if (accuracy.by_parts || !(accuracy.worst_part_db() < kGoal)) return "";
  return format(
      "outputs that join scores with values in other units were judged as a whole, and their worst part is "
      "at "
      "{:.1f} dB: \"placement\": {{\"min_sqnr_db\": {:.0f}}} has every part reach that",
      accuracy.worst_part_db(), kGoal);
}

}  // namespace

void describe_accuracy(report::Report& report, const ir::Graph& graph,
                       const std::vector<simulate::Judged>& judged, const simulate::Fidelity& simulated,
                       const simulate::Fidelity& integer_kernels) {
  report::Accuracy accuracy;
  accuracy.images = integer_kernels.images;
  for (size_t i = 0; i < judged.size(); ++i) {
    const auto figures = [&](const simulate::Power& p) {
      return report::OutputAccuracy{judged[i].output,      p.sqnr_db(),
                                    p.mean_cosine(),       judged[i].mean_free,
                                    judged[i].jump,        ir::value_at(graph, judged[i].value).name,
                                    parts_of(judged[i], p)};
    };
    if (const std::string where = simulate::describe(judged, graph, i); !where.empty())
      report.notes.push_back(where);
    accuracy.simulated.push_back(figures(simulated.outputs[i]));
    accuracy.integer.push_back(figures(integer_kernels.outputs[i]));
    accuracy.by_parts = accuracy.by_parts || judged[i].by_parts;
  }
  const auto may_be_classes = [&](const ir::Value& value) {
    return !value.has_shape || simulate::scores_classes(value.dims);
  };
  if (judged.size() == 1 && integer_kernels.images > 0 &&
      may_be_classes(ir::value_at(graph, judged[0].value)))
    accuracy.agreement =
        static_cast<double>(integer_kernels.agreeing) / static_cast<double>(integer_kernels.images);
  if (const std::string hidden = hidden_part(accuracy); !hidden.empty()) report.notes.push_back(hidden);
  report.accuracy = std::move(accuracy);
}

void describe_file(report::Report& report, const std::filesystem::path& path, const char* form,
                   const plan::Written& written) {
  report::FileBytes file;
  file.name = path.filename().string();
  file.format = form;
  file.size = static_cast<int64_t>(written.bytes.size() + written.external_bytes.size());
  int64_t claimed = 0;
  for (const plan::Piece& piece : written.pieces) {
    file.rows.push_back({piece.node, piece.kind, piece.bytes});
    claimed += piece.bytes;
  }
  file.rows.push_back({"", "[file structure]", file.size - claimed});
  file.value_names = written.value_names;
  if (!file.value_names.empty())
    report.notes.push_back(
        format("{} values inside {} have short names there, which the JSON report has beside "
               "their own; \"/output/onnx/short_names\": false keeps theirs",
               file.value_names.size(), file.name));
  if (!written.external_name.empty())
    report.notes.push_back(format("{} of {} are in {}, which must stay beside it",
                                  human_bytes(static_cast<double>(written.external_bytes.size())), file.name,
                                  written.external_name));
  report::check_sum(file);
  report.files.push_back(std::move(file));
}

void finish_report(report::Report& report, const std::vector<normalize::Applied>& applied,
                   const quantize::Guards& guards, const config::CoreConfig& config,
                   const calibrate::Split& split, const Diagnostics& diagnostics,
                   const std::vector<report::Timing>& timings) {
  for (const normalize::Applied& one : applied)
    if (one.count > 0) report.rewrites.push_back({one.rewrite, one.count, one.undone});
  report.saturation.bounded_channels = guards.pairs_bounded;
  report.saturation.guarded = config.saturation_guard.value_or(false);
  if (config::writes(config, "onnx")) {  // kernels of a .tflite add in 32 bits
    report.saturation.nodes = guards.risky_nodes;
    report.saturation.channels = guards.risky_channels;
    report.saturation.likely_nodes = guards.likely_nodes;
    report.saturation.likely_channels = guards.likely_channels;
  }
  if (guards.biases_raised > 0)
    report.notes.push_back(
        format("{} channels got a larger weight scale so that their int32 bias fits", guards.biases_raised));
  report.calibration_images = static_cast<int64_t>(split.calibration.size());
  if (report.preprocessing.empty())  // what was read may have had no need of it (describe_calibration)
    report.preprocessing = images::describe(config.representative_dataset.preprocess);
  report.warnings = diagnostics.warnings;
  report.timings = timings;
}

std::vector<ReportFile> report_files(const report::Report& report, const OutputPaths& outputs) {
  std::vector<ReportFile> files{{outputs.report, report::to_json(report)}};
  if (!outputs.markdown.empty()) files.push_back({outputs.markdown, report::to_markdown(report)});
  if (!outputs.html.empty()) files.push_back({outputs.html, report::to_html(report)});
  return files;
}

bool gates_hold(const config::Gates& gates, report::Report& report) {
  const auto add = [&](const char* name, double bound, double figure, bool held) {
    report.gates.push_back({name, bound, figure, held});
  };
  if (gates.max_file_size) {
    int64_t size = 0;
    for (const report::FileBytes& file : report.files) size = std::max(size, file.size);
    add("max_file_size", static_cast<double>(*gates.max_file_size), static_cast<double>(size),
        size <= *gates.max_file_size);
  }
  if (gates.min_sqnr_db && report.accuracy) {
    const double worst = report.accuracy->worst_sqnr_db();
    add("min_sqnr_db", *gates.min_sqnr_db, worst, worst >= *gates.min_sqnr_db);
  }
  if (gates.min_agreement && report.accuracy) {
    if (!report.accuracy->agreement)
      throw Error(Exit::kUsage, {"not-measured", "/gates/min_agreement",
                                 "the model is no classifier (one output, one score a class)",
                                 "use min_sqnr_db for such a model"});
    const double agreement = *report.accuracy->agreement;
    add("min_agreement", *gates.min_agreement, agreement, agreement >= *gates.min_agreement);
  }
  return std::all_of(report.gates.begin(), report.gates.end(),
                     [](const report::Gate& gate) { return gate.held; });
}

void check_explained(const report::Report& report, const ir::Graph& graph,
                     const std::vector<std::string>& globs) {
  std::vector<std::string> names = report.file_nodes;
  for (const ir::Node& node : graph.nodes) names.push_back(node.name);
  for (const std::string& glob : globs)
    if (std::ranges::none_of(names, [&](const std::string& name) { return glob_match(glob, name); }) &&
        !may_come(graph, glob))
      throw_unknown(report, glob);
}

std::string explain(const report::Report& report, const std::vector<std::string>& globs) {
  std::string text;
  std::set<std::string> standing;  // a node of the file may have become several, one of which has its name
  for (const report::NodeRow& row : report.nodes) standing.insert(row.node);
  for (const std::string& glob : globs) {
    std::set<std::string> explained;
    for (const report::NodeRow& row : report.nodes) {
      std::string parts;
      bool meant = glob_match(glob, row.node);
      for (const std::string& name : row.made_from) {
        if (!glob_match(glob, name)) continue;
        meant = true;
        explained.insert(name);
        if (!standing.contains(name)) parts += format("{}\n  became part of {}\n", name, row.node);
      }
      if (!meant) continue;
      explained.insert(row.node);
      text += parts + explanation(row);
      for (const report::FloatRegion& region : report.float_regions)
        if (std::find(region.nodes.begin(), region.nodes.end(), row.node) != region.nodes.end())
          text += explanation(region);
    }
    for (const std::string& name : report.file_nodes) {
      if (!glob_match(glob, name) || explained.contains(name)) continue;
      explained.insert(name);
      text += format("{}\n  is gone: it did nothing, or only made what is a constant now\n", name);
    }
    if (!explained.empty()) continue;
    throw_unknown(report, glob);
  }
  return text;
}

}  // namespace qc
