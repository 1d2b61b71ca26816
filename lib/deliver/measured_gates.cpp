// See measured_gates.h.
#include "deliver/measured_gates.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "compare.h"
#include "compare/labels.h"
#include "images/listing.h"
#include "modes/modes.h"

namespace qc {
namespace {

constexpr int64_t kTimedRounds = 40;

bool times(const config::CoreConfig& config) {
  return config.gates.min_speedup || config.goals.max_latency_ratio;
}

report::Comparison compared(const ConvertOptions& options, const config::CoreConfig& config,
                            const plan::Written& onnx, const plan::Written& tflite) {
  const TemporaryFolder folder;
  CompareOptions compare_options;
  compare_options.models = {options.model};
  const auto put = [&](const std::string& name, const std::string& bytes) {
    write_file_atomically(folder.path() / name, bytes);
    return folder.path() / name;
  };
  if (!onnx.external_name.empty()) put(onnx.external_name, onnx.external_bytes);
  if (config::writes(config, "onnx")) compare_options.models.push_back(put("written.onnx", onnx.bytes));
  if (config::writes(config, "tflite")) compare_options.models.push_back(put("written.tflite", tflite.bytes));
  compare_options.config = options.config;
  compare_options.overrides = options.overrides;
  compare_options.threads = options.threads;
  compare_options.latency_rounds = times(config) ? kTimedRounds : 0;
  compare_options.labels = config.gates.labels;
  if (!config.gates.max_top1_drop) compare_options.max_images = 1;  // for speed, one image will do
  return compare(compare_options).comparison;
}

}  // namespace

void check_gates(const config::CoreConfig& config) {
  const config::Gates& gates = config.gates;
  Diagnostics diagnostics;
  if (gates.max_top1_drop && gates.labels.empty())
    diagnostics.error({"not-measured", "/gates/max_top1_drop", "top-1 needs the classes of the images",
                       "name a CSV with the columns file and class_index in /gates/labels"});
  if (!gates.labels.empty() && !gates.max_top1_drop)
    diagnostics.error({"no-use", "/gates/labels", "labels are read for max_top1_drop, and that is not set",
                       "set /gates/max_top1_drop, or leave the labels out"});
  for (const auto& [asked, place] :
       {std::pair(gates.min_speedup, "/gates/min_speedup"),
        std::pair(config.goals.max_latency_ratio, "/placement/max_latency_ratio")})
    if (asked && !config::writes(config, "onnx"))
      diagnostics.error({"not-measured", place, "only ONNX files are timed",
                         "add \"onnx\" to /output/formats, or leave it out"});
  if (config.output.onnx_form == config::OnnxForm::kMctq)
    for (const auto& [name, set] :
         {std::pair{"/gates/min_speedup", gates.min_speedup.has_value()},
          {"/gates/max_top1_drop", gates.max_top1_drop.has_value()},
          {"/placement/max_latency_ratio", config.goals.max_latency_ratio.has_value()}})
      if (set)
        diagnostics.error({"not-measured", name, "ONNX Runtime does not load a file of the form mctq",
                           "measure it with /output/onnx/form \"fake_quant\", which computes the same"});
  if (!wants_images(config)) {
    for (const auto& [name, set] : {std::pair{"/gates/min_sqnr_db", gates.min_sqnr_db.has_value()},
                                    {"/gates/min_agreement", gates.min_agreement.has_value()},
                                    {"/gates/max_top1_drop", gates.max_top1_drop.has_value()},
                                    {"/placement/min_sqnr_db", config.goals.min_sqnr_db.has_value()}})
      if (set)
        diagnostics.error(
            {"not-measured", name,
             config.representative_dataset.path.empty()
                 ? "activations stay float, and no images are named to measure it on"
                 : "a .tflite of this form alone is made without images, and is not measured",
             "judge it with: qconvert compare MODEL.onnx WRITTEN_FILE --images DIR --gate ..."});
  }
  diagnostics.throw_if_errors(Exit::kUsage);
  if (!gates.labels.empty()) parse_labels(read_file(gates.labels), gates.labels);
}

void check_labels(const config::CoreConfig& config, const ir::Graph& graph, std::vector<std::string>& notes) {
  if (config.gates.labels.empty()) return;
  Diagnostics ignored;
  const images::Listing listing = images::list_folder(
      config.representative_dataset.path, std::numeric_limits<int64_t>::max(),
      static_cast<int64_t>(graph.inputs.size()), config.representative_dataset.other_inputs, ignored);
  std::vector<std::string> names;
  for (const images::Item& item : listing.items) names.push_back(item.name);
  labels_of(names, config.gates.labels, 0, true, notes);
}

bool measured_gates_hold(const ConvertOptions& options, const config::CoreConfig& config,
                         const plan::Written& onnx, const plan::Written& tflite, report::Report& report) {
  const config::Gates& gates = config.gates;
  if (!gates.max_top1_drop && !times(config)) return true;
  const report::Comparison found = compared(options, config, onnx, tflite);
  bool hold = true;
  if (gates.max_top1_drop) {
    const report::LabelledAccuracy* worst = nullptr;
    for (const report::ComparedModel& model : found.models)
      if (model.labelled && (!worst || model.labelled->top1 < worst->top1)) worst = &*model.labelled;
    if (!worst)
      throw Error(Exit::kUsage, {"not-measured", "/gates/max_top1_drop",
                                 "the model is no classifier (one output, one score a class)",
                                 "use min_sqnr_db for such a model"});
    const double drop = 100 * (worst->top1_a - worst->top1);
    report.gates.push_back({"max_top1_drop", *gates.max_top1_drop, drop, drop <= *gates.max_top1_drop});
    report.notes.push_back(format("top-1 on {} labelled images of the folder: float {}, written {}",
                                  worst->images, human_share(worst->top1_a, 2), human_share(worst->top1, 2)));
    if (std::string doubt = report::doubt_of(*worst); !doubt.empty())
      report.warnings.push_back(
          {"labels-in-doubt", "/gates/labels", std::move(doubt),
           "check that the CSV belongs to the images, and that class_index counts from 0 "
           "in the model's order"});
    hold = report.gates.back().held;
  }
  if (times(config)) {
    const double speedup = found.models.at(1).one_thread.value_or(report::Latency{}).speedup;
    report.measured_time = 1 / std::max(speedup, 1e-9);
    const auto add = [&](const char* name, double bound, double figure, bool held) {
      report.gates.push_back({name, bound, figure, held, true});
      hold = hold && held;
    };
    if (gates.min_speedup) add("min_speedup", *gates.min_speedup, speedup, speedup >= *gates.min_speedup);
    if (const auto& limit = config.goals.max_latency_ratio)
      add("placement.max_latency_ratio", *limit, *report.measured_time, *report.measured_time <= *limit);
  }
  return hold;
}

}  // namespace qc
