// The corridor: what happens to a model, in order. Each line says what holds from there on; the rooms do the
// work.
#include "pipeline.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "assemble_report.h"
#include "attempt.h"
#include "balance_graph.h"
#include "base/files.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/text.h"
#include "calibrate/calibrate.h"
#include "complete_plan.h"
#include "deliver.h"
#include "describe_placement.h"
#include "describe_values.h"
#include "diagnose.h"
#include "fix.h"
#include "hints.h"
#include "images/image_source.h"
#include "measured_gates.h"
#include "modes.h"
#include "normalize/normalize.h"
#include "onnx_io/onnx_io.h"
#include "places.h"
#include "prepare.h"
#include "proof/verdict.h"
#include "refine_placement.h"
#include "resume.h"
#include "run/ort_runner.h"
#include "select/capability.h"
#include "select/costs.h"
#include "select/decide.h"
#include "select/placement.h"
#include "select/rules.h"
#include "spell_forms.h"
#include "spend_budget.h"
#include "threshold/candidates.h"
#include "tune_ranges.h"
#include "version.h"
#include "write_tflite.h"

namespace qc {
namespace {

using Clock = std::chrono::steady_clock;

// Where the time goes, for -v and the text report.
class Stopwatch {
 public:
  void lap(const char* stage) {
    const Clock::time_point now = Clock::now();
    timings_.push_back({stage, std::chrono::duration<double>(now - last_).count()});
    last_ = now;
  }
  const std::vector<report::Timing>& timings() const { return timings_; }

 private:
  Clock::time_point last_ = Clock::now();
  std::vector<report::Timing> timings_;
};

template <typename T>
void append(std::vector<T>& list, const std::vector<T>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

void note(std::vector<std::string>& notes, std::string text) {
  if (!text.empty()) notes.push_back(std::move(text));
}

bool wants(const ConvertOptions& options, const char* stage) {
  return std::find(options.dump.begin(), options.dump.end(), stage) != options.dump.end();
}

std::vector<std::vector<ir::Tensor>> first_two(const images::ImageSource& source,
                                               const std::vector<int64_t>& images) {
  std::vector<std::vector<ir::Tensor>> inputs;
  for (size_t i = 0; i < std::min<size_t>(2, images.size()); ++i) inputs.push_back(source.load(images[i]));
  return inputs;
}

// Activations stay float and no images were named: nothing was measured, so there is nothing to judge.
ModelFiles unmeasured_files(ConvertResult& result, const plan::QuantizedModel& model,
                            const plan::QuantizedModel& stored, const std::vector<ir::Tensor>& sample,
                            const config::CoreConfig& config, const target::TargetSpec& target,
                            const OutputPaths& outputs, bool show) {
  ModelFiles files;
  const bool onnx = wants_format(config, "onnx");
  describe_plan(result.report, (onnx ? stored : model).graph, (onnx ? stored : model).plan);
  if (onnx) {
    const onnx_io::QdqOptions form = qdq_options(outputs, config);
    const Spelled spelled = spelled_for(config.output.onnx_form, target, stored);
    files.onnx = onnx_io::write_qdq(spelled.file, metadata_of(config), form);
    describe_proof(result.report, stored, verdicts_of(spelled.runnable, form, onnx_doors()), {});
    describe_file(result.report, outputs.onnx, "onnx", files.onnx);
  }
  if (wants_format(config, "tflite")) {
    const tflite::Model lowered = tflite_graph(model, sample, onnx_doors(), config, target);
    if (show) result.dumped += tflite::dump(lowered);
    files.tflite = tflite::serialise(lowered);
    append(result.report.notes, tflite_notes(lowered, model.graph, target));
    describe_file(result.report, outputs.tflite, "tflite", files.tflite);
  }
  return files;
}

// The model as it would be written, in every format.
std::vector<plan::Written> files_in_memory(const plan::QuantizedModel& model,
                                           const std::vector<ir::Tensor>& sample,
                                           const config::CoreConfig& config, const target::TargetSpec& target,
                                           const OutputPaths& outputs) {
  std::vector<plan::Written> files;
  if (wants_format(config, "onnx"))
    files.push_back(onnx_io::write_qdq(model, metadata_of(config), qdq_options(outputs, config)));
  if (wants_format(config, "tflite"))
    files.push_back(tflite::serialise(tflite_graph(model, sample, onnx_doors(), config, target)));
  return files;
}

}  // namespace

const std::vector<std::string>& dump_stages() {
  static const std::vector<std::string> stages{"read", "normalize", "stats", "candidates", "plan", "tflite"};
  return stages;
}

// The corridor is one list of stages; cutting it would only hide the order.
// NOLINTNEXTLINE(readability-function-size)
ConvertResult convert(const ConvertOptions& options) {
  Stopwatch watch;
  Diagnostics diagnostics;
  ConvertResult result;
  const int threads = options.threads > 0 ? options.threads : available_threads();
  const run::Doors doors = onnx_doors();

  // From here the config is complete and every key in it means something.
  const config::CoreConfig config = load_config(options, diagnostics);
  if (config.mode == config::Mode::kStrip) return fix(options, true);
  check_gates(config);
  const target::TargetSpec target = target_of(config);
  const bool full = is_full(config, target);
  run::OrtRunnerFactory runners(doors, config.output.external_data_above.value_or(run::kOnePart));
  const OutputPaths outputs = plan_outputs(options, config);

  // From here the model is a graph of nodes and values, float, with known types and shapes, at an opset that
  // can say per-channel; nothing else of the file is needed again.
  ir::Graph graph = onnx_io::read(options.model, diagnostics);
  onnx_io::check_convertible(graph, options.model);
  check_opset_known(graph, doors, options.model);
  result.report = begin_report(options, config, target, graph);
  apply_input_shapes(graph, config);
  if (wants(options, "read")) result.dumped += ir::dump(graph);
  watch.lap("read");

  // From here images are known to exist and to fit the model. A dry run does without: a blank input has the
  // same shape.
  std::unique_ptr<images::ImageSource> source;
  if (!options.dry_run && wants_images(config)) source = open_images(graph, config, diagnostics, threads);
  const calibrate::Split split =
      source ? calibrate::split_images(source->size(), config.verify_images) : calibrate::Split{};
  const std::vector<ir::Tensor> sample = source ? source->load(0) : blank_inputs(graph, config);
  run::infer_shapes(graph, doors);  // some rules of raising ask for ranks
  raise_opset_checked(graph, opset_wanted(config), runners, sample, diagnostics);

  // From here the graph is in its plainest spelling and its topology is fixed.
  const auto applied = normalize::normalize(graph, runners, normalize_options(sample, doors), diagnostics);
  run::infer_shapes(graph, doors);
  if (wants(options, "normalize")) result.dumped += ir::dump(graph);
  watch.lap("normalize");

  // From here the config's rules know their nodes, and every node has its place: integers where the target
  // has a kernel and they pay, or wherever it has one, or nowhere, as the mode says.
  Places places = places_of(graph, config, target, sample, doors);
  describe_rules(result.report, graph, places.rules);
  describe_idioms(result.report, places.idioms);
  const bool rounds = config::rounds_activations(config);
  if (rounds && !full)
    note(result.report.notes, select::describe_unpriced(graph, places.capabilities, target));
  plan::QuantPlan plan = outline_of_fastest(graph, places, config, target);
  if (wants_format(config, "tflite")) check_tflite(graph, plan, sample, doors, config, target);
  watch.lap("place");
  if (options.dry_run) {
    if (wants(options, "plan")) result.dumped += plan::dump(plan, graph);
    describe_plan(result.report, graph, plan);
    return result;
  }
  if (!source) {
    const plan::QuantizedModel model =
        unmeasured_model(graph, plan, target, config, places.rules.nodes, threads);
    const std::vector<ir::Tensor> noise = noise_like(sample);
    const plan::QuantizedModel stored =
        stored_by_mode(config, places.rules.nodes, places.at_run_time, {noise},
                       half_reach(config, places.rules.nodes, graph, runners, nullptr, {}, noise, threads),
                       runners, threads, model, result.report.notes);
    const ModelFiles files =
        unmeasured_files(result, model, stored, sample, config, target, outputs, wants(options, "tflite"));
    finish_report(result.report, applied, {}, config, split, diagnostics, watch.timings());
    result.explained = explain(result.report, options.explain);
    deliver(result, files, options, config, outputs, graph);
    return result;
  }

  // From here every value that will be rounded has exact statistics.
  const auto statistics = [&] {
    return rounds ? calibrate::calibrate(graph, runners, *source, split.calibration,
                                         select::requests(plan, graph), {threads, batch_size(graph, config)})
                  : plan::StatsTable{};
  };
  plan::StatsTable stats = statistics();
  watch.lap("calibrate");

  // From here layers that a stopped run has solved are known, where it was asked to keep them.
  const std::unique_ptr<Resume> resume = resume_of(options, config, graph);
  correct::Kept* kept = resume ? &resume->kept() : nullptr;

  // From here the float graph is the one that rounds best: channels rescaled, results shifted, layers merged,
  // where that was measured to help.
  std::vector<report::Correction> corrections;
  if (rounds && !options.frontier) {
    const BalanceScene scene{config, target, runners, doors, *source, split, sample, threads, kept};
    Balanced balanced = balance_graph(scene, graph, places, stats);
    corrections = std::move(balanced.corrections);
    append(result.report.notes, balanced.notes);
    if (balanced.changed) {
      graph = std::move(balanced.graph);
      places = std::move(balanced.places);
      plan = outline_of_fastest(graph, places, config, target);
      stats = statistics();
    }
  }
  if (wants(options, "stats")) result.dumped += dump(stats, graph);
  watch.lap("balance");

  // From here no Concat of outputs puts ranges of unlike width on one scale, where floats may stand.
  const std::vector<bool> placed = keep_apart(result.report, graph, target, stats, places.fastest,
                                              full && target.float_islands && target.activations.bits <= 8);
  const PlanScene planning{graph, places, config, target, stats};
  if (placed != places.fastest) plan = outlined(planning, placed);

  // From here every rounded value and every weight has parameters; the plan is complete.
  const plan::Candidates weights =
      threshold::weight_candidates(graph, plan, target, config.quantization, places.rules.nodes, threads);
  const plan::Candidates activations = ranges_of(planning, plan);
  decide(planning, activations, plan);
  if (wants(options, "candidates")) result.dumped += dump(activations, graph) + dump(weights, graph);
  watch.lap("thresholds");

  // From here weights are integers and biases make up for what rounding shifted, where that helped.
  FloatAnswers answers = ask_float_model(graph, plan, stats, runners, *source, split, config, threads);
  answers.rules = places.rules.nodes;
  answers.kept = kept;
  const bool bounded = config.budget.any();  // then every weight gets a width of its own
  const auto in_memory = [&](const plan::QuantizedModel& model) {
    return files_in_memory(model, sample, config, target, outputs);
  };
  const auto ranges_by = [&](const std::vector<config::NodeSettings>& rules) {
    return threshold::activation_candidates(graph, plan, stats, target, config.quantization, rules);
  };
  const auto plan_by = [&](const plan::Candidates& chosen) {
    plan::QuantPlan other = outlined(planning, placed);
    decide(planning, chosen, other);
    return other;
  };
  BudgetScene widths{graph,         with_shapes_of(graph, sample, doors),
                     plan,          target,
                     places.idioms, places.capabilities,
                     config,        places.rules.nodes,
                     answers,       runners,
                     *source,       threads,
                     in_memory,     ranges_by,
                     plan_by};
  if (options.frontier) {
    result.frontier = measured_frontier(widths, weights);
    result.frontier->model = options.model.filename().string();
    return result;
  }
  Attempt best = bounded ? within_budget(widths, weights, result.report)
                         : attempt(graph, plan, weights, answers, runners, *source, config, threads);
  watch.lap("correct");

  // From here ranges that cost the outputs much are those that cost them least.
  const auto attempt_with = [&](const std::vector<bool>& integer, const RangeChoice& choice) {
    return attempt(graph, complete_plan(planning, integer, choice), weights, answers, runners, *source,
                   config, threads);
  };
  RangeChoice ranges;
  if (rounds && !bounded && wants_tuned_ranges(config, full, best)) {
    const plan::Candidates more = ranges_of(planning, best.model.plan, true);
    TunedRanges tuned = tune_ranges(answers, *source, more, threads, std::move(best),
                                    [&](const RangeChoice& choice) { return attempt_with(placed, choice); });
    best = std::move(tuned.best);
    ranges = std::move(tuned.choice);
    if (tuned.correction) corrections.push_back(std::move(*tuned.correction));
  }
  watch.lap("ranges");

  // From here nodes whose integers cost more accuracy than they are worth are in float again.
  const PlacementScene scene{graph,
                             places.capabilities,
                             places.time,
                             places.time_on,
                             !target.costs.empty(),
                             config.goals,
                             answers,
                             *source,
                             split,
                             threads};
  Placed found{std::move(best), {}, {}, {}};
  if (rounds && !bounded && target.float_islands && !full_stands(config, found.best.fidelity.worst_db()))
    found = refine_placement(scene, placed, std::move(found.best),
                             [&](const std::vector<bool>& integer) { return attempt_with(integer, ranges); });
  best = std::move(found.best);
  if (wants(options, "plan")) result.dumped += plan::dump(best.model.plan, best.model.graph);
  watch.lap("refine");

  // From here the error at every layer is known.
  const auto local_error = error_by_value(answers, best, *source);
  if (rounds)
    result.report.hints =
        find_hints({graph, best, answers, stats, *source, split, config, places.rules.nodes, target, threads,
                    options.diagnose || best.fidelity.worst_db() < config.goals.min_sqnr_db.value_or(
                                                                       config::PlacementGoals::kSqnrDb)});
  best.simulator->runner.reset();
  watch.lap("error by layer");
  if (options.diagnose) {
    result.report.ablation = diagnose(graph, best, answers, runners, *source, threads);
    watch.lap("diagnose");
  }

  // From here the ONNX file's model is spelled as the modes of its nodes and the target have it.
  const plan::QuantizedModel stored =
      stored_by_mode(config, places.rules.nodes, places.at_run_time, first_two(*source, split.held_out),
                     half_reach(config, places.rules.nodes, best.model.graph, runners, source.get(),
                                split.calibration, {}, threads),
                     runners, threads, best.model, result.report.notes);
  const Spelled spelled = spelled_for(config.output.onnx_form, target, stored);

  // From here the files exist, in memory, and stock ONNX Runtime has had its say about the ONNX one.
  const onnx_io::QdqOptions form = qdq_options(outputs, config);
  ModelFiles files;
  files.onnx = onnx_io::write_qdq(spelled.file, metadata_of(config), form);
  const std::vector<proof::Verdict> verdicts = verdicts_of(spelled.runnable, form, doors);
  const simulate::Fidelity integer_kernels =
      fidelity_of_file(onnx_io::write_qdq(spelled.runnable, {}, form), runners, *source, answers.held_out,
                       answers.judged, threads);
  watch.lap("prove");
  if (wants_format(config, "tflite")) {
    const tflite::Model lowered = tflite_graph(best.model, sample, doors, config, target);
    if (wants(options, "tflite")) result.dumped += tflite::dump(lowered);
    files.tflite = tflite::serialise(lowered);
    append(result.report.notes, tflite_notes(lowered, best.model.graph, target));
  }
  watch.lap("tflite");

  // From here nothing is decided any more: numbers, then files.
  describe_plan(result.report, stored.graph, stored.plan);
  result.report.corrections = std::move(corrections);
  append(result.report.corrections, best.corrections);
  describe_proof(result.report, stored, verdicts, local_error);
  describe_values(result.report, stored, stats);
  describe_calibration(result.report, *source, split, config.representative_dataset);
  describe_accuracy(result.report, graph, answers.judged, best.fidelity, integer_kernels);
  if (wants_format(config, "onnx")) describe_file(result.report, outputs.onnx, "onnx", files.onnx);
  if (wants_format(config, "tflite")) describe_file(result.report, outputs.tflite, "tflite", files.tflite);
  finish_report(result.report, applied, best.guards, config, split, diagnostics, watch.timings());
  warn_of_cut_off(result.report, graph, plan, stats, target);
  describe_placement(result.report, scene, found, best);
  judge_goals(result.report, scene, found, best);
  result.explained = explain(result.report, options.explain);
  deliver(result, files, options, config, outputs, graph);
  if (resume && result.gates_hold) resume->finished();
  return result;
}

}  // namespace qc
