// From the papers of a conversion to the report: plan, verdicts, accuracy and bytes as numbers and words,
// joined by node. In a corridor because it reads the papers of every room.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calibrate/calibrate.h"
#include "config/core_config.h"
#include "normalize/normalize.h"
#include "pipeline.h"
#include "plan/idioms.h"
#include "plan/quantized_model.h"
#include "plan/tensor_stats.h"
#include "prepare.h"
#include "proof/verdict.h"
#include "quantize/quantize.h"
#include "report/report.h"
#include "select/rules.h"
#include "simulate/fidelity.h"
#include "target/target.h"

namespace qc {

/// The first call: names, versions, the config, and the sizes of the model as it was read. `graph`: before
/// any rewriting. Afterwards describe_plan() comes before describe_proof() and describe_values(), which add
/// to its rows, the others in any order, and finish_report() last.
report::Report begin_report(const ConvertOptions& options, const config::CoreConfig& config,
                            const target::TargetSpec& target, const ir::Graph& graph);
/// Notes which functions were recognised, however they are spelled, and how often.
void describe_idioms(report::Report& report, const std::vector<plan::Idiom>& idioms);
/// The rules of the config with the names of the nodes that they mean.
void describe_rules(report::Report& report, const ir::Graph& graph, const select::ResolvedRules& rules);
/// One row a node: place, reason, parameters. Replaces the rows that there are.
void describe_plan(report::Report& report, const ir::Graph& graph, const plan::QuantPlan& plan);
/// Accuracy of each part of a judged output, in the order of Judged::parts: dB, and the mean cosine.
std::vector<report::PartAccuracy> parts_of(const simulate::Judged& judged, const simulate::Power& power);
/// What runs, the error at each node, and weight bytes before and after, in the rows of describe_plan() for
/// the same graph. `verdicts`: by NodeId; `local_error`: dB by value of the graph, as many as are known.
void describe_proof(report::Report& report, const plan::QuantizedModel& model,
                    const std::vector<proof::Verdict>& verdicts,
                    const std::map<ir::ValueId, double>& local_error);
/// SQNR in dB and cosine of every judged output, by the simulation and by the integer kernels, and how many
/// images have the same class. Outputs that are judged elsewhere or in parts are noted.
void describe_accuracy(report::Report& report, const ir::Graph& graph,
                       const std::vector<simulate::Judged>& judged, const simulate::Fidelity& simulated,
                       const simulate::Fidelity& integer_kernels);
/// Byte rows that sum to the file: throws Error(kBug) where they do not.
void describe_file(report::Report& report, const std::filesystem::path& path, const char* form,
                   const plan::Written& written);
/// The last call: rewrites, guards, preprocessing, timings, and the warnings of `diagnostics` in place of
/// those that the report has. What adds to report.warnings itself, as judge_goals(), comes after it.
void finish_report(report::Report& report, const std::vector<normalize::Applied>& applied,
                   const quantize::Guards& guards, const config::CoreConfig& config,
                   const calibrate::Split& split, const Diagnostics& diagnostics,
                   const std::vector<report::Timing>& timings);

/// The reports that are files of their own: JSON always, markdown and HTML where asked for.
struct ReportFile {
  std::filesystem::path path;
  std::string text;
};
std::vector<ReportFile> report_files(const report::Report& report, const OutputPaths& outputs);

/// Evaluates the gates into the report, after accuracy and files were described; false if one does not hold.
/// Throws Error(kUsage) for min_agreement where the model is no classifier.
bool gates_hold(const config::Gates& gates, report::Report& report);
/// Throws Error(kUsage), as explain() does, where no node of the file or of the graph as it is now matches,
/// nor any that may yet be made: for a look at the names before the work.
void check_explained(const report::Report& report, const ir::Graph& graph,
                     const std::vector<std::string>& globs);
/// The text of --explain: everything known about the nodes whose names match. Throws Error(kUsage) for a glob
/// that matches no node (the nearest name offered).
std::string explain(const report::Report& report, const std::vector<std::string>& globs);

}  // namespace qc
