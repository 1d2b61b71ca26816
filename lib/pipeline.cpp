// The corridor: what happens to a model, in order. Each line says what holds from there on; the rooms do the
// work.
#include "pipeline.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "blank_inputs.h"
#include "calibrate/calibrate.h"
#include "deliver/deliver.h"
#include "deliver/make_files.h"
#include "deliver/measured_gates.h"
#include "deliver/prove_tflite.h"
#include "deliver/resume.h"
#include "deliver/time_written.h"
#include "deliver/write_tflite.h"
#include "describe/assemble_report.h"
#include "describe/bodies.h"
#include "describe/diagnose.h"
#include "describe/hints.h"
#include "describe/placement.h"
#include "describe/values.h"
#include "fix.h"
#include "images/image_source.h"
#include "modes/modes.h"
#include "normalize/normalize.h"
#include "onnx_io/onnx_io.h"
#include "plain_spelling.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "search/activation_memory.h"
#include "search/attempt.h"
#include "search/balanced_search.h"
#include "search/place_for_narrow.h"
#include "search/places.h"
#include "search/search_model.h"
#include "search/spend_budget.h"
#include "select/costs.h"
#include "select/decide.h"
#include "select/placement.h"
#include "spell/forms.h"
#include "stopwatch.h"
#include "subject.h"
#include "target_of.h"

namespace qc {
namespace {

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

std::string of_one_file_note(const OutputPaths& outputs) {
  return format(
      "SQNR and agreement, and gates of them, are those of {}; {} has a form of its own and was not measured",
      outputs.onnx.filename().string(), outputs.tflite.filename().string());
}

// The files of a plan that nothing was measured for, and their part of the report and of the dump. `runs`:
// the model does, on noise.
ModelFiles unmeasured_files(const FileScene& scene, const Subject& subject, const plan::QuantPlan& plan,
                            bool runs, run::RunnerFactory& runners, int threads,
                            const ConvertOptions& options, ConvertResult& result) {
  const config::CoreConfig& config = scene.config;
  const std::vector<config::NodeSettings>& rules = subject.places.rules.nodes;
  const plan::QuantizedModel model =
      unmeasured_model(subject.graph, plan, scene.target, config, rules, threads);
  if (!runs) result.report.notes.push_back(unmeasured_note());
  const std::vector<std::vector<ir::Tensor>> noise(runs ? 1 : 0, noise_like(scene.sample));
  const plan::QuantizedModel stored =
      stored_by_mode({config, rules, subject.places.at_run_time, runners, noise, nullptr, {}, threads}, model,
                     result.report.notes);
  const plan::QuantizedModel& described = config::writes(config, "onnx") ? stored : model;
  ModelFiles files;
  make_onnx(scene, spelled_for(config.output.onnx_form, scene.target, stored), files);
  const tflite::Model lowered = make_tflite(scene, model, described.graph, files, result.report);
  if (wants(options, "tflite")) result.dumped += tflite::dump(lowered);
  describe_files(scene, described, files, {}, result.report);
  return files;
}

// The model of a .tflite that keeps floats beside an ONNX file of integers: weights and biases that make up
// for that file's roundings are not for one without them. Nothing: both files are of one model.
std::optional<plan::QuantizedModel> model_apart(const Scene& scene, const Subject& subject) {
  const config::CoreConfig& config = scene.config;
  if (!config::rounds_activations(config) || !config::tflite_keeps_floats(config) ||
      !config::writes(config, "tflite"))
    return std::nullopt;
  return float_model(subject.graph, scene.target, config, subject.places.rules.nodes, scene.threads);
}

// What is said of time goes by the runtime of the files. Costs with processors of their own are those of ONNX
// Runtime, by which a lone .tflite is placed as well; LiteRT's are those of its target. Empty: the
// placement's.
std::vector<select::ProcessorCosts> times_shown(const Scene& scene, const Subject& subject) {
  if (config::writes(scene.config, "onnx") || scene.target.tflite || scene.target.costs_on.empty()) return {};
  return select::time_costs_on_each(with_shapes_of(subject.graph, scene.sample, scene.codec),
                                    subject.places.capabilities, target::load("litert"));
}

// The scene by other times; they outlive it.
PlacementScene with_times(const PlacementScene& scene, const std::vector<select::ProcessorCosts>& times) {
  if (times.empty()) return scene;
  return {scene.graph,   scene.capabilities, times[0].time, times,       scene.priced, scene.goals,
          scene.answers, scene.runners,      scene.source,  scene.split, scene.threads};
}

// Predicted time of what was found, and what else could be had. `at_run_time`: by NodeId, layers that the
// file rounds then.
void describe_times(report::Report& report, const Scene& scene, const Subject& subject,
                    const SearchStart& start, const SearchResult& found,
                    const std::vector<bool>& at_run_time) {
  const PlanScene planning = plan_scene(scene, subject);
  const auto outline = [&](const std::vector<bool>& integer) { return outlined(planning, integer); };
  const PlacementScene placement = placement_scene(scene, subject, start);
  const std::vector<select::ProcessorCosts> times = times_shown(scene, subject);
  describe_placement(report, with_times(placement, times), found.placed, found.placed.best, at_run_time,
                     config::rounds_activations(scene.config) ? Outline(outline) : Outline());
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
  const run::ModelCodec codec = onnx_codec();

  // From here the config is complete and every key in it means something.
  config::CoreConfig config = load_config(options, diagnostics);
  if (config.mode == config::Mode::kStrip) return fix(options, true);
  check_gates(config);
  if (wants(options, "tflite") && !config::writes(config, "tflite"))
    throw Error(Exit::kUsage,
                {"no-such-dump", "--dump tflite", "no .tflite is written", "add --format tflite"});
  const target::TargetSpec target = target_of(config);
  run::OrtRunnerFactory runners(codec, config.output.external_data_above.value_or(run::kOnePart));
  const OutputPaths outputs = plan_outputs(options, config);

  // From here the model is a graph of nodes and values, float; nothing else of the file is needed again.
  Subject subject{onnx_io::read(options.model, diagnostics), {}, {}};
  ir::Graph& graph = subject.graph;
  Places& places = subject.places;
  onnx_io::check_convertible(graph, options.model);
  check_opset_known(graph, codec, options.model);
  result.report = begin_report(options, config, target, graph);
  apply_input_shapes(graph, config);
  if (!config::writes(config, "onnx")) fix_batch(graph);
  if (wants(options, "read")) result.dumped += ir::dump(graph);
  watch.lap("read");

  // From here images are known to exist and to fit the model. A dry run does without: a blank input has the
  // same shape.
  std::unique_ptr<images::ImageSource> source;
  if (!options.dry_run && (options.frontier || wants_images(config)))
    source = open_images(graph, config, diagnostics, threads);
  if (!options.dry_run) check_inputs_stay(options, config, graph, outputs);
  if (source) check_labels(config, graph, result.report.notes);
  const calibrate::Split split =
      source ? calibrate::split_images(source->size(), config.verify_images) : calibrate::Split{};
  const Sample at_hand = source            ? first_sample(*source)
                         : options.dry_run ? blank_inputs(graph, config, runners, codec)
                                           : unmeasured_sample(graph, config, runners, diagnostics, threads,
                                                               outputs.tflite.filename().string());
  const std::vector<ir::Tensor>& sample = at_hand.inputs;
  const FileScene files_scene{config, target, outputs, codec, sample};

  // From here the graph is in its plainest spelling: types and shapes are known, the opset can say
  // per-channel, and the topology is fixed.
  const bool rounds = config::rounds_activations(config);
  PlainSpelling plain{normalize_options(at_hand.to_run(), codec), opset_wanted(config),
                      config::writes(config, "onnx") && rounds};
  plain.rewriting.sub_pixel = sub_pixel_of(config, target);
  const auto applied = spell_plainly(graph, plain, runners, codec, diagnostics, result.report.notes);
  note(result.report.notes, weights_in_bodies(graph, result.report.float_size));
  check_explained(result.report, graph, options.explain);
  if (wants(options, "normalize")) result.dumped += ir::dump(graph);
  watch.lap("normalize");

  // From here the config's rules know their nodes, and every node has its place: integers where the target
  // has a kernel and they pay, or wherever it has one, or nowhere, as the mode says.
  places = places_of(graph, config, target, sample, codec);
  describe_rules(result.report, graph, places.rules);
  describe_idioms(result.report, places.idioms);
  plan::QuantPlan plan = outline_of_fastest(graph, places, config, target);
  if (rounds &&
      budget_needs_integers(graph, with_shapes_of(graph, sample, codec), places, plan, config, target)) {
    note(result.report.notes,
         "results are integers wherever the target has them, for the budget of activations");
    config.placement = config::Placement::kFull;
    places = places_of(graph, config, target, sample, codec);
    plan = outline_of_fastest(graph, places, config, target);
  }
  const bool full = is_full(config, target);
  if (rounds && !full)
    note(result.report.notes, select::describe_unpriced(graph, places.capabilities, target));
  if (config::writes(config, "tflite")) check_tflite(files_scene, graph, plan);
  watch.lap("place");
  if (options.dry_run) {
    if (wants(options, "plan")) result.dumped += plan::dump(plan, graph);
    describe_plan(result.report, graph, plan);
    return result;
  }
  // Nothing is measured without images, so there is nothing to search or to judge: the plan is written.
  if (!source) {
    const ModelFiles files =
        unmeasured_files(files_scene, subject, plan, at_hand.runs, runners, threads, options, result);
    finish_report(result.report, applied, {}, config, split, diagnostics, watch.timings());
    warn_of_floats(result.report, config, target);
    deliver(result, files, options, config, outputs, graph);
    return result;
  }

  // From here layers that a stopped run has solved are known, where it was asked to keep them.
  const std::unique_ptr<Resume> resume = resume_of(options, config, graph);
  const bool widths_open =
      options.frontier || config.budget.weights_memory || config.budget.total_memory || config.budget.bops;
  const Scene scene{config, target, runners, codec,       *source,
                    split,  sample, threads, widths_open, resume ? &resume->kept() : nullptr};

  // From here every value that will be rounded has exact statistics.
  take_statistics(scene, plan, subject);
  watch.lap("calibrate");

  // From here the float graph is the one that rounds best: channels rescaled, results shifted, layers merged,
  // where that was measured to help. Where nodes may go back to float, that is the cheaper remedy, and tried
  // before what nobody asked for.
  std::vector<report::Correction> corrections;
  const bool unasked_last = rounds && target.float_islands && !full && !config.budget.any();
  if (rounds)
    balance(scene, unasked_last ? Balancing::kAsked : Balancing::kAll, subject, corrections, result.report,
            watch);
  if (wants(options, "stats")) result.dumped += dump(subject.stats, graph);

  // From here every rounded value and every weight has parameters; the plan is complete.
  SearchStart start = start_of(scene, subject);
  if (wants(options, "candidates"))
    result.dumped += dump(start.activations, graph) + dump(start.weights, graph);
  watch.lap("thresholds");

  // From here nodes run where rounding their activations costs little, if their weights will be narrow: later
  // that is dear to find out.
  place_for_narrow(scene, subject, start, corrections);
  watch.lap("place");
  const auto as_stored = [&](const plan::QuantizedModel& model) {
    std::vector<std::string> notes;
    plan::QuantizedModel stored =
        stored_by_mode({config, places.rules.nodes, places.at_run_time, runners,
                        first_two(*source, split.held_out), source.get(), split.calibration, threads},
                       model, notes);
    return std::pair(std::move(stored), std::move(notes));
  };
  const auto in_memory = [&](const plan::QuantizedModel& model) {
    return files_in_memory(files_scene, model,
                           [&](const plan::QuantizedModel& m) { return as_stored(m).first; });
  };
  if (options.frontier) {
    result.frontier = measured_frontier(budget_scene(scene, subject, start, in_memory), start.weights);
    result.frontier->model = options.model.filename().string();
    return result;
  }

  // From here the model is the best that was found: widths, ranges, placement, corrections.
  SearchResult found =
      search_balanced(scene, unasked_last, in_memory, subject, start, corrections, result.report, watch);
  Attempt& best = found.placed.best;
  const FloatAnswers& answers = start.answers;
  if (wants(options, "plan")) result.dumped += plan::dump(best.model.plan, best.model.graph);

  // From here the error at every layer is known.
  auto local_error = error_by_value(answers, best, *source);
  if (rounds)
    result.report.hints =
        find_hints({graph, best, answers, subject.stats, *source, split, config, places.rules.nodes, target,
                    threads, options.diagnose || misses_goal(best, config)});
  best.simulator->runner.reset();
  watch.lap("error by layer");
  if (options.diagnose) {
    result.report.ablation = diagnose(graph, best, answers, runners, *source, threads);
    watch.lap("diagnose");
  }

  // From here the ONNX file's model is spelled as the modes of its nodes and the target have it.
  const auto [stored, said] = as_stored(best.model);
  // Tables and the like, which a lone .tflite of the plan has as they were.
  if (config::writes(config, "onnx") || config.mode != config::Mode::kStatic)
    append(result.report.notes, said);
  const Spelled spelled = spelled_for(config.output.onnx_form, target, stored);

  // From here the files exist, in memory, and stock ONNX Runtime has had its say about the ONNX one.
  ModelFiles files;
  make_onnx(files_scene, spelled, files);
  const simulate::Fidelity integer_kernels = fidelity_of_file(
      judged_file(files_scene, spelled), runners, *source, answers.held_out, answers.judged, threads);
  watch.lap("prove");
  const std::optional<plan::QuantizedModel> apart = model_apart(scene, subject);
  const plan::QuantizedModel& for_tflite = apart ? *apart : best.model;
  // A lone .tflite has the plan's nodes; constants of 16 bits are the one thing that both files store alike.
  const bool onnx = config::writes(config, "onnx");
  const plan::QuantizedModel& described = onnx || config.mode == config::Mode::kFloat16 ? stored : best.model;
  const tflite::Model lowered = make_tflite(files_scene, for_tflite, described.graph, files, result.report);
  if (wants(options, "tflite")) result.dumped += tflite::dump(lowered);
  watch.lap("tflite");
  if (config::writes(config, "tflite"))
    prove_tflite(scene, graph, at_hand, answers, for_tflite, files.tflite.bytes, outputs.tflite, diagnostics);
  watch.lap("prove tflite");

  // From here nothing is decided any more: numbers, then files. The simulation knows no rounding at run time,
  // so its errors by layer would name the wrong ones.
  const std::vector<bool> at_run_time = rounded_at_run_time(best.model.plan, stored.plan);
  if (std::ranges::count(at_run_time, true) > 0) local_error.clear();
  result.report.corrections = std::move(corrections);
  append(result.report.corrections, best.corrections);
  describe_calibration(result.report, *source, split, config.representative_dataset, options.html);
  describe_accuracy(result.report, graph, answers.judged, best.fidelity, integer_kernels);
  describe_files(files_scene, described, files, local_error, result.report);
  describe_values(result.report, described, subject.stats);
  if (apart && onnx) result.report.notes.push_back(of_one_file_note(outputs));
  watch.lap("describe");
  describe_times(result.report, scene, subject, start, found, at_run_time);
  watch.lap("regions");
  quantize::Guards guards = best.guards;
  if (!target.pairs_in_16_bits)  // sums of its kernels cannot overflow
    guards.risky_nodes = guards.risky_channels = guards.likely_nodes = guards.likely_channels = 0;
  finish_report(result.report, applied, guards, config, split, diagnostics, watch.timings());
  warn_of_cut_off(result.report, graph, start.plan, subject.stats, target);
  warn_of_floats(result.report, config, target);
  judge_goals(result.report, placement_scene(scene, subject, start), found.placed, best,
              {config, full && target.float_islands, target.float_islands, options.picked});
  deliver(result, files, options, config, outputs, graph);
  if (resume && result.gates_hold) resume->finished();

  // From here people know how fast the file is; a look at a clock, which decides nothing.
  if (options.time_written && result.gates_hold && !result.report.measured_time &&
      config::writes(config, "onnx") && !runs_elsewhere(target))
    result.report.measured_time = time_of_written(options.model, outputs.onnx, sample);
  return result;
}

}  // namespace qc
