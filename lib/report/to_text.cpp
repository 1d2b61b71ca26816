// The report for people: sections from the most asked question (how small, how good) to the details. One
// function a section; a section without content prints nothing. Nothing is computed here but sums and orders
// over the rows.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "report/report.h"
#include "report/table.h"

namespace qc::report {
namespace {

constexpr size_t kNameWidth = 44;
constexpr size_t kOutputs = 6, kWorstLayers = 5, kFloatGroups = 8, kAblations = 12, kExamples = 2,
                 kOpTypes = 4, kWarnings = 6, kLayersOfCorrection = 5;

// How many of `total` entries to print, and the line that says what was left out.
struct Cut {
  size_t shown;
  std::string rest;
};

Cut cut(size_t total, size_t limit, bool verbose, std::string_view noun) {
  if (verbose || total <= limit) return {total, ""};
  const std::string left = counted(static_cast<int64_t>(total - limit), noun);
  return {limit, format("  and {} more (-v shows all, the JSON report has everything)\n", left)};
}

std::string head(const Report& report, bool verbose) {
  std::string text = format("{} -> {}", file_name(report.model), report.target);
  text += format("   (qconvert {}, ONNX Runtime {})\n", report.qconvert_version, report.runtime_version);
  if (report.calibration_images > 0) {
    text += format("calibrated on {}", counted(report.calibration_images, report.calibration.unit));
    text += report.preprocessing.empty() ? "\n" : format(": {}\n", report.preprocessing);
  }
  if (verbose && !report.config_hash.empty()) text += format("config {}\n", report.config_hash);
  return text;
}

std::string sizes(const Report& report) {
  if (report.files.empty()) return "";
  std::vector<Row> rows{{"size", "before", "after", "ratio"}};
  for (const FileBytes& file : report.files) {
    const double ratio =
        static_cast<double>(file.size) / static_cast<double>(std::max<int64_t>(1, report.float_size));
    rows.push_back({"  " + shorten(file.name, kNameWidth),
                    human_bytes(static_cast<double>(report.float_size)),
                    human_bytes(static_cast<double>(file.size)), human_ratio(ratio, 3)});
  }
  return "\n" + columns(rows, "lrrr", 0);
}

std::string bytes(const Report& report) {
  std::vector<std::string> kinds;
  for (const FileBytes& file : report.files) {
    for (const auto& [kind, sum] : bytes_by_kind(file)) {
      if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    }
  }
  if (kinds.empty()) return "";
  std::vector<Row> rows{{"bytes by kind"}};
  rows[0].insert(rows[0].end(), kinds.begin(), kinds.end());
  for (const FileBytes& file : report.files) {
    std::map<std::string, int64_t> sums;
    for (const auto& [kind, sum] : bytes_by_kind(file)) sums[kind] = sum;
    rows.push_back({"  " + shorten(file.name, kNameWidth)});
    for (const std::string& kind : kinds) rows.back().push_back(human_bytes(static_cast<double>(sums[kind])));
  }
  return columns(rows, "l" + std::string(kinds.size(), 'r'), 0);
}

const OutputAccuracy* find(const std::vector<OutputAccuracy>& outputs, const OutputAccuracy& like) {
  const auto same = [&](const OutputAccuracy& output) {
    return output.output == like.output && output.judged_at == like.judged_at;
  };
  const auto found = std::find_if(outputs.begin(), outputs.end(), same);
  return found == outputs.end() ? nullptr : &*found;
}

std::string accuracy(const Report& report, bool verbose) {
  if (!report.accuracy) return "";
  const Accuracy& measured = *report.accuracy;
  const bool ran = !measured.integer.empty();
  std::vector<OutputAccuracy> outputs = ran ? measured.integer : measured.simulated;
  const auto worse = [](const OutputAccuracy& a, const OutputAccuracy& b) { return a.sqnr_db < b.sqnr_db; };
  const Cut shown = cut(outputs.size(), kOutputs, verbose, "output");
  if (!shown.rest.empty()) std::stable_sort(outputs.begin(), outputs.end(), worse);

  std::vector<Row> rows{{"accuracy on " + judged_images(measured.images, report.calibration.held_out > 0,
                                                        report.calibration.unit),
                         "SQNR, integers", "simulated", "cosine"}};
  for (size_t i = 0; i < shown.shown; ++i) {
    const OutputAccuracy& output = outputs[i];
    const OutputAccuracy* simulated = find(measured.simulated, output);
    const std::string place = judged_place(output.before_softmax, output.before_op);
    rows.push_back({"  " + shorten(output.output, kNameWidth) + place, ran ? decibel(output.sqnr_db) : "-",
                    simulated ? decibel(simulated->sqnr_db) : "-", figure(output.cosine, 5)});
    for (size_t p = 0; p < output.parts.size(); ++p) {
      const PartAccuracy& part = output.parts[p];
      const bool known = simulated && p < simulated->parts.size();
      rows.push_back({"    " + part.part, ran ? decibel(part.sqnr_db) : "-",
                      known ? decibel(simulated->parts[p].sqnr_db) : "-", figure(part.cosine, 5)});
    }
  }
  std::string text = "\n" + columns(rows, "lrrr", 0) + shown.rest;
  std::vector<std::string> sums;
  if (outputs.size() > 1 && ran) sums.push_back("worst output " + decibel(measured.worst_sqnr_db()));
  if (measured.agreement) sums.push_back("same top-1 class as float " + human_share(*measured.agreement));
  if (!sums.empty()) text += format("  {}\n", join(sums, "; "));
  return text;
}

std::string speed(const Report& report) {
  if (!report.predicted_time)
    return report.measured_time ? format("time on one thread, float = 1: {} measured here\n",
                                         human_ratio(*report.measured_time))
                                : "";
  std::string text =
      format("time on one thread, float = 1: {} predicted", human_ratio(*report.predicted_time));
  std::vector<std::string> each;
  for (const auto& [processor, time] : report.predicted_on)
    each.push_back(format("{} {}", processor, human_ratio(time)));
  if (!each.empty()) text += format(" ({})", join(each, ", "));
  if (report.measured_time) text += format(", {} measured here", human_ratio(*report.measured_time));
  text += "\n";
  if (report.measured_time.value_or(1) > kSlower && !report.least_gain.empty())
    text += format("  slower than float; {}\n", report.least_gain);
  return text;
}

std::string gates(const Report& report) {
  std::vector<Row> rows{{"gates", "bound", "measured", ""}};
  for (const Gate& gate : report.gates)
    rows.push_back({"  " + gate.name, format("{:g}", gate.bound), format("{:g}", gate.figure),
                    gate.held ? "held" : "NOT HELD"});
  return report.gates.empty() ? "" : "\n" + columns(rows, "lrrl", 0);
}

std::string integer_coverage(const Report& report) {
  if (report.nodes.empty()) return "";
  const Coverage sums = coverage(report);
  return format("\ninteger kernels: {} of {} Conv/Gemm/MatMul with weights, {} of {} nodes\n",
                sums.weighted_integer, sums.weighted, sums.integer, sums.nodes);
}

std::string worst_layers(const Report& report, bool verbose) {
  std::vector<const NodeRow*> measured;
  for (const NodeRow& row : report.nodes) {
    if (std::isfinite(row.sqnr_db)) measured.push_back(&row);
  }
  if (measured.empty()) return "";
  const auto worse = [](const NodeRow* a, const NodeRow* b) { return a->sqnr_db < b->sqnr_db; };
  std::stable_sort(measured.begin(), measured.end(), worse);
  measured.resize(std::min(measured.size(), verbose ? measured.size() : kWorstLayers));
  std::vector<Row> rows;
  for (const NodeRow* row : measured) {
    rows.push_back({decibel(row->sqnr_db), row->op_type, shorten(row->node, kNameWidth), row->output_params});
  }
  return "\nlayers that hurt most (SQNR at their output, simulated)\n" + columns(rows, "rlll");
}

std::string ablation(const Report& report, bool verbose) {
  if (!report.ablation) return "";
  const std::vector<AblationRow>& all = report.ablation->rows;
  const Cut shown = cut(all.size(), kAblations, verbose, "rounding");
  std::vector<Row> rows{{"  alone", "without", "bits", "of", "op", "node"}};
  for (size_t i = 0; i < shown.shown; ++i)
    rows.push_back({"  " + decibel(all[i].only_db), decibel(all[i].without_db), format("{}", all[i].bits),
                    all[i].what, all[i].op_type, shorten(all[i].node, kNameWidth)});
  return format(
             "\nwhat each rounding costs: alone, and all others without it ({}; all together {}, weights "
             "alone {}, "
             "activations alone {})\n",
             counted(report.ablation->images, report.calibration.unit), decibel(report.ablation->all_db),
             decibel(report.ablation->weights_db), decibel(report.ablation->activations_db)) +
         columns(rows, "rrrlll", 0) + shown.rest;
}

std::string hints(const Report& report) {
  std::string text = report.hints.empty() ? "" : "\nhints: what to write into the config\n";
  for (const Hint& hint : report.hints) {
    text += format("  {}{}\n", hint.text,
                   hint.before_db && hint.after_db
                       ? format(" Tried: {} -> {}.", decibel(*hint.before_db), decibel(*hint.after_db))
                       : "");
    if (!hint.lines.empty()) text += format("    {}\n", hint.lines);
  }
  return text;
}

std::string op_types_text(const FloatGroup& group, bool verbose) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < group.op_types.size() && (verbose || i < kOpTypes); ++i) {
    parts.push_back(format("{} {}", group.op_types[i].second, group.op_types[i].first));
  }
  if (parts.size() < group.op_types.size()) parts.push_back("...");
  return join(parts, ", ");
}

std::string stayed_float(const Report& report, bool verbose) {
  const std::vector<FloatGroup> groups = report::stayed_float(report);
  if (groups.empty()) return "";
  int64_t total = 0;
  for (const FloatGroup& group : groups) total += group.count;
  const Cut shown = cut(groups.size(), kFloatGroups, verbose, "reason");
  std::string text = format("stayed float: {}\n", counted(total, "node"));
  for (size_t i = 0; i < shown.shown; ++i) {
    std::vector<std::string> examples;
    for (const std::string& node : groups[i].nodes)
      if (verbose || examples.size() < kExamples) examples.push_back(shorten(node, kNameWidth));
    const bool all_named = groups[i].nodes.size() == examples.size();
    text += format("  {}: {} ({}{})\n", groups[i].reason, op_types_text(groups[i], verbose),
                   join(examples, ", "), all_named ? "" : ", ...");
  }
  return text + shown.rest;
}

// What a correction of the float graph did, layer by layer.
std::string layers_of(const Correction& correction, bool verbose) {
  if (correction.layers.empty()) return "";
  const Cut shown = cut(correction.layers.size(), kLayersOfCorrection, verbose, "layer");
  std::string text = format("{}, {} layers\n", correction.name, correction.layers.size());
  for (size_t i = 0; i < shown.shown; ++i) {
    const Correction::Layer& layer = correction.layers[i];
    text += format("  {}: {}{}\n", shorten(layer.node, kNameWidth), layer.detail,
                   layer.gain_db ? format(" ({:+.1f} dB predicted)", *layer.gain_db) : "");
  }
  return text + shown.rest;
}

std::string changes(const Report& report, bool verbose) {
  if (report.nodes.empty()) return "";
  std::vector<Row> rows;
  for (const Correction& correction : report.corrections) {
    rows.push_back({correction.name, correction.kept ? "kept" : "left out",
                    format("{} -> {}", decibel(correction.before_db), decibel(correction.after_db))});
  }
  std::string text = rows.empty() ? ""
                                  : format("\ncorrections (worst output, {} {}s)\n{}",
                                           report.calibration.held_out > 0 ? "held-out" : "the same",
                                           report.calibration.unit, columns(rows, "lll"));
  for (const Correction& correction : report.corrections)
    if (correction.kept) text += layers_of(correction, verbose);
  std::vector<std::string> done, undone;
  for (const Rewrite& rewrite : report.rewrites) {
    if (rewrite.count > 0)
      (rewrite.undone ? undone : done).push_back(format("{} {}", rewrite.count, rewrite.name));
  }
  if (!done.empty()) text += format("float rewrites: {}\n", join(done, ", "));
  if (!undone.empty()) text += format("undone, because they changed the output: {}\n", join(undone, ", "));
  return text;
}

std::string amount_of(const ResourceRow& row, double amount) {
  return row.name == "bops" ? format("{:.4g}", amount) : human_bytes(amount);
}

std::string resources(const Report& report) {
  if (report.resources.empty()) return "";
  std::vector<Row> rows{{"budget", "allowed", "taken"}};
  for (const ResourceRow& row : report.resources)
    rows.push_back(
        {"  " + row.name, row.allowed ? amount_of(row, *row.allowed) : "-", amount_of(row, row.taken)});
  return "\n" + columns(rows, "lrr", 0);
}

std::string widths_tried(const Report& report) {
  std::vector<Row> rows;
  for (const FrontierPoint& point : report.frontier)
    if (point.bytes > 0)
      rows.push_back({"  " + point.name, format("{} B", point.bytes), decibel(point.predicted_db),
                      decibel(point.sqnr_db), point.chosen ? "chosen" : ""});
  if (rows.empty()) return "";
  rows.insert(rows.begin(), {"widths tried", "constants", "predicted", "measured", ""});
  return "\n" + columns(rows, "lrrrl", 0);
}

std::string saturation(const Report& report) {
  if (report.nodes.empty()) return "";
  return format("saturation on x86 without VNNI: {}\n", sentence_of(report.saturation));
}

std::string remarks(const Report& report, bool verbose) {
  std::string text;
  if (!report.warnings.empty()) {
    const Cut shown = cut(report.warnings.size(), kWarnings, verbose, "warning");
    text += "\nwarnings\n";
    for (size_t i = 0; i < shown.shown; ++i) {
      const Problem& warning = report.warnings[i];
      text += format("  {}: {}\n", warning.place, warning.cause);
      if (!warning.remedy.empty()) text += format("    remedy: {}\n", warning.remedy);
    }
    text += shown.rest;
  }
  if (!report.notes.empty()) text += "\nnotes\n";
  for (const std::string& note : report.notes) text += format("  {}\n", note);
  return text;
}

// Without a written file the plan itself is what was asked for (--dry-run).
std::string plan(const Report& report) {
  if (!report.files.empty() || report.nodes.empty()) return "";
  std::vector<Row> rows{{"plan", "op", "runs in", "why"}};
  for (const NodeRow& row : report.nodes) {
    const std::string why = row.detail.empty() ? row.reason : format("{}: {}", row.reason, row.detail);
    rows.push_back({"  " + shorten(row.node, kNameWidth), row.op_type, row.compute, why});
  }
  return "\n" + columns(rows, "llll", 0);
}

std::string timings(const Report& report) {
  std::vector<Row> rows;
  for (const Timing& timing : report.timings)
    rows.push_back({timing.stage, figure(timing.seconds, 3) + " s"});
  return rows.empty() ? "" : "\ntime\n" + columns(rows, "lr");
}

}  // namespace

std::string to_text(const Report& report, bool verbose) {
  std::string text = head(report, verbose) + sizes(report) + bytes(report) + accuracy(report, verbose) +
                     speed(report) + gates(report);
  text +=
      plan(report) + worst_layers(report, verbose) + integer_coverage(report) + stayed_float(report, verbose);
  text += ablation(report, verbose) + resources(report) + widths_tried(report) + changes(report, verbose) +
          saturation(report) + hints(report) + remarks(report, verbose);
  if (verbose) text += timings(report);
  return text;
}

}  // namespace qc::report
